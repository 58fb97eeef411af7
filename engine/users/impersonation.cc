#include "engine/users/impersonation.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

#include "engine/descriptor.h"

namespace usher::users {
namespace {

using Outcome = Changed::Outcome;

// What raw system calls take for "leave it as it is", and so what nobody can be called.
constexpr std::uint32_t kNoId = UINT32_MAX;
constexpr std::uint64_t kNeeded = std::uint64_t{1} << CAP_SETUID | std::uint64_t{1} << CAP_SETGID;

// set_ids makes a system call on the calling thread alone, as libc's functions of these names do
// not (nptl(7)). 0, or an errno.
template <class... Arguments>
int set_ids(long number, Arguments... arguments) noexcept {
  return ::syscall(number, arguments...) == 0 ? 0 : errno;
}

using CapData = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

std::uint64_t whole(std::uint32_t low, std::uint32_t high) noexcept {
  return std::uint64_t{high} << 32 | low;
}

int read_capabilities(ThreadIdentity& out) noexcept {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  CapData data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) {
    return errno;
  }
  out.effective_capabilities = whole(data[0].effective, data[1].effective);
  out.permitted_capabilities = whole(data[0].permitted, data[1].permitted);
  out.inheritable_capabilities = whole(data[0].inheritable, data[1].inheritable);
  return 0;
}

// set_effective leaves permitted and inheritable capabilities as they are.
int set_effective(std::uint64_t effective, const ThreadIdentity& who) noexcept {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  CapData data{};
  for (std::size_t i = 0; i < data.size(); ++i) {
    const std::size_t shift = 32 * i;
    data[i] = {.effective = static_cast<std::uint32_t>(effective >> shift),
               .permitted = static_cast<std::uint32_t>(who.permitted_capabilities >> shift),
               .inheritable = static_cast<std::uint32_t>(who.inheritable_capabilities >> shift)};
  }
  return ::syscall(SYS_capset, &header, data.data()) == 0 ? 0 : errno;
}

// read_groups is an errno, or 0. Other threads have groups of their own, so that these stay as they
// are in between.
int read_groups(std::vector<std::uint32_t>& out) {
  const long count = ::syscall(SYS_getgroups, 0, nullptr);
  if (count < 0) {
    return errno;
  }
  out.resize(static_cast<std::size_t>(count));
  if (::syscall(SYS_getgroups, count, out.data()) != count) {
    return errno;
  }
  std::ranges::sort(out);  // The kernel's order is another in some user namespaces.
  return 0;
}

// read_identity asks the kernel who the calling thread is.
int read_identity(ThreadIdentity& out) {
  if (::syscall(SYS_getresuid, &out.real_uid, &out.effective_uid, &out.saved_uid) != 0 ||
      ::syscall(SYS_getresgid, &out.real_gid, &out.effective_gid, &out.saved_gid) != 0) {
    return errno;
  }
  // Both return who it was before, and an id that is none changes nothing (setfsuid(2)).
  out.file_uid = static_cast<std::uint32_t>(::syscall(SYS_setfsuid, kNoId));
  out.file_gid = static_cast<std::uint32_t>(::syscall(SYS_setfsgid, kNoId));
  const int error = read_groups(out.groups);
  return error != 0 ? error : read_capabilities(out);
}

using Line = std::array<char, 64>;

// read_line reads the beginning of a file of the kernel's; "" if it cannot.
Line read_line(const char* path) noexcept {
  Line text{};
  const Descriptor file(::open(path, O_RDONLY | O_CLOEXEC));
  if (file.get() < 0 || ::read(file.get(), text.data(), text.size() - 1) <= 0) {
    text[0] = '\0';
  }
  return text;
}

// has_every_number says whether a map of the user namespace leaves no id out, as the first one's.
bool has_every_number(const char* path) noexcept {
  Line text = read_line(path);
  char* at = text.data();
  const unsigned long first = std::strtoul(at, &at, 10);
  static_cast<void>(std::strtoul(at, &at, 10));  // What it is outside.
  const unsigned long count = std::strtoul(at, &at, 10);
  return first == 0 && count == kNoId;
}

// number_for_none is the one that the kernel tells for ids without a number (proc_sys_kernel(5));
// where it does not say, the one that it begins with.
std::uint32_t number_for_none(const char* path) noexcept {
  constexpr std::uint32_t kDefault = 65'534;
  const Line text = read_line(path);
  char* end = nullptr;
  const unsigned long number = std::strtoul(text.data(), &end, 10);
  return end != text.data() ? static_cast<std::uint32_t>(number) : kDefault;
}

// These are what one system call sets together.
auto uids_of(const ThreadIdentity& who) noexcept {
  return std::array{who.real_uid, who.effective_uid, who.saved_uid};
}
auto gids_of(const ThreadIdentity& who) noexcept {
  return std::array{who.real_gid, who.effective_gid, who.saved_gid};
}

// become takes the calling thread from `now`, which it is, to `target`, whose permitted and
// inheritable capabilities it has. 0, or an errno and in `step` what the kernel refused; then the
// thread may be anything in between. What is right already is left alone: going back from where a
// call is forbidden must not need that call.
int become(const ThreadIdentity& now, const ThreadIdentity& target, const char*& step) noexcept {
  const auto fails = [&step](const char* what, int error) {
    step = what;
    return error;
  };
  if (const int error = set_effective(kNeeded & target.permitted_capabilities, target);
      error != 0) {
    return fails("capset", error);
  }
  // The user last: with uid 0 may go what the others need.
  if (now.groups != target.groups) {
    if (const int error = set_ids(SYS_setgroups, target.groups.size(), target.groups.data());
        error != 0) {
      return fails("setgroups", error);
    }
  }
  if (gids_of(now) != gids_of(target)) {
    if (const int error =
            set_ids(SYS_setresgid, target.real_gid, target.effective_gid, target.saved_gid);
        error != 0) {
      return fails("setresgid", error);
    }
  }
  // Neither of these says whether it worked; whoever calls looks.
  ::syscall(SYS_setfsgid, target.file_gid);
  if (uids_of(now) != uids_of(target)) {
    if (const int error =
            set_ids(SYS_setresuid, target.real_uid, target.effective_uid, target.saved_uid);
        error != 0) {
      return fails("setresuid", error);
    }
  }
  ::syscall(SYS_setfsuid, target.file_uid);
  // The kernel has raised or dropped capabilities if uid 0 came or went, but not if it was told not
  // to (SECBIT_NO_SETUID_FIXUP), nor for a user who has some without being root.
  if (const int error = set_effective(target.effective_capabilities, target); error != 0) {
    return fails("capset", error);
  }
  return 0;
}

// become_surely looks first, and afterwards takes the kernel's word for it: a system call filter
// can have a call do nothing and say that it worked. `seen` has room for the answers.
int become_surely(const ThreadIdentity& target, ThreadIdentity& seen, const char*& step) {
  constexpr const char* kUnreadable = "the thread's identity cannot be read";
  step = kUnreadable;
  if (const int error = read_identity(seen); error != 0) {
    return error;
  }
  if (const int error = become(seen, target, step); error != 0) {
    return error;
  }
  step = kUnreadable;
  if (const int error = read_identity(seen); error != 0) {
    return error;
  }
  step = "the thread's identity, looked at afterwards, is another";
  return seen == target ? 0 : EPERM;
}

// can_be_told says whether every number of `who` stands for itself. In a user namespace that has
// none for some id, the kernel tells another instead, and there is no way back to what it was.
bool can_be_told(const ThreadIdentity& who) noexcept {
  const std::uint32_t no_user = number_for_none("/proc/sys/kernel/overflowuid");
  const std::uint32_t no_group = number_for_none("/proc/sys/kernel/overflowgid");
  const std::array users = {who.real_uid, who.effective_uid, who.saved_uid, who.file_uid};
  const std::array groups = {who.real_gid, who.effective_gid, who.saved_gid, who.file_gid};
  return (std::ranges::find(users, no_user) == users.end() &&
          std::ranges::find(groups, no_group) == groups.end() &&
          std::ranges::find(who.groups, no_group) == who.groups.end()) ||
         (has_every_number("/proc/self/uid_map") && has_every_number("/proc/self/gid_map"));
}

// impersonating is what `server` becomes for a user.
ThreadIdentity impersonating(const ThreadIdentity& server, const User& user) {
  ThreadIdentity out = server;
  out.effective_uid = out.file_uid = user.uid;
  out.effective_gid = out.file_gid = user.gid;
  out.groups = user.groups;
  std::ranges::sort(out.groups);
  out.effective_capabilities = 0;
  if (server.effective_uid == 0 && server.real_uid != 0 && server.saved_uid != 0) {
    // The last uid 0 that goes takes the permitted capabilities with it (capabilities(7)).
    out.saved_uid = 0;
  }
  return out;
}

// Present is what a thread that impersonates remembers.
struct Present {
  ThreadIdentity server;
  ThreadIdentity now;
  ThreadIdentity seen;  // Room for looking afterwards.
  Impersonated what;
};
thread_local std::unique_ptr<Present> t_present;

// change takes the thread from `from` to `to`, or leaves it at `from`.
Changed change(const ThreadIdentity& from, const ThreadIdentity& to, Present& with) {
  Changed changed;
  int parent_death_signal = 0;
  static_cast<void>(::prctl(PR_GET_PDEATHSIG, &parent_death_signal, 0, 0, 0));
  changed.error = become_surely(to, with.seen, changed.step);
  if (changed.error != 0) {
    const char* ignored = nullptr;
    const bool back = become_surely(from, with.seen, ignored) == 0;
    changed.outcome = back ? Outcome::kRefused : Outcome::kHalfWay;
    if (!back) {
      // Whoever it is now, it shall not be able to do much.
      static_cast<void>(set_effective(0, from));
    }
  }
  // Another user is no reason here to outlive a parent, as the kernel thinks (prctl(2)).
  if (parent_death_signal != 0) {
    ::prctl(PR_SET_PDEATHSIG, parent_death_signal, 0, 0, 0);
  }
  return changed;
}

}  // namespace

Changed impersonate(const User& user, Impersonated what) {
  if (user.uid == 0) {
    return {Outcome::kRoot};
  }
  if (user.uid == kNoId || user.gid == kNoId ||
      std::ranges::find(user.groups, kNoId) != user.groups.end()) {
    return {Outcome::kRefused, "a user or group number that stands for none", EINVAL};
  }
  std::unique_ptr<Present> fresh;
  if (t_present == nullptr) {
    fresh = std::make_unique<Present>();
    if (const int error = read_identity(fresh->server); error != 0) {
      return {Outcome::kRefused, "the thread's identity cannot be read", error};
    }
    if (!can_be_told(fresh->server)) {
      return {Outcome::kRefused, "an id of its own that this user namespace has no number for",
              EOVERFLOW};
    }
    fresh->now = fresh->server;
  }
  Present& present = fresh != nullptr ? *fresh : *t_present;
  if ((present.server.effective_capabilities & kNeeded) != kNeeded) {
    return {Outcome::kNoPrivilege};
  }
  ThreadIdentity target = impersonating(present.server, user);
  // The kernel cannot be asked for what there is no memory to read.
  present.seen.groups.reserve(std::max(target.groups.size(), present.server.groups.size()));
  const Changed changed = change(present.now, target, present);
  if (changed.outcome == Outcome::kRefused) {
    return changed;
  }
  if (fresh != nullptr) {
    t_present = std::move(fresh);
  }
  present.now = std::move(target);
  present.what = what;
  return changed;
}

Changed revert(Impersonated what) {
  if (t_present == nullptr || t_present->what != what) {
    return {Outcome::kNotThat};
  }
  t_present->seen.groups.reserve(
      std::max(t_present->now.groups.size(), t_present->server.groups.size()));
  const Changed changed = change(t_present->now, t_present->server, *t_present);
  if (changed.outcome == Outcome::kDone) {
    t_present.reset();
  }
  return changed;
}

const ThreadIdentity* server_identity() noexcept {
  return t_present != nullptr ? &t_present->server : nullptr;
}

bool become_server(const ThreadIdentity& server) noexcept {
  try {
    ThreadIdentity seen;
    const char* ignored = nullptr;
    return become_surely(server, seen, ignored) == 0;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

}  // namespace usher::users
