// Opens, checks and maps the file; replay_file.h says what is promised.
#include "engine/auth/replay_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>
#include <utility>

#include "engine/descriptor.h"
#include "engine/secret.h"

namespace usher {

// ReplayFileHeader is how the file begins, in the machine's byte order. Up to `check` nothing ever
// changes; the rest changes under LockByte::kLooking.
struct ReplayFileHeader {
  std::array<char, 8> magic;
  std::uint32_t version;  // Of the format, and of how ReplayCache uses its places.
  std::uint32_t slice_s;
  std::uint64_t place_count;
  std::int64_t skew_max_s;
  ReplayKey key;
  std::uint64_t check;  // Over all above: tells damage, not malice.

  std::array<char, 36> boot_id;  // Of the machine's run in which it was last opened.
  std::uint32_t clean;           // 1: nobody has it open, and all of it is on the disk.
  std::int64_t lost_until_s;

  [[nodiscard]] std::uint64_t computed_check() const noexcept {
    std::uint64_t state = 0xcbf29ce484222325;  // FNV-1a.
    const auto* const bytes = reinterpret_cast<const std::uint8_t*>(this);
    for (std::size_t i = 0; i < offsetof(ReplayFileHeader, check); ++i) {
      state = (state ^ bytes[i]) * 0x100000001b3;
    }
    return state;
  }
};

namespace {

// Places are shared between processes: each access must be one instruction on the memory itself.
static_assert(ReplayCache::Place::is_always_lock_free);
static_assert(sizeof(ReplayCache::Place) == sizeof(std::uint64_t));

constexpr std::size_t kHeaderSize = 4096;  // A page, so that it can be synchronised alone.
constexpr std::uint32_t kVersion = 1;
constexpr std::array<char, 8> kMagic = {'U', 'S', 'H', 'R', 'P', 'L', 'A', 'Y'};

std::size_t size_of(std::size_t place_count) noexcept {
  return kHeaderSize + place_count * sizeof(ReplayCache::Place);
}

// Refusal writes the reason, beginning with the file's name.
class Refusal {
 public:
  Refusal(ReplayFile::Reason& why, const char* path) noexcept : why_(why), path_(path) {}

  [[gnu::format(printf, 2, 3)]] void operator()(const char* format, ...) const noexcept {
    const int begun = std::snprintf(why_.data(), why_.size(), "replay file %.300s: ", path_);
    const std::size_t at = static_cast<std::size_t>(std::max(begun, 0));
    std::va_list arguments;
    va_start(arguments, format);
    (void)std::vsnprintf(why_.data() + at, why_.size() - at, format, arguments);
    va_end(arguments);
  }
  void system(const char* what) const noexcept {
    const int code = errno;
    (*this)("%s: %s", what, std::strerror(code));
  }

 private:
  ReplayFile::Reason& why_;
  const char* path_;
};

// Which byte of the file a lock stands for. They belong to the open file, and the kernel drops them
// when its last descriptor is gone, however its process ended.
enum class LockByte : off_t {
  kLooking = 0,  // Exclusive, while the header is read and changed.
  kUsing = 1,    // Shared, for as long as the places are used.
};

bool try_lock(int descriptor, LockByte byte, short type) noexcept {
  struct flock wanted {};
  wanted.l_type = type;
  wanted.l_whence = SEEK_SET;
  wanted.l_start = static_cast<off_t>(byte);
  wanted.l_len = 1;
  return ::fcntl(descriptor, F_OFD_SETLK, &wanted) == 0;
}

// lock_header waits for others that look at the header: that takes them as long as writing the file
// to the disk, and for ever if they were stopped meanwhile.
bool lock_header(int descriptor) noexcept {
  constexpr int kTries = 2000;
  constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 5'000'000};
  for (int n = 0; n < kTries; ++n) {
    if (try_lock(descriptor, LockByte::kLooking, F_WRLCK)) {
      return true;
    }
    if (errno != EAGAIN && errno != EACCES && errno != EINTR) {
      return false;
    }
    ::nanosleep(&kPause, nullptr);
  }
  errno = ETIMEDOUT;
  return false;
}

using Header = ReplayFileHeader;
using Wanted = ReplayFile::Wanted;
static_assert(sizeof(Header) <= kHeaderSize);

// The later of two bounds of what may be lost.
std::int64_t lost_as_of(std::int64_t moment_s, const Wanted& wanted) noexcept {
  return moment_s + wanted.skew_max_s;
}

// write_new fills an empty file, all of it allocated: a page that found no room on the disk later
// would kill whoever touched it.
bool write_new(int descriptor, const Header& header, std::size_t size) noexcept {
  const int code = ::posix_fallocate(descriptor, 0, static_cast<off_t>(size));
  if (code != 0) {
    errno = code;
    return false;
  }
  // On the disk before it gets its name, so that a file by that name is never half of one.
  return ::pwrite(descriptor, &header, sizeof header, 0) == static_cast<ssize_t>(sizeof header) &&
         ::fsync(descriptor) == 0;
}

// make_file makes the file under another name and then gives it its own, unless somebody else was
// faster, which is as good.
bool make_file(const Wanted& wanted, const ReplayKey& key, const Refusal& refuse) noexcept {
  std::array<char, 4096> name;
  const int length = std::snprintf(name.data(), name.size(), "%s.XXXXXX", wanted.path);
  if (length < 0 || static_cast<std::size_t>(length) >= name.size()) {
    refuse("its name is too long");
    return false;
  }
  const Descriptor file(::mkostemp(name.data(), O_CLOEXEC));
  if (file.get() < 0) {
    refuse.system("cannot be made");
    return false;
  }
  Header header{.magic = kMagic,
                .version = kVersion,
                .slice_s = ReplayCache::kSliceSeconds,
                .place_count = wanted.place_count,
                .skew_max_s = wanted.skew_max_s,
                .key = key,
                .check = 0,
                .boot_id = wanted.boot.id,
                .clean = 1,
                .lost_until_s = lost_as_of(wanted.boot.began_s, wanted)};
  header.check = header.computed_check();
  const bool made = write_new(file.get(), header, size_of(wanted.place_count)) &&
                    (::link(name.data(), wanted.path) == 0 || errno == EEXIST);
  if (!made) {
    refuse.system("cannot be made");
  }
  ::unlink(name.data());
  OPENSSL_cleanse(&header, sizeof header);
  return made;
}

// is_private: an ordinary file of ours that nobody else may touch.
bool is_private(int descriptor, const Refusal& refuse) noexcept {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) {
    refuse.system("cannot be looked at");
    return false;
  }
  if (!S_ISREG(status.st_mode)) {
    refuse("is no ordinary file");
    return false;
  }
  if (status.st_uid != ::geteuid()) {
    refuse("belongs to user %u, not to user %u who runs this", status.st_uid, ::geteuid());
    return false;
  }
  if ((status.st_mode & 077) != 0) {
    refuse("others may read or write it (mode %03o, expected 600)", status.st_mode & 0777);
    return false;
  }
  return true;
}

// names_still: whether the path names the open file. Somebody may have replaced it meanwhile.
bool names_still(const char* path, int descriptor) noexcept {
  struct stat open_file {};
  struct stat named {};
  return ::fstat(descriptor, &open_file) == 0 && ::lstat(path, &named) == 0 &&
         open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino;
}

// fits compares the header, and the file's size, with what is wanted.
bool fits(const Header& header, std::uint64_t size, const Wanted& wanted,
          const Refusal& refuse) noexcept {
  if (header.magic != kMagic) {
    refuse("is no replay file");
    return false;
  }
  if (header.version != kVersion || header.slice_s != ReplayCache::kSliceSeconds) {
    refuse("is of version %u, not %u", header.version, kVersion);
    return false;
  }
  if (header.check != header.computed_check()) {
    refuse("is damaged: its header was changed");
    return false;
  }
  constexpr const char* kHowToReplace =
      "; set that back, or remove the file while nobody uses it: authenticators of the last %lld "
      "seconds can then be replayed";
  std::array<char, 256> advice{};
  (void)std::snprintf(advice.data(), advice.size(), kHowToReplace,
                      static_cast<long long>(2 * header.skew_max_s));
  if (header.place_count != wanted.place_count) {
    refuse("was made for %llu entries, not %zu%s",
           static_cast<unsigned long long>(header.place_count), wanted.place_count, advice.data());
    return false;
  }
  // A wider skew would need entries that the narrower one has let go.
  if (header.skew_max_s != wanted.skew_max_s) {
    refuse("was made for a clock skew of %lld s, not %lld s%s",
           static_cast<long long>(header.skew_max_s), static_cast<long long>(wanted.skew_max_s),
           advice.data());
    return false;
  }
  if (size != size_of(wanted.place_count)) {
    refuse("is damaged: it has %llu bytes, not %zu", static_cast<unsigned long long>(size),
           size_of(wanted.place_count));
    return false;
  }
  return true;
}

// read_and_fit reads the header of a file that is not mapped yet: mapping what ends too early would
// kill us.
bool read_and_fit(int descriptor, const Wanted& wanted, const Refusal& refuse) noexcept {
  Header header{};
  struct stat status {};
  const ssize_t size = ::pread(descriptor, &header, sizeof header, 0);
  if (size < 0 || ::fstat(descriptor, &status) != 0) {
    refuse.system("cannot be read");
    return false;
  }
  const bool good = fits(header, static_cast<std::uint64_t>(status.st_size), wanted, refuse);
  OPENSSL_cleanse(&header, sizeof header);
  return good;
}

// take_over brings the header up to date for one more user; false if the disk refuses.
bool take_over(Header& header, const Wanted& wanted, bool alone, const Refusal& refuse) noexcept {
  const bool same_boot = header.boot_id == wanted.boot.id;
  if (!same_boot && !alone) {
    refuse("is in use on another machine");
    return false;
  }
  const std::int64_t everything = lost_as_of(wanted.now_s, wanted);
  if (!same_boot && header.clean != 1) {
    header.lost_until_s = everything;
  }
  // Nobody was accepted later than now. If the clock was ahead when that was noted, this frees us.
  header.lost_until_s = std::min(header.lost_until_s, everything);
  // In this order, so that a process killed in between leaves nothing that looks vouched for.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  header.boot_id = wanted.boot.id;
  header.clean = 0;
  // On the disk before the first entry is made: a crash from now on must find it like this.
  if (::msync(&header, kHeaderSize, MS_SYNC) != 0) {
    refuse.system("cannot be written");
    return false;
  }
  return true;
}

}  // namespace

bool read_machine_boot(const Clock& clock, MachineBoot& out) noexcept {
  const Descriptor file(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  timespec up{};
  if (file.get() < 0 || ::clock_gettime(CLOCK_BOOTTIME, &up) != 0) {
    return false;
  }
  out.began_s = clock.wall_us() / kMicrosPerSecond - up.tv_sec;
  return ::read(file.get(), out.id.data(), out.id.size()) == static_cast<ssize_t>(out.id.size());
}

ReplayFile::ReplayFile(int descriptor, ReplayFileHeader* header, std::size_t place_count) noexcept
    : descriptor_(descriptor), header_(header), place_count_(place_count), process_(::getpid()) {}

std::unique_ptr<ReplayFile> ReplayFile::open(const Wanted& wanted, const ReplayKey& fresh_key,
                                             Reason& why) noexcept {
  const Refusal refuse(why, wanted.path);
  constexpr int kFlags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  constexpr int kTries = 16;
  for (int n = 0; n < kTries; ++n) {
    Descriptor file(::open(wanted.path, kFlags));
    if (file.get() < 0 && errno == ENOENT) {
      if (!make_file(wanted, fresh_key, refuse)) {
        return nullptr;
      }
      continue;
    }
    if (file.get() < 0) {
      refuse.system(errno == ELOOP ? "is a symbolic link, which is not followed"
                                   : "cannot be opened");
      return nullptr;
    }
    if (!is_private(file.get(), refuse)) {
      return nullptr;
    }
    if (!lock_header(file.get())) {
      refuse.system("cannot be locked");
      return nullptr;
    }
    if (names_still(wanted.path, file.get())) {
      return map(file.release(), wanted, why);
    }
  }
  refuse("is replaced again and again");
  return nullptr;
}

// map takes over the descriptor, which holds LockByte::kLooking.
std::unique_ptr<ReplayFile> ReplayFile::map(int descriptor, const Wanted& wanted,
                                            Reason& why) noexcept {
  const Refusal refuse(why, wanted.path);
  Descriptor file(descriptor);
  if (!read_and_fit(file.get(), wanted, refuse)) {
    return nullptr;
  }
  const bool alone = try_lock(file.get(), LockByte::kUsing, F_WRLCK);
  if (!try_lock(file.get(), LockByte::kUsing, F_RDLCK)) {
    refuse.system("cannot be locked");
    return nullptr;
  }
  const std::size_t size = size_of(wanted.place_count);
  void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) {
    refuse.system("cannot be mapped");
    return nullptr;
  }
  (void)::madvise(memory, size, MADV_DONTDUMP);  // The key is in it.
  auto* const header = static_cast<Header*>(memory);
  std::unique_ptr<ReplayFile> opened;
  if (take_over(*header, wanted, alone, refuse)) {
    opened.reset(new (std::nothrow) ReplayFile(file.get(), header, wanted.place_count));
  }
  if (opened == nullptr) {
    ::munmap(memory, size);
    return nullptr;
  }
  (void)try_lock(file.release(), LockByte::kLooking, F_UNLCK);
  return opened;
}

ReplayFile::~ReplayFile() {
  const std::size_t size = size_of(place_count_);
  // Without the lock, somebody is opening the file and will find it in use, or as if it had
  // crashed.
  if (process_ == ::getpid() && lock_header(descriptor_) &&
      try_lock(descriptor_, LockByte::kUsing, F_WRLCK) && ::msync(header_, size, MS_SYNC) == 0) {
    header_->clean = 1;
    (void)::msync(header_, kHeaderSize, MS_SYNC);
  }
  ::munmap(header_, size);
  ::close(descriptor_);
}

std::span<ReplayCache::Place> ReplayFile::places() const noexcept {
  // Nothing is constructed: every value of the word is a place, zeros are a place never used.
  auto* const first = reinterpret_cast<std::uint8_t*>(header_) + kHeaderSize;
  return {reinterpret_cast<ReplayCache::Place*>(first), place_count_};
}

const ReplayKey& ReplayFile::key() const noexcept { return header_->key; }

std::int64_t ReplayFile::lost_until_s() const noexcept { return header_->lost_until_s; }

}  // namespace usher
