// How a keytab file is laid out: whether all of it is there, before others read its keys.
#pragma once

#include <cstdint>

#include "parsers/bytes.h"
#include "parsers/result.h"

namespace usher::keytab {

// Layout is what a walk over a file's records has counted.
struct Layout {
  std::uint8_t version = 0;  // 1 (fields in the machine's byte order) or 2 (network byte order).
  std::uint32_t entry_count = 0;
  std::uint32_t hole_count = 0;  // Deleted entries.

  friend bool operator==(const Layout&, const Layout&) = default;
};

// parse_layout walks the records of a keytab, format 0x0501 or 0x0502, once from end to end. MIT
// krb5's reader takes an entry whose fields leave the file, or that holds an empty name or key, for
// the end of the file, and what follows is silently not there; here it is a fault. Wanted are:
// records that end where the file ends, or at a size of 0 with nothing but zeros behind it; in each
// entry at least one component, no name and no key that is empty or longer than 32,767 bytes, and
// all fields within the record, which may be longer than they are (a version of 32 bits, flags,
// what is left of a hole that was used again). `offset` of a fault counts from the start of the
// file.
//
// kUnexpectedTag: another version, or no keytab at all. kTruncated: a record or a field goes beyond
// its end. kBadLength: the size -2^31. kBadValue: an empty or too long name or key, or no
// component. kTrailingBytes: something behind the end.
[[nodiscard]] Result<Layout> parse_layout(Bytes file) noexcept;

}  // namespace usher::keytab
