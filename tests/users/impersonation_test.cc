// Promise: one thread acts as a user, with that user's ids and groups and without any capability in
// effect; others do not notice; and it becomes again what it was, to the last bit. What cannot be
// done is said, and changes nothing. Each case runs in a process of its own.
#include "engine/users/impersonation.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <latch>
#include <string>
#include <thread>

#include "tests/in_child.h"
#include "tests/users/system_call_filter.h"
#include "tests/users/thread_status.h"

namespace usher::users {
namespace {

using namespace testing;
using Outcome = Changed::Outcome;

constexpr std::uint64_t kBoth = bit(CAP_SETUID) | bit(CAP_SETGID);
constexpr const char* kNoCapabilities = "0000000000000000";

const User kAlice{.uid = 54321, .gid = 54322, .groups = {54322, 54399, 54323}};
const User kBob{.uid = 54331, .gid = 54332, .groups = {54332}};
constexpr Impersonated kFirst{.index = 3, .generation = 7};
constexpr Impersonated kSecond{.index = 3, .generation = 8};

// Readable says whether the calling thread may read a file.
bool readable(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file >= 0) {
    ::close(file);
  }
  return file >= 0;
}

class Impersonation : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0 || !set_capabilities_of_root()) {
      GTEST_SKIP() << "becoming others needs root with CAP_SETUID and CAP_SETGID";
    }
    std::string pattern = (std::filesystem::temp_directory_path() / "usher-as-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    ASSERT_EQ(::chmod(folder.c_str(), 0755), 0);
    alices = file("alices", kAlice.uid, 0, 0600);
    groups = file("groups", 0, 54323, 0640);
    roots = file("roots", 0, 0, 0600);
  }
  void TearDown() override {
    if (!folder.empty()) {
      std::filesystem::remove_all(folder);
    }
  }
  static bool set_capabilities_of_root() {
    return (std::stoull(line_of(thread_status(), "CapEff:"), nullptr, 16) & kBoth) == kBoth;
  }
  std::filesystem::path file(const char* name, uid_t uid, gid_t gid, mode_t mode) const {
    const std::filesystem::path path = folder / name;
    std::ofstream(path) << "text";
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    EXPECT_EQ(::chown(path.c_str(), uid, gid), 0);
    return path;
  }
  // expect_alice looks at everything that the calling thread may do.
  void expect_alice() const {
    EXPECT_TRUE(readable(alices));
    EXPECT_TRUE(readable(groups));
    EXPECT_FALSE(readable(roots));
    const std::string status = thread_status();
    EXPECT_EQ(line_of(status, "CapEff:"), kNoCapabilities);
    EXPECT_EQ(line_of(status, "Groups:"), "54322 54323 54399");
  }

  std::filesystem::path folder;
  std::filesystem::path alices;
  std::filesystem::path groups;
  std::filesystem::path roots;
};

TEST_F(Impersonation, IsOfTheCallingThreadAlone) {
  in_child([this] {
    std::latch begun(1);
    std::latch seen(1);
    std::string others;
    bool others_read = false;
    std::thread other([&] {
      begun.wait();
      others = thread_status();
      others_read = readable(roots) && readable(alices);
      seen.count_down();
    });
    const std::string before = thread_status();
    ASSERT_EQ(impersonate(kAlice, kFirst).outcome, Outcome::kDone);
    begun.count_down();
    seen.wait();
    EXPECT_EQ(line_of(thread_status(), "Uid:"), "0\t54321\t0\t54321");
    EXPECT_EQ(line_of(thread_status(), "Gid:"), "0\t54322\t0\t54322");
    expect_alice();
    ASSERT_NE(server_identity(), nullptr);
    EXPECT_EQ(server_identity()->effective_uid, 0u);
    EXPECT_EQ(revert(kFirst).outcome, Outcome::kDone);
    EXPECT_EQ(thread_status(), before);
    EXPECT_EQ(server_identity(), nullptr);
    EXPECT_TRUE(readable(roots));
    other.join();
    EXPECT_EQ(others, before);
    EXPECT_TRUE(others_read);
  });
}

// Beginning is who a server may be.
struct Beginning {
  const char* name;
  std::function<bool()> become;
};

bool set_uids(std::uint32_t real, std::uint32_t effective, std::uint32_t saved) {
  return ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 &&
         ::syscall(SYS_setresuid, real, effective, saved) == 0 &&
         ::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) == 0 &&
         set_capabilities(kBoth, kBoth | bit(CAP_CHOWN), bit(CAP_SETUID));
}

const Beginning kBeginnings[] = {
    {"Root", [] { return true; }},
    {"RootWithGroups",
     [] {
       const std::array<gid_t, 3> groups = {9, 0, 5};
       return ::syscall(SYS_setgroups, groups.size(), groups.data()) == 0 &&
              ::syscall(SYS_setresgid, 1, 2, 3) == 0;
     }},
    {"RootWithFewerInEffect",
     [] { return set_capabilities(kBoth, kBoth | bit(CAP_CHOWN) | bit(CAP_KILL), bit(CAP_KILL)); }},
    {"RootWithoutFixup",
     [] { return ::prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) == 0; }},
    {"RootWithoutNewPrivileges", [] { return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0; }},
    {"RootWithFilesAsAnother",
     [] {
       ::syscall(SYS_setfsgid, 1235);
       ::syscall(SYS_setfsuid, 1234);
       return set_capabilities(kBoth, kBoth | bit(CAP_CHOWN), 0);
     }},
    {"User", [] { return become_user(1000, 1000, kBoth); }},
    {"UserWithAmbient",
     [] { return become_user(1000, 1000, kBoth | bit(CAP_CHOWN), kBoth | bit(CAP_CHOWN)); }},
    {"UserWithoutFixup",
     [] {
       return ::prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) == 0 &&
              become_user(1000, 1000, kBoth);
     }},
    {"OnlyEffectivelyRoot", [] { return set_uids(1000, 0, 1001); }},
    {"ReallyRoot", [] { return set_uids(0, 1000, 1001); }},
    {"OnceRoot", [] { return set_uids(1000, 1001, 0); }},
    {"NotReallyRoot", [] { return set_uids(1000, 0, 0); }},
    {"ThreeUsers", [] { return set_uids(1000, 1001, 1002); }},
};

class ImpersonationBy : public Impersonation, public ::testing::WithParamInterface<Beginning> {};

TEST_P(ImpersonationBy, IsUndoneToTheLastBit) {
  in_child([this] {
    ASSERT_TRUE(GetParam().become());
    const std::string before = thread_status();
    for (int round = 0; round < 2; ++round) {
      ASSERT_EQ(impersonate(kAlice, kFirst).outcome, Outcome::kDone);
      expect_alice();
      const std::string meanwhile = thread_status();
      EXPECT_EQ(line_of(meanwhile, "CapPrm:"), line_of(before, "CapPrm:"));
      EXPECT_EQ(line_of(meanwhile, "CapInh:"), line_of(before, "CapInh:"));
      ASSERT_EQ(impersonate(kBob, kSecond).outcome, Outcome::kDone);
      EXPECT_FALSE(readable(alices));
      EXPECT_FALSE(readable(groups));
      EXPECT_EQ(line_of(thread_status(), "CapEff:"), kNoCapabilities);
      ASSERT_EQ(impersonate(kAlice, kFirst).outcome, Outcome::kDone);
      EXPECT_EQ(thread_status(), meanwhile);
      EXPECT_EQ(revert(kFirst).outcome, Outcome::kDone);
      EXPECT_EQ(thread_status(), before);
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Servers, ImpersonationBy, ::testing::ValuesIn(kBeginnings),
                         [](const auto& beginning) { return beginning.param.name; });

TEST_F(Impersonation, NeedsBothCapabilities) {
  const std::uint64_t all = std::stoull(line_of(thread_status(), "CapPrm:"), nullptr, 16);
  const Beginning without[] = {
      {"setuid", [=] { return set_capabilities(all & ~bit(CAP_SETUID), all, 0); }},
      {"setgid", [=] { return set_capabilities(all & ~bit(CAP_SETGID), all, 0); }},
      {"effective", [=] { return set_capabilities(0, all, 0); }},
      {"permitted", [] { return set_capabilities(0, 0, 0); }},
      {"root", [] { return become_user(1000, 1000, 0); }},
      {"one of two", [] { return become_user(1000, 1000, bit(CAP_SETUID)); }},
  };
  for (const Beginning& server : without) {
    SCOPED_TRACE(server.name);
    in_child([&] {
      ASSERT_TRUE(server.become());
      const std::string before = thread_status();
      EXPECT_EQ(impersonate(kAlice, kFirst).outcome, Outcome::kNoPrivilege);
      EXPECT_EQ(thread_status(), before);
      EXPECT_EQ(revert(kFirst).outcome, Outcome::kNotThat);
    });
  }
}

TEST_F(Impersonation, OnlyTheOneThereIsIsReverted) {
  in_child([this] {
    EXPECT_EQ(revert(kFirst).outcome, Outcome::kNotThat);
    const std::string before = thread_status();
    ASSERT_EQ(impersonate(kAlice, kFirst).outcome, Outcome::kDone);
    EXPECT_EQ(revert(kSecond).outcome, Outcome::kNotThat);
    expect_alice();
    ASSERT_EQ(impersonate(kBob, kSecond).outcome, Outcome::kDone);
    EXPECT_EQ(revert(kFirst).outcome, Outcome::kNotThat) << "it has changed over";
    std::thread([] { EXPECT_EQ(revert(kSecond).outcome, Outcome::kNotThat); }).join();
    EXPECT_EQ(revert(kSecond).outcome, Outcome::kDone);
    EXPECT_EQ(revert(kSecond).outcome, Outcome::kNotThat);
    EXPECT_EQ(thread_status(), before);
  });
}

TEST_F(Impersonation, TakesAsManyGroupsAsTheKernel) {
  in_child([] {
    User user = kAlice;
    user.groups.assign(65'536, 54322);
    const std::string before = thread_status();
    EXPECT_EQ(impersonate(user, kFirst).outcome, Outcome::kDone);
    EXPECT_EQ(revert(kFirst).outcome, Outcome::kDone);
    user.groups.push_back(54323);
    const Changed changed = impersonate(user, kFirst);
    EXPECT_EQ(changed.outcome, Outcome::kRefused);
    EXPECT_STREQ(changed.step, "setgroups");
    EXPECT_EQ(changed.error, EINVAL);
    EXPECT_EQ(thread_status(), before);
  });
}

TEST_F(Impersonation, KeepsTheSignalForAParentsDeath) {
  in_child([] {
    ASSERT_EQ(::prctl(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0), 0);
    const auto signal = [] {
      int number = 0;
      return ::prctl(PR_GET_PDEATHSIG, &number, 0, 0, 0) == 0 ? number : -1;
    };
    ASSERT_EQ(impersonate(kAlice, kFirst).outcome, Outcome::kDone);
    EXPECT_EQ(signal(), SIGUSR1);
    ASSERT_EQ(revert(kFirst).outcome, Outcome::kDone);
    EXPECT_EQ(signal(), SIGUSR1);
    for (const int meanwhile : {SIGUSR2, 0}) {
      ASSERT_EQ(impersonate(kAlice, kFirst).outcome, Outcome::kDone);
      ASSERT_EQ(::prctl(PR_SET_PDEATHSIG, meanwhile, 0, 0, 0), 0);
      ASSERT_EQ(impersonate(kBob, kSecond).outcome, Outcome::kDone);
      EXPECT_EQ(signal(), meanwhile) << "the latest, not the first";
      ASSERT_EQ(revert(kSecond).outcome, Outcome::kDone);
      EXPECT_EQ(signal(), meanwhile);
      ASSERT_EQ(::prctl(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0), 0);
    }
  });
}

// A child of fork is its parent's thread, as it was.
TEST_F(Impersonation, GoesOnInAChildAndCanBeUndoneThere) {
  in_child([this] {
    const std::string before = thread_status();
    ASSERT_EQ(impersonate(kAlice, kFirst).outcome, Outcome::kDone);
    in_child([&] {
      expect_alice();
      EXPECT_EQ(revert(kFirst).outcome, Outcome::kDone);
      EXPECT_EQ(thread_status(), before);
    });
    expect_alice();
  });
}

TEST_F(Impersonation, AThreadThatItStartsCanBecomeTheServer) {
  in_child([this] {
    const std::string before = thread_status();
    ASSERT_EQ(impersonate(kAlice, kFirst).outcome, Outcome::kDone);
    const ThreadIdentity server = *server_identity();
    std::thread([&] {
      expect_alice();
      EXPECT_EQ(server_identity(), nullptr);
      EXPECT_TRUE(become_server(server));
      EXPECT_EQ(thread_status(), before);
    }).join();
    expect_alice();
  });
}

// What the kernel refuses half the way is undone; what it only claims is noticed.
TEST_F(Impersonation, LeavesNothingChangedWhereTheKernelRefuses) {
  struct Row {
    long number;
    int error;
    int expected;  // Error
  };
  const Row rows[] = {
      {SYS_setresuid, EPERM, EPERM}, {SYS_setresuid, EAGAIN, EAGAIN}, {SYS_setresuid, 0, EPERM},
      {SYS_setresgid, EPERM, EPERM}, {SYS_setresgid, 0, EPERM},       {SYS_setgroups, EPERM, EPERM},
      {SYS_setgroups, 0, EPERM},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(::testing::Message() << "call " << row.number << ", error " << row.error);
    in_child([&] {
      // Refused is only what would change something, so that there is a way back.
      const bool is_groups = row.number == SYS_setgroups;
      ASSERT_TRUE(fail_call_with(row.number, is_groups ? 0 : 1,
                                 is_groups                     ? 3
                                 : row.number == SYS_setresuid ? kAlice.uid
                                                               : kAlice.gid,
                                 row.error));
      const std::string before = thread_status();
      const Changed changed = impersonate(kAlice, kFirst);
      EXPECT_EQ(changed.outcome, Outcome::kRefused);
      EXPECT_EQ(changed.error, row.expected);
      EXPECT_STRNE(changed.step, "");
      EXPECT_EQ(thread_status(), before);
      EXPECT_EQ(server_identity(), nullptr);
      EXPECT_EQ(revert(kFirst).outcome, Outcome::kNotThat);
      ASSERT_EQ(impersonate(kBob, kSecond).outcome, Outcome::kDone) << "it is as good as before";
      const std::string as_bob = thread_status();
      EXPECT_EQ(impersonate(kAlice, kFirst).outcome, Outcome::kRefused);
      EXPECT_EQ(thread_status(), as_bob) << "still the one";
      EXPECT_EQ(revert(kSecond).outcome, Outcome::kDone);
      EXPECT_EQ(thread_status(), before);
    });
  }
}

TEST_F(Impersonation, SaysWhenThereIsNoWayBack) {
  in_child([] {
    // The server's groups, none, cannot be set, nor can any user id.
    ASSERT_EQ(::syscall(SYS_setgroups, 0, nullptr), 0);
    ASSERT_TRUE(fail_call(SYS_setresuid, EPERM));
    ASSERT_TRUE(fail_call_with(SYS_setgroups, 0, 0, EPERM));
    EXPECT_EQ(impersonate(kAlice, kFirst).outcome, Outcome::kHalfWay);
    EXPECT_EQ(line_of(thread_status(), "CapEff:"), kNoCapabilities);
    EXPECT_NE(server_identity(), nullptr);
    const Changed changed = revert(kFirst);
    EXPECT_EQ(changed.outcome, Outcome::kHalfWay);
    EXPECT_STREQ(changed.step, "setgroups");
    EXPECT_NE(server_identity(), nullptr);
  });
}

TEST_F(Impersonation, ThatCannotBeUndoneGoesOn) {
  in_child([this] {
    ASSERT_EQ(::syscall(SYS_setgroups, 0, nullptr), 0);
    ASSERT_EQ(impersonate(kAlice, kFirst).outcome, Outcome::kDone);
    ASSERT_TRUE(fail_call_with(SYS_setgroups, 0, 0, EPERM));
    const std::string before = thread_status();
    const Changed changed = revert(kFirst);
    EXPECT_EQ(changed.outcome, Outcome::kRefused);
    EXPECT_EQ(changed.error, EPERM);
    EXPECT_EQ(thread_status(), before);
    expect_alice();
  });
}

// In a user namespace, where root is somebody else outside.
class ImpersonationInNamespace : public Impersonation {
 protected:
  // in_namespace runs `body` as root of a namespace of its own with these maps; `before` first,
  // outside.
  template <class Body>
  static void in_namespace(const char* map, const char* setgroups, Body body) {
    int to_parent[2];
    int to_child[2];
    ASSERT_EQ(::pipe2(to_parent, O_CLOEXEC), 0);
    ASSERT_EQ(::pipe2(to_child, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    char octet = 'n';
    if (child == 0) {
      const bool made = ::unshare(CLONE_NEWUSER) == 0;
      octet = made ? 'y' : 'n';
      EXPECT_EQ(::write(to_parent[1], &octet, 1), 1);
      EXPECT_EQ(::read(to_child[0], &octet, 1), 1);
      if (!made) {
        ::_exit(kSkippedInChild);
      }
      body();
      ::_exit(how_it_ended());
    }
    ASSERT_EQ(::read(to_parent[0], &octet, 1), 1);
    if (octet == 'y') {
      const std::string proc = "/proc/" + std::to_string(child) + "/";
      std::ofstream(proc + "uid_map") << map;
      std::ofstream(proc + "setgroups") << setgroups;
      std::ofstream(proc + "gid_map") << map;
    }
    ASSERT_EQ(::write(to_child[1], &octet, 1), 1);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    for (const int fd : {to_parent[0], to_parent[1], to_child[0], to_child[1]}) {
      ::close(fd);
    }
    ASSERT_TRUE(WIFEXITED(status)) << status;
    if (WEXITSTATUS(status) == kSkippedInChild) {
      GTEST_SKIP() << "no user namespace can be had here";
    }
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
};

TEST_F(ImpersonationInNamespace, WorksForItsRoot) {
  const std::filesystem::path fives = file("fives", 100'005, 0, 0600);
  in_namespace("0 0 1\n1 100001 1000\n", "allow", [&] {
    const std::string before = thread_status();
    ASSERT_EQ(impersonate({.uid = 5, .gid = 6, .groups = {6, 7}}, kFirst).outcome, Outcome::kDone);
    EXPECT_EQ(line_of(thread_status(), "Uid:"), "0\t5\t0\t5");
    EXPECT_EQ(line_of(thread_status(), "Groups:"), "6 7");
    EXPECT_EQ(line_of(thread_status(), "CapEff:"), kNoCapabilities);
    EXPECT_TRUE(readable(fives));
    EXPECT_FALSE(readable(roots));
    EXPECT_EQ(revert(kFirst).outcome, Outcome::kDone);
    EXPECT_EQ(thread_status(), before);
    EXPECT_TRUE(readable(roots));
  });
}

TEST_F(ImpersonationInNamespace, IsRefusedForWhomItHasNoNumber) {
  in_namespace("0 0 1\n1 100001 1000\n", "allow", [] {
    const std::string before = thread_status();
    const auto expect_refused = [&](const User& user, const char* step) {
      const Changed changed = impersonate(user, kFirst);
      EXPECT_EQ(changed.outcome, Outcome::kRefused);
      EXPECT_STREQ(changed.step, step);
      EXPECT_EQ(changed.error, EINVAL);
      EXPECT_EQ(thread_status(), before);
    };
    expect_refused({.uid = 4000, .gid = 6, .groups = {6}}, "setresuid");
    expect_refused({.uid = 5, .gid = 4000, .groups = {6}}, "setresgid");
    expect_refused({.uid = 5, .gid = 6, .groups = {6, 4000}}, "setgroups");
  });
}

TEST_F(ImpersonationInNamespace, IsRefusedWhereGroupsMayNotBeSet) {
  in_namespace("0 0 1\n1 100001 1000\n", "deny", [] {
    const std::string before = thread_status();
    const Changed changed = impersonate({.uid = 5, .gid = 6, .groups = {6}}, kFirst);
    EXPECT_EQ(changed.outcome, Outcome::kRefused);
    EXPECT_STREQ(changed.step, "setgroups");
    EXPECT_EQ(changed.error, EPERM);
    EXPECT_EQ(thread_status(), before);
  });
}

TEST_F(ImpersonationInNamespace, IsRefusedWithAGroupThatCouldNotBeHadBack) {
  in_child([] {
    const gid_t group = 54329;  // The kernel tells it as 65534 inside.
    ASSERT_EQ(::syscall(SYS_setgroups, 1, &group), 0);
    in_namespace("0 0 1\n1 100001 1000\n", "allow", [] {
      const std::string before = thread_status();
      const Changed changed = impersonate({.uid = 5, .gid = 6, .groups = {6}}, kFirst);
      EXPECT_EQ(changed.outcome, Outcome::kRefused);
      EXPECT_EQ(changed.error, EOVERFLOW);
      EXPECT_EQ(thread_status(), before);
    });
  });
}

// An administrator may have given the kernel another number for that. Here it only seems so.
TEST_F(ImpersonationInNamespace, AsksTheKernelWhichNumberStandsForNone) {
  const std::filesystem::path seven = file("seven", 0, 0, 0644);
  std::ofstream(seven) << "7\n";
  for (const char* const name : {"overflowuid", "overflowgid"}) {
    SCOPED_TRACE(name);
    in_child([&] {
      const std::string path = std::string("/proc/sys/kernel/") + name;
      if (::unshare(CLONE_NEWNS) != 0 ||
          ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
          ::mount(seven.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0) {
        GTEST_SKIP() << "no mount namespace can be had here";
      }
      for (const gid_t id : {6u, 7u}) {
        in_namespace("0 0 1\n1 100001 1000\n", "allow", [&] {
          const bool is_user = std::string_view(name) == "overflowuid";
          ASSERT_EQ(is_user ? ::syscall(SYS_setresuid, 0, 0, id) : ::syscall(SYS_setgroups, 1, &id),
                    0);
          const std::string before = thread_status();
          const Changed changed = impersonate({.uid = 5, .gid = 6, .groups = {6}}, kFirst);
          EXPECT_EQ(changed.outcome, id == 7 ? Outcome::kRefused : Outcome::kDone);
          EXPECT_EQ(changed.error, id == 7 ? EOVERFLOW : 0);
          EXPECT_EQ(revert(kFirst).outcome, id == 7 ? Outcome::kNotThat : Outcome::kDone);
          EXPECT_EQ(thread_status(), before);
        });
      }
    });
  }
}

// Outside of one, that number is a group as any other.
TEST_F(Impersonation, WorksForAServerOfTheGroupNogroup) {
  in_child([this] {
    ASSERT_TRUE(become_user(65'534, 65'534, kBoth));
    const std::string before = thread_status();
    const Changed changed = impersonate(kAlice, kFirst);
    if (changed.error == EOVERFLOW) {
      GTEST_SKIP() << "this test is in a user namespace itself";
    }
    ASSERT_EQ(changed.outcome, Outcome::kDone);
    expect_alice();
    EXPECT_EQ(revert(kFirst).outcome, Outcome::kDone);
    EXPECT_EQ(thread_status(), before);
  });
}

// Whoever runs this: no privilege is needed to be told so.
TEST(ImpersonationByAnybody, IsNeverOfRootOrOfNobody) {
  in_child([] {
    const std::string before = thread_status();
    EXPECT_EQ(impersonate({.uid = 0, .gid = 54322, .groups = {54322}}, kFirst).outcome,
              Outcome::kRoot);
    // To the kernel these mean "as it is", and that would be root.
    for (const User& user : {User{UINT32_MAX, 54322, {}}, User{54321, UINT32_MAX, {}},
                             User{54321, 54322, {54322, UINT32_MAX}}}) {
      const Changed changed = impersonate(user, kFirst);
      EXPECT_EQ(changed.outcome, Outcome::kRefused);
      EXPECT_EQ(changed.error, EINVAL);
    }
    EXPECT_EQ(thread_status(), before);
    EXPECT_EQ(server_identity(), nullptr);
  });
}

TEST(ImpersonationByAnybody, IsNotRevertedWhereThereIsNone) {
  in_child([] {
    const std::string before = thread_status();
    EXPECT_EQ(revert(kFirst).outcome, Outcome::kNotThat);
    EXPECT_EQ(thread_status(), before);
  });
}

TEST(ImpersonationByAnybody, IsRefusedWithoutPrivilege) {
  in_child([] {
    if (::geteuid() == 0) {
      ASSERT_TRUE(become_user(1000, 1000, 0));
    }
    const std::string before = thread_status();
    EXPECT_EQ(impersonate(kAlice, kFirst).outcome, Outcome::kNoPrivilege);
    EXPECT_EQ(revert(kFirst).outcome, Outcome::kNotThat);
    EXPECT_EQ(thread_status(), before);
  });
}

}  // namespace
}  // namespace usher::users
