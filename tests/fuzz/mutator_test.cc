// fuzz/support/mutator.h, and the tree of elements it works on.
#include "fuzz/support/mutator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "fuzz/support/der_edit.h"
#include "tests/fuzz/minted.h"
#include "tools/mint/spnego_mint.h"

namespace usher::fuzz {
namespace {

bool is_der(Bytes octets) {
  bool complete = false;
  find_elements(octets, &complete);
  return complete;
}

Octets plain_ticket() {
  mint::TicketFields fields;
  fields.session_key = Octets(32, 7);
  fields.authorization_data = mint::authorization_data(128, Octets(200, 1));
  return mint::encode_enc_ticket_part(fields);
}

TEST(FindElements, ReadsATicketToItsLeaves) {
  const Octets ticket = plain_ticket();
  bool complete = false;
  const std::vector<DerElement> elements = find_elements(ticket, &complete);
  EXPECT_TRUE(complete);
  ASSERT_FALSE(elements.empty());
  EXPECT_EQ(elements[0].end, ticket.size());
  // The PAC's octets, two OCTET STRINGs down.
  EXPECT_TRUE(std::ranges::any_of(elements, [&](const DerElement& element) {
    return std::ranges::equal(element.contents_in(ticket), Octets(200, 1));
  }));
}

TEST(FindElements, SaysWhenItStopped) {
  Octets ticket = plain_ticket();
  ticket.pop_back();
  EXPECT_FALSE(is_der(ticket));
  EXPECT_FALSE(is_der(Octets{0x30, 0x03, 0x02, 0x02, 0x01}));
  EXPECT_FALSE(is_der(Octets{0x30, 0x80, 0x00, 0x00}));  // Indefinite length.
  EXPECT_TRUE(is_der(Octets{0x30, 0x03, 0x02, 0x01, 0x01}));
}

TEST(ReplacePart, KeepsEveryLengthAroundItRight) {
  for (const std::size_t size : {0u, 1u, 127u, 128u, 255u, 256u, 65'536u}) {
    const Octets token = mint::optimistic({gss::Mechanism::kKerberos}, Octets(40, 0x42));
    const Result<spnego::NegTokenInit> before = spnego::parse_neg_token_init(token);
    ASSERT_TRUE(before.ok());
    const Octets changed = replace_part(token, before->mech_token, Octets(size, 0x17));
    const Result<spnego::NegTokenInit> after = spnego::parse_neg_token_init(changed);
    ASSERT_TRUE(after.ok()) << size;
    EXPECT_EQ(mint::octets_of(after->mech_token), Octets(size, 0x17));
    EXPECT_TRUE(std::ranges::equal(after->mech_types, before->mech_types));
  }
}

TEST(ReplacePart, FindsNothingWhereNoElementIs) {
  const Octets token = plain_ticket();
  EXPECT_TRUE(replace_part(token, Bytes(token).subspan(1, 3), {}).empty());
}

TEST(Mutator, ChangeDerKeepsLengthsRight) {
  const Octets ticket = plain_ticket();
  std::set<Octets> seen;
  for (unsigned seed = 0; seed < 500; ++seed) {
    Octets changed = ticket;
    Mutator(seed).change_der(changed, 4096);
    // A changed tag may leave contents that are no elements, or be no tag of one octet: what is
    // around it still has to fit.
    std::vector<DerElement> elements = find_elements(changed);
    std::erase_if(elements, [](const DerElement& element) {
      return element.parent != DerElement::kNoParent;
    });
    if (!elements.empty() && changed[0] == ticket[0]) {
      EXPECT_EQ(elements.back().end, changed.size()) << seed;
    }
    seen.insert(changed);
  }
  EXPECT_GT(seen.size(), 300u);
}

TEST(Mutator, RepeatsFromItsSeed) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    Octets one = plain_ticket();
    Octets two = plain_ticket();
    Mutator(seed).change_der(one, 4096);
    Mutator(seed).change_der(two, 4096);
    EXPECT_EQ(one, two);
  }
}

TEST(Mutator, StaysInItsRoom) {
  for (const std::size_t size_max : {0u, 1u, 20u, 200u, 300u}) {
    for (unsigned seed = 0; seed < 200; ++seed) {
      Octets octets = plain_ticket();
      Mutator mutator(seed);
      mutator.change_der(octets, size_max);
      EXPECT_LE(octets.size(), size_max);
      octets = plain_ticket();
      mutator.change(octets, size_max);
      EXPECT_LE(octets.size(), size_max);
    }
  }
}

TEST(Mutator, ChangesNothingIntoSomething) {
  Octets octets;
  for (unsigned seed = 0; octets.empty() && seed < 10; ++seed) {
    Mutator(seed).change(octets, 10);
  }
  EXPECT_FALSE(octets.empty());
}

TEST(Mutator, BelowIsBelow) {
  Mutator mutator(1);
  std::set<std::uint32_t> seen;
  for (int i = 0; i < 200; ++i) {
    const std::uint32_t drawn = mutator.below(7);
    EXPECT_LT(drawn, 7u);
    seen.insert(drawn);
    EXPECT_EQ(mutator.below(1), 0u);
    EXPECT_FALSE(mutator.chance(0));
    EXPECT_TRUE(mutator.chance(100));
  }
  EXPECT_EQ(seen.size(), 7u);
}

}  // namespace
}  // namespace usher::fuzz
