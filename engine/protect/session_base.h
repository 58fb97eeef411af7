// What the sessions of all mechanisms share: what was negotiated, turns, numbers, and what becomes
// of a message that is not good.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>

#include "engine/crypto/kit.h"
#include "engine/fork_number.h"
#include "engine/protect/message.h"
#include "engine/protect/sequence_window.h"
#include "engine/protect/signing.h"
#include "engine/random.h"

namespace usher::protect {

// kShortNumbersMax is how many messages of one side have a number of 32 bits of their own, besides
// a mechListMIC.
inline constexpr std::uint64_t kShortNumbersMax = 0xffffffff;

// SessionTools are what a Session works with. A Kit serves one thread at a time: whose turn it is
// to send, and whose to receive.
struct SessionTools {
  std::unique_ptr<crypto::Kit> send;
  std::unique_ptr<crypto::Kit> receive;
  RandomSource* random = nullptr;  // Outlives the Session. Null: the calling thread's own.
};

// make_session is Session::make with tools of one's own; null if it returns null or if a Kit fails.
[[nodiscard]] std::shared_ptr<Session> make_session(const SessionTerms& terms,
                                                    SessionTools tools) noexcept;

// PieceList is the parts of a message, with what stands around them.
template <class T>
class PieceList {
 public:
  void add(T piece) noexcept { pieces_[count_++] = piece; }
  [[nodiscard]] std::span<const T> view() const noexcept {
    return std::span(pieces_).first(count_);
  }

 private:
  std::array<T, kMessagePartsMax + 4> pieces_;
  std::size_t count_ = 0;
};

// covered_by is all parts in their order, as checksums are made over them.
[[nodiscard]] PieceList<Bytes> covered_by(std::span<const Part> parts) noexcept;
// sealed_size is how many bytes the kSealed ones have together.
[[nodiscard]] std::size_t sealed_size(std::span<const Part> parts) noexcept;

// SessionBase leaves to a mechanism what its tokens are. The functions of a mechanism run under the
// lock of their direction, and what they return that is not kGood has changed nothing that counts.
class SessionBase : public Session {
 public:
  SessionBase(const SessionTerms& terms, SessionTools tools) noexcept;

  // derive makes the keys; false if OpenSSL fails.
  [[nodiscard]] virtual bool derive(const SessionTerms& terms) noexcept = 0;

  MessageSizes sizes() const noexcept final { return sizes_; }
  Sealed seal(std::span<const Part> parts, bool encrypt, MutableBytes token,
              MutableBytes padding) noexcept final;
  Opened open(std::span<const Part> parts, MutableBytes token, Bytes padding) noexcept final;
  OpenedStream open_stream(MutableBytes message) noexcept final;
  Sealed sign(std::span<const Part> parts, MutableBytes token) noexcept final;
  MessageOutcome verify(std::span<const Part> parts, Bytes token) noexcept final;
  bool save(SessionState& out, Stop stop) noexcept final {
    return save_and_stop(out, stop, /*only_fresh=*/false);
  }
  bool save_fresh(SessionState& out, Stop stop) noexcept final {
    return save_and_stop(out, stop, /*only_fresh=*/true);
  }
  void resume() noexcept final;

 protected:
  // Taken is what a token of the peer's turned out to be; if it is kGood, its number is genuine.
  struct Taken {
    MessageOutcome outcome = MessageOutcome::kFailed;
    bool encrypted = false;
    std::uint64_t number = 0;
    std::size_t padding_in_data = 0;
    MutableBytes data;  // read_stream's.
  };

  // write_wrap checks the room first: after kNoRoom nothing is written.
  virtual Sealed write_wrap(std::span<const Part> parts, bool encrypt, std::uint64_t number,
                            MutableBytes token, MutableBytes padding) noexcept = 0;
  virtual Taken read_wrap(std::span<const Part> parts, MutableBytes token,
                          Bytes padding) noexcept = 0;
  virtual Taken read_stream(MutableBytes message) noexcept = 0;
  // write_mic has room for sizes().signature bytes.
  virtual bool write_mic(Covered message, std::uint64_t number, MutableBytes out) noexcept = 0;
  virtual Taken read_mic(Covered message, Bytes token) noexcept = 0;

  // save_streams adds what is a mechanism's own; under both locks.
  virtual void save_streams(SessionState& /*out*/) noexcept {}

  [[nodiscard]] crypto::Kit& send_kit() noexcept { return *tools_.send; }
  [[nodiscard]] crypto::Kit& receive_kit() noexcept { return *tools_.receive; }
  [[nodiscard]] bool confidential() const noexcept { return confidential_; }

  // draw fills `out` with random bytes; false if none can be had.
  [[nodiscard]] bool draw(MutableBytes out) noexcept;

 private:
  [[nodiscard]] bool save_and_stop(SessionState& out, Stop stop, bool only_fresh) noexcept;
  [[nodiscard]] MessageOutcome judge(const Taken& taken) noexcept;
  // is_of_another says whether the Session was made by the process that forked this one, whose
  // threads may have held its locks.
  [[nodiscard]] bool is_of_another() const noexcept { return made_in_ != fork_number(); }
  // may_send says whether there is a next message of ours; under sending_.
  [[nodiscard]] bool may_send() const noexcept {
    return !stopped_ && send_number_ - send_first_ < sends_max_;
  }

  const std::uint32_t made_in_ = fork_number();
  SessionTools tools_;
  const MessageSizes sizes_;
  const bool confidential_;
  const bool integral_;
  const bool detects_replays_;
  const bool keeps_order_;
  const bool goes_on_;  // In another's place.
  const std::uint64_t send_first_;
  const std::uint64_t sends_max_;  // So many messages have a number of their own.
  std::mutex sending_;
  std::uint64_t send_number_;  // Under sending_.
  bool stopped_ = false;       // Likewise.
  std::mutex receiving_;
  SequenceWindow window_;          // Under receiving_.
  bool receives_no_more_ = false;  // Likewise.
  bool has_taken_ = false;         // Likewise: a message of the peer's, also if no window tells.
};

// Sizes of a mechanism's tokens, where they may be made.
[[nodiscard]] MessageSizes aes_sizes(const SessionTerms& terms) noexcept;
[[nodiscard]] MessageSizes rc4_sizes(const SessionTerms& terms) noexcept;
[[nodiscard]] MessageSizes ntlm_sizes() noexcept;

// The mechanisms' sessions: AES for Kerberos, RC4 for Kerberos, NTLM. They may throw bad_alloc.
[[nodiscard]] std::shared_ptr<SessionBase> make_aes_session(const SessionTerms& terms,
                                                            SessionTools tools);
[[nodiscard]] std::shared_ptr<SessionBase> make_rc4_session(const SessionTerms& terms,
                                                            SessionTools tools);
[[nodiscard]] std::shared_ptr<SessionBase> make_ntlm_session(const SessionTerms& terms,
                                                             SessionTools tools);

}  // namespace usher::protect
