// parsers/der_splice.h: what was put into a message can be taken out of it again.
#include <algorithm>
#include <vector>

#include "fuzz/fuzz_target.h"
#include "parsers/cursor.h"
#include "parsers/der.h"
#include "parsers/der_splice.h"

namespace usher::fuzz {
namespace {

using der::Splice;
using Octets = std::vector<std::uint8_t>;

Octets joined(const Splice& splice) {
  Octets all;
  for (const Bytes part : splice.parts()) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

// element_at is where the contents are of what looks like an element that begins at `at`; empty if
// nothing does.
Splice::Place element_at(Bytes message, std::size_t at) {
  Parse parse(message.subspan(at));
  der::Reader reader(parse);
  const Bytes contents = reader.bytes(der::Tag(message[at]));
  if (contents.empty()) {
    return {};
  }
  return {.offset = static_cast<std::size_t>(contents.data() - message.data()),
          .size = contents.size()};
}

// check_splice puts `replacement` into one place, and then what was there before.
void check_splice(Bytes message, Splice::Place place, Bytes replacement) {
  Splice splice;
  if (!splice.make(message, place, replacement)) {
    return;
  }
  Splice other;
  check(!other.make(message, {place.offset, place.size - 1}, replacement),
        "contents are replaced whole");
  check(!other.make(message.first(message.size() - 1), place, replacement),
        "in a message that is whole");
  const Octets changed = joined(splice);
  if (replacement.empty()) {
    return;  // There is no place of no size to put anything back to.
  }
  const std::size_t behind = message.size() - place.offset - place.size;
  const std::size_t offset = changed.size() - behind - replacement.size();
  check(std::ranges::equal(Bytes(changed).subspan(offset, replacement.size()), replacement) &&
            std::ranges::equal(Bytes(changed).last(behind), message.last(behind)),
        "what is put in is there, and what follows it");
  Splice back;
  check(back.make(changed, {offset, replacement.size()}, message.subspan(place.offset, place.size)),
        "what was put in can be taken out");
  check(std::ranges::equal(joined(back), message), "and the message is as it was");
}

}  // namespace

// The input is where to begin to look for an element in two octets, the size of a replacement, the
// replacement, and a message.
void run_one(Bytes input) {
  constexpr std::size_t kPlaces = 8;  // Tried one after the other.
  if (input.size() < 4) {
    return;
  }
  const std::size_t replacement_size = std::min<std::size_t>(input[2], input.size() - 4);
  const Bytes message = input.subspan(3 + replacement_size);
  std::size_t at = load_le<std::uint16_t>(input) % message.size();
  for (std::size_t n = 0; n < kPlaces && at < message.size(); ++n, ++at) {
    const Splice::Place place = element_at(message, at);
    if (place.size != 0) {
      check_splice(message, place, input.subspan(3, replacement_size));
    }
  }
}

}  // namespace usher::fuzz
