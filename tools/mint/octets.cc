#include "tools/mint/octets.h"

namespace usher::mint {

Octets draw(RandomSource& random, std::size_t size) {
  Octets out(size);
  require(random.fill(out), "no randomness");
  return out;
}

bool SeededRandom::fill(MutableBytes out) noexcept {
  for (std::uint8_t& octet : out) {
    state_ += 0x9e3779b97f4a7c15u;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    octet = static_cast<std::uint8_t>((mixed ^ (mixed >> 31)) >> 24);
  }
  return true;
}

MutableBytes detail::build_buffer() {
  thread_local Octets buffer(kBuildSizeMax);
  return buffer;
}

}  // namespace usher::mint
