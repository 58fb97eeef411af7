// Looks at folders; folder.h says what is promised.
#include "tools/usherd/folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace usherd {

std::string fault_of_folder(const std::string& path, std::uint64_t size) {
  std::string folder = std::filesystem::path(path).parent_path();
  if (folder.empty()) {
    folder = ".";
  }
  struct stat status {};
  const bool found = stat(folder.c_str(), &status) == 0;
  if (found && !S_ISDIR(status.st_mode)) {
    return folder + ": is no folder";
  }
  if (!found || faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
    return folder + ": " + std::generic_category().message(errno);
  }
  struct statvfs room {};
  // Some file systems have no limit, and say that they have no blocks.
  if (statvfs(folder.c_str(), &room) == 0 && room.f_blocks != 0) {
    const std::uint64_t blocks = geteuid() == 0 ? room.f_bfree : room.f_bavail;
    const std::uint64_t free = blocks * room.f_frsize;
    if (free < size) {
      return folder + ": " + std::to_string(size) + " bytes are needed, " + std::to_string(free) +
             " are free";
    }
  }
  return {};
}

}  // namespace usherd
