// Beast's parser without Beast's I/O; http_request.h says what is promised.
#include "tools/usherd/http_request.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/verb.hpp>
#include <cstring>
#include <functional>

namespace usherd {
namespace {

namespace beast = boost::beast;
using beast::http::field;
using ErrorCode = beast::error_code;

std::string_view standard(beast::string_view text) noexcept { return {text.data(), text.size()}; }

beast::string_view boosted(std::string_view text) noexcept { return {text.data(), text.size()}; }

// path_of takes the path out of an origin-form or absolute-form target (RFC 9112 3.2).
std::string_view path_of(std::string_view target) noexcept {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (beast::iequals(boosted(target.substr(0, scheme.size())), boosted(scheme))) {
      target.remove_prefix(scheme.size());
      const std::size_t slash = target.find_first_of("/?");
      target.remove_prefix(std::min(slash, target.size()));
      break;
    }
  }
  return target.substr(0, target.find('?'));
}

// HeadParser keeps the fields that matter. on_* are called by basic_parser::put in the order of the
// message; everything they are given lies in the head, except a folded field's value.
class HeadParser final : public beast::http::basic_parser<true> {
 public:
  HeadParser(usher::Bytes head, std::string_view connection_field) noexcept
      : head_(head), connection_field_(connection_field) {
    header_limit(std::uint32_t{kHeadSizeMax});
    skip(true);  // Bodies are counted by the front end.
  }

  Request request;
  unsigned host_count = 0;
  bool ambiguous = false;
  bool transfer_encoding = false;

 protected:
  void on_request_impl(beast::http::verb method, beast::string_view, beast::string_view target,
                       int version, ErrorCode&) override {
    request.head_only = method == beast::http::verb::head;
    request.http_1_0 = version == 10;
    request.path = path_of(standard(target));
  }

  void on_field_impl(field name, beast::string_view name_text, beast::string_view value,
                     ErrorCode&) override {
    if (name == field::host) {
      ++host_count;
    } else if (name == field::transfer_encoding) {
      transfer_encoding = true;
    } else if (name == field::authorization) {
      keep(request.has_authorization, request.authorization, value);
    } else if (name == field::expect) {
      request.expects_continue = beast::iequals(value, "100-continue");
    }
    if (!connection_field_.empty() && beast::iequals(name_text, boosted(connection_field_))) {
      keep(request.has_connection_id, request.connection_id, value);
    }
  }

  void on_response_impl(int, beast::string_view, int, ErrorCode&) override {}
  void on_header_impl(ErrorCode&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
  std::size_t on_body_impl(beast::string_view, ErrorCode&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view, ErrorCode&) override {
    return 0;
  }
  void on_finish_impl(ErrorCode&) override {}

 private:
  // A field that decides who somebody is comes once, on one line (RFC 9112 5.2).
  void keep(bool& has, std::string_view& kept, beast::string_view value) noexcept {
    const auto* const begin = static_cast<const void*>(head_.data());
    const auto* const end = static_cast<const void*>(head_.data() + head_.size());
    const auto* const at = static_cast<const void*>(value.data());
    const bool inside = std::less_equal<>()(begin, at) && std::less_equal<>()(at, end);
    ambiguous = ambiguous || has || (!value.empty() && !inside);
    has = true;
    kept = standard(value);
  }

  usher::Bytes head_;
  std::string_view connection_field_;
};

bool can_begin_a_request(std::uint8_t octet) noexcept {
  return (octet >= 'A' && octet <= 'Z') || (octet >= 'a' && octet <= 'z') || octet == '\r';
}

}  // namespace

HeadEnd find_head_end(usher::Bytes received, std::size_t scanned) noexcept {
  if (!received.empty() && !can_begin_a_request(received.front())) {
    return {.found = HeadEnd::Found::kNever};  // Such as TLS to a port that does not speak it.
  }
  std::size_t at = std::min(scanned, received.size());
  while (at < received.size()) {
    const usher::Bytes rest = received.subspan(at);
    const void* const found = std::memchr(rest.data(), '\n', rest.size());
    if (found == nullptr) {
      break;
    }
    at += static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - rest.data());
    if (at == 0 || received[at - 1] != '\r') {
      return {.found = HeadEnd::Found::kNever};
    }
    if (at >= 3 && received[at - 2] == '\n') {
      return {.found = HeadEnd::Found::kComplete, .size = at + 1};
    }
    ++at;
  }
  return {};
}

Request parse_request(usher::Bytes head, std::string_view connection_field) noexcept {
  HeadParser parser(head, connection_field);
  ErrorCode error;
  const std::size_t consumed =
      parser.put(boost::asio::const_buffer(head.data(), head.size()), error);
  Request& request = parser.request;
  //= RFC 9112 3.2
  const bool host_is_wrong = parser.host_count > 1 || (!request.http_1_0 && parser.host_count == 0);
  if (error || !parser.is_done() || consumed != head.size() || host_is_wrong || parser.ambiguous) {
    request.refuse = 400;
    return request;
  }
  request.keep_alive = parser.keep_alive();
  const std::uint64_t body_size = parser.content_length().value_or(0);
  if (parser.transfer_encoding) {
    request.refuse = 411;
  } else if (body_size > kBodySizeMax) {
    request.refuse = 413;
  } else {
    request.body_size = static_cast<std::size_t>(body_size);
  }
  return request;
}

}  // namespace usherd
