// NegTokenInit and NegTokenResp; spnego.h says what is promised.
#include "parsers/spnego.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>

namespace usher::spnego {
namespace {

using der::Reader;
using der::Tag;
using der::Writer;

[[gnu::noinline, gnu::flatten]] ParseFault check_any_more_mechs(Bytes oids) noexcept {
  Parse parse(oids);
  Reader mechs(parse);
  std::uint32_t count = 1;
  mechs.each([&](Reader& rest) {
    rest.require(++count <= kMechTypesMax);
    rest.require(!rest.bytes(Tag::kOid).empty());
  });
  return parse.fault();
}

// check_more_mechs says what is wrong with the OIDs behind a MechTypeList's first, counted from the
// first octet of these. It is no part of the parse function, which has few registers as it is.
[[gnu::noinline]] ParseFault check_more_mechs(Bytes oids) noexcept {
  return der::are_short<1>(oids, Tag::kOid, kMechTypesMax - 1) ? ParseFault{}
                                                               : check_any_more_mechs(oids);
}

void read_mech_types(Reader& field, NegTokenInit& init) noexcept {
  init.mech_types = field.ahead();
  field.in(Tag::kSequence, [&](Reader& mechs) {
    init.mech_oids = mechs.ahead();
    init.preferred_mech = mechs.bytes(Tag::kOid);
    mechs.require(!init.preferred_mech.empty());
    mechs.checked(check_more_mechs);
  });
}

// The initiator's reqFlags are not protected and mean nothing here (RFC 4178 4.2.1), but a BIT
// STRING must be one.
void read_req_flags(Reader& field) noexcept {
  const Bytes bits = field.bytes(Tag::kBitString);
  if (bits.empty() || bits.size() > 1 + sizeof(std::uint32_t)) {
    field.require(false);
    return;
  }
  //= X.690 11.2.1
  const unsigned unused_count = bits[0];
  const unsigned last = bits.size() > 1 ? bits.back() : 0;
  field.require(unused_count <= (bits.size() > 1 ? 7u : 0u) &&
                (last & ((1u << (unused_count & 7u)) - 1)) == 0);
}

// NegHints (MS-SPNG 2.2.1).
void read_neg_hints(Reader& field, NegTokenInit& init) noexcept {
  init.has_neg_hints = true;
  field.in(Tag::kSequence, [&](Reader& hints) {
    hints.maybe(der::context(0),
                [&](Reader& hint) { init.hint_name = hint.bytes(Tag::kGeneralString); });
    hints.maybe(der::context(1),
                [&](Reader& hint) { init.hint_address = hint.bytes(Tag::kOctetString); });
  });
}

void read_mech_list_mic(Reader& field, NegTokenInit& init) noexcept {
  init.has_mech_list_mic = true;
  init.mech_list_mic = field.bytes(Tag::kOctetString);
}

void read_neg_token_init(Reader& message, NegTokenInit& init) noexcept {
  // NegotiationToken ::= [0] NegTokenInit
  message.in_large(der::context(0), Tag::kSequence, [&](Reader& body) {
    body.in(der::context(0), [&](Reader& field) { read_mech_types(field, init); });
    body.maybe(der::context(1), [](Reader& field) { read_req_flags(field); });
    init.has_mech_token = body.next_is(der::context(2));
    if (init.has_mech_token) {
      init.mech_token = body.large_in(der::context(2), Tag::kOctetString);
    }
    body.maybe(der::context(3), [&](Reader& field) {
      return field.next_is(Tag::kSequence) ? read_neg_hints(field, init)
                                           : read_mech_list_mic(field, init);
    });
    if (init.has_neg_hints) {  // NegTokenInit2 has its mechListMIC one tag further.
      body.maybe(der::context(4), [&](Reader& field) { read_mech_list_mic(field, init); });
    }
  });
}

}  // namespace

Result<NegTokenInit> parse_neg_token_init(Bytes token) noexcept {
  Parse parse(token);
  NegTokenInit init;

  Reader message(parse);
  if (message.next_is(der::context(0))) {
    const ParseFault fault = parse_into(token, init);
    return fault.code == ParseCode::kOk ? Result<NegTokenInit>(init) : Result<NegTokenInit>(fault);
  }
  message.in(der::application(0), [&](Reader& framing) {  // InitialContextToken (RFC 2743 3.1)
    //= RFC 4178 3
    framing.require(gss::mechanism_of(framing.bytes(Tag::kOid)) == gss::Mechanism::kSpnego);
    read_neg_token_init(framing, init);
  });
  message.finish();
  return parse.finish(init);
}

[[gnu::flatten]] ParseFault parse_into(Bytes token, NegTokenInit& init) noexcept {
  Parse parse(token);
  Reader message(parse);
  read_neg_token_init(message, init);
  message.finish();
  return parse.fault();
}

void write_neg_token_init2(Writer& writer, std::span<const gss::Mechanism> mechanisms) noexcept {
  static constexpr auto kHint = [] {
    std::array<std::uint8_t, kHintName.size()> octets{};
    std::ranges::copy(kHintName, octets.begin());
    return octets;
  }();
  assert(!mechanisms.empty());
  writer.in(Tag::kSequence, [&](Writer& body) {  // Last field first, as Writer wants it.
    //= MS-SPNG 2.2.1: hintAddress is never sent.
    body.in(der::context(3), Tag::kSequence,
            [](Writer& hints) { hints.bytes_in(der::context(0), Tag::kGeneralString, kHint); });
    body.in(der::context(0), Tag::kSequence, [&](Writer& mechs) {
      for (std::size_t n = mechanisms.size(); n-- > 0;) {
        mechs.bytes(Tag::kOid, gss::oid_of(mechanisms[n]));
      }
    });
  });
  writer.wrap(der::context(0));
  writer.bytes(Tag::kOid, gss::oid_of(gss::Mechanism::kSpnego));
  writer.wrap(der::application(0));
}

[[gnu::flatten]] Result<NegTokenResp> parse_neg_token_resp(Bytes token) noexcept {
  Parse parse(token);
  NegTokenResp resp;

  Reader message(parse);
  message.in(der::context(1), [&](Reader& choice) {  // NegotiationToken ::= [1] NegTokenResp
    choice.in(Tag::kSequence, [&](Reader& body) {
      resp.has_state = body.maybe(der::context(0), [&](Reader& field) {
        const std::uint32_t state = field.u32(Tag::kEnumerated);
        //= RFC 4178 4.2.2
        field.require(state <= std::uint32_t(NegState::kRequestMic));
        resp.state = NegState(state);
      });
      body.maybe(der::context(1), [&](Reader& field) {
        resp.supported_mech = field.bytes(Tag::kOid);
        field.require(!resp.supported_mech.empty());
      });
      resp.has_response_token = body.maybe(der::context(2), [&](Reader& field) {
        resp.response_token = field.bytes(Tag::kOctetString);
      });
      resp.has_mech_list_mic = body.maybe(der::context(3), [&](Reader& field) {
        resp.mech_list_mic = field.bytes(Tag::kOctetString);
      });
    });
  });
  message.finish();
  return parse.finish(resp);
}

[[gnu::flatten]] void write_neg_token_resp(Writer& out, const NegTokenResp& resp) noexcept {
  out.apart([&](Writer& writer) {
    writer.in(Tag::kSequence, [&](Writer& body) {  // Last field first, as Writer wants it.
      if (resp.has_mech_list_mic) {
        body.bytes_in(der::context(3), Tag::kOctetString, resp.mech_list_mic);
      }
      if (resp.has_response_token) {
        body.bytes_in(der::context(2), Tag::kOctetString, resp.response_token);
      }
      if (!resp.supported_mech.empty()) {
        body.bytes_in(der::context(1), Tag::kOid, resp.supported_mech);
      }
      if (resp.has_state) {
        body.u32_in(der::context(0), std::uint32_t(resp.state), Tag::kEnumerated);
      }
    });
    writer.wrap(der::context(1));
  });
}

}  // namespace usher::spnego
