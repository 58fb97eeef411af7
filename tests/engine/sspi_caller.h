// What tests of libusher's C ABI share: a service with a keytab and accounts, its clients, and one
// call of AcceptSecurityContext as a value.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <usher/acceptor.h>
#include <usher/sspi.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "engine/crypto/kit.h"
#include "tools/mint/kerberos_mint.h"
#include "tools/mint/ntlm_mint.h"
#include "tools/mint/pac_mint.h"
#include "tools/mint/spnego_mint.h"

namespace usher::testing {

using mint::Octets;

// Folder is a private directory that goes away with the test.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "usher-sspi-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }

  // write replaces a file that only its owner may read, and returns its path.
  std::string write(std::string_view name, Bytes bytes) const {
    const std::string path = (path_ / name).string();
    std::ofstream(path, std::ios::binary | std::ios::trunc)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    ::chmod(path.c_str(), 0600);
    return path;
  }
  std::string write(std::string_view name, std::string_view text) const {
    return write(name, mint::octets_of(text));
  }

 private:
  std::filesystem::path path_;
};

inline std::int64_t unix_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

inline constexpr std::string_view kAccounts = "EXAMPLE:alice:Al1ce-Passw0rd\n";

// Realm is a KDC's and a client's knowledge together.
class Realm {
 public:
  Realm() : kit(crypto::Kit::make()), random(make_system_random()), mint(*kit, *random) {
    service = mint::make_service(*random, "HTTP/web.example.test@EXAMPLE.TEST");
    krbtgt = mint::make_service(*random, "krbtgt/EXAMPLE.TEST@EXAMPLE.TEST");
  }

  mint::Ticket ticket(const mint::Service& of, std::int64_t lifetime_s = 3600) const {
    mint::TicketFields fields;
    fields.auth_time = unix_now() - 60;
    fields.end_time = unix_now() + lifetime_s;
    return mint.ticket(of, fields);
  }
  mint::Ticket ticket() const { return ticket(service); }

  // ap_req never repeats: the microseconds count up.
  mint::ApReq ap_req(const mint::Ticket& with, mint::AuthenticatorFields fields = {}) {
    fields.ctime = unix_now();
    fields.cusec = cusec_++ % 1'000'000;
    return mint.ap_req(with, fields);
  }

  std::unique_ptr<crypto::Kit> kit;
  std::unique_ptr<RandomSource> random;
  mint::KerberosMint mint;
  mint::Service service;
  mint::Service krbtgt;  // Signs PACs.

 private:
  std::uint32_t cusec_ = 0;
};

// OwnCredential is a CredHandle that is freed in the end.
class OwnCredential {
 public:
  explicit OwnCredential(USHER_ACCEPTOR acceptor, const char* package = NEGOSSP_NAME_A) {
    acceptor.Version = USHER_ACCEPTOR_VERSION;
    acceptor.Size = sizeof(acceptor);
    status = AcquireCredentialsHandleA(nullptr, package, SECPKG_CRED_INBOUND, nullptr, &acceptor,
                                       nullptr, nullptr, &handle, nullptr);
  }
  OwnCredential(const OwnCredential&) = delete;
  OwnCredential& operator=(const OwnCredential&) = delete;
  ~OwnCredential() { FreeCredentialsHandle(&handle); }

  SECURITY_STATUS status = SEC_E_OK;
  CredHandle handle{};
};

// Called is what one AcceptSecurityContext gave back.
struct Called {
  SECURITY_STATUS status = SEC_E_OK;
  CtxtHandle context{};
  Octets reply;
  std::uint32_t attributes = 0;
  TimeStamp expiry{};
};

inline CtxtHandle no_handle() {
  CtxtHandle handle;
  SecInvalidateHandle(&handle);
  return handle;
}

// accept passes one token; `given` null for the first of an exchange.
inline Called accept(CredHandle& credential, Bytes token, CtxtHandle* given = nullptr,
                     std::uint32_t request = 0) {
  Octets copy = mint::octets_of(token);
  Octets room(48000);
  SecBuffer in{static_cast<std::uint32_t>(copy.size()), SECBUFFER_TOKEN, copy.data()};
  SecBuffer out{static_cast<std::uint32_t>(room.size()), SECBUFFER_TOKEN, room.data()};
  SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
  SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
  Called called;
  called.context = no_handle();
  called.status =
      AcceptSecurityContext(&credential, given, &input, request, SECURITY_NATIVE_DREP,
                            &called.context, &output, &called.attributes, &called.expiry);
  if (out.cbBuffer > 0) {
    const auto* const bytes = static_cast<const std::uint8_t*>(out.pvBuffer);
    called.reply.assign(bytes, bytes + out.cbBuffer);
    if ((request & ASC_REQ_ALLOCATE_MEMORY) != 0) {
      FreeContextBuffer(out.pvBuffer);
    }
  }
  return called;
}

// NtlmClient is a client's side of one NTLM exchange, bare or inside SPNEGO.
struct NtlmClient {
  explicit NtlmClient(Realm& realm) : kit(*realm.kit) {}
  Octets first() const { return negotiate; }
  Octets second(Bytes challenge) const {
    return mint::ntlm_authenticate(kit, negotiate, challenge, fields).message;
  }
  Octets first_in_spnego() const { return mint::optimistic({gss::Mechanism::kNtlm}, negotiate); }
  // An AUTHENTICATE with a MIC goes with a mechListMIC (MS-SPNG 3.2.5).
  Octets second_in_spnego(Bytes reply) const {
    const mint::Authenticated authenticated = mint::ntlm_authenticate(
        kit, negotiate, mint::read_neg_token_resp(reply).response_token.value(), fields);
    mint::NegTokenRespFields resp;
    resp.response_token = authenticated.message;
    resp.mech_list_mic =
        mint::ntlm_mech_list_mic(kit, authenticated, mint::mech_type_list({gss::Mechanism::kNtlm}));
    return mint::neg_token_resp(resp);
  }

  crypto::Kit& kit;
  Octets negotiate = mint::ntlm_negotiate({});
  mint::AuthenticateFields fields;
};

// test_zone is where the tests are, whatever the machine says; for static initialisers to change.
inline const char* test_zone = "UTC0";

// StartedEngine starts the engine with few slots, once a process, so that a context left behind is
// missed soon.
inline constexpr std::uint32_t kTestSlots = 8;
inline constexpr std::uint32_t kTestAsyncContexts = 64;
inline constexpr std::uint32_t kTestAsyncQueue = 16;
struct StartedEngine {
  StartedEngine() {
    static const SECURITY_STATUS started = start();
    EXPECT_EQ(started, SEC_E_OK);
  }
  static SECURITY_STATUS start() {
    ::setenv("TZ", test_zone, 1);
    const USHER_OPTIONS options{.Version = USHER_OPTIONS_VERSION,
                                .Size = sizeof(USHER_OPTIONS),
                                .SlotCount = kTestSlots,
                                .HalfOpenSeconds = 60,
                                .ReplayEntries = 4096,
                                .ClockSkewSecondsMax = 900,
                                .AsyncWorkers = 1,
                                .AsyncContexts = kTestAsyncContexts,
                                .AsyncQueue = kTestAsyncQueue};
    return usher_start(&options);
  }
};

// SspiTest is a service that both mechanisms are served for.
class SspiTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(credential.status, SEC_E_OK) << usher_last_refusal(); }

  USHER_ACCEPTOR acceptor() const {
    USHER_ACCEPTOR out{};
    out.Version = USHER_ACCEPTOR_VERSION;
    out.Size = sizeof(out);
    out.Keytab = keytab.c_str();
    out.Accounts = accounts.c_str();
    return out;
  }

  Octets kerberos_token() { return mint::spnego_token(realm.ap_req(realm.ticket()).message); }

  // open_half opens an NTLM exchange and leaves it there; Called::reply is the CHALLENGE.
  Called open_half() { return accept(credential.handle, client.first()); }

  // free_slots counts how many contexts can still be opened; it leaves none behind.
  std::uint32_t free_slots() {
    std::uint32_t count = 0;
    std::vector<CtxtHandle> opened;
    for (Called leg = open_half(); leg.status == SEC_I_CONTINUE_NEEDED; leg = open_half()) {
      opened.push_back(leg.context);
      ++count;
    }
    for (CtxtHandle& handle : opened) {
      EXPECT_EQ(DeleteSecurityContext(&handle), SEC_E_OK);
    }
    return count;
  }

  StartedEngine engine;
  Folder folder;
  Realm realm;
  std::string keytab = folder.write("service.keytab", mint::keytab_image({&realm.service, 1}));
  std::string accounts = folder.write("accounts", kAccounts);
  OwnCredential credential{acceptor()};
  NtlmClient client{realm};
};

}  // namespace usher::testing
