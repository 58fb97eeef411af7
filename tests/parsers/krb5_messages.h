// Kerberos messages made field by field, for tests that exchange one field for another.
#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/krb5.h"
#include "tests/hex.h"

namespace usher::krb5 {

using Octets = std::vector<std::uint8_t>;

// A DER builder of its own, on hex text, so that parser and writer are not their own judges.
inline std::string hex_of(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string digits;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    digits += kDigits[octet >> 4];
    digits += kDigits[octet & 15];
  }
  return digits;
}

inline std::string octet(std::size_t value) {
  return hex_of(std::string(1, static_cast<char>(value)));
}

inline std::string element(std::size_t tag, std::string contents) {
  std::erase(contents, ' ');
  const std::size_t size = contents.size() / 2;
  std::string length = octet(size);
  if (size > 0xff) {
    length = "82" + octet(size >> 8) + octet(size);
  } else if (size > 0x7f) {
    length = "81" + length;
  }
  return octet(tag) + length + contents;
}

inline std::string field(std::size_t number, const std::string& contents) {
  return element(0xa0 | number, contents);
}
inline std::string sequence(const std::string& contents) { return element(0x30, contents); }
inline std::string string_element(std::string_view text) { return element(0x1b, hex_of(text)); }
inline std::string time_element(std::string_view text) { return element(0x18, hex_of(text)); }

inline std::string name(const std::vector<std::string>& components) {
  std::string strings;
  for (const std::string& component : components) {
    strings += string_element(component);
  }
  return sequence(field(0, "020101") + field(1, sequence(strings)));
}

inline std::string encrypted(const std::string& etype = "020112",
                             const std::string& kvno = "020102") {
  return sequence(field(0, etype) + field(1, kvno) + field(2, "0402cafe"));
}

inline std::string key(const std::string& value = "0410000102030405060708090a0b0c0d0e0f") {
  return sequence(field(0, "020111") + field(1, value));
}

inline std::string typed_list(const std::string& type, const std::string& data) {
  return sequence(sequence(field(0, type) + field(1, data)));
}

inline std::string ticket(const std::string& version = "020105") {
  return element(0x61, sequence(field(0, version) + field(1, string_element("R")) +
                                field(2, name({"s", "h"})) + field(3, encrypted())));
}

inline const std::string kTime = time_element("20261120091632Z");
inline const std::string kFlags = "03050040a10000";

// Fields are the elements of a message's SEQUENCE, in order.
using Fields = std::vector<std::string>;

struct Built {
  Octets message;
  std::vector<std::uint32_t> offsets;  // Where each field begins.
};

inline Built build(std::size_t application, const Fields& fields) {
  std::string body;
  std::vector<std::uint32_t> starts;
  for (const std::string& part : fields) {
    starts.push_back(static_cast<std::uint32_t>(body.size() / 2));
    body += part;
  }
  const std::string whole = element(0x60 | application, sequence(body));
  const std::size_t headers = (whole.size() - body.size()) / 2;
  for (std::uint32_t& start : starts) {
    start += static_cast<std::uint32_t>(headers);
  }
  return {usher::testing::hex(whole), starts};
}

// One kind of message with every OPTIONAL field present.
struct Kind {
  const char* name;
  std::size_t application;
  Fields fields;
  ParseFault (*fault)(Bytes);
};

inline void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

template <auto kParse>
ParseFault fault_of(Bytes message) {
  return kParse(message).fault();
}

enum KindIndex {
  kApReq,
  kTicket,
  kEncTicketPart,
  kAuthenticator,
  kApRep,
  kEncApRepPart,
  kKrbError
};

inline const std::vector<Kind>& kinds() {
  static const std::vector<Kind> table = {
      {"ApReq",
       14,
       {field(0, "020105"), field(1, "02010e"), field(2, "03050020000000"), field(3, ticket()),
        field(4, encrypted())},
       fault_of<parse_ap_req>},
      {"Ticket",
       1,
       {field(0, "020105"), field(1, string_element("R")), field(2, name({"s", "h"})),
        field(3, encrypted())},
       fault_of<parse_ticket>},
      {"EncTicketPart",
       3,
       {field(0, kFlags), field(1, key()), field(2, string_element("REALM")),
        field(3, name({"alice"})), field(4, sequence(field(0, "020101") + field(1, "0400"))),
        field(5, kTime), field(6, kTime), field(7, time_element("20261121091632Z")),
        field(8, time_element("20380119031408Z")), field(9, typed_list("020102", "04040a000001")),
        field(10, typed_list("020101", "0403aabbcc"))},
       fault_of<parse_enc_ticket_part>},
      {"Authenticator",
       2,
       {field(0, "020105"), field(1, string_element("REALM")), field(2, name({"alice"})),
        field(3, sequence(field(0, "020300 8003") + field(1, "0402beef"))), field(4, "02030f423f"),
        field(5, kTime), field(6, key()), field(7, "02047fffffff"),
        field(8, typed_list("020101", "0403aabbcc"))},
       fault_of<parse_authenticator>},
      {"ApRep",
       15,
       {field(0, "020105"), field(1, "02010f"), field(2, encrypted())},
       fault_of<parse_ap_rep>},
      {"EncApRepPart",
       27,
       {field(0, kTime), field(1, "020107"), field(2, key()), field(3, "02047fffffff")},
       fault_of<parse_enc_ap_rep_part>},
      {"KrbError",
       30,
       {field(0, "020105"), field(1, "02011e"), field(2, kTime), field(3, "020107"),
        field(4, kTime), field(5, "020108"), field(6, "020125"), field(7, string_element("C")),
        field(8, name({"alice"})), field(9, string_element("R")), field(10, name({"s", "h"})),
        field(11, element(0x1b, hex_of("skew") + "00")), field(12, "0402cafe")},
       fault_of<parse_krb_error>},
  };
  return table;
}

}  // namespace usher::krb5
