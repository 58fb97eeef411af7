// The key ring: sorted once, then found through two open-addressing tables.
#include "engine/crypto/key_ring.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <compare>
#include <new>

#include "parsers/krb5.h"

namespace usher::crypto {
namespace {

template <class T>
std::unique_ptr<T[]> allocate(std::size_t count) noexcept {
  return std::unique_ptr<T[]>(new (std::nothrow) T[count]());
}

// Hash mixes eight bytes at a time. Whoever fills the keytab is trusted and the tables are at most
// half full, so an asker who picks names can make nothing worse than one longest run of slots.
class Hash {
 public:
  void add(std::uint64_t word) noexcept {
    state_ = (state_ ^ word) * 0x9e3779b97f4a7c15;
    state_ ^= state_ >> 29;
  }
  void add(Bytes bytes) noexcept {
    constexpr std::size_t kWord = sizeof(std::uint64_t);
    add(std::uint64_t{bytes.size()});
    for (Bytes rest = bytes; rest.size() > kWord; rest = rest.subspan(kWord)) {
      add(load_le<std::uint64_t>(rest));
    }
    if (bytes.size() >= kWord) {  // The last word may have octets in common with the one before.
      return add(load_le<std::uint64_t>(bytes.last(kWord)));
    }
    std::uint64_t word = 0;
    for (const std::uint8_t byte : bytes) {
      word = word << 8 | byte;
    }
    add(word);
  }
  [[nodiscard]] std::size_t value() const noexcept {
    return static_cast<std::size_t>(state_ ^ state_ >> 32);
  }

 private:
  std::uint64_t state_ = 0;
};

// Table maps hashes to indices of something its owner compares. Open addressing, linear probing;
// at most half full, so every search ends at an empty slot. A slot holds half of the hash, so that
// a search through a large table compares, and fetches, next to nothing that it does not look for.
class Table {
 public:
  [[nodiscard]] bool open(std::size_t count) noexcept {
    const std::size_t size = std::bit_ceil(2 * count + 1);
    slots_ = allocate<std::uint64_t>(size);
    mask_ = size - 1;
    return slots_ != nullptr;
  }

  void put(std::size_t hash, std::size_t index) noexcept {
    std::size_t at = hash & mask_;
    while (slots_[at] != 0) {
      at = (at + 1) & mask_;
    }
    slots_[at] = tag_of(hash) | (index + 1);
  }

  static constexpr std::size_t kNone = SIZE_MAX;
  // get returns the index for which `is_it` says so, or kNone.
  template <class Predicate>
  [[nodiscard]] std::size_t get(std::size_t hash, Predicate is_it) const noexcept {
    for (std::size_t at = hash & mask_; slots_[at] != 0; at = (at + 1) & mask_) {
      const std::size_t index = (slots_[at] & ~kTagMask) - 1;
      if ((slots_[at] & kTagMask) == tag_of(hash) && is_it(index)) {
        return index;
      }
    }
    return kNone;
  }

 private:
  static constexpr std::uint64_t kTagMask = 0xffffffff'00000000;
  // The half of the hash that says nothing about the slot.
  static std::uint64_t tag_of(std::size_t hash) noexcept { return hash & kTagMask; }

  std::unique_ptr<std::uint64_t[]> slots_;  // Tag, and index plus one; 0 is empty.
  std::size_t mask_ = 0;
};

std::strong_ordering compare(Bytes a, Bytes b) noexcept {
  return std::lexicographical_compare_three_way(a.begin(), a.end(), b.begin(), b.end());
}
bool equal(Bytes a, Bytes b) noexcept { return std::ranges::equal(a, b); }

bool same_principal(const KeyRing::Entry& a, const KeyRing::Entry& b) noexcept {
  return equal(a.realm, b.realm) && equal(a.components, b.components);
}
bool same_key(const KeyRing::Entry& a, const KeyRing::Entry& b) noexcept {
  return a.etype == b.etype && a.kvno == b.kvno && same_principal(a, b);
}

bool usable(const KeyRing::Entry& entry) noexcept {
  const EtypeProfile* const profile = profile_of(entry.etype);
  return profile != nullptr && entry.key.size() == profile->key_size;
}

// Order is principal, then etype, then newest kvno first, then the later entry first.
using EntryPointer = const KeyRing::Entry*;
bool in_order(EntryPointer a, EntryPointer b) noexcept {
  if (const auto order = compare(a->realm, b->realm); order != 0) {
    return order < 0;
  }
  if (const auto order = compare(a->components, b->components); order != 0) {
    return order < 0;
  }
  if (a->etype != b->etype) {
    return a->etype < b->etype;
  }
  return a->kvno != b->kvno ? a->kvno > b->kvno : a > b;
}

// Candidate is a key that tickets of nobody's service are tried with.
struct Candidate {
  ServiceKey* key = nullptr;
  Bytes base;            // In the entry: two principals may share it.
  std::size_t rank = 0;  // 0: its principal's newest.
};

std::int32_t etype_of(const Candidate& candidate) noexcept {
  return static_cast<std::int32_t>(candidate.key->profile->etype);
}

// by_base brings equal keys together, by_rank puts them in the order they are tried in. Keys lie in
// memory in the order of their principals.
bool by_base(const Candidate& a, const Candidate& b) noexcept {
  if (etype_of(a) != etype_of(b)) {
    return etype_of(a) < etype_of(b);
  }
  if (const auto order = compare(a.base, b.base); order != 0) {
    return order < 0;
  }
  return a.rank != b.rank ? a.rank < b.rank : a.key < b.key;
}
bool by_rank(const Candidate& a, const Candidate& b) noexcept {
  if (etype_of(a) != etype_of(b)) {
    return etype_of(a) < etype_of(b);
  }
  return a.rank != b.rank ? a.rank < b.rank : a.key < b.key;
}
bool same_base(const Candidate& a, const Candidate& b) noexcept {
  return etype_of(a) == etype_of(b) && equal(a.base, b.base);
}

class SortedRing final : public KeyRing {
 public:
  [[nodiscard]] bool fill(Kit& kit, std::span<const Entry> entries) noexcept;

  [[nodiscard]] Found find(Bytes realm, Bytes components, std::int32_t etype, bool has_kvno,
                           std::uint32_t kvno) const noexcept override;
  [[nodiscard]] const ServiceKey* first_of_any(std::int32_t etype) const noexcept override;
  [[nodiscard]] std::vector<Principal> principals() const override;
  [[nodiscard]] std::size_t left_out() const noexcept override { return left_out_; }

 private:
  static constexpr std::size_t kSlots = 5;  // One for each etype.

  // Owner is a principal: its name, and where its keys begin.
  struct Owner {
    Bytes realm;  // Both in names_.
    Bytes components;
    Bytes text;
    std::array<const ServiceKey*, kSlots> newest{};  // By slot_of.
  };

  static std::size_t slot_of(Etype etype) noexcept {
    switch (etype) {
      case Etype::kAes128CtsSha1:
        return 0;
      case Etype::kAes256CtsSha1:
        return 1;
      case Etype::kAes128CtsSha256:
        return 2;
      case Etype::kAes256CtsSha384:
        return 3;
      case Etype::kRc4Hmac:
        return 4;
    }
    return 0;
  }
  static std::size_t hash_of(Bytes realm, Bytes components) noexcept {
    Hash hash;
    hash.add(realm);
    hash.add(components);
    return hash.value();
  }
  static std::size_t hash_of(std::size_t owner, Etype etype, std::uint32_t kvno) noexcept {
    Hash hash;
    hash.add(std::uint64_t{owner});
    hash.add(std::uint64_t{kvno} << 32 | static_cast<std::uint32_t>(etype));
    return hash.value();
  }

  [[nodiscard]] bool reserve(std::span<const EntryPointer> sorted) noexcept;
  [[nodiscard]] bool add(Kit& kit, const Entry& entry, const Entry* previous) noexcept;
  void chain(std::span<Candidate> candidates) noexcept;
  Bytes keep(Bytes name) noexcept;
  Bytes keep_text(const Owner& owner) noexcept;
  // Escaping doubles a byte at most; '/' and '@' stand for headers that were longer.
  static constexpr std::size_t text_size_max(std::size_t names_size) noexcept {
    return 2 * names_size + 2;
  }

  std::unique_ptr<std::uint8_t[]> names_;
  std::size_t names_size_ = 0;
  std::unique_ptr<Owner[]> owners_;
  std::size_t owner_count_ = 0;
  std::unique_ptr<ServiceKey[]> keys_;
  std::unique_ptr<std::uint32_t[]> owner_of_key_;
  std::size_t key_count_ = 0;
  std::size_t left_out_ = 0;
  std::array<const ServiceKey*, kSlots> first_of_any_{};  // By slot_of.
  Table by_name_;                                         // (realm, components) -> owner.
  Table by_version_;                                      // (owner, etype, kvno) -> key.
};

bool SortedRing::fill(Kit& kit, std::span<const Entry> entries) noexcept {
  assert(entries.size() < UINT32_MAX);
  const std::unique_ptr<EntryPointer[]> pointers = allocate<EntryPointer>(entries.size());
  if (pointers == nullptr) {
    return false;
  }
  std::size_t count = 0;
  for (const Entry& entry : entries) {
    if (usable(entry)) {
      pointers[count++] = &entry;
    } else {
      ++left_out_;
    }
  }
  const std::span<EntryPointer> sorted(pointers.get(), count);
  std::ranges::sort(sorted, in_order);
  if (!reserve(sorted)) {
    return false;
  }
  const std::unique_ptr<Candidate[]> candidates = allocate<Candidate>(count);
  if (candidates == nullptr) {
    return false;
  }
  std::size_t candidate_count = 0;
  std::size_t rank = 0;
  const Entry* previous = nullptr;
  for (const EntryPointer entry : sorted) {
    // Of entries that name the same key, the last one in the keytab counts; it was sorted first.
    if (previous != nullptr && same_key(*previous, *entry)) {
      continue;
    }
    if (!add(kit, *entry, previous)) {
      return false;
    }
    const bool older =
        previous != nullptr && same_principal(*previous, *entry) && previous->etype == entry->etype;
    rank = older ? rank + 1 : 0;
    if (!is_ticket_granting(entry->components)) {
      candidates[candidate_count++] = {&keys_[key_count_ - 1], entry->key, rank};
    }
    previous = entry;
  }
  chain(std::span(candidates.get(), candidate_count));
  return true;
}

// chain links the keys that first_of_any begins with.
void SortedRing::chain(std::span<Candidate> candidates) noexcept {
  std::ranges::sort(candidates, by_base);
  const auto end = std::unique(candidates.begin(), candidates.end(), same_base);
  candidates = {candidates.begin(), end};
  std::ranges::sort(candidates, by_rank);
  ServiceKey* previous = nullptr;
  for (const Candidate& candidate : candidates) {
    if (previous != nullptr && previous->profile == candidate.key->profile) {
      previous->other = candidate.key;
    } else {
      first_of_any_[slot_of(candidate.key->profile->etype)] = candidate.key;
    }
    previous = candidate.key;
  }
}

bool SortedRing::reserve(std::span<const EntryPointer> sorted) noexcept {
  std::size_t names_size = 0;
  for (const EntryPointer entry : sorted) {
    const std::size_t size = entry->realm.size() + entry->components.size();
    names_size += size + text_size_max(size);
  }
  names_ = allocate<std::uint8_t>(names_size);
  owners_ = allocate<Owner>(sorted.size());
  keys_ = allocate<ServiceKey>(sorted.size());
  owner_of_key_ = allocate<std::uint32_t>(sorted.size());
  return names_ != nullptr && owners_ != nullptr && keys_ != nullptr && owner_of_key_ != nullptr &&
         by_name_.open(sorted.size()) && by_version_.open(sorted.size());
}

Bytes SortedRing::keep(Bytes name) noexcept {
  std::uint8_t* const begin = names_.get() + names_size_;
  std::ranges::copy(name, begin);
  names_size_ += name.size();
  return {begin, name.size()};
}

Bytes SortedRing::keep_text(const Owner& owner) noexcept {
  const MutableBytes room(names_.get() + names_size_,
                          text_size_max(owner.realm.size() + owner.components.size()));
  const std::size_t size =
      krb5::write_principal_text({.type = 0, .components = owner.components}, owner.realm, room);
  names_size_ += size;
  return room.first(size);
}

// add appends the next key in order; `previous` is the entry added before it, if any.
bool SortedRing::add(Kit& kit, const Entry& entry, const Entry* previous) noexcept {
  const bool known = previous != nullptr && same_principal(*previous, entry);
  if (!known) {
    Owner& owner = owners_[owner_count_];
    owner.realm = keep(entry.realm);
    owner.components = keep(entry.components);
    owner.text = keep_text(owner);
    by_name_.put(hash_of(owner.realm, owner.components), owner_count_);
    ++owner_count_;
  }
  const std::size_t owner_index = owner_count_ - 1;
  ServiceKey& key = keys_[key_count_];
  key.kvno = entry.kvno;
  key.realm = owners_[owner_index].realm;
  key.components = owners_[owner_index].components;
  key.text = owners_[owner_index].text;
  if (!make_service_key(kit, *profile_of(entry.etype), entry.key, key)) {
    return false;
  }
  if (known && previous->etype == entry.etype) {
    keys_[key_count_ - 1].sibling = &key;
  } else {
    owners_[owner_index].newest[slot_of(key.profile->etype)] = &key;
  }
  owner_of_key_[key_count_] = static_cast<std::uint32_t>(owner_index);
  by_version_.put(hash_of(owner_index, key.profile->etype, key.kvno), key_count_);
  ++key_count_;
  return true;
}

KeyRing::Found SortedRing::find(Bytes realm, Bytes components, std::int32_t etype, bool has_kvno,
                                std::uint32_t kvno) const noexcept {
  const std::size_t owner = by_name_.get(hash_of(realm, components), [&](std::size_t index) {
    return equal(owners_[index].components, components) && equal(owners_[index].realm, realm);
  });
  if (owner == Table::kNone) {
    return {};
  }
  const EtypeProfile* const profile = profile_of(etype);
  if (profile == nullptr) {
    return {.principal = true};
  }
  const ServiceKey* const newest = owners_[owner].newest[slot_of(profile->etype)];
  // Nearly every ticket is of the newest key, which is found without another table.
  if (newest != nullptr && has_kvno && newest->kvno != kvno) {
    const std::size_t key =
        by_version_.get(hash_of(owner, profile->etype, kvno), [&](std::size_t index) {
          return owner_of_key_[index] == owner && keys_[index].kvno == kvno &&
                 keys_[index].profile == profile;
        });
    if (key != Table::kNone) {
      return {.key = &keys_[key], .newest = newest, .principal = true};
    }
  }
  return {.key = newest, .newest = newest, .principal = true};
}

const ServiceKey* SortedRing::first_of_any(std::int32_t etype) const noexcept {
  const EtypeProfile* const profile = profile_of(etype);
  return profile == nullptr ? nullptr : first_of_any_[slot_of(profile->etype)];
}

std::vector<KeyRing::Principal> SortedRing::principals() const {
  std::vector<Principal> list;
  for (const Owner& owner : std::span(owners_.get(), owner_count_)) {
    Principal& principal = list.emplace_back();
    principal.text.assign(owner.text.begin(), owner.text.end());
    for (const ServiceKey* key : owner.newest) {
      for (; key != nullptr; key = key->sibling) {
        principal.keys.emplace_back(static_cast<std::int32_t>(key->profile->etype), key->kvno);
      }
    }
  }
  return list;
}

}  // namespace

bool make_service_key(Kit& kit, const EtypeProfile& profile, Bytes base, ServiceKey& out) noexcept {
  out.profile = &profile;
  if (!derive_encryption(kit, profile, base, KeyUsage::kTicket, out.ke) ||
      !derive_integrity(kit, profile, base, KeyUsage::kTicket, out.ki) ||
      !make_checksum_key(kit, profile, base, KeyUsage::kPac, out.pac)) {
    return false;
  }
  if (profile.family != Family::kRc4) {
    const Digest digest = digest_of(profile);
    out.ticket_cipher.expand(out.ke.bytes(), AesDirection::kDecrypt);
    out.ticket_hmac.prepare(digest, out.ki.bytes());
    out.pac_hmac.prepare(digest, out.pac.kc.bytes());
  }
  return true;
}

bool is_ticket_granting(Bytes components) noexcept {
  constexpr std::array<std::uint8_t, 8> kFirst = {0x1b, 6, 'k', 'r', 'b', 't', 'g', 't'};
  constexpr std::uint8_t kLowerCase = 0x20;
  const auto same = [](std::uint8_t octet, std::uint8_t wanted) {
    return octet == wanted || (wanted >= 'a' && (octet | kLowerCase) == wanted);
  };
  return components.size() >= kFirst.size() &&
         std::ranges::equal(components.first(kFirst.size()), kFirst, same);
}

std::unique_ptr<const KeyRing> KeyRing::make(Kit& kit, std::span<const Entry> entries) noexcept {
  std::unique_ptr<SortedRing> ring(new (std::nothrow) SortedRing);
  if (ring == nullptr || !ring->fill(kit, entries)) {
    return nullptr;
  }
  return ring;
}

}  // namespace usher::crypto
