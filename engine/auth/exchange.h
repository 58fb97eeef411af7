// A turn from the inside: one Exchange a token, and the desk they are worked on at.
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <memory>
#include <optional>
#include <span>

#include "engine/auth/accept.h"
#include "engine/auth/reply_front.h"
#include "engine/auth/ticket_cache.h"
#include "engine/crypto/checksum.h"
#include "engine/crypto/kit.h"
#include "engine/crypto/lanes.h"
#include "engine/crypto/proof_batch.h"
#include "engine/crypto/ticket_batch.h"
#include "engine/slots/seen_tally.h"
#include "parsers/authorization_data.h"
#include "parsers/gss.h"
#include "parsers/krb5.h"
#include "parsers/ntlm.h"
#include "parsers/pac.h"
#include "parsers/spnego.h"

namespace usher::auth {

// SignaturesAside is the values of a PAC's two signatures; not initialised before they are.
struct SignaturesAside {
  std::array<std::uint8_t, crypto::kChecksumSizeMax> server;
  std::array<std::uint8_t, crypto::kChecksumSizeMax> kdc;
};

// KerberosWork is what the Kerberos stages pass on. Views lie in the token, in the arena or, of a
// ticket that was seen before, in what `seen` has pinned.
struct KerberosWork {
  // Each is there once it has been parsed; until then it takes no time either.
  std::optional<krb5::ApReq> ap_req;
  std::optional<krb5::EncTicketPart> ticket;
  std::optional<krb5::Authenticator> authenticator;
  std::optional<krb5::AuthorizationData> ticket_data;  // What the two say besides.
  std::optional<krb5::AuthorizationData> authenticator_data;
  gss::GssChecksum checksum;    // No bindings and no flags if the client sent none.
  bool keeps_pac = false;       // There is one, and the context is to have it once it is verified.
  std::optional<pac::Pac> pac;  // None if the ticket was seen before.
  Bytes delegated;              // The decrypted EncKrbCredPart; empty if nothing is taken.
  // The key the search for the ticket's began with, or null if the ring does not name the service
  // and everybody's keys are tried; the next key to try; how many have been.
  const crypto::ServiceKey* found_key = nullptr;
  const crypto::ServiceKey* next_key = nullptr;
  std::uint32_t key_tries = 0;
  // If the policy lets tickets be remembered: what is looked for, and what was found.
  std::optional<TicketCache::Sought> sought;
  TicketCache::Hit seen;
  std::uint64_t client_hash = 0;
  crypto::TicketJob* ticket_job = nullptr;
  crypto::AuthenticatorJob* authenticator_job = nullptr;
  crypto::ChecksumJob* pac_job = nullptr;  // Null if no PAC is to be verified.
  SignaturesAside signatures_aside;        // While zeros stand in their places in the PAC.
  crypto::SealJob* seal_job = nullptr;     // Null if no AP-REP is due.
  MutableBytes reply_room;  // The ciphertext of our AP-REP, and room for its token in front.
};

struct NtlmWork {
  Accounts::Found account;
  Bytes pac;  // An authority's word about the client; empty: none.
  crypto::ProofJob* proof_job = nullptr;
  std::uint64_t time = 0;  // Of an NTLMv2 response: FILETIME.
  Bytes target_name;  // Likewise: MsvAvTargetName, UTF-16LE; empty: none that can be relied on.
  ClientBindings bindings;  // The client's word once the proof, which covers them, is right.
};

// Exchange is one token's way through the turn.
struct Exchange {
  // Not defaulted: Exchange() would then begin by zeroing all of it, also what is not there yet.
  Exchange() noexcept {}

  const AcceptRequest* request = nullptr;
  AcceptReply* reply = nullptr;
  Pinned<Context> context;
  const Keys* keys = nullptr;  // The credential's, borrowed until the turn ends.
  Verdict verdict;
  bool opened_now = false;            // The context is new.
  bool is_first_token = false;        // The client's first; a hint may have gone out before it.
  bool spares_context = false;        // A refusal leaves the context as it is.
  State before = State::kFirstToken;  // In which the context was when the token came.

  // From SPNEGO, or the bare token itself.
  Bytes mech_token;
  bool has_client_mic = false;
  Bytes client_mic;
  bool client_completed = false;  // The client's negState was accept-completed.

  // The reply: the mechanism's own token, in the arena or the context, and what SPNEGO adds.
  Bytes mech_reply;
  bool has_mech_reply = false;
  spnego::NegState reply_state = spnego::NegState::kAcceptIncomplete;
  Bytes our_mic;              // mechListMIC; empty for none.
  bool says_nothing = false;  // The client knows it is done; no NegTokenResp is due.

  KerberosWork kerberos;
  NtlmWork ntlm;

  [[nodiscard]] bool live() const noexcept { return succeeded(verdict.status); }
  [[nodiscard]] bool in(State state) const noexcept { return live() && context->state == state; }
  void go(State next) noexcept { enter(context->state, next); }

  [[nodiscard]] bool serves_kerberos() const noexcept;
  [[nodiscard]] bool serves_ntlm() const noexcept;

  // refuse ends the exchange. A parser's fault counts from the start of `part`; if that lies in the
  // token, the reported offset counts from the token's start.
  // Cold: what leads here is moved out of the way of what goes well.
  [[gnu::cold]] void refuse(Status status) noexcept;
  [[gnu::cold]] void refuse(Status status, ParseFault fault, Bytes part) noexcept;

  // check_protection refuses a client that is not granted all that the caller requires.
  [[nodiscard]] bool check_protection(gss::ContextFlags granted) noexcept;

  // check_bindings judges the client's channel bindings, which must have been proven to be its, and
  // takes the verdict into context and reply; false: refused.
  [[nodiscard]] bool check_bindings(const ClientBindings& client) noexcept;
};

// TurnKeys is the keys that a turn has borrowed. Exchanges in a row that are of one credential
// share them, and one count of its readers.
class TurnKeys {
 public:
  const Keys& of(const Credential& credential) noexcept {
    if (count_ == 0 || &credential != last_) {
      assert(count_ < borrowed_.size());
      last_ = &credential;
      borrowed_[count_++].emplace(credential.keys.borrow());
    }
    return **borrowed_[count_ - 1];
  }
  void give_back() noexcept {
    while (count_ > 0) {
      borrowed_[--count_].reset();
    }
  }

 private:
  const Credential* last_ = nullptr;  // Whose keys the last ones are.
  std::array<std::optional<Published<Keys>::Borrowed>, kBatchMax> borrowed_;
  std::size_t count_ = 0;
};

// KeySearch finds tickets' keys, and remembers the last answer until the turn ends: tickets that
// come together are mostly for one service.
class KeySearch {
 public:
  const crypto::KeyRing::Found& find(const crypto::KeyRing& ring,
                                     const krb5::Ticket& ticket) noexcept {
    if (&ring != ring_ || !is_for_same_key(ticket)) {
      ring_ = &ring;
      ticket_ = &ticket;
      found_ = ring.find(ticket.realm, ticket.sname.components, ticket.enc_part.etype,
                         ticket.enc_part.has_kvno, ticket.enc_part.kvno);
    }
    return found_;
  }
  void forget() noexcept { ring_ = nullptr; }

 private:
  [[nodiscard]] bool is_for_same_key(const krb5::Ticket& ticket) const noexcept {
    return ticket.enc_part.etype == ticket_->enc_part.etype &&
           ticket.enc_part.has_kvno == ticket_->enc_part.has_kvno &&
           ticket.enc_part.kvno == ticket_->enc_part.kvno &&
           same_octets(ticket.realm, ticket_->realm) &&
           same_octets(ticket.sname.components, ticket_->sname.components);
  }

  const crypto::KeyRing* ring_ = nullptr;  // Null if nothing is remembered.
  const krb5::Ticket* ticket_ = nullptr;   // What was looked for.
  crypto::KeyRing::Found found_;
};

// Arena hands out memory for one turn and wipes what it handed out at the turn's end.
class Arena {
 public:
  Arena(std::unique_ptr<std::uint8_t[]> memory, std::size_t size) noexcept
      : memory_(std::move(memory)), all_(memory_.get(), size), free_(all_) {}
  ~Arena() { wipe(); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // take always succeeds: Desk::make sized the arena for the most a turn may ask. take_for_sending
  // is for what is about to be sent as it is, and so is not wiped.
  MutableBytes take(std::size_t size) noexcept {
    const MutableBytes taken = free_.first(size);
    free_ = free_.subspan(size);
    return taken;
  }
  MutableBytes take_for_sending(std::size_t size) noexcept {
    const MutableBytes taken = free_.last(size);
    free_ = free_.first(free_.size() - size);
    return taken;
  }
  void wipe() noexcept;

 private:
  std::unique_ptr<std::uint8_t[]> memory_;
  MutableBytes all_;
  MutableBytes free_;  // What is to be wiped is in front of it, what is not behind it.
};

// What one token may take from the arena. Kerberos: its ticket and authenticator, both parts of the
// token, and kArenaPerTokenExtra for keys and replies. NTLM: nothing of the token's size, but two
// names widened and raised, which make 2 * (2 + 4) bytes of each of theirs, and made UTF-8 for an
// authority in twice the room of their UTF-16, as are a workstation and a target.
inline constexpr std::size_t kArenaPerTokenExtra = 8 * 1024;
static_assert((2 * (2 + 4) + 2 * 4 + 2 * 2 + 2 * 2) * kIdentitySizeMax + 2 * kReplySizeMax <=
              kTokenSizeMax + kArenaPerTokenExtra);
static_assert(kIdentitySizeMax + 2 * kReplySizeMax + kDelegatedPartSizeMax +
                  3 * crypto::kOpeningHeadroom <=
              kArenaPerTokenExtra);

// ApRepKind is what the headers of a token with an AP-REP follow from, RespKind those of a
// NegTokenResp around one.
struct ApRepKind {
  std::int32_t etype = 0;
  bool dce_style = false;
  std::size_t cipher_size = 0;
  bool operator==(const ApRepKind&) const = default;
};
struct RespKind {
  spnego::NegState state{};
  bool names_mechanism = false;
  gss::Mechanism mechanism{};
  std::size_t token_size = 0;
  bool operator==(const RespKind&) const = default;
};

struct TurnDesk final : Desk {
  TurnDesk(std::size_t tokens, std::unique_ptr<crypto::Kit> its_kit,
           std::unique_ptr<crypto::Lanes> its_lanes, std::unique_ptr<RandomSource> its_random,
           std::unique_ptr<std::uint8_t[]> memory, SeenTally::Lent counter) noexcept
      : capacity(tokens),
        kit(std::move(its_kit)),
        lanes(std::move(its_lanes)),
        random(std::move(its_random)),
        arena(std::move(memory), arena_size(tokens)),
        tickets_seen(std::move(counter)) {}

  static constexpr std::size_t arena_size(std::size_t tokens) noexcept {
    return tokens * (kTokenSizeMax + kArenaPerTokenExtra);
  }

  std::size_t capacity;  // Tokens a turn.
  std::unique_ptr<crypto::Kit> kit;
  std::unique_ptr<crypto::Lanes> lanes;  // Over the kit.
  std::unique_ptr<RandomSource> random;
  Arena arena;
  TurnKeys keys;
  KeySearch key_search;
  std::array<Exchange, kBatchMax> exchanges;
  crypto::Batch<crypto::TicketJob> tickets;
  crypto::Batch<crypto::AuthenticatorJob> authenticators;
  crypto::Batch<crypto::ChecksumJob> checksums;
  crypto::Batch<crypto::SealJob> seals;
  crypto::Batch<crypto::ProofJob> proofs;
  std::array<crypto::SessionKeys, kBatchMax> session_keys;  // One for each of `authenticators`.
  ReplyFront<ApRepKind> ap_rep_front;
  ReplyFront<RespKind> resp_front;
  SeenTally::Lent tickets_seen;
};

// Turn is what every stage needs besides the exchange itself.
struct Turn {
  TurnDesk& desk;
  const Environment& environment;
  std::int64_t wall_us;
  std::int64_t steady_us;
  krb5::UnixSeconds now_s = wall_us / kMicrosPerSecond;
};

}  // namespace usher::auth
