// What the token mints share: owned bytes, seeded randomness, and building DER without a size
// known.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "engine/random.h"
#include "parsers/bytes.h"
#include "parsers/der_writer.h"

namespace usher::mint {

// Octets owns what Bytes borrows.
using Octets = std::vector<std::uint8_t>;

inline Octets octets_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }
inline Octets octets_of(std::string_view text) { return {text.begin(), text.end()}; }

// append adds `bytes` to the end of `out`.
inline void append(Octets& out, Bytes bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

// append_le and append_be add an integer in the byte order their names say.
template <class T>
void append_le(Octets& out, T value) {
  std::uint8_t raw[sizeof(T)];
  store_le<T>(raw, value);
  append(out, raw);
}
template <class T>
void append_be(Octets& out, T value) {
  std::uint8_t raw[sizeof(T)];
  store_be<T>(raw, value);
  append(out, raw);
}

// require throws std::logic_error unless `holds`: a mint that cannot do its work is a broken test.
inline void require(bool holds, const char* what) {
  if (!holds) {
    throw std::logic_error(what);
  }
}

// draw takes `size` bytes from `random`.
Octets draw(RandomSource& random, std::size_t size);

// SeededRandom gives the same bytes for the same seed (splitmix64). For tests, benches and corpora:
// anybody can foresee it.
class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(std::uint64_t seed) noexcept : state_(seed) {}
  [[nodiscard]] bool fill(MutableBytes out) noexcept override;

 private:
  std::uint64_t state_;
};

// kBuildSizeMax bounds one message: more than any acceptor takes, so that too long can be made.
inline constexpr std::size_t kBuildSizeMax = 256 * 1024;

namespace detail {
MutableBytes build_buffer();
}  // namespace detail

// build runs `body(der::Writer&)`, last field first, and returns what it wrote. Not to be nested.
template <class Body>
Octets build(Body body) {
  der::Writer writer(detail::build_buffer());
  body(writer);
  require(writer.ok(), "the message exceeds kBuildSizeMax");
  return octets_of(writer.written());
}

}  // namespace usher::mint
