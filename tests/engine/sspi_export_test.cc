// ExportSecurityContext and ImportSecurityContext: what was packed goes on as the original, once;
// nothing that was changed, cut or is too late does; and everything that can be wrong with a call
// is refused and loses nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <functional>
#include <iterator>
#include <thread>
#include <vector>

#include "tests/engine/context_answers.h"
#include "tools/mint/cred_mint.h"
#include "tools/mint/dce_mint.h"

namespace usher::testing {
namespace {

constexpr std::uint32_t kDelete = SECPKG_CONTEXT_EXPORT_DELETE_OLD;
constexpr std::uint32_t kReset = SECPKG_CONTEXT_EXPORT_RESET_NEW;

class SspiExport : public SspiTest {
 protected:
  void TearDown() override { EXPECT_EQ(free_slots(), kTestSlots) << "a test has left a context"; }

  USHER_ACCEPTOR lax() const {
    USHER_ACCEPTOR out = acceptor();
    out.Policy = "kerberos.rc4=allow,kerberos.weaker-keys=allow,delegation=accept";
    return out;
  }
  // kerberos signs a client on whose session key is of `etype`.
  CtxtHandle kerberos(std::int32_t etype = 18, bool with_pac = false, bool in_spnego = true) {
    mint::TicketFields fields;
    fields.auth_time = unix_now() - 60;
    fields.end_time = unix_now() + 3600;
    fields.session_etype = etype;
    if (with_pac) {
      mint::add_pac(*realm.kit, *realm.random, realm.service, realm.krbtgt, fields);
    }
    const Octets message = realm.ap_req(realm.mint.ticket(realm.service, fields)).message;
    return complete(
        accept(own.handle, in_spnego ? mint::spnego_token(message) : mint::gss_token(message)));
  }
  CtxtHandle delegating() {
    const mint::Principal alice = mint::Principal::of("alice@EXAMPLE.TEST");
    const mint::Ticket ticket = realm.ticket();
    mint::AuthenticatorFields fields;
    fields.context_flags |= std::uint32_t(gss::ContextFlags::kDelegate);
    fields.delegation =
        mint::krb_cred(realm.mint, ticket.session_etype, ticket.session_key,
                       mint::forwarded_tgt(realm.mint, alice, 1'795'000'000, 1'795'036'000));
    return complete(accept(own.handle, mint::gss_token(realm.ap_req(ticket, fields).message),
                           nullptr, ASC_REQ_DELEGATE));
  }
  CtxtHandle ntlm(bool in_spnego = false) {
    Called leg = accept(own.handle, in_spnego ? client.first_in_spnego() : client.first());
    return complete(accept(
        own.handle, in_spnego ? client.second_in_spnego(leg.reply) : client.second(leg.reply),
        &leg.context));
  }
  static CtxtHandle complete(const Called& leg) {
    EXPECT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
    return leg.context;
  }
  static void end(CtxtHandle context) { EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK); }

  // takes is what comes of an import; the context is deleted.
  static SECURITY_STATUS takes(const Octets& blob, const char* package = NEGOSSP_NAME_A) {
    const Unpacked unpacked = unpack(blob, package);
    if (unpacked.status == SEC_E_OK) {
      end(unpacked.context);
    }
    return unpacked.status;
  }

  std::string stored(const CtxtHandle& context, const char* name) const {
    const std::string path = (std::filesystem::path(keytab).parent_path() / name).string();
    CtxtHandle handle = context;
    EXPECT_EQ(usher_store_delegated(&handle, ("FILE:" + path).c_str()), SEC_E_OK)
        << usher_last_refusal();
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  OwnCredential own{lax()};
};

// Kind is a way to sign on.
struct Kind {
  const char* name;
  bool key_stream;
  const char* package;
  std::function<CtxtHandle()> sign_on;
};

class SspiExportOf : public SspiExport {
 protected:
  void each(const std::function<void(const Kind&, CtxtHandle)>& body) {
    const std::vector<Kind> kinds = {
        {"AES-256", false, "Kerberos", [&] { return kerberos(18); }},
        {"AES-128", false, "Kerberos", [&] { return kerberos(17); }},
        {"AES-128 with SHA-2", false, "Kerberos", [&] { return kerberos(19); }},
        {"AES-256 with SHA-2", false, "Kerberos", [&] { return kerberos(20); }},
        {"RC4", true, "Kerberos", [&] { return kerberos(23); }},
        {"bare", false, "Kerberos", [&] { return kerberos(18, false, false); }},
        {"with a PAC", false, "Kerberos", [&] { return kerberos(18, true); }},
        {"delegating", false, "Kerberos", [&] { return delegating(); }},
        {"NTLM", true, "NTLM", [&] { return ntlm(); }},
        {"NTLM in SPNEGO", true, "NTLM", [&] { return ntlm(true); }}};
    for (const Kind& kind : kinds) {
      SCOPED_TRACE(kind.name);
      body(kind, kind.sign_on());
    }
  }
};

TEST_F(SspiExportOf, ACopyAnswersAsTheOriginal) {
  each([&](const Kind& /*kind*/, CtxtHandle original) {
    const std::string answers = answers_of(original);
    const Packed packed = pack(original);
    ASSERT_EQ(packed.status, SEC_E_OK) << usher_last_refusal();
    const Unpacked copy = unpack(packed.blob);
    ASSERT_EQ(copy.status, SEC_E_OK) << usher_last_refusal();
    EXPECT_NE(copy.context.dwUpper == original.dwUpper && copy.context.dwLower == original.dwLower,
              true);
    EXPECT_EQ(answers_of(copy.context), answers);
    EXPECT_EQ(answers_of(original), answers) << "and the original goes on answering";
    end(original);
    EXPECT_EQ(answers_of(copy.context), answers) << "on its own";
    end(copy.context);
  });
}

TEST_F(SspiExportOf, TheOldOneIsDeletedIfSoAskedFor) {
  each([&](const Kind& /*kind*/, CtxtHandle original) {
    const std::string answers = answers_of(original);
    const Packed packed = pack(original, kDelete);
    ASSERT_EQ(packed.status, SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(DeleteSecurityContext(&original), SEC_E_INVALID_HANDLE);
    EXPECT_EQ(pack(original).status, SEC_E_INVALID_HANDLE);
    EXPECT_EQ(free_slots(), kTestSlots);
    const Unpacked copy = unpack(packed.blob);
    ASSERT_EQ(copy.status, SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(answers_of(copy.context), answers);
    end(copy.context);
  });
}

TEST_F(SspiExportOf, ACopyCanBePackedAgain) {
  each([&](const Kind& /*kind*/, CtxtHandle context) {
    const std::string answers = answers_of(context);
    for (int n = 0; n < 4; ++n) {
      const Packed packed = pack(context, kDelete | (n % 2 == 0 ? kReset : 0));
      ASSERT_EQ(packed.status, SEC_E_OK) << usher_last_refusal();
      const Unpacked copy = unpack(packed.blob);
      ASSERT_EQ(copy.status, SEC_E_OK) << usher_last_refusal();
      context = copy.context;
    }
    EXPECT_EQ(answers_of(context), answers);
    end(context);
  });
}

TEST_F(SspiExportOf, ItsPackageIsItsOwnOrNegotiate) {
  each([&](const Kind& kind, CtxtHandle original) {
    const bool is_ntlm = kind.package == std::string_view("NTLM");
    const Packed packed = pack(original, kDelete);
    ASSERT_EQ(packed.status, SEC_E_OK) << usher_last_refusal();
    for (const char* const wrong : {is_ntlm ? "Kerberos" : "NTLM", "", "Negotiat", "Schannel",
                                    static_cast<const char*>(nullptr)}) {
      EXPECT_EQ(takes(packed.blob, wrong), SEC_E_SECPKG_NOT_FOUND);
    }
    EXPECT_EQ(takes(packed.blob, is_ntlm ? "ntlm" : "KERBEROS"), SEC_E_OK) << "in any case";
  });
}

// A key stream must not be used twice, so of two copies one may go on: the new one.
TEST_F(SspiExportOf, AnOldCopyWithAKeyStreamIsPackedOnce) {
  each([&](const Kind& kind, CtxtHandle original) {
    const Packed first = pack(original);
    ASSERT_EQ(first.status, SEC_E_OK) << usher_last_refusal();
    const SECURITY_STATUS expected = kind.key_stream ? SEC_E_OUT_OF_SEQUENCE : SEC_E_OK;
    for (const std::uint32_t flags : {0u, kReset, kDelete}) {
      EXPECT_EQ(pack(original, flags).status, expected) << flags;
    }
    if (kind.key_stream) {
      end(original);
    }
    EXPECT_EQ(takes(first.blob), SEC_E_OK);
  });
}

TEST_F(SspiExport, DelegatedCredentialsComeAlong) {
  const CtxtHandle original = delegating();
  const std::string cache = stored(original, "original");
  EXPECT_GT(cache.size(), 100u);
  const Unpacked copy = unpack(pack(original, kDelete).blob);
  ASSERT_EQ(copy.status, SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(stored(copy.context, "copy"), cache);
  end(copy.context);
}

TEST_F(SspiExport, ACopyIsComplete) {
  const Unpacked copy = unpack(pack(ntlm(), kDelete).blob);
  ASSERT_EQ(copy.status, SEC_E_OK) << usher_last_refusal();
  CtxtHandle handle = copy.context;
  EXPECT_EQ(accept(own.handle, client.negotiate, &handle).status, SEC_E_OUT_OF_SEQUENCE);
  end(copy.context);
}

TEST_F(SspiExport, ItIsGoodOnce) {
  const CtxtHandle original = kerberos();
  const Packed packed = pack(original);
  EXPECT_EQ(takes(packed.blob), SEC_E_OK);
  EXPECT_EQ(takes(packed.blob), SEC_E_OUT_OF_SEQUENCE);
  EXPECT_EQ(takes(packed.blob), SEC_E_OUT_OF_SEQUENCE);
  EXPECT_EQ(takes(pack(original, kDelete).blob), SEC_E_OK) << "another packing is another one";
}

TEST_F(SspiExport, ItIsGoodOnceForManyThreads) {
  constexpr int kThreads = 4;
  for (int round = 0; round < 20; ++round) {
    const Packed packed = pack(kerberos(18, true), kDelete);
    std::atomic<int> taken{0};
    std::atomic<int> waiting{kThreads};
    std::vector<std::thread> threads;
    for (int n = 0; n < kThreads; ++n) {
      threads.emplace_back([&] {
        --waiting;
        while (waiting > 0) {
        }
        const SECURITY_STATUS status = takes(packed.blob);
        EXPECT_TRUE(status == SEC_E_OK || status == SEC_E_OUT_OF_SEQUENCE) << std::hex << status;
        taken += status == SEC_E_OK;
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    EXPECT_EQ(taken, 1);
  }
}

TEST_F(SspiExport, ThreadsThatPackOneContextAreServed) {
  const CtxtHandle context = kerberos(18, true);
  std::atomic<int> packed{0};
  std::vector<std::thread> threads;
  for (int n = 0; n < 3; ++n) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        packed += pack(context).status == SEC_E_OK;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(packed, 3 * 50);
  end(context);
}

TEST_F(SspiExport, EveryBitCounts) {
  const Octets blob = pack(ntlm(), kDelete).blob;
  for (std::size_t bit = 0; bit < 8 * blob.size(); ++bit) {
    Octets changed = blob;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    // Magic, version and size say that it is none before anything is opened.
    ASSERT_EQ(takes(changed), bit < 128 ? SEC_E_INVALID_TOKEN : SEC_E_MESSAGE_ALTERED) << bit;
  }
  EXPECT_EQ(takes(blob), SEC_E_OK) << "none of which has used it up";
}

TEST_F(SspiExport, EveryByteCounts) {
  const Octets blob = pack(kerberos(18, true), kDelete).blob;
  for (std::size_t size = 0; size < blob.size(); ++size) {
    ASSERT_EQ(takes(Octets(blob.begin(), blob.begin() + std::ptrdiff_t(size))), SEC_E_INVALID_TOKEN)
        << size;
  }
  Octets longer = blob;
  longer.push_back(0);
  EXPECT_EQ(takes(longer), SEC_E_INVALID_TOKEN);
  EXPECT_EQ(takes(blob), SEC_E_OK);
}

TEST_F(SspiExport, AnotherVersionIsAnotherVersion) {
  Octets blob = pack(kerberos(), kDelete).blob;
  blob[8] += 1;
  EXPECT_EQ(takes(blob), SEC_E_INVALID_TOKEN);
  EXPECT_NE(std::string_view(usher_last_refusal()).find("another version"), std::string_view::npos);
  blob[8] -= 1;
  EXPECT_EQ(takes(blob), SEC_E_OK);
}

TEST_F(SspiExport, SizesThatAreNoneAreRefused) {
  Octets blob = pack(kerberos(), kDelete).blob;
  const auto size = static_cast<std::uint32_t>(blob.size());
  CtxtHandle context = no_handle();
  const auto takes_size = [&](std::uint32_t claimed, void* memory) {
    SecBuffer buffer{claimed, SECBUFFER_TOKEN, memory};
    return ImportSecurityContextA(NEGOSSP_NAME_A, &buffer, nullptr, &context);
  };
  // Memory behind the blob is not looked at: there is none.
  for (const std::uint32_t claimed :
       {0u, 1u, size - 1, std::uint32_t{USHER_PACKED_CONTEXT_SIZE_MAX} + 1, 0x80000000u,
        0xffffffffu}) {
    EXPECT_EQ(takes_size(claimed, blob.data()), SEC_E_INVALID_TOKEN) << claimed;
  }
  for (const std::uint32_t claimed : {0u, 1u, size, 0x80000000u, 0xffffffffu}) {
    EXPECT_EQ(takes_size(claimed, nullptr), SEC_E_INVALID_TOKEN) << claimed;
  }
  EXPECT_FALSE(SecIsValidHandle(&context));
  EXPECT_EQ(takes_size(size, blob.data()), SEC_E_OK);
  end(context);
}

TEST_F(SspiExport, NothingMayBeMissing) {
  CtxtHandle original = kerberos();
  SecBuffer buffer{};
  EXPECT_EQ(ExportSecurityContext(&original, 0, nullptr, nullptr), SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(ExportSecurityContext(nullptr, 0, &buffer, nullptr), SEC_E_INVALID_HANDLE);
  ASSERT_EQ(ExportSecurityContext(&original, kDelete, &buffer, nullptr), SEC_E_OK)
      << "who wants no token need not say where to";

  CtxtHandle context = no_handle();
  const auto import = [&](const char* package, PSecBuffer packed, void* token, CtxtHandle* out) {
    return ImportSecurityContextA(package, packed, token, out);
  };
  EXPECT_EQ(import(nullptr, &buffer, nullptr, &context), SEC_E_SECPKG_NOT_FOUND);
  EXPECT_EQ(import(NEGOSSP_NAME_A, nullptr, nullptr, &context), SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(import(NEGOSSP_NAME_A, &buffer, nullptr, nullptr), SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(import(NEGOSSP_NAME_A, &buffer, &context, &context), SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(ImportSecurityContextW(nullptr, &buffer, nullptr, &context), SEC_E_SECPKG_NOT_FOUND);
  EXPECT_FALSE(SecIsValidHandle(&context));
  buffer.BufferType = SECBUFFER_EMPTY;  // As Microsoft's page has it.
  EXPECT_EQ(ImportSecurityContextW(u"nEGOTIATE", &buffer, nullptr, &context), SEC_E_OK);
  end(context);
  EXPECT_EQ(FreeContextBuffer(buffer.pvBuffer), SEC_E_OK);
}

TEST_F(SspiExport, FlagsThatAreNoneAreRefused) {
  const CtxtHandle context = kerberos();
  for (std::uint32_t bit = 8; bit != 0; bit <<= 1) {
    EXPECT_EQ(pack(context, bit | kDelete).status, SEC_E_INVALID_PARAMETER) << bit;
  }
  EXPECT_EQ(pack(context, SECPKG_CONTEXT_EXPORT_TO_KERNEL | kDelete).status,
            SEC_E_UNSUPPORTED_FUNCTION);
  EXPECT_EQ(takes(pack(context, kDelete | kReset).blob), SEC_E_OK) << "it was not deleted by those";
}

TEST_F(SspiExport, OnlyACompleteContextIsPacked) {
  Called half = open_half();
  for (const std::uint32_t flags : {0u, kReset, kDelete}) {
    EXPECT_EQ(pack(half.context, flags).status, SEC_E_OUT_OF_SEQUENCE) << flags;
  }
  Called whole = accept(credential.handle, client.second(half.reply), &half.context);
  ASSERT_EQ(whole.status, SEC_E_OK) << "and it goes on";
  EXPECT_EQ(takes(pack(whole.context, kDelete).blob), SEC_E_OK);

  Called hint = accept(credential.handle, {});
  ASSERT_EQ(hint.status, SEC_I_CONTINUE_NEEDED) << usher_last_refusal();
  EXPECT_EQ(pack(hint.context, kDelete).status, SEC_E_OUT_OF_SEQUENCE);
  end(hint.context);
}

TEST_F(SspiExport, AHandleThatNamesNoContextIsRefused) {
  const CtxtHandle live = kerberos();
  Called failed = open_half();
  const CtxtHandle was = failed.context;
  EXPECT_LT(accept(credential.handle, Octets(40, 1), &failed.context).status, 0);
  CtxtHandle deleted = kerberos();
  end(deleted);
  CtxtHandle next = live;
  next.dwUpper += 1;
  CtxtHandle other = live;
  other.dwLower ^= 1;
  for (const CtxtHandle& handle :
       {was, deleted, next, other, no_handle(), CtxtHandle{0, 0}, CtxtHandle{~0ul, 1},
        CtxtHandle{credential.handle.dwLower, credential.handle.dwUpper}}) {
    EXPECT_EQ(pack(handle, kDelete).status, SEC_E_INVALID_HANDLE);
  }
  EXPECT_EQ(takes(pack(live, kDelete).blob), SEC_E_OK);
}

TEST_F(SspiExport, WhereThereIsNoRoomItIsGoodLater) {
  const Packed packed = pack(kerberos(18, true), kDelete);
  std::vector<CtxtHandle> all;
  for (std::uint32_t n = 0; n < kTestSlots; ++n) {
    all.push_back(kerberos());
  }
  EXPECT_EQ(takes(packed.blob), SEC_E_INSUFFICIENT_MEMORY);
  EXPECT_EQ(takes(packed.blob), SEC_E_INSUFFICIENT_MEMORY);
  end(all.back());
  all.pop_back();
  EXPECT_EQ(takes(packed.blob), SEC_E_OK);
  EXPECT_EQ(takes(packed.blob), SEC_E_OUT_OF_SEQUENCE);
  for (const CtxtHandle& handle : all) {
    end(handle);
  }
}

}  // namespace
}  // namespace usher::testing
