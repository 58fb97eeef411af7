// How a parser says no: one code, one offset, no exceptions.
#pragma once

#include <cassert>
#include <cstdint>
#include <type_traits>

#include "parsers/bytes.h"

namespace usher {

enum class ParseCode : std::uint8_t {
  kOk,
  kTruncated,      // An element promises more bytes than there are.
  kUnexpectedTag,  // A well-formed element, but not the one the grammar wants here.
  kBadLength,      // Indefinite, non-minimal, or longer than 4 GiB (X.690 10.1).
  kTrailingBytes,  // An element was read to the end of its grammar and bytes were left over.
  kBadValue,       // Well-formed, but outside the range the specification allows.
  kOutOfBounds,    // An (offset, length) pair points outside its message.
};

// ParseFault is the first thing that was wrong, and where: `offset` counts bytes from the start of
// the buffer given to the top-level parse function.
struct ParseFault {
  ParseCode code = ParseCode::kOk;
  std::uint32_t offset = 0;

  friend bool operator==(const ParseFault&, const ParseFault&) = default;
};

// Result<T> is a T or the ParseFault that prevented one. T is always a plain view, so a Result is
// trivially copyable and never owns memory.
template <class T>
class [[nodiscard]] Result {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  // Both constructors convert, so that a parse function can return either.
  constexpr Result(const T& value) noexcept : value_(value) {}
  constexpr Result(ParseFault fault) noexcept : fault_(fault) { assert(!ok()); }

  [[nodiscard]] constexpr bool ok() const noexcept { return fault_.code == ParseCode::kOk; }
  [[nodiscard]] constexpr ParseFault fault() const noexcept { return fault_; }

  // The value; only if ok().
  constexpr const T& operator*() const noexcept {
    assert(ok());
    return value_;
  }
  constexpr const T* operator->() const noexcept { return &**this; }

 private:
  T value_{};
  ParseFault fault_{};
};

// Parse is one pass over one buffer: the bytes, and the first fault found in them. Readers share it
// by reference, so a fault deep inside a message stops the whole parse without any reader having to
// pass it up.
class Parse {
 public:
  explicit Parse(Bytes input) noexcept : input_(input) {
    if (input.size() > UINT32_MAX) {  // Offsets have 32 bits; refuse before one could wrap.
      input_ = {};
      fail(ParseCode::kBadLength, 0);
    }
  }
  Parse(const Parse&) = delete;
  Parse& operator=(const Parse&) = delete;

  [[nodiscard]] Bytes input() const noexcept { return input_; }
  [[nodiscard]] std::uint32_t size() const noexcept {
    return static_cast<std::uint32_t>(input_.size());
  }
  [[nodiscard]] bool ok() const noexcept { return fault_.code == ParseCode::kOk; }

  // fail records `code` at `offset` unless an earlier fault is already recorded.
  void fail(ParseCode code, std::uint32_t offset) noexcept {
    if (ok()) {
      fault_ = {code, offset};
    }
  }

  // fault is the first that was recorded, or none: for what fills in a view of its caller's.
  [[nodiscard]] ParseFault fault() const noexcept { return fault_; }

  // finish is the other way out: it yields `view` if nothing failed, and the fault otherwise.
  template <class T>
  [[nodiscard]] Result<T> finish(const T& view) const noexcept {
    return ok() ? Result<T>(view) : Result<T>(fault_);
  }

 private:
  Bytes input_;
  ParseFault fault_;
};

}  // namespace usher
