// Promise (attack F6): a call that runs out of memory, wherever on its way that is, is refused with
// words, changes nothing, loses nothing, and leaves no secret in memory that it gave back.
#include <malloc.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <new>

#include "tests/engine/sspi_caller.h"
#include "tools/mint/cred_mint.h"

namespace usher::testing {
namespace {

constexpr std::string_view kPassword = "Al1ce-Passw0rd";

// What this thread's calls of operator new and of OpenSSL's allocator do while `armed`.
thread_local bool armed = false;
thread_local long until_failure = 0;  // So many succeed first.
thread_local bool failed = false;
thread_local bool secret_given_back = false;
std::atomic<long> live{0};  // Of operator new, all threads.

bool fails_now() {
  if (!armed || until_failure-- > 0) {
    return false;
  }
  failed = true;
  armed = false;  // Once: whatever is done about it may succeed.
  return true;
}

void* take(std::size_t size, std::size_t alignment = alignof(std::max_align_t)) {
  const std::size_t whole =
      (std::max(size, std::size_t{1}) + alignment - 1) / alignment * alignment;
  void* const memory = fails_now() ? nullptr : std::aligned_alloc(alignment, whole);
  live += memory != nullptr ? 1 : 0;
  return memory;
}

// holds_password looks at all of a block. Not AddressSanitizer: it guards the number that stands
// before an array's elements.
[[gnu::no_sanitize_address]] bool holds_password(const char* block, std::size_t size) noexcept {
  const char* const password = kPassword.data();
  for (std::size_t at = 0; at + kPassword.size() <= size; ++at) {
    std::size_t same = 0;
    while (same < kPassword.size() && block[at + same] == password[same]) {
      ++same;
    }
    if (same == kPassword.size()) {
      return true;
    }
  }
  return false;
}

void give(void* memory) noexcept {
  if (memory == nullptr) {
    return;
  }
  --live;
  secret_given_back = secret_given_back || holds_password(static_cast<const char*>(memory),
                                                          ::malloc_usable_size(memory));
  std::free(memory);
}

void* openssl_malloc(std::size_t size, const char* /*file*/, int /*line*/) {
  return fails_now() ? nullptr : std::malloc(size);
}
void* openssl_realloc(void* memory, std::size_t size, const char* /*file*/, int /*line*/) {
  return fails_now() ? nullptr : std::realloc(memory, size);
}
void openssl_free(void* memory, const char* /*file*/, int /*line*/) { std::free(memory); }

// Before anything asks OpenSSL for memory.
const int openssl_asks_us = CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free);

}  // namespace
}  // namespace usher::testing

#include "tests/replaced_new.h"  // Behind what it calls.

namespace usher::testing {
namespace {

// MemoryFailure fails one allocation after the other, until a call gets through with all it needs.
class MemoryFailure : public SspiTest {
 protected:
  // fail_each calls `call`, and `undo` whenever it worked; `see` must hold after every failure.
  // Returns how many allocations it needs.
  long fail_each(
      const std::function<SECURITY_STATUS()>& call, const std::function<void()>& undo,
      const std::function<void()>& see = [] {}) {
    EXPECT_EQ(call(), SEC_E_OK) << usher_last_refusal();  // What is made only once is there now.
    undo();
    const std::size_t files = count_of("/proc/self/fd");
    const std::size_t entries = count_of(std::filesystem::path(keytab).parent_path());
    for (long n = 0;; ++n) {
      const long before = live;
      secret_given_back = failed = false;
      until_failure = n;
      armed = true;
      const SECURITY_STATUS status = call();
      armed = false;
      const char* const why = usher_last_refusal();
      EXPECT_FALSE(secret_given_back) << "allocation " << n;
      if (status == SEC_E_OK) {
        undo();
      }
      EXPECT_EQ(live, before) << "allocation " << n << ": " << why;
      if (status != SEC_E_OK) {
        EXPECT_TRUE(failed) << why;
        EXPECT_STRNE(why, "") << "allocation " << n;
        EXPECT_TRUE(status == SEC_E_INSUFFICIENT_MEMORY || status == SEC_E_NO_CREDENTIALS ||
                    status == SEC_E_INTERNAL_ERROR)
            << std::hex << status << ": " << why;
      }
      EXPECT_EQ(count_of("/proc/self/fd"), files) << "allocation " << n;
      EXPECT_EQ(count_of(std::filesystem::path(keytab).parent_path()), entries)
          << "allocation " << n;
      see();
      if (!failed) {
        EXPECT_EQ(status, SEC_E_OK) << why;
        return n;
      }
    }
  }

  static std::size_t count_of(const std::filesystem::path& folder) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
  }

  // expect_sign_ons uses both kinds of keys that `credential` has.
  void expect_sign_ons() {
    Called kerberos = accept(credential.handle, kerberos_token());
    EXPECT_EQ(kerberos.status, SEC_E_OK) << usher_last_refusal();
    DeleteSecurityContext(&kerberos.context);
    Called first = open_half();
    ASSERT_EQ(first.status, SEC_I_CONTINUE_NEEDED) << usher_last_refusal();
    Called second = accept(credential.handle, client.second(first.reply), &first.context);
    EXPECT_EQ(second.status, SEC_E_OK) << usher_last_refusal();
    DeleteSecurityContext(&first.context);
  }

  // ntlm_context signs a client on and makes a message, so that there is a Session.
  CtxtHandle ntlm_context() {
    Called first = open_half();
    const Called second = accept(credential.handle, client.second(first.reply), &first.context);
    EXPECT_EQ(second.status, SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(sign(second.context), SEC_E_OK) << usher_last_refusal();
    return second.context;
  }
  // sign makes a message.
  static SECURITY_STATUS sign(CtxtHandle context) {
    std::array<std::uint8_t, 16> token{};
    std::array<std::uint8_t, 4> data{};
    std::array buffers = {SecBuffer{data.size(), SECBUFFER_DATA, data.data()},
                          SecBuffer{token.size(), SECBUFFER_TOKEN, token.data()}};
    SecBufferDesc message{SECBUFFER_VERSION, buffers.size(), buffers.data()};
    return MakeSignature(&context, 0, &message, 0);
  }

  USHER_ACCEPTOR whole_acceptor() const {
    USHER_ACCEPTOR out = acceptor();
    out.KdcKeytab = kdc_keytab.c_str();
    out.PackageList = "kerberos,ntlm,!pku2u";
    out.Policy = "pac=require,kerberos.skew=200";
    out.DnsComputer = "a-name-longer-than-a-string-holds.example.test";
    return out;
  }

  std::string kdc_keytab = folder.write("krbtgt.keytab", mint::keytab_image({&realm.krbtgt, 1}));
};

TEST_F(MemoryFailure, IsNoticedHere) {
  ASSERT_EQ(openssl_asks_us, 1);
  until_failure = 0;
  armed = true;
  EXPECT_EQ(::operator new(1, std::nothrow), nullptr);
  EXPECT_TRUE(failed);
  void* const secret = ::operator new(64);
  std::ranges::copy(kPassword, static_cast<char*>(secret));
  secret_given_back = false;
  ::operator delete(secret);
  EXPECT_TRUE(secret_given_back);
}

TEST_F(MemoryFailure, OfAcquireCredentialsHandleTakesNoHandle) {
  USHER_ACCEPTOR data = whole_acceptor();
  CredHandle handle = no_handle();
  const long needed = fail_each(
      [&] {
        return AcquireCredentialsHandleA("HTTP/web.example.test@EXAMPLE.TEST", NEGOSSP_NAME_A,
                                         SECPKG_CRED_INBOUND, nullptr, &data, nullptr, nullptr,
                                         &handle, nullptr);
      },
      [&] { EXPECT_EQ(FreeCredentialsHandle(&handle), SEC_E_OK); });
  EXPECT_GT(needed, 50);
}

TEST_F(MemoryFailure, OfAcquireCredentialsHandleWTakesNoHandle) {
  const std::u16string principal = u"HTTP/web.example.test@EXAMPLE.TEST";
  const std::u16string package = u"Kerberos";
  USHER_ACCEPTOR data = whole_acceptor();
  CredHandle handle = no_handle();
  fail_each(
      [&] {
        return AcquireCredentialsHandleW(reinterpret_cast<const SEC_WCHAR*>(principal.c_str()),
                                         reinterpret_cast<const SEC_WCHAR*>(package.c_str()),
                                         SECPKG_CRED_INBOUND, nullptr, &data, nullptr, nullptr,
                                         &handle, nullptr);
      },
      [&] { EXPECT_EQ(FreeCredentialsHandle(&handle), SEC_E_OK); });
}

TEST_F(MemoryFailure, OfAReloadLeavesTheKeysThatWereThere) {
  fail_each([&] { return usher_reload(&credential.handle); }, [] {}, [&] { expect_sign_ons(); });
  folder.write("service.keytab", "no keytab");
  EXPECT_NE(usher_reload(&credential.handle), SEC_E_OK);
  expect_sign_ons();
}

// No keytab named, and accounts to serve without: memory that is missing is no missing keytab.
TEST_F(MemoryFailure, OfAnOptionalKeytabIsNotTakenForItsAbsence) {
  ASSERT_EQ(::setenv("KRB5_KTNAME", keytab.c_str(), 1), 0);
  USHER_ACCEPTOR data = acceptor();
  data.Keytab = nullptr;
  CredHandle handle = no_handle();
  fail_each(
      [&] {
        return AcquireCredentialsHandleA(nullptr, NEGOSSP_NAME_A, SECPKG_CRED_INBOUND, nullptr,
                                         &data, nullptr, nullptr, &handle, nullptr);
      },
      [&] {
        Called called = accept(handle, kerberos_token());
        EXPECT_EQ(called.status, SEC_E_OK) << "Kerberos is served: " << usher_last_refusal();
        DeleteSecurityContext(&called.context);
        EXPECT_EQ(FreeCredentialsHandle(&handle), SEC_E_OK);
      });
  ::unsetenv("KRB5_KTNAME");
}

// One who delegates a ticket, and about whom a PAC says who he is.
TEST_F(MemoryFailure, OfQueriesAndStoresLeavesTheContext) {
  USHER_ACCEPTOR data = acceptor();
  data.Policy = "delegation=accept";
  OwnCredential own(data);
  mint::TicketFields fields;
  fields.client = mint::Principal::of("a-name-longer-than-a-string-holds@EXAMPLE.TEST");
  fields.auth_time = unix_now() - 60;
  fields.end_time = unix_now() + 3600;
  mint::PacFields about;
  about.client_name = "a-name-longer-than-a-string-holds";
  mint::add_pac(*realm.kit, *realm.random, realm.service, realm.krbtgt, fields, about);
  const mint::Ticket ticket = realm.mint.ticket(realm.service, fields);
  mint::AuthenticatorFields authenticator;
  authenticator.context_flags |= std::uint32_t(gss::ContextFlags::kDelegate);
  authenticator.delegation = mint::krb_cred(
      realm.mint, ticket.session_etype, ticket.session_key,
      mint::forwarded_tgt(realm.mint, fields.client, fields.auth_time, fields.end_time));
  Called leg = accept(own.handle, mint::gss_token(realm.ap_req(ticket, authenticator).message),
                      nullptr, ASC_REQ_DELEGATE);
  ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();

  PUSHER_IDENTITY identity = nullptr;
  EXPECT_GT(fail_each([&] { return usher_query_identity(&leg.context, &identity); },
                      [&] { EXPECT_EQ(FreeContextBuffer(identity), SEC_E_OK); }),
            0);
  const std::string path = keytab + "-cache";
  const std::string name = "FILE:" + path;
  EXPECT_GT(fail_each([&] { return usher_store_delegated(&leg.context, name.c_str()); },
                      [&] { EXPECT_TRUE(std::filesystem::remove(path)); }),
            5);
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
}

// A context of NTLM, whose old copy is stopped when it is packed.
TEST_F(MemoryFailure, OfPackingLeavesTheContext) {
  SecBuffer packed{};
  CtxtHandle context = ntlm_context();
  EXPECT_GT(fail_each([&] { return ExportSecurityContext(&context, 0, &packed, nullptr); },
                      [&] {
                        EXPECT_EQ(sign(context), SEC_E_OUT_OF_SEQUENCE) << "it is stopped";
                        EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
                        EXPECT_EQ(FreeContextBuffer(packed.pvBuffer), SEC_E_OK);
                        context = ntlm_context();
                      },
                      [&] { EXPECT_EQ(sign(context), SEC_E_OK) << "it is not, after a refusal"; }),
            2);
  EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
}

TEST_F(MemoryFailure, OfUnpackingDoesNotUseUpWhatWasPacked) {
  // OpenSSL can do without some of what it asks for: each of those calls gets through.
  std::array<SecBuffer, 64> packed{};
  for (SecBuffer& one : packed) {
    CtxtHandle context = ntlm_context();
    ASSERT_EQ(ExportSecurityContext(&context, SECPKG_CONTEXT_EXPORT_DELETE_OLD, &one, nullptr),
              SEC_E_OK);
  }
  std::size_t n = 0;
  CtxtHandle context = no_handle();
  EXPECT_GT(fail_each(
                [&] {
                  const SECURITY_STATUS status =
                      ImportSecurityContextA(NEGOSSP_NAME_A, &packed.at(n), nullptr, &context);
                  n += status == SEC_E_OK ? 1 : 0;
                  return status;
                },
                [&] {
                  EXPECT_EQ(sign(context), SEC_E_OK) << usher_last_refusal();
                  EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
                }),
            5);
  for (const SecBuffer& one : packed) {
    EXPECT_EQ(FreeContextBuffer(one.pvBuffer), SEC_E_OK);
  }
}

TEST_F(MemoryFailure, LeavesTheAcceptPathAlone) {
  Called first = accept(credential.handle, kerberos_token());  // This thread's desk is made once.
  EXPECT_EQ(first.status, SEC_E_OK) << usher_last_refusal();
  DeleteSecurityContext(&first.context);
  Octets token = kerberos_token();
  until_failure = 0;
  failed = false;
  armed = true;
  std::array<std::uint8_t, 4096> room{};
  SecBuffer in{static_cast<std::uint32_t>(token.size()), SECBUFFER_TOKEN, token.data()};
  SecBuffer out{static_cast<std::uint32_t>(room.size()), SECBUFFER_TOKEN, room.data()};
  SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
  SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
  CtxtHandle context = no_handle();
  std::uint32_t attributes = 0;
  TimeStamp expiry{};
  const SECURITY_STATUS status =
      AcceptSecurityContext(&credential.handle, nullptr, &input, 0, SECURITY_NATIVE_DREP, &context,
                            &output, &attributes, &expiry);
  armed = false;
  EXPECT_EQ(status, SEC_E_OK) << usher_last_refusal();
  EXPECT_FALSE(failed) << "it takes none";
  DeleteSecurityContext(&context);
}

}  // namespace
}  // namespace usher::testing
