// parsers/spnego.h: NegTokenInit and NegTokenResp, and a server's hint.
#include <algorithm>
#include <vector>

#include "fuzz/fuzz_target.h"
#include "parsers/spnego.h"

namespace usher::fuzz {
namespace {

bool same(Bytes a, Bytes b) { return std::ranges::equal(a, b); }

bool same(const spnego::NegTokenInit& a, const spnego::NegTokenInit& b) {
  return same(a.mech_types, b.mech_types) && same(a.mech_oids, b.mech_oids) &&
         same(a.preferred_mech, b.preferred_mech) && same(a.mech_token, b.mech_token) &&
         same(a.mech_list_mic, b.mech_list_mic) && same(a.hint_name, b.hint_name) &&
         same(a.hint_address, b.hint_address) && a.has_mech_token == b.has_mech_token &&
         a.has_mech_list_mic == b.has_mech_list_mic && a.has_neg_hints == b.has_neg_hints;
}

void check_mechanisms(const spnego::NegTokenInit& init) {
  std::uint32_t count = 0;
  std::size_t size = 0;
  spnego::each_mechanism(init.mech_oids, [&](gss::Mechanism mechanism, Bytes oid, bool first) {
    check(first == (count == 0), "the first mechanism is told from the others");
    check(!first || same(oid, init.preferred_mech), "the first mechanism is the preferred one");
    check(mechanism == gss::mechanism_of(oid), "a mechanism is its OID");
    check(within(oid, init.mech_oids) && !oid.empty(), "an OID is part of the list");
    ++count;
    size += oid.size();
  });
  check(count >= 1 && count <= spnego::kMechTypesMax, "1 to kMechTypesMax mechanisms");
  check(size < init.mech_oids.size(), "OIDs and their headers make up the list");
}

// write_init writes what was read; an empty hint and an absent one look the same.
void write_init(der::Writer& writer, const spnego::NegTokenInit& init) {
  const auto octets = [](der::Writer& body, std::uint8_t number, Bytes contents) {
    body.in(der::context(number),
            [&](der::Writer& field) { field.bytes(der::Tag::kOctetString, contents); });
  };
  writer.in(der::Tag::kSequence, [&](der::Writer& body) {
    if (init.has_mech_list_mic) {
      octets(body, init.has_neg_hints ? 4 : 3, init.mech_list_mic);
    }
    if (init.has_neg_hints) {
      body.in(der::context(3), [&](der::Writer& field) {
        field.in(der::Tag::kSequence, [&](der::Writer& hints) {
          if (!init.hint_address.empty()) {
            octets(hints, 1, init.hint_address);
          }
          if (!init.hint_name.empty()) {
            hints.in(der::context(0), [&](der::Writer& hint) {
              hint.bytes(der::Tag::kGeneralString, init.hint_name);
            });
          }
        });
      });
    }
    if (init.has_mech_token) {
      octets(body, 2, init.mech_token);
    }
    body.in(der::context(0), [&](der::Writer& field) { field.octets(init.mech_types); });
  });
  writer.wrap(der::context(0));
}

// check_hint writes the known ones of a list as a server's hint, and reads it.
void check_hint(const spnego::NegTokenInit& init) {
  std::vector<gss::Mechanism> mechanisms;
  spnego::each_mechanism(init.mech_oids, [&](gss::Mechanism mechanism, Bytes, bool) {
    if (mechanism != gss::Mechanism::kUnknown) {
      mechanisms.push_back(mechanism);
    }
  });
  if (mechanisms.empty()) {
    return;
  }
  std::vector<std::uint8_t> room(128 + 12 * mechanisms.size());
  der::Writer writer(room);
  spnego::write_neg_token_init2(writer, mechanisms);
  const Bytes hint = writer.written();
  const Result<spnego::NegTokenInit> read = spnego::parse_neg_token_init(hint);
  check(writer.ok() && read.ok() && gss::kind_of(hint) == gss::TokenKind::kGssInitial,
        "a hint can be read, and has its header");
  std::vector<gss::Mechanism> again;
  spnego::each_mechanism(
      read->mech_oids, [&](gss::Mechanism mechanism, Bytes, bool) { again.push_back(mechanism); });
  check(again == mechanisms, "a hint names what it was given, in that order");
  check(read->has_neg_hints && read->hint_address.empty() && !read->has_mech_token &&
            !read->has_mech_list_mic &&
            std::ranges::equal(read->hint_name, spnego::kHintName,
                               [](std::uint8_t a, char b) { return a == std::uint8_t(b); }),
        "and nothing else");
  der::Writer short_writer(MutableBytes(room).first(hint.size() - 1));
  spnego::write_neg_token_init2(short_writer, mechanisms);
  check(!short_writer.ok(), "too little room is noticed");
}

void check_init(Bytes input) {
  const Result<spnego::NegTokenInit> init = spnego::parse_neg_token_init(input);
  if (!init.ok()) {
    check(init.fault().offset <= input.size(), "a fault points into the input");
    return;
  }
  for (const Bytes view :
       {init->mech_types, init->mech_oids, init->preferred_mech, init->mech_token,
        init->mech_list_mic, init->hint_name, init->hint_address}) {
    check(within(view, input), "every view points into the input");
  }
  check(within(init->mech_oids, init->mech_types), "the contents are in the element");
  check(init->has_mech_token || init->mech_token.empty(), "no token, no bytes");
  check(init->has_mech_list_mic || init->mech_list_mic.empty(), "no MIC, no bytes");
  check(init->has_neg_hints || (init->hint_name.empty() && init->hint_address.empty()),
        "no hints, no bytes");
  check_mechanisms(*init);
  check_hint(*init);
  check(!spnego::parse_neg_token_init(input.first(input.size() - 1)).ok(), "every byte counts");
  check(!spnego::parse_neg_token_resp(input).ok(), "an init is no response");

  std::vector<std::uint8_t> rewritten(input.size());
  der::Writer init_writer(rewritten);
  write_init(init_writer, *init);
  const Result<spnego::NegTokenInit> reread = spnego::parse_neg_token_init(init_writer.written());
  check(reread.ok() && same(*reread, *init), "what is written can be read");

  // The GSS-API header may be left out, and put back.
  const Result<gss::InitialToken> framed = gss::parse_initial_token(input);
  if (framed.ok()) {
    const Result<spnego::NegTokenInit> bare = spnego::parse_neg_token_init(framed->inner);
    check(bare.ok() && same(*bare, *init), "the GSS-API header makes no difference");
    return;
  }
  std::vector<std::uint8_t> out(input.size() + 32);
  der::Writer writer(out);
  writer.octets(input);
  writer.bytes(der::Tag::kOid, gss::oid_of(gss::Mechanism::kSpnego));
  writer.wrap(der::application(0));
  const Result<spnego::NegTokenInit> again = spnego::parse_neg_token_init(writer.written());
  check(again.ok() && same(*again, *init), "the GSS-API header makes no difference");
}

void check_resp(Bytes input) {
  const Result<spnego::NegTokenResp> resp = spnego::parse_neg_token_resp(input);
  if (!resp.ok()) {
    check(resp.fault().offset <= input.size(), "a fault points into the input");
    return;
  }
  for (const Bytes view : {resp->supported_mech, resp->response_token, resp->mech_list_mic}) {
    check(within(view, input), "every view points into the input");
  }
  check(!spnego::parse_neg_token_init(input).ok(), "a response is no init");

  std::vector<std::uint8_t> out(input.size());
  der::Writer writer(out);
  spnego::write_neg_token_resp(writer, *resp);
  check(writer.ok() && same(writer.written(), input), "a response has one encoding");
  check(!spnego::parse_neg_token_resp(input.first(input.size() - 1)).ok(), "every byte counts");

  std::vector<std::uint8_t> short_out(input.size() - 1);
  der::Writer short_writer(short_out);
  spnego::write_neg_token_resp(short_writer, *resp);
  check(!short_writer.ok() && short_writer.written().empty(), "too little room is noticed");
}

}  // namespace

void run_one(Bytes input) {
  check_init(input);
  check_resp(input);
}

}  // namespace usher::fuzz
