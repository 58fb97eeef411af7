// engine/auth/replay_file.h: what was accepted once stays accepted once, whoever dies, and a file
// that may have lost something says so instead of letting it in again.
#include "engine/auth/replay_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace usher {
namespace {

using enum ReplayVerdict;

constexpr std::int64_t kNow = 1'790'000'000;
constexpr std::int64_t kSkew = 300;
constexpr std::size_t kPlaces = 1 << 12;
constexpr ReplayKey kKey = {0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0,
                            0x082efa98ec4e6c89};

// One process's use of the file.
struct User {
  std::unique_ptr<ReplayFile> file;
  std::unique_ptr<ReplayCache> cache;
  std::string why;

  explicit operator bool() const { return file != nullptr; }
  ReplayVerdict operator()(std::uint64_t number, std::int64_t time_s = kNow) const {
    return cache->test_and_insert({number, ~number}, time_s);
  }
};

class ReplayFileTest : public ::testing::Test {
 protected:
  ReplayFileTest() {
    std::string folder = ::testing::TempDir() + "replay_XXXXXX";
    folder_ = mkdtemp(folder.data());
    path_ = folder_ + "/replays";
    boot_.id.fill('a');
    boot_.began_s = kNow - 3600;
  }
  ~ReplayFileTest() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] ReplayFile::Wanted wanted() const {
    return {.path = path_.c_str(),
            .place_count = kPlaces,
            .skew_max_s = kSkew,
            .now_s = now_s_,
            .boot = boot_};
  }
  [[nodiscard]] User open() const { return open(wanted()); }
  [[nodiscard]] static User open(const ReplayFile::Wanted& wanted) {
    User user;
    ReplayFile::Reason why{};
    user.file = ReplayFile::open(wanted, kKey, why);
    user.why = why.data();
    if (user.file) {
      user.cache = std::make_unique<ReplayCache>(user.file->places(), user.file->key(),
                                                 wanted.skew_max_s, user.file->lost_until_s());
    }
    return user;
  }
  void expect_refused(const std::string& reason) const { expect_refused(wanted(), reason); }
  void expect_refused(const ReplayFile::Wanted& wanted, const std::string& reason) const {
    const User user = open(wanted);
    EXPECT_FALSE(user) << reason;
    EXPECT_TRUE(user.why.starts_with("replay file " + path_ + ": ")) << user.why;
    EXPECT_NE(user.why.find(reason), std::string::npos) << user.why;
  }
  void reboot() {
    ++boot_.id[0];
    now_s_ += 60;
    boot_.began_s = now_s_ - 30;
  }

  // in_child opens the file in a child that does `work` with it and then dies by SIGKILL.
  void in_child(const std::function<bool(const User&)>& work) const {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const User user = open();
      if (user && work(user)) {
        kill(getpid(), SIGKILL);
      }
      _exit(1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  }

  std::string read() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write(const std::string& contents) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << contents;
  }

  std::string folder_;
  std::string path_;
  MachineBoot boot_;
  std::int64_t now_s_ = kNow;
};

TEST_F(ReplayFileTest, SurvivesARestart) {
  {
    const User user = open();
    ASSERT_TRUE(user) << user.why;
    EXPECT_EQ(user(1), kFresh);
    EXPECT_EQ(user(1), kReplay);
  }
  const User user = open();
  ASSERT_TRUE(user) << user.why;
  EXPECT_EQ(user(1), kReplay);
  EXPECT_EQ(user(2), kFresh);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1)
      << "nothing is left behind";
}

TEST_F(ReplayFileTest, SurvivesSigkill) {
  for (std::uint64_t n = 0; n < 20; ++n) {
    in_child(
        [n](const User& user) { return user(n) == kFresh && (n == 0 || user(n - 1) == kReplay); });
    ASSERT_FALSE(HasFailure());
  }
  const User user = open();
  ASSERT_TRUE(user) << user.why;
  for (std::uint64_t n = 0; n < 20; ++n) {
    EXPECT_EQ(user(n), kReplay) << n;
  }
  EXPECT_EQ(user(20), kFresh);
}

// Somebody is killed while many entries are being made: none that was answered is lost.
TEST_F(ReplayFileTest, SurvivesSigkillInTheMiddleOfIt) {
  constexpr std::uint64_t kCount = 2000;
  const User ours = open();
  ASSERT_TRUE(ours) << ours.why;
  int answers[2];
  ASSERT_EQ(pipe(answers), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const User user = open();
    for (std::uint64_t n = 0; user && n < kCount; ++n) {
      if (user(n) == kFresh && ::write(answers[1], &n, sizeof n) != sizeof n) {
        break;
      }
    }
    pause();
    _exit(1);
  }
  close(answers[1]);
  std::uint64_t last = 0;
  while (last < kCount / 2 && ::read(answers[0], &last, sizeof last) == sizeof last) {
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  while (::read(answers[0], &last, sizeof last) == sizeof last) {
  }
  close(answers[0]);
  EXPECT_GE(last, kCount / 2);
  for (std::uint64_t n = 0; n <= last; ++n) {
    ASSERT_EQ(ours(n), kReplay) << n;
  }
}

TEST_F(ReplayFileTest, OfSeveralProcessesOneLetsEachAuthenticatorIn) {
  constexpr std::uint64_t kProcesses = 4;
  constexpr std::uint64_t kCount = 500;
  std::array<pid_t, kProcesses> children{};
  std::array<int, 2> counts{};
  ASSERT_EQ(pipe(counts.data()), 0);
  for (pid_t& child : children) {
    child = fork();
    if (child == 0) {
      const User user = open();
      std::uint64_t fresh = 0;
      for (std::uint64_t n = 0; user && n < kCount; ++n) {
        fresh += user(n) == kFresh ? 1u : 0u;
      }
      (void)!::write(counts[1], &fresh, sizeof fresh);
      kill(getpid(), SIGKILL);
    }
  }
  std::uint64_t total = 0;
  for (const pid_t child : children) {
    std::uint64_t fresh = 0;
    EXPECT_EQ(::read(counts[0], &fresh, sizeof fresh), ssize_t{sizeof fresh});
    total += fresh;
    waitpid(child, nullptr, 0);
  }
  EXPECT_EQ(total, kCount);
}

// The first of several makes the file; nobody sees half of one, or replaces another's.
TEST_F(ReplayFileTest, OpenedForTheFirstTimeByManyItIsOne) {
  for (int round = 0; round < 20; ++round) {
    std::filesystem::remove(path_);
    std::vector<User> users(6);
    std::vector<std::thread> threads;
    for (User& user : users) {
      threads.emplace_back([&user, this] { user = open(); });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    int fresh = 0;
    for (const User& user : users) {
      ASSERT_TRUE(user) << user.why;
      fresh += user(7) == kFresh ? 1 : 0;
    }
    ASSERT_EQ(fresh, 1);
  }
}

TEST_F(ReplayFileTest, ANewFileKnowsNothingOfTheTimeBeforeThisBoot) {
  boot_.began_s = kNow - 100;
  const User user = open();
  ASSERT_TRUE(user) << user.why;
  // Whoever was accepted up to then had a time of at most the skew ahead.
  EXPECT_EQ(user(1, kNow - 100 + kSkew), kUnknown);
  EXPECT_EQ(user(1, kNow - kSkew), kUnknown);
  EXPECT_EQ(user(1, kNow - 100 + kSkew + 1), kFresh);
}

TEST_F(ReplayFileTest, AfterACrashOfTheMachineWhatMayBeLostIsRefused) {
  in_child([](const User& user) { return user(1) == kFresh; });
  reboot();
  {
    const User user = open();
    ASSERT_TRUE(user) << user.why;
    EXPECT_EQ(user(1), kUnknown);
    EXPECT_EQ(user(2, now_s_ + kSkew), kUnknown) << "a client whose clock is ahead";
    EXPECT_EQ(user(2, now_s_ + kSkew + 1), kFresh);
    EXPECT_EQ(user(2, now_s_ + kSkew + 1), kReplay);
  }
  // A restart within that time does not shorten it.
  const std::int64_t until = now_s_ + kSkew;
  now_s_ += 10;
  const User user = open();
  ASSERT_TRUE(user) << user.why;
  EXPECT_EQ(user.file->lost_until_s(), until);
}

TEST_F(ReplayFileTest, AfterAnOrderlyEndAndARebootNothingIsLost) {
  {
    const User user = open();
    ASSERT_TRUE(user) << user.why;
    EXPECT_EQ(user(1), kFresh);
  }
  reboot();
  const User user = open();
  ASSERT_TRUE(user) << user.why;
  EXPECT_EQ(user(1), kReplay);
  EXPECT_EQ(user(2), kFresh);
}

// The one that ends in order says nothing for the one that does not.
TEST_F(ReplayFileTest, IsClosedOnlyByTheLastOfItsUsers) {
  {
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
      const User user = open();
      (void)!::write(ready[1], "", 1);
      pause();
      _exit(1);
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    { const User user = open(); }
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    close(ready[0]);
    close(ready[1]);
  }
  reboot();
  const User user = open();
  ASSERT_TRUE(user) << user.why;
  EXPECT_EQ(user(1), kUnknown);
}

TEST_F(ReplayFileTest, AForkedChildThatEndsClosesNothing) {
  const auto user = std::make_unique<User>(open());
  ASSERT_TRUE(*user) << user->why;
  const pid_t child = fork();
  if (child == 0) {
    const bool shared = (*user)(5) == kFresh;
    const_cast<std::unique_ptr<User>&>(user).reset();
    _exit(shared ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ((*user)(5), kReplay) << "and shares the places";
  reboot();
  expect_refused("in use on another machine");
}

// A clock that was a year ahead when something was lost must not lock everybody out for a year.
TEST_F(ReplayFileTest, AClockThatWasAheadDoesNotLockClientsOut) {
  now_s_ = kNow + 31'000'000;
  boot_.began_s = now_s_ - 10;
  { ASSERT_TRUE(open()); }
  now_s_ = kNow;
  boot_.began_s = kNow - 10;
  const User user = open();
  ASSERT_TRUE(user) << user.why;
  EXPECT_EQ(user.file->lost_until_s(), kNow + kSkew);
}

TEST_F(ReplayFileTest, OfAnotherSizeOrSkewIsRefusedAndKept) {
  {
    const User user = open();
    ASSERT_TRUE(user) << user.why;
    EXPECT_EQ(user(1), kFresh);
  }
  ReplayFile::Wanted other = wanted();
  other.place_count = 2 * kPlaces;
  expect_refused(other, "was made for 4096 entries, not 8192; set that back");
  other = wanted();
  for (const std::int64_t skew : {kSkew + 1, kSkew - 1}) {
    other.skew_max_s = skew;
    expect_refused(other, "was made for a clock skew of 300 s, not " + std::to_string(skew));
  }
  const User user = open();
  ASSERT_TRUE(user) << user.why;
  EXPECT_EQ(user(1), kReplay);
}

TEST_F(ReplayFileTest, ThatIsDamagedNeverBecomesAnEmptyOne) {
  { ASSERT_TRUE(open()); }
  const std::string good = read();
  constexpr std::size_t kChecked = 8 + 4 + 4 + 8 + 8 + 32 + 8;
  for (std::size_t at = 0; at < kChecked; ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    write(bad);
    expect_refused("");
    EXPECT_EQ(read(), bad) << "and stays as it is";
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kChecked - 1, std::size_t{4096},
                                 good.size() - 1, good.size() - 8}) {
    write(good.substr(0, size));
    expect_refused(size < kChecked ? "" : "is damaged: it has " + std::to_string(size) + " bytes");
    EXPECT_EQ(read().size(), size);
  }
  write(good + "x");
  expect_refused("is damaged: it has");
  write("keytab = \"/etc/web.keytab\"\n");
  expect_refused("is no replay file");
  write(std::string(good.size(), '\0'));
  expect_refused("is no replay file");
  write(good);
  EXPECT_TRUE(open()) << "the twin";
}

TEST_F(ReplayFileTest, ThatOthersCouldTouchIsRefused) {
  { ASSERT_TRUE(open()); }
  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  for (const mode_t mode : {0640u, 0604u, 0620u, 0602u, 0610u, 0601u}) {
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
    expect_refused("others may read or write it");
  }
  ASSERT_EQ(chmod(path_.c_str(), 0600), 0);
  EXPECT_TRUE(open()) << "the twin";
  if (geteuid() == 0) {
    ASSERT_EQ(chown(path_.c_str(), 1, 1), 0);
    expect_refused("belongs to user 1, not to user 0");
  }
}

TEST_F(ReplayFileTest, ThatIsNoFileIsRefused) {
  { ASSERT_TRUE(open()); }
  const std::string real = folder_ + "/real";
  ASSERT_EQ(rename(path_.c_str(), real.c_str()), 0);
  ASSERT_EQ(symlink(real.c_str(), path_.c_str()), 0);
  expect_refused("is a symbolic link");
  ASSERT_EQ(unlink(path_.c_str()), 0);
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  expect_refused("is no ordinary file");
  ASSERT_EQ(unlink(path_.c_str()), 0);
  ASSERT_EQ(mkdir(path_.c_str(), 0700), 0);
  expect_refused("cannot be opened");
  ASSERT_EQ(rmdir(path_.c_str()), 0);
  ASSERT_EQ(rename(real.c_str(), path_.c_str()), 0);
  EXPECT_TRUE(open()) << "the twin";
  path_ = folder_ + "/nothing/replays";
  expect_refused("cannot be made: No such file");
}

// Each file has the key of whoever made it.
TEST_F(ReplayFileTest, KeepsTheKeyItWasMadeWith) {
  ReplayFile::Reason why{};
  ReplayKey other = kKey;
  other[0] ^= 1;
  { ASSERT_NE(ReplayFile::open(wanted(), other, why), nullptr); }
  const auto file = ReplayFile::open(wanted(), kKey, why);
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(file->key(), other);
}

TEST(MachineBootTest, IsWhatTheKernelSays) {
  MachineBoot boot;
  ASSERT_TRUE(read_machine_boot(system_clock(), boot));
  std::ifstream kernel("/proc/sys/kernel/random/boot_id");
  std::string id;
  kernel >> id;
  EXPECT_EQ(std::string(boot.id.begin(), boot.id.end()), id);
  EXPECT_LE(boot.began_s, system_clock().wall_us() / kMicrosPerSecond);
  EXPECT_GT(boot.began_s, 1'600'000'000);
}

}  // namespace
}  // namespace usher
