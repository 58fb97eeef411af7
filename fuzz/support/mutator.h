// Mutations for custom mutators: the engine's own, and some that know DER.
#pragma once

#include <algorithm>
#include <cstdint>

#include "parsers/bytes.h"
#include "tools/mint/octets.h"

namespace usher::fuzz {

using mint::Octets;

// Mutator draws everything from one seed, so that an engine can repeat a mutation.
class Mutator {
 public:
  explicit Mutator(unsigned seed) : state_(seed) {}

  // below draws from 0..count-1; chance is true `percent` times in a hundred.
  std::uint32_t below(std::uint32_t count);
  bool chance(std::uint32_t percent) { return below(100) < percent; }

  // change mutates `octets` by the engine's mutator (LLVMFuzzerMutate), to at most size_max bytes;
  // an engine without one, such as AFL++, gets a few edits of single bytes and runs instead.
  void change(Octets& octets, std::size_t size_max);

  // change_der changes one element of what should be DER: its contents, by change, its tag, or its
  // presence (removed, doubled), and then makes the lengths of all elements around it right again,
  // so that the rest can still be read. Falls back on change if there is no element.
  void change_der(Octets& octets, std::size_t size_max);

 private:
  void edit(Octets& octets, std::size_t room);
  void change_contents(std::uint8_t tag, Octets& contents, std::size_t size_max);

  std::uint64_t state_;
};

// hand_back is the end of a custom mutator: it copies `octets` to `data` and returns their number.
inline std::size_t hand_back(Bytes octets, std::uint8_t* data, std::size_t size_max) {
  const std::size_t size = octets.size() < size_max ? octets.size() : size_max;
  std::copy_n(octets.data(), size, data);
  return size;
}

}  // namespace usher::fuzz
