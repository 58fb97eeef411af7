// engine/crypto: once a Kit is made, nothing on the accept path takes memory from the heap.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>

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
  }

  static unsigned long heap_calls() {
#if USHER_COUNTS_HEAP
    return g_heap_calls.load(std::memory_order_relaxed);
#else
    return 0;
#endif
  }

  std::unique_ptr<Kit> kit_;
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
  for (const std::int32_t etype : {17, 18, 19, 20, 23}) {
    const EtypeProfile* const profile = profile_of(etype);
    const std::array<std::uint8_t, 32> octets{7};
    const Bytes base = Bytes(octets).first(profile->key_size);
    const KeyRing::Entry entry{.realm = base.first(3),
                               .components = base.first(5),
                               .etype = etype,
                               .kvno = 1,
                               .key = base};
    const std::unique_ptr<const KeyRing> ring = KeyRing::make(*kit_, std::span(&entry, 1));
    ASSERT_NE(ring, nullptr);
    std::array<std::uint8_t, 200> room{};
    std::array<std::uint8_t, 200> token{};
    const unsigned long before = heap_calls();

    SealJob seal{.profile = profile,
                 .session_key = base,
                 .confounder = base.first(profile->confounder_size),
                 .plain = std::span(token).first(100),
                 .cipher = std::span(room).first(100 + profile->overhead())};
    seal_replies(*kit_, std::span(&seal, 1));
    AuthenticatorJob authenticator{
        .profile = profile, .session_key = base, .cipher = token, .plain = room, .opened = {}};
    open_authenticators(*kit_, std::span(&authenticator, 1));
    const ServiceKey* const key = ring->find(entry.realm, entry.components, etype, true, 1).key;
    TicketJob ticket{.key = key, .cipher = token, .plain = room, .opened = {}};
    open_tickets(*kit_, std::span(&ticket, 1));
    const Bytes parts[] = {token};
    const bool signature = check_checksum(*kit_, key->pac, profile->checksum_type, parts,
                                          Bytes(room).first(profile->checksum_size));

    const unsigned long after = heap_calls();
    EXPECT_EQ(after, before) << etype;
    EXPECT_EQ(seal.outcome, Outcome::kDone);
    EXPECT_EQ(authenticator.outcome, Outcome::kForged);
    EXPECT_EQ(ticket.outcome, Outcome::kForged);
    EXPECT_FALSE(signature);
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
