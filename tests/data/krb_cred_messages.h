// KRB-CRED and EncKrbCredPart made field by field, in hex like tests/parsers/krb5_messages.h.
#pragma once

#include <cstdint>
#include <string>

#include "tests/parsers/krb5_messages.h"

namespace usher::krb5 {

inline constexpr std::size_t kKrbCredTag = 22;
inline constexpr std::size_t kEncKrbCredPartTag = 29;

inline std::string repeated(std::uint32_t count, const std::string& text) {
  std::string all;
  for (std::uint32_t i = 0; i < count; ++i) {
    all += text;
  }
  return all;
}

// cred_fields are a KRB-CRED of `tickets` tickets, encrypted under etype 0, as MIT sends it when
// there is no session key to encrypt it with, or another.
inline Fields cred_fields(std::uint32_t tickets, const std::string& etype = "020100") {
  return {field(0, "020105"), field(1, "020116"), field(2, sequence(repeated(tickets, ticket()))),
          field(3, sequence(field(0, etype) + field(2, "0402cafe")))};
}
inline Octets krb_cred(std::uint32_t tickets) {
  return build(kKrbCredTag, cred_fields(tickets)).message;
}

// cred_info_fields are a KrbCredInfo with every OPTIONAL field present.
inline Fields cred_info_fields() {
  return {field(0, key()),
          field(1, string_element("REALM")),
          field(2, name({"alice"})),
          field(3, kFlags),
          field(4, kTime),
          field(5, kTime),
          field(6, time_element("20261121091632Z")),
          field(7, time_element("20380119031408Z")),
          field(8, string_element("SREALM")),
          field(9, name({"krbtgt", "REALM"})),
          field(10, typed_list("020102", "04040a000001"))};
}
inline std::string joined(const Fields& fields) {
  std::string all;
  for (const std::string& each : fields) {
    all += each;
  }
  return all;
}
inline std::string cred_info() { return sequence(joined(cred_info_fields())); }

// enc_cred_part_fields are an EncKrbCredPart of `infos` infos with every OPTIONAL field present.
inline Fields enc_cred_part_fields(std::uint32_t infos) {
  const std::string address = sequence(field(0, "020102") + field(1, "04040a000001"));
  return {field(0, sequence(repeated(infos, cred_info()))),
          field(1, "02047fffffff"),
          field(2, kTime),
          field(3, "02030f423f"),
          field(4, address),
          field(5, address)};
}
inline Octets enc_krb_cred_part(std::uint32_t infos) {
  return build(kEncKrbCredPartTag, enc_cred_part_fields(infos)).message;
}

}  // namespace usher::krb5
