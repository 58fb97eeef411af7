// What one exchange keeps between two tokens, and about the client once it has signed on.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "engine/auth/bindings.h"
#include "engine/auth/states.h"
#include "engine/limits.h"
#include "engine/protect/message.h"
#include "engine/secret.h"
#include "engine/slots/page_store.h"
#include "parsers/gss.h"
#include "parsers/krb5.h"
#include "parsers/ntlm.h"

namespace usher::auth {

// PacSignature bits say which of a PAC's signatures have been verified. The server's always has, or
// the PAC would not be there; the others are the KDC's and need its key.
enum PacSignature : std::uint8_t { kPacServer = 1, kPacKdc = 2, kPacTicket = 4, kPacFull = 8 };

// Context is one slot's tenant. Decrypted tickets are not in it: they live in the turn's arena and
// are gone when the turn ends. What is here was verified before it was put here, except that before
// kEstablished `storage` holds NTLM messages as they came, and the names of a ticket whose PAC may
// still be refused.
struct alignas(kCacheLine) Context {
  State state = State::kFirstToken;
  bool spnego = false;        // Tokens travel inside SPNEGO; otherwise bare.
  bool mic_required = false;  // RFC 4178 5: the client's favourite was not the one chosen.
  bool key_is_acceptor_subkey = false;
  bool replayed = false;            // Let in by AcceptRequest::allow_replay alone.
  bool dce_style = false;           // No GSS-API framing, three legs (MS-KILE 3.4.5.1).
  std::uint8_t pac_signatures = 0;  // PacSignature bits: verified.
  gss::Mechanism mechanism = gss::Mechanism::kUnknown;  // As the client named it.
  BindingResult bindings = BindingResult::kUnchecked;   // For legs after the one that judged them.
  bool client_supports_bindings = false;
  bool mics_exchanged = false;       // Both mechListMICs, which took a number each.
  std::uint8_t mech_types_size = 0;  // At most kMechTypesSizeMax.

  gss::ContextFlags flags{};          // Granted, for both mechanisms.
  ntlm::NegotiateFlags ntlm_flags{};  // Negotiated.
  std::int32_t key_etype = 0;         // Of `key`; 0 for NTLM.
  std::int32_t ticket_etype = 0;

  // What is too large for here, in pages that ContextPool gives back: the PAC as it was verified,
  // and what the client delegated (auth/delegation.h).
  Kept pac;
  Kept delegated;

  std::uint32_t initiator_sequence = 0;
  std::uint32_t acceptor_sequence = 0;
  std::uint32_t deadline_s = 0;     // Steady clock: when a half-open exchange is given up.
  krb5::UnixSeconds start_s = 0;    // LIFESPAN. NTLM: when it was established.
  krb5::UnixSeconds expires_s = 0;  // 0: never.

  // What protects the messages of an established context; null before the first of them. Whoever
  // uses it has a share of its own and needs no pin.
  protect::SessionShare session;

  Secret<kKeySizeMax> key;  // Acceptor's subkey, else initiator's, else session key; NTLM's key.

  // How `storage` is divided. Before kEstablished: NEGOTIATE and CHALLENGE. After it: user, realm
  // (or domain), service and the target that the client named, UTF-8 without terminators. Part 4 is
  // the session key, behind its etype, while a third leg is owed, and nothing afterwards.
  std::array<std::uint16_t, 5> part_sizes{};
  std::uint16_t storage_used = 0;  // Behind so many nothing was written: zeros, as it was made.

  std::array<std::uint8_t, kMechTypesSizeMax> mech_types{};
  alignas(kCacheLine) std::array<std::uint8_t, kIdentitySizeMax> storage;

  // part returns the n-th part of `storage`; keep appends the next one and says whether it fits;
  // forget wipes the last one.
  [[nodiscard]] Bytes part(std::size_t n) const noexcept;
  [[nodiscard]] bool keep(std::size_t n, Bytes bytes) noexcept;
  void forget(std::size_t n) noexcept;

  // keep_principal appends a principal's name without its realm, as text.
  [[nodiscard]] bool keep_principal(std::size_t n, const krb5::PrincipalName& name) noexcept;

  // keep_target appends the service that the client has named, UTF-16LE, as part 3. One that is no
  // text, or has no room, becomes a lone NUL, which is nobody's name; false if even that has none.
  [[nodiscard]] bool keep_target(Bytes utf16le) noexcept;

  [[nodiscard]] Bytes ntlm_negotiate() const noexcept { return part(0); }
  [[nodiscard]] Bytes ntlm_challenge() const noexcept { return part(1); }
  [[nodiscard]] Bytes user() const noexcept { return part(0); }     // "alice", "HTTP/web"
  [[nodiscard]] Bytes realm() const noexcept { return part(1); }    // Realm, or NTLM domain.
  [[nodiscard]] Bytes service() const noexcept { return part(2); }  // "HTTP/web@REALM"; Kerberos.
  [[nodiscard]] Bytes target() const noexcept { return part(3); }   // "HTTP/web"; empty: not said.
  [[nodiscard]] bool is_ntlm() const noexcept { return mechanism == gss::Mechanism::kNtlm; }

  // write_client_name composes "alice@REALM" (Kerberos) or "DOMAIN\alice" (NTLM) in `out`, which
  // has room for kClientNameSizeMax bytes, and returns it.
  [[nodiscard]] Bytes write_client_name(MutableBytes out) const noexcept;

  // rewind takes back what a token has changed since the half-open context was in state `before`,
  // as long as nothing was kept of it but names.
  void rewind(State before) noexcept;

  // session_terms says what a Session of this established context begins with; views into it.
  [[nodiscard]] protect::SessionTerms session_terms() const noexcept;

  // wipe leaves a context as if it had never been used.
  void wipe() noexcept;

 private:
  [[nodiscard]] std::size_t offset_of(std::size_t n) const noexcept;
  MutableBytes room_for(std::size_t n) noexcept;
  void settle(std::size_t n, std::size_t size, std::size_t written) noexcept;
  void wipe_storage() noexcept;
};
static_assert(sizeof(Context) == kContextSize, "one million contexts are one gibibyte");

}  // namespace usher::auth
