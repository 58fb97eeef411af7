// Who else knows NTLM's users: a domain, or the embedding program. An answer may take seconds, so
// whoever is asked answers on a thread of its own, and the accept path never waits.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/crypto/proof_batch.h"
#include "engine/secret.h"
#include "engine/slots/slot_pool.h"
#include "engine/status.h"
#include "parsers/bytes.h"

namespace usher::auth {

inline constexpr std::size_t kNtlmKeySize = 16;

// NtlmQuestion is what a client proves itself with. Names are UTF-8, as the client spelled them;
// the domain may be empty, and the user may be "user@domain" then.
struct NtlmQuestion {
  crypto::ProofKind kind = crypto::ProofKind::kV2;  // Never kAnonymous.
  std::array<std::uint8_t, 8> server_challenge{};
  Bytes user;
  Bytes domain;
  Bytes workstation;
  Bytes nt_response;
  Bytes lm_response;  // Of kV1Session alone: the client's challenge, eight bytes, and zeros.
};

// NtlmAnswer is what an authority says. Only kEstablished lets the client in; any other status
// refuses it with that, or with kAuthorityFailed if it is none that refuses.
struct NtlmAnswer {
  // What `key` is: the account's NTOWFv1, with which the acceptor verifies the response itself; or
  // the SessionBaseKey (MS-NLMP 3.3) of a response that the authority has found right.
  enum class KeyKind : std::uint8_t { kNtHash, kSessionBase };

  Status status = Status::kAuthorityFailed;
  KeyKind key_kind = KeyKind::kNtHash;
  Secret<kNtlmKeySize> key;
  std::string user;  // UTF-8, as the authority spells it; never empty if the client is let in.
  std::string domain;
  std::vector<std::uint8_t> pac;  // Who the client is, as a PAC without signatures; may be empty.

  void clear() noexcept;
};

class Asker;
class Authority;

// Inquiry is one question under way and its answer. All there are belong to their authority.
class Inquiry {
 public:
  static constexpr std::size_t kQuestionSizeMax = 8 * 1024;

  Inquiry() noexcept {}  // NOLINT(modernize-use-equals-default): leaves storage_ alone.
  ~Inquiry() { wipe(storage_); }
  Inquiry(const Inquiry&) = delete;
  Inquiry& operator=(const Inquiry&) = delete;

  // The views of question() lie in the inquiry, until it is closed.
  [[nodiscard]] const NtlmQuestion& question() const noexcept { return question_; }
  // Whose question it is, as ask was told.
  [[nodiscard]] ContextHandle context() const noexcept { return context_; }
  [[nodiscard]] std::uint64_t tag() const noexcept { return tag_; }

  // This use of the inquiry: an index below the authority's inquiries_max, and a generation.
  [[nodiscard]] ContextHandle place() const noexcept { return place_; }
  [[nodiscard]] Authority& authority() const noexcept { return *authority_; }

  // is_about says whether this is `context`'s inquiry about exactly that question.
  [[nodiscard]] bool is_about(ContextHandle context, const NtlmQuestion& question) const noexcept;

  // Written by the authority before it finishes the inquiry, read by the asker afterwards.
  NtlmAnswer answer;

 private:
  friend class Authority;
  enum class State : std::uint8_t { kFree, kAsked, kAnswered, kAbandoned };

  std::atomic<State> state_{State::kFree};
  Authority* authority_ = nullptr;
  ContextHandle place_;  // In the authority's pool.
  NtlmQuestion question_;
  ContextHandle context_;
  std::uint64_t tag_ = 0;
  Asker* asker_ = nullptr;
  std::array<std::uint8_t, kQuestionSizeMax> storage_;
};

// Asker is told when its inquiries have been answered.
class Asker {
 public:
  // answered is called once for each inquiry that was asked and not abandoned, on the authority's
  // thread or inside ask. It must not block. The asker closes the inquiry, in here or later; it
  // must exist until this has returned, which an authority's destructor waits for.
  virtual void answered(Inquiry& inquiry) noexcept = 0;

 protected:
  ~Asker() = default;
};

// Authority is shared by all threads. An inquiry's way:
//
//   free --ask--> asked --finish--> answered --close--> free
//                   `---abandon--> abandoned --finish--> free
//
// finish and abandon are one compare-and-swap on the same word, so exactly one of them wins.
class Authority {
 public:
  virtual ~Authority() = default;
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  // How long an asker waits before it abandons an inquiry.
  [[nodiscard]] std::int64_t deadline_us() const noexcept { return deadline_us_; }

  // ask copies the question and hands it on; kAsked, or why it cannot be asked: kAuthorityBusy if
  // as many inquiries are under way as there may be, kAuthorityQuestion for one that does
  // not fit. Any thread; never blocks, allocates nothing here.
  [[nodiscard]] Status ask(const NtlmQuestion& question, ContextHandle context, Asker& asker,
                           std::uint64_t tag, Inquiry*& inquiry) noexcept;

  // abandon says that nobody waits any more: the inquiry is the authority's again. False: it has
  // been answered, and the asker has been told or just is being told. The inquiry must be open: an
  // asker keeps abandon and close apart, for a closed one may be about another question already.
  [[nodiscard]] bool abandon(Inquiry& inquiry) noexcept;

  // close gives an answered inquiry back, wiped.
  void close(Inquiry& inquiry) noexcept;

 protected:
  // At most `inquiries_max` at once. Allocates.
  Authority(std::size_t inquiries_max, std::int64_t deadline_us);

  // begin takes an inquiry to whoever answers it, and has it finished sometime, on any thread; at
  // once if that cannot be done. It must not block.
  virtual void begin(Inquiry& inquiry) noexcept = 0;

  // abandoned is told of an inquiry that was, by the place it had then: it may be somebody else's
  // by now. Whoever still has it may finish it here, in place of the one who will not any more.
  virtual void abandoned(ContextHandle /*place*/) noexcept {}

  // finish is called once for each inquiry begun, its answer set.
  void finish(Inquiry& inquiry) noexcept;

  [[nodiscard]] Inquiry& inquiry_at(SlotIndex index) noexcept {
    return inquiries_[std::size_t(index)];
  }

  // wanted says whether somebody still waits. If not, the answer need not be looked for.
  [[nodiscard]] static bool wanted(const Inquiry& inquiry) noexcept;

 private:
  void recycle(Inquiry& inquiry) noexcept;

  std::int64_t deadline_us_;
  std::vector<Inquiry> inquiries_;
  std::vector<SlotPool::Slot> slots_;  // One for each.
  SlotPool pool_{slots_};
};

}  // namespace usher::auth
