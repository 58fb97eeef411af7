// A Kerberos client without a KDC: tickets, AP-REQs and GSS tokens, right or wrong in every way a
// test wants, and the client's check of the answer. For tests, benches, load and fuzzing.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/crypto/key_ring.h"
#include "engine/crypto/kit.h"
#include "parsers/gss.h"
#include "parsers/krb5.h"
#include "tools/mint/octets.h"

namespace usher::mint {

// Principal is a name in a realm; the text form has no escapes.
struct Principal {
  std::int32_t type = 1;  // NT-PRINCIPAL (RFC 4120 6.2).
  std::vector<std::string> components{};
  std::string realm{};

  static Principal of(std::string_view text);  // "HTTP/web.example.test@EXAMPLE.TEST"
};

// name_components is the contents of name-string, as krb5::PrincipalName::components.
Octets name_components(const Principal& name);

// Service is an acceptor's key, as the KDC and a keytab know it.
struct Service {
  Principal name = Principal::of("HTTP/web.example.test@EXAMPLE.TEST");
  std::int32_t etype = 18;
  std::uint32_t kvno = 1;
  Octets key{};  // 32 or 16 bytes.
};
// make_service draws a key that fits `etype`.
Service make_service(RandomSource& random, std::string_view principal, std::int32_t etype = 18,
                     std::uint32_t kvno = 1);

// keytab_image is the file's contents, format 0x0502, readable by MIT and Heimdal.
Octets keytab_image(std::span<const Service> services);

// make_ring is the same keys as the engine wants them; null if the engine refuses.
std::unique_ptr<const crypto::KeyRing> make_ring(crypto::Kit& kit,
                                                 std::span<const Service> services);

// Sealing is what an EncryptedData says and how it is encrypted. Whatever is set replaces the right
// value; `etype` and `kvno` only change the label, not the encryption.
struct Sealing {
  std::optional<std::int32_t> etype{};
  std::optional<std::uint32_t> kvno{};
  bool kvno_absent = false;
  std::optional<Octets> key{};     // Another key of the same size.
  std::optional<Octets> plain{};   // Sealed in place of the encoded fields.
  std::optional<Octets> cipher{};  // Sent in place of what sealing gave.
};

// TicketFields is what the KDC puts into a ticket. Times are seconds since 1970.
struct TicketFields {
  Principal client = Principal::of("alice@EXAMPLE.TEST");
  std::uint32_t flags = 0x40a00000;  // forwardable, renewable, pre-authent (RFC 4120 5.3).
  std::int64_t auth_time = 0;
  std::optional<std::int64_t> start_time{};
  std::int64_t end_time = 0;
  std::optional<std::int64_t> renew_till{};
  std::int32_t session_etype = 18;
  Octets session_key{};  // Empty: drawn, to fit session_etype; 16 bytes if Usher does not serve it.
  std::int32_t transited_type = 1;  // DOMAIN-X500-COMPRESS.
  Octets transited{};
  Octets addresses{};           // HostAddresses element, header included; empty: absent.
  Octets authorization_data{};  // AuthorizationData element, header included; empty: absent.

  std::optional<Principal> service{};  // In the clear part, in place of the service's own name.
  Sealing sealing{};
};

// authorization_data is one element of `type` inside AD-IF-RELEVANT (RFC 4120 5.2.6.1), which
// acceptors skip if they do not know the type.
Octets authorization_data(std::int32_t type, Bytes data);

// Ticket is what a client holds after it asked the KDC. A client library's credential fits too.
struct Ticket {
  Octets encoded{};  // The Ticket element.
  std::int32_t session_etype = 18;
  Octets session_key{};
  Principal client{};
};

inline constexpr std::uint32_t kContextFlagsUsual =  // What MIT and Windows clients ask for.
    std::uint32_t(gss::ContextFlags::kMutual) | std::uint32_t(gss::ContextFlags::kReplay) |
    std::uint32_t(gss::ContextFlags::kSequence) |
    std::uint32_t(gss::ContextFlags::kConfidentiality) |
    std::uint32_t(gss::ContextFlags::kIntegrity);

// AuthenticatorFields is what the client says about itself, and the AP-REQ around it.
struct AuthenticatorFields {
  std::uint32_t ap_options = krb5::kApOptionMutualRequired;
  std::optional<Principal> client{};  // In place of the ticket's.
  std::int64_t ctime = 0;             // Seconds since 1970.
  std::uint32_t cusec = 0;

  bool checksum_absent = false;
  std::int32_t checksum_type = gss::kGssChecksumType;
  std::optional<Octets> checksum{};  // In place of one made of the next four.
  std::uint32_t context_flags = kContextFlagsUsual;
  std::array<std::uint8_t, 16> bindings{};
  Octets delegation{};  // KRB_CRED; empty: no Dlgth unless context_flags has kDelegate.
  Octets extensions{};

  std::optional<std::int32_t> subkey_etype{};  // Unset: no subkey.
  Octets subkey{};                             // Empty: drawn, as TicketFields::session_key.
  std::optional<std::uint32_t> seq_number = 1;
  Octets authorization_data{};
  Sealing sealing{};
};

// ApReq is one sign-on attempt and what the client remembers of it.
struct ApReq {
  Octets message{};
  std::int64_t ctime = 0;
  std::uint32_t cusec = 0;
  std::int32_t subkey_etype = 0;  // 0: none.
  Octets subkey{};
  std::uint32_t seq_number = 0;
};

// encode_* give the plaintext that is sealed, so that a test can spoil it and put it in Sealing.
Octets encode_enc_ticket_part(const TicketFields& fields);
Octets encode_authenticator(const Ticket& ticket, const AuthenticatorFields& fields);
Octets encode_gss_checksum(const AuthenticatorFields& fields);

// KerberosMint makes tokens. Both arguments are borrowed; with a SeededRandom every byte repeats.
class KerberosMint {
 public:
  KerberosMint(crypto::Kit& kit, RandomSource& random) : kit_(kit), random_(random) {}

  Ticket ticket(const Service& service, TicketFields fields) const;
  ApReq ap_req(const Ticket& ticket, AuthenticatorFields fields) const;

  // Answer is what the client learnt from an AP-REP, or why it does not believe it.
  struct Answer {
    std::string error;              // Empty: the acceptor has proved that it holds the key.
    std::int32_t subkey_etype = 0;  // 0: none.
    Octets subkey;
    std::optional<std::uint32_t> seq_number;
  };
  // check_ap_rep opens an AP-REP, bare or in GSS framing, and compares its time (RFC 4120 3.2.5).
  Answer check_ap_rep(const Ticket& ticket, const ApReq& request, Bytes reply) const;

  // write_mech_list_mic and check_mech_list_mic are the client's side of RFC 4178 5 over
  // `mech_types` (mech_type_list): the acceptor's subkey, else the client's, else the session key;
  // sequence numbers are the first of each side.
  Octets write_mech_list_mic(const Ticket& ticket, const ApReq& request, const Answer& answer,
                             Bytes mech_types) const;
  bool check_mech_list_mic(const Ticket& ticket, const ApReq& request, const Answer& answer,
                           Bytes mech_types, Bytes mic) const;

  // seal encrypts for a key usage with a fresh confounder; any etype that Usher serves.
  Octets seal(std::int32_t etype, Bytes key, crypto::KeyUsage usage, Bytes plain) const;
  // open undoes seal; empty if the checksum is wrong.
  Octets open(std::int32_t etype, Bytes key, crypto::KeyUsage usage, Bytes cipher) const;

 private:
  crypto::Kit& kit_;
  RandomSource& random_;
};

// gss_token frames a Kerberos message (RFC 4121 4.1); `mechanism` chooses the OID.
Octets gss_token(Bytes message, gss::KerberosTokenId id = gss::KerberosTokenId::kApReq,
                 gss::Mechanism mechanism = gss::Mechanism::kKerberos);

// spnego_token is the usual first token around gss_token(message): Kerberos first, NTLM second.
Octets spnego_token(Bytes message);

}  // namespace usher::mint
