// engine/protect/sequence_window.h: what it says of a number is what a list of all numbers ever
// seen would say.
#include "engine/protect/sequence_window.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace usher::protect {
namespace {

using enum SequenceVerdict;

// Model remembers every number, counted from the first.
class Model {
 public:
  Model(std::uint64_t first, std::uint64_t mask, std::int64_t reach)
      : first_(first), mask_(mask), reach_(reach) {}

  SequenceVerdict note(std::uint64_t number) {
    // Of all counts that are this number, the one nearest to what is expected; forward if two are.
    const std::uint64_t wrapped = (number - first_ - static_cast<std::uint64_t>(next_)) & mask_;
    std::int64_t count = next_ + static_cast<std::int64_t>(wrapped);
    if (wrapped > mask_ / 2) {
      count -= static_cast<std::int64_t>(mask_) + 1;
    }
    if (count >= static_cast<std::int64_t>(mask_)) {
      return kOld;  // The numbers have come round: there are counts up to here only.
    }
    if (count >= next_) {
      seen_.insert(count);
      const bool expected = count == next_;
      next_ = count + 1;
      return expected ? kNext : kGap;
    }
    if (count < 0 || next_ - count > reach_) {
      return kOld;
    }
    return seen_.insert(count).second ? kLate : kReplayed;
  }

 private:
  std::uint64_t first_;
  std::uint64_t mask_;
  std::int64_t reach_;
  std::int64_t next_ = 0;
  std::set<std::int64_t> seen_;
};

TEST(SequenceWindow, AgreesWithAListOfAllNumbersWhateverComes) {
  constexpr unsigned kBits = 4;
  constexpr std::uint64_t kNumbers = 1u << kBits;
  constexpr unsigned kReach = 5;
  for (const std::uint64_t first : {0u, 3u, 15u}) {
    std::uint64_t sequences = 1;
    for (int length = 0; length < 5; ++length) {
      sequences *= kNumbers;
    }
    for (std::uint64_t sequence = 0; sequence < sequences; ++sequence) {
      SequenceWindowOf<kReach> window(first, kBits);
      Model model(first, kNumbers - 1, kReach);
      for (std::uint64_t left = sequence, i = 0; i < 5; ++i, left /= kNumbers) {
        const SequenceVerdict expected = model.note(left % kNumbers);
        ASSERT_EQ(window.note(left % kNumbers), expected) << sequence << " at " << i;
      }
    }
  }
}

TEST(SequenceWindow, AgreesForLongWithSmallSteps) {
  std::uint64_t state = 88172645463325252u;
  constexpr unsigned kBits = 15;  // Few enough that all are used up.
  constexpr std::uint64_t kMask = (1u << kBits) - 1;
  SequenceWindowOf<100> window(250, kBits);
  SequenceWindowOf<100> wide(~std::uint64_t{0} - 40, 64);
  Model model(250, kMask, 100);
  std::int64_t highest = 0;
  Model wide_model(~std::uint64_t{0} - 40, (std::uint64_t{1} << 62) - 1, 100);
  for (int i = 0; i < 200000; ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    const std::int64_t count = highest + static_cast<std::int64_t>(state % 128) - 120;
    highest = std::max(highest, count);
    const auto number = static_cast<std::uint64_t>(count + 250) & kMask;
    ASSERT_EQ(window.note(number), model.note(number)) << i;
    const std::uint64_t wide_number = ~std::uint64_t{0} - 40 + static_cast<std::uint64_t>(count);
    const std::uint64_t mask62 = (std::uint64_t{1} << 62) - 1;
    ASSERT_EQ(wide.note(wide_number), wide_model.note(wide_number & mask62)) << i;
  }
  EXPECT_EQ(window.place().next, kMask) << "it came to the end";
  EXPECT_GT(highest, static_cast<std::int64_t>(kMask + kMask / 4)) << "and others came after it";
}

// A peer that has sent so many could be made to say its first ones again.
TEST(SequenceWindow, WhatWasRecordedNeverComesRound) {
  for (const unsigned bits : {32u, 64u}) {
    const std::uint64_t mask = ~std::uint64_t{0} >> (64 - bits);
    const std::uint64_t half = mask / 2;
    for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{100}, mask}) {
      for (const std::uint64_t next :
           {half - 1, half, half + 1, half + 2, half + 3, mask - 2000, mask - 1, mask}) {
        for (const std::uint64_t recorded : {std::uint64_t{0}, std::uint64_t{1}, half - 2000}) {
          SequenceWindow window(first, bits);
          window.go_on_from({.next = next});
          EXPECT_EQ(window.note(first + recorded), kOld) << bits << ' ' << next << ' ' << recorded;
          EXPECT_EQ(window.note(first - 1), kOld) << "a mechListMIC's is none either: " << next;
          EXPECT_EQ(window.place().next, next);
        }
      }
    }
  }
}

TEST(SequenceWindow, TheLastNumberIsTheSecondBeforeTheFirst) {
  for (const unsigned bits : {32u, 64u}) {
    const std::uint64_t mask = ~std::uint64_t{0} >> (64 - bits);
    SequenceWindow window(7, bits);
    window.go_on_from({.next = mask - 2});
    EXPECT_EQ(window.note(7 + mask - 2), kNext);
    EXPECT_EQ(window.note(7 + mask - 1), kNext) << "the last";
    EXPECT_EQ(window.place().next, mask);
    EXPECT_EQ(window.note(7 + mask), kOld) << "a mechListMIC's";
    EXPECT_EQ(window.note(7), kOld) << "the first";
    EXPECT_EQ(window.note(8), kOld);
    EXPECT_EQ(window.note(7 + mask - 1), kReplayed);
    EXPECT_EQ(window.note(7 + mask - 2), kReplayed);
    EXPECT_EQ(window.note(7 + mask - 3), kLate) << "those that are missing may come";
    EXPECT_EQ(window.note(7 + mask - 3), kReplayed);
    EXPECT_EQ(window.place().next, mask);

    SequenceWindow skips(7, bits);
    skips.go_on_from({.next = mask - 2});
    EXPECT_EQ(skips.note(7 + mask), kOld);
    EXPECT_EQ(skips.note(7 + mask - 1), kGap);
    EXPECT_EQ(skips.note(7 + mask - 2), kLate);
  }
}

// Any values are a place.
TEST(SequenceWindow, APlaceBehindTheLastNumberTakesNothingNew) {
  SequenceWindow window(7, 32);
  for (const std::uint64_t next : {std::uint64_t{1} << 32, std::uint64_t{1} << 40, UINT64_MAX}) {
    window.go_on_from({.next = next});
    EXPECT_EQ(window.note(7 + next), kOld);
    EXPECT_EQ(window.note(8 + next), kOld);
    EXPECT_EQ(window.place().next, next);
  }
}

TEST(SequenceWindow, NumbersWrapAt32And64Bits) {
  SequenceWindow narrow(0xfffffffe, 32);
  for (const std::uint64_t number : {0xfffffffeu, 0xffffffffu, 0u, 1u}) {
    EXPECT_EQ(narrow.note(number), kNext) << number;
  }
  EXPECT_EQ(narrow.note(0xfffffffe), kReplayed);
  EXPECT_EQ(narrow.note(0xfffffffd), kOld) << "nothing came before the first";
  EXPECT_EQ(narrow.note(std::uint64_t{1} << 32 | 2), kNext) << "what has no place in it is ignored";

  SequenceWindow wide(~std::uint64_t{0}, 64);
  EXPECT_EQ(wide.note(~std::uint64_t{0}), kNext);
  EXPECT_EQ(wide.note(1), kGap);
  EXPECT_EQ(wide.note(0), kLate);
  EXPECT_EQ(wide.note(~std::uint64_t{0}), kReplayed);
  EXPECT_EQ(wide.note(std::uint64_t{1} << 32 | 1), kGap) << "64 bits are told apart";
}

TEST(SequenceWindow, AReplayedOrOldNumberChangesNothing) {
  for (const std::uint64_t again : {100u, 0u, 99u}) {
    SequenceWindow window(100, 64);
    SequenceWindow untouched(100, 64);
    for (const std::uint64_t number : {100u, 102u}) {
      EXPECT_EQ(window.note(number), untouched.note(number));
    }
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(window.note(again), again == 100 ? kReplayed : kOld);
    }
    for (const std::uint64_t number : {101u, 103u, 5000u, 4000u, 102u}) {
      EXPECT_EQ(window.note(number), untouched.note(number)) << number;
    }
  }
}

TEST(SequenceWindow, ReachesAsFarBackAsItSays) {
  for (const std::uint64_t back : {1023u, 1024u, 1025u}) {
    SequenceWindow window(0, 64);
    EXPECT_EQ(window.note(4999), kGap);
    EXPECT_EQ(window.note(5000 - back), back <= 1024 ? kLate : kOld) << back;
  }
}

}  // namespace
}  // namespace usher::protect
