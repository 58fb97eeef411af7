// How long things took, in buckets of fixed number: nothing is allocated for what is recorded.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace load {

// Histogram counts durations in nanoseconds. Up to 255 ns each value has a bucket of its own;
// above, every power of two has 128, so that a percentile is at most 1/128 too large and never too
// small. Not for threads.
class Histogram {
 public:
  // record counts one duration; what is beyond kNanosecondsMax (18 minutes) counts as that.
  void record(std::uint64_t nanoseconds) noexcept {
    const std::uint64_t value = nanoseconds < kNanosecondsMax ? nanoseconds : kNanosecondsMax;
    ++buckets_[bucket_of(value)];
    ++count_;
    max_ = value > max_ ? value : max_;
  }

  // percentile returns, in nanoseconds, the end of the bucket of the shortest duration that at
  // least `percent` of all were not longer than; 0 if there are none. 100 gives max().
  [[nodiscard]] std::uint64_t percentile(double percent) const noexcept;

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] std::uint64_t max() const noexcept { return max_; }  // The longest, exactly.

  static constexpr std::size_t kWidthMax = 40;  // Bits.
  static constexpr std::uint64_t kNanosecondsMax = (std::uint64_t{1} << kWidthMax) - 1;

 private:
  static constexpr std::size_t kBits = 7;
  static constexpr std::size_t kPerPower = std::size_t{1} << kBits;

  // Values of kBits + 1 bits and fewer are their own index; of longer ones the leading kBits + 1
  // bits are kept, and each further bit moves on by kPerPower.
  static constexpr std::size_t bucket_of(std::uint64_t value) noexcept {
    const auto width = static_cast<std::size_t>(std::bit_width(value | kPerPower));
    const std::size_t dropped = width - (kBits + 1);
    return dropped * kPerPower + (value >> dropped);
  }
  static constexpr std::uint64_t end_of(std::size_t bucket) noexcept {
    const std::size_t dropped = bucket < 2 * kPerPower ? 0 : bucket / kPerPower - 1;
    return ((std::uint64_t{bucket - dropped * kPerPower} + 1) << dropped) - 1;
  }

  std::array<std::uint64_t, (kWidthMax - kBits + 1) * kPerPower> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace load
