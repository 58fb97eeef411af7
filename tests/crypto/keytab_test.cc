// engine/crypto/key_ring.h, load_keytab: a keytab file gives its keys, or a reason people can use.
#include <gtest/gtest.h>
#include <krb5/krb5.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "engine/crypto/key_ring.h"
#include "tests/crypto/recorded.h"

namespace usher::crypto {
namespace {

using testing::data_file;
using testing::data_path;

// TemporaryFile lives as long as the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& contents) {
    const int descriptor = mkstemp(path_.data());
    EXPECT_GE(descriptor, 0);
    close(descriptor);
    std::ofstream(path_, std::ios::binary) << contents;
  }
  ~TemporaryFile() { unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = ::testing::TempDir() + "usher_keytab_XXXXXX";
};

// ends_of_entries are the offsets at which a file of format 0x0502 without holes may be cut.
std::vector<std::size_t> ends_of_entries(const std::string& file) {
  std::vector<std::size_t> ends;
  for (std::size_t at = 2; at + 4 <= file.size();) {
    std::size_t size = 0;
    for (std::size_t n = 0; n < 4; ++n) {
      size = size << 8 | static_cast<unsigned char>(file[at + n]);
    }
    at += 4 + size;
    ends.push_back(at);
  }
  return ends;
}

class KeytabTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(kit_, nullptr); }
  KeyRing::Loaded load(const std::string& path) { return KeyRing::load_keytab(*kit_, path); }
  // expect_refused wants the error to name the file and to contain `reason`.
  void expect_refused(const std::string& path, const std::string& reason) {
    const KeyRing::Loaded loaded = load(path);
    EXPECT_EQ(loaded.ring, nullptr);
    EXPECT_NE(loaded.error.find(path), std::string::npos) << loaded.error;
    EXPECT_NE(loaded.error.find(reason), std::string::npos) << loaded.error;
  }

  const std::unique_ptr<Kit> kit_ = Kit::make();
};

TEST_F(KeytabTest, GivesThePrincipalsOfTheFile) {
  for (const std::string prefix : {"", "FILE:"}) {
    const KeyRing::Loaded loaded = load(prefix + data_path("ad/web.keytab"));
    ASSERT_NE(loaded.ring, nullptr) << loaded.error;
    EXPECT_TRUE(loaded.error.empty());
    const auto principals = loaded.ring->principals();
    ASSERT_EQ(principals.size(), 1u);
    EXPECT_EQ(principals[0].text, "HTTP/web.bntlm.test@BNTLM.TEST");
    const std::vector<std::pair<std::int32_t, std::uint32_t>> expected = {{17, 2}, {18, 2}};
    EXPECT_EQ(principals[0].keys, expected);
    EXPECT_EQ(loaded.ring->left_out(), 0u);
  }
}

TEST_F(KeytabTest, LeavesOutEtypesWeDoNotServe) {
  const KeyRing::Loaded loaded = load(data_path("mit/sha2.keytab"));
  ASSERT_NE(loaded.ring, nullptr) << loaded.error;
  EXPECT_EQ(loaded.ring->principals().size(), 5u);
  EXPECT_EQ(loaded.ring->left_out(), 1u) << "Camellia";
}

TEST_F(KeytabTest, AnEmptyPathIsTheDefaultKeytab) {
  const std::string path = "FILE:" + data_path("ad/web.keytab");
  setenv("KRB5_KTNAME", path.c_str(), 1);
  const KeyRing::Loaded loaded = load("");
  EXPECT_NE(loaded.ring, nullptr) << loaded.error;
  setenv("KRB5_KTNAME", "FILE:/nonexistent/default.keytab", 1);
  const KeyRing::Loaded missing = load("");
  unsetenv("KRB5_KTNAME");
  EXPECT_EQ(missing.ring, nullptr);
  EXPECT_NE(missing.error.find("/nonexistent/default.keytab"), std::string::npos) << missing.error;
}

// A keytab in memory may hold what no file does: a principal that is only a realm.
TEST_F(KeytabTest, APrincipalWithoutComponentsIsNoReasonToFail) {
  krb5_context context = nullptr;
  ASSERT_EQ(krb5_init_context(&context), 0);
  krb5_keytab keytab = nullptr;
  ASSERT_EQ(krb5_kt_resolve(context, "MEMORY:usher", &keytab), 0);
  std::string realm = "REALM.TEST";
  krb5_principal_data principal{};
  principal.realm.data = realm.data();
  principal.realm.length = static_cast<unsigned>(realm.size());
  std::vector<std::uint8_t> key(32, 7);
  krb5_keytab_entry entry{};
  entry.principal = &principal;
  entry.key.enctype = 18;
  entry.key.contents = key.data();
  entry.key.length = static_cast<unsigned>(key.size());
  ASSERT_EQ(krb5_kt_add_entry(context, keytab, &entry), 0);
  setenv("KRB5_KTNAME", "MEMORY:usher", 1);
  const KeyRing::Loaded loaded = load("");
  unsetenv("KRB5_KTNAME");
  krb5_kt_close(context, keytab);
  krb5_free_context(context);
  ASSERT_NE(loaded.ring, nullptr) << loaded.error;
  ASSERT_EQ(loaded.ring->principals().size(), 1u);
  EXPECT_EQ(loaded.ring->principals()[0].text, "@REALM.TEST");
}

TEST_F(KeytabTest, AColonInAPathIsNoKeytabType) {
  const TemporaryFile file(data_file("ad/web.keytab"));
  const std::string odd = file.path() + ":x";
  ASSERT_EQ(rename(file.path().c_str(), odd.c_str()), 0);
  const KeyRing::Loaded loaded = load(odd);
  EXPECT_NE(loaded.ring, nullptr) << loaded.error;
  unlink(odd.c_str());
}

TEST_F(KeytabTest, SaysWhyAFileIsRefused) {
  expect_refused("/nonexistent/web.keytab", "not found");
  expect_refused(::testing::TempDir(), "is no file");  // A folder.
  const TemporaryFile empty("");
  expect_refused(empty.path(), "version");
  const TemporaryFile text("this is no keytab");
  expect_refused(text.path(), "version");
  const TemporaryFile nothing(std::string("\x05\x02", 2));
  expect_refused(nothing.path(), "no usable entry");
  if (geteuid() != 0) {  // Root reads everything.
    const TemporaryFile closed(data_file("ad/web.keytab"));
    ASSERT_EQ(chmod(closed.path().c_str(), 0), 0);
    expect_refused(closed.path(), "denied");
  }
}

TEST_F(KeytabTest, WithoutAUsableEntryItIsRefused) {
  // The first entry of this keytab is of etype 20, and ends after 95 + 2 bytes.
  const std::string whole = data_file("mit/sha2.keytab");
  ASSERT_GT(whole.size(), 97u);
  std::string one = whole.substr(0, 2 + 4 + 0x5b);
  EXPECT_NE(load(TemporaryFile(one).path()).ring, nullptr);
  const std::size_t etype = one.find(std::string("\x00\x14\x00\x20", 4));
  ASSERT_NE(etype, one.npos);
  one[etype + 1] = 26;  // Camellia.
  const TemporaryFile file(one);
  expect_refused(file.path(), "no usable entry");
}

// C20. MIT krb5 alone would take what is left for the whole file.
TEST_F(KeytabTest, CutAnywhereItIsRefusedUnlessBetweenEntries) {
  for (const char* name : {"ad/web.keytab", "mit/sha2.keytab"}) {
    const std::string whole = data_file(name);
    ASSERT_FALSE(whole.empty());
    const std::vector<std::size_t> ends = ends_of_entries(whole);
    ASSERT_EQ(ends.back(), whole.size());
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const TemporaryFile file(whole.substr(0, size));
      const KeyRing::Loaded loaded = load(file.path());
      EXPECT_EQ(loaded.ring == nullptr, !loaded.error.empty()) << size;
      if (std::ranges::find(ends, size) == ends.end()) {
        EXPECT_EQ(loaded.ring, nullptr) << size;
        EXPECT_NE(loaded.error.find(file.path()), std::string::npos) << loaded.error;
      }
    }
    EXPECT_NE(load(data_path(name)).ring, nullptr) << "the twin";
  }
}

TEST_F(KeytabTest, SaysWhereItIsDamaged) {
  const std::string whole = data_file("ad/web.keytab");
  const std::size_t second = ends_of_entries(whole).front();
  const TemporaryFile cut(whole.substr(0, whole.size() - 1));
  expect_refused(cut.path(), "damaged, or only half written: at byte " + std::to_string(second));
  const TemporaryFile junk(whole + "junk");
  expect_refused(junk.path(), "at byte " + std::to_string(whole.size()));
}

// MIT krb5 would stop at such an entry and never tell of those behind it.
TEST_F(KeytabTest, AnEntryThatHidesOthersIsRefused) {
  std::string whole = data_file("ad/web.keytab");
  const std::size_t end = ends_of_entries(whole).front();
  std::string hidden = whole;
  hidden[2 + 4] = hidden[2 + 5] = '\0';  // No components.
  const TemporaryFile none(hidden);
  expect_refused(none.path(), "a name or a key is empty");
  hidden = whole;
  hidden.insert(end, std::string(4, '\0'));  // An end before the end.
  const TemporaryFile early(hidden);
  expect_refused(early.path(), "something follows");
}

TEST_F(KeytabTest, HolesAndZerosAtTheEndAreNoDamage) {
  const std::string whole = data_file("ad/web.keytab");
  const std::size_t end = ends_of_entries(whole).front();
  std::string holed = whole;
  holed.insert(end, std::string("\xff\xff\xff\xfcgone", 8));
  holed.append(16, '\0');
  const TemporaryFile file(holed);
  const KeyRing::Loaded loaded = load(file.path());
  ASSERT_NE(loaded.ring, nullptr) << loaded.error;
  ASSERT_EQ(loaded.ring->principals().size(), 1u);
  EXPECT_EQ(loaded.ring->principals()[0].keys.size(), 2u);
}

TEST_F(KeytabTest, AFifoIsRefusedAndNotWaitedFor) {
  const TemporaryFile file("");
  ASSERT_EQ(unlink(file.path().c_str()), 0);
  ASSERT_EQ(mkfifo(file.path().c_str(), 0600), 0);
  expect_refused(file.path(), "is no file");
}

TEST_F(KeytabTest, WithAnyByteChangedItNeverCrashes) {
  std::string contents = data_file("ad/web.keytab");
  ASSERT_FALSE(contents.empty());
  int loaded_count = 0;
  for (std::size_t at = 0; at < contents.size(); ++at) {
    const char before = contents[at];
    contents[at] = static_cast<char>(~before);
    const TemporaryFile file(contents);
    const KeyRing::Loaded loaded = load(file.path());
    EXPECT_EQ(loaded.ring == nullptr, !loaded.error.empty()) << at;
    loaded_count += loaded.ring != nullptr ? 1 : 0;
    contents[at] = before;
  }
  EXPECT_GT(loaded_count, 0);  // Changing a key or a name is not an error here.
}

}  // namespace
}  // namespace usher::crypto
