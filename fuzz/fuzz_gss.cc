// parsers/gss.h: GSS-API framing, the Kerberos framing in it, and the 0x8003 checksum.
#include <algorithm>
#include <array>
#include <vector>

#include "fuzz/fuzz_target.h"
#include "parsers/gss.h"

namespace usher::fuzz {
namespace {

using gss::TokenKind;

void check_kind(Bytes input) {
  const TokenKind kind = gss::kind_of(input);
  check(kind == gss::kind_of(input.first(std::min<std::size_t>(8, input.size()))),
        "the first eight bytes tell what a token is");
  if (gss::parse_initial_token(input).ok()) {
    check(kind == TokenKind::kGssInitial, "what parses as an initial token is known for one");
  }
}

void check_kerberos(Bytes inner) {
  const Result<gss::KerberosToken> token = gss::parse_kerberos_token(inner);
  if (!token.ok()) {
    check(token.fault().offset <= inner.size(), "a fault points into the input");
    return;
  }
  check(token->message.size() + 2 == inner.size() && within(token->message, inner),
        "TOK_ID and message are all there is");

  // What frame_kerberos writes around the message, the two parse functions take off again.
  std::vector<std::uint8_t> out(inner.size() + 32);
  der::Writer writer(out);
  writer.octets(token->message);
  gss::frame_kerberos(writer, token->id);
  const Result<gss::InitialToken> initial = gss::parse_initial_token(writer.written());
  check(initial.ok() && initial->mechanism == gss::Mechanism::kKerberos, "framed for Kerberos");
  check(std::ranges::equal(initial->inner, inner), "framing loses nothing");
}

void check_initial(Bytes input) {
  const Result<gss::InitialToken> token = gss::parse_initial_token(input);
  if (!token.ok()) {
    check(token.fault().offset <= input.size(), "a fault points into the input");
    return;
  }
  check(within(token->oid, input) && within(token->inner, input), "views point into the input");
  if (token->mechanism != gss::Mechanism::kUnknown) {
    check(std::ranges::equal(gss::oid_of(token->mechanism), token->oid), "one OID a mechanism");
  }
  check(!gss::parse_initial_token(input.first(input.size() - 1)).ok(), "every byte counts");

  std::vector<std::uint8_t> out(input.size());
  der::Writer writer(out);
  writer.octets(token->inner);
  writer.bytes(der::Tag::kOid, token->oid);
  writer.wrap(der::application(0));
  check(std::ranges::equal(writer.written(), input), "the framing has one encoding");
  check_kerberos(token->inner);
}

void check_checksum(Bytes input) {
  const Result<gss::GssChecksum> checksum = gss::parse_gss_checksum(input);
  if (!checksum.ok()) {
    check(checksum.fault().offset <= input.size(), "a fault points into the input");
    return;
  }
  for (const Bytes view : {checksum->bindings, checksum->delegation, checksum->extensions}) {
    check(within(view, input), "views point into the input");
  }
  const bool delegates = gss::has(checksum->flags, gss::ContextFlags::kDelegate);
  check(checksum->bindings.size() == 16, "bindings are an MD5");
  check(delegates != checksum->delegation.empty(), "a KRB_CRED exactly if the flag says so");

  std::vector<std::uint8_t> again(24);
  store_le(MutableBytes(again), std::uint32_t{16});
  std::ranges::copy(checksum->bindings, again.begin() + 4);
  store_le(MutableBytes(again).subspan(20), std::uint32_t(checksum->flags));
  if (delegates) {
    again.insert(again.end(), {1, 0, 0, 0});
    store_le(MutableBytes(again).subspan(26),
             static_cast<std::uint16_t>(checksum->delegation.size()));
    again.insert(again.end(), checksum->delegation.begin(), checksum->delegation.end());
  }
  check(!gss::parse_gss_checksum(input.first(again.size() - 1)).ok(), "a short one is refused");
  again.insert(again.end(), checksum->extensions.begin(), checksum->extensions.end());
  check(std::ranges::equal(again, input), "the fields are all there is");
}

}  // namespace

void run_one(Bytes input) {
  check_kind(input);
  check_initial(input);
  check_kerberos(input);
  check_checksum(input);
}

}  // namespace usher::fuzz
