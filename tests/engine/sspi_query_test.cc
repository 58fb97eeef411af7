// QueryContextAttributes tells who signed on, how, and until when, in memory the caller frees.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "tests/engine/sspi_caller.h"

namespace usher::testing {
namespace {

class SspiQuery : public SspiTest {
 protected:
  void TearDown() override { EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK); }

  void sign_on_with_kerberos(mint::TicketFields fields = {}) {
    start = unix_now() - 60;
    end = unix_now() + 3600;
    fields.auth_time = start;
    fields.end_time = end;
    const mint::Ticket ticket = realm.mint.ticket(realm.service, fields);
    const Called leg = accept(credential.handle, mint::spnego_token(realm.ap_req(ticket).message));
    ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
    context = leg.context;
    attributes = leg.attributes;
  }

  void sign_on_with_ntlm() {
    Called leg = accept(credential.handle, client.first());
    leg = accept(credential.handle, client.second(leg.reply), &leg.context);
    ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
    context = leg.context;
    attributes = leg.attributes;
  }

  // sign_on_towards is a client that says in its authenticator which service it means.
  void sign_on_towards(const std::u16string& target) {
    DeleteSecurityContext(&context);
    const auto* const bytes = reinterpret_cast<const std::uint8_t*>(target.data());
    mint::AuthenticatorFields fields;
    fields.authorization_data = mint::authorization_data(144, Bytes(bytes, 2 * target.size()));
    const Called leg =
        accept(credential.handle, mint::spnego_token(realm.ap_req(realm.ticket(), fields).message));
    ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
    context = leg.context;
  }

  void expect_target(const std::u16string& target, const char* how) {
    for (const auto query : {QueryContextAttributesA, QueryContextAttributesW}) {
      SecPkgContext_ClientSpecifiedTarget answer{};
      ASSERT_EQ(query(&context, SECPKG_ATTR_CLIENT_SPECIFIED_TARGET, &answer), SEC_E_OK)
          << how << ": " << usher_last_refusal();
      EXPECT_EQ(std::u16string(answer.sTargetName), target) << how;
      FreeContextBuffer(answer.sTargetName);
    }
  }

  // free_answer frees what an attribute's structure points to.
  static void free_answer(std::uint32_t attribute, const std::uint64_t* answer) {
    const auto free_word = [answer](std::size_t n) {
      FreeContextBuffer(reinterpret_cast<void*>(answer[n]));
    };
    switch (attribute) {
      case SECPKG_ATTR_NAMES:
      case SECPKG_ATTR_AUTHORITY:
      case SECPKG_ATTR_PACKAGE_INFO:
      case SECPKG_ATTR_NEGOTIATION_INFO:
      case SECPKG_ATTR_CLIENT_SPECIFIED_TARGET:
        return free_word(0);
      case SECPKG_ATTR_NATIVE_NAMES:
      case SECPKG_ATTR_KEY_INFO:
        free_word(0);
        return free_word(1);
      case SECPKG_ATTR_DCE_INFO:
      case SECPKG_ATTR_CREDENTIAL_NAME:
      case SECPKG_ATTR_SESSION_KEY:
        return free_word(1);
      default:
        return;
    }
  }

  std::string name_a() {
    SecPkgContext_NamesA names{};
    EXPECT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_NAMES, &names), SEC_E_OK)
        << usher_last_refusal();
    const std::string name = names.sUserName;
    EXPECT_EQ(FreeContextBuffer(names.sUserName), SEC_E_OK);
    return name;
  }

  std::u16string name_w() {
    SecPkgContext_NamesW names{};
    EXPECT_EQ(QueryContextAttributesW(&context, SECPKG_ATTR_NAMES, &names), SEC_E_OK)
        << usher_last_refusal();
    const std::u16string name = names.sUserName;
    EXPECT_EQ(FreeContextBuffer(names.sUserName), SEC_E_OK);
    return name;
  }

  SecPkgContext_Sizes sizes() {
    SecPkgContext_Sizes out{};
    EXPECT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_SIZES, &out), SEC_E_OK);
    return out;
  }

  std::string negotiated() {
    SecPkgContext_NegotiationInfoA info{};
    EXPECT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_NEGOTIATION_INFO, &info), SEC_E_OK);
    EXPECT_EQ(info.NegotiationState, std::uint32_t{SECPKG_NEGOTIATION_COMPLETE});
    const std::string name = info.PackageInfo->Name;
    EXPECT_EQ(FreeContextBuffer(info.PackageInfo), SEC_E_OK);
    return name;
  }

  CtxtHandle context{};
  std::uint32_t attributes = 0;
  std::int64_t start = 0;
  std::int64_t end = 0;
};

TEST_F(SspiQuery, NamesAKerberosClient) {
  sign_on_with_kerberos();
  EXPECT_EQ(name_a(), "alice@EXAMPLE.TEST");
  EXPECT_EQ(name_w(), u"alice@EXAMPLE.TEST");
  EXPECT_EQ(negotiated(), "Kerberos");
}

TEST_F(SspiQuery, NamesAnNtlmClientAsTheAccountsDo) {
  client.fields.user = u"ALICE";
  client.fields.user_upper = u"ALICE";
  client.fields.domain = u"example";
  sign_on_with_ntlm();
  EXPECT_EQ(name_a(), "EXAMPLE\\alice");
  EXPECT_EQ(name_w(), u"EXAMPLE\\alice");
  EXPECT_EQ(negotiated(), "NTLM");
}

TEST_F(SspiQuery, GivesUtf8AndUtf16OfAName) {
  mint::TicketFields fields;
  fields.client.components = {"j\xc3\xbcrgen\xf0\x9f\x94\x91"};
  sign_on_with_kerberos(fields);
  EXPECT_EQ(name_a(), "j\xc3\xbcrgen\xf0\x9f\x94\x91@EXAMPLE.TEST");
  EXPECT_EQ(name_w(), u"j\u00fcrgen\U0001f511@EXAMPLE.TEST");
}

// Latin-1 is what old clients put into names; SSPI's strings have no room for it.
TEST_F(SspiQuery, InventsNoNameForOneThatIsNotUtf8) {
  mint::TicketFields fields;
  fields.client.components = {"j\xfcrgen"};
  sign_on_with_kerberos(fields);
  SecPkgContext_NamesA names{};
  EXPECT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_NAMES, &names), SEC_E_INVALID_UPN_NAME);
  EXPECT_EQ(names.sUserName, nullptr);
  SecPkgContext_NamesW wide{};
  EXPECT_EQ(QueryContextAttributesW(&context, SECPKG_ATTR_NAMES, &wide), SEC_E_INVALID_UPN_NAME);
  EXPECT_EQ(wide.sUserName, nullptr);
}

// A C string would end at the NUL, and "root" be signed on.
TEST_F(SspiQuery, NeverSeesANameWithANul) {
  mint::TicketFields fields;
  fields.auth_time = unix_now();
  fields.end_time = unix_now() + 60;
  fields.client.components = {std::string("root\0nobody", 11)};
  const mint::Ticket ticket = realm.mint.ticket(realm.service, fields);
  EXPECT_EQ(accept(credential.handle, mint::gss_token(realm.ap_req(ticket).message)).status,
            SEC_E_INVALID_TOKEN);
  sign_on_with_kerberos();
}

TEST_F(SspiQuery, TellsATicketsLifespan) {
  sign_on_with_kerberos();
  SecPkgContext_Lifespan lifespan{};
  ASSERT_EQ(QueryContextAttributesW(&context, SECPKG_ATTR_LIFESPAN, &lifespan), SEC_E_OK);
  EXPECT_EQ(lifespan.tsStart.QuadPart, (start + 11'644'473'600) * 10'000'000);
  EXPECT_EQ(lifespan.tsExpiry.QuadPart, (end + 11'644'473'600) * 10'000'000);
}

TEST_F(SspiQuery, TellsThatNtlmNeverEnds) {
  const std::int64_t before = unix_now();
  sign_on_with_ntlm();
  SecPkgContext_Lifespan lifespan{};
  ASSERT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_LIFESPAN, &lifespan), SEC_E_OK);
  EXPECT_GE(lifespan.tsStart.QuadPart, (before + 11'644'473'600) * 10'000'000);
  EXPECT_EQ(lifespan.tsExpiry.QuadPart, SECURITY_TIME_NEVER);
}

TEST_F(SspiQuery, GivesTheSizesOfKerberosMessages) {
  sign_on_with_kerberos();
  // AES with a 96-bit checksum: RFC 4121 4.2.6.1 and 4.2.6.2.
  EXPECT_EQ(sizes().cbMaxSignature, 16u + 12u);
  EXPECT_EQ(sizes().cbSecurityTrailer, 16u + 16u + 16u + 12u);
  EXPECT_EQ(sizes().cbBlockSize, 1u);
  EXPECT_EQ(sizes().cbMaxToken, 48000u);
}

TEST_F(SspiQuery, GivesTheSizesOfKerberosMessagesOfEveryEtype) {
  struct SizeCase {
    std::int32_t etype;
    std::uint32_t signature;
    std::uint32_t trailer;
  };
  // RC4: RFC 4757 7.2 and 7.3 in RFC 2743's framing, whose length takes up to five octets here
  // because it counts the data, too, and a confounder.
  constexpr SizeCase kSizes[] = {{17, 16 + 12, 32 + 16 + 12},
                                 {18, 16 + 12, 32 + 16 + 12},
                                 {19, 16 + 16, 32 + 16 + 16},
                                 {20, 16 + 24, 32 + 16 + 24},
                                 {23, 37, 37 + 8 + 4}};
  USHER_ACCEPTOR lenient = acceptor();
  lenient.Policy = "kerberos.rc4=allow,kerberos.weaker-keys=allow";
  OwnCredential any_etype(lenient);
  ASSERT_EQ(any_etype.status, SEC_E_OK) << usher_last_refusal();
  for (const SizeCase& c : kSizes) {
    mint::TicketFields fields;
    fields.auth_time = unix_now();
    fields.end_time = unix_now() + 60;
    fields.session_etype = c.etype;
    const mint::Ticket ticket = realm.mint.ticket(realm.service, fields);
    const Called leg = accept(any_etype.handle, mint::spnego_token(realm.ap_req(ticket).message));
    ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
    context = leg.context;
    EXPECT_EQ(sizes().cbMaxSignature, c.signature) << c.etype;
    EXPECT_EQ(sizes().cbSecurityTrailer, c.trailer) << c.etype;
    EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
  }
  sign_on_with_kerberos();
}

TEST_F(SspiQuery, GivesTheSizesOfNtlmMessages) {
  sign_on_with_ntlm();
  EXPECT_EQ(sizes().cbMaxSignature, 16u);
  EXPECT_EQ(sizes().cbSecurityTrailer, 16u);
  EXPECT_EQ(sizes().cbMaxToken, 2888u);
}

TEST_F(SspiQuery, GivesNoSizesForWhatWasNotGranted) {
  mint::AuthenticatorFields plain;
  plain.context_flags = std::uint32_t(gss::ContextFlags::kMutual);
  const Called leg =
      accept(credential.handle, mint::gss_token(realm.ap_req(realm.ticket(), plain).message));
  ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  context = leg.context;
  EXPECT_EQ(leg.attributes, ASC_RET_MUTUAL_AUTH);
  EXPECT_EQ(sizes().cbMaxSignature, 0u);
  EXPECT_EQ(sizes().cbSecurityTrailer, 0u);
}

TEST_F(SspiQuery, NamesWhoVouchesAndWhatWasCalled) {
  sign_on_with_kerberos();
  SecPkgContext_AuthorityA authority{};
  ASSERT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_AUTHORITY, &authority), SEC_E_OK);
  EXPECT_STREQ(authority.sAuthorityName, "EXAMPLE.TEST");
  FreeContextBuffer(authority.sAuthorityName);
  SecPkgContext_NativeNamesW names{};
  ASSERT_EQ(QueryContextAttributesW(&context, SECPKG_ATTR_NATIVE_NAMES, &names), SEC_E_OK);
  EXPECT_EQ(std::u16string(names.sClientName), u"alice@EXAMPLE.TEST");
  EXPECT_EQ(std::u16string(names.sServerName), u"HTTP/web.example.test@EXAMPLE.TEST");
  FreeContextBuffer(names.sClientName);
  FreeContextBuffer(names.sServerName);
}

TEST_F(SspiQuery, NamesTheDomainOfAnNtlmClientAndNoService) {
  sign_on_with_ntlm();
  SecPkgContext_AuthorityW authority{};
  ASSERT_EQ(QueryContextAttributesW(&context, SECPKG_ATTR_AUTHORITY, &authority), SEC_E_OK);
  EXPECT_EQ(std::u16string(authority.sAuthorityName), u"EXAMPLE");
  FreeContextBuffer(authority.sAuthorityName);
  SecPkgContext_NativeNamesA names{};
  ASSERT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_NATIVE_NAMES, &names), SEC_E_OK);
  EXPECT_STREQ(names.sClientName, "EXAMPLE\\alice");
  EXPECT_STREQ(names.sServerName, "");
  FreeContextBuffer(names.sClientName);
  FreeContextBuffer(names.sServerName);
}

TEST_F(SspiQuery, InventsNoNativeNamesForOneThatIsNotUtf8) {
  mint::TicketFields fields;
  fields.client.components = {"j\xfcrgen"};
  sign_on_with_kerberos(fields);
  SecPkgContext_NativeNamesA names{};
  EXPECT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_NATIVE_NAMES, &names),
            SEC_E_INVALID_UPN_NAME);
  EXPECT_TRUE(names.sClientName == nullptr && names.sServerName == nullptr);
}

TEST_F(SspiQuery, GivesTheKeyThatBothSidesShare) {
  mint::AuthenticatorFields quiet;
  quiet.ap_options = 0;
  quiet.context_flags = std::uint32_t(gss::ContextFlags::kIntegrity);
  const mint::Ticket ticket = realm.ticket();
  const Called leg =
      accept(credential.handle, mint::gss_token(realm.ap_req(ticket, quiet).message));
  ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  context = leg.context;
  SecPkgContext_SessionKey key{};
  ASSERT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_SESSION_KEY, &key), SEC_E_OK);
  EXPECT_EQ(Octets(key.SessionKey, key.SessionKey + key.SessionKeyLength), ticket.session_key)
      << "without an answer it is the ticket's";
  FreeContextBuffer(key.SessionKey);
  SecPkgContext_KeyInfoA info{};
  ASSERT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_KEY_INFO, &info), SEC_E_OK);
  EXPECT_STREQ(info.sSignatureAlgorithmName, "hmac-sha1-96-aes256");
  EXPECT_STREQ(info.sEncryptAlgorithmName, "aes256-cts-hmac-sha1-96");
  EXPECT_EQ(info.KeySize, 256u);
  EXPECT_EQ(info.SignatureAlgorithm, 16u);
  EXPECT_EQ(info.EncryptAlgorithm, 18u);
  FreeContextBuffer(info.sSignatureAlgorithmName);
  FreeContextBuffer(info.sEncryptAlgorithmName);
}

TEST_F(SspiQuery, GivesAnNtlmClientsKey) {
  sign_on_with_ntlm();
  SecPkgContext_SessionKey key{};
  ASSERT_EQ(QueryContextAttributesW(&context, SECPKG_ATTR_SESSION_KEY, &key), SEC_E_OK);
  EXPECT_EQ(key.SessionKeyLength, 16u);
  FreeContextBuffer(key.SessionKey);
  SecPkgContext_KeyInfoW info{};
  ASSERT_EQ(QueryContextAttributesW(&context, SECPKG_ATTR_KEY_INFO, &info), SEC_E_OK);
  EXPECT_EQ(std::u16string(info.sEncryptAlgorithmName), u"RC4");
  EXPECT_EQ(info.KeySize, 128u);
  FreeContextBuffer(info.sSignatureAlgorithmName);
  FreeContextBuffer(info.sEncryptAlgorithmName);
}

TEST_F(SspiQuery, RepeatsTheAttributesOfTheLastLeg) {
  sign_on_with_kerberos();
  SecPkgContext_Flags flags{};
  ASSERT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_FLAGS, &flags), SEC_E_OK);
  EXPECT_EQ(flags.Flags, attributes);
  EXPECT_NE(flags.Flags & ASC_RET_MUTUAL_AUTH, 0u);
}

TEST_F(SspiQuery, NamesTheClientToWhoDecidesByName) {
  sign_on_with_kerberos();
  SecPkgContext_DceInfo info{};
  ASSERT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_DCE_INFO, &info), SEC_E_OK);
  EXPECT_EQ(info.AuthzSvc, RPC_C_AUTHZ_NAME);
  EXPECT_EQ(std::u16string(static_cast<SEC_WCHAR*>(info.pPac)), u"alice@EXAMPLE.TEST");
  FreeContextBuffer(info.pPac);
}

TEST_F(SspiQuery, NamesTheCredentialThatOpenedTheTicket) {
  sign_on_with_kerberos();
  SecPkgContext_CredentialNameA name{.CredentialType = 7, .sCredentialName = nullptr};
  ASSERT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_CREDENTIAL_NAME, &name), SEC_E_OK);
  EXPECT_STREQ(name.sCredentialName, "HTTP/web.example.test@EXAMPLE.TEST");
  EXPECT_EQ(name.CredentialType, 0u);
  FreeContextBuffer(name.sCredentialName);
  SecPkgContext_CredentialNameW wide{};
  ASSERT_EQ(QueryContextAttributesW(&context, SECPKG_ATTR_CREDENTIAL_NAME, &wide), SEC_E_OK);
  EXPECT_EQ(std::u16string(wide.sCredentialName), u"HTTP/web.example.test@EXAMPLE.TEST");
  FreeContextBuffer(wide.sCredentialName);
}

TEST_F(SspiQuery, InventsNoCredentialsNameForNtlm) {
  sign_on_with_ntlm();
  SecPkgContext_CredentialNameA name{};
  EXPECT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_CREDENTIAL_NAME, &name),
            SEC_E_UNSUPPORTED_FUNCTION);
  EXPECT_EQ(name.sCredentialName, nullptr);
  SecPkgContext_DceInfo info{};
  ASSERT_EQ(QueryContextAttributesW(&context, SECPKG_ATTR_DCE_INFO, &info), SEC_E_OK);
  EXPECT_EQ(std::u16string(static_cast<SEC_WCHAR*>(info.pPac)), u"EXAMPLE\\alice");
  FreeContextBuffer(info.pPac);
}

TEST_F(SspiQuery, TellsWhichServiceAKerberosClientMeans) {
  sign_on_with_kerberos();
  expect_target(u"HTTP/web.example.test", "by its ticket alone");
  // MS-KILE 2.2.9: the name that the client was told, which the ticket may be another name for.
  sign_on_towards(u"http/www.example.test:8080");
  expect_target(u"http/www.example.test:8080", "in the client's own words");
  sign_on_towards(u"HTTP/m\u00fcnchen");
  expect_target(u"HTTP/m\u00fcnchen", "in any script");
}

// Half a character, and more than there is room for: whatever the client meant, it is not the
// service's own name that it said.
TEST_F(SspiQuery, InventsNoTargetForOneThatCannotBeRead) {
  for (const std::u16string& target :
       {std::u16string(u"HTTP/\xd800"), std::u16string(2000, u'x'), std::u16string(1, u'\0')}) {
    sign_on_towards(target);
    SecPkgContext_ClientSpecifiedTarget answer{};
    EXPECT_EQ(QueryContextAttributesW(&context, SECPKG_ATTR_CLIENT_SPECIFIED_TARGET, &answer),
              SEC_E_INVALID_UPN_NAME);
    EXPECT_EQ(answer.sTargetName, nullptr);
    EXPECT_EQ(name_a(), "alice@EXAMPLE.TEST") << "who the client is it is all the same";
  }
}

TEST_F(SspiQuery, TellsWhichServiceAnNtlmClientMeansIfItSaysSo) {
  sign_on_with_ntlm();
  SecPkgContext_ClientSpecifiedTarget answer{};
  EXPECT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_CLIENT_SPECIFIED_TARGET, &answer),
            SEC_E_TARGET_UNKNOWN);
  EXPECT_EQ(answer.sTargetName, nullptr);
  EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
  client.fields.target_name = u"HTTP/web.example.test";
  sign_on_with_ntlm();
  expect_target(u"HTTP/web.example.test", "under its proof");
}

TEST_F(SspiQuery, TellsWhetherTheClientOwesAnotherToken) {
  Called leg = open_half();
  SecPkgContext_LastClientTokenStatus answer{SecPkgAttrLastClientTokenMaybe};
  ASSERT_EQ(QueryContextAttributesA(&leg.context, SECPKG_ATTR_LAST_CLIENT_TOKEN_STATUS, &answer),
            SEC_E_OK);
  EXPECT_EQ(answer.LastClientTokenStatus, SecPkgAttrLastClientTokenNo);
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
  sign_on_with_ntlm();
  ASSERT_EQ(QueryContextAttributesW(&context, SECPKG_ATTR_LAST_CLIENT_TOKEN_STATUS, &answer),
            SEC_E_OK);
  EXPECT_EQ(answer.LastClientTokenStatus, SecPkgAttrLastClientTokenYes);
}

// Every attribute at every size: one byte less than the structure is too little, and nothing is
// written then; with all of it the answer is that of the function without a size.
TEST_F(SspiQuery, TakesTheCallersWordOnItsBuffer) {
  struct Case {
    std::uint32_t attribute;
    std::uint32_t size;
  };
  constexpr Case kCases[] = {{SECPKG_ATTR_SIZES, 16},
                             {SECPKG_ATTR_NAMES, 8},
                             {SECPKG_ATTR_LIFESPAN, 16},
                             {SECPKG_ATTR_DCE_INFO, 16},
                             {SECPKG_ATTR_KEY_INFO, 32},
                             {SECPKG_ATTR_AUTHORITY, 8},
                             {SECPKG_ATTR_SESSION_KEY, 16},
                             {SECPKG_ATTR_PACKAGE_INFO, 8},
                             {SECPKG_ATTR_NATIVE_NAMES, 16},
                             {SECPKG_ATTR_FLAGS, 4},
                             {SECPKG_ATTR_CREDENTIAL_NAME, 16},
                             {SECPKG_ATTR_NEGOTIATION_INFO, 16},
                             {SECPKG_ATTR_CLIENT_SPECIFIED_TARGET, 8},
                             {SECPKG_ATTR_LAST_CLIENT_TOKEN_STATUS, 4},
                             {SECPKG_ATTR_PASSWORD_EXPIRY, 8},
                             {SECPKG_ATTR_LOGOFF_TIME, 8},
                             {SECPKG_ATTR_USER_FLAGS, 4}};
  sign_on_with_kerberos();
  for (const Case& c : kCases) {
    const bool wants_pac = c.attribute == SECPKG_ATTR_PASSWORD_EXPIRY ||
                           c.attribute == SECPKG_ATTR_LOGOFF_TIME ||
                           c.attribute == SECPKG_ATTR_USER_FLAGS;
    for (const bool is_wide : {false, true}) {
      const auto query = is_wide ? QueryContextAttributesExW : QueryContextAttributesExA;
      for (std::uint32_t size = 0; size <= c.size + 1; ++size) {
        const auto room = std::make_unique<std::uint64_t[]>(4);
        const SECURITY_STATUS status = query(&context, c.attribute, room.get(), size);
        const SECURITY_STATUS enough = wants_pac ? SEC_E_NO_IMPERSONATION : SEC_E_OK;
        EXPECT_EQ(status, size < c.size ? SEC_E_BUFFER_TOO_SMALL : enough)
            << c.attribute << " in " << size;
        if (status != SEC_E_OK) {
          EXPECT_TRUE(std::all_of(room.get(), room.get() + 4, [](auto word) { return word == 0; }));
        } else {
          free_answer(c.attribute, room.get());
        }
      }
    }
  }
  std::uint64_t answer[4] = {};
  EXPECT_EQ(QueryContextAttributesExA(&context, SECPKG_ATTR_SIZES, nullptr, 16),
            SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(QueryContextAttributesExW(&context, SECPKG_ATTR_TARGET, answer, 16),
            SEC_E_UNSUPPORTED_FUNCTION);
  CtxtHandle stale = no_handle();
  EXPECT_EQ(QueryContextAttributesExA(&stale, SECPKG_ATTR_SIZES, answer, 16), SEC_E_INVALID_HANDLE);
  EXPECT_EQ(QueryContextAttributesExW(&stale, SECPKG_ATTR_SIZES, answer, 16), SEC_E_INVALID_HANDLE);
}

TEST_F(SspiQuery, WantsABufferAndAnAttributeItKnows) {
  sign_on_with_kerberos();
  EXPECT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_SIZES, nullptr), SEC_E_INVALID_PARAMETER);
  std::uint64_t answer[8] = {};
  EXPECT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_NEGO_KEYS, answer),
            SEC_E_UNSUPPORTED_FUNCTION);
  EXPECT_EQ(QueryContextAttributesA(&context, SECPKG_ATTR_SIZES, answer), SEC_E_OK);
}

}  // namespace
}  // namespace usher::testing
