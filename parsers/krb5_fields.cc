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
  const bool are_names =
      !may_have_nul(strings) && der::are_short<0>(strings, Tag::kGeneralString, kNameComponentsMax);
  return are_names ? ParseFault{} : check_any_names(strings);
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
