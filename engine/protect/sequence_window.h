// Which of the peer's message numbers have been seen (RFC 2743 1.2.3, RFC 4121 4.2.6, RFC
// 4757 7.2).
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdint>

namespace usher::protect {

// SequenceVerdict is what a message's number says about its place among the others.
enum class SequenceVerdict : std::uint8_t {
  kNext,      // The one that was expected.
  kGap,       // Later than that: what lies between is lost or still on its way.
  kLate,      // One of those that were missing.
  kReplayed,  // Seen before.
  kOld,       // So far back that nobody knows any more, from before the first, or after the last.
};

// SequenceWindowOf tells fresh numbers from replayed and old ones, and whether they come in order,
// as far back as kReach numbers. It is asked only about messages whose checksum is right, so that
// nobody else can move it. One thread at a time.
template <unsigned kReach>
class SequenceWindowOf {
 public:
  // `first` is the number the peer begins with; numbers are `number_bits` wide (64 with AES, 32
  // with RC4) and wrap, but none comes twice: the last is the second before `first`, for the one
  // before it may be a mechListMIC's. kReach is at most half of what there are.
  SequenceWindowOf(std::uint64_t first, unsigned number_bits) noexcept
      : mask_(number_bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << number_bits) - 1),
        first_(first) {
    assert(number_bits <= 64 && kReach <= mask_ / 2 + 1);
  }

  // note takes a number into account and judges it; kReplayed and kOld change nothing.
  [[nodiscard]] SequenceVerdict note(std::uint64_t number) noexcept {
    const std::uint64_t ahead = (number - first_ - place_.next) & mask_;
    if (ahead <= mask_ / 2) {
      // Behind the last the numbers begin again, and with them what was recorded.
      if (place_.next >= mask_ || ahead >= mask_ - place_.next) {
        return SequenceVerdict::kOld;
      }
      pass(ahead);
      mark(place_.next++);
      return ahead == 0 ? SequenceVerdict::kNext : SequenceVerdict::kGap;
    }
    const std::uint64_t behind = mask_ - ahead + 1;
    if (behind > kReach || behind > place_.next) {
      return SequenceVerdict::kOld;
    }
    const std::uint64_t count = place_.next - behind;
    if (is_marked(count)) {
      return SequenceVerdict::kReplayed;
    }
    mark(count);
    return SequenceVerdict::kLate;
  }

  static constexpr unsigned kWordBits = 64;

  // Place is how far a window has come, for another one with the same first number to go on from;
  // any values are a place. Equal ones judge alike.
  struct Place {
    std::uint64_t next = 0;  // How many come before the expected one; counted from the first.
    std::array<std::uint64_t, (kReach + kWordBits - 1) / kWordBits> seen{};
    friend bool operator==(const Place&, const Place&) = default;
  };
  [[nodiscard]] const Place& place() const noexcept { return place_; }
  void go_on_from(const Place& place) noexcept { place_ = place; }

 private:
  // pass leaves `skipped` numbers behind as not seen.
  void pass(std::uint64_t skipped) noexcept {
    if (skipped >= kReach) {
      place_.seen = {};
    } else {
      for (std::uint64_t i = 0; i < skipped; ++i) {
        word_of(place_.next + i) &= ~bit_of(place_.next + i);
      }
    }
    place_.next += skipped;
  }

  void mark(std::uint64_t count) noexcept { word_of(count) |= bit_of(count); }
  bool is_marked(std::uint64_t count) noexcept { return (word_of(count) & bit_of(count)) != 0; }
  std::uint64_t& word_of(std::uint64_t count) noexcept {
    return place_.seen[count % kReach / kWordBits];
  }
  static std::uint64_t bit_of(std::uint64_t count) noexcept {
    return std::uint64_t{1} << count % kReach % kWordBits;
  }

  std::uint64_t mask_;
  std::uint64_t first_;
  Place place_;
};

// As far back as reordering may reach.
using SequenceWindow = SequenceWindowOf<1024>;

}  // namespace usher::protect
