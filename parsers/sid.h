// Security identifiers as they stand on the wire (MS-DTYP 2.4.2.2), without copying them.
#pragma once

#include <cstdint>

#include "parsers/bytes.h"
#include "parsers/result.h"

namespace usher {

// SidView borrows one SID: revision 1, a count of 1..15 sub-authorities, a 48-bit big-endian
// authority, and the sub-authorities, 32 bits each, little-endian. Empty stands for "no SID".
struct SidView {
  Bytes octets;  // Whole SID; its size always fits its count.

  // Sub-authorities a SID may have (MS-DTYP 2.4.2.2), and with them the most octets.
  static constexpr std::uint32_t kSubAuthoritiesMax = 15;
  static constexpr std::uint32_t kFixedSize = 8;
  static constexpr std::uint32_t kSizeMax = kFixedSize + 4 * kSubAuthoritiesMax;

  [[nodiscard]] bool empty() const noexcept { return octets.empty(); }
};

// kSidTextSizeMax holds the longest text: "S-1-", the authority, fifteen sub-authorities, one more
// for the relative identifier of write_sid_text.
inline constexpr std::size_t kSidTextSizeMax = 4 + 15 + 16 * 11;

// parse_sid reads a SID that is all of `octets`. Fails with kBadValue for another revision or a
// count of 0 or above 15 (attack D7), kTruncated if it is cut off, kTrailingBytes if bytes follow.
[[nodiscard]] Result<SidView> parse_sid(Bytes octets) noexcept;

// write_sid_text writes "S-1-5-21-..." as MS-DTYP 2.4.2.1 has it (an authority of 2^32 or more in
// hex) and returns the bytes written, or 0 if `sid` is empty or `out` too small. With a relative
// identifier, that of a group in the SID's domain, it is appended as one more sub-authority.
[[nodiscard]] std::size_t write_sid_text(SidView sid, MutableBytes out) noexcept;
[[nodiscard]] std::size_t write_sid_text(SidView domain, std::uint32_t relative_id,
                                         MutableBytes out) noexcept;

}  // namespace usher
