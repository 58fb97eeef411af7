// Messages of NTLM with extended session security (MS-NLMP 3.4.3, 3.4.4.2), connection-oriented:
// one RC4 stream and one count of messages in each direction, for sealed and signed ones alike.
#include "engine/protect/session_base.h"
#include "engine/secret.h"

namespace usher::protect {
namespace {

class NtlmSession final : public SessionBase {
 public:
  NtlmSession(const SessionTerms& terms, SessionTools tools) noexcept
      : SessionBase(terms, std::move(tools)),
        first_(static_cast<std::uint32_t>(terms.receive_sequence)),
        taken_count_(terms.state == nullptr ? 0 : terms.state->received.next) {}

  bool derive(const SessionTerms& terms) noexcept override {
    if (!has(terms.ntlm_key.flags, ntlm::NegotiateFlags::kExtendedSessionSecurity)) {
      return true;  // SessionBase lets nobody use it.
    }
    const Sender peer = terms.self == Sender::kAcceptor ? Sender::kInitiator : Sender::kAcceptor;
    if (!make_ntlm_signer(send_kit(), terms.ntlm_key, terms.self, ours_) ||
        !make_ntlm_signer(send_kit(), terms.ntlm_key, peer, theirs_)) {
      return false;
    }
    if (terms.state != nullptr) {
      ours_.stream = terms.state->send_stream;
      theirs_.stream = terms.state->receive_stream;
    }
    has_keys_ = true;
    return true;
  }

 protected:
  Sealed write_wrap(std::span<const Part> parts, bool encrypt, std::uint64_t number,
                    MutableBytes token, MutableBytes padding) noexcept override;
  Taken read_wrap(std::span<const Part> parts, MutableBytes token, Bytes padding) noexcept override;
  Taken read_stream(MutableBytes message) noexcept override;
  bool write_mic(Covered message, std::uint64_t number, MutableBytes out) noexcept override;
  Taken read_mic(Covered message, Bytes token) noexcept override;
  void save_streams(SessionState& out) noexcept override;

 private:
  // expected is the number of the peer's next message, if has_next; behind the last, the numbers
  // begin again, and with them what was recorded.
  [[nodiscard]] std::uint32_t expected() const noexcept {
    return first_ + static_cast<std::uint32_t>(taken_count_);
  }
  [[nodiscard]] bool has_next() const noexcept { return taken_count_ < kShortNumbersMax; }
  // check says whether a token is right for the plaintext, and takes it if it is; else the stream
  // goes back to `before`.
  [[nodiscard]] Taken check(Covered message, Bytes token, const crypto::Rc4Stream& before) noexcept;

  NtlmSigner ours_;
  NtlmSigner theirs_;
  bool has_keys_ = false;
  const std::uint32_t first_;  // The number of the peer's first message.
  std::uint64_t taken_count_;  // How many of them were taken; at most kShortNumbersMax.
};

void run_over(crypto::Rc4Stream& stream, std::span<const Part> parts) noexcept {
  for (const Part& part : parts) {
    if (part.use == Part::Use::kSealed) {
      stream.run(part.bytes);
    }
  }
}

void NtlmSession::save_streams(SessionState& out) noexcept {
  out.received.next = taken_count_;
  out.has_streams = has_keys_;
  if (has_keys_) {
    out.send_stream = ours_.stream;
    out.receive_stream = theirs_.stream;
  }
}

bool NtlmSession::write_mic(Covered message, std::uint64_t number, MutableBytes out) noexcept {
  if (!write_ntlm_mic(send_kit(), ours_, static_cast<std::uint32_t>(number), message, out)) {
    return false;
  }
  seal_ntlm_mic(ours_, out);
  return true;
}

Session::Sealed NtlmSession::write_wrap(std::span<const Part> parts, bool encrypt,
                                        std::uint64_t number, MutableBytes token,
                                        MutableBytes /*padding*/) noexcept {
  if (token.size() < kNtlmMicSize) {
    return {.outcome = MessageOutcome::kNoRoom};
  }
  if (!encrypt && confidential()) {  // The peer would take it for a sealed one.
    return {.outcome = MessageOutcome::kNoSuchForm};
  }
  token = token.first(kNtlmMicSize);
  //= MS-NLMP 3.4.6.1: the signature covers all buffers, as they were before sealing
  if (!write_ntlm_mic(send_kit(), ours_, static_cast<std::uint32_t>(number),
                      covered_by(parts).view(), token)) {
    return {};
  }
  //= MS-NLMP 3.4.3: the stream goes over the message first, then over its checksum
  if (encrypt) {
    run_over(ours_.stream, parts);
  }
  seal_ntlm_mic(ours_, token);
  return {.outcome = MessageOutcome::kGood, .token_size = kNtlmMicSize};
}

SessionBase::Taken NtlmSession::check(Covered message, Bytes token,
                                      const crypto::Rc4Stream& before) noexcept {
  Taken taken{.data = {}};
  std::array<std::uint8_t, kNtlmMicSize> made{};
  const bool done = write_ntlm_mic(receive_kit(), theirs_, expected(), message, made);
  seal_ntlm_mic(theirs_, made);
  if (done && equal_secret(made, token)) {
    taken.outcome = MessageOutcome::kGood;
    ++taken_count_;
    return taken;
  }
  //= MS-NLMP 3.4.4: of a message without the expected number the receiver takes no notice
  theirs_.stream = before;
  // A number that is over cannot be verified any more: the stream has gone on.
  const std::uint32_t claimed = load_le<std::uint32_t>(token.last(sizeof(std::uint32_t)));
  const std::uint32_t behind = expected() - claimed;
  taken.outcome = !done                                      ? MessageOutcome::kFailed
                  : behind != 0 && behind <= (1u << 31) - 1u ? MessageOutcome::kReplayed
                                                             : MessageOutcome::kAltered;
  return taken;
}

SessionBase::Taken NtlmSession::read_mic(Covered message, Bytes token) noexcept {
  if (token.size() != kNtlmMicSize) {
    return {.outcome = MessageOutcome::kMalformed, .data = {}};
  }
  if (!has_next()) {
    return {.outcome = MessageOutcome::kOld, .data = {}};
  }
  const crypto::Rc4Stream before = theirs_.stream;
  return check(message, token, before);
}

SessionBase::Taken NtlmSession::read_wrap(std::span<const Part> parts, MutableBytes token,
                                          Bytes padding) noexcept {
  if (token.size() != kNtlmMicSize || !padding.empty()) {
    return {.outcome = MessageOutcome::kMalformed, .data = {}};
  }
  if (!has_next()) {
    return {.outcome = MessageOutcome::kOld, .data = {}};
  }
  const crypto::Rc4Stream before = theirs_.stream;
  // Nothing in a token tells whether its message is sealed: it is if sealing was negotiated.
  if (confidential()) {
    run_over(theirs_.stream, parts);
  }
  Taken taken = check(covered_by(parts).view(), token, before);
  taken.encrypted = confidential();
  return taken;
}

SessionBase::Taken NtlmSession::read_stream(MutableBytes message) noexcept {
  if (message.size() < kNtlmMicSize) {
    return {.outcome = MessageOutcome::kMalformed, .data = {}};
  }
  const Part part{.bytes = message.subspan(kNtlmMicSize)};
  Taken taken = read_wrap(std::span(&part, 1), message.first(kNtlmMicSize), /*padding=*/{});
  taken.data = part.bytes;
  return taken;
}

}  // namespace

MessageSizes ntlm_sizes() noexcept { return {.signature = kNtlmMicSize, .trailer = kNtlmMicSize}; }

std::shared_ptr<SessionBase> make_ntlm_session(const SessionTerms& terms, SessionTools tools) {
  return std::make_shared<NtlmSession>(terms, std::move(tools));
}

}  // namespace usher::protect
