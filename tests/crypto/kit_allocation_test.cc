// engine/crypto: once a Kit is made, nothing on the accept path takes memory from the heap.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <vector>

#include "engine/crypto/key_ring.h"
#include "engine/crypto/kit.h"
#include "engine/crypto/proof_batch.h"
#include "engine/crypto/ticket_batch.h"
#include "parsers/ntlm.h"

#if defined(__has_feature)
#define USHER_HAS_FEATURE(x) __has_feature(x)
#else
#define USHER_HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||               \
    USHER_HAS_FEATURE(address_sanitizer) || USHER_HAS_FEATURE(thread_sanitizer) || \
    USHER_HAS_FEATURE(memory_sanitizer)
#define USHER_COUNTS_HEAP 0  // The sanitizer's own malloc must stay in place.
#else
#define USHER_COUNTS_HEAP 1
#endif

#if USHER_COUNTS_HEAP
namespace {
std::atomic<unsigned long> g_heap_calls{0};
}  // namespace

// These take the place of the C library's in the whole process, OpenSSL included.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);

void* malloc(std::size_t size) {
  g_heap_calls.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  g_heap_calls.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, size);
}
void* realloc(void* memory, std::size_t size) {
  g_heap_calls.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(memory, size);
}
}
#endif

namespace usher::crypto {
namespace {

class KitAllocation : public ::testing::Test {
 protected:
  void SetUp() override {
#if !USHER_COUNTS_HEAP
    GTEST_SKIP() << "a sanitizer has its own malloc";
#endif
    before_make_ = heap_calls();
    kit_ = Kit::make();
    ASSERT_NE(kit_, nullptr);
    lanes_.push_back(Lanes::make(*kit_, LanesChoice::kOpenssl));
    if (has_ipsec_mb()) {
      lanes_.push_back(Lanes::make(*kit_, LanesChoice::kIpsecMb));
    }
    if (has_x86_lanes()) {
      lanes_.push_back(Lanes::make(*kit_, LanesChoice::kX86));
    }
    for (const auto& lanes : lanes_) {
      ASSERT_NE(lanes, nullptr);
    }
  }

  static unsigned long heap_calls() {
#if USHER_COUNTS_HEAP
    return g_heap_calls.load(std::memory_order_relaxed);
#else
    return 0;
#endif
  }

  std::unique_ptr<Kit> kit_;
  std::vector<std::unique_ptr<Lanes>> lanes_;  // Over each back end there is.
  unsigned long before_make_ = 0;
};

TEST_F(KitAllocation, MakingOneIsCounted) { EXPECT_GT(heap_calls(), before_make_); }

TEST_F(KitAllocation, NoPrimitiveAllocatesNotEvenAtItsFirstUse) {
  std::array<std::uint8_t, 300> in{};
  std::array<std::uint8_t, 300> out{};
  std::array<std::uint8_t, 20> sha1{};
  std::array<std::uint8_t, 32> sha256{};
  std::array<std::uint8_t, 48> sha384{};
  std::array<std::uint8_t, 16> md5{};
  const std::array<std::uint8_t, 80> key{};
  const Bytes parts[] = {in, key};
  const Bytes keys = key;
  const unsigned long before = heap_calls();
  bool done = true;
  for (const std::size_t size : {16u, 32u, 16u}) {
    done = done && kit_->cts_encrypt(keys.first(size), in, out);
    done = done && kit_->cts_decrypt(keys.first(size), in, out);
    done = done && kit_->cbc_encrypt(keys.first(size), std::span(in).first(32), out);
    done = done && kit_->cbc_decrypt(keys.first(size), std::span(in).first(32), out);
    done = done && kit_->rc4(keys.first(size), in, out);
    done = done && kit_->hmac_sha1(keys.first(size), parts, sha1);
    done = done && kit_->hmac_sha256(keys.first(size), parts, sha256);
    done = done && kit_->hmac_sha384(keys.first(size), parts, sha384);
    done = done && kit_->hmac_md5(keys, parts, md5);
    done = done && kit_->md5(parts, md5);
    done = done && kit_->md4(in, md5);
  }
  const unsigned long after = heap_calls();
  EXPECT_TRUE(done);
  EXPECT_EQ(after, before);
}

TEST_F(KitAllocation, NoStageAllocatesWithAnyEtype) {
  // One job alone and many at once take different ways.
  constexpr std::size_t kMany = 20;
  for (const std::unique_ptr<Lanes>& lanes : lanes_) {
    for (const std::int32_t etype : {17, 18, 19, 20, 23}) {
      const EtypeProfile* const profile = profile_of(etype);
      const std::array<std::uint8_t, 32> octets{7};
      const Bytes base = Bytes(octets).first(profile->key_size);
      ServiceKey key;
      ASSERT_TRUE(make_service_key(*kit_, *profile, base, key));
      std::vector<std::array<std::uint8_t, sealing_room(200)>> rooms(3 * kMany);
      std::vector<std::array<std::uint8_t, 200>> replies(kMany);
      std::vector<SessionKeys> keys(kMany);
      const std::array<std::uint8_t, 200> token{};
      std::vector<SealJob> seals(kMany);
      std::vector<AuthenticatorJob> authenticators(kMany);
      std::vector<TicketJob> tickets(kMany);
      std::vector<ChecksumJob> checksums(kMany);
      for (const std::size_t count : {std::size_t{1}, kMany}) {
        for (std::size_t i = 0; i < kMany; ++i) {
          keys[i].clear();
          authenticators[i] = {.profile = profile,
                               .session_key = base,
                               .keys = &keys[i],
                               .cipher = token,
                               .room = rooms[3 * i],
                               .opened = {}};
          seals[i] = {.profile = profile,
                      .session_key = base,
                      .keys = &keys[i],
                      .confounder = base.first(profile->confounder_size),
                      .plain = Bytes(token).first(100),
                      .room = rooms[3 * i + 1],
                      .cipher = std::span(replies[i]).first(100 + profile->overhead())};
          tickets[i] = {.key = &key, .cipher = token, .room = rooms[3 * i + 2], .opened = {}};
          checksums[i] = {.key = &key,
                          .type = profile->checksum_type,
                          .text = token,
                          .checksum = Bytes(octets).first(profile->checksum_size)};
        }
        const unsigned long before = heap_calls();
        open_tickets(*lanes, std::span(tickets).first(count));
        open_authenticators(*lanes, std::span(authenticators).first(count));
        seal_replies(*lanes, std::span(seals).first(count));
        verify_checksums(*lanes, std::span(checksums).first(count));
        const unsigned long after = heap_calls();
        EXPECT_EQ(after, before) << etype;
        EXPECT_EQ(seals[0].outcome, Outcome::kDone);
        EXPECT_EQ(authenticators[0].outcome, Outcome::kForged);
        EXPECT_EQ(tickets[count - 1].outcome, Outcome::kForged);
        EXPECT_EQ(checksums[count - 1].outcome, Outcome::kForged);
      }
    }
  }
}

TEST_F(KitAllocation, NoProofAllocates) {
  const std::array<std::uint8_t, 16> octets{7};
  std::array<std::uint8_t, 16> session_key{};
  ProofJob proof{};
  proof.nt_hash = octets;
  proof.server_challenge = Bytes(octets).first(8);
  proof.proof = octets;
  proof.session_key = session_key;
  const unsigned long before = heap_calls();
  verify_proofs(*kit_, std::span(&proof, 1));
  const unsigned long after = heap_calls();
  EXPECT_EQ(after, before);
  EXPECT_EQ(proof.proof_outcome, Outcome::kForged);
}

}  // namespace
}  // namespace usher::crypto
