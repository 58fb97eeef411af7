// `usher decode`: every layer is named, every fault has a place, and no secret is ever shown.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <sstream>

#include "parsers/http_authorization.h"
#include "parsers/ntlm.h"
#include "tests/hex.h"
#include "tests/tools/usher_process.h"

namespace usher::testing {
namespace {

using Json = nlohmann::json;

std::string first_hex(const std::string& name) {
  const std::string text = read_whole(transcript_path(name));
  return text.substr(0, text.find_first_of("\r\n"));
}

std::vector<Json> json_lines(const std::string& text) {
  std::vector<Json> objects;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    objects.push_back(Json::parse(line));
  }
  return objects;
}

// fault_of finds the fault in a tree, if there is one.
Json fault_of(const Json& tree) {
  if (tree.is_object() && tree.contains("fault")) {
    return tree["fault"];
  }
  if (tree.is_structured()) {
    for (const Json& child : tree) {
      if (const Json found = fault_of(child); !found.is_null()) {
        return found;
      }
    }
  }
  return nullptr;
}

std::string base64_of(const std::string& hex_text) {
  const std::vector<std::uint8_t> bytes = hex(hex_text);
  std::vector<std::uint8_t> text(http::base64_encoded_size(bytes.size()));
  http::encode_base64(bytes, text);
  return {text.begin(), text.end()};
}

std::string raw_of(const std::string& hex_text) {
  const std::vector<std::uint8_t> bytes = hex(hex_text);
  return {bytes.begin(), bytes.end()};
}

struct NameCase {
  const char* name;
  const char* file;
  const char* keytab;  // Or null.
  std::vector<std::string> lines;
};

const std::array kNames = {
    NameCase{"KerberosInSpnego",
             "ad/aes256-spnego.hex",
             nullptr,
             {"token: SPNEGO NegTokenInit, 1758 bytes", "mechTypes: 1.2.840.113554.1.2.2 Kerberos",
              "mechToken: Kerberos AP-REQ, 1698 bytes", "ap-options: mutual-required",
              "realm: BNTLM.TEST", "sname: HTTP/web.bntlm.test",
              "etype: 18 aes256-cts-hmac-sha1-96", "kvno: 2", "cipher: 1372 bytes"}},
    NameCase{"OpenedWithTheKeytab",
             "ad/aes256-spnego.hex",
             "ad/web.keytab",
             {"client: alice@BNTLM.TEST", "flags: renewable, pre-authent, transited-policy-checked",
              "session key: 18 aes256-cts-hmac-sha1-96, 32 bytes", "endtime: 2026-11-20T19:16:22Z",
              "authorization-data: 1 AD-IF-RELEVANT, 1134 bytes",
              "ad-data: 128 AD-WIN2K-PAC, 1112 bytes", "ctime: 2026-11-20T09:16:32.283732Z",
              "seq-number: 4502298", "cksum: 0x8003 GSS checksum, 24 bytes",
              "flags: mutual, replay, sequence, confidentiality, integrity, transferable",
              "bindings: none (all zero)"}},
    NameCase{"ChannelBindingsAreShown",
             "ad/aes256-spnego-cb.hex",
             "ad/web.keytab",
             {"bindings: a8398e96473163fef6cae76013e8ab5a"}},
    NameCase{"DelegatedCredential",
             "ad/aes256-krb5-deleg.hex",
             "ad/web.keytab",
             {"flags: delegate, mutual", "delegated credential: KRB-CRED, 1802 bytes",
              "sname: krbtgt/BNTLM.TEST", "cipher: 289 bytes"}},
    NameCase{"PacOfTheDomainController",
             "ad/aes256-krb5.hex",
             "ad/web.keytab",
             {"buffers: 7", "logon name: alice", "full name: Alice Example", "logon domain: BNTLM",
              "logon server: DC1", "domain SID: S-1-5-21-3494580569-295834052-4005058022",
              "user: 1103", "groups: S-1-5-21-3494580569-295834052-4005058022-513,",
              "S-1-5-21-3494580569-295834052-4005058022-1147\n", "extra SIDs: S-1-18-1",
              "client info: alice", "UPN: alice@bntlm.test",
              "server signature: 16 hmac-sha1-96-aes256, 12 bytes",
              "full signature: 16 hmac-sha1-96-aes256, 12 bytes"}},
    NameCase{"DceStyle", "ad/aes256-krb5-dce.hex", "ad/web.keytab", {"dce-style"}},
    NameCase{"EtypesOfMit",
             "mit/aes256-cts-krb5.hex",
             "mit/sha2.keytab",
             {"ad-data: 129 AD-ETYPE-NEGOTIATION, 11 bytes", "etypes: 20 aes256"}},
    NameCase{"Rc4Ticket", "mit/rc4-hmac-krb5.hex", nullptr, {"etype: 23 arcfour-hmac"}},
    NameCase{"Sha2Ticket",
             "mit/aes128-sha2-spnego.hex",
             nullptr,
             {"etype: 19 aes128-cts-hmac-sha256-128"}},
    NameCase{"ApRepInSpnego",
             "http/curl-nego-krb.txt",
             nullptr,
             {"line 3, s2c: SPNEGO NegTokenResp, 186 bytes", "negState: accept-completed",
              "supportedMech: 1.2.840.113554.1.2.2 Kerberos", "responseToken: Kerberos AP-REP, "}},
    NameCase{"NtlmInSpnego",
             "http/gssntlmssp-spnego-mic.txt",
             nullptr,
             {"mechTypes: 1.3.6.1.4.1.311.2.2.10 NTLM", "mechToken: NTLM NEGOTIATE, 40 bytes",
              "Version: 6.2 build 0, NTLM revision 15", "responseToken: NTLM CHALLENGE, 124 bytes",
              "ServerChallenge: 31b26cf2b2f8f607", "MsvAvNbDomainName: BNTLM",
              "MsvAvTimestamp: 2026-11-20T09:37:00.5916850Z",
              "responseToken: NTLM AUTHENTICATE, 278 bytes", "charset: UTF-16LE", "UserName: alice",
              "NtChallengeResponse: NTLMv2, 148 bytes", "NTProofStr: 16 bytes",
              "MsvAvTargetName: HTTP/web.bntlm.test", "MsvAvFlags: mic-provided",
              "EncryptedRandomSessionKey: 16 bytes", "MIC: 16 bytes", "mechListMIC: 16 bytes",
              "negState: accept-completed"}},
    NameCase{"OemStrings",
             "http/curl-ntlm-fixed.txt",
             nullptr,
             {"NegotiateFlags: OEM, REQUEST_TARGET, NTLM, ALWAYS_SIGN, EXTENDED_SESSIONSECURITY",
              "charset: OEM", "Workstation: WORKSTATION", "MIC: absent"}},
    NameCase{"WgetSaysUnicodeAndSendsOem",
             "http/wget-ntlm.txt",
             nullptr,
             {"NegotiateFlags: UNICODE, NTLM, ALWAYS_SIGN", "charset: OEM", "UserName: alice",
              "NtChallengeResponse: NTLMv1, 24 bytes"}},
};

class UsherDecodeNames : public ::testing::TestWithParam<NameCase> {};

TEST_P(UsherDecodeNames, SaysWhatIsInTheToken) {
  const NameCase& c = GetParam();
  std::vector<std::string> arguments = {"decode", transcript_path(c.file)};
  if (c.keytab != nullptr) {
    arguments.insert(arguments.end(), {"--keytab", transcript_path(c.keytab)});
  }
  const Ran ran = run_usher(arguments);
  EXPECT_EQ(ran.exit_status, 0) << ran.err;
  for (const std::string& line : c.lines) {
    EXPECT_NE(ran.out.find(line), std::string::npos) << line << "\nis not in\n" << ran.out;
  }
}

INSTANTIATE_TEST_SUITE_P(Table, UsherDecodeNames, ::testing::ValuesIn(kNames),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(UsherDecode, NamesAKerberosErrorAndItsTimes) {
  const Ran ran = run_usher(
      {"decode"},
      "607206092a864886f71201020203007e633061a003020105a10302011ea411180f323032363131323030393137"
      "30305aa50302012aa603020125a90c1b0a424e544c4d2e54455354aa21301fa003020102a11830161b04485454"
      "501b0e7765622e626e746c6d2e74657374ab071b05636c6f636b");
  EXPECT_EQ(ran.exit_status, 0) << ran.out;
  EXPECT_NE(ran.out.find("error-code: 37 KRB_AP_ERR_SKEW"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("stime: 2026-11-20T09:17:00.000042Z"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("sname: HTTP/web.bntlm.test@BNTLM.TEST"), std::string::npos) << ran.out;
}

TEST(UsherDecode, ShowsWhatMicrosoftPutsIntoAKerberosError) {
  const Ran skew = run_usher(
      {"decode"},
      "607d06092a864886f71201020203007e6e306ca003020105a10302011ea411180f323032363131323030393137"
      "30305aa50302012aa603020125a90c1b0a424e544c4d2e54455354aa21301fa003020102a11830161b04485454"
      "501b0e7765622e626e746c6d2e74657374ab071b05636c6f636bac0904073005a103020102");
  EXPECT_EQ(skew.exit_status, 0) << skew.out;
  EXPECT_NE(skew.out.find("e-data: KERB-ERROR-DATA, 7 bytes"), std::string::npos) << skew.out;
  EXPECT_NE(skew.out.find("data-type: 2 KERB_AP_ERR_TYPE_SKEW_RECOVERY"), std::string::npos)
      << skew.out;
  const Ran other = run_usher(
      {"decode"},
      "607806092a864886f71201020203007e693067a003020105a10302011ea411180f323032363131323030393137"
      "30305aa50302012aa603020125a90c1b0a424e544c4d2e54455354aa21301fa003020102a11830161b04485454"
      "501b0e7765622e626e746c6d2e74657374ab071b05636c6f636bac040402cafe");
  EXPECT_EQ(other.exit_status, 0) << "e-data may be anything";
  EXPECT_NE(other.out.find("e-data: 2 bytes"), std::string::npos) << other.out;
}

struct MessageCase {
  const char* name;
  const char* hex;
  const char* faulty_hex;  // One byte of it changed, or cut off.
  std::vector<std::string> lines;
  const char* fault;
};

const std::array kMessages = {
    MessageCase{"Mic",
                "040405ffffffffff0000000000000007000102030405060708090a0b",
                "040407ffffffffff0000000000000007000102030405060708090a0b",
                {"Kerberos MIC token, 28 bytes", "flags: sent-by-acceptor, acceptor-subkey",
                 "SND_SEQ: 7", "SGN_CKSUM: 12 bytes"},
                "MIC token, RFC 4121 4.2.6.1"},
    MessageCase{
        "Wrap",
        "050400ff000c000000000000000000096869000102030405060708090a0b",
        "050400ff000f000000000000000000096869000102030405060708090a0b",
        {"Kerberos Wrap token, 30 bytes", "EC: 12", "RRC: 0", "SND_SEQ: 9", "data: 14 bytes"},
        "Wrap token, RFC 4121 4.2.6.2"},
    MessageCase{"LegacyMic",
                "602306092a864886f71201020201011100ffffffff00010203040506070001020304050607",
                "602306092a864886f71201020201011101ffffffff00010203040506070001020304050607",
                {"Kerberos per-message token of RFC 1964, 37 bytes", "TOK_ID: 0x0101",
                 "SGN_ALG: 0x1100", "SGN_CKSUM: 8 bytes"},
                "RFC 1964 1.2, RFC 4757 7"},
    MessageCase{"NegoEx",
                "4e45474f45585453050000000000000040000000440000000102030405060708090a0b0c0d0e0f10"
                "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf400000000400000064617461",
                "4e45474f45585453050000000000000040000000440000000102030405060708090a0b0c0d0e0f10"
                "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf3f0000000400000064617461",
                {"NegoEx, 68 bytes", "AP_REQUEST, 68 bytes",
                 "conversation: 0102030405060708090a0b0c0d0e0f10",
                 "auth scheme: a0a1a2a3a4a5a6a7a8a9aaabacadaeaf", "exchange: 4 bytes"},
                "MS-NEGOEX 2.2.6"},
};

class UsherDecodeMessages : public ::testing::TestWithParam<MessageCase> {};

TEST_P(UsherDecodeMessages, AreNamedAndTheirFaultsToo) {
  const MessageCase& c = GetParam();
  const Ran good = run_usher({"decode"}, c.hex);
  EXPECT_EQ(good.exit_status, 0) << good.out << good.err;
  for (const std::string& line : c.lines) {
    EXPECT_NE(good.out.find(line), std::string::npos) << line << "\nis not in\n" << good.out;
  }
  const Ran faulty = run_usher({"decode"}, c.faulty_hex);
  EXPECT_EQ(faulty.exit_status, 1) << faulty.out;
  EXPECT_NE(faulty.out.find(c.fault), std::string::npos) << faulty.out;
}

INSTANTIATE_TEST_SUITE_P(Table, UsherDecodeMessages, ::testing::ValuesIn(kMessages),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

const std::array kNtlmTranscripts = {
    "http/chromium-ntlm.txt",     "http/chromium-ntlm-tls.txt",
    "http/curl-nego-ntlmssp.txt", "http/curl-ntlm-fixed.txt",
    "http/curl-ntlm-noess.txt",   "http/gssntlmssp-ntlm-cb.txt",
    "http/java-ntlm.txt",         "http/gssntlmssp-spnego-mic.txt",
    "http/py-requests-ntlm.txt",  "http/ntlm_auth-spnego-client.txt",
    "http/winpr2-cli-ntlm.txt",   "http/wget-ntlm.txt",
    "http/axios-ntlm.txt",        "http/httpntlm.txt",
};

std::string hex_text(Bytes bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t octet : bytes) {
    text += kDigits[octet >> 4];
    text += kDigits[octet & 15];
  }
  return text;
}

TEST(UsherDecode, ShowsNoProofResponseMicOrKeyOfAnyRecordedClient) {
  const std::string signature = "4e544c4d5353500003000000";
  for (const char* file : kNtlmTranscripts) {
    const std::string client = transcript_lines(file).at(2).hex;
    const std::vector<std::uint8_t> bytes = hex(client.substr(client.find(signature)));
    const Result<ntlm::Authenticate> message = ntlm::parse_authenticate(bytes);
    ASSERT_TRUE(message.ok()) << file;
    for (const std::string& form : {"--keytab=" + test_data("ad/web.keytab"), {"--json"}}) {
      const Ran ran = run_usher({"decode", form, transcript_path(file)});
      ASSERT_NE(ran.out.find("NTLM AUTHENTICATE"), std::string::npos);
      for (const Bytes secret : {message->nt_response, message->lm_response, message->mic,
                                 message->encrypted_session_key}) {
        if (secret.size() >= 8) {
          const std::string head = hex_text(secret.first(8));
          const bool zero = head == "0000000000000000";
          EXPECT_TRUE(zero || ran.out.find(head) == std::string::npos) << file << " " << form;
        }
      }
    }
  }
}

// longest_hex_run finds keys that nobody thought of.
std::size_t longest_hex_run(const std::string& text) {
  std::size_t longest = 0;
  std::size_t run = 0;
  for (const char c : text) {
    run =
        std::string_view("0123456789abcdefABCDEF").find(c) != std::string_view::npos ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  return longest;
}

TEST(UsherDecode, ShowsNoSessionKeyOfAnOpenedTicket) {
  for (const char* file : {"ad/aes256-spnego.hex", "ad/aes256-krb5.hex", "ad/aes256-krb5-deleg.hex",
                           "http/curl-nego-krb.txt", "http/heimdal-spnego-krb.txt"}) {
    const Ran ran =
        run_usher({"decode", transcript_path(file), "--keytab", transcript_path("ad/web.keytab")});
    ASSERT_NE(ran.out.find("session key: 18"), std::string::npos) << file << ran.out;
    EXPECT_LT(longest_hex_run(ran.out), 16u) << file << ran.out;
  }
  const Ran bindings = run_usher({"decode", transcript_path("ad/aes256-spnego-cb.hex"), "--keytab",
                                  transcript_path("ad/web.keytab")});
  EXPECT_EQ(longest_hex_run(bindings.out), 32u) << "the measure itself works";
}

// Each prefix is a line of one transcript, so that one process decodes them all.
void expect_every_prefix_has_a_place(const std::string& token) {
  std::string text;
  for (std::size_t size = 1; size < token.size() / 2; ++size) {
    text += "c2s " + token.substr(0, 2 * size) + "\n";
  }
  const Ran ran = run_usher({"decode", "--json"}, text);
  ASSERT_EQ(ran.exit_status, 1) << ran.err;
  const std::vector<Json> objects = json_lines(ran.out);
  ASSERT_EQ(objects.size(), token.size() / 2 - 1);
  for (std::size_t i = 0; i < objects.size(); ++i) {
    const std::size_t size = i + 1;
    const Json fault = fault_of(objects[i]);
    if (fault.is_null()) {
      // Of NTLM messages a shorter one can be whole: fields may be left out at the end.
      EXPECT_TRUE(token.starts_with("4e544c4d") && size >= 16) << size << objects[i];
      continue;
    }
    EXPECT_LE(fault.at("offset").get<std::size_t>(), size);
    EXPECT_FALSE(fault.at("code").get<std::string>().empty());
    EXPECT_FALSE(fault.at("why").get<std::string>().empty());
  }
}

TEST(UsherDecode, FindsTheFaultInEveryPrefixOfATicket) {
  expect_every_prefix_has_a_place(first_hex("ad/aes256-spnego.hex"));
  expect_every_prefix_has_a_place(first_hex("mit/aes256-cts-krb5.hex"));
}

TEST(UsherDecode, FindsTheFaultInEveryPrefixOfEveryLeg) {
  for (const char* file : {"http/gssntlmssp-spnego-mic.txt", "http/chromium-ntlm.txt",
                           "http/wget-ntlm.txt", "http/curl-nego-krb.txt"}) {
    for (const Line& line : transcript_lines(file)) {
      expect_every_prefix_has_a_place(line.hex);
    }
  }
}

TEST(UsherDecode, NeverCrashesOnAChangedByte) {
  for (const char* file : {"http/gssntlmssp-spnego-mic.txt", "http/heimdal-spnego-krb.txt"}) {
    std::string text;
    std::size_t count = 0;
    for (const Line& line : transcript_lines(file)) {
      for (std::size_t i = 0; i < line.hex.size(); i += 2) {
        std::string changed = line.hex;
        changed.replace(i, 2, "ff");
        text += line.direction + " " + changed + "\n";
        ++count;
      }
    }
    const Ran ran =
        run_usher({"decode", "--json", "--keytab", transcript_path("ad/web.keytab")}, text);
    EXPECT_EQ(ran.exit_status, 1) << ran.err;
    EXPECT_EQ(json_lines(ran.out).size(), count);
  }
}

struct FaultCase {
  const char* name;
  const char* token;
  const char* line;
};

// What is whole about them, for comparison: 6013 06062b0601050502 a009 3007 a005 3003 06012a.
const std::array kFaults = {
    FaultCase{"CutOff", "601306062b0601050502a0093007a0053003",
              "fault at byte 0: truncated: 21 bytes are promised and 18 are there: cut off"},
    FaultCase{"BytesAfterTheToken", "601306062b0601050502a0093007a005300306012a00",
              "fault at byte 21: trailing bytes: "},
    FaultCase{"IndefiniteLength", "608006062b0601050502a0093007a005300306012a",
              "fault at byte 1: bad length: "},
    FaultCase{"NotAToken", "474554202f", "fault at byte 0: bad value: SPNEGO begins with 0x60"},
    FaultCase{"CutOffInTheSignature", "4e544c4d53",
              "fault at byte 5: truncated: cut off within the NTLM signature"},
    FaultCase{"EncodedTwice", "546c524d54564e5451414142",
              "fault at byte 0: bad value: this looks like base64: it was encoded twice"},
    FaultCase{"Empty", "", "fault at byte 0: truncated: the token is empty"},
    // The NTLM NEGOTIATE begins at byte 34 and its type at byte 42.
    FaultCase{"OffsetsCountFromTheOuterToken",
              "603006062b0601050502a0263024a00e300c060a2b06010401823702020aa2120410"
              "4e544c4d535350000900000000000000",
              "fault at byte 46: bad value: "},
};

class UsherDecodeFault : public ::testing::TestWithParam<FaultCase> {};

TEST_P(UsherDecodeFault, SaysWhereAndWhy) {
  const FaultCase& c = GetParam();
  const Ran ran = run_usher({"decode", "-"}, c.token);
  EXPECT_EQ(ran.exit_status, 1) << ran.err;
  EXPECT_NE(ran.out.find(c.line), std::string::npos) << ran.out;
}

INSTANTIATE_TEST_SUITE_P(Table, UsherDecodeFault, ::testing::ValuesIn(kFaults),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(UsherDecode, TakesTheSmallestWholeToken) {
  const Ran ran = run_usher({"decode"}, "6013 0606 2b0601050502\n a009 3007 a005 3003 06012A");
  EXPECT_EQ(ran.exit_status, 0) << ran.out << ran.err;
  EXPECT_NE(ran.out.find("mechTypes: 1.2"), std::string::npos) << ran.out;
}

TEST(UsherDecode, ReadsATokenInEveryForm) {
  const std::string token = first_hex("ad/aes256-spnego.hex");
  const std::string base64 = base64_of(token);
  std::string wrapped = base64;
  for (std::size_t i = 76; i < wrapped.size(); i += 77) {
    wrapped.insert(i, 1, '\n');
  }
  const std::string expected = run_usher({"decode"}, token).out;
  ASSERT_NE(expected.find("Kerberos AP-REQ"), std::string::npos);
  for (const std::string& form :
       {raw_of(token), base64, base64 + "\r\n", wrapped, "Authorization: Negotiate " + base64,
        "authorization:negotiate " + base64 + "\r\n", "> Authorization: Negotiate " + base64,
        "Negotiate " + base64, "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Negotiate " + base64}) {
    const std::string out = run_usher({"decode"}, form).out;
    std::string tree("token");  // Before the colon, if a header gave it, stands the direction.
    tree.append(out, std::min(out.find(':'), out.size()));
    EXPECT_EQ(tree, expected) << form.substr(0, 60);
  }
}

TEST(UsherDecode, ReadsAnExchangeFromHttpHeaders) {
  const std::vector<Line> lines = transcript_lines("http/chromium-ntlm.txt");
  const Ran ran = run_usher(
      {"decode"}, "< WWW-Authenticate: NTLM\n> Authorization: NTLM " + base64_of(lines[0].hex) +
                      "\n< WWW-Authenticate: NTLM " + base64_of(lines[1].hex) + "\n");
  EXPECT_EQ(ran.exit_status, 0) << ran.err;
  EXPECT_NE(ran.out.find("line 1, s2c: no token"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("line 2, c2s: NTLM NEGOTIATE"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("line 3, s2c: NTLM CHALLENGE"), std::string::npos) << ran.out;
}

TEST(UsherDecode, SaysWhereAHeadersBase64IsBroken) {
  const Ran cut = run_usher({"decode"}, "Authorization: Negotiate YIIBhAYGKwYBBQUCoII");
  EXPECT_EQ(cut.exit_status, 1);
  EXPECT_NE(cut.out.find("of the base64 text: bad length"), std::string::npos) << cut.out;
}

struct UsageCase {
  const char* name;
  const char* input;
  const char* message;
};

constexpr std::array kUsage = {
    UsageCase{"OddHex", "601", "3 hex digits: one is missing, or one too many"},
    UsageCase{"BadTranscriptLine", "c2s 60\nhello\n", "standard input:2: expected `c2s HEX`"},
    UsageCase{"BadHexInATranscript", "# x\nc2s 60\ns2c 6g\n", "standard input:3: expected hex"},
    UsageCase{"NoHexInATranscript", "c2s\n", "standard input:1: expected hex"},
    UsageCase{"OtherScheme", "Authorization: Basic c2VjcmV0OnNlY3JldA==",
              "the scheme is Basic; only Negotiate and NTLM"},
    UsageCase{"Prose", "hello, world", "neither hex, base64, raw bytes"},
};

class UsherDecodeUsage : public ::testing::TestWithParam<UsageCase> {};

TEST_P(UsherDecodeUsage, IsExplained) {
  const UsageCase& c = GetParam();
  const Ran ran = run_usher({"decode", "-"}, c.input);
  EXPECT_EQ(ran.exit_status, 2);
  EXPECT_EQ(ran.out, "");
  EXPECT_NE(ran.err.find(c.message), std::string::npos) << ran.err;
  EXPECT_EQ(ran.err.find("c2VjcmV0"), std::string::npos) << "a password is not repeated";
}

INSTANTIATE_TEST_SUITE_P(Table, UsherDecodeUsage, ::testing::ValuesIn(kUsage),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(UsherDecode, NamesAFileThatIsNotThere) {
  const Ran ran = run_usher({"decode", "/nonexistent/token"});
  EXPECT_EQ(ran.exit_status, 2);
  EXPECT_NE(ran.err.find("/nonexistent/token: No such file"), std::string::npos) << ran.err;
}

TEST(UsherDecode, SaysWhyAKeytabOpensNothing) {
  const Ran ran = run_usher({"decode", transcript_path("ad/aes256-spnego.hex"), "--keytab",
                             transcript_path("mit/sha2.keytab")});
  EXPECT_EQ(ran.exit_status, 1);
  EXPECT_NE(ran.out.find("not opened: the keytab has no key for this service"), std::string::npos)
      << ran.out;
}

TEST(UsherDecode, SaysWhenNoKeyOpensAChangedTicket) {
  std::string token = first_hex("ad/aes256-krb5.hex");
  token[1600] = token[1600] == '0' ? '1' : '0';  // Inside the ticket's ciphertext.
  const Ran ran = run_usher({"decode", "--keytab", transcript_path("ad/web.keytab")}, token);
  EXPECT_EQ(ran.exit_status, 1);
  EXPECT_NE(ran.out.find("not opened: none of the keytab's keys"), std::string::npos) << ran.out;
}

TEST(UsherDecode, KeepsATokenFromWritingToTheTerminal) {
  std::string token = transcript_lines("http/curl-ntlm-fixed.txt").at(2).hex;
  const std::size_t user = token.find("616c696365");  // "alice", OEM.
  ASSERT_NE(user, std::string::npos);
  token.replace(user, 10, "1b5b324aff");  // ESC [ 2 J, and a byte that is no UTF-8.
  const Ran text = run_usher({"decode"}, token);
  EXPECT_EQ(text.out.find('\x1b'), std::string::npos);
  EXPECT_NE(text.out.find("UserName: \\x1b[2J\\xff"), std::string::npos) << text.out;
  const Ran json = run_usher({"decode", "--json"}, token);
  EXPECT_EQ(Json::parse(json.out).at("token").at("UserName"), "\\x1b[2J\\xff");
}

TEST(UsherDecode, GivesTheSameInJson) {
  const Ran ran = run_usher({"decode", "--json", transcript_path("http/curl-nego-krb.txt")});
  EXPECT_EQ(ran.exit_status, 0) << ran.err;
  const std::vector<Json> objects = json_lines(ran.out);
  ASSERT_EQ(objects.size(), 2u);
  EXPECT_EQ(objects[0].at("direction"), "c2s");
  EXPECT_EQ(objects[0].at("line"), 2);
  const Json& request = objects[0].at("token").at("mechToken");
  EXPECT_EQ(request.at("type"), "Kerberos AP-REQ");
  EXPECT_EQ(request.at("ticket").at("etype").at("number"), 18);
  EXPECT_EQ(objects[1].at("token").at("negState"), "accept-completed");
}

TEST(Usher, HelpsAndTellsItsVersion) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--help"}, {"decode", "--help"}, {"accept", "--help"}}) {
    const Ran ran = run_usher(arguments);
    EXPECT_EQ(ran.exit_status, 0);
    EXPECT_NE(ran.out.find("Usage: usher"), std::string::npos) << ran.out;
  }
  EXPECT_NE(run_usher({"accept", "--help"}).out.find("kerberos.skew"), std::string::npos);
  EXPECT_TRUE(run_usher({"--version"}).out.starts_with("usher "));
  EXPECT_EQ(run_usher({}).exit_status, 2);
  EXPECT_EQ(run_usher({"decode", "--no-such-flag"}).exit_status, 2);
}

}  // namespace
}  // namespace usher::testing
