// The bare cryptography of a sign-on (bare_crypto.h), one at a time and side by side.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>

#include "bench/allocations.h"
#include "bench/bare_crypto.h"

namespace usher::bench {
namespace {

constexpr std::size_t kSignOns = 4096;  // As many as make the cache forget, as a server's do.

// is_right says whether a run's results are those that the mint's own functions give.
bool is_right(const BareWork& work, const BareBackend& backend, std::size_t count) {
  bool right = true;
  for (std::size_t n = 0; n < count; ++n) {
    const BareSignOn& wanted = work.sign_ons[n];
    right = right && std::ranges::equal(backend.ticket_plain(n), wanted.ticket_plain) &&
            std::ranges::equal(backend.authenticator_plain(n), wanted.authenticator_plain) &&
            std::ranges::equal(backend.reply(n), wanted.reply);
  }
  return right;
}

void run(benchmark::State& state, const BareWork& work, BareBackend& backend, std::size_t batch) {
  if (!backend.run(0, batch) || !is_right(work, backend, batch)) {
    state.SkipWithError("a result is not what it should be");
    return;
  }
  std::size_t next = 0;
  bool good = true;
  const std::uint64_t allocations = allocation_count();
  for (auto _ : state) {
    good = backend.run(next, batch) && good;
    next = (next + batch) % (kSignOns - kSignOns % batch);
  }
  expect_no_allocations_since(allocations, state);
  if (!good) {
    state.SkipWithError("a tag is wrong");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(batch));
}

void declare(const std::string& name, const BareWork& work, BareBackend* backend) {
  if (backend == nullptr) {
    std::fprintf(stderr, "left out: %s\n", name.c_str());
    return;
  }
  for (const std::size_t batch : {1u, 2u, 4u, 8u, 16u, 32u, 64u}) {
    const std::string full = "bare/" + name + "/batch:" + std::to_string(batch);
    benchmark::RegisterBenchmark(full.c_str(), [&work, backend, batch](benchmark::State& state) {
      run(state, work, *backend, batch);
    });
  }
}

}  // namespace
}  // namespace usher::bench

int main(int argc, char** argv) {
  using namespace usher::bench;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 2;
  }
  const BareWork work = make_bare_work(kSignOns);
  const auto openssl = make_bare_openssl(work);
  const auto lanes = make_bare_lanes(work);
  const auto ipsec_mb = make_bare_ipsec_mb(work);
  declare("openssl", work, openssl.get());
  declare("x86", work, lanes.get());
  declare("ipsec-mb", work, ipsec_mb.get());
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
