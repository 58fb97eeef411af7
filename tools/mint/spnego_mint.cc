#include "tools/mint/spnego_mint.h"

#include <algorithm>

#include "parsers/der.h"
#include "parsers/der_writer.h"

namespace usher::mint {
namespace {

using der::context;
using der::Tag;
using der::Writer;

constexpr std::string_view kHintName = "not_defined_in_RFC4178@please_ignore";  // MS-SPNG 2.2.1

Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// write_flags writes a BIT STRING of 7 bits, one of them unused (RFC 4178 4.2.1, ContextFlags).
void write_flags(Writer& writer, std::uint32_t flags) {
  const std::uint8_t contents[] = {1, static_cast<std::uint8_t>((flags >> 24) & 0xfe)};
  writer.bytes(Tag::kBitString, contents);
}

void write_body(Writer& writer, const NegTokenInitFields& fields, Bytes mech_types) {
  if (fields.mech_list_mic) {
    writer.in(context(fields.neg_hints ? 4 : 3),
              [&](Writer& field) { field.bytes(Tag::kOctetString, *fields.mech_list_mic); });
  }
  if (fields.neg_hints) {
    writer.in(context(3), [](Writer& field) {
      field.in(Tag::kSequence, [](Writer& hints) {
        hints.in(context(0),
                 [](Writer& name) { name.bytes(Tag::kGeneralString, as_bytes(kHintName)); });
      });
    });
  }
  if (fields.mech_token) {
    writer.in(context(2),
              [&](Writer& field) { field.bytes(Tag::kOctetString, *fields.mech_token); });
  }
  if (fields.req_flags) {
    writer.in(context(1), [&](Writer& field) { write_flags(field, *fields.req_flags); });
  }
  writer.in(context(0), [&](Writer& field) { field.octets(mech_types); });
}

}  // namespace

Octets mech_type_list(const std::vector<Octets>& oids) {
  return build([&](Writer& writer) {
    writer.in(Tag::kSequence, [&](Writer& list) {
      std::for_each(oids.rbegin(), oids.rend(),
                    [&](const Octets& oid) { list.bytes(Tag::kOid, oid); });
    });
  });
}

Octets mech_type_list(const std::vector<gss::Mechanism>& mechs) {
  std::vector<Octets> oids;
  for (const gss::Mechanism mech : mechs) {
    oids.push_back(octets_of(gss::oid_of(mech)));
  }
  return mech_type_list(oids);
}

Octets neg_token_init(const NegTokenInitFields& fields) {
  const Octets mech_types = fields.mech_types ? *fields.mech_types : mech_type_list(fields.mechs);
  return build([&](Writer& writer) {
    writer.in(context(0), [&](Writer& choice) {
      choice.in(Tag::kSequence, [&](Writer& body) { write_body(body, fields, mech_types); });
    });
    if (fields.gss_header) {
      writer.bytes(Tag::kOid, gss::oid_of(gss::Mechanism::kSpnego));
      writer.wrap(der::application(0));
    }
  });
}

Octets optimistic(const std::vector<gss::Mechanism>& mechs, Octets mech_token) {
  NegTokenInitFields fields;
  fields.mechs = mechs;
  fields.mech_token = std::move(mech_token);
  return neg_token_init(fields);
}

Octets neg_token_resp(const NegTokenRespFields& fields) {
  spnego::NegTokenResp resp;
  resp.has_state = fields.state.has_value();
  resp.state = fields.state.value_or(spnego::NegState::kAcceptCompleted);
  resp.supported_mech = gss::oid_of(fields.supported_mech);
  resp.has_response_token = fields.response_token.has_value();
  resp.has_mech_list_mic = fields.mech_list_mic.has_value();
  if (fields.response_token) {
    resp.response_token = *fields.response_token;
  }
  if (fields.mech_list_mic) {
    resp.mech_list_mic = *fields.mech_list_mic;
  }
  return build([&](Writer& writer) { spnego::write_neg_token_resp(writer, resp); });
}

ServerResp read_neg_token_resp(Bytes token) {
  const Result<spnego::NegTokenResp> parsed = spnego::parse_neg_token_resp(token);
  require(parsed.ok(), "the server's token is no NegTokenResp");
  ServerResp resp;
  if (parsed->has_state) {
    resp.state = parsed->state;
  }
  resp.supported_mech = gss::mechanism_of(parsed->supported_mech);
  if (parsed->has_response_token) {
    resp.response_token = octets_of(parsed->response_token);
  }
  if (parsed->has_mech_list_mic) {
    resp.mech_list_mic = octets_of(parsed->mech_list_mic);
  }
  return resp;
}

}  // namespace usher::mint
