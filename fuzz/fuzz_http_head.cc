// tools/usherd/http_request.h: a request's head is found where it ends however it arrives, and what
// is read from it lies in it.
#include <algorithm>
#include <array>
#include <string_view>

#include "fuzz/fuzz_target.h"
#include "tools/usherd/http_request.h"

namespace usher::fuzz {
namespace {

using usherd::HeadEnd;
using Found = HeadEnd::Found;

constexpr std::string_view kConnectionField = "X-Connection";

// expected_end says the rule in its own words: lines end in CR LF, a head in an empty one that
// follows another line, and nothing but a letter or a line's end begins one.
HeadEnd expected_end(Bytes received) {
  if (received.empty()) {
    return {};
  }
  const std::uint8_t first = received[0] | 0x20;
  if ((first < 'a' || first > 'z') && received[0] != '\r') {
    return {.found = Found::kNever};
  }
  std::size_t line = 0;  // Bytes of this line so far.
  std::size_t lines = 0;
  for (std::size_t at = 0; at < received.size(); ++at) {
    ++line;
    if (received[at] != '\n') {
      continue;
    }
    if (at == 0 || received[at - 1] != '\r') {
      return {.found = Found::kNever};
    }
    if (line == 2 && lines > 0) {
      return {.found = Found::kComplete, .size = at + 1};
    }
    ++lines;
    line = 0;
  }
  return {};
}

// in_pieces gives `received` to find_head_end as it might arrive: up to each place that `cuts`
// chooses, or byte by byte; a long one in larger pieces, for speed.
HeadEnd in_pieces(Bytes received, Bytes cuts) {
  HeadEnd end;
  std::size_t scanned = 0;
  std::size_t size = 0;
  const std::size_t smallest = received.size() <= 256 ? 1 : 17;
  for (std::size_t n = 0; size < received.size() && end.found == Found::kNotYet; ++n) {
    const std::size_t step = cuts.empty() ? smallest : smallest + cuts[n % cuts.size()];
    size = std::min(size + step, received.size());
    end = usherd::find_head_end(received.first(size), scanned);
    scanned = size;
  }
  return end;
}

bool same(const HeadEnd& a, const HeadEnd& b) { return a.found == b.found && a.size == b.size; }

bool inside(std::string_view text, Bytes head) {
  return within({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, head);
}

bool same(const usherd::Request& a, const usherd::Request& b) {
  return a.refuse == b.refuse && a.head_only == b.head_only && a.http_1_0 == b.http_1_0 &&
         a.keep_alive == b.keep_alive && a.expects_continue == b.expects_continue &&
         a.has_authorization == b.has_authorization && a.has_connection_id == b.has_connection_id &&
         a.path == b.path && a.authorization == b.authorization &&
         a.connection_id == b.connection_id && a.body_size == b.body_size;
}

void check_accepted(const usherd::Request& request, Bytes head) {
  check(head.size() <= usherd::kHeadSizeMax, "no head is longer than promised");
  check(request.body_size <= usherd::kBodySizeMax, "no body is longer than promised");
  check(inside(request.path, head) && inside(request.authorization, head) &&
            inside(request.connection_id, head),
        "what is read lies in the head");
  check(request.has_authorization || request.authorization.empty(), "no value without its field");
  for (const std::string_view text : {request.path, request.authorization, request.connection_id}) {
    check(text.find_first_of(std::string_view("\r\n\0", 3)) == text.npos, "and on one line");
  }
  check(request.path.find('?') == request.path.npos, "a path has no query");
  // Without the field's name nothing else changes.
  usherd::Request unnamed = usherd::parse_request(head, {});
  check(!unnamed.has_connection_id, "a field nobody named is not looked for");
  unnamed.has_connection_id = request.has_connection_id;
  unnamed.connection_id = request.connection_id;
  check(same(unnamed, request), "and it changes nothing but itself");
}

void check_head(Bytes head) {
  const usherd::Request request = usherd::parse_request(head, kConnectionField);
  switch (request.refuse) {
    case 0:
      return check_accepted(request, head);
    case 411:
    case 413:
      return check(request.body_size == 0, "what is refused has no body to wait for");
    default:
      return check(request.refuse == 400, "a refusal is 400, 411 or 413");
  }
}

}  // namespace

void run_one(Bytes input) {
  // The first byte says how many of the next are where the head is cut; none: byte by byte.
  if (input.empty()) {
    return;
  }
  const std::size_t count = std::min<std::size_t>(input[0] % 8, input.size() - 1);
  const Bytes cuts = input.subspan(1, count);
  const Bytes received = input.subspan(1 + count);
  const HeadEnd end = usherd::find_head_end(received, 0);
  check(same(end, expected_end(received)), "a head ends where its grammar says");
  check(same(end, in_pieces(received, cuts)), "however it arrives");
  if (end.found != Found::kComplete) {
    return;
  }
  const Bytes head = received.first(end.size);
  check_head(head);
  check(usherd::parse_request(head.first(head.size() - 1), kConnectionField).refuse == 400,
        "one byte less is no head");
}

}  // namespace usher::fuzz
