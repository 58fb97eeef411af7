// Sign-ons a second, one at a time and in batches, beside MIT's acceptor on the same tokens.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <vector>

#include "bench/allocations.h"
#include "bench/door.h"
#include "tools/mint/mit_acceptor.h"
#include "tools/mint/ntlm_mint.h"

namespace usher::bench {
namespace {

constexpr std::size_t kTokenCount = 64'000;
constexpr std::size_t kBatch = 32;
constexpr std::int64_t kMitIterations = 8'000;
constexpr std::size_t kNtlmClients = 64;  // Between their two legs at a time.
constexpr std::int64_t kNtlmIterations = 300;

const KerberosTokens& tokens() {
  static const KerberosTokens made(kTokenCount);
  return made;
}

// accepts_the_first_token is the check each bench makes before its clock starts: the answer is not
// only a success, it proves to the client that the acceptor holds the key.
bool accepts_the_first_token() {
  Door door(tokens().service());
  const Bytes token = tokens().token(0);
  const auto replies = door.accept(std::span(&token, 1));
  return replies[0].verdict.status == Status::kEstablished && tokens().proves(door.reply(0));
}

void BM_AcceptSpnegoKerberos(benchmark::State& state) {
  if (!accepts_the_first_token()) {
    state.SkipWithError("the engine refuses the bench's own token, or answers wrongly");
    return;
  }
  Door door(tokens().service());
  std::size_t next = 0;
  std::size_t established = 0;
  const std::uint64_t allocations = allocation_count();
  for (auto _ : state) {
    const Bytes token = tokens().token(next++);
    const AcceptReply& reply = door.accept(std::span(&token, 1))[0];
    established += reply.verdict.status == Status::kEstablished ? 1u : 0u;
    door.release(reply.context);
  }
  expect_no_allocations_since(allocations, state);
  if (established != next) {
    state.SkipWithError("a token was refused");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_AcceptSpnegoKerberos)->Iterations(kTokenCount);

void BM_AcceptSpnegoKerberosBatch(benchmark::State& state) {
  if (!accepts_the_first_token()) {
    state.SkipWithError("the engine refuses the bench's own token, or answers wrongly");
    return;
  }
  Door door(tokens().service());
  std::array<Bytes, kBatch> batch;
  std::size_t next = 0;
  std::size_t established = 0;
  const std::uint64_t allocations = allocation_count();
  for (auto _ : state) {
    for (Bytes& token : batch) {
      token = tokens().token(next++);
    }
    for (const AcceptReply& reply : door.accept(batch)) {
      established += reply.verdict.status == Status::kEstablished ? 1u : 0u;
      door.release(reply.context);
    }
  }
  expect_no_allocations_since(allocations, state);
  if (established != next) {
    state.SkipWithError("a token was refused");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(next));
}
BENCHMARK(BM_AcceptSpnegoKerberosBatch)->Iterations(kTokenCount / kBatch);

void BM_MitAcceptSpnegoKerberos(benchmark::State& state) {
  mint::MitAcceptor mit(mint::keytab_image(std::span(&tokens().service(), 1)));
  const mint::MitAcceptor::Reply first = mit.accept(tokens().token(0));
  mit.forget();
  if (!first.established || !tokens().proves(first.token)) {
    state.SkipWithError("MIT refuses the bench's own token, or answers wrongly");
    return;
  }
  std::size_t next = 0;
  std::size_t established = 0;
  const std::uint64_t allocations = allocation_count();
  for (auto _ : state) {
    established += mit.accept_and_forget(tokens().token(next++)) ? 1u : 0u;
  }
  const std::uint64_t heap_calls = allocation_count() - allocations;
  if (established != next) {
    state.SkipWithError("a token was refused");
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["heap_calls"] =
      benchmark::Counter(static_cast<double>(heap_calls), benchmark::Counter::kAvgIterations);
}
BENCHMARK(BM_MitAcceptSpnegoKerberos)->Iterations(kMitIterations);

// BM_AcceptNtlm is both legs, one at a time; the clients' work between them is not timed.
void BM_AcceptNtlm(benchmark::State& state) {
  const std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
  Door door(tokens().service());
  const mint::Octets negotiate = mint::ntlm_negotiate({});
  const Bytes first_leg = negotiate;
  std::array<ContextHandle, kNtlmClients> contexts;
  std::vector<std::array<std::uint8_t, kReplySizeMax>> challenges(kNtlmClients);
  std::size_t challenge_size = 0;  // The same for all.
  std::vector<mint::Octets> second_legs(kNtlmClients);
  std::size_t established = 0;
  std::uint64_t allocations = 0;
  for (auto _ : state) {
    std::uint64_t before = allocation_count();
    for (std::size_t i = 0; i < kNtlmClients; ++i) {
      contexts[i] = door.accept(std::span(&first_leg, 1))[0].context;
      std::ranges::copy(door.reply(0), challenges[i].begin());
      challenge_size = door.reply(0).size();
    }
    allocations += allocation_count() - before;
    state.PauseTiming();
    for (std::size_t i = 0; i < kNtlmClients; ++i) {
      const Bytes challenge = Bytes(challenges[i]).first(challenge_size);
      second_legs[i] = mint::ntlm_authenticate(*kit, negotiate, challenge, {}).message;
    }
    state.ResumeTiming();
    before = allocation_count();
    for (std::size_t i = 0; i < kNtlmClients; ++i) {
      const AcceptReply& reply = door.next(contexts[i], second_legs[i]);
      established += reply.verdict.status == Status::kEstablished ? 1u : 0u;
      door.release(reply.context);
    }
    allocations += allocation_count() - before;
  }
  if (allocations != 0) {
    state.SkipWithError("allocation on an allocation-free path");
  }
  const std::int64_t clients = state.iterations() * std::int64_t{kNtlmClients};
  if (std::int64_t(established) != clients) {
    state.SkipWithError("the engine refuses the right password");
  }
  state.SetItemsProcessed(clients);
}
BENCHMARK(BM_AcceptNtlm)->Iterations(kNtlmIterations);

}  // namespace
}  // namespace usher::bench

BENCHMARK_MAIN();
