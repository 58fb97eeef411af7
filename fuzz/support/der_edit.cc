#include "fuzz/support/der_edit.h"

#include <algorithm>

namespace usher::fuzz {
namespace {

constexpr std::uint8_t kOctetString = 0x04;
constexpr std::uint8_t kConstructed = 0x20;
constexpr std::uint8_t kLongTag = 0x1f;

// Run is a part of the message in which elements follow one another.
struct Run {
  std::uint32_t begin;
  std::uint32_t end;
  std::uint32_t parent;
};

// read_header finds the element that begins at `begin`; false if none fits before `end`.
bool read_header(Bytes octets, std::uint32_t begin, std::uint32_t end, DerElement& element) {
  if (end - begin < 2 || (octets[begin] & kLongTag) == kLongTag) {
    return false;
  }
  std::uint64_t size = octets[begin + 1];
  std::uint32_t at = begin + 2;
  if (size >= 0x80) {
    const std::uint64_t count = size & 0x7f;
    if (count < 1 || count > 4 || count > end - at) {
      return false;
    }
    size = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      size = size << 8 | octets[at++];
    }
  }
  if (size > end - at) {
    return false;
  }
  element.begin = begin;
  element.contents = at;
  element.end = at + static_cast<std::uint32_t>(size);
  return true;
}

// holds_elements says whether an OCTET STRING is only a wrapper: constructed elements, to its end.
bool holds_elements(Bytes octets, const DerElement& string) {
  DerElement inner;
  std::uint32_t at = string.contents;
  while (at < string.end) {
    if ((octets[at] & kConstructed) == 0 || !read_header(octets, at, string.end, inner)) {
      return false;
    }
    at = inner.end;
  }
  return string.contents < string.end;
}

Octets element_of(std::uint8_t tag, Bytes contents) {
  Octets out = {tag};
  const std::size_t size = contents.size();
  if (size < 0x80) {
    out.push_back(static_cast<std::uint8_t>(size));
  } else {
    const unsigned count = size < 0x100 ? 1 : size < 0x10000 ? 2 : size < 0x1000000 ? 3 : 4;
    out.push_back(static_cast<std::uint8_t>(0x80 | count));
    for (unsigned i = count; i-- > 0;) {
      out.push_back(static_cast<std::uint8_t>(size >> 8 * i));
    }
  }
  mint::append(out, contents);
  return out;
}

}  // namespace

std::vector<DerElement> find_elements(Bytes octets, bool* complete) {
  std::vector<DerElement> elements;
  elements.reserve(96);
  std::vector<Run> runs = {{0, static_cast<std::uint32_t>(octets.size()), DerElement::kNoParent}};
  bool all_read = true;
  while (!runs.empty()) {
    Run run = runs.back();
    runs.pop_back();
    while (run.begin < run.end) {
      DerElement element;
      if (elements.size() == kElementsMax || !read_header(octets, run.begin, run.end, element)) {
        all_read = false;
        break;
      }
      element.parent = run.parent;
      const std::uint8_t tag = octets[run.begin];
      if ((tag & kConstructed) != 0 || (tag == kOctetString && holds_elements(octets, element))) {
        runs.push_back(
            {element.contents, element.end, static_cast<std::uint32_t>(elements.size())});
      }
      run.begin = element.end;
      elements.push_back(element);
    }
  }
  if (complete != nullptr) {
    *complete = all_read;
  }
  return elements;
}

Octets replace_element(Bytes octets, const std::vector<DerElement>& elements, std::size_t index,
                       Bytes with) {
  Octets current = mint::octets_of(with);
  const DerElement* element = &elements[index];
  while (element->parent != DerElement::kNoParent) {
    const DerElement& parent = elements[element->parent];
    Octets contents =
        mint::octets_of(octets.subspan(parent.contents, element->begin - parent.contents));
    mint::append(contents, current);
    mint::append(contents, octets.subspan(element->end, parent.end - element->end));
    current = element_of(octets[parent.begin], contents);
    element = &parent;
  }
  Octets out = mint::octets_of(octets.first(element->begin));
  mint::append(out, current);
  mint::append(out, octets.subspan(element->end));
  return out;
}

Octets replace_contents(Bytes octets, const std::vector<DerElement>& elements, std::size_t index,
                        Bytes with) {
  return replace_element(octets, elements, index, element_of(octets[elements[index].begin], with));
}

Octets replace_part(Bytes octets, Bytes part, Bytes with) {
  const std::vector<DerElement> elements = find_elements(octets);
  const auto is_part = [part](Bytes view) {
    return view.data() == part.data() && view.size() == part.size();
  };
  for (std::size_t i = 0; i < elements.size(); ++i) {
    if (is_part(elements[i].whole_in(octets))) {
      return replace_element(octets, elements, i, with);
    }
    if (is_part(elements[i].contents_in(octets))) {
      return replace_contents(octets, elements, i, with);
    }
  }
  return {};
}

}  // namespace usher::fuzz
