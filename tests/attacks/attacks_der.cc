// Section A: DER and the limits of ASN.1 types.
#include "tests/attacks/kerberos_parts.h"
#include "tests/attacks/spnego_parts.h"

namespace usher::attacks {
namespace {

// One element, as parsers/der reads it alone. The selector makes fuzz_der walk into it.
ParseFault octet_string_fault(Bytes message) {
  Parse parse(message);
  der::Reader reader(parse);
  const Bytes contents = reader.bytes(der::Tag::kOctetString);
  reader.finish();
  return parse.finish(contents).fault();
}
ParseFault integer_fault(Bytes message) {
  Parse parse(message);
  der::Reader reader(parse);
  const std::int32_t value = reader.i32();
  reader.finish();
  return parse.finish(value).fault();
}
const Parser kOctetString = {"der", {1, 0}, octet_string_fault};
const Parser kInteger = {"der", {3, 3, 4, 5}, integer_fault};

// Messages whose length octets are the field.
Octets mech_token_of_length(const Octets& length_octets) {
  return init(cat({kMechTypes, element(0xa2, cat({{0x04}, length_octets, Octets(5, 0x74)}))}));
}
Octets cipher_of_length(const Octets& length_octets) {
  const Octets cipher = cat({{0x04}, length_octets, hex("cafe")});
  return with_field(krb5::kApReq, 4)(encrypted_data(kEtype, kKvno, cipher));
}
Octets ap_req_of_inner_length(const Octets& length_octets) {
  const Octets body = body_with(krb5::kApReq, 0, hex("a0 03 02 01 05"));
  return element(0x6e, cat({{0x30}, length_octets, body}));
}
Octets ap_req_length() { return length(body_with(krb5::kApReq, 0, hex("a0 03 02 01 05")).size()); }

void add_lengths(Section& section) {
  const auto truncated = ParseCode::kTruncated;
  section
      .add("A1", "length-one-more", kSpnegoInit, truncated, mech_token_of_length, hex("06"),
           hex("05"))
      .add("A1", "length-127", kSpnegoInit, truncated, mech_token_of_length, hex("7f"), hex("05"))
      .add("A1", "length-16-bits", kSpnegoInit, truncated, mech_token_of_length, hex("82 ffff"),
           hex("05"))
      .add("A1", "length-32-bits", kSpnegoInit, truncated, mech_token_of_length, hex("84 ffffffff"),
           hex("05"))
      .add("A1", "cipher-one-more", kApReq, truncated, cipher_of_length, hex("03"), hex("02"))
      .add("A1", "cipher-32-bits", kApReq, truncated, cipher_of_length, hex("84 ffffffff"),
           hex("02"));

  // Bounds that would lie before their own beginning if they had a sign or wrapped.
  const Octets right = ap_req_length();
  section
      .add("A2", "inner-length-max", kApReq, truncated, ap_req_of_inner_length, hex("84 ffffffff"),
           right)
      .add("A2", "inner-length-2-31", kApReq, truncated, ap_req_of_inner_length, hex("84 80000000"),
           right)
      .add("A2", "inner-length-wraps", kApReq, truncated, ap_req_of_inner_length,
           hex("84 fffffff0"), right)
      .add("A2", "inner-length-2-32", kApReq, ParseCode::kBadLength, ap_req_of_inner_length,
           hex("85 0100000000"), right)
      .add("A2", "inner-length-2-63", kApReq, ParseCode::kBadLength, ap_req_of_inner_length,
           hex("88 8000000000000000"), right);
}

void add_times(Section& section) {
  const auto auth_time = [](const Octets& text) {
    return with_field(krb5::kEncTicketPart, 5)(element(0x18, text));
  };
  const Octets right = octets_of("20261120091632Z");
  const auto bad = [&](const char* name, const char* text) {
    section.add("A3", name, kEncTicketPart, ParseCode::kBadValue, auth_time, octets_of(text),
                right);
  };
  bad("time-empty", "");
  bad("time-14-octets", "2026112009163Z");
  bad("time-16-octets", "202611200916320Z");
  bad("time-fraction", "20261120091632.5Z");
  bad("time-letters", "2026112009l632Z");
  bad("time-without-zone", "202611200916320");
  bad("time-month-13", "20261320091632Z");
  bad("time-february-30", "20260230091632Z");
  bad("time-hour-24", "20261120241632Z");
}

void add_nesting(Section& section) {
  const auto mech_types = [](const Octets& list) { return init(element(0xa0, list)); };
  const auto mech_token = [](const Octets& token) {
    return init(cat({kMechTypes, element(0xa2, token)}));
  };
  const auto ap_req = [](const Octets& body) { return element(0x6e, body); };
  const Octets list = element(0x30, kKerberosOid);
  const Octets token = element(0x04, Octets(5, 0x74));
  const Octets body = element(0x30, body_with(krb5::kApReq, 0, hex("a0 03 02 01 05")));
  constexpr std::size_t kDeep = 10'000;
  constexpr std::size_t kSeedDepth = 64;
  constexpr std::uint32_t kHeaders = 32;  // Refused at the first nested element.

  const Octets indefinite = hex("30 80");
  const Octets indefinite_string = hex("24 80");
  section
      .add_big("A4", "indefinite-nesting", kSpnegoInit, ParseCode::kBadLength, mech_types,
               repeat(indefinite, kDeep), list, repeat(indefinite, kSeedDepth))
      .found_by(kHeaders)
      .add_big("A4", "indefinite-octet-strings", kSpnegoInit, ParseCode::kUnexpectedTag, mech_token,
               repeat(indefinite_string, kDeep), token, repeat(indefinite_string, kSeedDepth))
      .found_by(2 * kHeaders)
      .add_big("A4", "indefinite-ap-req", kApReq, ParseCode::kBadLength, ap_req,
               repeat(indefinite, kDeep), body, repeat(indefinite, kSeedDepth))
      .found_by(kHeaders);

  constexpr std::size_t kDeepDefinite = 4'000;
  const auto ad = [](const Octets& contents) {
    return with_field(krb5::kAuthenticator, 8)(contents);
  };
  const Octets one_ad = hex(krb5::typed_list("020101", "0403aabbcc"));
  section
      .add_big("A5", "definite-nesting", kSpnegoInit, ParseCode::kUnexpectedTag, mech_types,
               nested(kDeepDefinite), list, nested(kSeedDepth))
      .found_by(kHeaders)
      .add_big("A5", "definite-nesting-in-authorization-data", kAuthenticator,
               ParseCode::kUnexpectedTag, ad, nested(kDeepDefinite), one_ad, nested(kSeedDepth))
      .found_by(6 * kHeaders);
}

void add_choices(Section& section) {
  const auto init_of = [](const Octets& body) { return element(0xa0, body); };
  const auto resp_of = [](const Octets& body) { return element(0xa1, body); };
  section
      .add("A6", "init-holds-resp", kSpnegoInit, ParseCode::kUnexpectedTag, init_of, kRespBody,
           kInitBody)
      .add("A6", "resp-holds-init", kSpnegoResp, ParseCode::kUnexpectedTag, resp_of, kInitBody,
           kRespBody);

  const auto framed_arm = [](std::uint8_t tag) { return framed(element(tag, kInitBody)); };
  section
      .add("A6", "other-arm", kSpnegoInit, ParseCode::kUnexpectedTag, framed_arm,
           std::uint8_t{0xa1}, std::uint8_t{0xa0})
      .add("A6", "third-arm", kSpnegoInit, ParseCode::kUnexpectedTag, framed_arm,
           std::uint8_t{0xa2}, std::uint8_t{0xa0});

  const auto after = [](std::uint8_t tag, bool in_frame) {
    return [=](const Octets& rest) {
      const Octets token = cat({{tag}, rest});
      return in_frame ? framed(token) : token;
    };
  };
  const Octets init_rest = cat({length(kInitBody.size()), kInitBody});
  const Octets resp_rest = cat({length(kRespBody.size()), kRespBody});
  section
      .add("A6", "init-cut-after-tag", kSpnegoInit, ParseCode::kTruncated, after(0xa0, false),
           Octets{}, init_rest)
      .add("A6", "framed-init-cut-after-tag", kSpnegoInit, ParseCode::kTruncated, after(0xa0, true),
           Octets{}, init_rest)
      .add("A6", "init-empty", kSpnegoInit, ParseCode::kTruncated, after(0xa0, false), hex("00"),
           init_rest)
      .add("A6", "resp-cut-after-tag", kSpnegoResp, ParseCode::kTruncated, after(0xa1, false),
           Octets{}, resp_rest)
      .add("A6", "resp-empty", kSpnegoResp, ParseCode::kTruncated, after(0xa1, false), hex("00"),
           resp_rest);
}

void add_numbers(Section& section) {
  const auto bad_value = ParseCode::kBadValue;
  const auto etype = [](const Octets& number) {
    return with_field(krb5::kApReq, 4)(encrypted_data(number, kKvno, kCipher));
  };
  section
      .add("A7", "pvno-minus-1", kApReq, bad_value, with_field(krb5::kApReq, 0), hex("02 01 ff"),
           hex("02 01 05"))
      .add("A7", "msg-type-2-31", kApReq, bad_value, with_field(krb5::kApReq, 1),
           hex("02 05 0080000000"), hex("02 01 0e"))
      .add("A7", "msg-type-minus-2-31", kApReq, bad_value, with_field(krb5::kApReq, 1),
           hex("02 04 80000000"), hex("02 01 0e"))
      // -2^31 itself is an Int32 (RFC 4120 5.2.4), if no encryption type that anybody serves.
      .add("A7", "etype-below-minus-2-31", kApReq, bad_value, etype, hex("02 05 ff7fffffff"),
           hex("02 04 80000000"));

  const auto cusec = with_field(krb5::kAuthenticator, 4);
  const Octets zero = hex("02 01 00");
  section.add("A12", "integer-empty", kAuthenticator, bad_value, cusec, hex("02 00"), zero)
      .add("A12", "integer-negative", kAuthenticator, bad_value, cusec, hex("02 01 80"), zero)
      .add("A12", "integer-leading-zero", kAuthenticator, bad_value, cusec, hex("02 02 0000"), zero)
      .add(
          "A12", "integer-leading-ones", kInteger, bad_value,
          [](const Octets& contents) { return element(0x02, contents); }, hex("ff80"), hex("80"))
      .add(
          "A12", "integer-negative-zero", kInteger, bad_value,
          [](const Octets& contents) { return element(0x02, contents); }, hex("ff00 0000 0000"),
          hex("00"));
}

void add_strictness(Section& section) {
  const auto of_length = [](const Octets& length_octets) {
    return cat({{0x04}, length_octets, Octets(5, 0x74)});
  };
  const auto bad_length = [&](const char* name, const char* length_octets) {
    section.add("A13", name, kOctetString, ParseCode::kBadLength, of_length, hex(length_octets),
                hex("05"));
  };
  bad_length("length-in-2-octets", "81 05");
  bad_length("length-in-3-octets", "82 0005");
  bad_length("length-in-5-octets", "84 00000005");
  bad_length("length-in-128-octets", "ff 05");
  bad_length("length-indefinite", "80");
  const auto of_tag = [](const Octets& tag_octets) {
    return cat({tag_octets, hex("05"), Octets(5, 0x74)});
  };
  section
      .add("A13", "tag-long-form", kOctetString, ParseCode::kUnexpectedTag, of_tag, hex("1f 81 00"),
           hex("04"))
      .add("A13", "tag-long-form-of-4", kOctetString, ParseCode::kUnexpectedTag, of_tag,
           hex("1f 04"), hex("04"));
}

void add_outer_lengths(Section& section) {
  const Octets inner = cat({kKerberosOid, Octets(20, 0x6e)});
  const auto gss_of_length = [inner](std::size_t size) {
    return cat({{0x60}, length(size), inner});
  };
  const auto spnego_of_length = [](std::size_t size) {
    return cat({{0x60}, length(size), kSpnegoOid, element(0xa0, kInitBody)});
  };
  const std::size_t right = inner.size();
  const std::size_t right_spnego = kSpnegoOid.size() + element(0xa0, kInitBody).size();
  for (std::size_t n = 1; n <= 3; ++n) {
    const std::string by = std::to_string(n);
    section
        .add("A8", "outer-length-" + by + "-less", kGssInitial, ParseCode::kTrailingBytes,
             gss_of_length, right - n, right)
        .add("A8", "outer-length-" + by + "-more", kGssInitial, ParseCode::kTruncated,
             gss_of_length, right + n, right);
  }
  section
      .add("A8", "spnego-length-1-less", kSpnegoInit, ParseCode::kTruncated, spnego_of_length,
           right_spnego - 1, right_spnego)
      .add("A8", "spnego-length-1-more", kSpnegoInit, ParseCode::kTruncated, spnego_of_length,
           right_spnego + 1, right_spnego);

  // Indefinite, with a tail that never ends it: nothing to search an end-of-contents in.
  const auto gss_of_header = [inner](const Octets& header) { return cat({{0x60}, header, inner}); };
  const Octets ap_req_body = element(0x30, body_with(krb5::kApReq, 0, hex("a0 03 02 01 05")));
  const auto ap_req_of_header = [ap_req_body](const Octets& header) {
    return cat({{0x6e}, header, ap_req_body});
  };
  section
      .add("A10", "no-end-of-contents", kGssInitial, ParseCode::kBadLength, gss_of_header,
           hex("80"), length(right))
      .found_by(1)
      .add("A10", "ap-req-without-end", kApReq, ParseCode::kBadLength, ap_req_of_header, hex("80"),
           length(ap_req_body.size()))
      .found_by(1);
}

void add_strings(Section& section) {
  const auto bad_value = ParseCode::kBadValue;
  const auto realm = [](const Octets& text) {
    return with_field(krb5::kEncTicketPart, 2)(element(0x1b, text));
  };
  const auto begins = [](std::uint8_t first, std::size_t size) {
    return cat({{first}, Octets(size, 'A')});
  };
  section.add_big("A9", "realm-begins-with-nul", kEncTicketPart, bad_value, realm, begins(0, 4096),
                  begins('A', 4096), begins(0, 32));

  const auto name = [](KindIndex kind, std::size_t index) {
    return [=](char middle) {
      const std::string component = std::string("ali") + middle + "ce";
      return with_field(kind, index)(hex(krb5::name({component})));
    };
  };
  section
      .add("A9", "ticket-name-with-nul", kEncTicketPart, bad_value, name(krb5::kEncTicketPart, 3),
           '\0', '.')
      .add("A9", "authenticator-name-with-nul", kAuthenticator, bad_value,
           name(krb5::kAuthenticator, 2), '\0', '.')
      .add("A9", "error-name-with-nul", kKrbError, bad_value, name(krb5::kKrbError, 10), '\0', '.');

  const auto req_flags = [](const Octets& bits) {
    return init(cat({kMechTypes, element(0xa1, bits)}));
  };
  const auto ap_options = with_field(krb5::kApReq, 2);
  const auto mech_token = [](const Octets& token) {
    return init(cat({kMechTypes, element(0xa2, token)}));
  };
  // Chunks of 2^32-16 and 16 octets: their sum is 0.
  const Octets bit_chunks = hex("23 10  03 84 fffffff0 0055 55  03 84 00000010 00");
  const Octets octet_chunks = hex("24 0e  04 84 fffffff0 55  04 84 00000010 55");
  section
      .add("A11", "bits-constructed", kSpnegoInit, ParseCode::kUnexpectedTag, req_flags, bit_chunks,
           hex("03 02 07 80"))
      .add("A11", "bits-8-unused", kSpnegoInit, bad_value, req_flags, hex("03 02 08 80"),
           hex("03 02 07 80"))
      .add("A11", "bits-255-unused", kSpnegoInit, bad_value, req_flags, hex("03 02 ff 80"),
           hex("03 02 07 80"))
      .add("A11", "octets-constructed", kSpnegoInit, ParseCode::kUnexpectedTag, mech_token,
           octet_chunks, hex("04 02 5555"))
      .add("A11", "ap-options-constructed", kApReq, ParseCode::kUnexpectedTag, ap_options,
           bit_chunks, hex("03 05 00 20000000"))
      .add("A11", "ap-options-8-unused", kApReq, bad_value, ap_options, hex("03 05 08 20000000"),
           hex("03 05 00 20000000"))
      .add("A11", "ap-options-255-unused", kApReq, bad_value, ap_options, hex("03 05 ff 20000000"),
           hex("03 05 00 20000000"));
}

void add_counts(Section& section) {
  constexpr std::size_t kMany = 100'000;
  const auto mechs = [](std::size_t count) {
    return init(element(0xa0, element(0x30, repeat(hex("06 01 2a"), count))));
  };
  section
      .add_big("A14", "many-mechanisms", kSpnegoInit, ParseCode::kBadValue, mechs, kMany,
               std::size_t{spnego::kMechTypesMax}, std::size_t{spnego::kMechTypesMax + 1})
      .found_by(160);

  const auto components = [](std::size_t count) {
    const Octets strings = element(0x30, repeat(hex("1b 01 61"), count));
    const Octets name = cat({hex("a0 03 02 01 01"), element(0xa1, strings)});
    return with_field(krb5::kAuthenticator, 2)(element(0x30, name));
  };
  section
      .add_big("A14", "many-components", kAuthenticator, ParseCode::kBadValue, components, kMany,
               std::size_t{krb5::kNameComponentsMax}, std::size_t{krb5::kNameComponentsMax + 1})
      .found_by(128);
}

}  // namespace

void add_der(Section section) {
  add_lengths(section);
  add_times(section);
  add_nesting(section);
  add_choices(section);
  add_numbers(section);
  add_strictness(section);
  add_outer_lengths(section);
  add_strings(section);
  add_counts(section);
}

}  // namespace usher::attacks
