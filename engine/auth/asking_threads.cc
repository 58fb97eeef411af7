#include "engine/auth/asking_threads.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cassert>
#include <exception>
#include <latch>
#include <thread>
#include <vector>

#include "engine/limits.h"
#include "engine/signals_blocked.h"
#include "engine/slots/waiting_mailbox.h"

namespace usher::auth {
namespace {

using MakeAnswerer = std::function<std::unique_ptr<Answerer>()>;

class AskingThreads final : public Authority {
 public:
  explicit AskingThreads(const AskingOptions& options)
      : Authority(options.inquiries_max, options.deadline_ms * 1000),
        cells_(std::bit_ceil(std::max<std::size_t>(options.inquiries_max, 2))),
        thread_count_(options.threads),
        ready_(static_cast<std::ptrdiff_t>(options.threads)) {}
  ~AskingThreads() override;
  AskingThreads(const AskingThreads&) = delete;
  AskingThreads& operator=(const AskingThreads&) = delete;

  // start starts the threads and waits until all have their Answerers; false if one has none.
  [[nodiscard]] bool start(const MakeAnswerer& make_answerer);

 private:
  void begin(Inquiry& inquiry) noexcept override;
  // live is what each thread does: it makes its Answerer, and runs.
  void live(const MakeAnswerer& make_answerer) noexcept;
  // run answers inquiries until the destructor says stop.
  void run(Answerer& answerer) noexcept;

  std::vector<WaitingMailbox<Inquiry*>::Cell> cells_;
  WaitingMailbox<Inquiry*> queue_{cells_};
  std::size_t thread_count_;
  std::latch ready_;                  // Each thread has tried to make its Answerer,
  std::atomic<bool> complete_{true};  // and none has failed.
  std::vector<std::thread> threads_;
};

bool AskingThreads::start(const MakeAnswerer& make_answerer) {
  threads_.reserve(thread_count_);
  try {
    const SignalsBlocked blocked;
    while (threads_.size() < thread_count_) {
      threads_.emplace_back([this, &make_answerer] { live(make_answerer); });
    }
  } catch (const std::exception&) {  // std::system_error or std::bad_alloc.
    complete_.store(false, std::memory_order_relaxed);
    ready_.count_down(static_cast<std::ptrdiff_t>(thread_count_ - threads_.size()));
  }
  ready_.wait();
  return complete_.load(std::memory_order_relaxed);
}

void AskingThreads::live(const MakeAnswerer& make_answerer) noexcept {
  pthread_setname_np(pthread_self(), "usher-asking");
  std::unique_ptr<Answerer> answerer;
  try {
    answerer = make_answerer();
  } catch (const std::exception&) {
    // Out of memory, most likely: as if it had given null.
  }
  if (answerer == nullptr) {
    complete_.store(false, std::memory_order_relaxed);  // The latch publishes it.
  }
  ready_.count_down();  // From here on make_answerer may be gone.
  if (answerer != nullptr) {
    run(*answerer);
  }
}

AskingThreads::~AskingThreads() {
  queue_.stop();
  for (std::thread& thread : threads_) {
    thread.join();
  }
  // What no thread has come to, as a cleared answer says: kAuthorityFailed.
  Inquiry* inquiry = nullptr;
  while (queue_.take(inquiry)) {
    finish(*inquiry);
  }
}

void AskingThreads::begin(Inquiry& inquiry) noexcept {
  if (!queue_.post(&inquiry)) {
    // A thread stands still in the middle of a take, and the queue has come round to it.
    inquiry.answer.status = Status::kAuthorityBusy;
    finish(inquiry);
  }
}

void AskingThreads::run(Answerer& answerer) noexcept {
  Inquiry* inquiry = nullptr;
  while (queue_.wait_and_take(inquiry)) {
    if (wanted(*inquiry)) {
      answerer.answer(inquiry->question(), inquiry->answer);
    }
    finish(*inquiry);
  }
}

}  // namespace

std::unique_ptr<Authority> make_asking_threads(const AskingOptions& options,
                                               const MakeAnswerer& make_answerer) {
  assert(options.threads > 0 && options.threads <= kAuthorityThreadsMax);
  try {
    auto asking = std::make_unique<AskingThreads>(options);
    if (asking->start(make_answerer)) {
      return asking;
    }
  } catch (const std::exception&) {
    // Out of memory.
  }
  return nullptr;
}

}  // namespace usher::auth
