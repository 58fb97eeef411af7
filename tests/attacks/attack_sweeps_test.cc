// Promise: what attack_list_test shows for one field of one message holds for every field of every
// kind of message that DER frames, and for every value of the numbers that sizes are made of.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>

#include "parsers/authorization_data.h"
#include "parsers/gss_message.h"
#include "parsers/krb_cred.h"
#include "parsers/ntlm.h"
#include "tests/attacks/kerberos_parts.h"
#include "tests/attacks/spnego_parts.h"
#include "tests/data/authorization_data_messages.h"
#include "tests/data/krb5_messages.h"
#include "tests/data/krb_cred_messages.h"
#include "tests/data/negoex_messages.h"
#include "tests/data/ntlm_messages.h"
#include "tests/recorded.h"

namespace usher::attacks {
namespace {

Octets octets_of_view(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// ---- every element of every message

struct Message {
  std::string name;
  ParseFault (*judge)(Bytes);
  Octets octets;
};
void PrintTo(const Message& message, std::ostream* out) { *out << message.name; }

std::vector<Message> messages() {
  std::vector<Message> all;
  for (const krb5::Kind& kind : krb5::kinds()) {
    all.push_back({kind.name, kind.fault, krb5::build(kind.application, kind.fields).message});
  }
  for (const testing::RecordedKerberos& recorded : testing::kRecordedApReqs) {
    all.push_back({std::string("Recorded") + recorded.name, fault_of<krb5::parse_ap_req>,
                   hex(recorded.message)});
  }
  all.push_back({"KrbCred", fault_of<krb5::parse_krb_cred>, krb5::krb_cred(2)});
  all.push_back(
      {"EncKrbCredPart", fault_of<krb5::parse_enc_krb_cred_part>, krb5::enc_krb_cred_part(2)});
  all.push_back({"AuthorizationData", fault_of<krb5::parse_authorization_data>,
                 hex(krb5::ad_list({krb5::ad_element(128, "00"), krb5::ad_element(141, "")}))});
  const Octets mic = hex("04 02 dddd");
  const Octets token = element(0xa2, element(0x04, Octets(5, 0x74)));
  const Octets flags = hex("a1 04 03 02 07 80");
  const Octets hints = hex("a3 09 30 07 a0 05 1b 03 784079");
  all.push_back({"NegTokenInit", kSpnegoInit.judge,
                 init(cat({kMechTypes, flags, token, element(0xa3, mic)}))});
  all.push_back({"NegTokenInit2", kSpnegoInit.judge,
                 init(cat({kMechTypes, flags, token, hints, element(0xa4, mic)}))});
  all.push_back({"NegTokenResp", kSpnegoResp.judge,
                 resp(cat({kState, element(0xa1, kKerberosOid), token, element(0xa3, mic)}))});
  const testing::Leg client = testing::recorded_exchange("http/chromium-nego-krb.txt").front();
  all.push_back({"RecordedNegTokenInit", kSpnegoInit.judge, client.token});
  return all;
}

// Element is one TLV: `after` octets of its parent follow it.
struct Element {
  std::uint8_t tag;
  Octets contents;
  std::size_t after;
};
using Replace = std::function<Octets(const Element&)>;

// Rewrite copies a message with the element numbered `target`, outermost and first first, replaced;
// the lengths of all elements around it are made right again. `found` counts elements.
struct Rewrite {
  std::size_t target;
  Replace replace;
  std::size_t found = 0;

  Octets operator()(Bytes message) {
    Octets out;
    while (!message.empty()) {
      const std::uint8_t tag = message[0];
      const std::size_t count = message[1] < 0x80 ? 0 : message[1] & 0x7fu;
      std::size_t size = count == 0 ? message[1] : 0;
      for (std::size_t i = 0; i < count; ++i) {
        size = size << 8 | message[2 + i];
      }
      const Bytes contents = message.subspan(2 + count, size);
      message = message.subspan(2 + count + size);
      const bool constructed = (tag & 0x20) != 0;
      if (found++ == target) {
        out = cat({out, replace({tag, octets_of_view(contents), message.size()})});
      } else {
        out = cat({out, element(tag, constructed ? (*this)(contents) : octets_of_view(contents))});
      }
    }
    return out;
  }
};

std::size_t count_elements(Bytes message) {
  Rewrite rewrite{SIZE_MAX, {}};
  EXPECT_EQ(rewrite(message), octets_of_view(message)) << "rewriting alone changes nothing";
  return rewrite.found;
}

class EveryElement : public ::testing::TestWithParam<Message> {
 protected:
  // refuses judges the message with each element in turn replaced; nothing: leave it as it is.
  void refuses(const Replace& replace, ParseCode expected) {
    const Message& message = GetParam();
    ASSERT_EQ(message.judge(message.octets), ParseFault{}) << "the twin of all";
    const std::size_t count = count_elements(message.octets);
    ASSERT_GT(count, 3u);
    for (std::size_t i = 0; i < count; ++i) {
      const Octets bad = Rewrite{i, replace}(message.octets);
      if (bad != message.octets) {
        EXPECT_EQ(message.judge(bad).code, expected) << "element " << i;
      }
    }
  }
  void refuses_length(const std::function<Octets(const Element&)>& bad_length, ParseCode expected) {
    refuses(
        [&](const Element& e) {
          const Octets octets = bad_length(e);
          return octets.empty() ? element(e.tag, e.contents) : cat({{e.tag}, octets, e.contents});
        },
        expected);
  }
};

TEST_P(EveryElement, IsRefusedIfItsLengthLeavesItsParent) {  // A1, A2, A8
  const auto truncated = ParseCode::kTruncated;
  for (const std::size_t more : {1u, 2u, 3u}) {
    refuses_length([&](const Element& e) { return length(e.contents.size() + e.after + more); },
                   truncated);
  }
  refuses_length(
      [](const Element& e) { return e.contents.size() + e.after < 0x7f ? hex("7f") : Octets{}; },
      truncated);
  for (const char* octets : {"82 ffff", "84 ffffffff", "84 80000000", "84 fffffff0"}) {
    refuses_length([&](const Element&) { return hex(octets); }, truncated);
  }
}

TEST_P(EveryElement, IsRefusedIfItsLengthIsNotDer) {  // A4, A10, A13
  const auto bad_length = ParseCode::kBadLength;
  for (std::size_t extra = 1; extra <= 3; ++extra) {
    refuses_length(
        [&](const Element& e) {
          const std::size_t size = length(e.contents.size()).size() - 1;
          return size + extra > 4 ? Octets{} : long_length(e.contents.size(), size + extra);
        },
        bad_length);
  }
  for (const char* octets : {"80", "ff", "85 0000000005", "88 8000000000000000"}) {
    refuses_length([&](const Element&) { return hex(octets); }, bad_length);
  }
}

TEST_P(EveryElement, OfNumbersIsRefusedIfItIsNotDer) {  // A12
  for (const char* contents : {"", "0000", "ffff", "000000000000"}) {
    refuses(
        [&](const Element& e) {
          return element(e.tag, e.tag == 0x02 || e.tag == 0x0a ? hex(contents) : e.contents);
        },
        ParseCode::kBadValue);
  }
}

INSTANTIATE_TEST_SUITE_P(Messages, EveryElement, ::testing::ValuesIn(messages()),
                         [](const auto& param_info) { return param_info.param.name; });

TEST(EveryTwin, IsRefusedUpToItsLastOctet) {  // B15, and A8 from the other side
  const std::set<std::string> framed_targets = {"authorization_data", "der",    "krb5",
                                                "krb_cred",           "spnego", "sid"};
  std::size_t count = 0;
  for (const Attack& attack : all_attacks()) {
    if (!framed_targets.contains(attack.parser.target)) {
      continue;  // Others have octets at their end that no field counts.
    }
    ++count;
    // No authorization data at all is what an absent field looks like.
    const bool may_be_absent = std::string_view(attack.parser.target) == "authorization_data";
    for (std::size_t size = may_be_absent ? 1 : 0; size < attack.twin.size(); ++size) {
      ASSERT_NE(attack.parser.judge(Bytes(attack.twin).first(size)), ParseFault{})
          << attack.seed_name() << " at " << size;
    }
    Octets longer = attack.twin;
    longer.push_back(0);
    EXPECT_EQ(attack.parser.judge(longer).code, ParseCode::kTrailingBytes) << attack.seed_name();
  }
  EXPECT_GT(count, 100u);
}

// ---- every number

TEST(EveryMessageType, UnderTheTagOfAnApReqIsRefusedButItsOwn) {  // C23
  const auto type = with_field(krb5::kApReq, 1);
  for (std::uint8_t number = 0; number < 0x80; ++number) {
    EXPECT_EQ(kApReq.judge(type({2, 1, number})).code,
              number == 14 ? ParseCode::kOk : ParseCode::kBadValue);
  }
  const Octets body = element(0x30, body_with(krb5::kApReq, 0, hex("a0 03 02 01 05")));
  for (unsigned tag = 0; tag < 0x100; ++tag) {
    EXPECT_EQ(kApReq.judge(element(static_cast<std::uint8_t>(tag), body)).code,
              tag == 0x6e ? ParseCode::kOk : ParseCode::kUnexpectedTag);
  }
}

TEST(EveryUnusedBitsOctet, ButTheRightOneIsRefused) {  // A11
  for (unsigned unused = 0; unused < 0x100; ++unused) {
    const auto octet = static_cast<std::uint8_t>(unused);
    EXPECT_EQ(kApReq.judge(with_field(krb5::kApReq, 2)({3, 5, octet, 0, 0, 0, 0})).code,
              unused == 0 ? ParseCode::kOk : ParseCode::kBadValue);
    EXPECT_EQ(kSpnegoInit.judge(init(cat({kMechTypes, {0xa1, 4, 3, 2, octet, 0}}))).code,
              unused < 8 ? ParseCode::kOk : ParseCode::kBadValue);
  }
}

TEST(EveryExtraCount, BeyondThePayloadIsRefused) {  // C5, C6
  constexpr std::size_t kPlainSize = 14;
  constexpr std::size_t kSealedSize = 20;
  for (unsigned count = 0; count <= 0xffff; ++count) {
    const auto high = static_cast<std::uint8_t>(count >> 8);
    const auto low = static_cast<std::uint8_t>(count & 0xff);
    const Octets tail = hex("0000 0000000000000001");
    const Octets plain = cat({{5, 4, 0, 0xff, high, low}, tail, Octets(kPlainSize, 0xd0)});
    const Octets sealed = cat({{5, 4, 2, 0xff, high, low}, tail, Octets(kSealedSize, 0xc0)});
    ASSERT_EQ(gss::parse_wrap_token(plain).ok(), count >= 1 && count <= kPlainSize) << count;
    ASSERT_EQ(gss::parse_wrap_token(sealed).ok(), count + 16 <= kSealedSize) << count;
  }
}

TEST(EveryLegacyWrap, ShorterThanConfounderAndPaddingIsRefused) {  // C4, C8
  for (const char* algorithms : {"1100 1000", "0400 0200", "0000 0000"}) {
    const std::size_t checksum = algorithms[1] == '4' ? 20 : 8;
    for (std::size_t size = 0; size <= 64; ++size) {
      const Octets token = element(
          0x60, cat({kKerberosOid, hex("0201"), hex(algorithms), hex("ffff"), Octets(size, 0x77)}));
      EXPECT_EQ(gss::parse_legacy_token(token).ok(), size >= 8 + checksum + 8 + 1) << size;
    }
  }
}

TEST(EveryNegoExHeaderLength, ButTheRightOneIsRefused) {  // B13
  const Octets token = testing::negoex_client_token();
  for (std::uint32_t size = 0; size <= 300; ++size) {
    const Octets bad = testing::with32(token, testing::kNegoExHeaderLength, size);
    EXPECT_EQ(negoex::parse_token(bad).ok(), size == 96) << size;
  }
}

TEST(EveryNtlmMessage, IsRefusedUpToItsHeadersEnd) {  // E7, E8
  for (const testing::RecordedNtlm& recorded : testing::kRecordedNtlm) {
    const Octets authenticate = hex(recorded.authenticate);
    ASSERT_TRUE(ntlm::parse_authenticate(authenticate).ok());
    for (std::size_t size = 0; size < authenticate.size(); ++size) {
      // Empty fields may stand anywhere, so only octets that a field counts are missed.
      const Result<ntlm::Authenticate> cut =
          ntlm::parse_authenticate(Bytes(authenticate).first(size));
      EXPECT_TRUE(!cut.ok() || size >= 64) << recorded.client << ' ' << size;
    }
    const Octets negotiate = hex(recorded.negotiate);
    ASSERT_TRUE(ntlm::parse_negotiate(negotiate).ok());
    for (std::size_t size = 0; size < std::min<std::size_t>(32, negotiate.size()); ++size) {
      EXPECT_EQ(ntlm::parse_negotiate(Bytes(negotiate).first(size)).ok(), size == 16)
          << recorded.client << ' ' << size;
    }
  }
}

TEST(EveryResponseSize, ThatIsNoResponseIsRefused) {  // E6
  const Octets response = cat({Octets(16, 0x70), hex("01 01 0000 00000000"), Octets(8, 0x74),
                               Octets(8, 0xaa), Octets(4, 0), Octets(16, 0)});
  for (std::size_t size = 0; size <= response.size(); ++size) {
    // 44 is a response without AV pairs; from 48 on there are MsvAvEOL and padding.
    EXPECT_EQ(ntlm::parse_ntlmv2_response(Bytes(response).first(size)).ok(),
              size == 44 || size >= 48)
        << size;
  }
}

}  // namespace
}  // namespace usher::attacks
