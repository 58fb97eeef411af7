// parsers/http_authorization.h: a header is read as browsers send it, base64 in its one spelling.
#include "parsers/http_authorization.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/spnego.h"
#include "tests/recorded.h"

namespace usher::http {
namespace {

std::vector<std::uint8_t> octets(std::string_view text) { return {text.begin(), text.end()}; }

std::string text_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

struct HeaderCase {
  const char* name;
  const char* value;
  Scheme scheme;
  const char* token68;
  const char* why;
};

constexpr std::array kHeaders = {
    HeaderCase{"Negotiate", "Negotiate YIIG", Scheme::kNegotiate, "YIIG", "RFC 4559 4.2"},
    HeaderCase{"Ntlm", "NTLM TlRM", Scheme::kNtlm, "TlRM", ""},
    HeaderCase{"LowerCase", "negotiate YIIG", Scheme::kNegotiate, "YIIG", "RFC 9110 11.1"},
    HeaderCase{"MixedCase", "nTlM TlRM", Scheme::kNtlm, "TlRM", "RFC 9110 11.1"},
    HeaderCase{"Bare", "Negotiate", Scheme::kNegotiate, "", "no token yet"},
    HeaderCase{"BareWithSpace", "Negotiate ", Scheme::kNegotiate, "", "trailing white space"},
    HeaderCase{"Spaces", "Negotiate   YIIG", Scheme::kNegotiate, "YIIG", "RFC 9110 11.4: 1*SP"},
    HeaderCase{"WhiteSpaceAround", " \tNTLM TlRM\t ", Scheme::kNtlm, "TlRM", "RFC 9110 5.5"},
    HeaderCase{"Padding", "Negotiate YQ==", Scheme::kNegotiate, "YQ==", ""},
    HeaderCase{"PaddingInside", "NTLM Y=Q=", Scheme::kNtlm, "Y=Q=", "left to decode_base64"},
    HeaderCase{"TwoTokens", "NTLM YQ== YQ==", Scheme::kNtlm, "YQ== YQ==", "left to decode_base64"},
    HeaderCase{"Quoted", "NTLM \"YQ==\"", Scheme::kNtlm, "\"YQ==\"", "left to decode_base64"},
    HeaderCase{"LineBreak", "NTLM YQ\r\n", Scheme::kNtlm, "YQ\r\n", "left to decode_base64"},
    HeaderCase{"PlusAndSlash", "NTLM a+/9", Scheme::kNtlm, "a+/9", "RFC 4648 4"},
    HeaderCase{"Basic", "Basic dXNlcjpwYXNz", Scheme::kOther, "", "not looked at"},
    HeaderCase{"Digest", "Digest username=\"a b\"", Scheme::kOther, "", "not looked at"},
    HeaderCase{"Nego2", "Nego2 YIIG", Scheme::kOther, "", "not ours"},
    HeaderCase{"LongerName", "Negotiated YIIG", Scheme::kOther, "", "a name is a whole one"},
    HeaderCase{"ShorterName", "NTL TlRM", Scheme::kOther, "", "a name is a whole one"},
};

class HttpHeaderTable : public ::testing::TestWithParam<HeaderCase> {};

TEST_P(HttpHeaderTable, IsTakenApart) {
  const HeaderCase& c = GetParam();
  const auto value = octets(c.value);
  const Result<Authorization> parsed = parse_authorization(value);
  ASSERT_TRUE(parsed.ok()) << c.why;
  EXPECT_EQ(parsed->scheme, c.scheme) << c.why;
  EXPECT_EQ(text_of(parsed->token68), c.token68) << c.why;
  EXPECT_NE(std::string(c.value).find(text_of(parsed->scheme_name)), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Table, HttpHeaderTable, ::testing::ValuesIn(kHeaders),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(HttpHeader, KeepsTheSchemeAsItWasSent) {
  const auto value = octets(" nEgOtIaTe YQ==");
  EXPECT_EQ(text_of(parse_authorization(value)->scheme_name), "nEgOtIaTe");
}

struct BadHeaderCase {
  const char* name;
  std::string_view value;
  std::uint32_t offset;
  const char* why;
};

constexpr std::array kBadHeaders = {
    BadHeaderCase{"Empty", "", 0, "no scheme"},
    BadHeaderCase{"WhiteSpaceOnly", " \t ", 3, "no scheme"},
    BadHeaderCase{"Slash", "Nego/tiate YQ==", 4, "RFC 9110 5.6.2: '/' is a delimiter"},
    BadHeaderCase{"EqualsFirst", "=YQ==", 0, "no scheme"},
    BadHeaderCase{"TabAfterScheme", "Negotiate\tYQ==", 9, "RFC 9110 11.4: 1*SP"},
    BadHeaderCase{"TabAfterOtherScheme", "Basic\tdXNl", 5, "RFC 9110 11.4: 1*SP"},
    BadHeaderCase{"CommaAfterScheme", "Negotiate, NTLM", 9, "that is a challenge list"},
    BadHeaderCase{"NulInScheme", std::string_view("NTLM\0 TlRM", 10), 4, "no text"},
};

class HttpBadHeader : public ::testing::TestWithParam<BadHeaderCase> {};

TEST_P(HttpBadHeader, IsPointedAt) {
  const BadHeaderCase& c = GetParam();
  const auto value = octets(c.value);
  EXPECT_EQ(parse_authorization(value).fault(), (ParseFault{ParseCode::kBadValue, c.offset}))
      << c.why;
}

INSTANTIATE_TEST_SUITE_P(Table, HttpBadHeader, ::testing::ValuesIn(kBadHeaders),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(Base64, FollowsTheExamplesOfRfc4648) {
  // RFC 4648 10.
  for (const auto& [plain, encoded] :
       std::vector<std::pair<std::string, std::string>>{{"", ""},
                                                        {"f", "Zg=="},
                                                        {"fo", "Zm8="},
                                                        {"foo", "Zm9v"},
                                                        {"foob", "Zm9vYg=="},
                                                        {"fooba", "Zm9vYmE="},
                                                        {"foobar", "Zm9vYmFy"}}) {
    std::array<std::uint8_t, 16> out{};
    EXPECT_EQ(text_of(encode_base64(octets(plain), out)), encoded);
    const Result<Bytes> decoded = decode_base64(octets(encoded), out);
    ASSERT_TRUE(decoded.ok()) << encoded;
    EXPECT_EQ(text_of(*decoded), plain);
  }
}

TEST(Base64, CarriesEveryOctetAtEveryPlace) {
  std::vector<std::uint8_t> bytes;
  for (unsigned i = 0; i < 3 * 256; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(i * 7 >> 2 ^ i));
    std::vector<std::uint8_t> text(base64_encoded_size(bytes.size()));
    std::vector<std::uint8_t> out(bytes.size());
    const Result<Bytes> decoded = decode_base64(encode_base64(bytes, text), out);
    ASSERT_TRUE(decoded.ok());
    ASSERT_TRUE(std::ranges::equal(*decoded, bytes));
    ASSERT_LE(bytes.size(), base64_decoded_size_max(text.size()));
  }
}

struct BadTextCase {
  const char* name;
  std::string_view text;
  ParseFault fault;
  const char* why;
};

// The accepted twin of each is YWJj, YWI= or YQ==.
constexpr std::array kBadTexts = {
    BadTextCase{"OneCharacter", "Y", {ParseCode::kBadLength, 1}, "no octet"},
    BadTextCase{"PaddingLeftOut", "YQ", {ParseCode::kBadLength, 2}, "RFC 4648 3.2"},
    BadTextCase{"OnePaddingLeftOut", "YQ=", {ParseCode::kBadLength, 3}, "RFC 4648 3.2"},
    BadTextCase{"OneTooMany", "YWJjY", {ParseCode::kBadLength, 5}, ""},
    BadTextCase{"OnlyPadding", "====", {ParseCode::kBadValue, 0}, "no octet"},
    BadTextCase{"ThreePaddings", "Y===", {ParseCode::kBadValue, 1}, "six bits are no octet"},
    BadTextCase{"PaddingInside", "YQ==YWJj", {ParseCode::kBadValue, 2}, "only at the end"},
    BadTextCase{"PaddingBeforeLast", "YW=j", {ParseCode::kBadValue, 2}, "only at the end"},
    BadTextCase{"UnusedBitsOfTwo", "YR==", {ParseCode::kBadValue, 1}, "RFC 4648 3.5"},
    BadTextCase{"UnusedBitsOfOne", "YWJ=", {ParseCode::kBadValue, 2}, "RFC 4648 3.5"},
    BadTextCase{"TwoTokens", "YQ== YQ==", {ParseCode::kBadValue, 2}, "one token68"},
    BadTextCase{"Challenges", "YWJj, NTLM", {ParseCode::kBadValue, 4}, "that is a list"},
    BadTextCase{"Quoted", "\"YQ==\"", {ParseCode::kBadValue, 0}, "token68 is not quoted"},
    BadTextCase{"Tab", "YW\tj", {ParseCode::kBadValue, 2}, "RFC 4648 3.3"},
    BadTextCase{"Space", "YW j", {ParseCode::kBadValue, 2}, "RFC 4648 3.3"},
    BadTextCase{"LineBreak", "YWJj\r\n\r\n", {ParseCode::kBadValue, 4}, "RFC 4648 3.3"},
    BadTextCase{"UrlMinus", "YW-j", {ParseCode::kBadValue, 2}, "RFC 4648 5"},
    BadTextCase{"UrlUnderscore", "YW_j", {ParseCode::kBadValue, 2}, "RFC 4648 5"},
    BadTextCase{"Nul", std::string_view("YW\0j", 4), {ParseCode::kBadValue, 2}, "no text"},
    BadTextCase{"HighBit", "YW\xff\x6a", {ParseCode::kBadValue, 2}, "no ASCII"},
};

class Base64BadText : public ::testing::TestWithParam<BadTextCase> {};

TEST_P(Base64BadText, IsPointedAt) {
  const BadTextCase& c = GetParam();
  std::array<std::uint8_t, 16> out{};
  EXPECT_EQ(decode_base64(octets(c.text), out).fault(), c.fault) << c.why;
}

INSTANTIATE_TEST_SUITE_P(Table, Base64BadText, ::testing::ValuesIn(kBadTexts),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(Base64, HasExactly64CharactersAtEveryPlaceAndPointsAtAnyOther) {
  for (const std::string_view good : {"AAAABBBBCCCC", "AAAABBBBCCA=", "AAAABBBBCA=="}) {
    const std::size_t padding = std::min(good.find('='), good.size());
    for (std::size_t place = 0; place < padding; ++place) {
      const bool has_unused_bits = padding < good.size() && place + 1 == padding;
      std::vector<std::uint8_t> text = octets(good);
      int accepted = 0;
      for (unsigned c = 0; c < 256; ++c) {
        text[place] = static_cast<std::uint8_t>(c);
        std::array<std::uint8_t, 9> out{};
        const Result<Bytes> decoded = decode_base64(text, out);
        accepted += decoded.ok() ? 1 : 0;
        if (!decoded.ok() && c != '=') {
          EXPECT_EQ(decoded.fault(),
                    (ParseFault{ParseCode::kBadValue, static_cast<std::uint32_t>(place)}))
              << good << ' ' << c;
        }
      }
      const int all = has_unused_bits ? (good.ends_with("==") ? 4 : 16) : 64;
      EXPECT_EQ(accepted, all) << good << " at " << place;
    }
  }
}

TEST(Base64, IsDecodedWhereItStands) {
  for (std::size_t size = 0; size < 100; ++size) {
    std::vector<std::uint8_t> bytes(size);
    std::iota(bytes.begin(), bytes.end(), std::uint8_t{0x7d});
    std::vector<std::uint8_t> text(base64_encoded_size(size));
    encode_base64(bytes, text);
    const Result<Bytes> decoded = decode_base64(text, text);
    ASSERT_TRUE(decoded.ok());
    EXPECT_TRUE(std::ranges::equal(*decoded, bytes)) << size;
  }
}

TEST(Base64, PointsAtABadCharacterOfATextThatIsDecodedWhereItStands) {
  std::vector<std::uint8_t> text = octets("QUJDREVGR0hJSktM*U5P");
  EXPECT_EQ(decode_base64(text, text).fault(), (ParseFault{ParseCode::kBadValue, 16}));
}

TEST(Base64, NeedsRoomForWhatItDecodesAndNoMore) {
  for (const std::string_view text : {"YWJj", "YWI=", "YQ=="}) {
    std::array<std::uint8_t, 4> room{};
    const std::size_t size = decode_base64(octets(text), room)->size();
    EXPECT_TRUE(decode_base64(octets(text), MutableBytes(room).first(size)).ok()) << text;
    EXPECT_EQ(decode_base64(octets(text), MutableBytes(room).first(size - 1)).fault(),
              (ParseFault{ParseCode::kOutOfBounds, 0}))
        << text;
  }
  EXPECT_TRUE(decode_base64({}, {}).ok());
}

TEST(HttpHeader, CarriesARecordedTokenToTheSpnegoParser) {
  const auto token = usher::testing::recorded_token("ad/aes256-spnego.hex");
  std::vector<std::uint8_t> text(base64_encoded_size(token.size()));
  encode_base64(token, text);
  std::vector<std::uint8_t> header = octets("Negotiate ");
  header.insert(header.end(), text.begin(), text.end());

  const Result<Authorization> parsed = parse_authorization(header);
  ASSERT_TRUE(parsed.ok());
  std::vector<std::uint8_t> out(base64_decoded_size_max(parsed->token68.size()));
  const Result<Bytes> decoded = decode_base64(parsed->token68, out);
  ASSERT_TRUE(decoded.ok());
  EXPECT_TRUE(std::ranges::equal(*decoded, token));
  EXPECT_TRUE(spnego::parse_neg_token_init(*decoded).ok());
}

}  // namespace
}  // namespace usher::http
