#include "engine/io/waiting_room.h"

#include <bit>
#include <cassert>
#include <cerrno>
#include <new>
#include <thread>
#include <utility>

namespace usher::io {

int WaitingRoom::make(std::uint32_t connection_count, Waker& waker) noexcept {
  // Answers that nobody waits for any more may lie beside those of the places' next tenants: of
  // each connection one since they were collected last, and one of each thread that is just
  // answering.
  const std::size_t answers_max =
      std::bit_ceil(std::size_t{2} * connection_count + kAuthorityThreadsMax);
  place_memory_.reset(new (std::nothrow) Waiting[connection_count]);
  due_memory_.reset(new (std::nothrow) ConnectionIndex[connection_count]);
  answer_memory_.reset(new (std::nothrow) Answers::Cell[answers_max]);
  if (place_memory_ == nullptr || due_memory_ == nullptr || answer_memory_ == nullptr) {
    return -ENOMEM;
  }
  places_ = {place_memory_.get(), connection_count};
  due_.use({due_memory_.get(), connection_count});
  answers_.emplace(std::span(answer_memory_.get(), answers_max));
  waker_ = &waker;
  return 0;
}

void WaitingRoom::settle() noexcept {
  // Acquired from each `answered`, which touches nothing of ours after that.
  while (untold_ > 0 || telling_.load(std::memory_order_acquire) > 0) {
    collect();
    std::this_thread::yield();
  }
}

void WaitingRoom::enter(ConnectionIndex index, const auth::AcceptRequest& request,
                        auth::Inquiry& inquiry, std::size_t consumed,
                        std::int64_t now_us) noexcept {
  Waiting& place = places_[std::size_t(index)];
  assert(place.stage == Waiting::Stage::kNobody);
  const bool listed = place.listed;
  place = {.stage = Waiting::Stage::kAsked,
           .listed = listed,
           .inquiry = &inquiry,
           .consumed = consumed,
           .deadline_us = now_us + request.credential->authority->deadline_us(),
           .request = request};
  ++untold_;
}

ContextHandle WaitingRoom::leave(ConnectionIndex index) noexcept {
  Waiting& place = places_[std::size_t(index)];
  if (place.stage == Waiting::Stage::kNobody) {
    return {};
  }
  if (place.stage == Waiting::Stage::kDue) {
    done(place);
  } else if (place.inquiry->authority().abandon(*place.inquiry)) {
    --untold_;
  }  // Else the word of it is on its way, and collect will find nobody there.
  place.stage = Waiting::Stage::kNobody;
  place.inquiry = nullptr;
  return place.request.context;
}

ContextHandle WaitingRoom::leave_settled(ConnectionIndex index) noexcept {
  Waiting& place = places_[std::size_t(index)];
  while (place.stage == Waiting::Stage::kAsked) {
    if (place.inquiry->authority().abandon(*place.inquiry)) {
      --untold_;
      place.stage = Waiting::Stage::kNobody;
      place.inquiry = nullptr;
      return place.request.context;
    }
    collect();  // It has been answered, and the word of it comes this moment.
    std::this_thread::yield();
  }
  return leave(index);
}

void WaitingRoom::collect() noexcept {
  auth::Inquiry* inquiry = nullptr;
  while (answers_ && answers_->take(inquiry)) {
    --untold_;
    const auto index = ConnectionIndex(static_cast<std::uint32_t>(inquiry->tag()));
    Waiting& place = places_[std::size_t(index)];
    if (place.stage == Waiting::Stage::kAsked && place.inquiry == inquiry) {
      place.stage = Waiting::Stage::kDue;
      list(index);
    } else {
      inquiry->authority().close(*inquiry);
    }
  }
}

void WaitingRoom::expire(std::int64_t now_us, std::int64_t period_us) noexcept {
  for (std::uint32_t number = 0; number < places_.size(); ++number) {
    Waiting& place = places_[number];
    const bool over =
        place.stage == Waiting::Stage::kAsked && now_us + period_us > place.deadline_us;
    if (over && place.inquiry->authority().abandon(*place.inquiry)) {
      --untold_;
      place.stage = Waiting::Stage::kDue;
      place.inquiry = nullptr;
      list(ConnectionIndex(number));
    }
  }
}

void WaitingRoom::list(ConnectionIndex index) noexcept {
  if (!std::exchange(places_[std::size_t(index)].listed, true)) {
    due_.push(index);
  }
}

bool WaitingRoom::next(ConnectionIndex& index, Waiting& out) noexcept {
  while (due_.size() > 0) {
    index = due_.pop();
    Waiting& place = places_[std::size_t(index)];
    place.listed = false;
    if (place.stage == Waiting::Stage::kDue) {
      out = place;
      out.request.resumed = true;
      out.request.inquiry = out.inquiry;
      place.stage = Waiting::Stage::kNobody;
      place.inquiry = nullptr;
      return true;
    }
  }
  return false;
}

void WaitingRoom::done(const Waiting& waiting) noexcept {
  if (waiting.inquiry != nullptr) {
    waiting.inquiry->authority().close(*waiting.inquiry);
  }
}

void WaitingRoom::answered(auth::Inquiry& inquiry) noexcept {
  telling_.fetch_add(1, std::memory_order_relaxed);
  [[maybe_unused]] const bool posted = answers_->post(&inquiry);
  assert(posted);  // There is room for more than can be on its way.
  waker_->wake();
  telling_.fetch_sub(1, std::memory_order_release);
}

}  // namespace usher::io
