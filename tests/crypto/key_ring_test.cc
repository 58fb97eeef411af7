// engine/crypto/key_ring.h: the ring finds the right key, or says exactly what it lacks.
#include "engine/crypto/key_ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/crypto/recorded.h"

namespace usher::crypto {
namespace {

using testing::Octets;

Octets octets(std::string_view text) { return {text.begin(), text.end()}; }

// components_of makes GeneralString elements of "a/b".
Octets components_of(std::string_view name) {
  Octets encoded;
  while (true) {
    const std::string_view component = name.substr(0, name.find('/'));
    encoded.push_back(0x1b);
    encoded.push_back(static_cast<std::uint8_t>(component.size()));
    encoded.insert(encoded.end(), component.begin(), component.end());
    if (component.size() == name.size()) {
      return encoded;
    }
    name.remove_prefix(component.size() + 1);
  }
}

constexpr std::string_view kRealm = "EXAMPLE.TEST";
constexpr std::string_view kService = "HTTP/web.example.test";

// Keytab collects entries and keeps what they point to.
class Keytab {
 public:
  struct Key {
    std::string_view name = kService;
    std::string_view realm = kRealm;
    std::int32_t etype = 18;
    std::uint32_t kvno = 1;
    std::uint8_t fill = 0;
    std::size_t size = 0;  // The etype's, if zero.
  };

  Keytab& add(const Key& key) {
    const EtypeProfile* const profile = profile_of(key.etype);
    const std::size_t size = key.size != 0 ? key.size : profile == nullptr ? 8 : profile->key_size;
    const Octets& realm = kept_.emplace_back(octets(key.realm));
    const Octets& name = kept_.emplace_back(components_of(key.name));
    const Octets& bytes = kept_.emplace_back(Octets(size, key.fill));
    entries_.push_back(
        {.realm = realm, .components = name, .etype = key.etype, .kvno = key.kvno, .key = bytes});
    return *this;
  }
  [[nodiscard]] const std::vector<KeyRing::Entry>& entries() const { return entries_; }

 private:
  std::deque<Octets> kept_;
  std::vector<KeyRing::Entry> entries_;
};

class KeyRingTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(kit_, nullptr); }

  std::unique_ptr<const KeyRing> make(const Keytab& keytab) {
    return KeyRing::make(*kit_, keytab.entries());
  }
  static KeyRing::Found find(const KeyRing& ring, const Keytab::Key& key, bool has_kvno = true) {
    return ring.find(octets(key.realm), components_of(key.name), key.etype, has_kvno, key.kvno);
  }
  // opens_with says whether `found` was made of a base key filled with `fill`.
  bool made_of(const ServiceKey* found, std::uint8_t fill) {
    Key ke;
    Key ki;
    if (found == nullptr ||
        !derive_encryption(*kit_, *found->profile, Octets(found->profile->key_size, fill),
                           KeyUsage::kTicket, ke) ||
        !derive_integrity(*kit_, *found->profile, Octets(found->profile->key_size, fill),
                          KeyUsage::kTicket, ki)) {
      return false;
    }
    return std::ranges::equal(found->ke.bytes(), ke.bytes()) &&
           std::ranges::equal(found->ki.bytes(), ki.bytes());
  }

  const std::unique_ptr<Kit> kit_ = Kit::make();
};

TEST_F(KeyRingTest, FindsTheKeyOfPrincipalEtypeAndKvno) {
  Keytab keytab;
  keytab.add({.etype = 18, .kvno = 3, .fill = 1})
      .add({.etype = 17, .kvno = 3, .fill = 2})
      .add({.name = "host/web.example.test", .etype = 18, .kvno = 3, .fill = 3})
      .add({.realm = "OTHER.TEST", .etype = 18, .kvno = 3, .fill = 4});
  const auto ring = make(keytab);
  ASSERT_NE(ring, nullptr);
  EXPECT_TRUE(made_of(find(*ring, {.etype = 18, .kvno = 3}).key, 1));
  EXPECT_TRUE(made_of(find(*ring, {.etype = 17, .kvno = 3}).key, 2));
  EXPECT_TRUE(made_of(find(*ring, {.name = "host/web.example.test", .kvno = 3}).key, 3));
  EXPECT_TRUE(made_of(find(*ring, {.realm = "OTHER.TEST", .kvno = 3}).key, 4));
  EXPECT_EQ(ring->left_out(), 0u);
}

TEST_F(KeyRingTest, KeepsAKeyOfEachEtypeApartWithItsKeyForPacs) {
  constexpr std::array<std::int32_t, 5> kEtypes = {17, 18, 19, 20, 23};
  Keytab keytab;
  for (const std::int32_t etype : kEtypes) {
    const auto fill = static_cast<std::uint8_t>(etype);
    keytab.add({.etype = etype, .kvno = 2, .fill = fill}).add({.etype = etype, .kvno = 1});
  }
  const auto ring = make(keytab);
  ASSERT_NE(ring, nullptr);
  EXPECT_EQ(ring->left_out(), 0u);
  const Octets text(40, 0x33);
  const Bytes parts[] = {text};
  for (const std::int32_t etype : kEtypes) {
    const auto [key, newest, principal] = find(*ring, {.etype = etype, .kvno = 2});
    ASSERT_TRUE(made_of(key, static_cast<std::uint8_t>(etype))) << etype;
    EXPECT_EQ(newest, key);
    EXPECT_TRUE(principal);
    ASSERT_NE(key->sibling, nullptr);
    EXPECT_EQ(key->sibling->kvno, 1u);
    EXPECT_EQ(key->sibling->sibling, nullptr);

    ChecksumKey pac;
    Octets signature(key->profile->checksum_size);
    const Octets base(key->profile->key_size, static_cast<std::uint8_t>(etype));
    ASSERT_TRUE(make_checksum_key(*kit_, *key->profile, base, KeyUsage(17), pac));
    ASSERT_TRUE(write_checksum(*kit_, pac, parts, signature));
    const std::int32_t type = key->profile->checksum_type;
    EXPECT_TRUE(check_checksum(*kit_, key->pac, type, parts, signature)) << etype;
    EXPECT_FALSE(check_checksum(*kit_, key->sibling->pac, type, parts, signature)) << etype;
  }
}

TEST_F(KeyRingTest, TellsAnUnknownPrincipalFromAnUnknownEtype) {
  Keytab keytab;
  keytab.add({.etype = 18});
  const auto ring = make(keytab);
  ASSERT_NE(ring, nullptr);
  EXPECT_TRUE(find(*ring, {}).principal);
  EXPECT_NE(find(*ring, {}).key, nullptr);
  for (const std::int32_t etype : {17, 20, 23, -1}) {
    const KeyRing::Found found = find(*ring, {.etype = etype});
    EXPECT_TRUE(found.principal) << etype;
    EXPECT_EQ(found.key, nullptr) << etype;
  }
  for (const Keytab::Key& other :
       {Keytab::Key{.name = "HTTP/web.example.tes"}, Keytab::Key{.name = "HTTP"},
        Keytab::Key{.name = "HTTP/web.example.test/x"}, Keytab::Key{.realm = "EXAMPLE.TES"},
        Keytab::Key{.realm = "example.test"}, Keytab::Key{.realm = ""}}) {
    const KeyRing::Found found = find(*ring, other);
    EXPECT_FALSE(found.principal) << other.name << "@" << other.realm;
    EXPECT_EQ(found.key, nullptr);
  }
}

TEST_F(KeyRingTest, RealmAndNameDoNotRunIntoEachOther) {
  Keytab keytab;
  keytab.add({});
  const auto ring = make(keytab);
  ASSERT_NE(ring, nullptr);
  const Octets realm = octets(kRealm);
  Octets joined = realm;
  const Octets name = components_of(kService);
  joined.insert(joined.end(), name.begin(), name.end());
  for (std::size_t cut = 0; cut <= joined.size(); ++cut) {
    const Bytes both = joined;
    EXPECT_EQ(ring->find(both.first(cut), both.subspan(cut), 18, false, 0).principal,
              cut == realm.size())
        << cut;
  }
}

TEST_F(KeyRingTest, AnUnknownOrAbsentKvnoFallsBackToTheNewest) {
  Keytab keytab;
  keytab.add({.kvno = 2, .fill = 2}).add({.kvno = 9, .fill = 9}).add({.kvno = 5, .fill = 5});
  const auto ring = make(keytab);
  ASSERT_NE(ring, nullptr);
  EXPECT_TRUE(made_of(find(*ring, {.kvno = 5}).key, 5));
  EXPECT_TRUE(made_of(find(*ring, {.kvno = 4}).key, 9));
  EXPECT_TRUE(made_of(find(*ring, {.kvno = 0}).key, 9));
  EXPECT_TRUE(made_of(find(*ring, {.kvno = 2}, false).key, 9));
}

TEST_F(KeyRingTest, SiblingsAreAllKeysOfOnePrincipalAndEtypeNewestFirst) {
  Keytab keytab;
  keytab.add({.kvno = 1, .fill = 1})
      .add({.kvno = 0xffffffff, .fill = 4})
      .add({.name = "host/web.example.test", .kvno = 7, .fill = 9})
      .add({.etype = 17, .kvno = 8, .fill = 8})
      .add({.kvno = 257, .fill = 3})
      .add({.kvno = 2, .fill = 2});
  const auto ring = make(keytab);
  ASSERT_NE(ring, nullptr);
  const auto found = find(*ring, {.kvno = 1});
  ASSERT_NE(found.key, nullptr);
  EXPECT_EQ(found.key->sibling, nullptr);
  const ServiceKey* key = found.newest;
  for (const std::uint8_t fill : std::array<std::uint8_t, 4>{4, 3, 2, 1}) {
    ASSERT_NE(key, nullptr);
    EXPECT_TRUE(made_of(key, fill)) << int{fill};
    EXPECT_EQ(find(*ring, {.kvno = key->kvno}).newest->kvno, 0xffffffff);
    key = key->sibling;
  }
  EXPECT_EQ(key, nullptr);
  const auto other = find(*ring, {.etype = 17, .kvno = 8});
  ASSERT_NE(other.key, nullptr);
  EXPECT_EQ(other.key->sibling, nullptr);
  EXPECT_EQ(other.newest, other.key);
}

TEST_F(KeyRingTest, EveryKeyKnowsWhoseItIs) {
  Keytab keytab;
  keytab.add({.kvno = 1})
      .add({.kvno = 2})
      .add({.name = "host/web.example.test", .realm = "OTHER.TEST"});
  const auto ring = make(keytab);
  ASSERT_NE(ring, nullptr);
  for (const Keytab::Key& wanted :
       {Keytab::Key{.kvno = 1}, Keytab::Key{.kvno = 2},
        Keytab::Key{.name = "host/web.example.test", .realm = "OTHER.TEST"}}) {
    const ServiceKey* const key = find(*ring, wanted).key;
    ASSERT_NE(key, nullptr);
    EXPECT_TRUE(std::ranges::equal(key->realm, octets(wanted.realm)));
    EXPECT_TRUE(std::ranges::equal(key->components, components_of(wanted.name)));
  }
}

// chain_of is the fills of the keys that tickets for unknown services are tried with.
std::string chain_of(const KeyRing& ring, std::int32_t etype,
                     const std::function<std::uint8_t(const ServiceKey*)>& fill_of) {
  std::string fills;
  for (const ServiceKey* key = ring.first_of_any(etype); key != nullptr; key = key->other) {
    fills += (fills.empty() ? "" : " ") + std::to_string(int{fill_of(key)});
  }
  return fills;
}

TEST_F(KeyRingTest, AllPrincipalsKeysComeNewestFirstAndEachOnce) {
  Keytab keytab;
  keytab.add({.name = "HTTP/a", .kvno = 3, .fill = 1})
      .add({.name = "HTTP/a", .kvno = 2, .fill = 2})
      .add({.name = "HTTP/a", .etype = 17, .kvno = 3, .fill = 3})
      .add({.name = "HTTP/b", .kvno = 9, .fill = 4})
      .add({.name = "HTTP/b", .kvno = 8, .fill = 1})  // HTTP/a's newest.
      .add({.name = "HTTP/c", .kvno = 1, .fill = 4})  // HTTP/b's newest.
      .add({.name = "HTTP/c", .etype = 17, .kvno = 1, .fill = 1})
      .add({.name = "HTTP/d", .kvno = 1, .fill = 2});  // HTTP/a's older one.
  const auto ring = make(keytab);
  ASSERT_NE(ring, nullptr);
  const auto fill_of = [this](const ServiceKey* key) {
    std::uint8_t fill = 1;
    while (fill < 9 && !made_of(key, fill)) {
      ++fill;
    }
    return fill;
  };
  EXPECT_EQ(chain_of(*ring, 18, fill_of), "1 4 2");
  EXPECT_EQ(chain_of(*ring, 17, fill_of), "3 1");
  EXPECT_EQ(ring->first_of_any(3), nullptr);
  EXPECT_TRUE(
      std::ranges::equal(ring->first_of_any(18)->other->components, components_of("HTTP/b")))
      << "a shared key is its first owner's";
  const ServiceKey* const last = ring->first_of_any(18)->other->other;
  EXPECT_TRUE(std::ranges::equal(last->components, components_of("HTTP/d")))
      << "who has it as the newest";
}

TEST_F(KeyRingTest, KeysOfTicketGrantingServicesAreNobodyElses) {
  Keytab keytab;
  keytab.add({.name = "krbtgt/EXAMPLE.TEST"})
      .add({.name = "KrbTgt/OTHER.TEST", .fill = 1})
      .add({.name = "krbtgt", .fill = 2});
  const auto ring = make(keytab);
  ASSERT_NE(ring, nullptr);
  EXPECT_EQ(ring->first_of_any(18), nullptr);
  EXPECT_NE(find(*ring, {.name = "krbtgt/EXAMPLE.TEST"}).key, nullptr) << "under its own name";
  keytab.add({.name = "krbtgts", .fill = 3}).add({.name = "HTTP/krbtgt", .fill = 4});
  const auto more = make(keytab);
  ASSERT_NE(more, nullptr);
  ASSERT_NE(more->first_of_any(18), nullptr);
  EXPECT_NE(more->first_of_any(18)->other, nullptr);
  EXPECT_EQ(more->first_of_any(18)->other->other, nullptr);
}

TEST_F(KeyRingTest, OfDuplicatesTheLastCounts) {
  Keytab keytab;
  keytab.add({.kvno = 1, .fill = 1})
      .add({.kvno = 2, .fill = 2})
      .add({.kvno = 1, .fill = 3})
      .add({.kvno = 1, .fill = 4});
  const auto ring = make(keytab);
  ASSERT_NE(ring, nullptr);
  const auto found = find(*ring, {.kvno = 1});
  EXPECT_TRUE(made_of(found.key, 4));
  ASSERT_NE(found.key, nullptr);
  EXPECT_EQ(found.key->sibling, nullptr);
  EXPECT_EQ(found.newest->sibling, found.key);
}

TEST_F(KeyRingTest, EntriesWeDoNotServeAreLeftOutAndCounted) {
  Keytab keytab;
  keytab.add({.etype = 25, .size = 16})
      .add({.etype = 26, .size = 32})
      .add({.etype = 23, .size = 32})
      .add({.etype = 18, .kvno = 2, .size = 16})
      .add({.etype = 17, .size = 32})
      .add({.etype = 18, .kvno = 1, .fill = 7})
      .add({.name = "cifs/web.example.test", .etype = 3});
  const auto ring = make(keytab);
  ASSERT_NE(ring, nullptr);
  EXPECT_EQ(ring->left_out(), 6u);
  EXPECT_TRUE(made_of(find(*ring, {.kvno = 2}).key, 7));
  EXPECT_EQ(find(*ring, {.etype = 17}).key, nullptr);
  EXPECT_FALSE(find(*ring, {.name = "cifs/web.example.test"}).principal);
}

TEST_F(KeyRingTest, AnEmptyRingKnowsNobody) {
  const auto ring = make({});
  ASSERT_NE(ring, nullptr);
  EXPECT_FALSE(find(*ring, {}).principal);
  EXPECT_TRUE(ring->principals().empty());
}

TEST_F(KeyRingTest, ManyPrincipalsAreAllFoundAndNoOthers) {
  constexpr int kCount = 3000;
  Keytab keytab;
  std::deque<std::string> names;
  for (int i = 0; i < kCount; ++i) {
    names.push_back("HTTP/host" + std::to_string(i) + ".example.test");
    keytab.add({.name = names.back(), .kvno = 1, .fill = static_cast<std::uint8_t>(i)});
  }
  const auto ring = make(keytab);
  ASSERT_NE(ring, nullptr);
  for (int i = 0; i < kCount; ++i) {
    const std::string& name = names[static_cast<std::size_t>(i)];
    ASSERT_TRUE(made_of(find(*ring, {.name = name}).key, static_cast<std::uint8_t>(i))) << name;
    EXPECT_FALSE(find(*ring, {.name = name + "x"}).principal);
  }
}

TEST_F(KeyRingTest, ListsPrincipalsForPeople) {
  Keytab keytab;
  keytab.add({.etype = 18, .kvno = 2}).add({.etype = 17, .kvno = 1}).add({.etype = 18, .kvno = 3});
  const auto ring = make(keytab);
  ASSERT_NE(ring, nullptr);
  const std::vector<KeyRing::Principal> principals = ring->principals();
  ASSERT_EQ(principals.size(), 1u);
  EXPECT_EQ(principals[0].text, "HTTP/web.example.test@EXAMPLE.TEST");
  const std::vector<std::pair<std::int32_t, std::uint32_t>> expected = {{17, 1}, {18, 3}, {18, 2}};
  EXPECT_EQ(principals[0].keys, expected);
}

}  // namespace
}  // namespace usher::crypto
