// Promise: channel bindings are hashed as the specifications say, and every combination of policy,
// caller and client is decided by exactly one row of a table.
#include "engine/auth/bindings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "tests/hex.h"

namespace usher::auth {
namespace {

using testing::hex;
using Octets = std::vector<std::uint8_t>;

Octets octets_of(std::string_view text) { return {text.begin(), text.end()}; }

// The caller: what it passes to compare with.
enum Caller : unsigned { kNothing = 1, kOwn = 2, kProxy = 4, kOwnAndProxy = 8 };
constexpr unsigned kHasOwn = kOwn | kOwnAndProxy;
constexpr unsigned kAsks = kHasOwn | kProxy;
// The client's hash.
enum Hash : unsigned { kNone = 1, kZeros = 2, kRight = 4, kOther = 8 };
enum Level : unsigned { kWhenSupported = 1, kAlways = 2, kNever = 4 };
enum Bool : unsigned { kNo = 1, kYes = 2 };
constexpr unsigned kAny = ~0u;

// Row says what comes of all combinations whose parts are in its sets. `status` is the refusal if
// nobody only audits.
struct Row {
  unsigned level;
  unsigned zero_is_present;
  unsigned caller;
  unsigned allow_missing;
  unsigned hash;
  unsigned enlightened;
  BindingResult result;
  Status status;
};
constexpr Row kTable[] = {
    {kNever, kAny, kAny, kAny, kAny, kAny, BindingResult::kUnchecked, Status::kContinue},
    // Nothing to compare with.
    {kWhenSupported, kAny, kNothing, kAny, kAny, kAny, BindingResult::kUnchecked,
     Status::kContinue},
    {kAlways, kAny, kNothing, kAny, kAny, kAny, BindingResult::kUnchecked,
     Status::kBindingsUnknown},
    // The client sent some.
    {kWhenSupported | kAlways, kAny, kHasOwn, kAny, kRight, kAny, BindingResult::kMatched,
     Status::kContinue},
    {kWhenSupported | kAlways, kAny, kHasOwn, kAny, kOther, kAny, BindingResult::kMismatched,
     Status::kBindingsWrong},
    {kWhenSupported | kAlways, kAny, kProxy, kAny, kRight | kOther, kAny, BindingResult::kProxied,
     Status::kContinue},
    // Zeros, where policy says that they are some.
    {kWhenSupported | kAlways, kYes, kAsks, kAny, kZeros, kAny, BindingResult::kMismatched,
     Status::kBindingsWrong},
    // None, from a client that says it would send some.
    {kWhenSupported | kAlways, kNo, kAsks, kAny, kZeros, kYes, BindingResult::kAbsent,
     Status::kBindingsWrong},
    {kWhenSupported | kAlways, kAny, kAsks, kAny, kNone, kYes, BindingResult::kAbsent,
     Status::kBindingsWrong},
    // None, from any other.
    {kWhenSupported, kNo, kAsks, kYes, kZeros, kNo, BindingResult::kAbsentAllowed,
     Status::kContinue},
    {kWhenSupported, kAny, kAsks, kYes, kNone, kNo, BindingResult::kAbsentAllowed,
     Status::kContinue},
    {kWhenSupported, kNo, kAsks, kNo, kZeros, kNo, BindingResult::kAbsent,
     Status::kBindingsMissing},
    {kWhenSupported, kAny, kAsks, kNo, kNone, kNo, BindingResult::kAbsent,
     Status::kBindingsMissing},
    {kAlways, kNo, kAsks, kAny, kZeros, kNo, BindingResult::kAbsent, Status::kBindingsMissing},
    {kAlways, kAny, kAsks, kAny, kNone, kNo, BindingResult::kAbsent, Status::kBindingsMissing},
};

const Octets kRightHash = hex("a8398e96473163fef6cae76013e8ab5a");
const Octets kOtherHash = hex("a8398e96473163fef6cae76013e8ab5b");
const Octets kZeroHash(16, 0);

struct Combination {
  unsigned level, zero_is_present, caller, allow_missing, hash, enlightened;
  bool audit;

  [[nodiscard]] BindingVerdict judge() const {
    Policy policy;
    policy.bindings = level == kNever    ? BindingPolicy::kNever
                      : level == kAlways ? BindingPolicy::kAlways
                                         : BindingPolicy::kWhenSupported;
    policy.zero_bindings_present = zero_is_present == kYes;
    const BindingDemand demand{.allow_missing = allow_missing == kYes,
                               .proxy = (caller & (kProxy | kOwnAndProxy)) != 0,
                               .audit = audit};
    ChannelBindings ours;
    ours.given = (caller & kHasOwn) != 0;
    if (ours.given) {
      std::ranges::copy(kRightHash, ours.hash.begin());
    }
    const ClientBindings client{.hash = hash == kNone    ? Bytes{}
                                        : hash == kZeros ? Bytes(kZeroHash)
                                        : hash == kRight ? Bytes(kRightHash)
                                                         : Bytes(kOtherHash),
                                .enlightened = enlightened == kYes};
    return judge_bindings(policy, demand, ours, client);
  }
  [[nodiscard]] bool is_in(const Row& row) const {
    return (row.level & level) != 0 && (row.zero_is_present & zero_is_present) != 0 &&
           (row.caller & caller) != 0 && (row.allow_missing & allow_missing) != 0 &&
           (row.hash & hash) != 0 && (row.enlightened & enlightened) != 0;
  }
};

std::vector<Combination> all_combinations() {
  std::vector<Combination> all;
  for (const unsigned level : {kWhenSupported, kAlways, kNever}) {
    for (const unsigned zero : {kNo, kYes}) {
      for (const unsigned caller : {kNothing, kOwn, kProxy, kOwnAndProxy}) {
        for (const unsigned missing : {kNo, kYes}) {
          for (const unsigned hash : {kNone, kZeros, kRight, kOther}) {
            for (const unsigned enlightened : {kNo, kYes}) {
              for (const bool audit : {false, true}) {
                all.push_back({level, zero, caller, missing, hash, enlightened, audit});
              }
            }
          }
        }
      }
    }
  }
  return all;
}

TEST(Bindings, EveryCombinationIsDecidedByOneRow) {
  const std::vector<Combination> all = all_combinations();
  EXPECT_EQ(all.size(), 3u * 2 * 4 * 2 * 4 * 2 * 2);
  std::vector<bool> used(std::size(kTable));
  for (const Combination& c : all) {
    const auto row = std::ranges::find_if(kTable, [&](const Row& r) { return c.is_in(r); });
    ASSERT_EQ(std::ranges::count_if(kTable, [&](const Row& r) { return c.is_in(r); }), 1)
        << c.level << ' ' << c.zero_is_present << ' ' << c.caller << ' ' << c.hash;
    used[static_cast<std::size_t>(row - std::begin(kTable))] = true;
    const BindingVerdict verdict = c.judge();
    const auto number = row - std::begin(kTable);
    EXPECT_EQ(verdict.result, row->result) << "row " << number;
    // Audits refuse nothing, but do not outweigh an operator's `always`.
    EXPECT_EQ(verdict.status, c.audit && c.level != kAlways ? Status::kContinue : row->status)
        << "row " << number;
    EXPECT_EQ(verdict.client_supports,
              c.level != kNever && (c.hash == kRight || c.hash == kOther || c.enlightened == kYes));
  }
  EXPECT_EQ(std::ranges::count(used, true), std::ssize(kTable)) << "every row is needed";
}

TEST(Bindings, EveryBitOfTheHashCounts) {
  ChannelBindings ours{.given = true};
  std::ranges::copy(kRightHash, ours.hash.begin());
  EXPECT_EQ(judge_bindings({}, {}, ours, {.hash = kRightHash}).result, BindingResult::kMatched);
  for (std::size_t bit = 0; bit < 8 * kRightHash.size(); ++bit) {
    Octets flipped = kRightHash;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    EXPECT_EQ(judge_bindings({}, {}, ours, {.hash = flipped}).status, Status::kBindingsWrong);
  }
}

class BindingHash : public ::testing::Test {
 protected:
  Octets hash_of(const BindingFields& fields) {
    EXPECT_TRUE(make_bindings(*kit, fields, made));
    EXPECT_TRUE(made.given);
    return {made.hash.begin(), made.hash.end()};
  }
  std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
  ChannelBindings made;
};

TEST_F(BindingHash, OfApplicationDataIsWhatClientsSend) {
  // Recorded: the SHA-256 of the text "certificate".
  Octets data = octets_of("tls-server-end-point:");
  const Octets digest = hex("03d66dd08835c1ca3f128cceacd1f31ac94163096b20f445ae84285bc0832d72");
  data.insert(data.end(), digest.begin(), digest.end());
  EXPECT_EQ(hash_of({.application_data = data}), kRightHash);
}

TEST_F(BindingHash, OfAllFieldsIsTheirMd5) {
  const Octets v4 = {192, 0, 2, 1};
  const Octets v6 = hex("20010db8000000000000000000000001");
  const Octets data = octets_of("data");
  EXPECT_EQ(hash_of({.initiator_address_type = 2,
                     .initiator_address = v4,
                     .acceptor_address_type = 24,
                     .acceptor_address = v6,
                     .application_data = data}),
            hex("cb9273a86efe7284e3758a21e2389444"));
  EXPECT_EQ(made.initiator_address_type, 2);
  EXPECT_EQ(made.initiator_address.data(), v4.data());
  EXPECT_EQ(hash_of({}), hex("441018525208457705bf09a8ee3c1093")) << "the MD5 of twenty zeros";
}

TEST_F(BindingHash, NoFieldCanPassForAnother) {
  const Octets a = octets_of("ab");
  const Octets b = octets_of("abab");
  std::vector<Octets> hashes = {
      hash_of({.initiator_address = a}),
      hash_of({.acceptor_address = a}),
      hash_of({.application_data = a}),
      hash_of({.application_data = b}),
      hash_of({.initiator_address = a, .application_data = a}),
      hash_of({.initiator_address_type = 2, .initiator_address = a}),
      hash_of({.acceptor_address_type = 2, .acceptor_address = a}),
  };
  std::ranges::sort(hashes);
  EXPECT_EQ(std::ranges::adjacent_find(hashes), hashes.end());
}

}  // namespace
}  // namespace usher::auth
