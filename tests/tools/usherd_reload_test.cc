// usherd takes keytab and accounts anew when the files change, and only then; what is broken
// changes nothing.
#include <chrono>
#include <thread>

#include "tests/tools/usherd_daemon.h"

namespace usherd {
namespace {

using testing::Client;
using testing::Octets;
using testing::Process;
using testing::UsherdDaemon;

class UsherdReload : public UsherdDaemon {
 protected:
  int status(Client& client, const usher::mint::Service& service) {
    return auth(client, "Negotiate", kerberos_token(service)).status;
  }
  // replace_keytab writes the file under another name and renames it, as one should.
  void replace_keytab(const std::vector<usher::mint::Service>& services) const {
    write_file("new", usher::mint::keytab_image(services));
    std::filesystem::rename(path("new"), path("keytab"));
  }
  static std::size_t count(const Process& daemon, const std::string& text) {
    std::size_t found = 0;
    for (std::size_t at = daemon.log().find(text); at != std::string::npos;
         at = daemon.log().find(text, at + 1)) {
      ++found;
    }
    return found;
  }

  usher::mint::Service other_ =
      usher::mint::make_service(random_, "HTTP/new.example.test@EXAMPLE.TEST");
};

TEST_F(UsherdReload, TakesANewKeytabWithoutBeingTold) {
  Process daemon(flags());
  Client client = Client::tcp(daemon.port());
  EXPECT_EQ(status(client, service_), 200);
  EXPECT_EQ(status(client, other_), 401);
  replace_keytab({other_});
  ASSERT_TRUE(daemon.wait_for("info reloaded ")) << daemon.log();
  EXPECT_EQ(status(client, other_), 200) << "on a connection that was open before";
  EXPECT_EQ(status(client, service_), 401) << "the old key is gone";
}

TEST_F(UsherdReload, TakesNewAccountsWithoutBeingTold) {
  Process daemon(flags());
  Client client = Client::tcp(daemon.port());
  write_accounts("EXAMPLE:alice:changed\n");
  ASSERT_TRUE(daemon.wait_for("info reloaded ")) << daemon.log();
  const Octets challenge = auth(client, "NTLM", negotiate_).token("NTLM");
  EXPECT_EQ(auth(client, "NTLM", ntlm_answer(challenge, u"changed")).status, 200);
}

TEST_F(UsherdReload, AHalfWrittenKeytabNeverReplacesAGoodOne) {
  Process daemon(flags());
  Client client = Client::tcp(daemon.port());
  const Octets whole = usher::mint::keytab_image(std::vector{service_, other_});
  for (const std::size_t size : {whole.size() - 1, whole.size() - 20, std::size_t{10}}) {
    write_file("keytab", usher::Bytes(whole).first(size));
    const std::string text = "error reload: keytab";
    const std::size_t before = count(daemon, text);
    while (count(daemon, text) == before) {
      ASSERT_TRUE(daemon.wait_for_more()) << daemon.log();
    }
    EXPECT_EQ(status(client, service_), 200) << size;
    EXPECT_EQ(status(client, other_), 401) << size;
  }
  write_file("keytab", whole);
  ASSERT_TRUE(daemon.wait_for("info reloaded ")) << daemon.log();
  EXPECT_EQ(status(client, other_), 200) << "the twin";
}

// What is wrong is said once, not with every event in the folder.
TEST_F(UsherdReload, SaysOnceForAChangeThatItCannotBeUsed) {
  Process daemon(flags());
  (void)daemon.port();
  write_accounts("not an account\n");
  const std::string text = "error reload: ";
  ASSERT_TRUE(daemon.wait_for(text)) << daemon.log();
  for (int n = 0; n < 3; ++n) {
    std::ofstream(path("unrelated" + std::to_string(n))) << n;
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
  }
  write_accounts("not an account\n");
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  write_accounts("EXAMPLE:alice:changed\n");
  ASSERT_TRUE(daemon.wait_for("info reloaded ")) << daemon.log();
  EXPECT_EQ(count(daemon, text), 1u) << daemon.log();
  EXPECT_EQ(count(daemon, "info reloaded "), 1u);
}

TEST_F(UsherdReload, UnchangedContentsAreNotReadAgainUnlessAskedFor) {
  Process daemon(flags());
  (void)daemon.port();
  replace_keytab({service_});
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  daemon.signal(SIGHUP);
  ASSERT_TRUE(daemon.wait_for("info reloaded ")) << daemon.log();
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(), 0);
  EXPECT_EQ(count(daemon, "info reloaded "), 1u) << daemon.log();
}

}  // namespace
}  // namespace usherd
