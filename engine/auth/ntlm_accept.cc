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
constexpr std::size_t kChallengeSize = 8;
constexpr std::size_t kNtlmMicSize = 16;  // NTLMSSP_MESSAGE_SIGNATURE (MS-NLMP 2.2.2.9).
constexpr std::size_t kWorkstationSizeMax = 2 * 256;  // UTF-16LE; a DNS name, at most.

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

// choose_kind tells responses apart in the order of MS-NLMP 3.2.5.1.2, and refuses what policy
// does. DES responses are those of extended session security if that was negotiated (3.3.1).
Status choose_kind(const Exchange& exchange, const ntlm::Authenticate& authenticate,
                   bool session_security, crypto::ProofKind& kind) noexcept {
  const Policy& policy = exchange.request->credential->policy;
  if (authenticate.nt_response.empty() && authenticate.user.empty()) {
    // An empty LM response, or one zero octet: whoever sends more wants to be somebody.
    kind = crypto::ProofKind::kAnonymous;
    return policy.allow_ntlm_anonymous && exchange.request->allow_anonymous &&
                   authenticate.lm_response.size() <= 1
               ? Status::kContinue
               : Status::kNtlmAnonymous;
  }
  if (authenticate.nt_response.empty()) {
    return Status::kNtlmLm;
  }
  if (authenticate.nt_response.size() == kNtlmv1ResponseSize) {
    kind = session_security ? crypto::ProofKind::kV1Session : crypto::ProofKind::kV1;
    return policy.allow_ntlm_v1 ? Status::kContinue : Status::kNtlmV1;
  }
  kind = crypto::ProofKind::kV2;
  return Status::kContinue;
}

// Names are UTF-16 or OEM as *negotiated*, whatever the AUTHENTICATE's own flags say.
struct Names {
  Bytes user;  // UTF-16LE, as the client spelled it.
  Bytes user_upper;
  Bytes domain;
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
  names = {*user, *user_upper, *domain, *domain_upper};
  return true;
}

// mic_is_due says whether the client bound the MIC to its proof (MS-NLMP 3.1.5.1.2, AvFlags 0x2),
// so that taking it away ("Drop the MIC") breaks the proof.
bool mic_is_due(const ntlm::AvPairs& pairs) noexcept {
  return pairs.has_flags && (pairs.flags & ntlm::kAvFlagMic) != 0;
}

// read_v2 takes an NTLMv2 response apart; false: refused.
bool read_v2(Exchange& exchange, const ntlm::Authenticate& authenticate,
             crypto::ProofJob& job) noexcept {
  const Result<ntlm::Ntlmv2Response> response =
      ntlm::parse_ntlmv2_response(authenticate.nt_response);
  if (!response.ok()) {
    exchange.refuse(Status::kMalformedNtlmResponse, response.fault(), authenticate.nt_response);
    return false;
  }
  const ntlm::AvPairs& pairs = response->pairs;
  job.proof = response->proof;
  job.client_data = response->client_data;
  job.check_mic = mic_is_due(pairs);
  //= MS-NLMP 2.2.2.1: all zeros say that there are no channel bindings; saying so is more than
  //= leaving the pair out.
  exchange.ntlm.bindings = {.hash = pairs.channel_bindings,
                            .enlightened = !pairs.channel_bindings.empty()};
  exchange.ntlm.time = response->timestamp;
  const bool guessed = pairs.has_flags && (pairs.flags & ntlm::kAvFlagUntrustedTarget) != 0;
  exchange.ntlm.target_name = guessed ? Bytes{} : pairs.target_name;
  return true;
}

// read_v1 takes the two responses of NTLMv1 apart (MS-NLMP 3.3.1); false: refused.
bool read_v1(Exchange& exchange, const ntlm::Authenticate& authenticate,
             crypto::ProofJob& job) noexcept {
  job.proof = authenticate.nt_response;
  if (job.kind == crypto::ProofKind::kV1Session) {
    if (authenticate.lm_response.size() != kNtlmv1ResponseSize) {
      exchange.refuse(Status::kMalformedNtlmResponse);
      return false;
    }
    job.client_data = authenticate.lm_response.first(kChallengeSize);
  }
  return true;
}

// context_flags grants what messages will have. MS-NLMP 3.4.4.1 would sign without extended session
// security, too, with a CRC-32 that anybody can put right again: nobody gets that.
gss::ContextFlags context_flags(NegotiateFlags negotiated) noexcept {
  std::uint32_t flags = 0;
  const bool strong = has(negotiated, NegotiateFlags::kExtendedSessionSecurity);
  if (strong &&
      (has(negotiated, NegotiateFlags::kSign) || has(negotiated, NegotiateFlags::kSeal))) {
    flags |= std::uint32_t(gss::ContextFlags::kIntegrity) |
             std::uint32_t(gss::ContextFlags::kReplay) |
             std::uint32_t(gss::ContextFlags::kSequence);
  }
  if (strong && has(negotiated, NegotiateFlags::kSeal)) {
    flags |= std::uint32_t(gss::ContextFlags::kConfidentiality);
  }
  if (has(negotiated, NegotiateFlags::kIdentify)) {
    flags |= std::uint32_t(gss::ContextFlags::kIdentify);
  }
  return gss::ContextFlags(flags);
}

// read_key decides whether the client's session key came encrypted; false: refused. Without signing
// or sealing a client may agree to exchange keys and send none (MS-NLMP 3.1.5.1.2).
bool read_key(Exchange& exchange, const ntlm::Authenticate& authenticate,
              crypto::ProofJob& job) noexcept {
  const NegotiateFlags flags = exchange.context->ntlm_flags;
  const Bytes sent_key = authenticate.encrypted_session_key;
  const bool may_omit_key =
      !has(flags, NegotiateFlags::kSign) && !has(flags, NegotiateFlags::kSeal);
  job.key_exchange =
      has(flags, NegotiateFlags::kKeyExchange) && !(sent_key.empty() && may_omit_key);
  job.encrypted_session_key = sent_key;
  if (job.key_exchange && sent_key.size() != kSessionKeySize) {
    exchange.refuse(Status::kNtlmSessionKey);
    return false;
  }
  return true;
}

// make_question says in UTF-8 what an authority is asked; false: refused, something is malformed.
bool make_question(Turn& turn, Exchange& exchange, const ntlm::Authenticate& authenticate,
                   const Names& names, bool unicode, const crypto::ProofJob& job,
                   NtlmQuestion& question) noexcept {
  Arena& arena = turn.desk.arena;
  const std::optional<Bytes> user = utf16_to_utf8(names.user, arena.take(2 * names.user.size()));
  const std::optional<Bytes> domain =
      utf16_to_utf8(names.domain, arena.take(2 * names.domain.size()));
  if (!user || !domain) {
    exchange.refuse(Status::kMalformedNtlmName);
    return false;
  }
  question.kind = job.kind;
  std::ranges::copy(job.server_challenge, question.server_challenge.begin());
  question.user = *user;
  question.domain = *domain;
  question.nt_response = authenticate.nt_response;
  // An LM or LMv2 response stays here: who finds the NT response wrong may try that, and let a
  // client in whose NT response, and with it the MIC flag, target name and channel bindings that we
  // go by, somebody in between has made up. (Nor has everybody room for any size: attack E15.)
  if (job.kind == crypto::ProofKind::kV1Session) {
    question.lm_response = authenticate.lm_response;
  }
  // The client's own machine, which it may call what it likes: one without a usable name has none.
  if (unicode && authenticate.workstation.size() <= kWorkstationSizeMax) {
    question.workstation =
        utf16_to_utf8(authenticate.workstation, arena.take(2 * authenticate.workstation.size()))
            .value_or(Bytes{});
  }
  return true;
}

// ask_authority leaves the exchange to an authority.
void ask_authority(Exchange& exchange, const NtlmQuestion& question) noexcept {
  const AcceptRequest& request = *exchange.request;
  if (request.asker == nullptr) {
    return exchange.refuse(Status::kAuthorityFailed);
  }
  const Status status = request.credential->authority->ask(
      question, exchange.context.handle(), *request.asker, request.tag, exchange.reply->inquiry);
  return status == Status::kAsked ? exchange.go(State::kAuthorityAsked) : exchange.refuse(status);
}

// take_answer takes up what the authority has said; false: refused.
bool take_answer(Exchange& exchange, const NtlmQuestion& question, crypto::ProofJob& job) noexcept {
  const AcceptRequest& request = *exchange.request;
  // An answer to another question would let somebody else in.
  if (!request.inquiry->is_about(exchange.context.handle(), question)) {
    exchange.refuse(Status::kInternal);
    return false;
  }
  const NtlmAnswer& answer = request.inquiry->answer;
  if (answer.status != Status::kEstablished) {
    exchange.refuse(succeeded(answer.status) ? Status::kAuthorityFailed : answer.status);
    return false;
  }
  if (answer.user.empty() || answer.key.bytes().size() != kNtlmKeySize) {
    exchange.refuse(Status::kAuthorityFailed);
    return false;
  }
  const bool is_hash = answer.key_kind == NtlmAnswer::KeyKind::kNtHash;
  (is_hash ? job.nt_hash : job.session_base_key) = answer.key.bytes();
  exchange.ntlm.account = {
      .nt_hash = job.nt_hash, .user = bytes_of(answer.user), .domain = bytes_of(answer.domain)};
  exchange.ntlm.pac = answer.pac;
  return true;
}

// find_account looks the client up: first among the accounts of this machine, then with the
// authority. False: there is no proof to be verified, because the client is refused or an authority
// has been asked. A user nobody knows gets a decoy hash and takes the same way, and so does nobody,
// who then has a name all the same.
bool find_account(Turn& turn, Exchange& exchange, const ntlm::Authenticate& authenticate,
                  bool unicode, crypto::ProofJob& job) noexcept {
  Accounts::Found& account = exchange.ntlm.account;
  if (job.kind == crypto::ProofKind::kAnonymous) {
    account = {.nt_hash = {},
               .user = bytes_of("ANONYMOUS LOGON"),  // S-1-5-7, as Windows calls it.
               .domain = bytes_of("NT AUTHORITY")};
    return true;
  }
  Names names;
  if (!read_names(turn, authenticate, unicode, names)) {
    exchange.refuse(Status::kMalformedNtlmName);
    return false;
  }
  job.user_upper = names.user_upper;
  job.domain = names.domain;
  if (const Accounts* const accounts = exchange.keys->accounts.get(); accounts != nullptr) {
    account = accounts->find(names.user_upper, names.domain_upper);
    job.nt_hash = account.nt_hash;
  }
  if (!account.user.empty() || exchange.request->credential->authority == nullptr) {
    return true;
  }
  NtlmQuestion question;
  if (!make_question(turn, exchange, authenticate, names, unicode, job, question)) {
    return false;
  }
  if (exchange.request->inquiry != nullptr) {
    return take_answer(exchange, question, job);
  }
  ask_authority(exchange, question);
  return false;
}

// stage_proof queues the response.
void stage_proof(Turn& turn, Exchange& exchange, const ntlm::Challenge& challenge,
                 const ntlm::Authenticate& authenticate) noexcept {
  Context& context = *exchange.context;
  context.ntlm_flags = challenge.flags & authenticate.flags;
  crypto::ProofJob job{.server_challenge = challenge.server_challenge,
                       .negotiate = context.ntlm_negotiate(),
                       .challenge = context.ntlm_challenge(),
                       .authenticate = exchange.mech_token,
                       .mic = authenticate.mic,
                       .session_key = turn.desk.arena.take(kSessionKeySize)};
  const Status refused =
      choose_kind(exchange, authenticate,
                  has(context.ntlm_flags, NegotiateFlags::kExtendedSessionSecurity), job.kind);
  if (refused != Status::kContinue) {
    return exchange.refuse(refused);
  }
  const bool is_v1 =
      job.kind == crypto::ProofKind::kV1 || job.kind == crypto::ProofKind::kV1Session;
  if ((job.kind == crypto::ProofKind::kV2 && !read_v2(exchange, authenticate, job)) ||
      (is_v1 && !read_v1(exchange, authenticate, job))) {
    return;
  }
  const bool wants_mic = exchange.request->credential->policy.ntlm_mic_always;
  if ((job.check_mic && authenticate.mic.empty()) || (wants_mic && !job.check_mic)) {
    return exchange.refuse(Status::kNtlmMicMissing);
  }
  const bool has_mic =
      exchange.has_client_mic || context.mic_required || job.check_mic;  // As in conclude.
  if (!read_key(exchange, authenticate, job) ||
      !has_room(exchange, 0, has_mic ? kNtlmMicSize : 0) ||
      !find_account(turn, exchange, authenticate, has(challenge.flags, NegotiateFlags::kUnicode),
                    job)) {
    return;
  }
  exchange.ntlm.proof_job = &turn.desk.proofs.add(job);
  exchange.go(State::kProofQueued);
}

// check_time is MS-NLMP 3.1.1.1: a response is good for MaxLifetime, whichever clock is ahead.
bool check_time(const Turn& turn, Exchange& exchange) noexcept {
  constexpr std::uint64_t kUnitsPerSecond = 10'000'000;
  const auto theirs_s = static_cast<std::int64_t>(exchange.ntlm.time / kUnitsPerSecond);
  const std::int64_t ours_s = turn.now_s + kFiletimeEpochS;
  const std::int64_t apart_s = theirs_s < ours_s ? ours_s - theirs_s : theirs_s - ours_s;
  if (apart_s > exchange.request->credential->policy.ntlm_lifetime_s) {
    exchange.refuse(Status::kNtlmTime);
  }
  return exchange.live();
}

// check_target compares MsvAvTargetName with what policy lists: who lets himself be led to another
// service does not get in here (relay, E21).
bool check_target(Turn& turn, Exchange& exchange) noexcept {
  const Policy& policy = exchange.request->credential->policy;
  const Bytes name = exchange.ntlm.target_name;
  if (policy.ntlm_target == NtlmTargetPolicy::kAny ||
      (policy.ntlm_target == NtlmTargetPolicy::kListed && name.empty())) {
    return true;
  }
  if (name.empty()) {
    exchange.refuse(Status::kNtlmTargetMissing);
    return false;
  }
  std::optional<Bytes> utf8;
  if (name.size() <= 2 * kIdentitySizeMax) {
    utf8 = utf16_to_utf8(name, turn.desk.arena.take(2 * name.size()));
  }
  const std::string_view spn =
      utf8 ? std::string_view(reinterpret_cast<const char*>(utf8->data()), utf8->size())
           : std::string_view();
  const auto is_it = [spn](const auto& target) { return is_ntlm_target(target, spn); };
  if (spn.empty() || (std::ranges::none_of(policy.targets, is_it) &&
                      std::ranges::none_of(exchange.keys->targets, is_it))) {
    exchange.refuse(Status::kNtlmTarget);
  }
  return exchange.live();
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
  if (!has_room(exchange, challenge.size(), 0)) {
    return;
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
  const Result<ntlm::Challenge> challenge =
      ntlm::parse_challenge(exchange.context->ntlm_challenge());
  if (!challenge.ok()) {
    return exchange.refuse(Status::kInternal);  // Only a recorded CHALLENGE can be malformed.
  }
  stage_proof(turn, exchange, *challenge, *authenticate);
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
  const bool is_v2 = job.kind == crypto::ProofKind::kV2;
  if ((is_v2 && !check_time(turn, exchange)) || !check_target(turn, exchange)) {
    return;
  }
  //= MS-NLMP 3.2.5.1.2: bindings are compared, inside a response that has been found right.
  Context& context = *exchange.context;
  if (!exchange.check_bindings(exchange.ntlm.bindings) ||
      !exchange.check_protection(context_flags(context.ntlm_flags))) {
    return;
  }
  // The messages have done their work; the names take their place.
  context.part_sizes = {};
  if (!context.keep(0, account.user) || !context.keep(1, account.domain) || !context.keep(2, {}) ||
      !context.keep_target(exchange.ntlm.target_name)) {
    return exchange.refuse(Status::kNameTooLong);
  }
  const bool keeps_pac = !exchange.ntlm.pac.empty() && turn.environment.contexts.pages() != nullptr;
  if (keeps_pac &&
      !turn.environment.contexts.keep({&exchange.ntlm.pac, 1}, context.pac, turn.steady_us)) {
    return exchange.refuse(Status::kNoFreePage);
  }
  context.flags = context_flags(context.ntlm_flags);
  if (job.kind == crypto::ProofKind::kAnonymous) {
    context.flags = gss::ContextFlags(std::uint32_t(context.flags) |
                                      std::uint32_t(gss::ContextFlags::kAnonymous));
  }
  context.key.assign(job.session_key);
  context.start_s = turn.now_s;
  conclude(turn, exchange);
}

}  // namespace usher::auth
