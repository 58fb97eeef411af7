// Packed contexts between processes: those that share a key file take each other's, those that
// share a replay file take one once between them, and usher_start refuses keys that are none. Each
// engine is a process of its own here; the test's has none.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include "tests/engine/context_answers.h"
#include "tests/in_child.h"

namespace usher::testing {
namespace {

class SspiExportProcess : public ::testing::Test {
 protected:
  struct Files {
    std::string key{};
    std::string replays{};
  };
  // options point into `files`.
  static USHER_OPTIONS options(const Files& files) {
    return {.Version = USHER_OPTIONS_VERSION,
            .Size = sizeof(USHER_OPTIONS),
            .SlotCount = kTestSlots,
            .ReplayEntries = 4096,
            .ReplayFile = files.replays.c_str(),
            .ContextKeyFile = files.key.c_str()};
  }
  // in_engine runs `body` in a process with an engine.
  static void in_engine(const Files& files, const std::function<void()>& body) {
    in_child([&] {
      const USHER_OPTIONS wanted = options(files);
      ASSERT_EQ(usher_start(&wanted), SEC_E_OK) << usher_last_refusal();
      body();
    });
  }

  std::string path(const char* name) const {
    return (std::filesystem::path(keytab).parent_path() / name).string();
  }
  static Octets contents(const std::string& of) {
    std::ifstream file(of, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  // pack_into signs a client on and packs it, with what the original answers beside it.
  void pack_into(const char* name, bool with_ntlm = false) {
    USHER_ACCEPTOR acceptor{};
    acceptor.Keytab = keytab.c_str();
    acceptor.Accounts = accounts.c_str();
    OwnCredential credential(acceptor);
    ASSERT_EQ(credential.status, SEC_E_OK) << usher_last_refusal();
    NtlmClient client(realm);
    Called leg =
        with_ntlm ? accept(credential.handle, client.first()) : accept(credential.handle, token);
    if (with_ntlm) {
      leg = accept(credential.handle, client.second(leg.reply), &leg.context);
    }
    ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
    folder.write(std::string(name) + ".answers", answers_of(leg.context));
    const Packed packed = pack(leg.context, SECPKG_CONTEXT_EXPORT_DELETE_OLD);
    ASSERT_EQ(packed.status, SEC_E_OK) << usher_last_refusal();
    folder.write(name, packed.blob);
  }
  // take imports what was packed, and it must be the original.
  SECURITY_STATUS take(const char* name) {
    Unpacked unpacked = unpack(contents(path(name)));
    if (unpacked.status == SEC_E_OK) {
      EXPECT_EQ(mint::octets_of(answers_of(unpacked.context)),
                contents(path((std::string(name) + ".answers").c_str())));
      EXPECT_EQ(DeleteSecurityContext(&unpacked.context), SEC_E_OK);
    }
    return unpacked.status;
  }

  Folder folder;
  Realm realm;
  std::string keytab = folder.write("service.keytab", mint::keytab_image({&realm.service, 1}));
  std::string accounts = folder.write("accounts", kAccounts);
  std::string key = folder.write("key", Octets(32, 0x17));
  std::string other_key = folder.write("other-key", Octets(32, 0x18));
  Octets token = [this] {
    mint::TicketFields fields;
    fields.auth_time = unix_now() - 60;
    fields.end_time = unix_now() + 3600;
    mint::add_pac(*realm.kit, *realm.random, realm.service, realm.krbtgt, fields);
    return mint::spnego_token(realm.ap_req(realm.mint.ticket(realm.service, fields)).message);
  }();
};

TEST_F(SspiExportProcess, ThoseWithOneKeyFileTakeEachOthers) {
  in_engine({.key = key, .replays = path("replays")}, [&] { pack_into("packed"); });
  in_engine({.key = key, .replays = path("replays")},
            [&] { pack_into("packed-ntlm", /*with_ntlm=*/true); });
  in_engine({.key = key, .replays = path("replays")}, [&] {
    EXPECT_EQ(take("packed"), SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(take("packed-ntlm"), SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(take("packed"), SEC_E_OUT_OF_SEQUENCE);
  });
}

TEST_F(SspiExportProcess, ThoseWithAnotherKeyDoNot) {
  in_engine({.key = key, .replays = path("replays")}, [&] { pack_into("packed"); });
  in_engine({.key = other_key, .replays = path("replays")},
            [&] { EXPECT_EQ(take("packed"), SEC_E_MESSAGE_ALTERED); });
  in_engine({}, [&] { EXPECT_EQ(take("packed"), SEC_E_MESSAGE_ALTERED); });
  in_child([&] { EXPECT_EQ(take("packed"), SEC_E_MESSAGE_ALTERED) << "without any engine"; });
  in_engine({.key = key, .replays = path("replays")},
            [&] { EXPECT_EQ(take("packed"), SEC_E_OK) << usher_last_refusal(); });
}

TEST_F(SspiExportProcess, WithoutAKeyFileEachHasAKeyOfItsOwnAndItsChildrensIsIts) {
  in_engine({.replays = path("replays")}, [&] {
    pack_into("packed");
    in_child([&] { EXPECT_EQ(take("packed"), SEC_E_OK) << usher_last_refusal(); });
  });
  in_engine({}, [&] { EXPECT_EQ(take("packed"), SEC_E_MESSAGE_ALTERED); });
}

TEST_F(SspiExportProcess, WithoutAReplayFileChildrenPackAndDoNotImport) {
  in_engine({}, [&] {
    in_child([&] {
      pack_into("packed");
      EXPECT_EQ(take("packed"), SEC_E_OUT_OF_SEQUENCE);
    });
    EXPECT_EQ(take("packed"), SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(take("packed"), SEC_E_OUT_OF_SEQUENCE);
  });
}

TEST_F(SspiExportProcess, ThoseWithOneReplayFileTakeOneOnceBetweenThem) {
  const Files shared{.key = key, .replays = path("replays")};
  in_engine(shared, [&] { pack_into("packed"); });
  in_engine(shared, [&] { EXPECT_EQ(take("packed"), SEC_E_OK) << usher_last_refusal(); });
  in_engine(shared, [&] { EXPECT_EQ(take("packed"), SEC_E_OUT_OF_SEQUENCE); });
}

TEST_F(SspiExportProcess, StartRefusesAKeyFileThatIsNoneAndSaysWhy) {
  in_child([&] {
    const auto start = [&](const std::string& file) {
      const Files files{.key = file, .replays = path("replays")};
      const USHER_OPTIONS wanted = options(files);
      return usher_start(&wanted);
    };
    EXPECT_EQ(start(path("nothing")), SEC_E_INVALID_PARAMETER);
    EXPECT_NE(std::string(usher_last_refusal()).find(path("nothing")), std::string::npos);
    EXPECT_EQ(start(folder.write("short", Octets(31, 1))), SEC_E_INVALID_PARAMETER);
    EXPECT_NE(std::string(usher_last_refusal()).find("32 bytes"), std::string::npos);
    const std::string open = folder.write("open", Octets(32, 1));
    std::filesystem::permissions(open, std::filesystem::perms(0644));
    EXPECT_EQ(start(open), SEC_E_INVALID_PARAMETER);
    EXPECT_NE(std::string(usher_last_refusal()).find("others"), std::string::npos);
    EXPECT_EQ(start(key), SEC_E_OK) << "and none of those has left an engine";
  });
}

TEST_F(SspiExportProcess, StartRefusesSecondsThatAreTooMany) {
  in_child([&] {
    const Files none;
    USHER_OPTIONS wanted = options(none);
    const auto start = [&](std::uint32_t seconds, std::uint32_t skew) {
      wanted.ExportSeconds = seconds;
      wanted.ClockSkewSecondsMax = skew;
      return usher_start(&wanted);
    };
    EXPECT_EQ(start(301, 0), SEC_E_INVALID_PARAMETER);
    EXPECT_EQ(start(301, 3600), SEC_E_INVALID_PARAMETER);
    EXPECT_EQ(start(0xffffffff, 0), SEC_E_INVALID_PARAMETER);
    EXPECT_EQ(start(31, 30), SEC_E_INVALID_PARAMETER);
    EXPECT_NE(std::string(usher_last_refusal()).find("ClockSkewSecondsMax"), std::string::npos);
    EXPECT_EQ(start(300, 0), SEC_E_OK) << usher_last_refusal();
  });
  in_child([&] {
    const Files none;
    USHER_OPTIONS wanted = options(none);
    wanted.ClockSkewSecondsMax = 5;  // Less than the default: that is what is clamped.
    EXPECT_EQ(usher_start(&wanted), SEC_E_OK) << usher_last_refusal();
  });
}

// A program that was built before there was any of this.
TEST_F(SspiExportProcess, AnOlderProgramGetsTheDefaults) {
  in_child([&] {
    const Files none;
    USHER_OPTIONS wanted = options(none);
    wanted.Size = USHER_OPTIONS_SIZE_2;
    wanted.ExportSeconds = 0xffffffff;  // Behind its structure: not looked at.
    wanted.ContextKeyFile = "/nonexistent";
    ASSERT_EQ(usher_start(&wanted), SEC_E_OK) << usher_last_refusal();
    pack_into("packed");
    EXPECT_EQ(take("packed"), SEC_E_OK) << usher_last_refusal();
  });
}

TEST_F(SspiExportProcess, AKeyForSeveralNeedsAReplayFileForAll) {
  in_child([&] {
    const Files alone{.key = key};
    USHER_OPTIONS wanted = options(alone);
    EXPECT_EQ(usher_start(&wanted), SEC_E_INVALID_PARAMETER);
    const Files both{.key = key, .replays = path("replays")};
    wanted = options(both);
    EXPECT_EQ(usher_start(&wanted), SEC_E_OK) << usher_last_refusal();
  });
}

// Else parent and child could each import it once, and repeat each other's key stream.
TEST_F(SspiExportProcess, AChildOfForkImportsWithAReplayFileOnly) {
  in_engine({}, [&] {
    pack_into("packed");
    in_child([&] { EXPECT_EQ(take("packed"), SEC_E_OUT_OF_SEQUENCE); });
    EXPECT_EQ(take("packed"), SEC_E_OK) << usher_last_refusal();
  });
  in_engine({.replays = path("replays")}, [&] {
    pack_into("packed");
    in_child([&] { EXPECT_EQ(take("packed"), SEC_E_OK) << usher_last_refusal(); });
    EXPECT_EQ(take("packed"), SEC_E_OUT_OF_SEQUENCE);
  });
}

}  // namespace
}  // namespace usher::testing
