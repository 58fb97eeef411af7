// What is read of fields apart from the messages they are in; krb5_fields.h says what and why.
#include "parsers/krb5_fields.h"

namespace usher::krb5::fields {
namespace {

using der::Reader;
using der::Tag;

void read_typed_value(Reader& list) noexcept {
  list.in_large(Tag::kSequence, [](Reader& parts) {
    parts.i32_in(der::context(0));
    parts.large_in(der::context(1), Tag::kOctetString);
  });
}

// are_short_strings looks at what almost all names are; false if they may be names all the same.
bool are_short_strings(Bytes strings) noexcept {
  for (std::uint32_t count = 0; count < kNameComponentsMax && strings.size() >= 2; ++count) {
    const std::size_t end = 2u + strings[1];
    if (strings[0] != std::uint8_t(Tag::kGeneralString) || end >= 2 + 0x80 ||
        end > strings.size()) {
      return false;
    }
    strings = strings.subspan(end);
  }
  return strings.empty();
}

[[gnu::noinline]] ParseFault check_any_names(Bytes strings) noexcept {
  Parse parse(strings);
  Reader reader(parse);
  std::uint32_t count = 0;
  reader.each([&](Reader& rest) {
    rest.require(++count <= kNameComponentsMax);
    // A NUL would end a name for every C library that sees it later.
    rest.require(!has_nul(rest.bytes(Tag::kGeneralString)));  // KerberosString (RFC 4120 5.2.1).
  });
  return parse.fault();
}

}  // namespace

[[gnu::noinline]] ParseFault check_names(Bytes strings) noexcept {
  return !has_nul(strings) && are_short_strings(strings) ? ParseFault{} : check_any_names(strings);
}

[[gnu::noinline, gnu::flatten]] ParseFault check_typed_value(Bytes element) noexcept {
  Parse parse(element);
  Reader reader(parse);
  read_typed_value(reader);
  reader.finish();
  return parse.fault();
}

[[gnu::noinline, gnu::flatten]] ParseFault check_typed_list(Bytes element) noexcept {
  Parse parse(element);
  Reader reader(parse);
  reader.in_large(Tag::kSequence, [](Reader& list) { list.each(read_typed_value); });
  reader.finish();
  return parse.fault();
}

}  // namespace usher::krb5::fields
