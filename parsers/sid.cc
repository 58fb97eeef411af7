// Security identifiers (MS-DTYP 2.4.2.2) and their text (2.4.2.1).
#include "parsers/sid.h"

#include <array>

#include "parsers/cursor.h"

namespace usher {
namespace {

constexpr std::uint8_t kRevision = 1;
constexpr std::uint32_t kCountOffset = 1;
constexpr std::uint32_t kAuthorityOffset = 2;
constexpr std::uint32_t kAuthoritySize = 6;
constexpr int kAuthorityHexDigits = 12;

// TextWriter appends ASCII to a caller's buffer; once something did not fit, nothing does.
class TextWriter {
 public:
  explicit TextWriter(MutableBytes out) noexcept : out_(out) {}

  void put(char c) noexcept {
    fits_ = fits_ && size_ < out_.size();
    if (fits_) {
      out_[size_++] = static_cast<std::uint8_t>(c);
    }
  }

  void decimal(std::uint64_t value) noexcept {
    std::uint64_t unit = 1;
    while (value / unit >= 10) {
      unit *= 10;
    }
    for (; unit > 0; unit /= 10) {
      put(static_cast<char>('0' + value / unit % 10));
    }
  }

  void hex(std::uint64_t value, int digits) noexcept {
    constexpr std::array kDigits = {'0', '1', '2', '3', '4', '5', '6', '7',
                                    '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};
    put('0');
    put('x');
    for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
      put(kDigits[value >> shift & 0xf]);
    }
  }

  void sid(SidView sid) noexcept {
    put('S');
    put('-');
    put('1');
    put('-');
    std::uint64_t authority = 0;
    for (const std::uint8_t octet : sid.octets.subspan(kAuthorityOffset, kAuthoritySize)) {
      authority = authority << 8 | octet;
    }
    if (authority <= UINT32_MAX) {
      decimal(authority);
    } else {
      hex(authority, kAuthorityHexDigits);
    }
    Bytes rest = sid.octets.subspan(SidView::kFixedSize);
    for (; rest.size() >= 4; rest = rest.subspan(4)) {
      sub_authority(load_le<std::uint32_t>(rest));
    }
  }

  void sub_authority(std::uint32_t value) noexcept {
    put('-');
    decimal(value);
  }

  [[nodiscard]] std::size_t finish() const noexcept { return fits_ ? size_ : 0; }

 private:
  MutableBytes out_;
  std::size_t size_ = 0;
  bool fits_ = true;
};

}  // namespace

Result<SidView> parse_sid(Bytes octets) noexcept {
  Parse parse(octets);
  Cursor cursor(parse);
  const Bytes fixed = cursor.bytes(SidView::kFixedSize);
  if (!parse.ok()) {
    return parse.finish(SidView{});
  }
  const std::uint32_t count = fixed[kCountOffset];
  if (fixed[0] != kRevision) {
    parse.fail(ParseCode::kBadValue, 0);
  }
  //= MS-DTYP 2.4.2.2: the maximum number of elements allowed is 15.
  if (count == 0 || count > SidView::kSubAuthoritiesMax) {
    parse.fail(ParseCode::kBadValue, kCountOffset);
  }
  cursor.bytes(4 * count);
  if (cursor.at() < parse.size()) {
    parse.fail(ParseCode::kTrailingBytes, cursor.at());
  }
  return parse.finish(SidView{octets});
}

std::size_t write_sid_text(SidView sid, MutableBytes out) noexcept {
  if (sid.empty()) {
    return 0;
  }
  TextWriter writer(out);
  writer.sid(sid);
  return writer.finish();
}

std::size_t write_sid_text(SidView domain, std::uint32_t relative_id, MutableBytes out) noexcept {
  if (domain.empty()) {
    return 0;
  }
  TextWriter writer(out);
  writer.sid(domain);
  writer.sub_authority(relative_id);
  return writer.finish();
}

}  // namespace usher
