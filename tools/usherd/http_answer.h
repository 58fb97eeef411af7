// One HTTP/1.1 answer, written into a fixed buffer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/limits.h"
#include "parsers/bytes.h"
#include "parsers/http_authorization.h"

namespace usherd {

// Two names, each byte percent-encoded, a reply token in base64, and the fixed fields.
inline constexpr std::size_t kAnswerSizeMax =
    2 * 3 * usher::kClientNameSizeMax + usher::http::base64_encoded_size(usher::kReplySizeMax) +
    1024;

// AnswerStyle is what the request asks of the answer's form.
struct AnswerStyle {
  bool head_only = false;  // The request was HEAD.
  bool http_1_0 = false;
  bool close = false;  // Say that the connection is closed after this.
};

// AnswerWriter writes fields in the order of the calls: status, any fields, end. `out` has room for
// kAnswerSizeMax bytes.
class AnswerWriter {
 public:
  explicit AnswerWriter(usher::MutableBytes out) noexcept : out_(out) {}

  // status begins an answer. `date` is an HTTP date (RFC 9110 5.6.7).
  void status(int code, std::string_view date) noexcept;

  void field(std::string_view name, std::string_view value) noexcept;

  // name_field writes a name that somebody else chose. Bytes outside 0x20..0x7e, '%', and a space
  // at either end are percent-encoded: nothing in a name can end the field or be trimmed away.
  void name_field(std::string_view name, usher::Bytes value) noexcept;

  // challenge writes WWW-Authenticate with a scheme and, unless it is empty, a token in base64.
  void challenge(std::string_view scheme, usher::Bytes token) noexcept;

  // end writes the last fields and the body, one line or none, and returns the size of everything.
  std::size_t end(const AnswerStyle& style, std::string_view body) noexcept;

 private:
  void text(std::string_view text) noexcept;

  usher::MutableBytes out_;
  std::size_t size_ = 0;
};

// write_safe_name writes `name` in the form name_field gives it, at most 3 bytes for each of it,
// and returns what it wrote.
std::string_view write_safe_name(usher::Bytes name, usher::MutableBytes out) noexcept;

// reason_of is the phrase that goes with a status code.
[[nodiscard]] std::string_view reason_of(int code) noexcept;

// HttpDate is the current date as an HTTP field.
class HttpDate {
 public:
  // set takes seconds since 1970.
  void set(std::int64_t unix_s) noexcept;
  [[nodiscard]] std::string_view text() const noexcept { return {text_.data(), size_}; }

 private:
  std::array<char, 32> text_{};
  std::size_t size_ = 0;
};

}  // namespace usherd
