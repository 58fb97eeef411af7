// Who the calling thread is, as the kernel tells it, and how a test becomes somebody else.
#pragma once

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>

namespace usher::testing {

// thread_status is what /proc tells of the calling thread that says what it may do.
inline std::string thread_status() {
  std::ifstream file("/proc/thread-self/status");
  std::string out;
  for (std::string line; std::getline(file, line);) {
    for (const std::string_view name : {"Uid:", "Gid:", "Groups:", "Cap", "NoNewPrivs:"}) {
      out += line.starts_with(name) ? line + "\n" : "";
    }
  }
  return out;
}

// line_of is one line of it, without its name and without white space around.
inline std::string line_of(const std::string& status, std::string_view name) {
  const std::size_t at = status.find(name);
  if (at == status.npos) {
    return "(none)";
  }
  const std::string_view line =
      std::string_view(status).substr(at, status.find('\n', at) - at).substr(name.size());
  const std::size_t begin = line.find_first_not_of(" \t");
  return begin == line.npos
             ? std::string()
             : std::string(line.substr(begin, line.find_last_not_of(" \t") + 1 - begin));
}

inline constexpr std::uint64_t bit(int capability) { return std::uint64_t{1} << capability; }

// set_capabilities sets all three of the calling thread's.
inline bool set_capabilities(std::uint64_t effective, std::uint64_t permitted,
                             std::uint64_t inheritable) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> data{};
  for (std::size_t i = 0; i < 2; ++i) {
    data[i] = {.effective = static_cast<std::uint32_t>(effective >> (32 * i)),
               .permitted = static_cast<std::uint32_t>(permitted >> (32 * i)),
               .inheritable = static_cast<std::uint32_t>(inheritable >> (32 * i))};
  }
  return ::syscall(SYS_capset, &header, data.data()) == 0;
}

// become_user makes the process an ordinary user with these capabilities and no others, and keeps
// those with `ambient` over an exec.
inline bool become_user(std::uint32_t uid, std::uint32_t gid, std::uint64_t capabilities,
                        std::uint64_t ambient = 0) {
  bool good = ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 && ::syscall(SYS_setgroups, 1, &gid) == 0 &&
              ::syscall(SYS_setresgid, gid, gid, gid) == 0 &&
              ::syscall(SYS_setresuid, uid, uid, uid) == 0 &&
              ::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) == 0 &&
              set_capabilities(capabilities, capabilities, ambient);
  for (int capability = 0; capability < 64; ++capability) {
    if ((ambient & bit(capability)) != 0) {
      good = good && ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0;
    }
  }
  return good;
}

}  // namespace usher::testing
