// A file that holds secrets or decides who may do what, read whole: a keytab, accounts, a map.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <memory>

#include "parsers/bytes.h"

namespace usher {

// FileImage is an ordinary file's contents at one moment, wiped when done with. At load time only.
class FileImage {
 public:
  FileImage() noexcept = default;
  ~FileImage();
  FileImage(const FileImage&) = delete;
  FileImage& operator=(const FileImage&) = delete;

  // read replaces what is held, and does not wait for anything that is no file. Returns 0 or an
  // errno, and then holds nothing: ENODEV if `path` is no ordinary file, EFBIG if it has more than
  // `size_max` bytes, ENOMEM, or what open or read says.
  [[nodiscard]] int read(const char* path, std::size_t size_max) noexcept;

  // bytes is what the file held; one that grew meanwhile shows at least one byte more than it had.
  [[nodiscard]] Bytes bytes() const noexcept { return {octets_.get(), size_}; }
  // mode is the file's permission bits and its type.
  [[nodiscard]] mode_t mode() const noexcept { return mode_; }
  // owner is the user the file belongs to.
  [[nodiscard]] uid_t owner() const noexcept { return owner_; }

 private:
  void clear() noexcept;

  std::unique_ptr<std::uint8_t[]> octets_;
  std::size_t room_ = 0;
  std::size_t size_ = 0;
  mode_t mode_ = 0;
  uid_t owner_ = 0;
};

}  // namespace usher
