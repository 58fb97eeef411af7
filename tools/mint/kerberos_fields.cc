#include "tools/mint/kerberos_fields.h"

#include <algorithm>
#include <string>

#include "tools/mint/kerberos_mint.h"

namespace usher::mint {

using der::context;
using der::Tag;
using der::Writer;

void write_principal(Writer& writer, const Principal& name) {
  writer.in(Tag::kSequence, [&](Writer& sequence) {
    sequence.in(context(1), [&](Writer& field) {
      field.in(Tag::kSequence, [&](Writer& strings) {
        std::for_each(
            name.components.rbegin(), name.components.rend(),
            [&](const std::string& part) { strings.bytes(Tag::kGeneralString, as_bytes(part)); });
      });
    });
    sequence.in(context(0), [&](Writer& field) { field.i32(name.type); });
  });
}

void write_key(Writer& writer, std::int32_t etype, Bytes key) {
  writer.in(Tag::kSequence, [&](Writer& sequence) {
    sequence.in(context(1), [&](Writer& field) { field.bytes(Tag::kOctetString, key); });
    sequence.in(context(0), [&](Writer& field) { field.i32(etype); });
  });
}

void write_encrypted(Writer& writer, std::int32_t etype, std::optional<std::uint32_t> kvno,
                     Bytes cipher) {
  writer.in(Tag::kSequence, [&](Writer& sequence) {
    sequence.in(context(2), [&](Writer& field) { field.bytes(Tag::kOctetString, cipher); });
    if (kvno) {
      sequence.in(context(1), [&](Writer& field) { field.u32(*kvno); });
    }
    sequence.in(context(0), [&](Writer& field) { field.i32(etype); });
  });
}

void write_time(Writer& writer, std::uint8_t number, std::int64_t seconds) {
  writer.in(context(number), [&](Writer& field) { field.time(seconds); });
}

void write_string(Writer& writer, std::uint8_t number, std::string_view text) {
  writer.in(context(number),
            [&](Writer& field) { field.bytes(Tag::kGeneralString, as_bytes(text)); });
}

void write_element(Writer& writer, std::uint8_t number, Bytes element) {
  if (!element.empty()) {
    writer.in(context(number), [&](Writer& field) { field.octets(element); });
  }
}

}  // namespace usher::mint
