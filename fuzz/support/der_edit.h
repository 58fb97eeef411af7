// DER taken as a tree of places, for mutations and seals that must keep the lengths right.
#pragma once

#include <cstdint>
#include <vector>

#include "parsers/bytes.h"
#include "tools/mint/octets.h"

namespace usher::fuzz {

using mint::Octets;

// DerElement is where one element lies. Contents of constructed elements are elements themselves,
// and so are those of OCTET STRINGs that hold nothing but constructed ones.
struct DerElement {
  static constexpr std::uint32_t kNoParent = 0xffffffff;
  std::uint32_t begin = 0;     // Of the header.
  std::uint32_t contents = 0;  // First content octet.
  std::uint32_t end = 0;       // One past the last.
  std::uint32_t parent = kNoParent;

  [[nodiscard]] Bytes whole_in(Bytes octets) const { return octets.subspan(begin, end - begin); }
  [[nodiscard]] Bytes contents_in(Bytes octets) const {
    return octets.subspan(contents, end - contents);
  }
};

// find_elements lists elements as far as `octets` can be read as DER, parents before children, at
// most kElementsMax. `complete`, if given, says whether all of it could be read.
inline constexpr std::size_t kElementsMax = 1024;
std::vector<DerElement> find_elements(Bytes octets, bool* complete = nullptr);

// replace puts `with` in the place of one whole element (replace_element) or of its contents
// (replace_contents) and makes the lengths of all elements around it right.
Octets replace_element(Bytes octets, const std::vector<DerElement>& elements, std::size_t index,
                       Bytes with);
Octets replace_contents(Bytes octets, const std::vector<DerElement>& elements, std::size_t index,
                        Bytes with);

// replace_part does either for `part`, a view into `octets`; empty if no element is there.
Octets replace_part(Bytes octets, Bytes part, Bytes with);

}  // namespace usher::fuzz
