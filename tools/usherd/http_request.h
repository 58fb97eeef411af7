// One HTTP/1.x request head, read out of a receive buffer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/limits.h"
#include "parsers/bytes.h"
#include "parsers/http_authorization.h"

namespace usherd {

// A token of kTokenSizeMax takes 87,384 characters of base64; the rest is for the other fields.
inline constexpr std::size_t kHeadSizeMax = 128 * 1024;
inline constexpr std::size_t kBodySizeMax = 64 * 1024;  // Read and dropped.
// A worker's input: any request that is allowed, and the line break that may come before it.
inline constexpr std::size_t kInputSize = kHeadSizeMax + kBodySizeMax + 4096;
static_assert(usher::http::base64_encoded_size(usher::kTokenSizeMax) < kHeadSizeMax * 3 / 4);

// HeadEnd is where a request's head ends.
struct HeadEnd {
  enum class Found : std::uint8_t {
    kNotYet,
    kComplete,
    kNever,  // What is there can be no head: it begins like none, or a line ends in a bare LF.
  };
  Found found = Found::kNotYet;
  std::size_t size = 0;  // kComplete: bytes of the head, its empty line included.
};

// find_head_end looks for the empty line, from `scanned` on: how much of `received` it was given
// before.
[[nodiscard]] HeadEnd find_head_end(usher::Bytes received, std::size_t scanned) noexcept;

// Request is what the daemon wants to know of a head. All text points into that head.
struct Request {
  // 0, or the status to refuse it with: 400 malformed, ambiguous or without Host, 411 a body of
  // unannounced size, 413 a body larger than kBodySizeMax.
  int refuse = 0;
  bool head_only = false;  // HEAD: the answer has no body.
  bool http_1_0 = false;
  bool keep_alive = false;
  bool expects_continue = false;  // RFC 9110 10.1.1
  bool has_authorization = false;
  bool has_connection_id = false;
  std::string_view path;  // Without authority and query.
  std::string_view authorization;
  std::string_view connection_id;  // Value of the field named to parse_request.
  std::size_t body_size = 0;
};

// parse_request reads a whole head, as found by find_head_end. `connection_field` is the name of
// the field that names the client's connection; empty for none. Does not allocate.
[[nodiscard]] Request parse_request(usher::Bytes head, std::string_view connection_field) noexcept;

}  // namespace usherd
