// One thread acts as a local user, and then as the server again.
#pragma once

#include <cstdint>
#include <vector>

namespace usher::users {

// ThreadIdentity is as whom a thread acts: what the kernel decides by, and what it may become.
// credentials(7), capabilities(7).
struct ThreadIdentity {
  std::uint32_t real_uid = 0;
  std::uint32_t effective_uid = 0;
  std::uint32_t saved_uid = 0;
  std::uint32_t file_uid = 0;  // fsuid
  std::uint32_t real_gid = 0;
  std::uint32_t effective_gid = 0;
  std::uint32_t saved_gid = 0;
  std::uint32_t file_gid = 0;
  std::vector<std::uint32_t> groups;  // In order.
  std::uint64_t effective_capabilities = 0;
  std::uint64_t permitted_capabilities = 0;
  std::uint64_t inheritable_capabilities = 0;

  friend bool operator==(const ThreadIdentity&, const ThreadIdentity&) = default;
};

// Impersonated says which context a thread impersonates the client of; of no use beyond being
// equal.
struct Impersonated {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;

  friend bool operator==(Impersonated, Impersonated) = default;
};

// Changed is what came of a change; `step` and `error`, an errno, say where the kernel refused.
struct Changed {
  enum class Outcome : std::uint8_t {
    kDone,
    kRoot,         // Root is nobody to impersonate.
    kNoPrivilege,  // CAP_SETUID and CAP_SETGID are not both in effect.
    kNotThat,      // The thread does not impersonate that one.
    kRefused,      // By the kernel; the thread is as it was.
    kHalfWay,      // By the kernel, and so was going back: revert can be tried.
  };
  Outcome outcome = Outcome::kDone;
  const char* step = "";
  int error = 0;
};

// User is who is to be impersonated.
struct User {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups;
};

// impersonate makes the calling thread, and no other, act as `user`: effective user and group,
// those for files, supplementary groups; nothing is left in effect of its capabilities. Real and
// saved ids and permitted capabilities stay, by which it comes back. A thread that impersonates
// already changes over. kDone means that the kernel says so when it is asked afterwards. Throws
// std::bad_alloc, before anything is changed.
//
// The kernel makes the process undumpable (PR_SET_DUMPABLE) whenever a thread does so, and it stays
// that way.
[[nodiscard]] Changed impersonate(const User& user, Impersonated what);

// revert makes the calling thread what it was before it began to impersonate; `what` is the one
// that it impersonates now. Throws as impersonate does.
[[nodiscard]] Changed revert(Impersonated what);

// server_identity is what the calling thread will be once it reverts; null if it impersonates
// nobody. Good until it does.
[[nodiscard]] const ThreadIdentity* server_identity() noexcept;

// become_server makes a thread that was started by an impersonating one what that one was before,
// its server_identity; false if the kernel does not let it, or without memory.
[[nodiscard]] bool become_server(const ThreadIdentity& server) noexcept;

}  // namespace usher::users
