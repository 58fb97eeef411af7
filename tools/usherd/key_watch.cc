// inotify on folders, digests of files; key_watch.h says what is promised.
#include "tools/usherd/key_watch.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

namespace usherd {
namespace {

constexpr std::size_t kFileSizeMax = std::size_t{64} << 20;

class Descriptor {
 public:
  explicit Descriptor(const std::string& path)
      : value_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~Descriptor() {
    if (value_ >= 0) {
      close(value_);
    }
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const noexcept { return value_; }

 private:
  int value_;
};

// is_being_written: the kernel grants a lease for reading only while nobody has the file open for
// writing. Where a lease is not ours to ask for, a file that has not rested yet counts as
// unfinished.
bool is_being_written(int descriptor, const struct stat& status) {
  if (fcntl(descriptor, F_SETLEASE, F_RDLCK) == 0) {
    fcntl(descriptor, F_SETLEASE, F_UNLCK);
    return false;
  }
  if (errno == EAGAIN) {
    return true;
  }
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec >= status.st_mtim.tv_sec && now.tv_sec - status.st_mtim.tv_sec <= 1;
}

// digest_file hashes up to kFileSizeMax bytes; 0, or an errno.
int digest_file(int descriptor, std::array<std::uint8_t, 32>& digest) {
  std::array<std::uint8_t, 16 * 1024> chunk;
  EVP_MD_CTX* const hash = EVP_MD_CTX_new();
  int error = hash != nullptr && EVP_DigestInit_ex(hash, EVP_sha256(), nullptr) == 1 ? 0 : ENOMEM;
  std::size_t total = 0;
  while (error == 0) {
    const ssize_t size = read(descriptor, chunk.data(), chunk.size());
    if (size == 0) {
      break;
    }
    total += size > 0 ? static_cast<std::size_t>(size) : 0;
    error = size < 0 ? errno : total > kFileSizeMax ? EFBIG : 0;
    if (error == 0) {
      EVP_DigestUpdate(hash, chunk.data(), static_cast<std::size_t>(size));
    }
  }
  if (error == 0) {
    EVP_DigestFinal_ex(hash, digest.data(), nullptr);
  }
  EVP_MD_CTX_free(hash);
  OPENSSL_cleanse(chunk.data(), chunk.size());
  return error;
}

}  // namespace

std::vector<std::string> folders_behind(const std::string& path) {
  namespace fs = std::filesystem;
  constexpr int kLinksMax = 40;  // As many as the kernel follows.
  std::set<std::string> folders;
  std::error_code error;
  fs::path rest = fs::absolute(path, error);
  fs::path at = "/";
  int links = 0;
  while (!rest.empty()) {
    auto part = rest.begin();
    if (*part == "/") {
      at = "/";
    } else {
      const fs::path next = at / *part;
      const fs::path target = fs::read_symlink(next, error);
      if (!error) {
        folders.insert(at.string());
        if (++links > kLinksMax) {
          break;
        }
        fs::path after = target;
        for (++part; part != rest.end(); ++part) {
          after /= *part;
        }
        rest = after;
        continue;
      }
      if (std::next(part) == rest.end()) {
        folders.insert(at.string());
      }
      at = (*part == "..") ? at.parent_path() : (*part == ".") ? at : next;
    }
    fs::path after;
    for (++part; part != rest.end(); ++part) {
      after /= *part;
    }
    rest = after;
  }
  return {folders.begin(), folders.end()};
}

KeyWatch::KeyWatch(std::vector<std::string> files)
    : files_(std::move(files)), descriptor_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  // Somebody who opens a file for writing while we ask whether anybody does so gets us this signal,
  // which would end us.
  std::signal(SIGIO, SIG_IGN);
  take();
}

KeyWatch::~KeyWatch() {
  if (descriptor_ >= 0) {
    close(descriptor_);
  }
}

void KeyWatch::read_events(Clock::time_point now) {
  alignas(inotify_event) std::array<char, 4096> events;
  bool any = false;
  while (read(descriptor_, events.data(), events.size()) > 0) {
    any = true;  // Whatever it was, lost events too: the files are compared.
  }
  if (any) {
    expect_change(now);
  }
}

void KeyWatch::expect_change(Clock::time_point now) {
  first_event_ = std::min(first_event_, now);
  due_ = std::min(now + kQuiet, first_event_ + kPatience);
}

bool KeyWatch::changed(Clock::time_point now) {
  first_event_ = Clock::time_point::max();
  due_ = Clock::time_point::max();
  watch_folders();  // First, so that what happens from here on is an event.
  std::vector<State> current = states();
  if (std::ranges::any_of(current, &State::unfinished)) {
    due_ = now + kPatience;
    return false;
  }
  return std::exchange(taken_, current) != current;
}

void KeyWatch::take() {
  watch_folders();
  taken_ = states();
}

std::vector<KeyWatch::State> KeyWatch::states() const {
  std::vector<State> all;
  for (const std::string& file : files_) {
    all.push_back(state_of(file));
  }
  return all;
}

KeyWatch::State KeyWatch::state_of(const std::string& path) {
  State state;
  const Descriptor file(path);
  struct stat status {};
  if (file.get() < 0 || fstat(file.get(), &status) != 0) {
    state.error = errno;
    return state;
  }
  state.mode = status.st_mode;
  state.owner = status.st_uid;
  state.group = status.st_gid;
  state.unfinished = S_ISREG(status.st_mode) && is_being_written(file.get(), status);
  state.error = digest_file(file.get(), state.digest);
  return state;
}

void KeyWatch::watch_folders() {
  constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE |
                                    IN_DELETE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF |
                                    IN_ONLYDIR;
  std::vector<int> watches;
  for (const std::string& file : files_) {
    for (const std::string& folder : folders_behind(file)) {
      const int watch = inotify_add_watch(descriptor_, folder.c_str(), kEvents);
      if (watch >= 0) {
        watches.push_back(watch);
      }
    }
  }
  for (const int watch : watches_) {
    if (std::ranges::find(watches, watch) == watches.end()) {
      inotify_rm_watch(descriptor_, watch);
    }
  }
  watches_ = std::move(watches);
}

}  // namespace usherd
