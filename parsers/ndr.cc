// NDR20 behind the headers of type serialization version 1.
#include "parsers/ndr.h"

namespace usher::ndr {
namespace {

constexpr std::uint16_t kVersionAndByteOrder = 0x1001;  // 1; 0x10: little-endian.
constexpr std::uint16_t kCommonHeaderLength = 8;
constexpr std::uint32_t kObjectAlignment = 8;
constexpr std::uint32_t kSidCountOffset = 1;

}  // namespace

void Reader::headers() noexcept {
  //= MS-RPCE 2.2.6.1
  cursor_.require(u16() == kVersionAndByteOrder);
  cursor_.require(u16() == kCommonHeaderLength);
  u32();  // Filler, ignored.
  //= MS-RPCE 2.2.6.2
  const std::uint32_t length = u32();
  u32();  // Filler.
  if (length > parse_.size() - cursor_.at()) {
    parse_.fail(ParseCode::kOutOfBounds, cursor_.at());
  }
  object_end_ = cursor_.at() + length;
  require(u32() != 0);
}

Bytes Reader::characters(const UnicodeString& string) noexcept {
  if (string.referent == 0) {
    return {};
  }
  auto counts = block<3 * sizeof(std::uint32_t)>();
  const std::uint32_t max_count = counts.u32();
  const std::uint32_t offset = counts.u32();
  const std::uint32_t actual_count = counts.u32();
  require(offset == 0 && actual_count == string.length / 2u && max_count >= actual_count &&
          max_count <= string.maximum_length / 2u);
  return octets(string.length);
}

Bytes Reader::array(std::uint32_t referent, std::uint32_t count, std::uint32_t width) noexcept {
  if (referent == 0) {
    require(count == 0);
    return {};
  }
  require(u32() == count);
  if (count > (parse_.size() - cursor_.at()) / width) {
    parse_.fail(ParseCode::kTruncated, cursor_.at());
    return {};
  }
  return octets(count * width);
}

SidView Reader::sid(std::uint32_t referent) noexcept {
  if (referent == 0) {
    return {};
  }
  const std::uint32_t max_count = u32();
  require(max_count >= 1 && max_count <= SidView::kSubAuthoritiesMax);
  const std::uint32_t at = cursor_.at();
  const Bytes raw = octets(SidView::kFixedSize + 4 * max_count);
  if (!parse_.ok()) {
    return {};
  }
  if (raw[kSidCountOffset] != max_count) {
    parse_.fail(ParseCode::kBadValue, at + kSidCountOffset);
  }
  const Result<SidView> sid = parse_sid(raw);
  if (!sid.ok()) {
    parse_.fail(sid.fault().code, at + sid.fault().offset);
  }
  return parse_.ok() ? *sid : SidView{};
}

void Reader::finish() noexcept {
  if (cursor_.at() > object_end_) {
    parse_.fail(ParseCode::kOutOfBounds, object_end_);
  }
  const std::uint32_t left = parse_.size() - cursor_.at();
  if (left >= kObjectAlignment || (left > 0 && parse_.size() % kObjectAlignment != 0)) {
    parse_.fail(ParseCode::kTrailingBytes, cursor_.at());
  }
}

}  // namespace usher::ndr
