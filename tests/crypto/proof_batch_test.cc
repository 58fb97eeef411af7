// engine/crypto/proof_batch.h: proofs, session keys and MICs are those of MS-NLMP and of real
// clients, and one changed bit is enough to refuse.
#include "engine/crypto/proof_batch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tests/crypto/ntlm_recorded.h"
#include "tests/hex.h"

namespace usher::crypto {
namespace {

using testing::hex;
using testing::Octets;
using testing::RecordedNtlm;
using testing::utf16;

bool all_zero(Bytes bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

// EachWay verifies jobs with the Kit, and again in the lanes of each back end, which must come to
// the same and leave nothing behind.
class EachWay {
 public:
  explicit EachWay(Kit& kit) : kit_(kit) {
    lanes_.push_back(Lanes::make(kit, LanesChoice::kOpenssl));
    if (has_ipsec_mb()) {
      lanes_.push_back(Lanes::make(kit, LanesChoice::kIpsecMb));
    }
    if (has_x86_lanes()) {
      lanes_.push_back(Lanes::make(kit, LanesChoice::kX86));
      lanes_.push_back(Lanes::make(kit, LanesChoice::kX86, 1));
    }
  }

  void verify(std::span<ProofJob> jobs) {
    const std::vector<ProofJob> asked(jobs.begin(), jobs.end());
    std::vector<Octets> untouched;
    for (const ProofJob& job : jobs) {
      untouched.emplace_back(job.session_key.begin(), job.session_key.end());
    }
    verify_proofs(kit_, jobs);
    for (const std::unique_ptr<Lanes>& lanes : lanes_) {
      ASSERT_NE(lanes, nullptr);
      std::vector<ProofJob> again = asked;
      std::vector<Octets> keys = untouched;
      for (std::size_t i = 0; i < again.size(); ++i) {
        again[i].session_key = keys[i];
      }
      verify_proofs(*lanes, again);
      for (std::size_t i = 0; i < again.size(); ++i) {
        EXPECT_EQ(again[i].proof_outcome, jobs[i].proof_outcome) << i;
        EXPECT_EQ(again[i].mic_outcome, jobs[i].mic_outcome) << i;
        EXPECT_TRUE(std::ranges::equal(keys[i], jobs[i].session_key)) << i;
      }
      expect_nothing_left(*lanes);
    }
  }

 private:
  static void expect_nothing_left(Lanes& lanes) {
    for (const Lanes::Workspace::Proof& proof : lanes.workspace().proofs) {
      for (const HmacKey* const key : {&proof.keys, &proof.response_key}) {
        EXPECT_TRUE(all_zero(key->image().key) && all_zero(key->image().inner) &&
                    all_zero(key->image().outer));
      }
      EXPECT_EQ(proof.text_size, 0u);
    }
    EXPECT_TRUE(all_zero(lanes.workspace().hmacs[0]));
  }

  Kit& kit_;
  std::vector<std::unique_ptr<Lanes>> lanes_;
};

// MS-NLMP 4.2.1 and 4.2.4: user User, domain Domain, password Password.
class Specification : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(kit_, nullptr);
    ASSERT_TRUE(nt_hash_of(*kit_, utf16("Password"), nt_hash_));
  }

  ProofJob job() {
    ProofJob job{};
    job.nt_hash = nt_hash_;
    job.user_upper = user_;
    job.domain = domain_;
    job.server_challenge = server_challenge_;
    job.proof = proof_;
    job.client_data = client_data_;
    job.session_key = session_key_;
    return job;
  }
  ProofJob verified(ProofJob job) {
    each_way_.verify(std::span(&job, 1));
    return job;
  }

  const std::unique_ptr<Kit> kit_ = Kit::make();
  EachWay each_way_{*kit_};
  const Octets user_ = utf16("USER");
  const Octets domain_ = utf16("Domain");
  const Octets server_challenge_ = hex("0123456789abcdef");
  const Octets client_data_ =
      hex("0101000000000000 0000000000000000 aaaaaaaaaaaaaaaa 00000000"
          "02000c0044006f006d00610069006e00 01000c00530065007200760065007200 00000000 00000000");
  const Octets proof_ = hex("68cd0ab851e51c96aabc927bebef6a1c");
  Octets nt_hash_ = Octets(kNtHashSize);
  Octets session_key_ = Octets(16);
};

TEST_F(Specification, NtHash) {  // MS-NLMP 4.2.2.1.2
  EXPECT_EQ(nt_hash_, hex("a4f49c406510bdcab6824ee7c30fd852"));
}

TEST_F(Specification, SessionKeyWithoutKeyExchangeIsTheSessionBaseKey) {  // 4.2.4.1.2
  const ProofJob done = verified(job());
  EXPECT_EQ(done.proof_outcome, Outcome::kDone);
  EXPECT_EQ(done.mic_outcome, Outcome::kDone);
  EXPECT_EQ(session_key_, hex("8de40ccadbc14a82f15cb0ad0de95ca3"));
}

TEST_F(Specification, KeyExchangeDecryptsTheSessionKey) {  // 4.2.4.2.3
  const Octets encrypted = hex("c5dad2544fc9799094ce1ce90bc9d03e");
  ProofJob exchange = job();
  exchange.key_exchange = true;
  exchange.encrypted_session_key = encrypted;
  EXPECT_EQ(verified(exchange).proof_outcome, Outcome::kDone);
  EXPECT_EQ(session_key_, Octets(16, 0x55));
}

// MS-NLMP 4.2.2 and 4.2.3: the same user, with the older responses.
class SpecificationV1 : public Specification {
 protected:
  ProofJob v1() {
    ProofJob older = job();
    older.kind = ProofKind::kV1;
    older.proof = v1_response_;
    older.client_data = {};
    return older;
  }
  ProofJob v1_session() {
    ProofJob older = v1();
    older.kind = ProofKind::kV1Session;
    older.proof = session_response_;
    older.client_data = client_challenge_;
    return older;
  }

  const Octets v1_response_ = hex("67c43011f30298a2ad35ece64f16331c44bdbed927841f94");
  const Octets session_response_ = hex("7537f803ae367128ca458204bde7caf81e97ed2683267232");
  const Octets client_challenge_ = hex("aaaaaaaaaaaaaaaa");
};

TEST_F(SpecificationV1, SessionBaseKey) {  // 4.2.2.1.3, 4.2.2.2.1
  EXPECT_EQ(verified(v1()).proof_outcome, Outcome::kDone);
  EXPECT_EQ(session_key_, hex("d87262b0cde4b1cb7499becccdf10784"));
}

TEST_F(SpecificationV1, EncryptedSessionKey) {  // 4.2.2.2.3
  const Octets encrypted = hex("518822b1b3f350c8958682ecbb3e3cb7");
  ProofJob exchange = v1();
  exchange.key_exchange = true;
  exchange.encrypted_session_key = encrypted;
  EXPECT_EQ(verified(exchange).proof_outcome, Outcome::kDone);
  EXPECT_EQ(session_key_, Octets(16, 0x55));
}

TEST_F(SpecificationV1, KeyExchangeKeyOfExtendedSessionSecurity) {  // 4.2.3.1.3, 4.2.3.2.2
  EXPECT_EQ(verified(v1_session()).proof_outcome, Outcome::kDone);
  EXPECT_EQ(session_key_, hex("eb93429a8bd952f8b89c55b87f475edc"));
}

TEST_F(SpecificationV1, EveryInputCounts) {
  for (const ProofJob& right : {v1(), v1_session()}) {
    for (const auto member : {&ProofJob::nt_hash, &ProofJob::server_challenge, &ProofJob::proof,
                              &ProofJob::client_data}) {
      ProofJob changed = right;
      Octets copy((changed.*member).begin(), (changed.*member).end());
      changed.*member = copy;
      ASSERT_EQ(verified(changed).proof_outcome, Outcome::kDone);
      for (std::size_t bit = 0; bit < copy.size() * 8; ++bit) {
        copy[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
        EXPECT_EQ(verified(changed).proof_outcome, Outcome::kForged) << bit;
        EXPECT_TRUE(all_zero(session_key_)) << bit;
        copy[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
      }
    }
  }
}

TEST_F(SpecificationV1, OneResponseIsNotTheOther) {
  ProofJob other = v1_session();
  other.proof = v1_response_;
  EXPECT_EQ(verified(other).proof_outcome, Outcome::kForged);
  other = v1();
  other.proof = session_response_;
  EXPECT_EQ(verified(other).proof_outcome, Outcome::kForged);
}

TEST_F(SpecificationV1, NobodysSessionKeyIsZeros) {  // MS-NLMP 3.2.5.1.2
  ProofJob nobody = job();
  nobody.kind = ProofKind::kAnonymous;
  nobody.proof = nobody.client_data = {};
  std::ranges::fill(session_key_, std::uint8_t{1});
  EXPECT_EQ(verified(nobody).proof_outcome, Outcome::kDone);
  EXPECT_TRUE(all_zero(session_key_));
}

TEST_F(Specification, EveryInputOfTheProofCounts) {
  for (const auto member :
       {&ProofJob::nt_hash, &ProofJob::user_upper, &ProofJob::domain, &ProofJob::server_challenge,
        &ProofJob::proof, &ProofJob::client_data}) {
    ProofJob changed = job();
    Octets copy((changed.*member).begin(), (changed.*member).end());
    changed.*member = copy;
    ASSERT_EQ(verified(changed).proof_outcome, Outcome::kDone);
    for (std::size_t bit = 0; bit < copy.size() * 8; ++bit) {
      copy[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
      std::ranges::fill(session_key_, std::uint8_t{0xee});
      const ProofJob refused = verified(changed);
      EXPECT_EQ(refused.proof_outcome, Outcome::kForged) << bit;
      EXPECT_EQ(refused.mic_outcome, Outcome::kForged) << bit;
      EXPECT_TRUE(all_zero(session_key_)) << bit;
      copy[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    }
  }
}

TEST_F(Specification, ACutProofIsForged) {
  for (std::size_t size = 0; size <= proof_.size(); ++size) {
    ProofJob cut = job();
    cut.proof = Bytes(proof_).first(size);
    EXPECT_EQ(verified(cut).proof_outcome,
              size == proof_.size() ? Outcome::kDone : Outcome::kForged)
        << size;
  }
}

TEST_F(Specification, AWrongProofDoesNotFailItsNeighbours) {
  Octets keys(16 * kBatchMax);
  Octets wrong = proof_;
  wrong[3] ^= 0x20;
  std::vector<ProofJob> jobs(kBatchMax, job());
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    jobs[i].session_key = std::span(keys).subspan(16 * i, 16);
    jobs[i].proof = i % 5 == 2 ? wrong : proof_;
  }
  jobs[0].proof_outcome = Outcome::kFailed;  // Decided before; not to be touched.
  each_way_.verify(jobs);
  EXPECT_EQ(jobs[0].proof_outcome, Outcome::kFailed);
  EXPECT_EQ(jobs[0].mic_outcome, Outcome::kPending);
  for (std::size_t i = 1; i < jobs.size(); ++i) {
    EXPECT_EQ(jobs[i].proof_outcome, i % 5 == 2 ? Outcome::kForged : Outcome::kDone) << i;
    EXPECT_EQ(all_zero(jobs[i].session_key), i % 5 == 2) << i;
  }
}

// More than there is room for at once, of every kind, of all sizes, with and without a MIC.
TEST_F(SpecificationV1, MixedProofsOfManySizesAreJudgedAsTheyAreAlone) {
  constexpr std::size_t kCount = 3 * kBatchMax / 2;
  struct Own {
    Octets key = Octets(16);
    Octets domain;
    Octets proof = Octets(16);
    Octets authenticate;
    Octets mic;
  };
  std::vector<Own> owns(kCount);
  std::vector<ProofJob> jobs(kCount, job());
  for (std::size_t i = 0; i < kCount; ++i) {
    Own& own = owns[i];
    ProofJob& one = jobs[i];
    if (i % 7 == 3) {
      one = i % 2 == 0 ? v1() : v1_session();
    } else {
      // Some are longer than a text in lanes may be.
      own.domain = Octets(2 * (i * 29 % 1100), static_cast<std::uint8_t>(i));
      one.domain = own.domain;
      Octets response_key(16);
      const Bytes account[] = {user_, own.domain};
      const Bytes covered[] = {server_challenge_, client_data_};
      ASSERT_TRUE(kit_->hmac_md5(nt_hash_, account, response_key));
      ASSERT_TRUE(kit_->hmac_md5(response_key, covered, own.proof));
      own.proof[i % 16] ^= i % 5 == 4 ? 1 : 0;
      one.proof = own.proof;
      own.authenticate = Octets(60 + i * 41 % 3000, static_cast<std::uint8_t>(i));
      own.mic = Octets(16, 0x5a);
      one.authenticate = own.authenticate;
      one.check_mic = i % 3 == 0;
      one.mic = own.mic;
    }
    one.session_key = own.key;
  }
  each_way_.verify(jobs);
  for (std::size_t i = 0; i < kCount; ++i) {
    const bool forged = i % 7 != 3 && i % 5 == 4;
    EXPECT_EQ(jobs[i].proof_outcome, forged ? Outcome::kForged : Outcome::kDone) << i;
  }
}

struct RecordedCase {
  const char* name;
  const char* file;
  bool key_exchange;
  bool mic;
};
constexpr std::array kRecorded = {
    RecordedCase{"AxiosNtlm", "http/axios-ntlm.txt", false, false},
    RecordedCase{"Chromium", "http/chromium-ntlm.txt", false, true},
    RecordedCase{"ChromiumTls", "http/chromium-ntlm-tls.txt", false, true},
    RecordedCase{"CurlNegotiate", "http/curl-nego-ntlmssp.txt", true, true},
    RecordedCase{"Curl", "http/curl-ntlm-fixed.txt", false, false},
    RecordedCase{"GssNtlmsspBindings", "http/gssntlmssp-ntlm-cb.txt", true, false},
    RecordedCase{"GssNtlmsspMic", "http/gssntlmssp-spnego-mic.txt", true, true},
    RecordedCase{"HttpNtlm", "http/httpntlm.txt", false, false},
    RecordedCase{"Java", "http/java-ntlm.txt", false, false},
    RecordedCase{"NtlmAuth", "http/ntlm_auth-spnego-client.txt", true, false},
    RecordedCase{"PythonRequests", "http/py-requests-ntlm.txt", true, true},
    RecordedCase{"WinPr", "http/winpr2-cli-ntlm.txt", true, true},
};

class RecordedProof : public ::testing::TestWithParam<RecordedCase> {
 protected:
  void SetUp() override { ASSERT_NE(kit_, nullptr); }
  ProofJob verified(ProofJob job) {
    each_way_.verify(std::span(&job, 1));
    return job;
  }
  const std::unique_ptr<Kit> kit_ = Kit::make();
  EachWay each_way_{*kit_};
};
INSTANTIATE_TEST_SUITE_P(Table, RecordedProof, ::testing::ValuesIn(kRecorded),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST_P(RecordedProof, IsGenuine) {
  RecordedNtlm exchange(*kit_, GetParam().file);
  const ProofJob job = verified(exchange.job());
  EXPECT_EQ(job.key_exchange, GetParam().key_exchange);
  EXPECT_EQ(job.check_mic, GetParam().mic);
  EXPECT_EQ(job.proof_outcome, Outcome::kDone);
  EXPECT_EQ(job.mic_outcome, Outcome::kDone);
  EXPECT_FALSE(all_zero(job.session_key));
}

TEST_P(RecordedProof, IsForgedWithAnotherPassword) {
  RecordedNtlm exchange(*kit_, GetParam().file);
  Octets other(kNtHashSize);
  ASSERT_TRUE(nt_hash_of(*kit_, utf16("B0b-Passw0rd"), other));
  ProofJob job = exchange.job();
  job.nt_hash = other;
  job = verified(job);
  EXPECT_EQ(job.proof_outcome, Outcome::kForged);
  EXPECT_EQ(job.mic_outcome, Outcome::kForged);
  EXPECT_TRUE(all_zero(job.session_key));
}

TEST_P(RecordedProof, OneBitChangedInAnyMessageBreaksTheMicIfThereIsOne) {
  RecordedNtlm exchange(*kit_, GetParam().file);
  if (!GetParam().mic) {
    EXPECT_FALSE(exchange.has_mic());
    return;
  }
  for (Octets* message : {&exchange.negotiate(), &exchange.challenge(), &exchange.authenticate()}) {
    for (std::size_t at = 0; at < message->size(); ++at) {
      const ProofJob job = exchange.job();
      (*message)[at] ^= 0x08;
      const ProofJob refused = verified(job);
      EXPECT_NE(refused.mic_outcome, Outcome::kDone) << at;
      EXPECT_TRUE(all_zero(refused.session_key));
      (*message)[at] ^= 0x08;
    }
  }
  EXPECT_EQ(verified(exchange.job()).mic_outcome, Outcome::kDone);
}

TEST_P(RecordedProof, AMicThatIsNotThereIsForged) {
  RecordedNtlm exchange(*kit_, GetParam().file);
  ProofJob job = exchange.job();
  job.check_mic = true;
  job.mic = {};
  EXPECT_EQ(verified(job).mic_outcome, Outcome::kForged);
  job.authenticate = job.authenticate.first(ntlm::kMicOffset + ntlm::kMicSize - 1);
  EXPECT_EQ(verified(job).mic_outcome, Outcome::kForged);
  EXPECT_TRUE(all_zero(job.session_key));
  job.check_mic = false;
  EXPECT_EQ(verified(job).mic_outcome, Outcome::kDone);
}

// BrokenKit fails at its n-th operation, as OpenSSL never should.
class BrokenKit final : public Kit {
 public:
  BrokenKit(Kit& kit, int fails_at) : kit_(kit), left_(fails_at) {}
  [[nodiscard]] bool failed() const { return left_ < 0; }

  bool cts_encrypt(Bytes, Bytes, MutableBytes) noexcept override { return false; }
  bool cts_decrypt(Bytes, Bytes, MutableBytes) noexcept override { return false; }
  bool cbc_encrypt(Bytes, Bytes, MutableBytes) noexcept override { return false; }
  bool cbc_decrypt(Bytes, Bytes, MutableBytes) noexcept override { return false; }
  bool hmac_sha1(Bytes, std::span<const Bytes>, MutableBytes) noexcept override { return false; }
  bool hmac_sha256(Bytes, std::span<const Bytes>, MutableBytes) noexcept override { return false; }
  bool hmac_sha384(Bytes, std::span<const Bytes>, MutableBytes) noexcept override { return false; }
  bool md5(std::span<const Bytes>, MutableBytes) noexcept override { return false; }
  bool md4(Bytes, MutableBytes) noexcept override { return false; }
  bool des_encrypt(Bytes, Bytes, MutableBytes) noexcept override { return false; }
  bool hmac_md5(Bytes key, std::span<const Bytes> parts, MutableBytes out) noexcept override {
    return kit_.hmac_md5(key, parts, out) && left_-- > 0;
  }
  bool rc4(Bytes key, Bytes in, MutableBytes out) noexcept override {
    return kit_.rc4(key, in, out) && left_-- > 0;
  }

 private:
  Kit& kit_;
  int left_;
};

TEST(VerifyProofs, AFailingLibraryIsNoForgeryAndLeavesNoKey) {
  const std::unique_ptr<Kit> kit = Kit::make();
  ASSERT_NE(kit, nullptr);
  RecordedNtlm exchange(*kit, "http/winpr2-cli-ntlm.txt");
  for (const bool in_lanes : {false, true}) {
    int failures = 0;
    for (int fails_at = 0; fails_at < 6; ++fails_at) {
      BrokenKit broken(*kit, fails_at);
      const std::unique_ptr<Lanes> lanes = Lanes::make(broken, LanesChoice::kOpenssl);
      ProofJob job = exchange.job();
      if (in_lanes) {
        verify_proofs(*lanes, std::span(&job, 1));
      } else {
        verify_proofs(broken, std::span(&job, 1));
      }
      EXPECT_EQ(job.mic_outcome, broken.failed() ? Outcome::kFailed : Outcome::kDone) << fails_at;
      EXPECT_EQ(all_zero(job.session_key), broken.failed()) << fails_at;
      failures += broken.failed() ? 1 : 0;
    }
    EXPECT_EQ(failures, 5);  // NTOWFv2, proof, SessionBaseKey, RC4, MIC.
  }
}

}  // namespace
}  // namespace usher::crypto
