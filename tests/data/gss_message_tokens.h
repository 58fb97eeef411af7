// Per-message tokens of the Kerberos mechanism, in hex: the right ones that tests spoil.
#pragma once

namespace usher::testing {

// RFC 4121 4.2.6.1: TOK_ID, flags, filler, SND_SEQ; a checksum of 12 octets.
inline constexpr char kMicToken[] = "0404 04 ffffffffff 0000000000000001 a0a1a2a3a4a5a6a7a8a9aaab";

// RFC 4121 4.2.6.2: TOK_ID, flags, filler, EC, RRC, SND_SEQ. Plain: two octets of data and EC
// octets of checksum, rotated. Sealed: a cipher long enough for the header's copy.
inline constexpr char kPlainWrapToken[] =
    "0504 00 ff 000c 001c 0000000000000001 a0a1a2a3a4a5a6a7a8a9aaab d0d1";
inline constexpr char kSealedWrapToken[] =
    "0504 06 ff 0002 001c 0000000000000001 c0c1c2c3c4c5c6c7c8c9cacbcccdcecf e0e1";

// RFC 1964 1.2.1, 1.2.3 and 1.2.2 with the algorithms of RFC 4757 7: framing, TOK_ID, SGN_ALG,
// SEAL_ALG or filler, filler, SND_SEQ, SGN_CKSUM; Wrap: confounder, two octets of data, padding.
inline constexpr char kLegacyMicToken[] =
    "60 23 06 09 2a864886f712010202"
    " 0101 1100 ffffffff 5051525354555657 a0a1a2a3a4a5a6a7";
inline constexpr char kLegacyDeleteToken[] =
    "60 23 06 09 2a864886f712010202"
    " 0102 1100 ffffffff 5051525354555657 a0a1a2a3a4a5a6a7";
inline constexpr char kLegacyWrapToken[] =
    "60 2e 06 09 2a864886f712010202"
    " 0201 1100 1000 ffff 5051525354555657 a0a1a2a3a4a5a6a7 c0c1c2c3c4c5c6c7 d0d1 01";

}  // namespace usher::testing
