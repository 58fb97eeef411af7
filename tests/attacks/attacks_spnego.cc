// Section B: SPNEGO. attacks_negoex.cc has its NegoEx rows.
#include "tests/attacks/spnego_parts.h"

namespace usher::attacks {
namespace {

// What the acceptor does first with a token for Kerberos: read both framings.
ParseFault optimistic_kerberos_fault(Bytes message) {
  const Result<spnego::NegTokenInit> token = spnego::parse_neg_token_init(message);
  return token.ok() ? gss::parse_initial_token(token->mech_token).fault() : token.fault();
}
const Parser kOptimisticKerberos = {"spnego", {}, optimistic_kerberos_fault};

void add_first_tokens(Section& section) {
  const auto mech_types = [](const Octets& field) { return init(field); };
  const Octets unknown_first = cat({hex("a7 02 04 00"), kMechTypes});
  section
      .add("B1", "no-mech-types", kSpnegoInit, ParseCode::kTruncated, mech_types, Octets{},
           kMechTypes)
      .add("B1", "empty-mech-types", kSpnegoInit, ParseCode::kTruncated, mech_types,
           hex("a0 02 30 00"), kMechTypes)
      .add("B1", "empty-oid", kSpnegoInit, ParseCode::kBadValue, mech_types,
           hex("a0 04 30 02 06 00"), kMechTypes)
      .add("B1", "unknown-tag-first", kSpnegoInit, ParseCode::kUnexpectedTag, mech_types,
           unknown_first, kMechTypes)
      .add("B1", "mech-token-first", kSpnegoInit, ParseCode::kUnexpectedTag, mech_types,
           cat({hex("a2 02 04 00"), kMechTypes}), kMechTypes);

  const Octets init_token = element(0xa0, kInitBody);
  const Octets ntlm = cat({octets_of("NTLMSSP"), hex("00 01000000 00000000")});
  const auto first = [](const Octets& inner) { return framed(inner); };
  section
      .add("B2", "resp-as-first-token", kSpnegoInit, ParseCode::kUnexpectedTag, first,
           element(0xa1, kRespBody), init_token)
      .add("B2", "ntlm-as-first-token", kSpnegoInit, ParseCode::kUnexpectedTag, first, ntlm,
           init_token)
      .add("B2", "ap-req-as-first-token", kSpnegoInit, ParseCode::kUnexpectedTag, first,
           hex("6e 02 30 00"), init_token);

  const auto tag = [](std::uint8_t outer) { return element(outer, cat({kSpnegoOid, init({})})); };
  section.add("B2", "ap-req-tag-for-the-framing", kGssInitial, ParseCode::kUnexpectedTag, tag,
              std::uint8_t{0x6e}, std::uint8_t{0x60});

  const auto mech_token = [](const Octets& inner) {
    return init(cat({kMechTypes, element(0xa2, element(0x04, inner))}));
  };
  const Octets kerberos = element(0x60, cat({kKerberosOid, hex("01 00 6e 00")}));
  section
      .add("B8", "garbage-mech-token", kOptimisticKerberos, ParseCode::kUnexpectedTag, mech_token,
           hex("01 02 03"), kerberos)
      .add("B8", "empty-mech-token", kOptimisticKerberos, ParseCode::kTruncated, mech_token,
           Octets{}, kerberos);
}

void add_mics(Section& section) {
  const Octets mic = hex("04 01 dd");
  const auto init_mic = [mic](std::uint8_t tag) {
    return init(cat({kMechTypes, element(tag, mic)}));
  };
  const auto resp_mic = [mic](std::uint8_t tag) { return resp(cat({kState, element(tag, mic)})); };
  const Octets hints = hex("30 07 a0 05 1b 03 78 40 79");  // "x@y"
  const auto mic_after_hints = [mic, hints](std::uint8_t tag) {
    return element(0xa0, element(0x30, cat({kMechTypes, element(0xa3, hints), element(tag, mic)})));
  };
  constexpr std::uint8_t kTag3 = 0xa3;
  constexpr std::uint8_t kTag4 = 0xa4;
  section
      .add("B9", "init-mic-at-tag-4", kSpnegoInit, ParseCode::kTrailingBytes, init_mic, kTag4,
           kTag3)
      .add("B9", "resp-mic-at-tag-4", kSpnegoResp, ParseCode::kTrailingBytes, resp_mic, kTag4,
           kTag3)
      .add("B9", "mic-after-hints-at-tag-3", kSpnegoInit, ParseCode::kTrailingBytes,
           mic_after_hints, kTag3, kTag4);

  const auto init_field = [](const Octets& field) {
    return init(cat({kMechTypes, element(0xa3, field)}));
  };
  const auto resp_field = [](const Octets& field) {
    return resp(cat({kState, element(0xa3, field)}));
  };
  section
      .add("B10", "init-mic-of-other-tag", kSpnegoInit, ParseCode::kUnexpectedTag, init_field,
           hex("02 01 dd"), mic)
      .add("B10", "init-mic-missing", kSpnegoInit, ParseCode::kTruncated, init_field, Octets{}, mic)
      .add("B10", "init-mic-too-long", kSpnegoInit, ParseCode::kTruncated, init_field,
           hex("04 02 dd"), mic)
      .add("B10", "resp-mic-of-other-tag", kSpnegoResp, ParseCode::kUnexpectedTag, resp_field,
           hex("02 01 dd"), mic)
      .add("B10", "resp-mic-missing", kSpnegoResp, ParseCode::kTruncated, resp_field, Octets{}, mic)
      .add("B10", "resp-mic-too-long", kSpnegoResp, ParseCode::kTruncated, resp_field,
           hex("04 7f dd"), mic);
}

void add_prefixes(Section& section) {
  const Octets whole = init(kMechTypes);
  const auto prefix = [whole](std::size_t size) {
    return Octets(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
  };
  for (const std::size_t size :
       {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{11}, whole.size() - 1}) {
    section.add("B15", "cut-at-" + std::to_string(size), kSpnegoInit, ParseCode::kTruncated, prefix,
                size, whole.size());
  }
}

}  // namespace

void add_spnego(Section section) {
  add_first_tokens(section);
  add_mics(section);
  add_prefixes(section);
}

}  // namespace usher::attacks
