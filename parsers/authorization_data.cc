// AuthorizationData and what is nested in it; authorization_data.h says what is promised.
#include "parsers/authorization_data.h"

#include "parsers/der.h"
#include "parsers/krb5_fields.h"

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

AdWalk::AdWalk(Bytes element) noexcept : parse_(element) {
  if (!element.empty()) {
    enter(parse_.input());
  }
}

// stop ends the walk at a fault. It says false.
bool AdWalk::stop() noexcept {
  depth_ = 0;
  unread_ = {};
  return false;
}

// enter goes on with the elements of `list`, an AuthorizationData element; false: it is none.
bool AdWalk::enter(Bytes list) noexcept {
  Reader reader(parse_, list);
  unread_ = reader.large(Tag::kSequence);
  reader.finish();
  return parse_.ok() || stop();
}

// read takes the next element of the current level; false: it is none.
bool AdWalk::read(AdElement& element) noexcept {
  Reader reader(parse_, unread_);
  element_at_ = reader.mark();
  element.if_relevant = depth_ > 0;
  reader.in_large(Tag::kSequence, [&](Reader& parts) {
    element.type = AdType(parts.i32_in(der::context(0)));
    element.data = parts.large_in(der::context(1), Tag::kOctetString);
  });
  unread_ = reader.rest();
  return parse_.ok() || stop();
}

bool AdWalk::next(AdElement& element) noexcept {
  while (true) {
    if (unread_.empty()) {
      if (depth_ == 0) {
        return false;
      }
      unread_ = unread_around_[--depth_];
      continue;
    }
    if (++element_count_ > kAdElementsMax) {
      Reader(parse_, unread_).require(false);
      return stop();
    }
    if (!read(element)) {
      return false;
    }
    if (element.type != AdType::kIfRelevant) {
      return true;
    }
    if (depth_ == kAdDepthMax) {
      parse_.fail(ParseCode::kBadValue, element_at_);
      return stop();
    }
    unread_around_[depth_++] = unread_;
    if (!enter(element.data)) {
      return false;
    }
  }
}

// read_whole fills in `data` but for its fault, which it returns.
[[gnu::noinline, gnu::flatten]] ParseFault read_whole(Bytes element,
                                                      AuthorizationData& data) noexcept {
  AdWalk walk(element);
  AdElement found;
  while (walk.next(found)) {
    if (!note(found, data)) {
      return {ParseCode::kBadValue, walk.element_at_};
    }
    const bool critical = !found.if_relevant && found.type != AdType::kWin2kPac;
    if (critical && !data.has_critical) {
      data.has_critical = true;
      data.critical = found.type;
    }
  }
  data.element_count = walk.element_count_;
  return walk.parse_.fault();
}

ParseFault read_within(Bytes element, AuthorizationData& data) noexcept {
  data.fault = read_whole(element, data);
  // All of it was read without a fault only if the list is right as well.
  const bool right = data.fault.code == ParseCode::kOk && !element.empty();
  return right ? ParseFault{} : fields::check_typed_list(element);
}

Result<AuthorizationData> parse_authorization_data(Bytes element) noexcept {
  AuthorizationData data;
  data.fault = read_whole(element, data);
  return data.fault.code == ParseCode::kOk ? Result<AuthorizationData>(data)
                                           : Result<AuthorizationData>(data.fault);
}

}  // namespace usher::krb5
