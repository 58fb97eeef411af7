// What tests of local users share: clients of any name, signed on.
#pragma once

#include <usher/user_token.h>

#include <string>

#include "tests/engine/sspi_caller.h"

namespace usher::testing {

// Door is a service that anybody may sign on to.
class Door {
 public:
  explicit Door(const char* policy = nullptr) : credential_(acceptor(policy)) {
    EXPECT_EQ(credential_.status, SEC_E_OK) << usher_last_refusal();
  }

  // kerberos signs on whoever this ticket is of.
  CtxtHandle kerberos(mint::TicketFields ticket, mint::AuthenticatorFields fields = {}) {
    ticket.auth_time = unix_now() - 60;
    ticket.end_time = unix_now() + 3600;
    const Called leg = accept(
        credential_.handle,
        mint::spnego_token(realm.ap_req(realm.mint.ticket(realm.service, ticket), fields).message));
    EXPECT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
    return leg.context;
  }
  CtxtHandle kerberos(const std::string& principal) {
    mint::TicketFields ticket;
    ticket.client = mint::Principal::of(principal);
    return kerberos(ticket);
  }
  // kerberos_with_pac is alice, of whom a domain controller tells more: the account's name, too.
  CtxtHandle kerberos_with_pac(const std::string& account = "alice") {
    mint::TicketFields ticket;
    ticket.auth_time = unix_now() - 60;
    ticket.end_time = unix_now() + 3600;
    mint::PacFields fields;
    fields.logon_info->effective_name = {account};
    fields.upn_dns->sam_name = account;
    fields.logon_info->extra_sids = {{mint::make_sid(18, {1})}};
    mint::add_pac(*realm.kit, *realm.random, realm.service, realm.krbtgt, ticket, fields);
    return kerberos(ticket);
  }
  CtxtHandle ntlm(const std::u16string& user, const std::u16string& password) {
    NtlmClient client{realm};
    client.fields.user = user;
    client.fields.password = password;
    const Called first = accept(credential_.handle, client.first());
    EXPECT_EQ(first.status, SEC_I_CONTINUE_NEEDED);
    CtxtHandle context = first.context;
    const Called second = accept(credential_.handle, client.second(first.reply), &context);
    EXPECT_EQ(second.status, SEC_E_OK) << usher_last_refusal();
    return second.context;
  }
  CtxtHandle half_open() {
    NtlmClient client{realm};
    const Called first = accept(credential_.handle, client.first());
    EXPECT_EQ(first.status, SEC_I_CONTINUE_NEEDED);
    return first.context;
  }
  [[nodiscard]] CredHandle& credential() { return credential_.handle; }

  Realm realm;

 private:
  USHER_ACCEPTOR acceptor(const char* policy) const {
    USHER_ACCEPTOR out{};
    out.Keytab = keytab_.c_str();
    out.Accounts = accounts_.c_str();
    out.Policy = policy;
    return out;
  }

  Folder folder_;
  std::string keytab_ = folder_.write("service.keytab", mint::keytab_image({&realm.service, 1}));
  std::string accounts_ = folder_.write("accounts",
                                        "EXAMPLE:alice:Al1ce-Passw0rd\n"
                                        "EXAMPLE:bob:B0b-Passw0rd\n");
  OwnCredential credential_;
};

// Token is what QuerySecurityContextToken gives for a context.
class Token {
 public:
  explicit Token(CtxtHandle& context) : status(QuerySecurityContextToken(&context, &memory_)) {
    EXPECT_EQ(memory_ != nullptr, status == SEC_E_OK);
    why = status == SEC_E_OK ? "" : usher_last_refusal();
  }
  ~Token() { FreeContextBuffer(memory_); }
  Token(const Token&) = delete;
  Token& operator=(const Token&) = delete;
  const USHER_TOKEN* operator->() const { return static_cast<const USHER_TOKEN*>(memory_); }

 private:
  void* memory_ = this;  // It must be null after an error.

 public:
  SECURITY_STATUS status;
  std::string why;
};

}  // namespace usher::testing
