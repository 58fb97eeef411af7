// RC4, as everybody has it.
#include "engine/crypto/rc4_stream.h"

#include <cassert>
#include <utility>

namespace usher::crypto {

void Rc4Stream::start(Bytes key) noexcept {
  assert(!key.empty() && key.size() <= state_.size());
  for (std::size_t i = 0; i < state_.size(); ++i) {
    state_[i] = static_cast<std::uint8_t>(i);
  }
  std::uint8_t j = 0;
  for (std::size_t i = 0; i < state_.size(); ++i) {
    j = static_cast<std::uint8_t>(j + state_[i] + key[i % key.size()]);
    std::swap(state_[i], state_[j]);
  }
  i_ = 0;
  j_ = 0;
}

void Rc4Stream::run(MutableBytes data) noexcept {
  std::uint8_t i = i_;  // Bytes of `data` could be members, for all the compiler knows.
  std::uint8_t j = j_;
  for (std::uint8_t& byte : data) {
    const std::uint8_t at_i = state_[++i];
    j = static_cast<std::uint8_t>(j + at_i);
    const std::uint8_t at_j = state_[j];
    state_[i] = at_j;
    state_[j] = at_i;
    byte ^= state_[static_cast<std::uint8_t>(at_i + at_j)];
  }
  i_ = i;
  j_ = j;
}

void Rc4Stream::write_state(MutableBytes out) const noexcept {
  const MutableBytes target = out.first(kStateSize);
  copy(state_, target);
  target[state_.size()] = i_;
  target[state_.size() + 1] = j_;
}

bool Rc4Stream::read_state(Bytes in) noexcept {
  if (in.size() != kStateSize) {
    return false;
  }
  // What run does only swaps: every byte is there once, or this was no stream.
  std::array<bool, 256> found{};
  for (const std::uint8_t byte : in.first(state_.size())) {
    if (found[byte]) {
      return false;
    }
    found[byte] = true;
  }
  copy(in.first(state_.size()), state_);
  i_ = in[state_.size()];
  j_ = in[state_.size() + 1];
  return true;
}

void Rc4Stream::wipe_all() noexcept {
  wipe(state_);
  i_ = 0;
  j_ = 0;
}

}  // namespace usher::crypto
