// AuthorizationData made element by element, in hex like everything of
// tests/parsers/krb5_messages.h.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "tests/parsers/krb5_messages.h"

namespace usher::krb5 {

// integer_element is an INTEGER of 0..32767.
inline std::string integer_element(std::uint16_t value) {
  return element(0x02, value < 0x80 ? octet(value) : octet(value >> 8) + octet(value & 0xff));
}

// ad_element is one element of an AuthorizationData, ad_list an AuthorizationData.
inline std::string ad_element(std::uint16_t type, const std::string& data) {
  return sequence(field(0, integer_element(type)) + field(1, element(0x04, data)));
}
inline std::string ad_list(std::initializer_list<std::string> elements) {
  std::string contents;
  for (const std::string& each : elements) {
    contents += each;
  }
  return sequence(contents);
}
inline std::string ad_if_relevant(const std::string& list) { return ad_element(1, list); }

// ad_nested stands `list` inside `depth` AD-IF-RELEVANTs.
inline std::string ad_nested(std::uint32_t depth, std::string list) {
  for (std::uint32_t i = 0; i < depth; ++i) {
    list = ad_list({ad_if_relevant(list)});
  }
  return list;
}

// ad_many is an AuthorizationData of `count` elements of `type`, each with one byte.
inline std::string ad_many(std::uint32_t count, std::uint16_t type) {
  std::string contents;
  for (std::uint32_t i = 0; i < count; ++i) {
    contents += ad_element(type, "00");
  }
  return sequence(contents);
}

// ad_windows is shaped like what domain controllers put into a ticket: the PAC and the token
// restrictions, each in an AD-IF-RELEVANT of its own.
inline std::string ad_windows(const std::string& pac = "0000000000000000") {
  return ad_list({ad_if_relevant(ad_list({ad_element(128, pac)})),
                  ad_if_relevant(ad_list({ad_element(141, "3000")}))});
}

// ad_windows_client is shaped like what Windows clients put into an authenticator: etypes,
// KERB_AP_OPTIONS with channel bindings, and the name of the service in UTF-16.
inline std::string ad_windows_client() {
  return ad_list({ad_if_relevant(
      ad_list({ad_element(129, "3009020112020111020117"), ad_element(143, "00400000"),
               ad_element(144, "4800540054005000")}))});
}

}  // namespace usher::krb5
