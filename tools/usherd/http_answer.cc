// How an answer is spelled; http_answer.h says what is promised.
#include "tools/usherd/http_answer.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <ctime>

namespace usherd {

std::string_view reason_of(int code) noexcept {
  switch (code) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Unknown";
  }
}

void AnswerWriter::text(std::string_view text) noexcept {
  assert(text.size() <= out_.size() - size_);
  std::ranges::copy(text, out_.subspan(size_, text.size()).begin());
  size_ += text.size();
}

void AnswerWriter::status(int code, std::string_view date) noexcept {
  std::array<char, 8> digits;
  const auto end = std::to_chars(digits.begin(), digits.end(), code).ptr;
  text("HTTP/1.1 ");
  text({digits.begin(), end});
  text(" ");
  text(reason_of(code));
  text("\r\n");
  field("Date", date);
}

void AnswerWriter::field(std::string_view name, std::string_view value) noexcept {
  text(name);
  text(": ");
  text(value);
  text("\r\n");
}

void AnswerWriter::name_field(std::string_view name, usher::Bytes value) noexcept {
  text(name);
  text(": ");
  size_ += write_safe_name(value, out_.subspan(size_)).size();
  text("\r\n");
}

void AnswerWriter::challenge(std::string_view scheme, usher::Bytes token) noexcept {
  text("WWW-Authenticate: ");
  text(scheme);
  if (!token.empty()) {
    text(" ");
    size_ += usher::http::encode_base64(token, out_.subspan(size_)).size();
  }
  text("\r\n");
}

std::size_t AnswerWriter::end(const AnswerStyle& style, std::string_view body) noexcept {
  if (style.close) {
    field("Connection", "close");
  } else if (style.http_1_0) {
    field("Connection", "keep-alive");
  }
  if (!body.empty()) {
    field("Content-Type", "text/plain");
  }
  std::array<char, 24> digits;
  const std::size_t body_size = body.empty() ? 0 : body.size() + 1;
  const auto end = std::to_chars(digits.begin(), digits.end(), body_size).ptr;
  field("Content-Length", {digits.begin(), end});
  text("\r\n");
  if (!style.head_only && !body.empty()) {
    text(body);
    text("\n");
  }
  return size_;
}

std::string_view write_safe_name(usher::Bytes name, usher::MutableBytes out) noexcept {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::size_t size = 0;
  const auto put = [&](char c) { out[size++] = static_cast<std::uint8_t>(c); };
  for (std::size_t at = 0; at < name.size(); ++at) {
    const std::uint8_t octet = name[at];
    const bool at_an_end = at == 0 || at + 1 == name.size();
    if (octet < 0x20 || octet > 0x7e || octet == '%' || (octet == ' ' && at_an_end)) {
      put('%');
      put(kDigits[octet >> 4]);
      put(kDigits[octet & 0xf]);
    } else {
      put(static_cast<char>(octet));
    }
  }
  return {static_cast<const char*>(static_cast<const void*>(out.data())), size};
}

void HttpDate::set(std::int64_t unix_s) noexcept {
  const auto seconds = static_cast<std::time_t>(unix_s);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  // The process keeps the "C" locale, so names of days and months are the ones HTTP wants.
  size_ = std::strftime(text_.data(), text_.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
}

}  // namespace usherd
