// Channel bindings as SSPI callers pass them: SEC_CHANNEL_BINDINGS and SEC_CHANNEL_BINDINGS_EX of
// Windows' sspi.h, a header of little-endian numbers and the bytes they point at.
#pragma once

#include <cstdint>

#include "parsers/bytes.h"
#include "parsers/result.h"

namespace usher::channel {

// BindingFields are the parts of a gss_channel_bindings_struct (RFC 2744 3.11).
struct BindingFields {
  std::uint32_t initiator_address_type = 0;  // RFC 2744 3.11: 2 is IPv4; none if the address is
  Bytes initiator_address;                   // empty.
  std::uint32_t acceptor_address_type = 0;
  Bytes acceptor_address;
  Bytes application_data;  // "tls-server-end-point:" and a hash (RFC 5929 4).
};

// SecChannelBindings is a whole buffer. Its views point into the buffer.
struct SecChannelBindings {
  BindingFields fields;
  bool audit = false;  // SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS, which only the _EX form has.
};

inline constexpr std::uint32_t kHeaderSize = 32;
inline constexpr std::uint32_t kExtendedHeaderSize = 48;
inline constexpr std::uint32_t kExtendedMagic = 0x58454243;  // 'XEBC': no address type is that.
inline constexpr std::uint32_t kAuditFlag = 0x1;

// parse_sec_channel_bindings reads either form; the first number tells which. Offsets count from
// the start of the buffer. Those of empty parts are not looked at; the others may point anywhere
// behind the header, also to the same bytes. What lies behind cbStructureLength, or in the plain
// form behind all parts, is the caller's.
//
// Fails with kTruncated if the header is cut, kOutOfBounds if a part leaves the buffer or reaches
// into the header, and kBadValue if cbHeaderLength is not 48, cbStructureLength is not between that
// and the buffer's size, or flags has a bit that is not defined.
[[nodiscard]] Result<SecChannelBindings> parse_sec_channel_bindings(Bytes buffer) noexcept;

// write_sec_channel_bindings writes the plain form with application data alone, as TLS wants it,
// into `out` and returns its size, kHeaderSize and that of the data; 0 if it does not fit.
[[nodiscard]] std::size_t write_sec_channel_bindings(Bytes application_data,
                                                     MutableBytes out) noexcept;

}  // namespace usher::channel
