// parsers/keytab.h: what is accepted is records from end to end, counted as a plain walk counts
// them, and none of it can be cut off within a record.
#include <algorithm>

#include "fuzz/fuzz_target.h"
#include "parsers/keytab.h"

namespace usher::fuzz {
namespace {

constexpr std::size_t kFileSizeMax = 2048;

// Walk is what a plain walk over the sizes of records finds, without a look at their contents.
struct Walk {
  std::uint32_t entries = 0;
  std::uint32_t holes = 0;
  std::size_t last_begin = 2;  // Where the last record, or the end marker, begins.
};

Walk walk(Bytes file) {
  Walk found;
  std::size_t at = 2;
  while (at + 4 <= file.size()) {
    const Bytes field = file.subspan(at, 4);
    const auto size = static_cast<std::int32_t>(file[1] == 1 ? load_le<std::uint32_t>(field)
                                                             : load_be<std::uint32_t>(field));
    found.last_begin = at;
    if (size == 0) {
      break;
    }
    (size > 0 ? found.entries : found.holes) += 1;
    at += 4 + static_cast<std::size_t>(size > 0 ? std::int64_t{size} : -std::int64_t{size});
  }
  return found;
}

}  // namespace

void run_one(Bytes input) {
  const Bytes file = input.first(std::min(input.size(), kFileSizeMax));
  const Result<keytab::Layout> layout = keytab::parse_layout(file);
  if (!layout.ok()) {
    check(layout.fault().offset <= file.size(), "a fault lies in the file");
    return;
  }
  check(file.size() >= 2 && file[0] == 5 && file[1] == layout->version,
        "the version is the file's");
  const Walk found = walk(file);
  check(layout->entry_count == found.entries && layout->hole_count == found.holes,
        "every record is counted");
  for (std::size_t size = found.last_begin + 1; size < file.size(); ++size) {
    const Bytes rest = file.subspan(found.last_begin);
    const bool zeros = std::ranges::all_of(rest, [](std::uint8_t byte) { return byte == 0; });
    const Result<keytab::Layout> part = keytab::parse_layout(file.first(size));
    const bool whole_marker = zeros && size - found.last_begin >= 4;
    check(part.ok() == whole_marker, "nothing ends within a record");
  }
}

}  // namespace usher::fuzz
