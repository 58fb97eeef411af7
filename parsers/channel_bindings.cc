// SEC_CHANNEL_BINDINGS; channel_bindings.h says what is promised.
#include "parsers/channel_bindings.h"

#include <algorithm>
#include <limits>

#include "parsers/cursor.h"

namespace usher::channel {
namespace {

// part reads {u32 length, u32 offset} and resolves it.
Bytes part(Cursor& cursor, std::uint32_t header_size) noexcept {
  const std::uint32_t length = cursor.u32();
  const std::uint32_t offset = cursor.u32();
  if (length == 0) {
    return {};
  }
  return cursor.range({.offset = offset, .length = length, .not_before = header_size});
}

BindingFields fields(Cursor& cursor, std::uint32_t header_size) noexcept {
  BindingFields out;
  out.initiator_address_type = cursor.u32();
  out.initiator_address = part(cursor, header_size);
  out.acceptor_address_type = cursor.u32();
  out.acceptor_address = part(cursor, header_size);
  out.application_data = part(cursor, header_size);
  return out;
}

bool is_extended(Bytes buffer) noexcept {
  return buffer.size() >= sizeof(kExtendedMagic) &&
         load_le<std::uint32_t>(buffer) == kExtendedMagic;
}

// structure is what the _EX form says is its own; the whole buffer if it says something impossible.
Bytes structure(Bytes buffer) noexcept {
  constexpr std::size_t kLengthAt = 12;
  if (buffer.size() < kExtendedHeaderSize) {
    return buffer;
  }
  const auto length = load_le<std::uint32_t>(buffer.subspan(kLengthAt));
  return length >= kExtendedHeaderSize && length <= buffer.size() ? buffer.first(length) : buffer;
}

}  // namespace

Result<SecChannelBindings> parse_sec_channel_bindings(Bytes buffer) noexcept {
  const bool extended = is_extended(buffer);
  const Bytes whole = extended ? structure(buffer) : buffer;
  Parse parse(whole);
  Cursor cursor(parse);
  SecChannelBindings out;
  if (extended) {
    if (whole.size() < kExtendedHeaderSize) {
      parse.fail(ParseCode::kTruncated, parse.size());
    }
    cursor.u32();  // magicNumber
    const std::uint32_t flags = cursor.u32();
    cursor.require((flags & ~kAuditFlag) == 0);
    out.audit = (flags & kAuditFlag) != 0;
    cursor.require(cursor.u32() == kExtendedHeaderSize);
    cursor.require(cursor.u32() == whole.size());
  }
  out.fields = fields(cursor, extended ? kExtendedHeaderSize : kHeaderSize);
  return parse.finish(out);
}

std::size_t write_sec_channel_bindings(Bytes application_data, MutableBytes out) noexcept {
  constexpr std::size_t kLengthAt = 24;
  constexpr std::size_t kOffsetAt = 28;
  static_assert(kOffsetAt + sizeof(std::uint32_t) == kHeaderSize);
  if (application_data.size() > std::numeric_limits<std::uint32_t>::max() - kHeaderSize ||
      out.size() < kHeaderSize + application_data.size()) {
    return 0;
  }
  std::ranges::fill(out.first(kHeaderSize), std::uint8_t{0});
  store_le(out.subspan(kLengthAt), static_cast<std::uint32_t>(application_data.size()));
  store_le(out.subspan(kOffsetAt), kHeaderSize);
  std::ranges::copy(application_data, out.subspan(kHeaderSize).begin());
  return kHeaderSize + application_data.size();
}

}  // namespace usher::channel
