// Channel bindings as Windows' sspi.h declares them. Part of sspi.h, which includes it.
#pragma once

#include <stdint.h>

// NOLINTBEGIN(modernize-*,bugprone-*,cert-*,readability-*): these names and forms are Windows'.
// Channel bindings (RFC 5056; Extended Protection for Authentication): what
// SECBUFFER_CHANNEL_BINDINGS holds. Offsets count from the start of the structure; the bytes lie
// behind it. For TLS everything is zero but the application data: usher_tls_server_end_point
// (acceptor.h) makes such a buffer.
typedef struct _SEC_CHANNEL_BINDINGS {
  uint32_t dwInitiatorAddrType;  // RFC 2744 3.11: 2 is IPv4, 24 is IPv6 (RFC 4120 7.5.3).
  uint32_t cbInitiatorLength;
  uint32_t dwInitiatorOffset;
  uint32_t dwAcceptorAddrType;
  uint32_t cbAcceptorLength;
  uint32_t dwAcceptorOffset;
  uint32_t cbApplicationDataLength;
  uint32_t dwApplicationDataOffset;
} SEC_CHANNEL_BINDINGS, *PSEC_CHANNEL_BINDINGS;
#define SEC_CHANNEL_BINDINGS_EX_MAGIC 0x58454243u  // 'XEBC'
typedef struct _SEC_CHANNEL_BINDINGS_EX {
  uint32_t magicNumber;        // SEC_CHANNEL_BINDINGS_EX_MAGIC
  uint32_t flags;              // SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS
  uint32_t cbHeaderLength;     // sizeof(SEC_CHANNEL_BINDINGS_EX)
  uint32_t cbStructureLength;  // With the bytes behind it.
  uint32_t dwInitiatorAddrType;
  uint32_t cbInitiatorLength;
  uint32_t dwInitiatorOffset;
  uint32_t dwAcceptorAddrType;
  uint32_t cbAcceptorLength;
  uint32_t dwAcceptorOffset;
  uint32_t cbApplicationDataLength;
  uint32_t dwApplicationDataOffset;
} SEC_CHANNEL_BINDINGS_EX, *PSEC_CHANNEL_BINDINGS_EX;
#define SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS 0x1u
#define SEC_CHANNEL_BINDINGS_VALID_FLAGS SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS

// What SECBUFFER_CHANNEL_BINDINGS_RESULT receives: 0 if nobody has looked at bindings yet.
typedef struct _SEC_CHANNEL_BINDINGS_RESULT {
  uint32_t flags;
} SEC_CHANNEL_BINDINGS_RESULT, *PSEC_CHANNEL_BINDINGS_RESULT;
#define SEC_CHANNEL_BINDINGS_RESULT_CLIENT_SUPPORT 0x01u
#define SEC_CHANNEL_BINDINGS_RESULT_ABSENT 0x02u
#define SEC_CHANNEL_BINDINGS_RESULT_NOTVALID_MISMATCH 0x04u
#define SEC_CHANNEL_BINDINGS_RESULT_NOTVALID_MISSING 0x08u
#define SEC_CHANNEL_BINDINGS_RESULT_VALID_MATCHED 0x10u
#define SEC_CHANNEL_BINDINGS_RESULT_VALID_PROXY 0x20u
#define SEC_CHANNEL_BINDINGS_RESULT_VALID_MISSING 0x40u
#define SEC_CHANNEL_BINDINGS_RESULT_VALID                                                \
  (SEC_CHANNEL_BINDINGS_RESULT_VALID_MATCHED | SEC_CHANNEL_BINDINGS_RESULT_VALID_PROXY | \
   SEC_CHANNEL_BINDINGS_RESULT_VALID_MISSING)
#define SEC_CHANNEL_BINDINGS_RESULT_NOTVALID \
  (SEC_CHANNEL_BINDINGS_RESULT_NOTVALID_MISMATCH | SEC_CHANNEL_BINDINGS_RESULT_NOTVALID_MISSING)
// NOLINTEND(modernize-*,bugprone-*,cert-*,readability-*)
