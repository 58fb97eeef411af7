// tools/usherd/key_watch.h: changes of a file's contents are noticed, whatever way they come, and
// nothing else is taken for one.
#include "tools/usherd/key_watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tools/usherd/keys.h"

namespace usherd {
namespace {

namespace fs = std::filesystem;
using Clock = KeyWatch::Clock;

class KeyWatchTest : public ::testing::Test {
 protected:
  KeyWatchTest() {
    std::string folder = ::testing::TempDir() + "watch_XXXXXX";
    folder_ = fs::canonical(mkdtemp(folder.data()));
    write("keys", "one");
  }
  ~KeyWatchTest() override { fs::remove_all(folder_); }
  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
  }

  // happens says whether an event comes, at once, and how the files compare some time later.
  static testing::AssertionResult happens(KeyWatch& watch, bool event, bool changed) {
    pollfd ready{.fd = watch.descriptor(), .events = POLLIN, .revents = 0};
    const bool came = poll(&ready, 1, 0) == 1;
    if (came != event) {
      return testing::AssertionFailure() << (event ? "no event came" : "an event came");
    }
    watch.read_events(Clock::now());
    if ((watch.due() != Clock::time_point::max()) != event) {
      return testing::AssertionFailure() << "due or not is wrong";
    }
    // As if the file had rested: in the test, the lease tells who writes.
    if (watch.changed(Clock::now()) != changed) {
      return testing::AssertionFailure() << (changed ? "no change" : "a change") << " was noticed";
    }
    return testing::AssertionSuccess();
  }

  fs::path folder_;
};

TEST_F(KeyWatchTest, NothingHappensOfItself) {
  KeyWatch watch({path("keys")});
  ASSERT_GE(watch.descriptor(), 0);
  EXPECT_TRUE(happens(watch, false, false));
  EXPECT_EQ(watch.due(), Clock::time_point::max());
}

TEST_F(KeyWatchTest, NoticesAFileThatIsWritten) {
  KeyWatch watch({path("keys")});
  write("keys", "two");
  EXPECT_TRUE(happens(watch, true, true));
  EXPECT_TRUE(happens(watch, false, false)) << "once";
}

TEST_F(KeyWatchTest, TheSameContentsAreNoChange) {
  KeyWatch watch({path("keys")});
  write("keys", "one");
  EXPECT_TRUE(happens(watch, true, false));
  write("new", "one");
  fs::rename(path("new"), path("keys"));
  EXPECT_TRUE(happens(watch, true, false));
  write("other", "in the same folder");
  EXPECT_TRUE(happens(watch, true, false));
}

TEST_F(KeyWatchTest, NoticesAFileThatIsRenamedOverIt) {
  KeyWatch watch({path("keys")});
  write("new", "two");
  EXPECT_TRUE(happens(watch, true, false));
  fs::rename(path("new"), path("keys"));
  EXPECT_TRUE(happens(watch, true, true));
}

TEST_F(KeyWatchTest, NoticesOneThatGoesAndComes) {
  KeyWatch watch({path("keys")});
  fs::remove(path("keys"));
  EXPECT_TRUE(happens(watch, true, true));
  write("keys", "one");
  EXPECT_TRUE(happens(watch, true, true));
}

TEST_F(KeyWatchTest, NoticesAnotherMode) {
  KeyWatch watch({path("keys")});
  ASSERT_EQ(chmod(path("keys").c_str(), 0600), 0);
  EXPECT_TRUE(happens(watch, true, true));
}

// ..data is a link to a folder, keys one to ..data/keys, and an update renames another link over
// ..data.
TEST_F(KeyWatchTest, NoticesWhatKubernetesDoes) {
  fs::create_directory(path("..v1"));
  write("..v1/keys", "one");
  fs::create_directory_symlink("..v1", path("..data"));
  fs::remove(path("keys"));
  fs::create_symlink("..data/keys", path("keys"));
  KeyWatch watch({path("keys")});
  for (int version = 2; version < 5; ++version) {
    const std::string name = "..v" + std::to_string(version);
    fs::create_directory(path(name));
    write(name + "/keys", name);
    EXPECT_TRUE(happens(watch, true, false)) << "not yet";
    fs::create_directory_symlink(name, path("..data_tmp"));
    fs::rename(path("..data_tmp"), path("..data"));
    fs::remove_all(path("..v" + std::to_string(version - 1)));
    EXPECT_TRUE(happens(watch, true, true)) << name;
  }
}

TEST_F(KeyWatchTest, NoticesALinkInTheMiddleThatLeadsElsewhere) {
  for (const std::string name : {"a", "b"}) {
    fs::create_directories(path("real/" + name + "/in"));
    write("real/" + name + "/in/keys", name);
  }
  fs::create_directory(path("etc"));
  fs::create_directory_symlink("../real/a", path("etc/link"));
  KeyWatch watch({path("etc/link/in/keys")});
  write("real/a/in/keys", "changed where it is");
  EXPECT_TRUE(happens(watch, true, true));
  fs::create_directory_symlink("../real/b", path("etc/new"));
  fs::rename(path("etc/new"), path("etc/link"));
  EXPECT_TRUE(happens(watch, true, true));
  write("real/b/in/keys", "changed over there");
  EXPECT_TRUE(happens(watch, true, true)) << "the new folder is watched, too";
  write("real/a/in/keys", "nobody looks here any more");
  EXPECT_TRUE(happens(watch, false, false));
}

TEST_F(KeyWatchTest, WaitsForWhoeverIsStillWriting) {
  KeyWatch watch({path("keys")});
  const int writer = open(path("keys").c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
  ASSERT_EQ(::write(writer, "half", 4), 4);
  EXPECT_FALSE(watch.changed(Clock::now()));
  EXPECT_NE(watch.due(), Clock::time_point::max()) << "it will ask again";
  ASSERT_EQ(::write(writer, " and half", 9), 9);
  close(writer);
  EXPECT_TRUE(happens(watch, true, true));
}

TEST_F(KeyWatchTest, WaitsUntilAFolderIsQuietButNotForEver) {
  KeyWatch watch({path("keys")});
  const Clock::time_point start = Clock::now();
  write("keys", "1");
  watch.read_events(start);
  EXPECT_EQ(watch.due(), start + KeyWatch::kQuiet);
  write("keys", "2");
  watch.read_events(start + std::chrono::milliseconds(100));
  EXPECT_EQ(watch.due(), start + std::chrono::milliseconds(100) + KeyWatch::kQuiet);
  write("keys", "3");
  watch.read_events(start + KeyWatch::kPatience);
  EXPECT_EQ(watch.due(), start + KeyWatch::kPatience);
  EXPECT_TRUE(watch.changed(start + KeyWatch::kPatience));
}

TEST_F(KeyWatchTest, WhatWasTakenIsNoChange) {
  KeyWatch watch({path("keys")});
  write("keys", "two");
  watch.take();
  EXPECT_TRUE(happens(watch, true, false));
}

TEST_F(KeyWatchTest, AFileThatIsNotThereIsWaitedFor) {
  KeyWatch watch({path("later")});
  write("later", "one");
  EXPECT_TRUE(happens(watch, true, true));
}

TEST_F(KeyWatchTest, FoldersBehindAPathAreThoseThatDecide) {
  fs::create_directory(path("d"));
  fs::create_symlink("d", path("link"));
  write("d/file", "");
  const std::string here = folder_;
  EXPECT_EQ(folders_behind(path("keys")), std::vector<std::string>{here});
  EXPECT_EQ(folders_behind(path("d/../keys")), std::vector<std::string>{here});
  EXPECT_EQ(folders_behind(path("link/file")), (std::vector<std::string>{here, here + "/d"}));
  EXPECT_EQ(folders_behind(path("nothing/file")), std::vector<std::string>{here + "/nothing"});
  fs::create_symlink("loop", path("loop"));
  EXPECT_EQ(folders_behind(path("loop")), std::vector<std::string>{here});
}

TEST(KeyFiles, AreAllThatKeysAreLoadedFrom) {
  Config config;
  EXPECT_TRUE(key_files(config).empty());
  config.keytab = "FILE:/a";
  config.kdc_keytab = "/b";
  config.accounts = "/c";
  EXPECT_EQ(key_files(config), (std::vector<std::string>{"/a", "/b", "/c"}));
}

}  // namespace
}  // namespace usherd
