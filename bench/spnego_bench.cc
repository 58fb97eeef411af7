// How long the first token's framing takes to read, whatever its size.
#include <benchmark/benchmark.h>

#include "bench/allocations.h"
#include "parsers/spnego.h"
#include "tools/mint/spnego_mint.h"

namespace usher::bench {
namespace {

void BM_SpnegoParseInit(benchmark::State& state) {
  const mint::Octets token =
      mint::optimistic({gss::Mechanism::kKerberos, gss::Mechanism::kMsKerberos,
                        gss::Mechanism::kNegoEx, gss::Mechanism::kNtlm},
                       mint::Octets(static_cast<std::size_t>(state.range(0))));
  const Result<spnego::NegTokenInit> init = spnego::parse_neg_token_init(token);
  if (!init.ok() || std::int64_t(init->mech_token.size()) != state.range(0)) {
    state.SkipWithError("the bench's own token is refused or misread");
    return;
  }
  const std::uint64_t allocations = allocation_count();
  for (auto _ : state) {
    benchmark::DoNotOptimize(spnego::parse_neg_token_init(token));
  }
  expect_no_allocations_since(allocations, state);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_SpnegoParseInit)->ArgName("mech_token_bytes")->Arg(700)->Arg(4096)->Arg(32768);

}  // namespace
}  // namespace usher::bench

BENCHMARK_MAIN();
