#include "engine/auth/ntlm_accept.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "engine/auth/negotiate.h"
#include "engine/auth/unicode.h"

namespace usher::auth {
namespace {

using crypto::Outcome;
using ntlm::NegotiateFlags;

// FILETIME counts 100 ns since 1601-01-01; 11,644,473,600 s lie between that day and 1970-01-01.
constexpr std::int64_t kFiletimeEpochS = 11'644'473'600;

constexpr std::size_t kNtlmv1ResponseSize = 24;
constexpr std::size_t kSessionKeySize = 16;

// What a client may choose and we then do (MS-NLMP 2.2.2.5).
constexpr NegotiateFlags kEchoed =
    NegotiateFlags::kSign | NegotiateFlags::kSeal | NegotiateFlags::kAlwaysSign |
    NegotiateFlags::kExtendedSessionSecurity | NegotiateFlags::kKeyExchange | NegotiateFlags::k128 |
    NegotiateFlags::k56 | NegotiateFlags::kVersion | NegotiateFlags::kIdentify;

// MS-NLMP 3.2.5.1.1: Unicode if offered, else OEM, never both (gss-ntlmssp refuses both).
NegotiateFlags challenge_flags(NegotiateFlags offered) noexcept {
  NegotiateFlags flags = (offered & kEchoed) | NegotiateFlags::kNtlm | NegotiateFlags::kTargetInfo |
                         NegotiateFlags::kRequestTarget | NegotiateFlags::kTargetTypeDomain;
  return flags |
         (has(offered, NegotiateFlags::kUnicode) ? NegotiateFlags::kUnicode : NegotiateFlags::kOem);
}

Bytes bytes_of(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// add_name appends a UTF-8 name as an AV_PAIR; names that are not valid were refused at start.
void add_name(Turn& turn, ntlm::AvWriter& pairs, ntlm::AvId id, std::string_view name) noexcept {
  const std::optional<Bytes> wide =
      utf8_to_utf16(bytes_of(name), turn.desk.arena.take(2 * name.size()));
  if (wide && !wide->empty()) {
    pairs.pair(id, *wide);
  }
}

// make_challenge writes a CHALLENGE with a server challenge of its own (MS-NLMP 3.2.5.1.1).
Bytes make_challenge(Turn& turn, const Exchange& exchange, NegotiateFlags offered) noexcept {
  const NtlmTarget& target = exchange.request->credential->target;
  const MutableBytes server_challenge = turn.desk.arena.take(8);
  if (!turn.desk.random->fill(server_challenge)) {
    return {};
  }
  ntlm::AvWriter pairs(turn.desk.arena.take(kNtlmChallengeSizeMax));
  add_name(turn, pairs, ntlm::AvId::kNetbiosDomain, target.netbios_domain);
  add_name(turn, pairs, ntlm::AvId::kNetbiosComputer, target.netbios_computer);
  add_name(turn, pairs, ntlm::AvId::kDnsDomain, target.dns_domain);
  add_name(turn, pairs, ntlm::AvId::kDnsComputer, target.dns_computer);
  // A timestamp makes Windows, Chromium and WinPR send a MIC (MS-NLMP 3.1.5.1.2).
  std::array<std::uint8_t, 8> timestamp{};
  store_le(std::span(timestamp),
           static_cast<std::uint64_t>((turn.wall_us + kFiletimeEpochS * kMicrosPerSecond) * 10));
  pairs.pair(ntlm::AvId::kTimestamp, timestamp);

  const NegotiateFlags flags = challenge_flags(offered);
  Bytes target_name = bytes_of(target.netbios_domain);
  if (has(flags, NegotiateFlags::kUnicode)) {
    target_name =
        utf8_to_utf16(target_name, turn.desk.arena.take(2 * target_name.size())).value_or(Bytes{});
  }
  const MutableBytes out = turn.desk.arena.take(kNtlmChallengeSizeMax);
  return out.first(ntlm::write_challenge({.flags = flags,
                                          .target_name = target_name,
                                          .server_challenge = server_challenge,
                                          .target_info = pairs.finish()},
                                         out));
}

// The response of an account, in the order in which MS-NLMP 3.2.5.1.2 tells them apart.
Status check_response_kind(const ntlm::Authenticate& authenticate) noexcept {
  if (authenticate.nt_response.empty() && authenticate.user.empty()) {
    return Status::kNtlmAnonymous;
  }
  if (authenticate.nt_response.empty() || authenticate.nt_response.size() == kNtlmv1ResponseSize) {
    return Status::kNtlmV1;
  }
  return Status::kContinue;
}

// Names are UTF-16 or OEM as *negotiated*, whatever the AUTHENTICATE's own flags say.
struct Names {
  Bytes user_upper;
  Bytes domain;  // UTF-16LE, as the client spelled it.
  Bytes domain_upper;
};
bool read_names(Turn& turn, const ntlm::Authenticate& authenticate, bool unicode,
                Names& names) noexcept {
  Arena& arena = turn.desk.arena;
  const std::size_t size_max = kIdentitySizeMax;
  if (authenticate.user.size() > size_max || authenticate.domain.size() > size_max) {
    return false;
  }
  const auto widen = [&](Bytes name) -> std::optional<Bytes> {
    return unicode ? std::optional(name) : widen_oem(name, arena.take(2 * name.size()));
  };
  const std::optional<Bytes> user = widen(authenticate.user);
  const std::optional<Bytes> domain = widen(authenticate.domain);
  if (!user || !domain) {
    return false;
  }
  // Upper case may need a surrogate pair where lower case does not, and the other way round.
  const std::optional<Bytes> user_upper = upper_utf16(*user, arena.take(2 * user->size()));
  const std::optional<Bytes> domain_upper = upper_utf16(*domain, arena.take(2 * domain->size()));
  if (!user_upper || !domain_upper) {
    return false;
  }
  names = {*user_upper, *domain, *domain_upper};
  return true;
}

// mic_is_due says whether the client bound the MIC to its proof (MS-NLMP 3.1.5.1.2, AvFlags 0x2),
// so that taking it away ("Drop the MIC") breaks the proof.
bool mic_is_due(const ntlm::Ntlmv2Response& response) noexcept {
  return response.pairs.has_flags && (response.pairs.flags & ntlm::kAvFlagMic) != 0;
}

gss::ContextFlags context_flags(NegotiateFlags negotiated) noexcept {
  std::uint32_t flags = 0;
  if (has(negotiated, NegotiateFlags::kSign) || has(negotiated, NegotiateFlags::kSeal)) {
    flags |= std::uint32_t(gss::ContextFlags::kIntegrity) |
             std::uint32_t(gss::ContextFlags::kReplay) |
             std::uint32_t(gss::ContextFlags::kSequence);
  }
  if (has(negotiated, NegotiateFlags::kSeal)) {
    flags |= std::uint32_t(gss::ContextFlags::kConfidentiality);
  }
  if (has(negotiated, NegotiateFlags::kIdentify)) {
    flags |= std::uint32_t(gss::ContextFlags::kIdentify);
  }
  return gss::ContextFlags(flags);
}

// stage_proof looks the account up and queues the response. A user nobody knows gets a decoy hash
// and takes the same way.
void stage_proof(Turn& turn, Exchange& exchange, const ntlm::Challenge& challenge,
                 const ntlm::Authenticate& authenticate,
                 const ntlm::Ntlmv2Response& response) noexcept {
  Names names;
  if (!read_names(turn, authenticate, has(challenge.flags, NegotiateFlags::kUnicode), names)) {
    return exchange.refuse(Status::kMalformedNtlmName);
  }
  Context& context = *exchange.context;
  context.ntlm_flags = challenge.flags & authenticate.flags;
  // Without signing or sealing a client may agree to exchange keys and send none
  // (MS-NLMP 3.1.5.1.2).
  const Bytes sent_key = authenticate.encrypted_session_key;
  const bool may_omit_key = !has(context.ntlm_flags, NegotiateFlags::kSign) &&
                            !has(context.ntlm_flags, NegotiateFlags::kSeal);
  const bool key_exchange =
      has(context.ntlm_flags, NegotiateFlags::kKeyExchange) && !(sent_key.empty() && may_omit_key);
  if (key_exchange && sent_key.size() != kSessionKeySize) {
    return exchange.refuse(Status::kNtlmSessionKey);
  }
  //= MS-NLMP 2.2.2.1: all zeros say that there are no channel bindings; saying so is more than
  //= leaving the pair out.
  exchange.ntlm.bindings = {.hash = response.pairs.channel_bindings,
                            .enlightened = !response.pairs.channel_bindings.empty()};
  exchange.ntlm.account = (*exchange.keys)->accounts->find(names.user_upper, names.domain_upper);
  exchange.ntlm.proof_job =
      &turn.desk.proofs.add({.nt_hash = exchange.ntlm.account.nt_hash,
                             .user_upper = names.user_upper,
                             .domain = names.domain,
                             .server_challenge = challenge.server_challenge,
                             .proof = response.proof,
                             .client_data = response.client_data,
                             .key_exchange = key_exchange,
                             .encrypted_session_key = sent_key,
                             .check_mic = mic_is_due(response),
                             .negotiate = context.ntlm_negotiate(),
                             .challenge = context.ntlm_challenge(),
                             .authenticate = exchange.mech_token,
                             .mic = authenticate.mic,
                             .session_key = turn.desk.arena.take(kSessionKeySize)});
  exchange.go(State::kProofQueued);
}

}  // namespace

void on_negotiate(Turn& turn, Exchange& exchange) noexcept {
  if (!exchange.serves_ntlm()) {
    return exchange.refuse(Status::kMechanismNotAllowed);
  }
  const Bytes message = exchange.mech_token;
  const Result<ntlm::MessageType> type = ntlm::message_type(message);
  if (!type.ok()) {
    return exchange.refuse(Status::kMalformedNtlm, type.fault(), message);
  }
  if (*type != ntlm::MessageType::kNegotiate) {
    return exchange.refuse(Status::kUnexpectedToken);
  }
  const Result<ntlm::Negotiate> negotiate = ntlm::parse_negotiate(message);
  if (!negotiate.ok()) {
    return exchange.refuse(Status::kMalformedNtlm, negotiate.fault(), message);
  }
  if (!has(negotiate->flags, NegotiateFlags::kUnicode) &&
      !has(negotiate->flags, NegotiateFlags::kOem)) {
    return exchange.refuse(Status::kNtlmCharset);  //= MS-NLMP 3.2.5.1.1
  }
  const Bytes recorded = exchange.request->recorded_challenge;
  const Bytes challenge =
      recorded.empty() ? make_challenge(turn, exchange, negotiate->flags) : recorded;
  if (challenge.empty()) {
    return exchange.refuse(Status::kInternal);
  }
  Context& context = *exchange.context;
  if (message.size() > kNtlmNegotiateSizeMax || challenge.size() > kNtlmChallengeSizeMax ||
      !context.keep(0, message) || !context.keep(1, challenge)) {
    return exchange.refuse(Status::kNtlmMessageTooLong);
  }
  exchange.mech_reply = context.ntlm_challenge();
  exchange.has_mech_reply = true;
  exchange.go(State::kChallengeSent);
}

void on_authenticate(Turn& turn, Exchange& exchange) noexcept {
  if (!exchange.serves_ntlm()) {
    return exchange.refuse(Status::kMechanismNotAllowed);  // A reload took the accounts away.
  }
  const Bytes message = exchange.mech_token;
  const Result<ntlm::MessageType> type = ntlm::message_type(message);
  if (type.ok() && *type != ntlm::MessageType::kAuthenticate) {
    return exchange.refuse(Status::kUnexpectedToken);
  }
  const Result<ntlm::Authenticate> authenticate = ntlm::parse_authenticate(message);
  if (!authenticate.ok()) {
    return exchange.refuse(Status::kMalformedNtlm, authenticate.fault(), message);
  }
  const Status kind = check_response_kind(*authenticate);
  if (kind != Status::kContinue) {
    return exchange.refuse(kind);
  }
  const Result<ntlm::Ntlmv2Response> response =
      ntlm::parse_ntlmv2_response(authenticate->nt_response);
  if (!response.ok()) {
    return exchange.refuse(Status::kMalformedNtlmResponse, response.fault(),
                           authenticate->nt_response);
  }
  const bool wants_mic = exchange.request->credential->policy.ntlm_mic_always;
  if ((mic_is_due(*response) || wants_mic) &&
      (authenticate->mic.empty() || !mic_is_due(*response))) {
    return exchange.refuse(Status::kNtlmMicMissing);
  }
  const Result<ntlm::Challenge> challenge =
      ntlm::parse_challenge(exchange.context->ntlm_challenge());
  if (!challenge.ok()) {
    return exchange.refuse(Status::kInternal);  // Only a recorded CHALLENGE can be malformed.
  }
  stage_proof(turn, exchange, *challenge, *authenticate, *response);
}

void on_proof_verified(Turn& turn, Exchange& exchange) noexcept {
  const crypto::ProofJob& job = *exchange.ntlm.proof_job;
  const Accounts::Found& account = exchange.ntlm.account;
  if (job.proof_outcome == Outcome::kFailed || job.mic_outcome == Outcome::kFailed) {
    return exchange.refuse(Status::kInternal);
  }
  //= MS-NLMP 3.2.5.1.2: a wrong response is refused before the MIC is looked at, and a decoy never
  //= signs on, whatever its hash.
  if (job.proof_outcome != Outcome::kDone || account.user.empty()) {
    return exchange.refuse(Status::kNtlmProof);
  }
  if (job.mic_outcome != Outcome::kDone) {
    return exchange.refuse(Status::kNtlmMicWrong);
  }
  //= MS-NLMP 3.2.5.1.2: bindings are compared, inside a response that has been found right.
  if (!exchange.check_bindings(exchange.ntlm.bindings)) {
    return;
  }
  Context& context = *exchange.context;
  // The messages have done their work; the names take their place.
  context.part_sizes = {};
  if (!context.keep(0, account.user) || !context.keep(1, account.domain)) {
    return exchange.refuse(Status::kNameTooLong);
  }
  context.flags = context_flags(context.ntlm_flags);
  context.key.assign(job.session_key);
  context.start_s = turn.now_s();
  conclude(turn, exchange);
}

}  // namespace usher::auth
