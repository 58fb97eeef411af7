// A client of the asynchronous server: what is done with it whenever its socket or the library has
// something new. Nothing here waits.
#pragma once

#include <sys/epoll.h>

#include <chrono>
#include <cstdint>
#include <cstdio>

#include <security.h>
#include <usher/async.h>
#include <windows.h>

#include "context.h"
#include "frames.h"
#include "server.h"

namespace sample {

using Clock = std::chrono::steady_clock;

inline constexpr std::chrono::seconds kIdle(30);
inline constexpr std::uint32_t kSignOnMilliseconds = 10'000;

// Async is an SspiAsyncContext whose completions come through a queue.
class Async {
 public:
  Async(USHER_COMPLETIONS* queue, void* data) : handle_(SspiCreateAsyncContext()) {
    if (handle_ == nullptr) {
      throw std::runtime_error("turned away, there are too many");
    }
    must(usher_async_set_completions(handle_.get(), queue, data), "no completions");
    must(usher_async_set_deadline(handle_.get(), kSignOnMilliseconds), "no deadline");
  }
  [[nodiscard]] SspiAsyncContext* get() const { return handle_.get(); }

 private:
  struct Free {
    void operator()(SspiAsyncContext* handle) const { SspiFreeAsyncContext(handle); }
  };
  std::unique_ptr<SspiAsyncContext, Free> handle_;
};

// Connection is a client in one of three states: its next frame is being received, its token is
// with the library, or the answer is being sent. What it is not doing, it is not waited for.
class Connection {
 public:
  enum class State : std::uint8_t { kReceiving, kAccepting, kSending, kEnded };

  Connection(unsigned number, Descriptor socket, Credential& credential, USHER_COMPLETIONS* queue)
      : number_(number), socket_(std::move(socket)), credential_(credential), async_(queue, this) {}

  [[nodiscard]] int socket() const { return socket_.get(); }
  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] std::uint32_t waits_for() const {
    return state_ == State::kReceiving ? EPOLLIN : EPOLLOUT;
  }

  // proceed goes on until the socket or the library has to be waited for.
  void proceed() {
    guarded([this] {
      while (state_ == State::kReceiving ? receive() : state_ == State::kSending && send()) {
      }
    });
  }

  // completed is the end of the accept that was pending.
  void completed(SECURITY_STATUS status) {
    guarded([&] {
      refused_ = FAILED(status);
      if (refused_) {
        SspiGetAsyncCallStatus(async_.get());  // The words are those of the operation then.
        say(refusal("refused", status).what());
      } else if (status == SEC_E_OK) {
        must_protect(granted_);
        say("signed on as " + context_.client());
        signed_on_ = true;
      }
      SspiReinitAsyncContext(async_.get());
      answer({&reply_, 1});  // Whatever the status: a refused client may get a token, too.
    });
    proceed();
  }

  // look_at_clock ends a client that has kept us waiting for too long.
  void look_at_clock(Clock::time_point now) {
    if (state_ != State::kAccepting && now > deadline_) {
      end("nothing came for too long");
    }
  }
  void cancel() { usher_async_cancel(async_.get()); }

 private:
  template <class Step>
  void guarded(Step step) {
    try {
      step();
    } catch (const std::exception& error) {
      end(error.what());
    }
  }
  void end(const std::string& why) {
    say(why);
    state_ = State::kEnded;
  }
  void say(const std::string& text) const { sample::say(number_, text); }

  // receive takes what is there. False if there is nothing more to do now.
  bool receive() {
    const std::size_t wanted = have_ < FRAME_HEAD_SIZE ? FRAME_HEAD_SIZE : frame_end();
    const ssize_t got = ::recv(socket(), in_.data() + have_, wanted - have_, 0);
    if (got == 0 && have_ == 0) {
      end("leaves after " + std::to_string(messages_) + " messages");
      return false;
    }
    if (got <= 0) {
      return got < 0 && errno == EAGAIN
                 ? false
                 : throw std::runtime_error(got < 0 ? std::strerror(errno)
                                                    : "the connection ended inside a frame");
    }
    have_ += static_cast<std::size_t>(got);
    if (have_ >= FRAME_HEAD_SIZE && frame_end() > in_.size()) {
      throw std::runtime_error("a frame is too long");
    }
    if (have_ >= FRAME_HEAD_SIZE && have_ == frame_end()) {
      const std::span<BYTE> frame = std::span(in_).first(have_).subspan(FRAME_HEAD_SIZE);
      have_ = 0;
      signed_on_ ? take_message(frame) : take_token(frame);
    }
    return true;
  }
  [[nodiscard]] std::size_t frame_end() const {
    return FRAME_HEAD_SIZE + (in_[0] | std::size_t{in_[1]} << 8 | std::size_t{in_[2]} << 16 |
                              std::size_t{in_[3]} << 24);
  }

  // take_token gives a token to the library. Whatever it is told of here stays where it is, and
  // nobody touches it, until the operation has completed.
  void take_token(std::span<BYTE> frame) {
    room_.resize(kFrameMax);
    token_ = {static_cast<ULONG>(frame.size()), SECBUFFER_TOKEN, frame.data()};
    reply_ = {static_cast<ULONG>(room_.size()), SECBUFFER_TOKEN, room_.data()};
    must(SspiAcceptSecurityContextAsync(async_.get(), credential_.get(), context_.old(), &input_,
                                        kRequest, SECURITY_NATIVE_DREP, context_.fresh(), &output_,
                                        &granted_, nullptr),
         "no sign-on");
    state_ = State::kAccepting;
  }

  // take_message opens a message and seals it again: microseconds, for which no worker is needed.
  void take_message(std::span<BYTE> frame) {
    answer(context_.seal(context_.open(frame), room_));
    ++messages_;
  }

  // answer makes one frame of the buffers, or none of nothing, and begins to send it.
  void answer(std::span<const SecBuffer> buffers) {
    out_.assign(FRAME_HEAD_SIZE, 0);
    for (const SecBuffer& buffer : buffers) {
      const auto* const bytes = static_cast<const BYTE*>(buffer.pvBuffer);
      out_.insert(out_.end(), bytes, bytes + buffer.cbBuffer);
    }
    const std::size_t size = out_.size() - FRAME_HEAD_SIZE;
    for (std::size_t i = 0; i < FRAME_HEAD_SIZE; ++i) {
      out_[i] = static_cast<BYTE>(size >> 8 * i);
    }
    sent_ = size > 0 ? 0 : out_.size();
    state_ = State::kSending;
    deadline_ = Clock::now() + kIdle;
  }

  bool send() {
    if (sent_ < out_.size()) {
      const ssize_t put = ::send(socket(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
      if (put < 0) {
        return errno == EAGAIN ? false : throw std::runtime_error(std::strerror(errno));
      }
      sent_ += static_cast<std::size_t>(put);
    }
    if (sent_ == out_.size()) {
      state_ = refused_ ? State::kEnded : State::kReceiving;
      deadline_ = Clock::now() + kIdle;
    }
    return true;
  }

  unsigned number_;
  Descriptor socket_;
  Credential& credential_;
  State state_ = State::kReceiving;
  bool signed_on_ = false;
  bool refused_ = false;
  unsigned messages_ = 0;
  Clock::time_point deadline_ = Clock::now() + kIdle;
  std::vector<BYTE> in_ = std::vector<BYTE>(FRAME_HEAD_SIZE + kFrameMax);
  std::size_t have_ = 0;  // Of in_.
  std::vector<BYTE> out_;
  std::size_t sent_ = 0;  // Of out_.
  // The pending accept's.
  std::vector<BYTE> room_;
  SecBuffer token_{};
  SecBuffer reply_{};
  SecBufferDesc input_{SECBUFFER_VERSION, 1, &token_};
  SecBufferDesc output_{SECBUFFER_VERSION, 1, &reply_};
  ULONG granted_ = 0;
  Context context_;
  Async async_;
};

}  // namespace sample
