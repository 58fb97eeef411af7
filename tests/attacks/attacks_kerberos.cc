// Section C: AP-REQ and the 0x8003 checksum. attacks_kerberos_messages.cc has per-message tokens
// and KRB-CRED.
#include "tests/attacks/kerberos_parts.h"

#include "parsers/gss.h"

namespace usher::attacks {
namespace {

const Parser kKerberosToken = {"gss", {}, fault_of<gss::parse_kerberos_token>};
const Parser kGssChecksum = {"gss_checksum", {}, fault_of<gss::parse_gss_checksum>};

constexpr std::uint64_t kFlagsDelegate = 0x3f;  // RFC 4121 4.1.1.1, all six.

void add_checksums(Section& section) {
  const auto bindings_of = [](std::uint64_t size) {
    return cat({le(size, 4), Octets(16, 0xbb), le(0x3e, 4)});
  };
  for (const std::uint64_t size : {0u, 15u, 17u, 0x10000010u, 0xffffffffu}) {
    section.add("C12", "bindings-of-" + std::to_string(size), kGssChecksum, ParseCode::kBadValue,
                bindings_of, size, std::uint64_t{16});
  }
  const auto cut_at = [](std::size_t size) {
    Octets checksum = cat(
        {le(16, 4), Octets(16, 0xbb), le(kFlagsDelegate, 4), le(1, 2), le(4, 2), Octets(4, 0x76)});
    checksum.resize(size);
    return checksum;
  };
  for (const std::size_t size : {3u, 19u, 23u, 25u, 27u, 31u}) {
    section.add("C12", "cut-at-" + std::to_string(size), kGssChecksum, ParseCode::kTruncated,
                cut_at, size, std::size_t{32});
  }
  const auto option = [](std::uint64_t number) {
    return cat({le(16, 4), Octets(16, 0), le(kFlagsDelegate, 4), le(number, 2), le(4, 2),
                Octets(4, 0x76)});
  };
  section
      .add("C12", "option-0", kGssChecksum, ParseCode::kBadValue, option, std::uint64_t{0},
           std::uint64_t{1})
      .add("C12", "option-256", kGssChecksum, ParseCode::kBadValue, option, std::uint64_t{0x100},
           std::uint64_t{1});

  const auto delegated = [](std::uint64_t size) {
    return cat(
        {le(16, 4), Octets(16, 0), le(kFlagsDelegate, 4), le(1, 2), le(size, 2), Octets(4, 0x76)});
  };
  section
      .add("C11", "delegation-length-0", kGssChecksum, ParseCode::kBadValue, delegated,
           std::uint64_t{0}, std::uint64_t{4})
      .add("C11", "delegation-one-more", kGssChecksum, ParseCode::kTruncated, delegated,
           std::uint64_t{5}, std::uint64_t{4})
      .add("C11", "delegation-65535", kGssChecksum, ParseCode::kTruncated, delegated,
           std::uint64_t{0xffff}, std::uint64_t{4});
}

void add_messages(Section& section) {
  const auto key = [](const Octets& value) {
    return with_field(krb5::kEncTicketPart, 1)(
        element(0x30, cat({hex("a0 03 02 01 12"), element(0xa1, element(0x04, value))})));
  };
  section.add("C15", "key-empty", kEncTicketPart, ParseCode::kBadValue, key, Octets{},
              Octets(32, 0x42));

  const auto sequence_number = with_field(krb5::kAuthenticator, 7);
  section
      .add("C21", "sequence-number-2-32", kAuthenticator, ParseCode::kBadValue, sequence_number,
           hex("02 05 0100000000"), hex("02 05 00ffffffff"))
      .add("C21", "sequence-number-below-minus-2-31", kAuthenticator, ParseCode::kBadValue,
           sequence_number, hex("02 05 ff7fffffff"), hex("02 04 80000000"));
}

void add_other_messages(Section& section) {
  const auto bad_value = ParseCode::kBadValue;
  const auto type = with_field(krb5::kApReq, 1);
  const auto of_type = [&](const char* name, std::uint8_t number) {
    section.add("C23", name, kApReq, bad_value, type, Octets{2, 1, number}, hex("02 01 0e"));
  };
  of_type("as-req-type", 10);
  of_type("tgs-rep-type", 13);
  of_type("ap-rep-type", 15);
  of_type("krb-error-type", 30);

  const Octets body = element(0x30, body_with(krb5::kApReq, 0, hex("a0 03 02 01 05")));
  const auto tag = [body](std::uint8_t number) {
    return element(static_cast<std::uint8_t>(0x60 | number), body);
  };
  section
      .add("C23", "tgs-req-tag", kApReq, ParseCode::kUnexpectedTag, tag, std::uint8_t{12},
           std::uint8_t{14})
      .add("C23", "ap-rep-tag", kApReq, ParseCode::kUnexpectedTag, tag, std::uint8_t{15},
           std::uint8_t{14})
      .add("C23", "krb-error-tag", kApReq, ParseCode::kUnexpectedTag, tag, std::uint8_t{30},
           std::uint8_t{14});

  const auto under_ap_req_tag = [](const Octets& contents) { return element(0x6e, contents); };
  const Octets ap_rep = element(0x30, body_with(krb5::kApRep, 0, hex("a0 03 02 01 05")));
  section.add("C23", "ap-rep-body", kApReq, bad_value, under_ap_req_tag, ap_rep, body);

  const auto token_id = [](const Octets& id) { return cat({id, element(0x6e, Octets{})}); };
  section
      .add("C23", "token-id-mic", kKerberosToken, bad_value, token_id, hex("04 04"), hex("01 00"))
      .add("C23", "token-id-swapped", kKerberosToken, bad_value, token_id, hex("00 01"),
           hex("01 00"));
}

}  // namespace

void add_kerberos(Section section) {
  add_checksums(section);
  add_messages(section);
  add_other_messages(section);
}

}  // namespace usher::attacks
