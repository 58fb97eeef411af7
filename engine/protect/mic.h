// Per-message integrity: GSS_GetMIC tokens of Kerberos (RFC 4121 4.2.6.1; RFC 4757 7.2 with RC4)
// and NTLM (MS-NLMP 3.4.4), as SPNEGO needs them for mechListMIC (RFC 4178 5).
#pragma once

#include <cstdint>

#include "engine/crypto/etype.h"
#include "engine/crypto/kit.h"
#include "parsers/bytes.h"
#include "parsers/ntlm.h"

namespace usher::protect {

enum class Sender : std::uint8_t { kInitiator, kAcceptor };

inline constexpr std::size_t kMicSizeMax = 64;

// KerberosMicKey says what a Kerberos MIC is made with.
struct KerberosMicKey {
  const crypto::EtypeProfile* profile = nullptr;
  Bytes key;                            // Acceptor's subkey, initiator's subkey or session key.
  bool key_is_acceptor_subkey = false;  // The AcceptorSubkey flag of both directions; RC4: none.
};

// mic_size is the size of every MIC made with keys of that etype.
[[nodiscard]] std::size_t mic_size(const crypto::EtypeProfile& profile) noexcept;

// write_mic returns the size written to `out` (kMicSizeMax bytes), or 0 if OpenSSL fails.
[[nodiscard]] std::size_t write_mic(crypto::Kit& kit, const KerberosMicKey& key, Sender sender,
                                    std::uint64_t sequence, Bytes message,
                                    MutableBytes out) noexcept;
// check_mic says whether `mic` is the MIC of `message` from `sender` with exactly that sequence
// number. Flags, filler and size are checked; compares in constant time. With RC4 sequence numbers
// have 32 bits: higher ones are not looked at.
[[nodiscard]] bool check_mic(crypto::Kit& kit, const KerberosMicKey& key, Sender sender,
                             std::uint64_t sequence, Bytes message, Bytes mic) noexcept;

// NtlmMicKey: `flags` are the negotiated ones and must have kExtendedSessionSecurity; with
// kKeyExchange the checksum is sealed with RC4 from the start of the stream, because MS-SPNG
// 3.3.5.1 resets it after mechListMIC.
struct NtlmMicKey {
  Bytes exported_session_key;  // 16 bytes.
  ntlm::NegotiateFlags flags{};
};
[[nodiscard]] std::size_t write_mic(crypto::Kit& kit, const NtlmMicKey& key, Sender sender,
                                    std::uint32_t sequence, Bytes message,
                                    MutableBytes out) noexcept;
[[nodiscard]] bool check_mic(crypto::Kit& kit, const NtlmMicKey& key, Sender sender,
                             std::uint32_t sequence, Bytes message, Bytes mic) noexcept;

}  // namespace usher::protect
