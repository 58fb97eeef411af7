#include "parsers/keytab.h"

#include <algorithm>

namespace usher::keytab {
namespace {

// MIT krb5 counts components and sizes in 16 bits with a sign.
constexpr std::uint32_t kCountMax = 0x7fff;

// Fields reads one record's fields front to back; past its end, zeros and a fault.
class Fields {
 public:
  Fields(Parse& parse, std::uint32_t begin, std::uint32_t end, bool little) noexcept
      : parse_(parse), at_(begin), end_(end), little_(little) {}

  template <class T>
  T integer() noexcept {
    const Bytes raw = take(sizeof(T));
    return raw.empty() ? T{0} : little_ ? load_le<T>(raw) : load_be<T>(raw);
  }

  // counted skips a size of 16 bits and as many bytes.
  void counted() noexcept {
    const std::uint32_t at = at_;
    const std::uint16_t size = integer<std::uint16_t>();
    require(size != 0 && size <= kCountMax, at);
    take(size);
  }

  void require(bool valid, std::uint32_t at) noexcept {
    if (!valid) {
      parse_.fail(ParseCode::kBadValue, at);
    }
  }
  [[nodiscard]] std::uint32_t at() const noexcept { return at_; }

 private:
  Bytes take(std::uint32_t size) noexcept {
    if (size > end_ - at_ || !parse_.ok()) {
      parse_.fail(ParseCode::kTruncated, at_);
      return {};
    }
    const Bytes taken = parse_.input().subspan(at_, size);
    at_ += size;
    return taken;
  }

  Parse& parse_;
  std::uint32_t at_;
  std::uint32_t end_;
  bool little_;
};

void check_entry(Parse& parse, Fields& fields, std::uint8_t version) noexcept {
  const std::uint32_t at = fields.at();
  const std::uint16_t count = fields.integer<std::uint16_t>();
  // Version 1 counts the realm, too.
  const std::uint32_t least = version == 1 ? 2 : 1;
  fields.require(count >= least && count <= kCountMax, at);
  const std::uint32_t names = version == 1 ? count : count + 1u;
  for (std::uint32_t n = 0; n < names && parse.ok(); ++n) {
    fields.counted();
  }
  if (version != 1) {
    fields.integer<std::uint32_t>();  // Type of the name.
  }
  fields.integer<std::uint32_t>();  // When it was written.
  fields.integer<std::uint8_t>();   // Version of the key.
  fields.integer<std::uint16_t>();  // Encryption type.
  fields.counted();                 // The key.
}

}  // namespace

Result<Layout> parse_layout(Bytes file) noexcept {
  Parse parse(file);
  Layout layout;
  constexpr std::uint32_t kVersionSize = 2;
  if (file.size() < kVersionSize || file[0] != 5 || file[1] < 1 || file[1] > 2) {
    parse.fail(ParseCode::kUnexpectedTag, 0);
  } else {
    layout.version = file[1];
  }
  std::uint32_t at = kVersionSize;
  while (parse.ok() && at < parse.size()) {
    Fields size_field(parse, at, parse.size(), layout.version == 1);
    const auto size = static_cast<std::int32_t>(size_field.integer<std::uint32_t>());
    const std::uint32_t begin = size_field.at();
    const Bytes rest = parse.input().subspan(std::min(begin, parse.size()));
    if (size == INT32_MIN) {
      parse.fail(ParseCode::kBadLength, at);
    }
    if (size == 0 && !std::ranges::all_of(rest, [](std::uint8_t byte) { return byte == 0; })) {
      parse.fail(ParseCode::kTrailingBytes, begin);
    }
    if (!parse.ok() || size == 0) {
      break;
    }
    const auto length = static_cast<std::uint32_t>(size < 0 ? -size : size);
    if (length > rest.size()) {
      parse.fail(ParseCode::kTruncated, at);
      break;
    }
    if (size > 0) {
      Fields fields(parse, begin, begin + length, layout.version == 1);
      check_entry(parse, fields, layout.version);
      ++layout.entry_count;
    } else {
      ++layout.hole_count;
    }
    at = begin + length;
  }
  return parse.finish(layout);
}

}  // namespace usher::keytab
