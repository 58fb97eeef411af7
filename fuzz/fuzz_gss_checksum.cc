// parsers/gss.h: the checksum field of type 0x8003, written anew from what was read.
#include <algorithm>
#include <array>

#include "fuzz/fuzz_target.h"
#include "parsers/gss.h"

namespace usher::fuzz {

void run_one(Bytes input) {
  const Result<gss::GssChecksum> checksum = gss::parse_gss_checksum(input);
  if (!checksum.ok()) {
    check(checksum.fault().offset <= input.size(), "a fault points into the input");
    return;
  }
  for (const Bytes view : {checksum->bindings, checksum->delegation, checksum->extensions}) {
    check(within(view, input), "every view points into the input");
  }
  check(checksum->bindings.size() == 16, "bindings are an MD5");
  const bool delegates = has(checksum->flags, gss::ContextFlags::kDelegate);
  check(delegates != checksum->delegation.empty(), "C11: the flag means a KRB-CRED, and only it");

  static std::array<std::uint8_t, kInputSizeMax + 64> out;
  const MutableBytes room(out);
  std::size_t at = 0;
  const auto put = [&](Bytes octets) {
    std::ranges::copy(octets, room.subspan(at).begin());
    at += octets.size();
  };
  store_le<std::uint32_t>(room, 16);
  at += 4;
  put(checksum->bindings);
  store_le(room.subspan(at), std::uint32_t(checksum->flags));
  at += 4;
  if (delegates) {
    store_le<std::uint16_t>(room.subspan(at), 1);
    store_le(room.subspan(at + 2), static_cast<std::uint16_t>(checksum->delegation.size()));
    at += 4;
    put(checksum->delegation);
  }
  const std::size_t least = at;
  put(checksum->extensions);
  check(std::ranges::equal(room.first(at), input), "a checksum has one encoding");
  check(!gss::parse_gss_checksum(input.first(least - 1)).ok(), "C12: what it must have, it has");
  check(gss::parse_gss_checksum(input.first(least)).ok(), "extensions are optional");
}

}  // namespace usher::fuzz
