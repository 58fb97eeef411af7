// Every function of sspi.h with every status that its comment documents: a row each, which is
// called. A status that is documented and has neither a row nor a test of its own is a failure.
#include <gtest/gtest.h>

#include "tests/engine/documented_statuses.h"
#include "tests/engine/status_caller.h"

namespace usher::testing {
namespace {

std::vector<Row> SspiStatus::credential_rows() {
  static USHER_ACCEPTOR wrong_size = with;
  wrong_size.Size = 4;
  static USHER_ACCEPTOR no_keytab = with;
  no_keytab.Keytab = "/nonexistent/keytab";
  static USHER_ACCEPTOR no_winbind = with;
  no_winbind.Authority = "winbind";
  no_winbind.Accounts = nullptr;
  static SEC_WINNT_AUTH_IDENTITY_EXA password{};
  password.Version = SEC_WINNT_AUTH_IDENTITY_VERSION;
  password.Length = sizeof(password);
  password.PasswordLength = 1;
  const char* const any = NEGOSSP_NAME_A;
  return {
      {"AcquireCredentialsHandle", SAID(SEC_E_OK),
       [=, this](bool wide) { return acquire(wide, any, &with); }, true},
      {"AcquireCredentialsHandle", SAID(SEC_E_SECPKG_NOT_FOUND),
       [=, this](bool wide) { return acquire(wide, "Digest", &with); }, true},
      {"AcquireCredentialsHandle", SAID(SEC_E_INVALID_PARAMETER),
       [=, this](bool wide) { return acquire(wide, any, &wrong_size); }, true},
      {"AcquireCredentialsHandle", SAID(SEC_E_NO_CREDENTIALS),
       [=, this](bool wide) { return acquire(wide, any, &no_keytab); }, true},
      {"AcquireCredentialsHandle", SAID(SEC_E_UNKNOWN_CREDENTIALS),
       [=, this](bool wide) { return acquire(wide, any, &password); }, true},
      {"AcquireCredentialsHandle", SAID(SEC_E_UNSUPPORTED_FUNCTION),
       [=, this](bool wide) { return acquire(wide, any, &with, SECPKG_CRED_OUTBOUND); }, true},
      {"AcquireCredentialsHandle", SAID(SEC_E_NO_AUTHENTICATING_AUTHORITY),
       [=, this](bool wide) { return acquire(wide, any, &no_winbind); }, true},
      {"AcquireCredentialsHandle", SAID(SEC_E_INSUFFICIENT_MEMORY),
       [=, this](bool wide) { return starving([&] { return acquire(wide, any, &with); }); }, true},
  };
}

std::vector<Row> SspiStatus::added_rows() {
  static CredHandle of_kerberos{};
  AcquireCredentialsHandleA(nullptr, MICROSOFT_KERBEROS_NAME_A, SECPKG_CRED_INBOUND, nullptr, &with,
                            nullptr, nullptr, &of_kerberos, nullptr);
  const char* const any = NEGOSSP_NAME_A;
  return {
      {"AddCredentials", SAID(SEC_E_OK),
       [=, this](bool wide) { return add(wide, any, &keytab_only); }, true},
      {"AddCredentials", SAID(SEC_E_INVALID_HANDLE),
       [=, this](bool wide) { return add(wide, any, &keytab_only, 1, &no_credential); }, true},
      {"AddCredentials", SAID(SEC_E_INVALID_PARAMETER),
       [=, this](bool wide) { return add(wide, any, nullptr); }, true},
      {"AddCredentials", SAID(SEC_E_NO_CREDENTIALS),
       [=, this](bool wide) { return add(wide, any, &missing_only); }, true},
      {"AddCredentials", SAID(SEC_E_SECPKG_NOT_FOUND),
       [=, this](bool wide) { return add(wide, NTLMSP_NAME_A, &keytab_only, 1, &of_kerberos); },
       true},
      {"AddCredentials", SAID(SEC_E_UNSUPPORTED_FUNCTION),
       [=, this](bool wide) { return add(wide, any, &keytab_only, SECPKG_CRED_OUTBOUND); }, true},
      {"AddCredentials", SAID(SEC_E_OUT_OF_SEQUENCE),
       [=, this](bool wide) { return inside_ask([&] { return add(wide, any, &keytab_only); }); },
       true},
      {"FreeCredentialsHandle", SAID(SEC_E_OK),
       [=](bool) { return FreeCredentialsHandle(&of_kerberos); }},
      {"FreeCredentialsHandle", SAID(SEC_E_INVALID_HANDLE),
       [=](bool) { return FreeCredentialsHandle(&of_kerberos); }},
  };
}

std::vector<Row> SspiStatus::asked_credential_rows() {
  const char* const any = NEGOSSP_NAME_A;
  return {
      {"QueryCredentialsAttributes", SAID(SEC_E_OK),
       [=, this](bool wide) {
         return query_credential(wide, &credential.handle, SECPKG_CRED_ATTR_NAMES);
       },
       true},
      {"QueryCredentialsAttributes", SAID(SEC_E_UNSUPPORTED_FUNCTION),
       [=, this](bool wide) { return query_credential(wide, &credential.handle, 99); }, true},
      {"QueryCredentialsAttributes", SAID(SEC_E_INVALID_HANDLE),
       [=, this](bool wide) {
         return query_credential(wide, &no_credential, SECPKG_CRED_ATTR_NAMES);
       },
       true},
      {"QueryCredentialsAttributesEx", SAID(SEC_E_UNSUPPORTED_FUNCTION),
       [=, this](bool wide) { return query_credential_ex(wide, &credential.handle, 99, 8); }, true},
      {"QueryCredentialsAttributesEx", SAID(SEC_E_BUFFER_TOO_SMALL),
       [=, this](bool wide) {
         return query_credential_ex(wide, &credential.handle, SECPKG_CRED_ATTR_NAMES, 7);
       },
       true},
      {"SetCredentialsAttributes", SAID(SEC_E_UNSUPPORTED_FUNCTION),
       [=, this](bool wide) {
         return (wide ? SetCredentialsAttributesW : SetCredentialsAttributesA)(&credential.handle,
                                                                               3, nullptr, 0);
       },
       true},
      {"SetCredentialsAttributes", SAID(SEC_E_INVALID_HANDLE),
       [=, this](bool wide) {
         return (wide ? SetCredentialsAttributesW : SetCredentialsAttributesA)(&no_credential, 3,
                                                                               nullptr, 0);
       },
       true},
      {"QuerySecurityPackageInfo", SAID(SEC_E_OK),
       [=, this](bool wide) { return package_info(wide, any); }, true},
      {"QuerySecurityPackageInfo", SAID(SEC_E_SECPKG_NOT_FOUND),
       [=, this](bool wide) { return package_info(wide, "Digest"); }, true},
  };
}

std::vector<Row> SspiStatus::context_rows() {
  return {
      {"AcceptSecurityContext", SAID(SEC_E_OK),
       [this](bool) { return accept_with(fresh_token(), nullptr); }},
      {"AcceptSecurityContext", SAID(SEC_I_CONTINUE_NEEDED),
       [this](bool) { return accept_with(client.first(), nullptr); }},
      {"AcceptSecurityContext", SAID(SEC_E_INVALID_HANDLE),
       [this](bool) { return accept_with(fresh_token(), &gone); }},
      {"AcceptSecurityContext", SAID(SEC_E_INVALID_TOKEN),
       [this](bool) { return accept_with(Octets(20, 'x'), nullptr); }},
      {"AcceptSecurityContext", SAID(SEC_E_INVALID_PARAMETER),
       [this](bool) { return accept_with(fresh_token(), nullptr, true, 0, Octets(3)); }},
      {"AcceptSecurityContext", SAID(SEC_E_BAD_BINDINGS),
       [this](bool) { return accept_with(fresh_token(), nullptr, true, 0, bindings()); }},
      {"AcceptSecurityContext", SAID(SEC_E_INSUFFICIENT_BUFFERS),
       [this](bool) { return accept_with(fresh_token(), nullptr, false); }},
      {"AcceptSecurityContext", SAID(SEC_E_BUFFER_TOO_SMALL),
       [this](bool) { return accept_small(fresh_token()); }},
      {"AcceptSecurityContext", SAID(SEC_E_OUT_OF_SEQUENCE),
       [this](bool) { return accept_with(fresh_token(), &signed_on); }},
      {"AcceptSecurityContext", SAID(SEC_E_LOGON_DENIED),
       [this](bool) { return accept_wrong_password(); }},
      {"AcceptSecurityContext", SAID(SEC_E_NO_AUTHENTICATING_AUTHORITY),
       [this](bool) { return accept_unanswered(); }},
      {"AcceptSecurityContext", SAID(SEC_E_SECURITY_QOS_FAILED),
       [this](bool) {
         mint::AuthenticatorFields fields;
         fields.context_flags = std::uint32_t(gss::ContextFlags::kMutual);
         return accept_with(mint::gss_token(realm.ap_req(realm.ticket(), fields).message), nullptr,
                            true, ASC_REQ_INTEGRITY);
       }},
      {"AcceptSecurityContext", SAID(SEC_E_INSUFFICIENT_MEMORY),
       [this](bool) { return without_slots([this] { return open_half().status; }); }},
      {"AcceptSecurityContext", SAID(SEC_E_INTERNAL_ERROR),
       [this](bool) {
         const Octets token = fresh_token();
         return without_randomness([&] { return accept_with(token, nullptr); });
       }},
      {"DeleteSecurityContext", SAID(SEC_E_OK),
       [this](bool) {
         CtxtHandle context = sign_on();
         return DeleteSecurityContext(&context);
       }},
      {"DeleteSecurityContext", SAID(SEC_E_INVALID_HANDLE),
       [this](bool) { return DeleteSecurityContext(&gone); }},
  };
}

std::vector<Row> SspiStatus::unserved_rows() {
  const auto unserved = [this](const char* function, auto call) {
    return std::vector<Row>{
        {function, SAID(SEC_E_UNSUPPORTED_FUNCTION),
         [=, this](bool wide) { return call(wide, &signed_on); }},
        {function, SAID(SEC_E_INVALID_HANDLE), [=, this](bool wide) { return call(wide, &gone); }}};
  };
  std::vector<Row> rows;
  for (std::vector<Row> more :
       {unserved("CompleteAuthToken",
                 [](bool, CtxtHandle* context) { return CompleteAuthToken(context, nullptr); }),
        unserved("ApplyControlToken",
                 [](bool, CtxtHandle* context) { return ApplyControlToken(context, nullptr); })}) {
    rows.insert(rows.end(), more.begin(), more.end());
  }
  std::vector<Row> both = unserved("SetContextAttributes", [](bool wide, CtxtHandle* context) {
    return (wide ? SetContextAttributesW : SetContextAttributesA)(context, 1, nullptr, 0);
  });
  for (Row& row : both) {
    row.has_forms = true;
    rows.push_back(row);
  }
  return rows;
}

std::vector<Row> SspiStatus::message_rows() {
  return {
      {"MakeSignature", SAID(SEC_E_OK), [this](bool) { return make_signature(&signed_on, 0, 64); }},
      {"MakeSignature", SAID(SEC_E_BUFFER_TOO_SMALL),
       [this](bool) { return make_signature(&signed_on, 0, 27); }},
      {"MakeSignature", SAID(SEC_E_QOP_NOT_SUPPORTED),
       [this](bool) { return make_signature(&signed_on, 1, 64); }},
      {"MakeSignature", SAID(SEC_E_UNSUPPORTED_FUNCTION),
       [this](bool) { return make_signature(&plain, 0, 64); }},
      {"MakeSignature", SAID(SEC_E_OUT_OF_SEQUENCE),
       [this](bool) { return make_signature(&half, 0, 64); }},
      {"MakeSignature", SAID(SEC_E_INVALID_HANDLE),
       [this](bool) { return make_signature(&gone, 0, 64); }},
      {"MakeSignature", SAID(SEC_E_INVALID_PARAMETER),
       [this](bool) { return MakeSignature(&signed_on, 0, nullptr, 0); }},
      {"VerifySignature", SAID(SEC_E_INVALID_TOKEN),
       [this](bool) { return receive(true, &signed_on, 3); }},
      {"VerifySignature", SAID(SEC_E_MESSAGE_ALTERED),
       [this](bool) {
         return changed_mic() ? receive(true, &signed_on, 28) : SEC_E_INTERNAL_ERROR;
       }},
      {"VerifySignature", SAID(SEC_E_OUT_OF_SEQUENCE),
       [this](bool) { return receive(true, &half, 28); }},
      {"VerifySignature", SAID(SEC_E_INVALID_HANDLE),
       [this](bool) { return receive(true, &gone, 28); }},
      {"EncryptMessage", SAID(SEC_E_OK), [this](bool) { return seal(&signed_on); }},
      {"EncryptMessage", SAID(SEC_E_BUFFER_TOO_SMALL),
       [this](bool) { return seal(&signed_on, 0, 5); }},
      {"EncryptMessage", SAID(SEC_E_QOP_NOT_SUPPORTED),
       [this](bool) { return seal(&signed_on, 5); }},
      {"EncryptMessage", SAID(SEC_E_UNSUPPORTED_FUNCTION), [this](bool) { return seal(&plain); }},
      {"EncryptMessage", SAID(SEC_E_OUT_OF_SEQUENCE), [this](bool) { return seal(&half); }},
      {"EncryptMessage", SAID(SEC_E_INVALID_HANDLE), [this](bool) { return seal(&gone); }},
      {"EncryptMessage", SAID(SEC_E_INSUFFICIENT_MEMORY),
       [this](bool) {
         CtxtHandle fresh = sign_on();
         const SECURITY_STATUS status = starving([&] { return seal(&fresh); });
         EXPECT_EQ(seal(&fresh), SEC_E_OK) << "and then there is some: " << usher_last_refusal();
         DeleteSecurityContext(&fresh);
         return status;
       }},
      {"EncryptMessage", SAID(SEC_E_ENCRYPT_FAILURE),
       [this](bool) {
         return in_new_thread_without_randomness([this] { return seal(&signed_on); });
       }},
      {"DecryptMessage", SAID(SEC_E_INVALID_TOKEN),
       [this](bool) { return receive(false, &signed_on, 3); }},
      {"DecryptMessage", SAID(SEC_E_OUT_OF_SEQUENCE),
       [this](bool) { return receive(false, &half, 60); }},
      {"DecryptMessage", SAID(SEC_E_INVALID_HANDLE),
       [this](bool) { return receive(false, &gone, 60); }},
      {"DecryptMessage", SAID(SEC_E_INVALID_PARAMETER),
       [this](bool) { return DecryptMessage(&signed_on, nullptr, 0, nullptr); }},
  };
}

std::vector<Row> SspiStatus::query_rows() {
  return {
      {"QueryContextAttributes", SAID(SEC_E_OK),
       [this](bool wide) { return query(wide, &half, SECPKG_ATTR_FLAGS); }, true},
      {"QueryContextAttributes", SAID(SEC_E_INVALID_HANDLE),
       [this](bool wide) { return query(wide, &gone, SECPKG_ATTR_FLAGS); }, true},
      {"QueryContextAttributes", SAID(SEC_E_OUT_OF_SEQUENCE),
       [this](bool wide) { return query(wide, &half, SECPKG_ATTR_LIFESPAN); }, true},
      {"QueryContextAttributes", SAID(SEC_E_UNSUPPORTED_FUNCTION),
       [this](bool wide) { return query(wide, &signed_on, SECPKG_ATTR_STREAM_SIZES); }, true},
      {"QueryContextAttributes", SAID(SEC_E_NO_IMPERSONATION),
       [this](bool wide) { return query(wide, &signed_on, SECPKG_ATTR_PASSWORD_EXPIRY); }, true},
      {"QueryContextAttributes", SAID(SEC_E_INVALID_UPN_NAME),
       [this](bool wide) {
         CtxtHandle odd = sign_on(mint::kContextFlagsUsual, true);
         const SECURITY_STATUS status = query(wide, &odd, SECPKG_ATTR_NAMES);
         DeleteSecurityContext(&odd);
         return status;
       },
       true},
      {"QueryContextAttributes", SAID(SEC_E_INSUFFICIENT_MEMORY),
       [this](bool wide) {
         return starving([&] { return query(wide, &signed_on, SECPKG_ATTR_SESSION_KEY); });
       },
       true},
      {"QueryContextAttributes", SAID(SEC_E_TARGET_UNKNOWN),
       [this](bool wide) { return query_ntlm(wide, SECPKG_ATTR_CLIENT_SPECIFIED_TARGET); }, true},
      {"QueryContextAttributesEx", SAID(SEC_E_BUFFER_TOO_SMALL),
       [this](bool wide) { return query_ex(wide, &half, SECPKG_ATTR_FLAGS, 3); }, true},
      {"QueryContextAttributesEx", SAID(SEC_E_OK),
       [this](bool wide) { return query_ex(wide, &half, SECPKG_ATTR_FLAGS, 4); }, true},
  };
}

std::vector<Row> SspiStatus::packed_rows() {
  const auto pack = [](CtxtHandle* context, std::uint32_t flags) {
    SecBuffer out{};
    const SECURITY_STATUS status =
        within([&] { return ExportSecurityContext(context, flags, &out, nullptr); });
    FreeContextBuffer(out.pvBuffer);
    return status;
  };
  return {
      {"ExportSecurityContext", SAID(SEC_E_OK), [=, this](bool) { return pack(&signed_on, 0); }},
      {"ExportSecurityContext", SAID(SEC_E_INVALID_HANDLE),
       [=, this](bool) { return pack(&gone, 0); }},
      {"ExportSecurityContext", SAID(SEC_E_OUT_OF_SEQUENCE),
       [=, this](bool) { return pack(&half, 0); }},
      {"ExportSecurityContext", SAID(SEC_E_INVALID_PARAMETER),
       [=, this](bool) { return pack(&signed_on, 8); }},
      {"ExportSecurityContext", SAID(SEC_E_UNSUPPORTED_FUNCTION),
       [=, this](bool) { return pack(&signed_on, SECPKG_CONTEXT_EXPORT_TO_KERNEL); }},
      {"ImportSecurityContext", SAID(SEC_E_OK),
       [this](bool wide) { return import_changed(wide, [](Octets&) {}); }, true},
      {"ImportSecurityContext", SAID(SEC_E_INVALID_TOKEN),
       [this](bool wide) { return import_changed(wide, [](Octets& all) { all.resize(9); }); },
       true},
      {"ImportSecurityContext", SAID(SEC_E_MESSAGE_ALTERED),
       [this](bool wide) { return import_changed(wide, [](Octets& all) { all.back() ^= 1; }); },
       true},
      {"ImportSecurityContext", SAID(SEC_E_OUT_OF_SEQUENCE),
       [this](bool wide) {
         Octets all = packed();
         SecBuffer buffer{static_cast<std::uint32_t>(all.size()), SECBUFFER_TOKEN, all.data()};
         EXPECT_EQ(import_context(wide, NEGOSSP_NAME_A, &buffer), SEC_E_OK) << usher_last_refusal();
         return import_context(wide, NEGOSSP_NAME_A, &buffer);
       },
       true},
      {"ImportSecurityContext", SAID(SEC_E_SECPKG_NOT_FOUND),
       [this](bool wide) {
         Octets all = packed();
         SecBuffer buffer{static_cast<std::uint32_t>(all.size()), SECBUFFER_TOKEN, all.data()};
         return import_context(wide, NTLMSP_NAME_A, &buffer);
       },
       true},
      {"ImportSecurityContext", SAID(SEC_E_INVALID_PARAMETER),
       [this](bool wide) { return import_context(wide, NEGOSSP_NAME_A, nullptr); }, true},
      {"ImportSecurityContext", SAID(SEC_E_INSUFFICIENT_MEMORY),
       [this](bool wide) {
         return without_slots([&] { return import_changed(wide, [](Octets&) {}); });
       },
       true},
  };
}

std::vector<Row> SspiStatus::user_rows() {
  const auto ask = [](CtxtHandle* context) {
    void* token = nullptr;
    const SECURITY_STATUS status =
        within([&] { return QuerySecurityContextToken(context, &token); });
    FreeContextBuffer(token);
    return status;
  };
  return {
      {"QuerySecurityContextToken", SAID(SEC_E_NO_IMPERSONATION),
       [=, this](bool) { return ask(&signed_on); }},
      {"QuerySecurityContextToken", SAID(SEC_E_OUT_OF_SEQUENCE),
       [=, this](bool) { return ask(&half); }},
      {"QuerySecurityContextToken", SAID(SEC_E_INVALID_HANDLE),
       [=, this](bool) { return ask(&gone); }},
      {"QuerySecurityContextToken", SAID(SEC_E_INVALID_PARAMETER),
       [this](bool) { return QuerySecurityContextToken(&signed_on, nullptr); }},
      {"QuerySecurityContextToken", SAID(SEC_E_INVALID_UPN_NAME),
       [=, this](bool) {
         CtxtHandle odd = sign_on(mint::kContextFlagsUsual, true);
         const SECURITY_STATUS status = ask(&odd);
         DeleteSecurityContext(&odd);
         return status;
       }},
      {"ImpersonateSecurityContext", SAID(SEC_E_NO_IMPERSONATION),
       [this](bool) { return ImpersonateSecurityContext(&signed_on); }},
      {"ImpersonateSecurityContext", SAID(SEC_E_INVALID_HANDLE),
       [this](bool) { return ImpersonateSecurityContext(&gone); }},
      {"RevertSecurityContext", SAID(SEC_E_NO_IMPERSONATION),
       [this](bool) { return RevertSecurityContext(&signed_on); }},
      {"RevertSecurityContext", SAID(SEC_E_INVALID_HANDLE),
       [this](bool) { return RevertSecurityContext(&credential.handle); }},
  };
}

void SspiStatus::check(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    for (const bool wide : {false, true}) {
      if (!wide || row.has_forms) {
        EXPECT_EQ(row.call(wide), row.status)
            << row.function << (row.has_forms ? wide ? "W" : "A" : "") << ": " << row.name << ": "
            << usher_last_refusal();
      }
    }
  }
}

TEST_F(SspiStatus, OfCredentials) { check(credential_rows()); }
TEST_F(SspiStatus, OfAddedCredentials) { check(added_rows()); }
TEST_F(SspiStatus, OfQuestionsAboutCredentials) { check(asked_credential_rows()); }
TEST_F(SspiStatus, OfContexts) { check(context_rows()); }
TEST_F(SspiStatus, OfFunctionsThatAreNotServed) { check(unserved_rows()); }
TEST_F(SspiStatus, OfMessages) { check(message_rows()); }
TEST_F(SspiStatus, OfQuestions) { check(query_rows()); }
TEST_F(SspiStatus, OfPackedContexts) { check(packed_rows()); }
TEST_F(SspiStatus, OfLocalUsers) { check(user_rows()); }

// What needs more than one call brings about has tests of its own: in a file, which has this word.
struct Elsewhere {
  const char* function;
  const char* status;
  const char* file;
  const char* word;
};
constexpr Elsewhere kElsewhere[] = {
    {"AcquireCredentialsHandle", "SEC_E_OUT_OF_SEQUENCE", "engine/sspi_user_token_test.cc",
     "acquire(), SEC_E_OUT_OF_SEQUENCE"},
    {"ExportSecurityContext", "SEC_E_CONTEXT_EXPIRED", "engine/export_time_test.cc",
     "SEC_E_CONTEXT_EXPIRED"},
    {"ExportSecurityContext", "SEC_E_CANNOT_PACK", "auth/context_image_test.cc", "image_fits"},
    {"ExportSecurityContext", "SEC_E_INSUFFICIENT_MEMORY", "engine/memory_failure_test.cc",
     "ExportSecurityContext"},
    {"ImportSecurityContext", "SEC_E_CONTEXT_EXPIRED", "engine/export_time_test.cc",
     "SEC_E_CONTEXT_EXPIRED"},
    {"ImportSecurityContext", "SEC_E_TIME_SKEW", "engine/export_time_test.cc", "SEC_E_TIME_SKEW"},
    {"QuerySecurityContextToken", "SEC_E_NO_AUTHENTICATING_AUTHORITY",
     "engine/sspi_user_services_test.cc", "SEC_E_NO_AUTHENTICATING_AUTHORITY"},
    {"QuerySecurityContextToken", "SEC_E_INSUFFICIENT_MEMORY", "engine/sspi_user_memory_test.cc",
     "SEC_E_INSUFFICIENT_MEMORY"},
    {"ImpersonateSecurityContext", "SEC_E_INTERNAL_ERROR", "engine/sspi_user_token_test.cc",
     "ImpersonateSecurityContext(&context), SEC_E_INTERNAL_ERROR"},
    {"RevertSecurityContext", "SEC_E_INTERNAL_ERROR", "engine/sspi_user_token_test.cc",
     "RevertSecurityContext(&context), SEC_E_INTERNAL_ERROR"},
    {"RevertSecurityContext", "SEC_E_INSUFFICIENT_MEMORY", "engine/sspi_user_memory_test.cc",
     "OfRevertingIsRefusedAndTriedAgain"},
};
// Named in a comment to say that they never come.
constexpr std::array kNever = {"SEC_I_COMPLETE_NEEDED", "SEC_I_COMPLETE_AND_CONTINUE"};

TEST_F(SspiStatus, EveryDocumentedOneHasATest) {
  std::set<std::pair<std::string, std::string>> tested;
  for (const std::vector<Row>& rows :
       {credential_rows(), added_rows(), asked_credential_rows(), context_rows(), unserved_rows(),
        message_rows(), query_rows(), packed_rows(), user_rows()}) {
    for (const Row& row : rows) {
      tested.emplace(row.function, row.name);
      if (row.has_forms) {
        tested.emplace(row.function + 'A', row.name);
        tested.emplace(row.function + 'W', row.name);
      }
    }
  }
  for (const Elsewhere& row : kElsewhere) {
    std::ifstream file(std::string(USHER_SOURCE) + "/tests/" + row.file);
    std::ostringstream text;
    text << file.rdbuf();
    EXPECT_NE(text.str().find(row.word), std::string::npos) << row.file << ": " << row.word;
    for (const char* const form : {"", "A", "W"}) {
      tested.emplace(std::string(row.function) + form, row.status);
    }
  }
  const auto documented = documented_statuses(std::string(USHER_SOURCE) + "/engine/sspi.h");
  EXPECT_GT(documented.size(), 30u);
  for (const auto& [function, statuses] : documented) {
    for (const std::string& status : statuses) {
      EXPECT_TRUE(tested.contains({function, status}) ||
                  std::ranges::find(kNever, status) != kNever.end())
          << function << ": " << status << " is documented and not tested";
    }
  }
}

}  // namespace
}  // namespace usher::testing
