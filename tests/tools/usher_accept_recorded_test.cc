// `usher accept` on every Kerberos token that was recorded: each gets the verdict it should.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/tools/usher_process.h"

namespace usher::testing {
namespace {

using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

struct Recorded {
  const char* name;
  const char* file;
  int etype;
  const char* status = "SEC_E_OK";
  const char* why = "";  // Part of it.
  Arguments more = {};
};

const Arguments kAllowRc4 = {"--policy", "kerberos.rc4=allow"};
constexpr const char* kRefusesRc4 = "policy kerberos.rc4";

// What was recorded with bindings has those of a certificate whose bytes are "certificate".
const Arguments kTheirBindings = {
    "--bindings",
    "746c732d7365727665722d656e642d706f696e743a"
    "03d66dd08835c1ca3f128cceacd1f31ac94163096b20f445ae84285bc0832d72"};
const Arguments kAlwaysBindings = {"--bindings", "00", "--policy", "bindings=always"};
const Arguments kOtherBindings = {"--bindings", "00"};
constexpr const char* kRefusesBindings = "not those of this connection";

const Recorded kRecorded[] = {
    {"AdSpnegoBindingsCompared", "ad/aes256-spnego-cb.hex", 18, "SEC_E_OK", "", kTheirBindings},
    {"AdSpnegoOtherBindings", "ad/aes256-spnego-cb.hex", 18, "SEC_E_BAD_BINDINGS", kRefusesBindings,
     kOtherBindings},
    {"MitAes256BindingsCompared", "mit/aes256-cts-krb5-cb.hex", 18, "SEC_E_OK", "", kTheirBindings},
    {"MitAes256OtherBindings", "mit/aes256-cts-krb5-cb.hex", 18, "SEC_E_BAD_BINDINGS",
     kRefusesBindings, kOtherBindings},
    {"AdNoBindings", "ad/aes256-spnego.hex", 18, "SEC_E_OK", "", kTheirBindings},
    {"AdNoBindingsAlways", "ad/aes256-spnego.hex", 18, "SEC_E_BAD_BINDINGS", "the client sent none",
     kAlwaysBindings},
    {"AdRaw", "ad/aes256-krb5.hex", 18},
    {"AdDelegating", "ad/aes256-krb5-deleg.hex", 18},
    {"AdSpnego", "ad/aes256-spnego.hex", 18},
    {"AdSpnegoBindings", "ad/aes256-spnego-cb.hex", 18},
    {"AdDceStyle", "ad/aes256-krb5-dce.hex", 18, "SEC_I_CONTINUE_NEEDED",
     "the transcript ends here"},
    {"Chromium", "http/chromium-nego-krb.txt", 18},
    {"Curl", "http/curl-nego-krb.txt", 18},
    {"CurlDelegating", "http/curl-nego-krb-deleg.txt", 18},
    {"Heimdal", "http/heimdal-spnego-krb.txt", 18},
    {"MitAes128Sha2Raw", "mit/aes128-sha2-krb5.hex", 19},
    {"MitAes128Sha2Spnego", "mit/aes128-sha2-spnego.hex", 19},
    {"MitAes256Raw", "mit/aes256-cts-krb5.hex", 18},
    {"MitAes256Bindings", "mit/aes256-cts-krb5-cb.hex", 18},
    {"MitAes256Spnego", "mit/aes256-cts-spnego.hex", 18},
    {"MitRc4Raw", "mit/rc4-hmac-krb5.hex", 23, "SEC_E_ETYPE_NOT_SUPP", kRefusesRc4},
    {"MitRc4RawAllowed", "mit/rc4-hmac-krb5.hex", 23, "SEC_E_OK", "", kAllowRc4},
    {"MitRc4Spnego", "mit/rc4-hmac-spnego.hex", 23, "SEC_E_ETYPE_NOT_SUPP", kRefusesRc4},
    {"MitRc4SpnegoAllowed", "mit/rc4-hmac-spnego.hex", 23, "SEC_E_OK", "", kAllowRc4},
};

class UsherAcceptRecorded : public ::testing::TestWithParam<Recorded> {};

TEST_P(UsherAcceptRecorded, GetsItsVerdict) {
  const Recorded& recorded = GetParam();
  const bool mit = std::string(recorded.file).starts_with("mit/");
  const std::string realm = mit ? "SHA2.TEST" : "BNTLM.TEST";
  // Authenticators of http/ were made within 45 minutes after those of ad/.
  Arguments arguments = {"accept",       "--json",
                         "--keytab",     transcript_path(mit ? "mit/sha2.keytab" : "ad/web.keytab"),
                         "--at",         mit ? "2026-11-20T09:37:26Z" : "2026-11-20T09:16:32Z",
                         "--clock-skew", mit ? "300" : "3600"};
  arguments.insert(arguments.end(), recorded.more.begin(), recorded.more.end());
  arguments.push_back(transcript_path(recorded.file));
  const Ran ran = run_usher(arguments);
  const Json object = Json::parse(ran.out, nullptr, false);
  ASSERT_TRUE(object.is_object()) << ran.out << ran.err;
  EXPECT_EQ(object.at("status"), recorded.status) << object;
  if (object.at("status") != "SEC_E_OK") {
    EXPECT_NE(object.value("why", "").find(recorded.why), std::string::npos) << object;
    EXPECT_FALSE(object.contains("client")) << object;
    return;
  }
  EXPECT_EQ(ran.exit_status, 0);
  EXPECT_EQ(object.value("package", ""), "Kerberos");
  EXPECT_EQ(object.value("client", ""), "alice@" + realm);
  EXPECT_TRUE(object.value("server", "").ends_with("@" + realm)) << object;
  EXPECT_EQ(object.value("etype", 0), recorded.etype);
}

INSTANTIATE_TEST_SUITE_P(Table, UsherAcceptRecorded, ::testing::ValuesIn(kRecorded),
                         [](const auto& c) { return std::string(c.param.name); });

// What else lies there: parts of tokens, and exchanges of NTLM.
bool is_no_kerberos_token(const std::string& file) {
  constexpr std::array kOthers = {"pac-",  "krb-cred", "enc-krb-cred-part", "ntlm", "winpr", "py-",
                                  "java-", "wget-"};
  return std::ranges::any_of(
      kOthers, [&](const char* part) { return file.find(part) != std::string::npos; });
}

TEST(UsherAcceptRecordedTable, HoldsEveryKerberosTokenThereIs) {
  std::size_t found = 0;
  for (const char* folder : {"ad", "mit", "http"}) {
    for (const auto& entry : std::filesystem::directory_iterator(transcript_path(folder))) {
      const std::string extension = entry.path().extension();
      const std::string file = folder + ("/" + entry.path().filename().string());
      if ((extension == ".hex" || extension == ".txt") && !is_no_kerberos_token(file)) {
        ++found;
        EXPECT_TRUE(std::ranges::any_of(kRecorded, [&](const Recorded& recorded) {
          return recorded.file == file;
        })) << file;
      }
    }
  }
  EXPECT_EQ(found, 16u);
}

}  // namespace
}  // namespace usher::testing
