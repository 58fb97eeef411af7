// Sessions: turns and numbers, whatever the mechanism.
#include "engine/protect/message.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <new>
#include <utility>

#include "engine/protect/session_base.h"
#include "engine/secret.h"

namespace usher::protect {
namespace {

using gss::ContextFlags;

bool is_rc4(const SessionTerms& terms) noexcept {
  return !terms.ntlm && terms.kerberos.profile->family == crypto::Family::kRc4;
}

// NTLM and RC4 have 32 bits for their numbers (MS-NLMP 2.2.2.9, RFC 4757 7.2), AES 64 (RFC 4121
// 4.2.6).
unsigned number_bits(const SessionTerms& terms) noexcept {
  return terms.ntlm || is_rc4(terms) ? 32 : 64;
}

// sends_max is how many messages we may make. No number comes again, nor does that of a mechListMIC
// before the first: NTLM's tokens follow from it (MS-NLMP 3.4.4.2; without key exchange nothing
// else tells two of one text apart), and with RC4 a message's key does (RFC 4757 7.3), whichever
// side's it is. So with RC4 ours end before the peer's first, too; where both begin with one number
// (RFC 4121 2, when no AP-REP is sent) there is no such end.
std::uint64_t sends_max(const SessionTerms& terms) noexcept {
  if (number_bits(terms) == 64) {
    return std::numeric_limits<std::uint64_t>::max();
  }
  const auto until_theirs =
      static_cast<std::uint32_t>(terms.receive_sequence - terms.send_sequence);
  return is_rc4(terms) && until_theirs != 0 ? until_theirs : kShortNumbersMax;
}

//= MS-NLMP 3.4.4.1 is what an NTLM session without extended session security would need: nobody
//= gets that here
bool can_sign(const SessionTerms& terms) noexcept {
  return !terms.ntlm || has(terms.ntlm_key.flags, ntlm::NegotiateFlags::kExtendedSessionSecurity);
}

bool is_confidential(const SessionTerms& terms) noexcept {
  return can_sign(terms) && has(terms.flags, ContextFlags::kConfidentiality);
}

bool is_integral(const SessionTerms& terms) noexcept {
  return can_sign(terms) &&
         (has(terms.flags, ContextFlags::kConfidentiality) ||
          has(terms.flags, ContextFlags::kIntegrity) || has(terms.flags, ContextFlags::kReplay) ||
          has(terms.flags, ContextFlags::kSequence));
}

void wipe_sealed(std::span<const Part> parts) noexcept {
  for (const Part& part : parts) {
    if (part.use == Part::Use::kSealed) {
      wipe(part.bytes);
    }
  }
}

// thread_random is made at a thread's first message. One for each Session would take 16 KiB there.
RandomSource* thread_random() noexcept {
  static thread_local std::unique_ptr<RandomSource> random;
  if (random == nullptr) {
    random = make_system_random();
  }
  return random.get();
}

}  // namespace

PieceList<Bytes> covered_by(std::span<const Part> parts) noexcept {
  PieceList<Bytes> covered;
  for (const Part& part : parts) {
    covered.add(part.bytes);
  }
  return covered;
}

std::size_t sealed_size(std::span<const Part> parts) noexcept {
  std::size_t size = 0;
  for (const Part& part : parts) {
    size += part.use == Part::Use::kSealed ? part.bytes.size() : 0;
  }
  return size;
}

SessionBase::SessionBase(const SessionTerms& terms, SessionTools tools) noexcept
    : tools_(std::move(tools)),
      sizes_(sizes_of(terms)),
      confidential_(is_confidential(terms)),
      integral_(is_integral(terms)),
      // RFC 2743 1.2.3: what keeps the order notices replays, too.
      detects_replays_(!terms.ntlm && (has(terms.flags, ContextFlags::kReplay) ||
                                       has(terms.flags, ContextFlags::kSequence))),
      keeps_order_(!terms.ntlm && has(terms.flags, ContextFlags::kSequence)),
      goes_on_(terms.state != nullptr && terms.state->begun),
      send_first_(terms.send_sequence),
      sends_max_(sends_max(terms)),
      send_number_(terms.send_sequence),
      window_(terms.receive_sequence, number_bits(terms)) {
  if (terms.state != nullptr) {
    send_number_ += terms.state->sent_count;
    window_.go_on_from(terms.state->received);
  }
}

bool SessionBase::draw(MutableBytes out) noexcept {
  RandomSource* const random = tools_.random != nullptr ? tools_.random : thread_random();
  return random != nullptr && random->fill(out);
}

// judge says what is to be told of a message whose token is read.
MessageOutcome SessionBase::judge(const Taken& taken) noexcept {
  if (taken.outcome != MessageOutcome::kGood) {
    return taken.outcome;
  }
  if (taken.encrypted && !confidential_) {
    return MessageOutcome::kNotNegotiated;
  }
  if (!detects_replays_) {
    has_taken_ = true;
    return MessageOutcome::kGood;
  }
  switch (window_.note(taken.number)) {
    case SequenceVerdict::kNext:
      has_taken_ = true;
      return MessageOutcome::kGood;
    case SequenceVerdict::kGap:
    case SequenceVerdict::kLate:
      has_taken_ = true;
      return keeps_order_ ? MessageOutcome::kGap : MessageOutcome::kGood;
    case SequenceVerdict::kReplayed:
      return MessageOutcome::kReplayed;
    case SequenceVerdict::kOld:
      return MessageOutcome::kOld;
  }
  return MessageOutcome::kOld;
}

Session::Sealed SessionBase::seal(std::span<const Part> parts, bool encrypt, MutableBytes token,
                                  MutableBytes padding) noexcept {
  if (!(encrypt ? confidential_ : integral_)) {
    return {.outcome = MessageOutcome::kNotNegotiated};
  }
  if (parts.size() > kMessagePartsMax) {
    return {.outcome = MessageOutcome::kMalformed};
  }
  if (is_of_another()) {
    return {.outcome = MessageOutcome::kStopped};
  }
  const std::lock_guard turn(sending_);
  if (!may_send()) {
    return {.outcome = MessageOutcome::kStopped};
  }
  const Sealed sealed = write_wrap(parts, encrypt, send_number_, token, padding);
  if (sealed.outcome == MessageOutcome::kGood) {
    ++send_number_;
  } else if (sealed.outcome == MessageOutcome::kFailed) {
    // What is half encrypted is neither a message nor to be sent.
    wipe_sealed(parts);
    wipe(token.first(std::min<std::size_t>(token.size(), sizes().trailer)));
  }
  return sealed;
}

Session::Opened SessionBase::open(std::span<const Part> parts, MutableBytes token,
                                  Bytes padding) noexcept {
  Taken taken;
  if (!integral_) {
    taken.outcome = MessageOutcome::kNotNegotiated;
  } else if (parts.size() > kMessagePartsMax) {
    taken.outcome = MessageOutcome::kMalformed;
  } else if (is_of_another()) {
    taken.outcome = MessageOutcome::kStopped;
  } else {
    const std::lock_guard turn(receiving_);
    if (receives_no_more_) {
      taken.outcome = MessageOutcome::kStopped;
    } else {
      taken = read_wrap(parts, token, padding);
      taken.outcome = judge(taken);
    }
  }
  if (taken.outcome == MessageOutcome::kStopped) {
    return {.outcome = taken.outcome};  // Nobody has looked at it, and somebody else may.
  }
  if (taken.outcome != MessageOutcome::kGood) {
    wipe_sealed(parts);
    return {.outcome = taken.outcome};
  }
  return {.outcome = taken.outcome,
          .encrypted = taken.encrypted,
          .padding_in_data = taken.padding_in_data};
}

Session::OpenedStream SessionBase::open_stream(MutableBytes message) noexcept {
  Taken taken;
  if (!integral_) {
    taken.outcome = MessageOutcome::kNotNegotiated;
  } else if (is_of_another()) {
    taken.outcome = MessageOutcome::kStopped;
  } else {
    const std::lock_guard turn(receiving_);
    if (receives_no_more_) {
      taken.outcome = MessageOutcome::kStopped;
    } else {
      taken = read_stream(message);
      taken.outcome = judge(taken);
    }
  }
  if (taken.outcome == MessageOutcome::kStopped) {
    return {.outcome = taken.outcome, .data = {}};
  }
  if (taken.outcome != MessageOutcome::kGood) {
    wipe(message);
    return {.outcome = taken.outcome, .data = {}};
  }
  return {.outcome = taken.outcome, .encrypted = taken.encrypted, .data = taken.data};
}

Session::Sealed SessionBase::sign(std::span<const Part> parts, MutableBytes token) noexcept {
  const std::size_t size = sizes().signature;
  if (!integral_) {
    return {.outcome = MessageOutcome::kNotNegotiated};
  }
  if (parts.size() > kMessagePartsMax) {
    return {.outcome = MessageOutcome::kMalformed};
  }
  if (token.size() < size) {
    return {.outcome = MessageOutcome::kNoRoom};
  }
  if (is_of_another()) {
    return {.outcome = MessageOutcome::kStopped};
  }
  const std::lock_guard turn(sending_);
  if (!may_send()) {
    return {.outcome = MessageOutcome::kStopped};
  }
  if (!write_mic(covered_by(parts).view(), send_number_, token.first(size))) {
    wipe(token.first(size));
    return {.outcome = MessageOutcome::kFailed};
  }
  ++send_number_;
  return {.outcome = MessageOutcome::kGood, .token_size = size};
}

MessageOutcome SessionBase::verify(std::span<const Part> parts, Bytes token) noexcept {
  if (!integral_) {
    return MessageOutcome::kNotNegotiated;
  }
  if (parts.size() > kMessagePartsMax) {
    return MessageOutcome::kMalformed;
  }
  if (is_of_another()) {
    return MessageOutcome::kStopped;
  }
  const std::lock_guard turn(receiving_);
  if (receives_no_more_) {
    return MessageOutcome::kStopped;
  }
  return judge(read_mic(covered_by(parts).view(), token));
}

bool SessionBase::save_and_stop(SessionState& out, Stop stop, bool only_fresh) noexcept {
  if (is_of_another()) {
    return false;
  }
  const std::scoped_lock turns(sending_, receiving_);
  if (stopped_) {
    return false;
  }
  out.begun = goes_on_ || has_taken_ || send_number_ != send_first_;
  if (!out.begun || !only_fresh) {
    stopped_ = stop != Stop::kNothing;
    receives_no_more_ = stop == Stop::kEverything;
  }
  out.sent_count = send_number_ - send_first_;
  out.received = window_.place();
  save_streams(out);
  return true;
}

void SessionBase::resume() noexcept {
  const std::scoped_lock turns(sending_, receiving_);
  stopped_ = receives_no_more_ = false;
}

MessageSizes sizes_of(const SessionTerms& terms) noexcept {
  if (!is_integral(terms)) {
    return {};
  }
  return terms.ntlm ? ntlm_sizes() : is_rc4(terms) ? rc4_sizes(terms) : aes_sizes(terms);
}

bool has_streams(const SessionTerms& terms) noexcept { return terms.ntlm && can_sign(terms); }

bool repeats_key_stream(const SessionTerms& terms) noexcept { return terms.ntlm || is_rc4(terms); }

std::shared_ptr<Session> make_session(const SessionTerms& terms, SessionTools tools) noexcept {
  assert(terms.state == nullptr || terms.state->has_streams == has_streams(terms));
  if (tools.send == nullptr || tools.receive == nullptr || !watch_forks()) {
    return nullptr;
  }
  try {
    std::shared_ptr<SessionBase> session = terms.ntlm ? make_ntlm_session(terms, std::move(tools))
                                           : is_rc4(terms)
                                               ? make_rc4_session(terms, std::move(tools))
                                               : make_aes_session(terms, std::move(tools));
    return session->derive(terms) ? session : nullptr;
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

std::shared_ptr<Session> Session::make(const SessionTerms& terms) noexcept {
  return make_session(terms, {.send = crypto::Kit::make(), .receive = crypto::Kit::make()});
}

}  // namespace usher::protect
