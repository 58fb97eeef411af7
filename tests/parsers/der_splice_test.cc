// parsers/der_splice.h: one element's contents replaced, however deep it lies, and every length
// around it right.
#include "parsers/der_splice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/hex.h"

namespace usher::der {
namespace {

using testing::hex;
using Octets = std::vector<std::uint8_t>;

// element is a tag, the one length that DER allows, and contents; written without der::Writer.
Octets element(std::uint8_t tag, const Octets& contents) {
  Octets all = {tag};
  const std::size_t size = contents.size();
  if (size < 0x80) {
    all.push_back(static_cast<std::uint8_t>(size));
  } else {
    const std::size_t count = size < 0x100 ? 1 : size < 0x10000 ? 2 : 3;
    all.push_back(static_cast<std::uint8_t>(0x80 | count));
    for (std::size_t i = count; i-- > 0;) {
      all.push_back(static_cast<std::uint8_t>(size >> 8 * i));
    }
  }
  all.insert(all.end(), contents.begin(), contents.end());
  return all;
}

Octets operator+(Octets a, const Octets& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// around wraps an element `levels` deep, with siblings on both sides of it at each level.
Octets around(Octets inner, std::size_t levels) {
  const Octets sibling = hex("020101");
  for (std::size_t i = 0; i < levels; ++i) {
    inner = element(i % 3 == 0 ? 0x04 : 0x30, sibling + inner + sibling);
  }
  return inner;
}

// place_of finds the only run of `contents`.
Splice::Place place_of(const Octets& message, const Octets& contents) {
  const auto found = std::search(message.begin(), message.end(), contents.begin(), contents.end());
  return {.offset = static_cast<std::size_t>(found - message.begin()), .size = contents.size()};
}

Octets joined(const Splice& splice) {
  Octets all;
  for (const Bytes part : splice.parts()) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

TEST(DerSplice, GivesTheMessageThatWouldHaveBeenWrittenAnew) {
  for (const std::size_t old_size : {1u, 10u, 127u, 128u, 255u, 256u, 70'000u}) {
    for (const std::size_t new_size : {0u, 1u, 127u, 128u, 300u, 66'000u}) {
      for (const std::size_t levels : {0u, 1u, 2u, 7u, 31u}) {
        const Octets old_contents(old_size, 0xaa);
        const Octets new_contents(new_size, 0xbb);
        const Octets message = around(element(0x04, old_contents), levels);
        Splice splice;
        ASSERT_TRUE(splice.make(message, place_of(message, old_contents), new_contents));
        EXPECT_EQ(joined(splice), around(element(0x04, new_contents), levels))
            << old_size << " -> " << new_size << ", " << levels << " deep";
      }
    }
  }
}

TEST(DerSplice, RefusesWhatIsNotAllContentsOfAnElement) {
  const Octets contents(40, 0xaa);
  const Octets message = around(element(0x04, contents), 3);
  const Splice::Place right = place_of(message, contents);
  Splice splice;
  for (std::size_t offset = 0; offset < message.size() + 3; ++offset) {
    for (const std::size_t size : {std::size_t{0}, right.size - 1, right.size, right.size + 1}) {
      const bool is_it = offset == right.offset && size == right.size;
      EXPECT_EQ(splice.make(message, {.offset = offset, .size = size}, {}), is_it)
          << offset << ", " << size;
    }
  }
  EXPECT_FALSE(splice.make(message, {.offset = SIZE_MAX, .size = 2}, {}));
  EXPECT_FALSE(splice.make(message, {.offset = 2, .size = SIZE_MAX}, {}));
}

TEST(DerSplice, RefusesAWayThatIsNotDer) {
  struct Row {
    const char* name;
    const char* bad;
    const char* twin;
  };
  // The contents to be replaced are the two octets aaaa.
  const Row rows[] = {
      {"LengthIndefinite", "30800402aaaa", "30040402aaaa"},
      {"LengthNotMinimal", "3081040402aaaa", "30040402aaaa"},
      {"LengthOfManyOctets", "308500000000040402aaaa", "30040402aaaa"},
      {"LengthBeyondTheEnd", "30050402aaaa", "30040402aaaa"},
      {"ChildBeyondItsParent", "30030402aaaa", "30040402aaaa"},
      {"SomethingBehind", "30040402aaaa00", "30040402aaaa"},
      {"SomethingInFront", "050030040402aaaa", "30040402aaaa"},
      {"SiblingBeyondItsParent", "3006027f000402aaaa", "30070201000402aaaa"},
  };
  for (const Row& row : rows) {
    Splice splice;
    for (const char* text : {row.bad, row.twin}) {
      const Octets message = hex(text);
      EXPECT_EQ(splice.make(message, place_of(message, hex("aaaa")), {}), text == row.twin)
          << row.name;
    }
  }
}

TEST(DerSplice, IsBoundedInDepth) {
  const Octets contents(5, 0xaa);
  const Octets deepest = around(element(0x04, contents), Splice::kDepthMax - 1);
  const Octets deeper = around(element(0x04, contents), Splice::kDepthMax);
  Splice splice;
  EXPECT_TRUE(splice.make(deepest, place_of(deepest, contents), {}));
  EXPECT_FALSE(splice.make(deeper, place_of(deeper, contents), {}));
}

}  // namespace
}  // namespace usher::der
