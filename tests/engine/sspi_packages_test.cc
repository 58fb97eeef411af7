// Callers are told of three packages, in UTF-8 or UTF-16, and only of what those can do here.
#include <gtest/gtest.h>
#include <unistd.h>
#include <usher/acceptor.h>
#include <usher/sspi.h>

#include <array>
#include <string>
#include <string_view>

namespace {

template <class Char>
void expect_text(const Char* text, std::string_view expected) {
  EXPECT_EQ(std::basic_string<Char>(text),
            std::basic_string<Char>(expected.begin(), expected.end()));
}

struct Known {
  const char* name;
  std::uint16_t rpc_id;
  std::uint32_t token_size_max;
};
constexpr std::array kKnown = {Known{"Negotiate", 0x09, 48000}, Known{"Kerberos", 0x10, 48000},
                               Known{"NTLM", 0x0A, 2888}};

// What would need a function that sspi.h does not declare.
constexpr std::uint32_t kNotHere = SECPKG_FLAG_DATAGRAM | SECPKG_FLAG_CLIENT_ONLY |
                                   SECPKG_FLAG_LOGON | SECPKG_FLAG_DELEGATION | SECPKG_FLAG_STREAM |
                                   SECPKG_FLAG_RESTRICTED_TOKENS;
constexpr std::uint32_t kEverywhere = SECPKG_FLAG_CONNECTION | SECPKG_FLAG_INTEGRITY |
                                      SECPKG_FLAG_PRIVACY | SECPKG_FLAG_IMPERSONATION;

template <class Info>
void expect_known(const Info& info, const Known& known) {
  expect_text(info.Name, known.name);
  EXPECT_NE(info.Comment[0], 0);
  EXPECT_EQ(info.wVersion, 1);
  EXPECT_EQ(info.wRPCID, known.rpc_id);
  EXPECT_EQ(info.cbMaxToken, known.token_size_max);
  EXPECT_EQ(info.fCapabilities & kNotHere, 0u);
  EXPECT_EQ(info.fCapabilities & kEverywhere, kEverywhere);
}

TEST(SspiPackages, AreEnumeratedInOneAllocation) {
  std::uint32_t count = 0;
  SecPkgInfoA* ansi = nullptr;
  ASSERT_EQ(EnumerateSecurityPackagesA(&count, &ansi), SEC_E_OK);
  ASSERT_EQ(count, kKnown.size());
  SecPkgInfoW* wide = nullptr;
  ASSERT_EQ(EnumerateSecurityPackagesW(&count, &wide), SEC_E_OK);
  ASSERT_EQ(count, kKnown.size());
  for (std::size_t i = 0; i < kKnown.size(); ++i) {
    expect_known(ansi[i], kKnown[i]);
    expect_known(wide[i], kKnown[i]);
  }
  EXPECT_EQ(FreeContextBuffer(ansi), SEC_E_OK);  // LeakSanitizer misses what this does not free.
  EXPECT_EQ(FreeContextBuffer(wide), SEC_E_OK);
}

TEST(SspiPackages, AreFoundByNameInAnyCase) {
  SecPkgInfoA* ansi = nullptr;
  ASSERT_EQ(QuerySecurityPackageInfoA("kERBEROS", &ansi), SEC_E_OK);
  expect_known(*ansi, kKnown[1]);
  EXPECT_EQ(FreeContextBuffer(ansi), SEC_E_OK);
  SecPkgInfoW* wide = nullptr;
  ASSERT_EQ(QuerySecurityPackageInfoW(u"ntlm", &wide), SEC_E_OK);
  expect_known(*wide, kKnown[2]);
  EXPECT_EQ(FreeContextBuffer(wide), SEC_E_OK);
}

TEST(SspiPackages, ThatDoNotExistAreNotFound) {
  SecPkgInfoA* ansi = nullptr;
  for (const char* name : {"", "N", "NTLM ", "CredSSP", "Negotiate\xc5\xbf"}) {
    EXPECT_EQ(QuerySecurityPackageInfoA(name, &ansi), SEC_E_SECPKG_NOT_FOUND) << name;
  }
  EXPECT_EQ(QuerySecurityPackageInfoA(nullptr, &ansi), SEC_E_SECPKG_NOT_FOUND);
  SecPkgInfoW* wide = nullptr;
  EXPECT_EQ(QuerySecurityPackageInfoW(u"\u212aerberos", &wide), SEC_E_SECPKG_NOT_FOUND)
      << "the Kelvin sign is no K";
  EXPECT_EQ(ansi, nullptr);
  EXPECT_EQ(wide, nullptr);
}

TEST(SspiPackages, NeedSomewhereToGo) {
  std::uint32_t count = 0;
  EXPECT_EQ(EnumerateSecurityPackagesA(nullptr, nullptr), SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(EnumerateSecurityPackagesW(&count, nullptr), SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(QuerySecurityPackageInfoA("NTLM", nullptr), SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(FreeContextBuffer(nullptr), SEC_E_OK);
}

TEST(SspiBeforeTheFirstCredential, NothingIsThere) {
  CtxtHandle zero{0, 0};
  EXPECT_EQ(DeleteSecurityContext(&zero), SEC_E_INVALID_HANDLE);
  SecPkgContext_Flags flags{};
  EXPECT_EQ(QueryContextAttributesA(&zero, SECPKG_ATTR_FLAGS, &flags), SEC_E_INVALID_HANDLE);
  std::uint8_t byte = 0x60;
  SecBuffer buffer{1, SECBUFFER_TOKEN, &byte};
  SecBufferDesc list{SECBUFFER_VERSION, 1, &buffer};
  EXPECT_EQ(AcceptSecurityContext(&zero, nullptr, &list, 0, 0, &zero, nullptr, nullptr, nullptr),
            SEC_E_INVALID_HANDLE);
  EXPECT_EQ(usher_start(nullptr), SEC_E_INVALID_PARAMETER);
  USHER_OPTIONS options{};
  EXPECT_EQ(usher_start(&options), SEC_E_INVALID_PARAMETER);
  options.Version = USHER_OPTIONS_VERSION;
  options.Size = sizeof(options);
  options.SlotCount = (1u << 20) + 1;
  EXPECT_EQ(usher_start(&options), SEC_E_INVALID_PARAMETER);
  CredHandle credential;
  char negotiate[] = "Negotiate";
  const auto acquire = [&] {
    return AcquireCredentialsHandleA(nullptr, negotiate, SECPKG_CRED_INBOUND, nullptr, nullptr,
                                     nullptr, nullptr, &credential, nullptr);
  };
  EXPECT_EQ(acquire(), SEC_E_OUT_OF_SEQUENCE) << "another engine is no substitute";
  EXPECT_NE(std::string(usher_last_refusal()).find("usher_start"), std::string::npos);
  options.SlotCount = 16;
  options.ReplayFile = "/nonexistent/replays";
  EXPECT_EQ(usher_start(&options), SEC_E_INVALID_PARAMETER);
  EXPECT_TRUE(std::string(usher_last_refusal()).starts_with("replay file /nonexistent/replays: "))
      << usher_last_refusal();
  EXPECT_EQ(acquire(), SEC_E_OUT_OF_SEQUENCE) << "nor is one that forgets";
  const std::string path = ::testing::TempDir() + "usher_replays_" + std::to_string(getpid());
  options.ReplayFile = path.c_str();
  options.ReplayEntries = 4096;
  EXPECT_EQ(usher_start(&options), SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(unlink(path.c_str()), 0) << "it has been made";
  // Now it is up to the system's keytab, which there may or may not be.
  const SECURITY_STATUS acquired = acquire();
  EXPECT_TRUE(acquired == SEC_E_OK || acquired == SEC_E_NO_CREDENTIALS) << usher_last_refusal();
  if (acquired == SEC_E_OK) {
    EXPECT_EQ(FreeCredentialsHandle(&credential), SEC_E_OK);
  }
}

}  // namespace
