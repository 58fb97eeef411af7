#include "engine/auth/authority.h"

#include <algorithm>
#include <array>
#include <cassert>

namespace usher::auth {
namespace {

// parts_of lists what of a question lies elsewhere.
std::array<Bytes NtlmQuestion::*, 5> parts_of() noexcept {
  return {&NtlmQuestion::user, &NtlmQuestion::domain, &NtlmQuestion::workstation,
          &NtlmQuestion::nt_response, &NtlmQuestion::lm_response};
}

bool equal(Bytes left, Bytes right) noexcept { return std::ranges::equal(left, right); }

}  // namespace

void NtlmAnswer::clear() noexcept {
  status = Status::kAuthorityFailed;
  key_kind = KeyKind::kNtHash;
  key.clear();
  user.clear();
  domain.clear();
  usher::wipe(pac);
  pac.clear();
}

bool Inquiry::is_about(ContextHandle context, const NtlmQuestion& question) const noexcept {
  return context_ == context && question_.kind == question.kind &&
         equal(question_.server_challenge, question.server_challenge) &&
         std::ranges::all_of(parts_of(), [this, &question](auto part) {
           return equal(question_.*part, question.*part);
         });
}

Authority::Authority(std::size_t inquiries_max, std::int64_t deadline_us)
    : deadline_us_(deadline_us), inquiries_(inquiries_max), slots_(inquiries_max) {}

Status Authority::ask(const NtlmQuestion& question, ContextHandle context, Asker& asker,
                      std::uint64_t tag, Inquiry*& inquiry) noexcept {
  std::size_t size = 0;
  for (const auto part : parts_of()) {
    size += (question.*part).size();
  }
  if (size > Inquiry::kQuestionSizeMax) {
    return Status::kAuthorityQuestion;
  }
  const ContextHandle place = pool_.acquire();
  if (!place) {
    return Status::kAuthorityBusy;
  }
  inquiry = &inquiries_[std::size_t(place.index)];
  inquiry->authority_ = this;
  inquiry->place_ = place;
  inquiry->question_ = question;
  MutableBytes room = inquiry->storage_;
  for (const auto part : parts_of()) {
    const Bytes from = question.*part;
    std::ranges::copy(from, room.begin());
    inquiry->question_.*part = room.first(from.size());
    room = room.subspan(from.size());
  }
  inquiry->context_ = context;
  inquiry->tag_ = tag;
  inquiry->asker_ = &asker;
  // Relaxed: begin's own way to another thread publishes it with the question.
  inquiry->state_.store(Inquiry::State::kAsked, std::memory_order_relaxed);
  begin(*inquiry);
  return Status::kAsked;
}

bool Authority::abandon(Inquiry& inquiry) noexcept {
  const ContextHandle place = inquiry.place_;  // Ours to read for the last time.
  auto expected = Inquiry::State::kAsked;
  // Released to finish, which wipes what the asker may just have read. Acquired if finish was
  // faster: then the asker may read the answer.
  const bool in_time = inquiry.state_.compare_exchange_strong(
      expected, Inquiry::State::kAbandoned, std::memory_order_release, std::memory_order_acquire);
  if (in_time) {
    abandoned(place);
  }
  return in_time;
}

void Authority::finish(Inquiry& inquiry) noexcept {
  auto expected = Inquiry::State::kAsked;
  // Released to an abandon that comes too late. Acquired from one that was faster: its asker, which
  // may not even exist any more, has read its last of this inquiry.
  if (inquiry.state_.compare_exchange_strong(expected, Inquiry::State::kAnswered,
                                             std::memory_order_release,
                                             std::memory_order_acquire)) {
    inquiry.asker_->answered(inquiry);  // From here on it may be closed, and somebody else's.
  } else {
    assert(expected == Inquiry::State::kAbandoned);
    recycle(inquiry);
  }
}

bool Authority::wanted(const Inquiry& inquiry) noexcept {
  return inquiry.state_.load(std::memory_order_relaxed) == Inquiry::State::kAsked;
}

void Authority::close(Inquiry& inquiry) noexcept {
  assert(inquiry.state_.load(std::memory_order_relaxed) == Inquiry::State::kAnswered);
  recycle(inquiry);
}

void Authority::recycle(Inquiry& inquiry) noexcept {
  inquiry.answer.clear();
  inquiry.question_ = {};
  usher::wipe(inquiry.storage_);
  inquiry.context_ = {};
  inquiry.tag_ = 0;
  inquiry.asker_ = nullptr;
  // Relaxed: release publishes it, and all of the above, to the acquire of the next question.
  inquiry.state_.store(Inquiry::State::kFree, std::memory_order_relaxed);
  pool_.release(inquiry.place_);
}

}  // namespace usher::auth
