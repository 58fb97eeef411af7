// Section C, after the AP-REQ: per-message tokens (RFC 4121 4.2, RFC 1964 1.2) and the KRB-CRED of
// delegation.
#include "parsers/gss.h"
#include "parsers/gss_message.h"
#include "parsers/krb_cred.h"
#include "tests/attacks/kerberos_parts.h"
#include "tests/data/krb_cred_messages.h"

namespace usher::attacks {
namespace {

const Parser kMic = {"gss_message", {}, fault_of<gss::parse_mic_token>};
const Parser kWrap = {"gss_message", {}, fault_of<gss::parse_wrap_token>};
const Parser kLegacy = {"gss_message", {}, fault_of<gss::parse_legacy_token>};
const Parser kFraming = {"gss", {}, fault_of<gss::parse_initial_token>};
const Parser kKrbCred = {"krb_cred", {0}, fault_of<krb5::parse_krb_cred>};
const Parser kEncKrbCredPart = {"krb_cred", {1}, fault_of<krb5::parse_enc_krb_cred_part>};

const Octets kKerberosOid = hex("06 09 2a864886f712010202");
Octets framed(const Octets& inner) { return element(0x60, cat({kKerberosOid, inner})); }

// cut returns a builder of `inner`'s first octets, in a framing that fits them.
auto cut(const Octets& inner) {
  return [inner](std::size_t size) {
    return framed(Octets(inner.begin(), inner.begin() + static_cast<std::ptrdiff_t>(size)));
  };
}

const Octets kDes3Checksum(20, 0xcc);
const Octets kShortChecksum(8, 0xcc);
const Octets kEncryptedSequence(8, 0x5e);

// The classes are those of MIT's t_invalid.c; the first, a token of RFC 1964 on a context of RFC
// 4121, and the fourth's pad that exceeds the plaintext need a context.
void add_legacy(Section& section) {
  const auto truncated = ParseCode::kTruncated;
  const Octets mic = cat({hex("0101 1100 ffffffff"), kEncryptedSequence, kShortChecksum});
  const Octets wrap =
      cat({hex("0201 1100 1000 ffff"), kEncryptedSequence, kShortChecksum, Octets(9, 0x77)});
  for (const std::size_t size : {1u, 2u, 7u, 8u, 16u, 22u, 23u}) {
    const std::string name = "-cut-at-" + std::to_string(size);
    section.add("C4", "mic" + name, kLegacy, truncated, cut(mic), size, mic.size())
        .add("C4", "wrap" + name, kLegacy, truncated, cut(wrap), size, wrap.size());
  }
  const Octets des3_mic = cat({hex("0101 0400 ffffffff"), kEncryptedSequence, kDes3Checksum});
  const Octets des3_wrap =
      cat({hex("0201 0400 0200 ffff"), kEncryptedSequence, kDes3Checksum, Octets(9, 0x77)});
  section
      .add("C4", "des3-mic-checksum-of-8", kLegacy, truncated, cut(des3_mic), std::size_t{24},
           des3_mic.size())
      .add("C4", "des3-wrap-checksum-of-8", kLegacy, truncated, cut(des3_wrap), std::size_t{24},
           des3_wrap.size())
      .add("C4", "des3-wrap-checksum-of-19", kLegacy, truncated, cut(des3_wrap), std::size_t{35},
           des3_wrap.size())
      .add("C8", "rc4-wrap-without-payload", kLegacy, truncated, cut(wrap), wrap.size() - 9,
           wrap.size())
      .add("C8", "rc4-wrap-confounder-only", kLegacy, truncated, cut(wrap), wrap.size() - 1,
           wrap.size())
      .add("C8", "des3-wrap-without-payload", kLegacy, truncated, cut(des3_wrap),
           des3_wrap.size() - 9, des3_wrap.size())
      .add("C8", "des3-wrap-confounder-only", kLegacy, truncated, cut(des3_wrap),
           des3_wrap.size() - 1, des3_wrap.size());

  const auto framing = [](const Octets& token) { return token; };
  const Octets whole = framed(hex("0100 6e00"));
  section.add("C4", "framing-tag-alone", kFraming, truncated, framing, hex("60"), whole)
      .add("C4", "framing-length-cut", kFraming, truncated, framing, hex("60 84"), whole)
      .add("C4", "framing-oid-tag-alone", kFraming, truncated, framing, hex("60 40 06"), whole)
      .add("C4", "framing-oid-without-octets", kFraming, truncated, framing, hex("60 40 06 09"),
           whole);

  // CVE-2024-37371's third way: the framing is longer than what holds it.
  const auto framing_of = [mic](std::size_t size) {
    return cat({{0x60}, length(size), kKerberosOid, mic});
  };
  const std::size_t right = kKerberosOid.size() + mic.size();
  section.add("C6", "framing-one-more", kLegacy, truncated, framing_of, right + 1, right)
      .add("C6", "framing-127", kLegacy, truncated, framing_of, std::size_t{127}, right);
}

void add_wraps(Section& section) {
  constexpr std::size_t kPlainSize = 14;
  const auto header = [](std::uint8_t flags, std::uint16_t extra_count) {
    return cat({hex("0504"),
                {flags, 0xff},
                le(extra_count >> 8u, 1),
                le(extra_count & 0xffu, 1),
                hex("0000 0000000000000001")});
  };
  const auto plain = [header](std::uint16_t extra_count) {
    return cat({header(0, extra_count), Octets(kPlainSize, 0xd0)});
  };
  const auto sealed = [header](std::size_t size) {
    return cat({header(gss::kSealed, 0), Octets(size, 0xc0)});
  };
  const auto sealed_extra = [header](std::uint16_t extra_count) {
    return cat({header(gss::kSealed, extra_count), Octets(20, 0xc0)});
  };
  const auto bad_value = ParseCode::kBadValue;
  section
      .add("C6", "extra-count-one-more", kWrap, bad_value, plain, std::uint16_t{kPlainSize + 1},
           std::uint16_t{kPlainSize})
      .add("C6", "extra-count-65535", kWrap, bad_value, plain, std::uint16_t{0xffff},
           std::uint16_t{kPlainSize})
      .add("C6", "sealed-payload-of-15", kWrap, bad_value, sealed, std::size_t{15}, std::size_t{16})
      .add("C6", "sealed-payload-empty", kWrap, bad_value, sealed, std::size_t{0}, std::size_t{16})
      .add("C6", "sealed-extra-count-5", kWrap, bad_value, sealed_extra, std::uint16_t{5},
           std::uint16_t{4})
      .add("C6", "sealed-extra-count-65535", kWrap, bad_value, sealed_extra, std::uint16_t{0xffff},
           std::uint16_t{4});

  const auto truncated = ParseCode::kTruncated;
  const auto wrap_of = [plain](std::size_t size) {
    Octets token = plain(kPlainSize);
    token.resize(size);
    return token;
  };
  const auto mic_of = [](std::size_t size) {
    Octets token = cat({hex("0404 04 ffffffffff 0000000000000001"), Octets(12, 0xcc)});
    token.resize(size);
    return token;
  };
  const auto mic_flags = [](std::uint8_t flags) {
    return cat({hex("0404"), {flags}, hex("ffffffffff 0000000000000001"), Octets(12, 0xcc)});
  };
  section.add("C6", "wrap-header-of-3", kWrap, truncated, wrap_of, std::size_t{3}, std::size_t{30})
      .add("C6", "wrap-header-of-15", kWrap, truncated, wrap_of, std::size_t{15}, std::size_t{30})
      .add("C6", "mic-header-of-15", kMic, truncated, mic_of, std::size_t{15}, std::size_t{28})
      .add("C6", "mic-without-checksum", kMic, truncated, mic_of, std::size_t{16}, std::size_t{28})
      .add("C6", "mic-sealed", kMic, bad_value, mic_flags, std::uint8_t{gss::kSealed},
           std::uint8_t{gss::kSentByAcceptor});
}

void add_delegation(Section& section) {
  const auto bad_value = ParseCode::kBadValue;
  const auto tickets = [](std::uint32_t count) { return krb5::krb_cred(count); };
  const auto infos = [](std::uint32_t count) { return krb5::enc_krb_cred_part(count); };
  constexpr std::uint32_t kMax = krb5::kCredTicketsMax;
  section.add("C11", "cred-without-tickets", kKrbCred, bad_value, tickets, 0u, 1u)
      .add("C10", "cred-of-17-tickets", kKrbCred, bad_value, tickets, kMax + 1, kMax)
      .add("C10", "no-infos", kEncKrbCredPart, bad_value, infos, 0u, 1u)
      .add("C10", "infos-of-17", kEncKrbCredPart, bad_value, infos, kMax + 1, kMax);

  // An info with one optional field left out, or none (-1).
  const auto without = [](int left_out) {
    std::string all;
    const krb5::Fields fields = krb5::cred_info_fields();
    for (std::size_t i = 0; i < fields.size(); ++i) {
      all += static_cast<int>(i) == left_out ? "" : fields[i];
    }
    krb5::Fields part = krb5::enc_cred_part_fields(1);
    part[0] = krb5::field(0, krb5::sequence(krb5::sequence(all)));
    return krb5::build(krb5::kEncKrbCredPartTag, part).message;
  };
  section.add("C10", "info-without-key", kEncKrbCredPart, ParseCode::kUnexpectedTag, without, 0, -1)
      .add("C10", "client-realm-without-name", kEncKrbCredPart, bad_value, without, 2, -1)
      .add("C10", "client-name-without-realm", kEncKrbCredPart, bad_value, without, 1, -1)
      .add("C10", "service-realm-without-name", kEncKrbCredPart, bad_value, without, 9, -1)
      .add("C10", "service-name-without-realm", kEncKrbCredPart, bad_value, without, 8, -1);
}

}  // namespace

void add_kerberos_messages(Section section) {
  add_legacy(section);
  add_wraps(section);
  add_delegation(section);
}

}  // namespace usher::attacks
