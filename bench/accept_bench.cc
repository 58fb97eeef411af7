// Sign-ons a second, one at a time and in batches, beside MIT's acceptor on the same tokens.
#include <benchmark/benchmark.h>

#include <array>

#include "bench/allocations.h"
#include "bench/door.h"
#include "tools/mint/mit_acceptor.h"

namespace usher::bench {
namespace {

constexpr std::size_t kTokenCount = 64'000;
constexpr std::size_t kBatch = 32;
constexpr std::int64_t kMitIterations = 8'000;

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

}  // namespace
}  // namespace usher::bench

BENCHMARK_MAIN();
