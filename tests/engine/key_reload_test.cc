// engine/slots/published.h and engine/crypto/key_ring.h together: keys that were replaced are wiped
// before their memory is given back, when their last user has gone and no sooner, and no sign-on
// notices that keys are replaced.
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "tools/mint/kerberos_mint.h"

// ThreadSanitizer's own operators cannot be replaced.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define USHER_DELETE_IS_TAKEN 1
#endif
#endif

namespace {

// Searcher looks into every block of memory that is given back.
class Searcher {
 public:
  // begin looks for `secret`, and for the block that `address` is in.
  void begin(usher::Bytes secret, const void* address) {
    size_ = std::min(secret.size(), secret_.size());
    std::copy_n(secret.begin(), size_, secret_.begin());
    address_ = static_cast<const char*>(address);
    found_ = 0;
    given_back_ = false;
    on_ = true;
  }
  void end() { on_ = false; }
  [[nodiscard]] int found() const { return found_; }             // Blocks with the secret in them.
  [[nodiscard]] bool given_back() const { return given_back_; }  // The block of `address`.

  void look(void* block) noexcept {
    if (block == nullptr || !on_) {
      return;
    }
    const std::size_t size = malloc_usable_size(block);
    const auto* const begin = static_cast<const char*>(block);
    if (address_ >= begin && address_ < begin + size) {
      given_back_ = true;
    }
    if (holds_secret(begin, size)) {
      ++found_;
    }
  }

 private:
  // A block of an array begins with its count, which AddressSanitizer lets nobody read.
  [[gnu::no_sanitize_address]] bool holds_secret(const char* begin, std::size_t size) noexcept {
    for (std::size_t at = 0; at + size_ <= size; ++at) {
      std::size_t same = 0;
      while (same < size_ && static_cast<std::uint8_t>(begin[at + same]) == secret_[same]) {
        ++same;
      }
      if (same == size_) {
        return true;
      }
    }
    return false;
  }

  std::atomic<bool> on_{false};
  std::atomic<int> found_{0};
  std::atomic<bool> given_back_{false};
  std::array<std::uint8_t, 32> secret_{};
  std::size_t size_ = 0;
  const char* address_ = nullptr;
};
constinit Searcher g_searcher;

#ifdef USHER_DELETE_IS_TAKEN
constexpr bool kSeesWhatIsGivenBack = false;
#else
constexpr bool kSeesWhatIsGivenBack = true;

void* take(std::size_t size) {
  void* const block = std::malloc(std::max(size, std::size_t{1}));
  if (block == nullptr) {
    std::abort();
  }
  return block;
}
void give_back(void* block) noexcept {
  g_searcher.look(block);
  std::free(block);
}
#endif

}  // namespace

#ifndef USHER_DELETE_IS_TAKEN
void* operator new(std::size_t size) { return take(size); }
void* operator new[](std::size_t size) { return take(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return take(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return take(size); }
void operator delete(void* block) noexcept { give_back(block); }
void operator delete[](void* block) noexcept { give_back(block); }
void operator delete(void* block, std::size_t) noexcept { give_back(block); }
void operator delete[](void* block, std::size_t) noexcept { give_back(block); }
void operator delete(void* block, const std::nothrow_t&) noexcept { give_back(block); }
void operator delete[](void* block, const std::nothrow_t&) noexcept { give_back(block); }
#endif

namespace usher {
namespace {

constexpr std::int64_t kNow = 1'790'000'000;

class FixedClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_us() const noexcept override { return kNow * kMicrosPerSecond; }
  [[nodiscard]] std::int64_t steady_us() const noexcept override { return kMicrosPerSecond; }
};

class KeyReload : public ::testing::Test {
 protected:
  std::unique_ptr<auth::Keys> make_keys(std::span<const mint::Service> services) {
    auto keys = std::make_unique<auth::Keys>();
    keys->ring = mint::make_ring(*kit_, services);
    EXPECT_NE(keys->ring, nullptr);
    return keys;
  }
  static const crypto::ServiceKey* key_in(const auth::Keys& keys, const mint::Service& service) {
    const mint::Octets realm(service.name.realm.begin(), service.name.realm.end());
    return keys.ring
        ->find(realm, mint::name_components(service.name), service.etype, true, service.kvno)
        .key;
  }
  mint::Octets token() {
    mint::TicketFields ticket;
    ticket.auth_time = kNow - 60;
    ticket.end_time = kNow + 3600;
    mint::AuthenticatorFields fields;
    fields.ctime = kNow;
    return mint::spnego_token(client_.ap_req(client_.ticket(service_, ticket), fields).message);
  }

  const std::unique_ptr<crypto::Kit> kit_ = crypto::Kit::make();
  mint::SeededRandom random_{5};
  const mint::KerberosMint client_{*kit_, random_};
  const mint::Service service_ = mint::make_service(random_, "HTTP/web.example.test@EXAMPLE.TEST");
  const mint::Service other_ = mint::make_service(random_, "HTTP/new.example.test@EXAMPLE.TEST");
};

// Without this the next two would prove nothing.
TEST_F(KeyReload, TheSearcherFindsWhatIsNotWiped) {
  if (!kSeesWhatIsGivenBack) {
    GTEST_SKIP() << "a sanitizer has its own operator delete";
  }
  auto keys = make_keys(std::span(&service_, 1));
  const Bytes secret = key_in(*keys, service_)->ke.bytes();
  auto* const copy = new mint::Octets(secret.begin(), secret.end());
  g_searcher.begin(secret, copy->data());
  delete copy;
  g_searcher.end();
  EXPECT_EQ(g_searcher.found(), 1);
  EXPECT_TRUE(g_searcher.given_back());
}

TEST_F(KeyReload, OldKeysAreWipedBeforeTheirMemoryIsGivenBack) {
  if (!kSeesWhatIsGivenBack) {
    GTEST_SKIP() << "a sanitizer has its own operator delete";
  }
  auth::Credential credential(auth::Package::kNegotiate, make_keys(std::span(&service_, 1)));
  const crypto::ServiceKey* const key = key_in(*credential.keys.borrow(), service_);
  for (const crypto::Key* part : {&key->ke, &key->ki}) {
    ASSERT_FALSE(part->empty());
  }
  g_searcher.begin(key->ke.bytes(), key);
  credential.keys.replace(make_keys(std::span(&other_, 1)));
  g_searcher.end();
  EXPECT_TRUE(g_searcher.given_back());
  EXPECT_EQ(g_searcher.found(), 0);
}

TEST_F(KeyReload, ASignOnInFlightKeepsTheKeysItBeganWith) {
  auth::Credential credential(auth::Package::kNegotiate, make_keys(std::span(&service_, 1)));
  const mint::Octets before = [&] {
    const Bytes ke = key_in(*credential.keys.borrow(), service_)->ke.bytes();
    return mint::Octets(ke.begin(), ke.end());
  }();
  std::atomic<bool> replaced{false};
  std::thread reload;
  {
    const auto in_flight = credential.keys.borrow();
    const crypto::ServiceKey* const key = key_in(*in_flight, service_);
    g_searcher.begin(key->ke.bytes(), key);
    reload = std::thread([&, next = make_keys(std::span(&other_, 1))]() mutable {
      credential.keys.replace(std::move(next));
      replaced = true;
    });
    // Later ones already have the new keys.
    while (key_in(*credential.keys.borrow(), other_) == nullptr) {
      std::this_thread::yield();
    }
    EXPECT_FALSE(replaced);
    EXPECT_FALSE(g_searcher.given_back());
    EXPECT_TRUE(std::ranges::equal(key->ke.bytes(), before));
  }
  reload.join();
  g_searcher.end();
  EXPECT_EQ(g_searcher.given_back(), kSeesWhatIsGivenBack);
  EXPECT_EQ(g_searcher.found(), 0);
}

TEST_F(KeyReload, AThousandUnderLoadRefuseNoSignOn) {
  constexpr int kReloads = 1000;
  const FixedClock clock;
  const std::unique_ptr<Engine> engine =
      Engine::make({.slot_count = 64, .replay_entry_count = 1 << 10, .clock = &clock});
  ASSERT_NE(engine, nullptr);
  std::string name = ::testing::TempDir() + "usher_reload_XXXXXX";
  const std::filesystem::path folder = mkdtemp(name.data());
  const std::vector<mint::Service> both = {other_, service_};
  // One with both services, one with the service alone. Every tenth comes from a file
  // that is written aside and renamed, which takes longer than all the rest.
  const auto load = [&](int number) {
    const std::span services = number % 2 == 0 ? std::span(both) : std::span(both).subspan(1);
    if (number % 20 > 1) {
      return make_keys(services);
    }
    const mint::Octets image = mint::keytab_image(services);
    std::ofstream(folder / "new", std::ios::binary)
        .write(static_cast<const char*>(static_cast<const void*>(image.data())),
               static_cast<std::streamsize>(image.size()));
    std::filesystem::rename(folder / "new", folder / "keytab");
    auto keys = std::make_unique<auth::Keys>();
    crypto::KeyRing::Loaded loaded =
        crypto::KeyRing::load_keytab(*kit_, (folder / "keytab").string());
    EXPECT_EQ(loaded.error, "");
    keys->ring = std::move(loaded.ring);
    return keys;
  };
  auth::Credential credential(auth::Package::kNegotiate, load(0));
  credential.policy.check_replays = false;  // One token will do for all.
  const mint::Octets one = token();
  std::atomic<bool> done{false};
  std::atomic<std::size_t> established{0};
  std::atomic<std::size_t> refused{0};
  std::vector<std::thread> threads;
  for (int n = 0; n < 2; ++n) {
    threads.emplace_back([&] {
      const std::unique_ptr<auth::Desk> desk = auth::Desk::make(1);
      std::array<std::uint8_t, kReplySizeMax> reply_space;
      while (!done) {
        const AcceptRequest request{.credential = &credential, .token = one, .reply = reply_space};
        AcceptReply reply;
        auth::accept(*desk, engine->environment(), std::span(&request, 1), std::span(&reply, 1));
        ++(reply.verdict.status == Status::kEstablished ? established : refused);
        (void)engine->release(reply.context);
        std::this_thread::yield();  // Better here than in the middle of a turn.
      }
    });
  }
  // And on, where the machine is busy elsewhere, until there was a load.
  const std::size_t load_min = kReloads / 10;
  for (int n = 1; (n <= kReloads || established < load_min) && refused == 0 && !HasFailure(); ++n) {
    credential.keys.replace(load(n));
  }
  done = true;
  for (std::thread& thread : threads) {
    thread.join();
  }
  std::filesystem::remove_all(folder);
  EXPECT_EQ(refused, 0u);
  EXPECT_GE(established, load_min);
}

}  // namespace
}  // namespace usher
