// NTLM messages and AV_PAIRs (MS-NLMP 2.2).
#pragma once

#include <cstdint>

#include "parsers/bytes.h"
#include "parsers/result.h"

namespace usher::ntlm {

enum class NegotiateFlags : std::uint32_t {  // MS-NLMP 2.2.2.5
  kUnicode = 0x00000001,
  kOem = 0x00000002,
  kRequestTarget = 0x00000004,
  kSign = 0x00000010,
  kSeal = 0x00000020,
  kDatagram = 0x00000040,
  kLmKey = 0x00000080,
  kNtlm = 0x00000200,
  kAnonymous = 0x00000800,
  kDomainSupplied = 0x00001000,
  kWorkstationSupplied = 0x00002000,
  kAlwaysSign = 0x00008000,
  kTargetTypeDomain = 0x00010000,
  kTargetTypeServer = 0x00020000,
  kExtendedSessionSecurity = 0x00080000,
  kIdentify = 0x00100000,
  kNonNtSessionKey = 0x00400000,
  kTargetInfo = 0x00800000,
  kVersion = 0x02000000,
  k128 = 0x20000000,
  kKeyExchange = 0x40000000,
  k56 = 0x80000000,
};
[[nodiscard]] constexpr NegotiateFlags operator|(NegotiateFlags a, NegotiateFlags b) noexcept {
  return NegotiateFlags(std::uint32_t(a) | std::uint32_t(b));
}
[[nodiscard]] constexpr NegotiateFlags operator&(NegotiateFlags a, NegotiateFlags b) noexcept {
  return NegotiateFlags(std::uint32_t(a) & std::uint32_t(b));
}
[[nodiscard]] constexpr bool has(NegotiateFlags flags, NegotiateFlags flag) noexcept {
  return (std::uint32_t(flags) & std::uint32_t(flag)) != 0;
}

enum class MessageType : std::uint32_t { kNegotiate = 1, kChallenge = 2, kAuthenticate = 3 };

// message_type reads signature and type only. kBadValue if either is wrong.
[[nodiscard]] Result<MessageType> message_type(Bytes message) noexcept;

// Negotiate is a NEGOTIATE_MESSAGE (MS-NLMP 2.2.1.1). Its strings are OEM bytes, and empty if their
// "supplied" flag is clear. Messages may end right after the flags (16 bytes) or before the
// version: curl, Java, wget and Chromium send them so.
struct Negotiate {
  NegotiateFlags flags{};
  Bytes domain;
  Bytes workstation;
};

// Challenge is a CHALLENGE_MESSAGE (MS-NLMP 2.2.1.2). target_name is empty unless flags has
// kRequestTarget, target_info unless flags has kTargetInfo: their fields are then not looked at.
struct Challenge {
  NegotiateFlags flags{};
  Bytes target_name;       // UTF-16LE or OEM, as flags say.
  Bytes server_challenge;  // 8 bytes.
  Bytes target_info;       // AV_PAIRs; empty if absent.
};

// Authenticate is an AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3). Absent fields are empty. Strings are
// UTF-16LE or OEM bytes: which of the two, the *negotiated* flags decide, not this message's own
// (wget and neon set kUnicode over OEM strings), so the parser leaves them as they are.
struct Authenticate {
  NegotiateFlags flags{};
  Bytes lm_response;
  Bytes nt_response;  // 24 bytes: NTLMv1. At least 44: NTLMv2.
  Bytes domain;
  Bytes user;
  Bytes workstation;
  Bytes encrypted_session_key;
  Bytes mic;  // Bytes 72..88, if no payload field begins before 88; else empty.
};
inline constexpr std::uint32_t kMicOffset = 72;
inline constexpr std::uint32_t kMicSize = 16;

// Each parse function reads one complete message. Every view points into `message`.
//
// Fails with kBadValue if signature or type is wrong, kOutOfBounds if a payload field leaves the
// message or reaches into its fixed header, of NEGOTIATE into the first 24 bytes of it (Heimdal),
// kTruncated if that header is short. Empty fields may carry any offset. MaxLen is ignored, as the
// specification asks.
[[nodiscard]] Result<Negotiate> parse_negotiate(Bytes message) noexcept;
[[nodiscard]] Result<Challenge> parse_challenge(Bytes message) noexcept;
[[nodiscard]] Result<Authenticate> parse_authenticate(Bytes message) noexcept;

enum class AvId : std::uint16_t {  // MS-NLMP 2.2.2.1
  kEol = 0,
  kNetbiosComputer = 1,
  kNetbiosDomain = 2,
  kDnsComputer = 3,
  kDnsDomain = 4,
  kDnsTree = 5,
  kFlags = 6,
  kTimestamp = 7,
  kSingleHost = 8,
  kTargetName = 9,
  kChannelBindings = 10,
};
inline constexpr std::uint32_t kAvFlagMic = 0x00000002;
inline constexpr std::uint32_t kAvFlagUntrustedTarget = 0x00000004;  // MsvAvTargetName is a guess.

// AvPairs is a list of AV_PAIRs, checked and taken apart. Absent values are empty or without has_.
struct AvPairs {
  Bytes netbios_computer;  // Names are UTF-16LE, whatever the negotiated charset.
  Bytes netbios_domain;
  Bytes dns_computer;
  Bytes dns_domain;
  Bytes dns_tree;
  Bytes target_name;
  Bytes channel_bindings;  // 16 bytes if present.
  bool has_flags = false;
  std::uint32_t flags = 0;
  bool has_timestamp = false;
  std::uint64_t timestamp = 0;  // FILETIME: 100 ns since 1601-01-01.
};

// At most this many zero bytes may follow MsvAvEOL: nearly every client puts a reserved field of 4
// after it, Samba none, WinPR 12.
inline constexpr std::uint32_t kAvPaddingSizeMax = 16;

// parse_av_pairs reads up to and including MsvAvEOL and the padding after it; longer padding, or
// any other byte, is kTrailingBytes.
//
// Fails with kTruncated if the list ends before MsvAvEOL, kOutOfBounds if a value leaves the list,
// kBadValue if a value's size does not suit its AvId, MsvAvEOL has a size, or an AvId of the table
// comes twice. Unknown AvIds are skipped.
[[nodiscard]] Result<AvPairs> parse_av_pairs(Bytes list) noexcept;

// Ntlmv2Response is an NTLMv2_RESPONSE (MS-NLMP 2.2.2.8) with its client challenge (2.2.2.7).
struct Ntlmv2Response {
  Bytes proof;        // NTProofStr, 16 bytes.
  Bytes client_data;  // All after it: what the proof covers together with server_challenge.
  std::uint64_t timestamp = 0;
  Bytes client_challenge;  // 8 bytes.
  AvPairs pairs;
};
inline constexpr std::uint32_t kNtlmv2ResponseSizeMin = 44;

// parse_ntlmv2_response fails with kTruncated below kNtlmv2ResponseSizeMin, kBadValue if RespType
// or HiRespType is not 1, and as parse_av_pairs does. An empty AV list is accepted.
[[nodiscard]] Result<Ntlmv2Response> parse_ntlmv2_response(Bytes nt_response) noexcept;

// write_challenge writes a CHALLENGE_MESSAGE into `out` and returns its size, or 0 if `out` is too
// small, server_challenge is not 8 bytes or another field exceeds 65535. Every field is taken as
// given; the version is always there and zero (MS-NLMP 2.2.1.2), as some clients expect 56 bytes.
[[nodiscard]] std::size_t write_challenge(const Challenge& challenge, MutableBytes out) noexcept;

// AvWriter appends AV_PAIRs to a caller's buffer; finish adds MsvAvEOL and returns the list, empty
// if anything did not fit.
class AvWriter {
 public:
  explicit AvWriter(MutableBytes out) noexcept : out_(out) {}
  void pair(AvId id, Bytes value) noexcept;
  [[nodiscard]] Bytes finish() noexcept;

 private:
  MutableBytes out_;
  std::size_t size_ = 0;
  bool fits_ = true;
};

}  // namespace usher::ntlm
