// An NTLM client (MS-NLMP 3.1): NEGOTIATE, and AUTHENTICATE for a given CHALLENGE, right or wrong
// in every way a test wants. For tests, benches and fuzzing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/crypto/kit.h"
#include "parsers/ntlm.h"
#include "tools/mint/octets.h"

namespace usher::mint {

inline constexpr ntlm::NegotiateFlags kNtlmFlagsUsual =  // What Windows and WinPR clients offer.
    ntlm::NegotiateFlags::kUnicode | ntlm::NegotiateFlags::kOem |
    ntlm::NegotiateFlags::kRequestTarget | ntlm::NegotiateFlags::kSign |
    ntlm::NegotiateFlags::kSeal | ntlm::NegotiateFlags::kNtlm | ntlm::NegotiateFlags::kAlwaysSign |
    ntlm::NegotiateFlags::kExtendedSessionSecurity | ntlm::NegotiateFlags::kVersion |
    ntlm::NegotiateFlags::k128 | ntlm::NegotiateFlags::kKeyExchange | ntlm::NegotiateFlags::k56;

// NegotiateForm is how much of the NEGOTIATE_MESSAGE is sent.
enum class NegotiateForm : std::uint8_t {
  kFull,            // With version: 40 bytes and the payload.
  kWithoutVersion,  // 32 bytes and the payload.
  kFlagsOnly,       // 16 bytes: ends after the flags, as WinPR and libraries send it.
};

struct NegotiateFields {
  ntlm::NegotiateFlags flags = kNtlmFlagsUsual;
  std::string domain{};  // OEM; sent, with its flag, if not empty.
  std::string workstation{};
  NegotiateForm form = NegotiateForm::kFull;
};
Octets ntlm_negotiate(const NegotiateFields& fields);

// NtlmResponse is which of the protocol's generations answers.
enum class NtlmResponse : std::uint8_t {
  kV2,
  kV1,         // 24 + 24 bytes of DES (MS-NLMP 3.3.1).
  kV1Session,  // NTLMv1 with extended session security: the client challenge in the LM field.
  kLmAlone,    // 24 bytes of LM response and no NT response.
  kAnonymous,  // MS-NLMP 3.2.5.1.2: empty user, empty NT response, one zero byte as LM response.
};

// AuthenticateFields is the user, and how the client behaves. Names are UTF-16 and are narrowed to
// one byte a unit when OEM was negotiated.
struct AuthenticateFields {
  std::u16string user = u"alice";
  std::u16string domain = u"EXAMPLE";
  std::u16string workstation = u"CLIENT";
  std::u16string password = u"Al1ce-Passw0rd";
  std::optional<std::u16string> user_upper{};  // Unset: `user` with a-z in upper case.

  NtlmResponse response = NtlmResponse::kV2;
  std::optional<ntlm::NegotiateFlags> flags{};  // Unset: the CHALLENGE's, less what is not offered.
  std::optional<bool> unicode{};                // Unset: as negotiated.
  bool version = true;                          // The version field, eight bytes.

  bool mic = true;                     // Room for a MIC, the flag that announces it, and the MIC.
  std::optional<bool> announce_mic{};  // MsvAvFlags apart from `mic`: stripped or invented MICs.
  bool lmv2 = false;                   // LMv2 response, as curl sends it; else 24 zero bytes.
  std::optional<Octets> lm_response{};  // Sent in place of either.
  std::uint64_t time = 133'000'000'000'000'000;  // FILETIME, if the CHALLENGE has no timestamp.
  bool own_time = false;                         // The client's clock even if it has (curl, Java).
  Octets client_challenge = {0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa};
  Octets session_key = Octets(16, 0x55);  // ExportedSessionKey, if key exchange is negotiated.
  std::optional<Octets> encrypted_session_key{};  // Sent in place of the right one.
  Octets channel_bindings{};                      // 16 bytes; empty: no MsvAvChannelBindings.
  std::u16string target_name{};                   // SPN; empty: no MsvAvTargetName.
  bool copy_target_info = true;  // Off: an AV list of its own, without the server's pairs.
};

// Authenticated is the third message and what it has agreed on.
struct Authenticated {
  Octets message{};
  Octets exported_session_key{};  // 16 bytes; what mechListMIC and signing use.
  ntlm::NegotiateFlags flags{};
};

// ntlm_authenticate answers `challenge`; both messages are those on the wire (a MIC covers them).
// Throws if `challenge` is none.
Authenticated ntlm_authenticate(crypto::Kit& kit, Bytes negotiate, Bytes challenge,
                                const AuthenticateFields& fields);

// ntlm_mech_list_mic is the client's mechListMIC over `mech_types`, check_ntlm_mech_list_mic the
// check of the server's (RFC 4178 5, MS-SPNG 3.3.5.1).
Octets ntlm_mech_list_mic(crypto::Kit& kit, const Authenticated& authenticated, Bytes mech_types);
bool check_ntlm_mech_list_mic(crypto::Kit& kit, const Authenticated& authenticated,
                              Bytes mech_types, Bytes mic);

}  // namespace usher::mint
