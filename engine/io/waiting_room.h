// Tokens about which an authority is being asked: at most one of each connection.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "engine/auth/accept.h"
#include "engine/io/front_end.h"
#include "engine/io/index_queue.h"
#include "engine/io/waker.h"
#include "engine/slots/mailbox.h"

namespace usher::io {

// Waiting is such a token, as it was given to the acceptor.
struct Waiting {
  enum class Stage : std::uint8_t {
    kNobody,
    kAsked,
    kDue,  // Answered, or its time is over: on the list of those that go on.
  };

  Stage stage = Stage::kNobody;
  bool listed = false;               // On that list, perhaps for a predecessor that has left.
  auth::Inquiry* inquiry = nullptr;  // Null when its time is over.
  std::size_t consumed = 0;          // What the front end said of the bytes received.
  std::int64_t deadline_us = 0;      // Steady clock.
  auth::AcceptRequest request;
};

// WaitingRoom belongs to a worker's thread; only `answered` is called by others.
class WaitingRoom final : public auth::Asker {
 public:
  WaitingRoom() noexcept = default;
  ~WaitingRoom() { settle(); }
  WaitingRoom(const WaitingRoom&) = delete;
  WaitingRoom& operator=(const WaitingRoom&) = delete;

  // make gets memory for so many connections; 0 or a negative errno. `waker` is told when an answer
  // has come, and outlives the waiting room.
  [[nodiscard]] int make(std::uint32_t connection_count, Waker& waker) noexcept;

  // enter keeps a request whose verdict was kAsked. What its views name stays as it is until the
  // connection is done, or has left.
  void enter(ConnectionIndex index, const auth::AcceptRequest& request, auth::Inquiry& inquiry,
             std::size_t consumed, std::int64_t now_us) noexcept;

  // leave ends the waiting of a connection that is gone, if it was, and returns the context it was
  // about: nobody else has it. Default if it was not waiting.
  [[nodiscard]] ContextHandle leave(ConnectionIndex index) noexcept;

  // leave_settled is leave, and when it returns nothing of the inquiry is still to come: for who is
  // about to let the credential go whose authority was asked. It may have to wait for a thread that
  // is in the middle of telling the answer.
  [[nodiscard]] ContextHandle leave_settled(ConnectionIndex index) noexcept;

  // collect lists those that have been answered. expire gives up and lists those whose time would
  // be over when it is called again, `period_us` later.
  void collect() noexcept;
  void expire(std::int64_t now_us, std::int64_t period_us) noexcept;

  // any_due says whether somebody is listed. next takes the first one off: a second call of accept
  // is due with its request. False: there is none. done gives the inquiry back after that call.
  [[nodiscard]] bool any_due() const noexcept { return due_.size() > 0; }
  [[nodiscard]] bool next(ConnectionIndex& index, Waiting& out) noexcept;
  static void done(const Waiting& waiting) noexcept;

  // settle awaits what is still told about inquiries of connections that have left. All have.
  void settle() noexcept;

  void answered(auth::Inquiry& inquiry) noexcept override;

 private:
  using Answers = Mailbox<auth::Inquiry*>;

  void list(ConnectionIndex index) noexcept;

  std::span<Waiting> places_;  // One for each connection.
  IndexQueue due_;
  std::size_t untold_ = 0;  // Inquiries asked whose answer has neither come nor been given up.
  std::atomic<std::uint32_t> telling_{0};  // Threads inside `answered`.
  Waker* waker_ = nullptr;
  std::optional<Answers> answers_;

  std::unique_ptr<Waiting[]> place_memory_;
  std::unique_ptr<ConnectionIndex[]> due_memory_;
  std::unique_ptr<Answers::Cell[]> answer_memory_;
};

}  // namespace usher::io
