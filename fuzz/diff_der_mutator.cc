// The custom mutator of the targets that hold a decoder against another's: a selecting octet, and
// DER behind it that stays readable.
#include "fuzz/support/mutator.h"

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed) {
  using usher::fuzz::Octets;
  usher::fuzz::Mutator mutator(seed);
  Octets input(data, data + size);
  if (size < 2 || size_max < 2 || mutator.chance(20)) {
    mutator.change(input, size_max);
    return usher::fuzz::hand_back(input, data, size_max);
  }
  Octets message(input.begin() + 1, input.end());
  mutator.change_der(message, size_max - 1);
  message.insert(message.begin(), input[0]);
  return usher::fuzz::hand_back(message, data, size_max);
}
