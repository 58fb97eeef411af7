// engine/slots/published.h: in no order of readers and a writer is a value gone while it is read.
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <vector>

#include "engine/slots/published.h"
#include "tests/interleave.h"

namespace usher {
namespace {

using testing::Interleaver;
using Bodies = std::vector<Interleaver::Body>;

// Value is on the list of the living from its construction to its destruction. Threads under
// exploration run one at a time, so the list needs no lock.
struct Value {
  Value() { living.insert(this); }
  ~Value() { living.erase(this); }
  Value(const Value&) = delete;
  Value& operator=(const Value&) = delete;

  static inline std::set<const Value*> living;
};

using Shared = Published<Value, testing::SteppedAtomic>;

class PublishedOrder : public ::testing::Test {
 protected:
  void fresh(std::size_t replacements) {
    shared.reset();
    next.clear();
    for (std::size_t i = 0; i < replacements; ++i) {
      next.push_back(std::make_unique<const Value>());
    }
    // Made last: no replacement can get the address of a value that was destroyed.
    shared = std::make_unique<Shared>(std::make_unique<const Value>());
    seen.clear();
  }
  void read() {
    const auto value = shared->borrow();
    const Value* const address = &*value;
    ASSERT_EQ(Value::living.count(address), 1u) << "borrowed a value that is gone";
    seen.push_back(address);
    Interleaver::step();
    ASSERT_EQ(Value::living.count(address), 1u) << "destroyed under its reader";
  }
  void write(std::size_t replacement) {
    shared->replace(std::move(next[replacement]));
    Interleaver::step();
  }
  static void expect_one_left() {
    ASSERT_EQ(Value::living.size(), 1u) << "replace has not destroyed every old value";
  }

  std::vector<std::unique_ptr<const Value>> next;
  std::unique_ptr<Shared> shared;
  std::vector<const Value*> seen;
};

TEST_F(PublishedOrder, OneReplaceBesideTwoReaders) {
  const auto make = [&]() -> Bodies {
    fresh(1);
    return {[&] { write(0); }, [&] { read(); }, [&] { read(); }};
  };
  EXPECT_GE(Interleaver::explore(make, expect_one_left), HasFailure() ? 0 : 500);
}

// After two replacements the first place is current again: a reader that has stalled since before
// the first one holds it for the one it knew.
TEST_F(PublishedOrder, TwoReplacesBesideAStallingReader) {
  const auto make = [&]() -> Bodies {
    fresh(2);
    return {[&] { read(); },
            [&] {
              write(0);
              write(1);
            }};
  };
  std::set<std::size_t> read_values;
  const auto check = [&] {
    expect_one_left();
    read_values.insert(Value::living.count(seen.at(0)));
  };
  EXPECT_GE(Interleaver::explore(make, check), HasFailure() ? 0 : 50);
  EXPECT_EQ(read_values.size(), 2u) << "some orders read an old value, some the last one";
}

TEST_F(PublishedOrder, AReaderThatReturnsNeverGoesBackInTime) {
  const Value* replacement = nullptr;
  const auto make = [&]() -> Bodies {
    fresh(1);
    replacement = next[0].get();
    return {[&] {
              read();
              read();
            },
            [&] { write(0); }};
  };
  const auto check = [&] {
    expect_one_left();
    ASSERT_EQ(seen.size(), 2u);
    ASSERT_TRUE(seen[0] != replacement || seen[1] == replacement);
  };
  EXPECT_GE(Interleaver::explore(make, check), HasFailure() ? 0 : 50);
}

}  // namespace
}  // namespace usher
