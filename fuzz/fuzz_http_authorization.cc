// parsers/http_authorization.h: a header's parts are its parts, and base64 has one spelling.
#include <algorithm>
#include <string_view>
#include <vector>

#include "fuzz/fuzz_target.h"
#include "parsers/http_authorization.h"

namespace usher::fuzz {
namespace {

void check_decode(Bytes text) {
  std::vector<std::uint8_t> out(http::base64_decoded_size_max(text.size()));
  const Result<Bytes> decoded = http::decode_base64(text, out);
  if (!decoded.ok()) {
    check(decoded.fault().offset <= text.size(), "a fault points into the text");
    check(decoded.fault().code != ParseCode::kOutOfBounds, "the bound on the size is one");
    return;
  }
  check(within(*decoded, out), "what is decoded lies in the caller's buffer");
  std::vector<std::uint8_t> again(http::base64_encoded_size(decoded->size()));
  check(std::ranges::equal(http::encode_base64(*decoded, again), text), "bytes have one spelling");

  std::vector<std::uint8_t> there(text.begin(), text.end());
  const Result<Bytes> in_place = http::decode_base64(there, there);
  check(in_place.ok() && std::ranges::equal(*in_place, *decoded), "a text is decoded where it is");

  if (!decoded->empty()) {
    const MutableBytes short_out = MutableBytes(out).first(decoded->size() - 1);
    check(http::decode_base64(text, short_out).fault().code == ParseCode::kOutOfBounds,
          "too little room is noticed");
    check(!http::decode_base64(text.first(text.size() - 1), out).ok(), "every character counts");
  }
}

void check_encode(Bytes input) {
  std::vector<std::uint8_t> text(http::base64_encoded_size(input.size()));
  const Bytes encoded = http::encode_base64(input, text);
  check(encoded.size() == text.size(), "the size of base64 is known beforehand");
  std::vector<std::uint8_t> out(input.size());
  const Result<Bytes> decoded = http::decode_base64(encoded, out);
  check(decoded.ok() && std::ranges::equal(*decoded, input), "what is encoded comes back");

  constexpr std::string_view kScheme = "negotiate  ";
  std::vector<std::uint8_t> header(kScheme.begin(), kScheme.end());
  header.insert(header.end(), encoded.begin(), encoded.end());
  const Result<http::Authorization> parsed = http::parse_authorization(header);
  check(parsed.ok() && parsed->scheme == http::Scheme::kNegotiate, "a scheme is recognised");
  check(std::ranges::equal(parsed->token68, encoded), "a token is what follows the scheme");
}

void check_header(Bytes input) {
  const Result<http::Authorization> parsed = http::parse_authorization(input);
  if (!parsed.ok()) {
    check(parsed.fault().offset <= input.size(), "a fault points into the input");
    return;
  }
  check(within(parsed->scheme_name, input) && within(parsed->token68, input),
        "views point into the input");
  check(!parsed->scheme_name.empty(), "there is a scheme");
  check(parsed->scheme != http::Scheme::kOther || parsed->token68.empty(),
        "another scheme's rest is not looked at");
  check_decode(parsed->token68);

  std::vector<std::uint8_t> padded = {'\t', ' '};
  padded.insert(padded.end(), input.begin(), input.end());
  padded.insert(padded.end(), {' ', '\t'});
  const Result<http::Authorization> again = http::parse_authorization(padded);
  check(again.ok() && again->scheme == parsed->scheme &&
            std::ranges::equal(again->token68, parsed->token68),
        "white space around a value makes no difference");
}

}  // namespace

void run_one(Bytes input) {
  check_header(input);
  check_decode(input);
  check_encode(input);
}

}  // namespace usher::fuzz
