// Messages of established contexts (engine/protect/message.h): sealing, opening and signing for
// each mechanism and several sizes, beside what the cipher and the MAC alone take by OpenSSL's EVP.
// What is opened is copied into place first, for both.
#include <benchmark/benchmark.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <array>
#include <memory>
#include <string>

#include "bench/allocations.h"
#include "engine/protect/message.h"
#include "tools/mint/octets.h"

namespace usher::bench {
namespace {

using mint::Octets;
using mint::require;
using protect::MessageOutcome;
using protect::Part;
using protect::Sender;
using protect::Session;

constexpr std::array<std::int64_t, 4> kSizes = {64, 1024, 16384, 65536};
constexpr std::int32_t kNtlm = 0;  // In place of an etype.

std::shared_ptr<Session> make_session(std::int32_t etype, Sender self) {
  static const Octets key(32, 0x5a);
  protect::SessionTerms terms{
      .ntlm = etype == kNtlm, .flags = gss::ContextFlags::kConfidentiality, .self = self};
  if (terms.ntlm) {
    using ntlm::NegotiateFlags;
    terms.ntlm_key = {.exported_session_key = Bytes(key).first(16),
                      .flags = NegotiateFlags::kExtendedSessionSecurity | NegotiateFlags::k128 |
                               NegotiateFlags::kKeyExchange};
  } else {
    const crypto::EtypeProfile* const profile = crypto::profile_of(etype);
    terms.kerberos = {.profile = profile, .key = Bytes(key).first(profile->key_size)};
  }
  std::shared_ptr<Session> session = Session::make(terms);
  require(session != nullptr, "no session");
  return session;
}

// Room is one message with its token.
struct Room {
  explicit Room(std::size_t size) : data(size, 0x33), token(128), padding(1) {}
  [[nodiscard]] Session::Sealed seal(Session& session) {
    const Part part{.bytes = data};
    return session.seal(std::span(&part, 1), true, token, padding);
  }
  Octets data;
  Octets token;
  Octets padding;
};

void count(benchmark::State& state, std::size_t size, bool good, std::uint64_t allocations) {
  expect_no_allocations_since(allocations, state);
  if (!good) {
    state.SkipWithError("a message is not good");
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(size));
}

void seal(benchmark::State& state, std::int32_t etype) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const std::shared_ptr<Session> session = make_session(etype, Sender::kAcceptor);
  Room room(size);
  bool good = room.seal(*session).outcome == MessageOutcome::kGood;
  const std::uint64_t allocations = allocation_count();
  for (auto _ : state) {
    good = room.seal(*session).outcome == MessageOutcome::kGood && good;
  }
  count(state, size, good, allocations);
}

// Without replay detection, one message can be opened again and again; NTLM's streams go on, so it
// has no part in this.
void open(benchmark::State& state, std::int32_t etype) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const std::shared_ptr<Session> from = make_session(etype, Sender::kAcceptor);
  const std::shared_ptr<Session> to = make_session(etype, Sender::kInitiator);
  Room sealed(size);
  const Session::Sealed sizes = sealed.seal(*from);
  Room room(size);
  bool good = sizes.outcome == MessageOutcome::kGood;
  const std::uint64_t allocations = allocation_count();
  for (auto _ : state) {
    copy(sealed.data, room.data);
    copy(sealed.token, room.token);
    const Part part{.bytes = room.data};
    good = to->open(std::span(&part, 1), MutableBytes(room.token).first(sizes.token_size),
                    Bytes(sealed.padding).first(sizes.padding_size))
                   .outcome == MessageOutcome::kGood &&
           good;
  }
  count(state, size, good, allocations);
}

void sign(benchmark::State& state, std::int32_t etype) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const std::shared_ptr<Session> session = make_session(etype, Sender::kAcceptor);
  Room room(size);
  const Part part{.bytes = room.data};
  bool good = true;
  const std::uint64_t allocations = allocation_count();
  for (auto _ : state) {
    good = session->sign(std::span(&part, 1), room.token).outcome == MessageOutcome::kGood && good;
  }
  count(state, size, good, allocations);
}

// Bare is OpenSSL's AES with ciphertext stealing and HMAC, on contexts that are keyed already.
class Bare {
 public:
  Bare(std::int32_t etype, bool encrypts) : encrypts_(encrypts) {
    const bool sha2 = etype == 19 || etype == 20;
    const bool long_key = etype == 18 || etype == 20;
    std::array<char, 4> mode{OSSL_CIPHER_CTS_MODE_CS3};
    const std::array swapped{
        OSSL_PARAM_construct_utf8_string(OSSL_CIPHER_PARAM_CTS_MODE, mode.data(), 0),
        OSSL_PARAM_construct_end()};
    cipher_type_ =
        EVP_CIPHER_fetch(nullptr, long_key ? "AES-256-CBC-CTS" : "AES-128-CBC-CTS", nullptr);
    cipher_ = EVP_CIPHER_CTX_new();
    mac_type_ = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    mac_ = EVP_MAC_CTX_new(mac_type_);
    std::string digest = !sha2 ? "SHA1" : long_key ? "SHA2-384" : "SHA2-256";
    const std::array hash{OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
                          OSSL_PARAM_construct_end()};
    require(EVP_CipherInit_ex2(cipher_, cipher_type_, key_.data(), iv_.data(), encrypts ? 1 : 0,
                               swapped.data()) == 1 &&
                EVP_MAC_init(mac_, key_.data(), 24, hash.data()) == 1,
            "OpenSSL lacks something");
  }
  ~Bare() {
    EVP_CIPHER_CTX_free(cipher_);
    EVP_CIPHER_free(cipher_type_);
    EVP_MAC_CTX_free(mac_);
    EVP_MAC_free(mac_type_);
  }
  Bare(const Bare&) = delete;
  Bare& operator=(const Bare&) = delete;

  bool run(MutableBytes data) {
    int size = 0;
    std::size_t tag_size = 0;
    return EVP_CipherInit_ex2(cipher_, nullptr, nullptr, iv_.data(), encrypts_ ? 1 : 0, nullptr) ==
               1 &&
           EVP_CipherUpdate(cipher_, data.data(), &size, data.data(),
                            static_cast<int>(data.size())) == 1 &&
           EVP_MAC_init(mac_, nullptr, 0, nullptr) == 1 &&
           EVP_MAC_update(mac_, data.data(), data.size()) == 1 &&
           EVP_MAC_final(mac_, tag_.data(), &tag_size, tag_.size()) == 1;
  }

 private:
  bool encrypts_;
  std::array<std::uint8_t, 32> key_{};
  std::array<std::uint8_t, 16> iv_{};
  std::array<std::uint8_t, 64> tag_{};
  EVP_CIPHER* cipher_type_ = nullptr;
  EVP_CIPHER_CTX* cipher_ = nullptr;
  EVP_MAC* mac_type_ = nullptr;
  EVP_MAC_CTX* mac_ = nullptr;
};

// As many bytes as a sealed message of that size has: confounder and header's copy besides.
void bare(benchmark::State& state, std::int32_t etype, bool encrypts) {
  const auto size = static_cast<std::size_t>(state.range(0));
  Bare crypto(etype, encrypts);
  const Octets from(size + 32, 0x44);
  Octets data = from;
  bool good = true;
  for (auto _ : state) {
    if (!encrypts) {
      copy(from, data);
    }
    good = crypto.run(data) && good;
  }
  if (!good) {
    state.SkipWithError("OpenSSL fails");
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(size));
}

template <class Function>
void add(const std::string& name, Function function) {
  benchmark::internal::Benchmark* const one = benchmark::RegisterBenchmark(name.c_str(), function);
  one->ArgName("bytes");
  for (const std::int64_t size : kSizes) {
    one->Arg(size);
  }
}

void add_all() {
  for (const std::int32_t etype : {18, 17, 20, 19, 23, kNtlm}) {
    const std::string of = etype == kNtlm ? "/mechanism:ntlm" : "/etype:" + std::to_string(etype);
    add("BM_MessageSeal" + of, [etype](benchmark::State& state) { seal(state, etype); });
    if (etype != kNtlm && etype != 23) {
      add("BM_BareEncryptAndMac" + of,
          [etype](benchmark::State& state) { bare(state, etype, true); });
    }
    if (etype != kNtlm) {
      add("BM_MessageOpen" + of, [etype](benchmark::State& state) { open(state, etype); });
    }
    if (etype != kNtlm && etype != 23) {
      add("BM_BareDecryptAndMac" + of,
          [etype](benchmark::State& state) { bare(state, etype, false); });
    }
    add("BM_MessageSign" + of, [etype](benchmark::State& state) { sign(state, etype); });
  }
}

}  // namespace
}  // namespace usher::bench

int main(int argc, char** argv) {
  usher::bench::add_all();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
