#include "fuzz/support/mutator.h"

#include <algorithm>
#include <array>

#include "fuzz/support/der_edit.h"

// libFuzzer has it and lets custom mutators call it; AFL++ and the replay driver have not.
extern "C" __attribute__((weak)) std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size,
                                                              std::size_t size_max);

namespace usher::fuzz {
namespace {

constexpr std::size_t kGrowthMax = 512;  // By how much one mutation may lengthen something.

constexpr std::uint8_t kInteger = 0x02;
constexpr std::uint8_t kGeneralizedTime = 0x18;

// Integers with a meaning somewhere in Kerberos, or at the edge of one; as DER contents.
const std::array<Octets, 20> kIntegers = {Octets{0},
                                          {1},
                                          {2},
                                          {5},
                                          {14},
                                          {17},
                                          {18},
                                          {23},
                                          {0x7f},
                                          {0x00, 0x80},
                                          {0x80},
                                          {0xff},
                                          {0x01, 0x00},
                                          {0x00, 0x80, 0x03},
                                          {0x0f, 0x42, 0x3f},  // 999,999: the last microsecond.
                                          {0x0f, 0x42, 0x40},  // No microsecond.
                                          {0x7f, 0xff, 0xff, 0xff},  // 2^31 - 1
                                          {0x80, 0x00, 0x00, 0x00},  // -2^31
                                          {0x00, 0x80, 0x00, 0x00, 0x00},
                                          {0x00, 0xff, 0xff, 0xff, 0xff}};

}  // namespace

std::uint32_t Mutator::below(std::uint32_t count) {
  state_ += 0x9e3779b97f4a7c15u;  // splitmix64
  std::uint64_t mixed = state_;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
  return static_cast<std::uint32_t>((mixed >> 32) * count >> 32);
}

void Mutator::change(Octets& octets, std::size_t size_max) {
  octets.resize(std::min(octets.size(), size_max));
  const std::size_t room = std::min(size_max, octets.size() + kGrowthMax);
  if (room == 0) {
    return;
  }
  if (LLVMFuzzerMutate != nullptr) {
    const std::size_t size = octets.size();
    octets.resize(room);
    octets.resize(LLVMFuzzerMutate(octets.data(), size, room));
    return;
  }
  for (std::uint32_t edits = 1 + below(4); edits > 0; --edits) {
    edit(octets, room);
  }
}

// edit is one small change, for engines without a mutator of their own to offer.
void Mutator::edit(Octets& octets, std::size_t room) {
  const auto size = static_cast<std::uint32_t>(octets.size());
  const std::uint32_t at = below(size + 1);
  const auto place = octets.begin() + static_cast<std::ptrdiff_t>(at);
  const std::uint32_t run = 1 + below(std::min(size - at + 1, 16u));
  const std::uint32_t kind = below(6);
  if (at == size || (kind == 0 && size + run <= room)) {
    if (size + run <= room) {
      octets.insert(place, run, static_cast<std::uint8_t>(below(256)));
    }
  } else if (kind == 1) {
    octets.erase(place, place + static_cast<std::ptrdiff_t>(std::min(run, size - at)));
  } else if (kind == 2) {
    *place = static_cast<std::uint8_t>(*place ^ 1u << below(8));
  } else if (kind == 3) {
    *place = static_cast<std::uint8_t>(*place + below(9) - 4);
  } else if (kind == 4) {
    constexpr std::array<std::uint8_t, 8> kEdges = {0x00, 0x01, 0x7f, 0x80, 0xff, 0xfe, 0x20, 0x40};
    *place = kEdges[below(kEdges.size())];
  } else {  // Copy a run from elsewhere over what is here.
    const std::uint32_t from = below(size);
    const std::uint32_t count = std::min({run, size - at, size - from});
    const Octets copied(octets.begin() + static_cast<std::ptrdiff_t>(from),
                        octets.begin() + static_cast<std::ptrdiff_t>(from + count));
    std::ranges::copy(copied, place);
  }
}

// change_contents changes one element's contents, the way its type suggests if there is one.
void Mutator::change_contents(std::uint8_t tag, Octets& contents, std::size_t size_max) {
  if (tag == kInteger && chance(60)) {
    contents = kIntegers[below(kIntegers.size())];
  } else if (tag == kGeneralizedTime && contents.size() == 15 && chance(60)) {
    contents[below(14)] = static_cast<std::uint8_t>('0' + below(10));
  } else {
    change(contents, size_max);
  }
}

void Mutator::change_der(Octets& octets, std::size_t size_max) {
  const std::vector<DerElement> elements = find_elements(octets);
  if (elements.empty()) {
    return change(octets, size_max);
  }
  const auto count = static_cast<std::uint32_t>(elements.size());
  const std::uint32_t index = below(count);
  const DerElement& element = elements[index];
  const std::uint8_t tag = octets[element.begin];
  Octets changed;
  switch (below(8)) {
    case 0:  // Gone.
      changed = replace_element(octets, elements, index, {});
      break;
    case 1: {  // Twice.
      Octets twice = mint::octets_of(element.whole_in(octets));
      mint::append(twice, element.whole_in(octets));
      changed = replace_element(octets, elements, index, twice);
      break;
    }
    case 2: {  // Another's in its place, or beside it.
      Octets other = mint::octets_of(elements[below(count)].whole_in(octets));
      if (chance(50)) {
        mint::append(other, element.whole_in(octets));
      }
      changed = replace_element(octets, elements, index, other);
      break;
    }
    case 3: {  // Another tag: another number, or that of another element.
      Octets whole = mint::octets_of(element.whole_in(octets));
      whole[0] = chance(50) ? static_cast<std::uint8_t>(tag ^ 1u << below(8))
                            : octets[elements[below(count)].begin];
      changed = replace_element(octets, elements, index, whole);
      break;
    }
    default: {
      Octets contents = mint::octets_of(element.contents_in(octets));
      change_contents(tag, contents, size_max);
      changed = replace_contents(octets, elements, index, contents);
      break;
    }
  }
  if (changed.empty() || changed.size() > size_max) {
    return change(octets, size_max);
  }
  octets = std::move(changed);
}

}  // namespace usher::fuzz
