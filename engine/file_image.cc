#include "engine/file_image.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <new>

#include "engine/descriptor.h"
#include "engine/secret.h"

namespace usher {

FileImage::~FileImage() { clear(); }

void FileImage::clear() noexcept {
  wipe({octets_.get(), room_});
  octets_.reset();
  room_ = size_ = 0;
  mode_ = 0;
  owner_ = 0;
}

int FileImage::read(const char* path, std::size_t size_max) noexcept {
  clear();
  const Descriptor file(::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) {
    return errno;
  }
  if (!S_ISREG(status.st_mode)) {
    return ENODEV;
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size > size_max) {
    return EFBIG;
  }
  // One more than there is, to notice growth; no copy is left behind by growing.
  octets_.reset(new (std::nothrow) std::uint8_t[size + 1]);
  if (octets_ == nullptr) {
    return ENOMEM;
  }
  room_ = size + 1;
  for (ssize_t got = 1; got != 0 && size_ < room_; size_ += static_cast<std::size_t>(got)) {
    got = ::read(file.get(), octets_.get() + size_, room_ - size_);
    if (got < 0) {
      const int error = errno;
      clear();
      return error;
    }
  }
  mode_ = status.st_mode;
  owner_ = status.st_uid;
  return 0;
}

}  // namespace usher
