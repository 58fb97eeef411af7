// AuthorizationData and what is nested in it; authorization_data.h says what is promised.
#include "parsers/authorization_data.h"

#include "parsers/der.h"

namespace usher::krb5 {
namespace {

using der::Reader;
using der::Tag;

constexpr std::size_t kUtf16UnitSize = 2;

// read_etype_list takes an EtypeList apart; false if it is none. An empty one says nothing.
bool read_etype_list(Bytes value, Bytes& etypes) noexcept {
  Parse parse(value);
  Reader reader(parse);
  reader.in(Tag::kSequence, [&](Reader& list) {
    const std::uint32_t begin = list.mark();
    std::uint32_t count = 0;
    list.each([&](Reader& rest) {
      rest.require(++count <= kEtypeListMax);
      rest.i32();
    });
    etypes = list.since(begin);
  });
  reader.finish();
  return parse.ok();
}

// note files one element under what an acceptor asks about; false if it cannot be that.
bool note(const AdElement& element, AuthorizationData& data) noexcept {
  const Bytes value = element.data;
  switch (element.type) {
    case AdType::kWin2kPac:
      if (data.has_pac) {
        return false;  // Two answers to who the client is.
      }
      data.has_pac = true;
      data.pac = value;
      return true;
    case AdType::kApOptions:
      if (value.size() != sizeof(data.ap_options)) {
        return false;
      }
      data.has_ap_options = true;
      data.ap_options |= load_le<std::uint32_t>(value);
      return true;
    case AdType::kClientTarget:
      if (value.size() % kUtf16UnitSize != 0) {
        return false;
      }
      if (!data.has_client_target) {
        data.has_client_target = true;
        data.client_target = value;
      }
      return true;
    case AdType::kEtypeNegotiation: {
      Bytes etypes;
      if (!read_etype_list(value, etypes)) {
        return false;
      }
      if (!data.has_etype_list) {
        data.has_etype_list = true;
        data.etype_list = etypes;
      }
      return true;
    }
    default:
      return true;
  }
}

}  // namespace

AdWalk::AdWalk(Bytes element) noexcept {
  if (!element.empty()) {
    enter(element, 0);
  }
}

void AdWalk::fail(ParseCode code, std::uint32_t offset) noexcept {
  fault_ = {code, offset};
  current_ = {};
  depth_ = 0;
}

// enter goes on with the elements of `list`, an AuthorizationData element at offset `at`.
void AdWalk::enter(Bytes list, std::uint32_t at) noexcept {
  Parse parse(list);
  Reader reader(parse);
  Level inner;
  reader.in(Tag::kSequence, [&](Reader& elements) {
    inner.at = at + elements.mark();
    inner.unread = elements.rest();
  });
  reader.finish();
  const Result<Level> result = parse.finish(inner);
  if (!result.ok()) {
    return fail(result.fault().code, at + result.fault().offset);
  }
  current_ = *result;
}

// read takes the next element of the current level and returns where its ad-data begins.
std::uint32_t AdWalk::read(AdElement& element) noexcept {
  Parse parse(current_.unread);
  Reader reader(parse);
  std::uint32_t data_at = 0;
  element = {.if_relevant = depth_ > 0};
  element_at_ = current_.at;
  reader.in(Tag::kSequence, [&](Reader& parts) {
    parts.in(der::context(0), [&](Reader& type) { element.type = AdType(type.i32()); });
    parts.in(der::context(1), [&](Reader& value) {
      element.data = value.bytes(Tag::kOctetString);
      data_at = value.mark() - static_cast<std::uint32_t>(element.data.size());
    });
  });
  const std::uint32_t size = reader.mark();
  const Bytes unread = reader.rest();
  if (const Result<Level> result = parse.finish(Level{unread, current_.at + size}); result.ok()) {
    data_at += current_.at;
    current_ = *result;
  } else {
    fail(result.fault().code, current_.at + result.fault().offset);
  }
  return data_at;
}

bool AdWalk::next(AdElement& element) noexcept {
  while (!current_.unread.empty() || depth_ > 0) {
    if (current_.unread.empty()) {
      current_ = pending_[--depth_];
      continue;
    }
    if (++element_count_ > kAdElementsMax) {
      fail(ParseCode::kBadValue, current_.at);
      return false;
    }
    const std::uint32_t data_at = read(element);
    if (fault_.code != ParseCode::kOk) {
      return false;
    }
    if (element.type != AdType::kIfRelevant) {
      return true;
    }
    if (depth_ == kAdDepthMax) {
      fail(ParseCode::kBadValue, element_at_);
      return false;
    }
    pending_[depth_++] = current_;
    enter(element.data, data_at);
  }
  return false;
}

[[gnu::flatten]] Result<AuthorizationData> parse_authorization_data(Bytes element) noexcept {
  AuthorizationData data;
  AdWalk walk(element);
  AdElement found;
  while (walk.next(found)) {
    if (!note(found, data)) {
      return ParseFault{ParseCode::kBadValue, walk.element_at_};
    }
    const bool critical = !found.if_relevant && found.type != AdType::kWin2kPac;
    if (critical && !data.has_critical) {
      data.has_critical = true;
      data.critical = found.type;
    }
  }
  data.element_count = walk.element_count_;
  return walk.fault_.code == ParseCode::kOk ? Result<AuthorizationData>(data)
                                            : Result<AuthorizationData>(walk.fault_);
}

}  // namespace usher::krb5
