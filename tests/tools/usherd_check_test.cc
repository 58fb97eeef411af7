// usherd --check: what a start would fail for is said with its place, and nothing is made.
#include <algorithm>
#include <cstdint>
#include <limits>

#include "tests/tools/usherd_daemon.h"
#include "tools/usherd/folder.h"

namespace usherd {
namespace {

using testing::Descriptor;
using testing::Process;
using testing::UsherdDaemon;

class UsherdCheck : public UsherdDaemon {
 protected:
  void SetUp() override {}  // To check takes no io_uring.

  // expect_fault checks with `more` flags, which are to be refused with a line that is `message`.
  void expect_fault(const std::vector<std::string>& more, const std::string& message) const {
    std::vector<std::string> all = flags(more);
    all.emplace_back("--check");
    Process check(all);
    EXPECT_EQ(check.wait(), 2) << message;
    EXPECT_NE(check.log().find("usherd: " + message + "\n"), std::string::npos) << message << "\n"
                                                                                << check.log();
  }
  void expect_good(const std::vector<std::string>& more) const {
    std::vector<std::string> all = flags(more);
    all.emplace_back("--check");
    Process check(all);
    EXPECT_EQ(check.wait(), 0) << check.log();
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      names.push_back(entry.path().filename());
    }
    std::ranges::sort(names);
    return names;
  }
};

TEST_F(UsherdCheck, NamesAFolderThatIsNotThere) {
  expect_fault({"--replay-file", path("nowhere/replays")},
               "replay file " + path("nowhere/replays") + ": cannot be made: " + path("nowhere") +
                   ": No such file or directory");
  expect_fault({"--listen-unix", path("nowhere/sock")}, "listen.unix " + path("nowhere/sock") +
                                                            ": cannot be made: " + path("nowhere") +
                                                            ": No such file or directory");
  expect_fault({"--replay-file", path("keytab/replays")},
               "replay file " + path("keytab/replays") + ": cannot be opened: Not a directory");
}

TEST_F(UsherdCheck, NamesAFolderThatItMayNotWriteTo) {
  if (geteuid() == 0) {
    GTEST_SKIP() << "root may write anywhere";
  }
  std::filesystem::create_directory(path("closed"));
  chmod(path("closed").c_str(), 0500);
  expect_fault({"--replay-file", path("closed/replays")},
               "replay file " + path("closed/replays") + ": cannot be made: " + path("closed") +
                   ": Permission denied");
  expect_fault({"--listen-unix", path("closed/sock")}, "listen.unix " + path("closed/sock") +
                                                           ": cannot be made: " + path("closed") +
                                                           ": Permission denied");
}

TEST_F(UsherdCheck, NamesWhatStandsInTheWay) {
  expect_fault({"--listen-unix", path("keytab")},
               "listen.unix " + path("keytab") + ": exists and is no socket");
  std::filesystem::create_symlink(path("nothing"), path("link"));
  expect_fault(
      {"--replay-file", path("link")},
      "replay file " + path("link") +
          ": is a symbolic link, which is not followed: Too many levels of symbolic links");
  const std::string far = path(std::string(108, 's'));
  expect_fault({"--listen-unix", far},
               "listen.unix " + far + ": expected a path of at most 107 bytes");
}

TEST_F(UsherdCheck, NamesAnAddressThatIsNotThisMachines) {
  expect_fault({"--listen-tcp", "192.0.2.1:80"},  // RFC 5737: nobody's.
               "listen.tcp 192.0.2.1:80: Cannot assign requested address");
}

TEST_F(UsherdCheck, MakesNothingAndLetsADaemonBe) {
  const std::vector<std::string> before = files();
  expect_good({"--replay-file", path("replays"), "--listen-unix", path("sock")});
  EXPECT_EQ(files(), before);

  const Descriptor busy = usher::testing::listen_unix(path("sock"));
  expect_good({"--listen-unix", path("sock")});
  EXPECT_TRUE(std::filesystem::exists(path("sock"))) << "a socket that is in use";
}

TEST_F(UsherdCheck, KnowsHowMuchRoomAFileTakes) {
  EXPECT_EQ(fault_of_folder(path("replays"), 4096), "");
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder_);
  EXPECT_EQ(fault_of_folder("replays", 0), "") << "a path without a folder";
  std::filesystem::current_path(before);
  constexpr std::uint64_t kTooMuch = std::numeric_limits<std::int64_t>::max();
  EXPECT_TRUE(fault_of_folder(path("replays"), kTooMuch)
                  .starts_with(folder_ + ": 9223372036854775807 bytes are needed, "));
}

}  // namespace
}  // namespace usherd
