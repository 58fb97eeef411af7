// An HTTP/1.1 response, as far as a load has to understand it.
#pragma once

#include <cstddef>
#include <string_view>

namespace load {

struct Response {
  std::size_t size = 0;  // Bytes, head and body; 0: not all there yet.
  bool broken = false;   // It is none, or its body has an end that is not understood.
  int status = 0;
  bool closes = false;         // Connection: close.
  std::string_view negotiate;  // What follows "Negotiate " in a WWW-Authenticate field; or empty.
};

// parse_response reads the response `received` begins with. The body's size is in Content-Length,
// or it is chunked and small, or the status has none (RFC 9112 6.3).
[[nodiscard]] Response parse_response(std::string_view received);

}  // namespace load
