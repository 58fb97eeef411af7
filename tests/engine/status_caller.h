// What the table of statuses calls the C ABI with: one context in each state, and the ways to bring
// a status about. Replaces the program's operator new: for one source file.
#pragma once

#include <gtest/gtest.h>
#include <openssl/rand.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tests/engine/sspi_caller.h"

namespace usher::testing {
namespace {

thread_local bool g_starving = false;  // The thread's next operator new fails.
thread_local bool g_starve = false;    // It will, once what `within` calls is under way.

// within is a call of the library as the rows make it: memory runs out in it, and not on the way.
template <class Call>
SECURITY_STATUS within(Call call) {
  g_starving = std::exchange(g_starve, false);
  const SECURITY_STATUS status = call();
  g_starving = false;
  return status;
}

void* take(std::size_t size, std::size_t alignment = alignof(std::max_align_t)) {
  if (std::exchange(g_starving, false)) {
    return nullptr;
  }
  const std::size_t whole =
      (std::max<std::size_t>(size, 1) + alignment - 1) / alignment * alignment;
  return std::aligned_alloc(alignment, whole);
}
// Not inlined, or GCC takes new and free for a pair that does not belong together.
[[gnu::noinline]] void give(void* memory) noexcept { std::free(memory); }

}  // namespace
}  // namespace usher::testing

#include "tests/replaced_new.h"  // Behind what it calls.

namespace usher::testing {
namespace {

// Row is one status of one function, and a call that has it. Of a function in two forms, A and W,
// `function` is without the letter, and the call is made with both: the argument says which.
struct Row {
  std::string function;
  SECURITY_STATUS status;
  std::string name;  // The status's.
  std::function<SECURITY_STATUS(bool wide)> call;
  bool has_forms = false;
};
#define SAID(status) status, #status

class SspiStatus : public SspiTest {
 protected:
  void SetUp() override {
    SspiTest::SetUp();
    half = open_half().context;
    signed_on = sign_on();
    plain = sign_on(std::uint32_t(gss::ContextFlags::kMutual));
    gone = half;
    gone.dwUpper += 1;
    data_desc = {SECBUFFER_VERSION, 2, data_buffers.data()};
  }
  void TearDown() override {
    for (CtxtHandle* const handle : {&half, &signed_on, &plain}) {
      DeleteSecurityContext(handle);
    }
  }

  CtxtHandle sign_on(std::uint32_t flags = mint::kContextFlagsUsual, bool name_is_no_text = false) {
    mint::AuthenticatorFields fields;
    fields.context_flags = flags;
    mint::TicketFields ticket;
    ticket.auth_time = unix_now() - 60;
    ticket.end_time = unix_now() + 3600;
    if (name_is_no_text) {
      ticket.client.components = {"a\xff"};  // No UTF-8.
    }
    const mint::ApReq request = realm.ap_req(realm.mint.ticket(realm.service, ticket), fields);
    const Called leg = accept(credential.handle, mint::gss_token(request.message));
    EXPECT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
    return leg.context;
  }
  // starving is `call` where memory runs out at once.
  template <class Call>
  static SECURITY_STATUS starving(Call call) {
    g_starve = true;
    return call();
  }

  SECURITY_STATUS acquire(bool wide, const char* package, void* auth_data,
                          std::uint32_t use = SECPKG_CRED_INBOUND,
                          const char* principal = nullptr) {
    const std::u16string wide_package(package, package + std::strlen(package));
    std::u16string wide_principal;
    if (principal != nullptr) {
      wide_principal.assign(principal, principal + std::strlen(principal));
    }
    CredHandle handle;
    const SECURITY_STATUS status = within([&] {
      return wide ? AcquireCredentialsHandleW(
                        principal != nullptr ? wide_principal.c_str() : nullptr,
                        wide_package.c_str(), use, nullptr, auth_data, nullptr, nullptr, &handle,
                        nullptr)
                  : AcquireCredentialsHandleA(principal, package, use, nullptr, auth_data, nullptr,
                                              nullptr, &handle, nullptr);
    });
    FreeCredentialsHandle(&handle);
    return status;
  }
  SECURITY_STATUS add(bool wide, const char* package, void* auth_data,
                      std::uint32_t use = SECPKG_CRED_INBOUND, CredHandle* to = nullptr) {
    const std::u16string wide_package(package, package + std::strlen(package));
    to = to != nullptr ? to : &credential.handle;
    return wide ? AddCredentialsW(to, nullptr, wide_package.c_str(), use, auth_data, nullptr,
                                  nullptr, nullptr)
                : AddCredentialsA(to, nullptr, package, use, auth_data, nullptr, nullptr, nullptr);
  }
  USHER_ACCEPTOR files(const char* keytab_file) const {
    USHER_ACCEPTOR out = acceptor();
    out.Keytab = keytab_file;
    out.Accounts = nullptr;
    return out;
  }
  SECURITY_STATUS query(bool wide, CtxtHandle* context, std::uint32_t attribute) {
    alignas(8) std::array<std::uint8_t, 64> out{};
    return within([&] {
      return (wide ? QueryContextAttributesW : QueryContextAttributesA)(context, attribute,
                                                                        out.data());
    });
  }
  // query_ntlm asks about an NTLM client's context.
  SECURITY_STATUS query_ntlm(bool wide, std::uint32_t attribute) {
    Called leg = open_half();
    leg = testing::accept(credential.handle, client.second(leg.reply), &leg.context);
    EXPECT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
    const SECURITY_STATUS status = query(wide, &leg.context, attribute);
    DeleteSecurityContext(&leg.context);
    return status;
  }
  SECURITY_STATUS query_ex(bool wide, CtxtHandle* context, std::uint32_t attribute,
                           std::uint32_t size) {
    alignas(8) std::array<std::uint8_t, 64> out{};
    return (wide ? QueryContextAttributesExW : QueryContextAttributesExA)(context, attribute,
                                                                          out.data(), size);
  }
  SECURITY_STATUS query_credential(bool wide, CredHandle* handle, std::uint32_t attribute) {
    void* out = nullptr;  // Either form has a pointer and nothing else.
    const SECURITY_STATUS status =
        (wide ? QueryCredentialsAttributesW : QueryCredentialsAttributesA)(handle, attribute, &out);
    FreeContextBuffer(out);
    return status;
  }
  SECURITY_STATUS query_credential_ex(bool wide, CredHandle* handle, std::uint32_t attribute,
                                      std::uint32_t size) {
    void* out = nullptr;
    const SECURITY_STATUS status =
        (wide ? QueryCredentialsAttributesExW : QueryCredentialsAttributesExA)(handle, attribute,
                                                                               &out, size);
    FreeContextBuffer(out);
    return status;
  }
  SECURITY_STATUS package_info(bool wide, const char* name) {
    PSecPkgInfoA narrow_info = nullptr;
    PSecPkgInfoW wide_info = nullptr;
    const std::u16string wide_name(name, name + std::strlen(name));
    const SECURITY_STATUS status = wide ? QuerySecurityPackageInfoW(wide_name.c_str(), &wide_info)
                                        : QuerySecurityPackageInfoA(name, &narrow_info);
    FreeContextBuffer(wide ? static_cast<void*>(wide_info) : narrow_info);
    return status;
  }
  SECURITY_STATUS import_context(bool wide, const char* package, SecBuffer* packed) {
    const std::u16string wide_package(package, package + std::strlen(package));
    CtxtHandle made = no_handle();
    const SECURITY_STATUS status =
        wide ? ImportSecurityContextW(wide_package.c_str(), packed, nullptr, &made)
             : ImportSecurityContextA(package, packed, nullptr, &made);
    DeleteSecurityContext(&made);
    return status;
  }
  Octets packed() {
    SecBuffer out{};
    EXPECT_EQ(ExportSecurityContext(&signed_on, 0, &out, nullptr), SEC_E_OK)
        << usher_last_refusal();
    const auto* const bytes = static_cast<const std::uint8_t*>(out.pvBuffer);
    Octets copy(bytes, bytes + out.cbBuffer);
    FreeContextBuffer(out.pvBuffer);
    return copy;
  }
  SECURITY_STATUS import_changed(bool wide, const std::function<void(Octets&)>& change) {
    Octets octets = packed();
    change(octets);
    SecBuffer buffer{static_cast<std::uint32_t>(octets.size()), SECBUFFER_TOKEN, octets.data()};
    return import_context(wide, NEGOSSP_NAME_A, &buffer);
  }

  // accept_with passes one token in any shape that matters here.
  SECURITY_STATUS accept_with(Octets token, CtxtHandle* given, bool with_output = true,
                              std::uint32_t request = 0, Octets bindings = {}) {
    Octets room(4096);
    std::array<SecBuffer, 2> in = {
        SecBuffer{static_cast<std::uint32_t>(token.size()), SECBUFFER_TOKEN, token.data()},
        SecBuffer{static_cast<std::uint32_t>(bindings.size()), SECBUFFER_CHANNEL_BINDINGS,
                  bindings.data()}};
    SecBuffer out{static_cast<std::uint32_t>(room.size()), SECBUFFER_TOKEN, room.data()};
    SecBufferDesc input{SECBUFFER_VERSION, bindings.empty() ? 1u : 2u, in.data()};
    SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
    CtxtHandle made = no_handle();
    const SECURITY_STATUS status =
        AcceptSecurityContext(&credential.handle, given, &input, request, SECURITY_NATIVE_DREP,
                              &made, with_output ? &output : nullptr, nullptr, nullptr);
    if (status == SEC_E_OK || (status == SEC_I_CONTINUE_NEEDED && given == nullptr)) {
      DeleteSecurityContext(&made);
    }
    return status;
  }
  Octets fresh_token() { return mint::gss_token(realm.ap_req(realm.ticket()).message); }

  // seal makes one message of a context; its token's room is `room`.
  SECURITY_STATUS seal(CtxtHandle* context, std::uint32_t qop = 0, std::uint32_t room = 64) {
    data_buffers = {SecBuffer{room, SECBUFFER_TOKEN, message_token.data()},
                    SecBuffer{8, SECBUFFER_DATA, message_data.data()}};
    return within([&] { return EncryptMessage(context, qop, &data_desc, 0); });
  }
  SECURITY_STATUS make_signature(CtxtHandle* context, std::uint32_t qop, std::uint32_t room) {
    data_buffers = {SecBuffer{room, SECBUFFER_TOKEN, message_token.data()},
                    SecBuffer{8, SECBUFFER_DATA, message_data.data()}};
    return MakeSignature(context, qop, &data_desc, 0);
  }
  // receive opens or verifies what the token's memory holds, `size` bytes.
  SECURITY_STATUS receive(bool verify, CtxtHandle* context, std::uint32_t size) {
    data_buffers = {SecBuffer{size, SECBUFFER_TOKEN, message_token.data()},
                    SecBuffer{8, SECBUFFER_DATA, message_data.data()}};
    return verify ? VerifySignature(context, &data_desc, 0, nullptr)
                  : DecryptMessage(context, &data_desc, 0, nullptr);
  }

  // inside_ask is `call` made inside a USHER_ASK.
  SECURITY_STATUS inside_ask(std::function<SECURITY_STATUS()> call) {
    struct Asked {
      std::function<SECURITY_STATUS()> call;
      SECURITY_STATUS status = SEC_E_OK;
    } asked{std::move(call)};
    USHER_ACCEPTOR asking = with;
    asking.Accounts = nullptr;
    asking.AuthorityMilliseconds = 10;  // It is never answered.
    asking.AskContext = &asked;
    asking.Ask = [](void* context, const USHER_QUESTION*) {
      auto& all = *static_cast<Asked*>(context);
      all.status = all.call();
    };
    unanswered = sign_on_with_ntlm(asking);
    return asked.status;
  }
  SECURITY_STATUS sign_on_with_ntlm(USHER_ACCEPTOR& service) {
    OwnCredential own(service, NTLMSP_NAME_A);
    EXPECT_EQ(own.status, SEC_E_OK) << usher_last_refusal();
    Called leg = testing::accept(own.handle, client.first());
    leg = testing::accept(own.handle, client.second(leg.reply), &leg.context);
    DeleteSecurityContext(&leg.context);
    return leg.status;
  }
  SECURITY_STATUS accept_unanswered() {
    EXPECT_EQ(inside_ask([] { return SEC_E_OK; }), SEC_E_OK);
    return unanswered;
  }
  SECURITY_STATUS accept_wrong_password() {
    client.fields.password = u"wrong";
    const SECURITY_STATUS status = sign_on_with_ntlm(with);
    client.fields = {};
    return status;
  }
  SECURITY_STATUS accept_small(Octets token) {
    SecBuffer in{static_cast<std::uint32_t>(token.size()), SECBUFFER_TOKEN, token.data()};
    SecBuffer out{8, SECBUFFER_TOKEN, message_token.data()};
    SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
    SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
    CtxtHandle made = no_handle();
    return AcceptSecurityContext(&credential.handle, nullptr, &input, 0, SECURITY_NATIVE_DREP,
                                 &made, &output, nullptr, nullptr);
  }
  // without_slots is `call` where every context is in use.
  SECURITY_STATUS without_slots(const std::function<SECURITY_STATUS()>& call) {
    std::vector<CtxtHandle> opened;
    for (Called leg = open_half(); leg.status == SEC_I_CONTINUE_NEEDED; leg = open_half()) {
      opened.push_back(leg.context);
    }
    const SECURITY_STATUS status = call();
    for (CtxtHandle& handle : opened) {
      DeleteSecurityContext(&handle);
    }
    return status;
  }
  // without_randomness is `call` in a child that OpenSSL has no random bytes for: after a fork
  // every source of ours asks for new ones.
  static SECURITY_STATUS without_randomness(const std::function<SECURITY_STATUS()>& call) {
    std::array<int, 2> pipe{};
    EXPECT_EQ(::pipe(pipe.data()), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      static const RAND_METHOD kNone = {.bytes = [](unsigned char*, int) { return 0; }};
      RAND_set_rand_method(&kNone);
      SECURITY_STATUS status = SEC_E_OK;
      try {
        status = call();
      } catch (const std::exception& error) {  // Else the child would go on with the next test.
        std::fputs(error.what(), stderr);
        ::_exit(1);
      }
      ::_exit(::write(pipe[1], &status, sizeof(status)) == sizeof(status) ? 0 : 1);
    }
    SECURITY_STATUS status = SEC_E_OK;
    EXPECT_EQ(::read(pipe[0], &status, sizeof(status)), ssize_t{sizeof(status)});
    int ended = 1;
    EXPECT_EQ(::waitpid(child, &ended, 0), child);
    EXPECT_EQ(ended, 0);
    ::close(pipe[0]);
    ::close(pipe[1]);
    return status;
  }
  // in_new_thread_without_randomness is `call` on a thread that has drawn none before.
  static SECURITY_STATUS in_new_thread_without_randomness(
      const std::function<SECURITY_STATUS()>& call) {
    static const RAND_METHOD kNone = {.bytes = [](unsigned char*, int) { return 0; }};
    SECURITY_STATUS status = SEC_E_OK;
    RAND_set_rand_method(&kNone);
    std::thread([&] { status = call(); }).join();
    RAND_set_rand_method(RAND_OpenSSL());
    return status;
  }
  // bindings are those of some connection, which no client here has.
  static Octets bindings() {
    SEC_CHANNEL_BINDINGS head{};
    head.cbApplicationDataLength = 4;
    head.dwApplicationDataOffset = sizeof(head);
    Octets out(sizeof(head) + 4, 'x');
    std::memcpy(out.data(), &head, sizeof(head));
    return out;
  }
  // changed_mic puts a MIC of the client's form into the token's memory, and a wrong one; false if
  // it cannot.
  bool changed_mic() {
    if (make_signature(&signed_on, 0, 64) != SEC_E_OK) {
      return false;
    }
    message_token[2] = static_cast<std::uint8_t>(message_token[2] & ~1u);  // Not SentByAcceptor.
    return true;
  }

  void check(const std::vector<Row>& rows);
  std::vector<Row> credential_rows();
  std::vector<Row> added_rows();
  std::vector<Row> asked_credential_rows();
  std::vector<Row> context_rows();
  std::vector<Row> unserved_rows();
  std::vector<Row> message_rows();
  std::vector<Row> query_rows();
  std::vector<Row> packed_rows();
  std::vector<Row> user_rows();

  CtxtHandle half{};
  CtxtHandle signed_on{};
  CtxtHandle plain{};  // Without protection of messages.
  CtxtHandle gone{};
  CredHandle no_credential = no_handle();
  SECURITY_STATUS unanswered = SEC_E_OK;
  USHER_ACCEPTOR with = acceptor();
  USHER_ACCEPTOR keytab_only = files(keytab.c_str());
  USHER_ACCEPTOR missing_only = files("/nonexistent/keytab");
  Octets message_token = Octets(64);
  Octets message_data = Octets(8);
  std::array<SecBuffer, 2> data_buffers{};
  SecBufferDesc data_desc{};
};

}  // namespace
}  // namespace usher::testing
