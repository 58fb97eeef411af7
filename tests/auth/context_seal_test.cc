// engine/auth/context_seal.h: what was sealed is opened by who has the key, bit for bit, and
// nothing else is; a key file that others may know or change is refused.
#include "engine/auth/context_seal.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

namespace usher::auth {
namespace {

using Octets = std::vector<std::uint8_t>;
constexpr SealedTimes kTimes{.packed_s = 1'700'000'000, .good_until_s = 1'700'000'060};

class ContextSealTest : public ::testing::Test {
 protected:
  // sealed seals an image.
  Octets sealed(const Octets& plain) const {
    Octets blob(plain.size() + kSealedOverhead);
    std::ranges::copy(plain, blob.begin() + kSealedHeaderSize);
    EXPECT_TRUE(sealer->seal(kTimes, *random, blob));
    return blob;
  }
  static ContextSealer::Opened open(const ContextSealer& with, const Octets& blob, Octets& out) {
    out.assign(blob.size() < kSealedOverhead ? 0 : blob.size() - kSealedOverhead, 0xee);
    return with.open(blob, out);
  }
  static SealOutcome outcome(const ContextSealer& with, const Octets& blob) {
    Octets out;
    const SealOutcome outcome = open(with, blob, out).outcome;
    if (outcome == SealOutcome::kAltered) {
      EXPECT_TRUE(std::ranges::all_of(out, [](auto byte) { return byte == 0; }))
          << "nothing is told of what is not genuine";
    }
    return outcome;
  }
  static std::unique_ptr<ContextSealer> with_key(std::uint8_t last) {
    Octets key(kContextKeySize, 0x11);
    key.back() = last;
    return ContextSealer::make(key);
  }

  const std::unique_ptr<RandomSource> random = make_system_random();
  const std::unique_ptr<ContextSealer> sealer = with_key(1);
  const Octets image = Octets(100, 0x61);
};

TEST_F(ContextSealTest, OpensWhatItSealed) {
  for (const std::size_t size : {0u, 1u, 15u, 16u, 17u, 1000u, 200000u}) {
    Octets plain(size);
    for (std::size_t i = 0; i < size; ++i) {
      plain[i] = static_cast<std::uint8_t>(i * 3);
    }
    const Octets blob = sealed(plain);
    EXPECT_EQ(looks_sealed(blob), SealOutcome::kOpened);
    if (size > 8) {
      EXPECT_EQ(std::search(blob.begin(), blob.end(), plain.begin(), plain.end()), blob.end())
          << "it is hidden";
    }
    Octets out;
    const ContextSealer::Opened opened = open(*sealer, blob, out);
    ASSERT_EQ(opened.outcome, SealOutcome::kOpened) << size;
    EXPECT_EQ(out, plain);
    EXPECT_EQ(opened.times.packed_s, kTimes.packed_s);
    EXPECT_EQ(opened.times.good_until_s, kTimes.good_until_s);
  }
}

TEST_F(ContextSealTest, AnotherEngineWithTheKeyOpensItAndOneWithoutDoesNot) {
  const Octets blob = sealed(image);
  EXPECT_EQ(outcome(*with_key(1), blob), SealOutcome::kOpened);
  EXPECT_EQ(outcome(*with_key(2), blob), SealOutcome::kAltered);
}

TEST_F(ContextSealTest, EveryBitCounts) {
  const Octets blob = sealed(image);
  ASSERT_EQ(outcome(*sealer, blob), SealOutcome::kOpened);
  for (std::size_t bit = 0; bit < 8 * blob.size(); ++bit) {
    Octets changed = blob;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    const SealOutcome expected = bit < 8 * 8    ? SealOutcome::kNotSealed
                                 : bit < 8 * 12 ? SealOutcome::kOtherVersion
                                 : bit < 8 * 16 ? SealOutcome::kNotSealed
                                                : SealOutcome::kAltered;
    ASSERT_EQ(outcome(*sealer, changed), expected) << bit;
  }
}

TEST_F(ContextSealTest, EverySizeButItsOwnIsRefused) {
  const Octets blob = sealed(image);
  for (std::size_t size = 0; size < blob.size() + 40; ++size) {
    Octets resized = blob;
    resized.resize(size);
    ASSERT_EQ(outcome(*sealer, resized),
              size == blob.size() ? SealOutcome::kOpened : SealOutcome::kNotSealed)
        << size;
  }
  // Cut, and its size put right.
  Octets cut = blob;
  cut.pop_back();
  cut[12] -= 1;
  EXPECT_EQ(outcome(*sealer, cut), SealOutcome::kAltered);
}

TEST_F(ContextSealTest, TheSameTwiceHasNothingInCommonButItsHeader) {
  std::set<Fingerprint> fingerprints;
  std::set<Octets> texts;
  std::set<Octets> salts;
  for (int n = 0; n < 100; ++n) {
    const Octets blob = sealed(image);
    Octets out;
    fingerprints.insert(open(*sealer, blob, out).fingerprint);
    salts.insert(Octets(blob.begin() + 32, blob.begin() + 64));
    texts.insert(Octets(blob.begin() + 64, blob.begin() + 80));
  }
  EXPECT_EQ(fingerprints.size(), 100u);
  EXPECT_EQ(texts.size(), 100u);
  EXPECT_EQ(salts.size(), 100u);
}

TEST_F(ContextSealTest, AFingerprintIsTheBlobsOwnEveryTime) {
  const Octets blob = sealed(image);
  Octets out;
  EXPECT_EQ(open(*sealer, blob, out).fingerprint, open(*with_key(1), blob, out).fingerprint);
}

TEST_F(ContextSealTest, WithoutRandomnessNothingIsSealed) {
  struct Dry final : RandomSource {
    bool fill(MutableBytes /*out*/) noexcept override { return false; }
  } dry;
  Octets blob(200, 0x61);
  EXPECT_FALSE(sealer->seal(kTimes, dry, blob));
  EXPECT_EQ(blob, Octets(200, 0)) << "the image is not left there";
}

TEST_F(ContextSealTest, AKeyHasItsSize) {
  for (const std::size_t size : {0u, 31u, 33u}) {
    EXPECT_EQ(ContextSealer::make(Octets(size, 1)), nullptr);
  }
  EXPECT_NE(ContextSealer::make(Octets(32, 1)), nullptr);
}

// kept_from_dumps is how much memory the kernel leaves out of core dumps, in kB.
long kept_from_dumps() {
  std::ifstream maps("/proc/self/smaps");
  long sum = 0;
  long size = 0;
  for (std::string line; std::getline(maps, line);) {
    if (line.starts_with("Size:")) {
      size = std::stol(line.substr(line.find(':') + 1));
    } else if (line.starts_with("VmFlags:") && line.find(" dd") != std::string::npos) {
      sum += size;
    }
  }
  return sum;
}

TEST(ContextSealDump, TheKeysPageIsNotInCoreDumps) {
  const long before = kept_from_dumps();
  const std::unique_ptr<ContextSealer> sealer = ContextSealer::make(Octets(kContextKeySize, 0x77));
  ASSERT_NE(sealer, nullptr);
  EXPECT_EQ(kept_from_dumps() - before, ::sysconf(_SC_PAGESIZE) / 1024);
}

class KeyFileTest : public ::testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string file(const Octets& contents, mode_t mode = 0600) const {
    const std::string path = (folder / "key").string();
    std::filesystem::remove(path);
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(contents.data()),
               static_cast<std::streamsize>(contents.size()));
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path;
  }
  // refusal is why a file is no key; "" if it is one.
  static std::string refusal(const std::string& path) {
    KeyFileReason why{};
    const std::unique_ptr<ContextSealer> sealer = make_sealer_of_file(path.c_str(), why);
    EXPECT_EQ(sealer == nullptr, why[0] != '\0');
    return why.data();
  }
  static bool says(const std::string& text, const char* words) {
    return text.find(words) != std::string::npos;
  }

  static std::filesystem::path make_folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "usher-key-XXXXXX").string();
    return ::mkdtemp(pattern.data());
  }
  const std::filesystem::path folder = make_folder();
  const Octets key = Octets(32, 0x42);
};

TEST_F(KeyFileTest, TwoEnginesOfOneFileOpenEachOthers) {
  const std::string path = file(key);
  KeyFileReason why{};
  const std::unique_ptr<ContextSealer> one = make_sealer_of_file(path.c_str(), why);
  const std::unique_ptr<ContextSealer> other = make_sealer_of_file(path.c_str(), why);
  ASSERT_NE(one, nullptr) << why.data();
  ASSERT_NE(other, nullptr);
  Octets blob(kSealedOverhead + 9, 3);
  ASSERT_TRUE(one->seal(kTimes, *make_system_random(), blob));
  Octets image(9);
  EXPECT_EQ(other->open(blob, image).outcome, SealOutcome::kOpened);
  EXPECT_EQ(image, Octets(9, 3));
}

TEST_F(KeyFileTest, MustHave32BytesOfWhichSomeAreNotZero) {
  EXPECT_EQ(refusal(file(key)), "");
  for (const std::size_t size : {0u, 1u, 31u, 33u, 4096u}) {
    EXPECT_TRUE(says(refusal(file(Octets(size, 1))), "exactly 32 bytes")) << size;
  }
  EXPECT_TRUE(says(refusal(file(Octets(32, 0))), "zeros"));
}

TEST_F(KeyFileTest, MustBeItsOwnersAlone) {
  for (const mode_t mode : {0600u, 0400u}) {
    EXPECT_EQ(refusal(file(key, mode)), "");
  }
  for (const mode_t mode : {0640u, 0604u, 0620u, 0602u, 0610u, 0601u, 0444u}) {
    EXPECT_TRUE(says(refusal(file(key, mode)), "others")) << std::oct << mode;
  }
}

TEST_F(KeyFileTest, MustBeAFileThatIsThere) {
  EXPECT_TRUE(says(refusal((folder / "nothing").string()), "cannot be read"));
  EXPECT_TRUE(says(refusal(folder.string()), "no ordinary file"));
  EXPECT_TRUE(says(refusal("/dev/urandom"), "no ordinary file"));
  const std::string pipe = (folder / "pipe").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_TRUE(says(refusal(pipe), "no ordinary file")) << "and nobody waits for it";
  const std::string link = (folder / "link").string();
  ASSERT_EQ(::symlink(file(key).c_str(), link.c_str()), 0);
  EXPECT_EQ(refusal(link), "") << "as services have their secrets mounted";
}

TEST_F(KeyFileTest, MustBeOursOrRoots) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root can give files away";
  }
  const std::string path = file(key);
  EXPECT_EQ(refusal(path), "");
  ASSERT_EQ(::chown(path.c_str(), 12345, 0), 0);
  EXPECT_TRUE(says(refusal(path), "belongs neither"));
}

}  // namespace
}  // namespace usher::auth
