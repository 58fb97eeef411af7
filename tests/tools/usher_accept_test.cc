// `usher accept`: recorded exchanges of real clients are accepted as they were, and refused, with
// the reason named, as soon as one bit of what protects them is changed.
#include <gtest/gtest.h>

#include <array>
#include <nlohmann/json.hpp>

#include "parsers/http_authorization.h"
#include "tests/hex.h"
#include "tests/tools/usher_process.h"

namespace usher::testing {
namespace {

using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

constexpr const char* kAlice = "# one account a line\nBNTLM:alice:Al1ce-Passw0rd\n";
constexpr const char* kAccepted = "SEC_E_OK";

// UsherAccept is a scratch folder with an accounts file, and the command with everything it needs.
class UsherAccept : public ::testing::Test {
 protected:
  Ran run(const Arguments& more) const {
    Arguments arguments = {"accept", "--at",     "2026-11-20T09:17:00Z",           "--clock-skew",
                           "7200",   "--keytab", transcript_path("ad/web.keytab"), "--accounts",
                           accounts_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_usher(arguments);
  }

  // verdict replays one file and returns its object.
  Json verdict(const std::string& file, const Arguments& more = {}) const {
    Arguments arguments = more;
    arguments.insert(arguments.end(), {"--json", file});
    const Ran ran = run(arguments);
    const Json object = Json::parse(ran.out, nullptr, false);
    EXPECT_TRUE(object.is_object()) << ran.out << ran.err;
    if (object.is_object()) {
      EXPECT_EQ(ran.exit_status, object.at("status") == kAccepted ? 0 : 1);
    }
    return object;
  }
  Json verdict(const std::vector<Line>& lines, const Arguments& more = {}) const {
    return verdict(scratch_.write("transcript.txt", transcript_text(lines)), more);
  }

  Scratch scratch_;
  std::string accounts_ = scratch_.write("accounts", kAlice);
};

std::string why(const Json& object) { return object.value("why", std::string()); }

bool says(const Json& object, const std::string& words) {
  return why(object).find(words) != std::string::npos;
}

// flip changes the lowest bit of the byte at `offset` of a token in hex.
void flip(std::string& token, std::size_t offset) {
  const unsigned octet = unsigned(std::stoul(token.substr(2 * offset, 2), nullptr, 16)) ^ 1u;
  constexpr std::string_view kDigits = "0123456789abcdef";
  token[2 * offset] = kDigits[octet >> 4];
  token[2 * offset + 1] = kDigits[octet & 15];
}

// ntlm_at is where an NTLM message begins in a token, bare or inside SPNEGO.
std::size_t ntlm_at(const std::string& token) { return token.find("4e544c4d53535000") / 2; }

// proof_at is where NTProofStr begins: the NtChallengeResponse's offset stands at byte 24 of
// AUTHENTICATE (MS-NLMP 2.2.1.3).
std::size_t proof_at(const std::string& token) {
  const std::size_t message = ntlm_at(token);
  const std::vector<std::uint8_t> bytes = hex(token);
  return message + load_le<std::uint32_t>(Bytes(bytes).subspan(message + 24));
}

constexpr std::array kKerberosFiles = {
    "ad/aes256-krb5.hex",      "ad/aes256-krb5-deleg.hex",    "ad/aes256-spnego.hex",
    "ad/aes256-spnego-cb.hex", "http/chromium-nego-krb.txt",  "http/curl-nego-krb-deleg.txt",
    "http/curl-nego-krb.txt",  "http/heimdal-spnego-krb.txt",
};

TEST_F(UsherAccept, TakesTheTicketsOfEveryRecordedKerberosClient) {
  for (const char* file : kKerberosFiles) {
    const Json object = verdict(transcript_path(file));
    EXPECT_EQ(object.at("status"), kAccepted) << file << ": " << why(object);
    EXPECT_EQ(object.value("package", ""), "Kerberos") << file;
    EXPECT_EQ(object.value("client", ""), "alice@BNTLM.TEST") << file;
    EXPECT_EQ(object.value("server", ""), "HTTP/web.bntlm.test@BNTLM.TEST") << file;
    EXPECT_EQ(object.value("etype", 0), 18) << file;
  }
}

TEST_F(UsherAccept, AnswersAClientInDceStyleAndWaitsForItsThirdLeg) {
  const Json object = verdict(transcript_path("ad/aes256-krb5-dce.hex"));
  EXPECT_EQ(object.at("status"), "SEC_I_CONTINUE_NEEDED");
  EXPECT_TRUE(says(object, "the client owes another token")) << why(object);
  EXPECT_GT(object.at("legs").at(0).at("reply_size"), 0) << "the AP-REP";
}

TEST_F(UsherAccept, TakesTicketsOfAnMitKdc) {
  for (const char* file :
       {"mit/aes256-cts-krb5.hex", "mit/aes256-cts-krb5-cb.hex", "mit/aes256-cts-spnego.hex",
        "mit/aes128-sha2-krb5.hex", "mit/aes128-sha2-spnego.hex"}) {
    const Ran ran = run_usher({"accept", "--keytab", transcript_path("mit/sha2.keytab"), "--at",
                               "2026-11-20T09:38:00Z", transcript_path(file)});
    EXPECT_EQ(ran.exit_status, 0) << ran.out << ran.err;
    EXPECT_NE(ran.out.find(": SEC_E_OK, Kerberos, "), std::string::npos) << ran.out;
  }
}

TEST_F(UsherAccept, TakesRc4ByPolicyOnly) {
  for (const char* file : {"mit/rc4-hmac-krb5.hex", "mit/rc4-hmac-spnego.hex"}) {
    const Arguments at = {"--at", "2026-11-20T09:38:00Z", "--keytab",
                          transcript_path("mit/sha2.keytab")};
    const auto replay = [&](const Arguments& more) {
      Arguments arguments = {"accept", "--json", transcript_path(file)};
      arguments.insert(arguments.end(), at.begin(), at.end());
      arguments.insert(arguments.end(), more.begin(), more.end());
      return Json::parse(run_usher(arguments).out);
    };
    const Json refused = replay({});
    EXPECT_EQ(refused.at("status"), "SEC_E_ETYPE_NOT_SUPP") << file;
    EXPECT_TRUE(says(refused, "kerberos.rc4")) << why(refused);
    const Json allowed = replay({"--policy", "kerberos.rc4=allow"});
    EXPECT_EQ(allowed.at("status"), kAccepted) << why(allowed);
    EXPECT_EQ(allowed.at("etype"), 23);
    EXPECT_EQ(allowed.at("client"), "alice@SHA2.TEST");
  }
}

// Channel bindings: what the recorded `-cb` clients sent, and what another connection has.
constexpr std::array kBound = {"ad/aes256-spnego-cb.hex", "http/gssntlmssp-ntlm-cb.txt",
                               "mit/aes256-cts-krb5-cb.hex"};
// "tls-server-end-point:" and the SHA-256 of the text "certificate".
constexpr const char* kChannel =
    "746c732d7365727665722d656e642d706f696e743a"
    "03d66dd08835c1ca3f128cceacd1f31ac94163096b20f445ae84285bc0832d72";
constexpr const char* kOtherChannel =
    "746c732d7365727665722d656e642d706f696e743a"
    "03d66dd08835c1ca3f128cceacd1f31ac94163096b20f445ae84285bc0832d73";

class UsherAcceptBound : public UsherAccept {
 protected:
  Json bound(const char* file, const Arguments& more) const {
    if (std::string_view(file).substr(0, 4) != "mit/") {
      return verdict(transcript_path(file), more);
    }
    Arguments arguments = {"accept",
                           "--at",
                           "2026-11-20T09:38:00Z",
                           "--keytab",
                           transcript_path("mit/sha2.keytab"),
                           "--json",
                           transcript_path(file)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Json::parse(run_usher(arguments).out, nullptr, false);
  }
};

TEST_F(UsherAcceptBound, TakesTheRightBindingsOnly) {
  for (const char* const file : kBound) {
    const Json right = bound(file, {"--bindings", kChannel});
    EXPECT_EQ(right.at("status"), kAccepted) << file << ": " << why(right);
    EXPECT_EQ(right.value("bindings", ""), "matched") << file;

    const Json wrong = bound(file, {"--bindings", kOtherChannel});
    EXPECT_EQ(wrong.at("status"), "SEC_E_BAD_BINDINGS") << file;
    EXPECT_EQ(wrong.value("bindings", ""), "mismatched") << file;
    EXPECT_TRUE(says(wrong, "channel bindings are not those of this connection")) << why(wrong);

    const Json none = bound(file, {});
    EXPECT_EQ(none.at("status"), kAccepted) << file << ": " << why(none);
    EXPECT_FALSE(none.contains("bindings")) << file;

    const Json unknown = bound(file, {"--policy", "bindings=always"});
    EXPECT_EQ(unknown.at("status"), "SEC_E_BAD_BINDINGS") << file;
    const Json ignored = bound(file, {"--policy", "bindings=never", "--bindings", kOtherChannel});
    EXPECT_EQ(ignored.at("status"), kAccepted) << file << ": " << why(ignored);
  }
}

TEST_F(UsherAcceptBound, LetsClientsWithoutAnyInUnlessPolicyIsAlways) {
  for (const char* file : {"ad/aes256-spnego.hex", "http/curl-ntlm-fixed.txt"}) {
    const Json absent = bound(file, {"--bindings", kChannel});
    EXPECT_EQ(absent.at("status"), kAccepted) << file << ": " << why(absent);
    EXPECT_EQ(absent.value("bindings", ""), "absent") << file;
    const Json missing = bound(file, {"--bindings", kChannel, "--policy", "bindings=always"});
    EXPECT_EQ(missing.at("status"), "SEC_E_BAD_BINDINGS") << file;
    EXPECT_EQ(missing.value("bindings", ""), "missing") << file;
  }
}

TEST_F(UsherAcceptBound, WantsHexAndSaysWhatOf) {
  const std::string file = transcript_path("ad/aes256-spnego-cb.hex");
  for (const char* wrong : {"7", "74 6", "7g", "tls-server-end-point:", "-1"}) {
    const Ran ran = run({std::string("--bindings=") + wrong, file});
    EXPECT_EQ(ran.exit_status, 2) << wrong;
    EXPECT_NE(ran.err.find("application data in hex"), std::string::npos) << ran.err;
  }
  const Ran text = run({"--bindings", kChannel, file});
  EXPECT_EQ(text.exit_status, 0) << text.err;
  EXPECT_NE(text.out.find(", bindings matched"), std::string::npos) << text.out;
}

TEST_F(UsherAccept, WritesTheWholeObject) {
  const std::string file = transcript_path("ad/aes256-spnego.hex");
  const Json expected = {
      {"file", file},
      {"legs", {{{"status", "SEC_E_OK"}}}},
      {"status", "SEC_E_OK"},
      {"package", "Kerberos"},
      {"client", "alice@BNTLM.TEST"},
      {"server", "HTTP/web.bntlm.test@BNTLM.TEST"},
      {"etype", 18},
      {"attributes",
       {"MUTUAL_AUTH", "REPLAY_DETECT", "SEQUENCE_DETECT", "CONFIDENTIALITY", "INTEGRITY"}},
      {"expires", "2026-11-20T19:16:22Z"}};
  Json object = verdict(file);
  EXPECT_TRUE(object.erase("pac")) << "which is told below";
  // Our sequence number in the AP-REP is random, and one in 256 takes an octet less.
  Json& leg = object.at("legs").at(0);
  const int reply_size = leg.at("reply_size");
  EXPECT_TRUE(reply_size > 186 - 4 && reply_size <= 186) << reply_size;
  leg.erase("reply_size");
  EXPECT_EQ(object, expected);
}

// without_lists takes the lists of SIDs out of a "pac" object.
Json without_lists(Json pac) {
  pac.erase("groups");
  pac.erase("extra_sids");
  return pac;
}

TEST_F(UsherAccept, TellsWhatTheDomainControllerSaysOfAlice) {
  const Json pac = verdict(transcript_path("ad/aes256-spnego.hex")).at("pac");
  const std::string domain = "S-1-5-21-3494580569-295834052-4005058022-";
  EXPECT_EQ(pac.at("groups").size(), 41u);
  EXPECT_EQ(pac.at("groups")[0], domain + "513");
  EXPECT_EQ(pac.at("extra_sids"), Json::array({"S-1-18-1"}));
  const Json expected = {{"logon_name", "alice"},
                         {"full_name", "Alice Example"},
                         {"domain", "BNTLM"},
                         {"dns_domain", "BNTLM.TEST"},
                         {"upn", "alice@bntlm.test"},
                         {"logon_server", "DC1"},
                         {"sid", domain + "1103"},
                         {"primary_group", domain + "513"},
                         {"server_signature", "ok"},
                         {"kdc_signature", "not verified"},
                         {"ticket_signature", "not verified"},
                         {"full_signature", "not verified"}};
  EXPECT_EQ(without_lists(pac), expected);
  const Ran ran = run({transcript_path("ad/aes256-spnego.hex")});
  EXPECT_NE(ran.out.find(", alice@bntlm.test, 41 groups, 1 extra SIDs, server signature ok, kdc "
                         "signature not verified"),
            std::string::npos)
      << ran.out;
}

TEST_F(UsherAccept, VerifiesTheKdcsSignaturesWithItsKey) {
  const Arguments with_key = {"--kdc-keytab", transcript_path("ad/krbtgt.keytab"), "--policy",
                              "pac=require"};
  for (const char* file : kKerberosFiles) {
    const Json pac = verdict(transcript_path(file), with_key).value("pac", Json::object());
    EXPECT_EQ(pac.value("groups", Json::array()).size(), 41u) << file;
    for (const char* signature :
         {"server_signature", "kdc_signature", "ticket_signature", "full_signature"}) {
      EXPECT_EQ(pac.value(signature, ""), "ok") << file << ": " << signature;
    }
  }
}

TEST_F(UsherAccept, WantsAKrbtgtInAKdcKeytab) {
  const std::string service_keytab = transcript_path("ad/web.keytab");
  const Ran ran = run({"--kdc-keytab", service_keytab, transcript_path("ad/aes256-spnego.hex")});
  EXPECT_EQ(ran.exit_status, 2);
  EXPECT_NE(ran.err.find(service_keytab + ": holds no key of krbtgt"), std::string::npos)
      << ran.err;
  EXPECT_EQ(
      run({"--kdc-keytab", "/nonexistent", transcript_path("ad/aes256-spnego.hex")}).exit_status,
      2);
}

// Nobody but its KDC signs for a realm: another realm's key, in the right form, is none.
TEST_F(UsherAccept, RefusesTicketsThatTheKdcOfTheKeytabHasNotMade) {
  const Ran ran =
      run_usher({"accept", "--keytab", transcript_path("mit/sha2.keytab"), "--kdc-keytab",
                 transcript_path("ad/krbtgt.keytab"), "--at", "2026-11-20T09:38:00Z", "--json",
                 transcript_path("mit/aes256-cts-krb5.hex")});
  EXPECT_EQ(ran.exit_status, 1);
  EXPECT_NE(ran.out.find("KDC, ticket or full signature is missing or wrong"), std::string::npos)
      << ran.out;
}

TEST_F(UsherAccept, TellsNothingOfAPacThatPolicyIgnores) {
  EXPECT_FALSE(
      verdict(transcript_path("ad/aes256-spnego.hex"), {"--policy", "pac=ignore"}).contains("pac"));
}

TEST_F(UsherAccept, TakesWhatIsDelegatedIfThePolicySaysSo) {
  const auto delegates = [&](const Json& object) {
    const Json& attributes = object.at("attributes");
    return std::ranges::find(attributes, "DELEGATE") != attributes.end();
  };
  for (const char* file : {"ad/aes256-krb5-deleg.hex", "http/curl-nego-krb-deleg.txt"}) {
    EXPECT_FALSE(delegates(verdict(transcript_path(file)))) << file;
    const Json object = verdict(transcript_path(file), {"--policy", "delegation=accept"});
    EXPECT_EQ(object.at("status"), kAccepted) << file << ": " << why(object);
    EXPECT_TRUE(delegates(object)) << file;
  }
  EXPECT_FALSE(
      delegates(verdict(transcript_path("ad/aes256-krb5.hex"), {"--policy", "delegation=accept"})));
}

// The first two were recorded a week after the others.
constexpr std::array kNtlmFiles = {
    "http/axios-ntlm.txt",         "http/httpntlm.txt",
    "http/chromium-ntlm.txt",      "http/chromium-ntlm-tls.txt",
    "http/curl-nego-ntlmssp.txt",  "http/curl-ntlm-fixed.txt",
    "http/gssntlmssp-ntlm-cb.txt", "http/gssntlmssp-spnego-mic.txt",
    "http/java-ntlm.txt",          "http/ntlm_auth-spnego-client.txt",
    "http/py-requests-ntlm.txt",   "http/winpr2-cli-ntlm.txt",
};

const Arguments kOfAnyWeek = {"--policy", "ntlm.lifetime=1209600"};

TEST_F(UsherAccept, TakesTheProofsOfEveryRecordedNtlmv2Client) {
  for (const char* file : kNtlmFiles) {
    const Json object = verdict(transcript_path(file), kOfAnyWeek);
    EXPECT_EQ(object.at("status"), kAccepted) << file << ": " << why(object);
    EXPECT_EQ(object.value("package", ""), "NTLM") << file;
    EXPECT_EQ(object.value("client", ""), "BNTLM\\alice") << file;
    EXPECT_FALSE(object.contains("server") || object.contains("etype") || object.contains("why"));
    ASSERT_EQ(object.at("legs").size(), 2u) << file;
    EXPECT_EQ(object.at("legs")[0].at("status"), "SEC_I_CONTINUE_NEEDED") << file;
    EXPECT_GT(object.at("legs")[0].at("reply_size"), 100) << file;
  }
}

TEST_F(UsherAccept, RefusesEveryProofWithOneBitChanged) {
  for (const char* file : kNtlmFiles) {
    std::vector<Line> lines = transcript_lines(file);
    flip(lines[2].hex, proof_at(lines[2].hex));
    const Json object = verdict(lines, kOfAnyWeek);
    EXPECT_EQ(object.at("status"), "SEC_E_LOGON_DENIED") << file;
    EXPECT_TRUE(says(object, "NTProofStr is wrong")) << file << ": " << why(object);
  }
}

TEST_F(UsherAccept, RefusesEveryProofForAnotherChallenge) {
  for (const char* file : kNtlmFiles) {
    std::vector<Line> lines = transcript_lines(file);
    flip(lines[1].hex, ntlm_at(lines[1].hex) + 24);  // ServerChallenge (MS-NLMP 2.2.1.2).
    EXPECT_TRUE(says(verdict(lines, kOfAnyWeek), "NTProofStr is wrong")) << file;
    lines.erase(lines.begin() + 1);  // Without a recorded one the acceptor makes its own.
    EXPECT_TRUE(says(verdict(lines, kOfAnyWeek), "NTProofStr is wrong")) << file;
  }
}

TEST_F(UsherAccept, RefusesEveryMicWithOneBitChanged) {
  for (const char* file : {"http/chromium-ntlm.txt", "http/chromium-ntlm-tls.txt",
                           "http/curl-nego-ntlmssp.txt", "http/gssntlmssp-spnego-mic.txt",
                           "http/py-requests-ntlm.txt", "http/winpr2-cli-ntlm.txt"}) {
    std::vector<Line> lines = transcript_lines(file);
    flip(lines[2].hex, ntlm_at(lines[2].hex) + 72);
    const Json object = verdict(lines);
    EXPECT_EQ(object.at("status"), "SEC_E_MESSAGE_ALTERED") << file;
    EXPECT_TRUE(says(object, "the MIC is wrong")) << file << ": " << why(object);
  }
}

TEST_F(UsherAccept, RefusesNtlmv1ByName) {
  for (const char* file : {"http/wget-ntlm.txt", "http/curl-ntlm-noess.txt"}) {
    const Json object = verdict(transcript_path(file));
    EXPECT_EQ(object.at("status"), "SEC_E_LOGON_DENIED") << file;
    EXPECT_TRUE(says(object, "NTLMv1")) << file << ": " << why(object);
  }
}

TEST_F(UsherAccept, AcceptsNtlmv1IfPolicyAllowsIt) {
  for (const char* file : {"http/wget-ntlm.txt", "http/curl-ntlm-noess.txt"}) {
    const Json object = verdict(transcript_path(file), {"--policy", "ntlm.v1=allow"});
    EXPECT_EQ(object.at("status"), "SEC_E_OK") << file << ": " << why(object);
    EXPECT_EQ(object.at("client"), "BNTLM\\alice") << file;
  }
}

TEST_F(UsherAccept, FollowsTheAccountsFile) {
  const std::string file = transcript_path("http/curl-ntlm-fixed.txt");
  const Ran by_hash =
      run_usher({"accept", file, "--at", "2026-11-20T09:17:00Z", "--accounts",
                 scratch_.write("hashes", "BNTLM:alice::dc888c070ba74b1d1bb79e2f860a9d0f\n")});
  EXPECT_EQ(by_hash.exit_status, 0) << by_hash.out << by_hash.err;
  for (const char* accounts : {"BNTLM:alice:wrong\n", "BNTLM:bob:Al1ce-Passw0rd\n"}) {
    const Ran ran = run_usher({"accept", file, "--accounts", scratch_.write("other", accounts)});
    EXPECT_EQ(ran.exit_status, 1);
    EXPECT_NE(ran.out.find("SEC_E_LOGON_DENIED: NTProofStr is wrong"), std::string::npos)
        << ran.out << ran.err;
  }
}

TEST_F(UsherAccept, RefusesASecondUseOfAToken) {
  const std::string file = transcript_path("ad/aes256-krb5.hex");
  const Ran twice = run({file, file});
  EXPECT_EQ(twice.exit_status, 1);
  EXPECT_NE(twice.out.find(file + ": SEC_E_OK"), std::string::npos) << twice.out;
  EXPECT_NE(twice.out.find("SEC_E_LOGON_DENIED: the authenticator has been seen before"),
            std::string::npos)
      << twice.out;
  EXPECT_EQ(run({"--policy", "kerberos.replay=off", file, file}).exit_status, 0);
}

TEST_F(UsherAccept, MeasuresTheClockFromTheGivenTime) {
  const std::string file = transcript_path("ad/aes256-krb5.hex");
  const auto at = [&](const char* time) {
    return run_usher({"accept", "--keytab", transcript_path("ad/web.keytab"), "--at", time, file});
  };
  EXPECT_EQ(at("2026-11-20T09:16:32Z").exit_status, 0);
  EXPECT_EQ(at("2026-11-20T09:21:30Z").exit_status, 0);  // 300 s are allowed.
  const Ran late = at("2026-11-20T09:22:00Z");
  EXPECT_EQ(late.exit_status, 1);
  EXPECT_NE(late.out.find("SEC_E_TIME_SKEW"), std::string::npos) << late.out;
  const Ran tomorrow = at("2026-11-21T09:16:32Z");
  EXPECT_NE(tomorrow.out.find("SEC_E_CONTEXT_EXPIRED: the ticket has expired"), std::string::npos)
      << tomorrow.out;
}

TEST_F(UsherAccept, SaysWhenATranscriptEndsHalfWay) {
  std::vector<Line> lines = transcript_lines("http/chromium-ntlm.txt");
  lines.pop_back();
  const Json object = verdict(lines);
  EXPECT_EQ(object.at("status"), "SEC_I_CONTINUE_NEEDED");
  EXPECT_TRUE(says(object, "the transcript ends here")) << why(object);
}

TEST_F(UsherAccept, RefusesATokenAfterTheLast) {
  std::vector<Line> lines = transcript_lines("http/curl-nego-krb.txt");
  lines.push_back(lines[0]);
  std::vector<std::string> many(40, scratch_.write("stray.txt", transcript_text(lines)));
  many.insert(many.end(), {"--policy", "kerberos.replay=off"});
  const Ran ran = run(many);  // More of them than contexts: each must be given back.
  EXPECT_EQ(ran.exit_status, 1);
  EXPECT_EQ(ran.out.find("all context slots"), std::string::npos);
  EXPECT_NE(ran.out.find("SEC_E_OUT_OF_SEQUENCE: the context is complete"), std::string::npos)
      << ran.out;
}

TEST_F(UsherAccept, SaysWhereAMalformedTokenIsAtFault) {
  std::string token = transcript_lines("http/curl-nego-krb.txt").at(0).hex;
  token.resize(token.size() - 2);
  const Json object = verdict({{"c2s", token}});
  EXPECT_EQ(object.at("status"), "SEC_E_INVALID_TOKEN");
  EXPECT_TRUE(says(object, " malformed: truncated at byte 0")) << why(object);
}

TEST_F(UsherAccept, AcceptsOnlyWhatItHasKeysFor) {
  const Ran no_keytab =
      run_usher({"accept", "--accounts", accounts_, transcript_path("http/curl-nego-krb.txt")});
  EXPECT_EQ(no_keytab.exit_status, 1);
  EXPECT_NE(no_keytab.out.find("no mechanism that this credential accepts"), std::string::npos)
      << no_keytab.out;
  const Ran no_accounts = run_usher({"accept", "--keytab", transcript_path("ad/web.keytab"),
                                     transcript_path("http/curl-ntlm-fixed.txt")});
  EXPECT_EQ(no_accounts.exit_status, 1);
  EXPECT_NE(no_accounts.out.find("SEC_E_UNSUPPORTED_FUNCTION"), std::string::npos);
}

TEST_F(UsherAccept, ReplaysWhatCurlPrinted) {
  std::string text = "> GET / HTTP/1.1\n< WWW-Authenticate: NTLM\n";
  for (const Line& line : transcript_lines("http/curl-ntlm-fixed.txt")) {
    const std::vector<std::uint8_t> bytes = hex(line.hex);
    std::vector<std::uint8_t> base64(http::base64_encoded_size(bytes.size()));
    http::encode_base64(bytes, base64);
    text += line.direction == "c2s" ? "> Authorization: NTLM " : "< WWW-Authenticate: NTLM ";
    text.append(base64.begin(), base64.end()).append("\r\n");
  }
  const Json object = verdict(scratch_.write("curl.log", text));
  EXPECT_EQ(object.at("status"), kAccepted) << why(object);
}

TEST_F(UsherAccept, WritesALineALegAndAVerdict) {
  const std::string file = transcript_path("http/gssntlmssp-spnego-mic.txt");
  const Ran ran = run({file});
  EXPECT_EQ(ran.exit_status, 0);
  EXPECT_EQ(ran.out,
            "  leg 1, line 2: 74 bytes, SEC_I_CONTINUE_NEEDED, reply 153 bytes\n"
            "  leg 2, line 4: 319 bytes, SEC_E_OK, reply 29 bytes\n" +
                file +
                ": SEC_E_OK, NTLM, BNTLM\\alice\n"
                "  attributes: REPLAY_DETECT, SEQUENCE_DETECT, CONFIDENTIALITY, INTEGRITY\n");
}

TEST_F(UsherAccept, NamesTheSameAttributesInTextAsInJson) {
  const std::string file = transcript_path("ad/aes256-krb5-deleg.hex");
  for (const char* const delegation : {"delegation=accept", "delegation=ignore"}) {
    const Json object = verdict(file, {"--policy", delegation});
    std::string line = "  attributes:";
    for (const Json& name : object.at("attributes")) {
      line += (line.ends_with(':') ? " " : ", ") + name.get<std::string>();
    }
    const Ran ran = run({"--policy", delegation, file});
    EXPECT_NE(ran.out.find(line + "\n"), std::string::npos) << line << "\n" << ran.out;
    EXPECT_EQ(line.find("DELEGATE") != std::string::npos,
              delegation == std::string_view("delegation=accept"));
  }
}

TEST_F(UsherAccept, ExplainsBadUsage) {
  const std::string good = transcript_path("ad/aes256-krb5.hex");
  const std::string keytab = transcript_path("ad/web.keytab");
  struct Case {
    Arguments arguments;
    const char* message;
  };
  const std::array cases = {
      Case{{"accept", good}, "give --keytab FILE for Kerberos, --accounts FILE for NTLM"},
      Case{{"accept", "--keytab", keytab}, "required"},
      Case{{"accept", "--keytab", "/nonexistent", good}, "/nonexistent"},
      Case{{"accept", "--accounts", "/nonexistent", good}, "/nonexistent"},
      Case{{"accept", "--accounts", scratch_.write("open", kAlice, 0644), good}, "open"},
      Case{{"accept", "--keytab", keytab, "/nonexistent"}, "/nonexistent: No such file"},
      Case{{"accept", "--keytab", keytab, scratch_.write("bad", "c2s 60\ns2c 0x\n")},
           "bad:2: expected hex"},
      Case{{"accept", "--keytab", keytab, scratch_.write("s2c", "s2c 60\n")},
           "no token of a client"},
      Case{{"accept", "--keytab", keytab, "--at", "yesterday", good}, "2026-11-20T09:17:00Z"},
      Case{{"accept", "--keytab", keytab, "--at", "2026-02-30T00:00:00Z", good}, "RFC 3339"},
      Case{{"accept", "--keytab", keytab, "--policy", "kerberos.replay", good}, "NAME=VALUE"},
      Case{{"accept", "--keytab", keytab, "--policy", "kerberos.replay=maybe", good}, "on | off"},
      Case{{"accept", "--keytab", keytab, "--policy", "no.such=1", good}, "kerberos.skew"},
      Case{{"accept", "--keytab", keytab, "--clock-skew", "100000", good}, "at most 86400"},
      Case{{"accept", "--keytab", keytab, "--clock-skew", "-1", good}, "expected"},
      Case{{"accept", "--keytab", keytab, "--bindings", "0", good}, "--bindings '0': expected"},
      Case{{"accept", "--keytab", keytab, "--bindings", "0g", good}, "--bindings '0g': expected"},
      Case{{"accept", "--keytab", keytab, "--bindings", "", good}, "--bindings '': expected"},
      Case{{"accept", "--keytab", keytab, good, "--bindings"}, "--bindings"},
  };
  for (const Case& c : cases) {
    const Ran ran = run_usher(c.arguments);
    EXPECT_EQ(ran.exit_status, 2) << c.message << ran.out;
    EXPECT_EQ(ran.out, "") << c.message;
    EXPECT_NE(ran.err.find(c.message), std::string::npos) << ran.err;
  }
}

}  // namespace
}  // namespace usher::testing
