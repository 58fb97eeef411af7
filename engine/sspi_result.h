// What an asynchronous operation came to, for whoever asks, at whatever time.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <optional>
#include <type_traits>

#include "engine/sspi_internal.h"

namespace usher::sspi {

// OperationResult is written by who has the operation, and copied by anybody: also by who asks
// late, when the operation has been freed and is another's, or is being written anew. Such a copy
// may be of no use, but it is not torn, and nothing of it stays a view of this.
//
// All of it is atomic words. Their writer makes `version_` odd first and even last; a reader that
// has seen the same even one before and after has what was written in between. Release at each
// store and acquire at each load keep that order: whoever reads a word of a later result sees its
// version, too.
class OperationResult {
 public:
  // set takes over `status` and, if it is an error, why the calling thread's last call was refused.
  void set(SECURITY_STATUS status) noexcept;

  // status is for who has the operation.
  [[nodiscard]] SECURITY_STATUS status() const noexcept {
    return status_.load(std::memory_order_relaxed);
  }

  // tell returns the status, and makes an error's words the calling thread's last refusal; nothing
  // if it was being written.
  [[nodiscard]] std::optional<SECURITY_STATUS> tell() const noexcept;

 private:
  static_assert(std::is_trivially_copyable_v<Refusal> &&
                sizeof(Refusal) % sizeof(std::uint64_t) == 0);
  using Words = std::array<std::uint64_t, sizeof(Refusal) / sizeof(std::uint64_t)>;

  std::atomic<SECURITY_STATUS> status_{0};
  std::atomic<std::uint32_t> version_{0};
  std::array<std::atomic<std::uint64_t>, std::tuple_size_v<Words>> words_{};
};

inline void OperationResult::set(SECURITY_STATUS status) noexcept {
  const std::uint32_t version = version_.load(std::memory_order_relaxed);
  version_.store(version + 1, std::memory_order_relaxed);
  status_.store(status, std::memory_order_release);
  if (status < 0) {
    Refusal refusal;
    keep_refusal(refusal);
    if (refusal.literal == refusal.text.data()) {
      refusal.literal = nullptr;  // Its own text, wherever that is.
    }
    const auto words = std::bit_cast<Words>(refusal);
    for (std::size_t i = 0; i < words.size(); ++i) {
      words_[i].store(words[i], std::memory_order_release);
    }
  }
  version_.store(version + 2, std::memory_order_release);
}

inline std::optional<SECURITY_STATUS> OperationResult::tell() const noexcept {
  const std::uint32_t version = version_.load(std::memory_order_acquire);
  const SECURITY_STATUS status = status_.load(std::memory_order_acquire);
  Words words{};
  if (status < 0) {
    for (std::size_t i = 0; i < words.size(); ++i) {
      words[i] = words_[i].load(std::memory_order_acquire);
    }
  }
  if (version % 2 != 0 || version_.load(std::memory_order_relaxed) != version) {
    return std::nullopt;
  }
  if (status < 0) {
    auto refusal = std::bit_cast<Refusal>(words);
    if (refusal.literal == nullptr) {
      refusal.literal = refusal.text.data();
    }
    tell_refusal(refusal);
  }
  return status;
}

}  // namespace usher::sspi
