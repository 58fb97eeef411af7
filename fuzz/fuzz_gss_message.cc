// parsers/gss_message.h: per-message tokens, put together again from their parts.
#include <algorithm>
#include <array>
#include <initializer_list>

#include "fuzz/fuzz_target.h"
#include "parsers/gss.h"
#include "parsers/gss_message.h"

namespace usher::fuzz {
namespace {

using gss::MessageKind;

// check_parts: the parts follow each other and are all there is.
void check_parts(std::initializer_list<Bytes> parts, Bytes whole) {
  std::size_t at = 0;
  for (const Bytes part : parts) {
    check(part.empty() || part.data() == whole.subspan(at).data(), "parts follow each other");
    at += part.size();
    check(at <= whole.size(), "parts lie in the token");
  }
  check(at == whole.size(), "parts are all there is");
}

template <class T>
bool accepted(const Result<T>& result, Bytes token) {
  check(result.ok() || result.fault().offset <= token.size(), "a fault points into the token");
  return result.ok();
}

bool check_mic(Bytes token) {
  const Result<gss::MicToken> mic = gss::parse_mic_token(token);
  if (!accepted(mic, token)) {
    return false;
  }
  check_parts({mic->header, mic->checksum}, token);
  check(!mic->checksum.empty(), "there is something to verify");
  check((mic->flags & gss::kSealed) == 0, "a MIC token is never sealed");
  std::array<std::uint8_t, gss::kMessageHeaderSize> header{0x04, 0x04, mic->flags, 0xff,
                                                           0xff, 0xff, 0xff,       0xff};
  store_be(MutableBytes(header).subspan(8), mic->sequence);
  check(std::ranges::equal(header, mic->header), "a header has one encoding");
  check(!gss::parse_mic_token(token.first(gss::kMessageHeaderSize)).ok(), "C7: no empty checksum");
  return true;
}

bool check_wrap(Bytes token) {
  const Result<gss::WrapToken> wrap = gss::parse_wrap_token(token);
  if (!accepted(wrap, token)) {
    return false;
  }
  check_parts({wrap->header, wrap->payload}, token);
  const bool sealed = (wrap->flags & gss::kSealed) != 0;
  const std::size_t least = wrap->extra_count + (sealed ? gss::kMessageHeaderSize : 0);
  check(wrap->payload.size() >= least && least > 0, "C6: filler or checksum lies in the payload");
  check(!gss::parse_wrap_token(token.first(gss::kMessageHeaderSize + least - 1)).ok(),
        "C6: and not a byte of it may lack");
  std::array<std::uint8_t, gss::kMessageHeaderSize> header{0x05, 0x04, wrap->flags, 0xff};
  store_be(MutableBytes(header).subspan(4), wrap->extra_count);
  store_be(MutableBytes(header).subspan(6), wrap->right_rotation_count);
  store_be(MutableBytes(header).subspan(8), wrap->sequence);
  check(std::ranges::equal(header, wrap->header), "a header has one encoding");
  return true;
}

bool check_legacy(Bytes token) {
  const Result<gss::LegacyToken> legacy = gss::parse_legacy_token(token);
  if (!accepted(legacy, token)) {
    return false;
  }
  const bool wrap = legacy->id == gss::LegacyTokenId::kWrap;
  check(legacy->encrypted_sequence.size() == 8, "SND_SEQ has eight octets");
  check(legacy->checksum.size() == (legacy->sign == gss::SignAlgorithm::kHmacSha1Des3 ? 20u : 8u),
        "SGN_CKSUM has its algorithm's size");
  check(wrap ? legacy->payload.size() >= 9 : legacy->payload.empty(),
        "C4: confounder and padding, or no payload");
  check(wrap || legacy->seal == gss::SealAlgorithm::kNone, "only Wrap tokens are sealed");

  std::array<std::uint8_t, 8> header{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
  store_be(MutableBytes(header), std::uint16_t(legacy->id));
  store_be(MutableBytes(header).subspan(2), std::uint16_t(legacy->sign));
  if (wrap) {
    store_be(MutableBytes(header).subspan(4), std::uint16_t(legacy->seal));
  }
  check(std::ranges::equal(header, legacy->header), "a header has one encoding");

  static std::array<std::uint8_t, kInputSizeMax + 64> out;
  der::Writer writer(out);
  for (const Bytes part :
       {legacy->payload, legacy->checksum, legacy->encrypted_sequence, legacy->header}) {
    check(within(part, token), "every view points into the token");
    writer.octets(part);
  }
  writer.bytes(der::Tag::kOid, gss::oid_of(gss::Mechanism::kKerberos));
  writer.wrap(der::application(0));
  check(std::ranges::equal(writer.written(), token), "a token has one encoding");
  check(!gss::parse_legacy_token(token.first(token.size() - 1)).ok(), "every byte counts");
  return true;
}

}  // namespace

void run_one(Bytes input) {
  const MessageKind kind = gss::message_kind_of(input);
  check(!check_mic(input) || kind == MessageKind::kMic, "a MIC token looks like one");
  check(!check_wrap(input) || kind == MessageKind::kWrap, "a Wrap token looks like one");
  check(!check_legacy(input) || kind == MessageKind::kLegacy, "an old token looks like one");
}

}  // namespace usher::fuzz
