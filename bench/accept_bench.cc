// Whole sign-ons: Usher's for each etype, size of ticket and batch, and MIT's on the same tokens.
#include <benchmark/benchmark.h>

#include <array>
#include <memory>
#include <string>

#include "bench/allocations.h"
#include "bench/door.h"
#include "tools/mint/mit_acceptor.h"

namespace usher::bench {
namespace {

constexpr std::size_t kTokenCount = 8192;  // Of each kind; then the engine is replaced.
constexpr std::array<std::int32_t, 4> kEtypes = {18, 17, 19, 20};
constexpr std::array<std::size_t, 3> kTicketSizes = {0, 2048, 4608};
constexpr std::array<std::size_t, 7> kBatches = {1, 2, 4, 8, 16, 32, 64};

// Kind is what tokens differ in.
struct Kind {
  std::int32_t etype = 18;
  std::size_t ticket_size = 0;
  std::size_t tickets = kTokenCount;  // As many as tokens: each is seen for the first time.

  friend bool operator==(const Kind&, const Kind&) = default;
  [[nodiscard]] std::string text() const {
    return "etype:" + std::to_string(etype) + "/ticket:" + std::to_string(ticket_size) +
           (tickets == kTokenCount ? "" : "/tickets:" + std::to_string(tickets));
  }
};

// tokens_of makes the tokens of a kind; only the last ones asked for are kept.
const KerberosTokens& tokens_of(const Kind& kind) {
  static Kind kept;
  static std::unique_ptr<const KerberosTokens> made;
  if (made == nullptr || !(kept == kind)) {
    kept = kind;
    made.reset();
    made = std::make_unique<const KerberosTokens>(TokenPlan{.count = kTokenCount,
                                                            .etype = kind.etype,
                                                            .ticket_size = kind.ticket_size,
                                                            .tickets = kind.tickets});
  }
  return *made;
}

constexpr Door::Options kOptions = {.replay_entries = 1u << 16};

std::unique_ptr<Door> make_door(const KerberosTokens& tokens) {
  return std::make_unique<Door>(std::span(&tokens.service(), 1), kOptions);
}

// accepts_the_first_token is the check each bench makes before its clock starts: the answer is not
// only a success, it proves to the client that the acceptor holds the key.
bool accepts_the_first_token(const KerberosTokens& tokens) {
  const std::unique_ptr<Door> door = make_door(tokens);
  const Bytes token = tokens.token(0);
  const auto replies = door->accept(std::span(&token, 1));
  return replies[0].verdict.status == Status::kEstablished && tokens.proves(door->reply(0));
}

// accept_batch signs on with tokens `next` to `next` + batch.size() and counts who got in.
std::size_t accept_batch(Door& door, const KerberosTokens& tokens, std::size_t next,
                         std::span<Bytes> batch) {
  std::size_t established = 0;
  for (Bytes& token : batch) {
    token = tokens.token(next++);
  }
  for (const AcceptReply& reply : door.accept(batch)) {
    established += reply.verdict.status == Status::kEstablished ? 1u : 0u;
    door.release(reply.context);
  }
  return established;
}

void accept_with_usher(benchmark::State& state, const Kind& kind, std::size_t batch_size) {
  const KerberosTokens& tokens = tokens_of(kind);
  if (!accepts_the_first_token(tokens)) {
    state.SkipWithError("the engine refuses the bench's own token, or answers wrongly");
    return;
  }
  std::unique_ptr<Door> door = make_door(tokens);
  std::array<Bytes, kBatchMax> room;
  const std::span<Bytes> batch = std::span(room).first(batch_size);
  std::size_t next = 0;
  std::int64_t established = 0;
  std::uint64_t allocations = allocation_count();
  for (auto _ : state) {
    if (next == tokens.size()) {  // A replay cache takes a token once.
      state.PauseTiming();
      const std::uint64_t before = allocation_count();
      door = make_door(tokens);
      next = 0;
      allocations += allocation_count() - before;
      state.ResumeTiming();
    }
    established += static_cast<std::int64_t>(accept_batch(*door, tokens, next, batch));
    next += batch_size;
  }
  expect_no_allocations_since(allocations, state);
  const std::int64_t accepts = state.iterations() * static_cast<std::int64_t>(batch_size);
  if (established != accepts) {
    state.SkipWithError("a token was refused");
  }
  state.SetItemsProcessed(accepts);
}

void accept_with_mit(benchmark::State& state, const Kind& kind, mint::MitAcceptor::Kept kept) {
  const KerberosTokens& tokens = tokens_of(kind);
  mint::MitAcceptor mit(mint::keytab_image(std::span(&tokens.service(), 1)), kept);
  const mint::MitAcceptor::Reply first = mit.accept(tokens.token(0));
  mit.forget();
  if (!first.established || !tokens.proves(first.token)) {
    state.SkipWithError("MIT refuses the bench's own token, or answers wrongly");
    return;
  }
  std::size_t next = 0;
  std::int64_t established = 0;
  const std::uint64_t allocations = allocation_count();
  for (auto _ : state) {
    established += mit.accept_and_forget(tokens.token(next++ % tokens.size())) ? 1 : 0;
  }
  const std::uint64_t heap_calls = allocation_count() - allocations;
  if (established != state.iterations()) {
    state.SkipWithError("a token was refused");
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["heap_calls"] =
      benchmark::Counter(static_cast<double>(heap_calls), benchmark::Counter::kAvgIterations);
}

void declare(const Kind& kind, std::span<const std::size_t> batches) {
  for (const std::size_t batch : batches) {
    const std::string name = "usher/" + kind.text() + "/batch:" + std::to_string(batch);
    benchmark::RegisterBenchmark(name.c_str(), [kind, batch](benchmark::State& state) {
      accept_with_usher(state, kind, batch);
    });
  }
}

void declare_mit(const Kind& kind) {
  using Kept = mint::MitAcceptor::Kept;
  for (const Kept kept : {Kept::kFile, Kept::kMemory}) {
    const std::string name =
        std::string(kept == Kept::kFile ? "mit-file/" : "mit-memory/") + kind.text();
    benchmark::RegisterBenchmark(name.c_str(), [kind, kept](benchmark::State& state) {
      accept_with_mit(state, kind, kept);
    });
  }
}

void declare_all() {
  for (const std::size_t ticket_size : kTicketSizes) {
    for (const std::int32_t etype : kEtypes) {
      const Kind kind = {.etype = etype, .ticket_size = ticket_size};
      declare(kind, kBatches);
      if (etype == 18) {
        declare_mit(kind);
      }
    }
    constexpr std::array<std::size_t, 2> kSome = {1, 32};
    declare({.ticket_size = ticket_size, .tickets = 8}, kSome);  // Seen before.
  }
}

}  // namespace
}  // namespace usher::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 2;
  }
  usher::bench::declare_all();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
