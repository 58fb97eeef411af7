// Both legs of an NTLM sign-on: Usher's, with 1 to 1,000,000 accounts, beside WinPR's and
// gss-ntlmssp's. bench/ntlm runs it, counts instructions too, and prints one table.
//
//   ntlm_bench [--benchmark_...]              times; an iteration is one sign-on, both legs
//   ntlm_bench --count BENCHMARK SIGN_ONS     runs one of them for callgrind to count
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bench/allocations.h"
#include "bench/ntlm_acceptors.h"
#include "engine/limits.h"
#include "tools/mint/ntlm_mint.h"
#include "tools/mint/spnego_mint.h"

namespace usher::bench {

using Clock = std::chrono::steady_clock;

std::string user_name(std::size_t account) {
  const std::string digits = std::to_string(account);
  return "user" + std::string(7 - digits.size(), '0') + digits;
}

Scratch::Scratch(std::string_view contents) {
  if (contents.empty()) {
    return;
  }
  path_ = (std::filesystem::temp_directory_path() / "usher-bench-XXXXXX").string();
  const int file = ::mkstemp(path_.data());
  mint::require(file >= 0, "no temporary file");
  const ssize_t written = ::write(file, contents.data(), contents.size());
  ::close(file);
  mint::require(written == static_cast<ssize_t>(contents.size()), "a file is not written");
}

Scratch::~Scratch() {
  if (!path_.empty()) {
    ::unlink(path_.c_str());
  }
}

// Round is what kSeats sign-ons have in hand.
struct Round {
  NtlmAcceptor& acceptor;
  std::array<std::array<std::uint8_t, kReplySizeMax>, kSeats> answers{};
  std::array<std::size_t, kSeats> answer_sizes{};
  Bytes first_token;
  std::array<mint::Octets, kSeats> second_tokens{};
  std::size_t let_in = 0;
};

}  // namespace usher::bench

// What is timed, and what callgrind collects; the names must survive the optimiser.
extern "C" {

[[gnu::noinline, gnu::noclone]] void ntlm_timed_challenge(usher::bench::Round& round) {
  for (std::size_t seat = 0; seat < usher::bench::kSeats; ++seat) {
    round.answer_sizes[seat] =
        round.acceptor.challenge(seat, round.first_token, round.answers[seat]);
  }
}

[[gnu::noinline, gnu::noclone]] void ntlm_timed_finish(usher::bench::Round& round) {
  for (std::size_t seat = 0; seat < usher::bench::kSeats; ++seat) {
    round.let_in += round.acceptor.finish(seat, round.second_tokens[seat]) ? 1u : 0u;
  }
}

[[gnu::noinline, gnu::noclone]] void ntlm_timed_end(usher::bench::Round& round) {
  for (std::size_t seat = 0; seat < usher::bench::kSeats; ++seat) {
    round.acceptor.end(seat);
  }
}

}  // extern "C"

namespace usher::bench {
namespace {

constexpr std::size_t kWarmUpRounds = 2;  // Whatever is set up once, at the first accepts.

// Clients are NTLMv2 with MIC and key exchange, as Windows sends it: raw, or in SPNEGO with
// mechListMIC. All are of one account, in the middle, or of any at random.
class Clients {
 public:
  Clients(std::size_t accounts, bool any, bool spnego)
      : accounts_(accounts), any_(any), spnego_(spnego) {
    fields_.domain.assign(kDomain.begin(), kDomain.end());
    fields_.password = kPassword;
  }

  [[nodiscard]] mint::Octets first_token() const {
    return spnego_ ? mint::optimistic({gss::Mechanism::kNtlm}, negotiate_) : negotiate_;
  }

  // answer makes the second token of a client to which the acceptor has answered `challenge`.
  mint::Octets answer(std::size_t seat, Bytes challenge) {
    std::string& user = users_[seat];
    user = user_name(any_ ? draw() % accounts_ : accounts_ / 2);
    fields_.user.assign(user.begin(), user.end());
    if (!spnego_) {
      clients_[seat] = mint::ntlm_authenticate(*kit_, negotiate_, challenge, fields_);
      return clients_[seat].message;
    }
    clients_[seat] = mint::ntlm_authenticate(
        *kit_, negotiate_, mint::read_neg_token_resp(challenge).response_token.value(), fields_);
    mint::NegTokenRespFields resp;
    resp.response_token = clients_[seat].message;
    resp.mech_list_mic = mint::ntlm_mech_list_mic(*kit_, clients_[seat],
                                                  mint::mech_type_list({gss::Mechanism::kNtlm}));
    return mint::neg_token_resp(resp);
  }

  // believes says whether the acceptor knows who this is, and the session key.
  [[nodiscard]] bool believes(std::size_t seat, const SignedOn& answer) const {
    return answer.user == users_[seat] &&
           mint::check_ntlm_mech_list_mic(*kit_, clients_[seat], mint::octets_of(kSignedText),
                                          answer.mic);
  }

 private:
  std::size_t draw() {
    std::array<std::uint8_t, 8> octets{};
    mint::require(random_.fill(octets), "no random number");
    return load_le<std::uint64_t>(Bytes(octets));
  }

  std::unique_ptr<crypto::Kit> kit_ = crypto::Kit::make();
  mint::SeededRandom random_{77};
  const std::size_t accounts_;
  const bool any_;
  const bool spnego_;
  const mint::Octets negotiate_ = mint::ntlm_negotiate({});
  mint::AuthenticateFields fields_;
  std::array<std::string, kSeats> users_;
  std::array<mint::Authenticated, kSeats> clients_;
};

// Cost is what the acceptor's part of some sign-ons took.
struct Cost {
  Clock::duration challenge{};
  Clock::duration finish{};  // The second leg and the end of the context.
  std::uint64_t heap_calls = 0;
};

template <class Part>
void measure(Clock::duration& sum, std::uint64_t& heap_calls, Part part) {
  const std::uint64_t allocations = allocation_count();
  const auto begin = Clock::now();
  part();
  sum += Clock::now() - begin;
  heap_calls += allocation_count() - allocations;
}

// run_round signs kSeats clients on; false: one was refused, mistaken, or not shown the key.
bool run_round(NtlmAcceptor& acceptor, Clients& clients, Cost& cost) {
  const mint::Octets first_token = clients.first_token();
  Round round{.acceptor = acceptor, .first_token = first_token};
  acceptor.begin_round();
  measure(cost.challenge, cost.heap_calls, [&] { ntlm_timed_challenge(round); });
  bool good = std::ranges::count(round.answer_sizes, 0u) == 0;
  for (std::size_t seat = 0; seat < kSeats && good; ++seat) {
    const Bytes challenge = Bytes(round.answers[seat]).first(round.answer_sizes[seat]);
    round.second_tokens[seat] = clients.answer(seat, challenge);
  }
  measure(cost.finish, cost.heap_calls, [&] { ntlm_timed_finish(round); });
  good = good && round.let_in == kSeats;
  for (std::size_t seat = 0; seat < kSeats && good; ++seat) {
    good = clients.believes(seat, acceptor.signed_on(seat));
  }
  measure(cost.finish, cost.heap_calls, [&] { ntlm_timed_end(round); });
  return good;
}

// Entry is one benchmark: an acceptor, and clients for it.
struct Entry {
  const char* name;
  std::function<Made(std::size_t)> make;
  std::size_t accounts = 1;
  bool any = false;
  bool spnego = false;
  bool is_usher = false;
};

std::vector<Entry> entries() {
  const auto winpr_hash = [](std::size_t n) { return make_winpr(n, WinprAccounts::kHash); };
  const auto winpr_file = [](std::size_t n) { return make_winpr(n, WinprAccounts::kFile); };
  const auto usher = [](const char* name, std::size_t accounts, bool any) {
    return Entry{
        .name = name, .make = make_usher, .accounts = accounts, .any = any, .is_usher = true};
  };
  return {
      usher("usher/raw", 1, false),
      {.name = "usher/spnego", .make = make_usher, .spnego = true, .is_usher = true},
      usher("usher/raw/1000", 1000, false),
      usher("usher/raw/1000000", 1'000'000, false),
      usher("usher/raw/1000/any", 1000, true),
      usher("usher/raw/100000/any", 100'000, true),
      usher("usher/raw/1000000/any", 1'000'000, true),
      {.name = "winpr/raw", .make = winpr_hash},
      {.name = "winpr-file/raw", .make = winpr_file},
      {.name = "winpr-file/raw/1000", .make = winpr_file, .accounts = 1000},
      {.name = "gss-ntlmssp/raw", .make = make_gss_ntlmssp},
      {.name = "gss-ntlmssp/raw/1000", .make = make_gss_ntlmssp, .accounts = 1000},
  };
}

// acceptor_of makes an acceptor when it is first asked for; entries with the same one share it.
NtlmAcceptor& acceptor_of(const Entry& entry) {
  static std::map<std::string, std::unique_ptr<NtlmAcceptor>> made;
  const std::string key =
      std::string(entry.name).substr(0, std::string_view(entry.name).find('/')) + "/" +
      std::to_string(entry.accounts);
  std::unique_ptr<NtlmAcceptor>& acceptor = made[key];
  if (acceptor == nullptr) {
    acceptor = entry.make(entry.accounts).acceptor;
  }
  return *acceptor;
}

void run(benchmark::State& state, const Entry& entry) {
  NtlmAcceptor& acceptor = acceptor_of(entry);
  Clients clients(entry.accounts, entry.any, entry.spnego);
  bool good = true;
  Cost cost;
  for (std::size_t n = 0; n < kWarmUpRounds; ++n) {
    good = good && run_round(acceptor, clients, cost);
  }
  cost = {};
  while (state.KeepRunningBatch(kSeats)) {
    const Cost before = cost;
    good = good && run_round(acceptor, clients, cost);
    const std::chrono::duration<double> took =
        cost.challenge - before.challenge + cost.finish - before.finish;
    state.SetIterationTime(took.count());
  }
  if (!good) {
    state.SkipWithError("a client is refused, mistaken, or not shown the session key");
  } else if (entry.is_usher && cost.heap_calls != 0) {
    state.SkipWithError("allocation on an allocation-free path");
  }
  const auto each = [](double sum) {
    return benchmark::Counter(sum, benchmark::Counter::kAvgIterations);
  };
  using Nanoseconds = std::chrono::duration<double, std::nano>;
  state.counters["challenge_ns"] = each(Nanoseconds(cost.challenge).count());
  state.counters["finish_ns"] = each(Nanoseconds(cost.finish).count());
  state.counters["heap_calls"] = each(static_cast<double>(cost.heap_calls));
}

// count runs one entry for callgrind; the exit status.
int count(std::string_view name, const char* sign_ons) {
  std::size_t wanted = 0;
  std::from_chars(sign_ons, sign_ons + std::strlen(sign_ons), wanted);
  for (const Entry& entry : entries()) {
    if (entry.name != name || wanted % kSeats != 0) {
      continue;
    }
    NtlmAcceptor& acceptor = acceptor_of(entry);
    Clients clients(entry.accounts, entry.any, entry.spnego);
    Cost cost;
    bool good = true;
    for (std::size_t n = 0; n < wanted && good; n += kSeats) {
      good = run_round(acceptor, clients, cost);
    }
    return good && wanted != 0 ? 0 : 1;
  }
  std::fprintf(stderr, "ntlm_bench: --count BENCHMARK SIGN_ONS, a multiple of %zu\n", kSeats);
  return 2;
}

}  // namespace
}  // namespace usher::bench

int main(int argc, char** argv) {
  using namespace usher::bench;
  if (argc == 4 && std::string_view(argv[1]) == "--count") {
    return count(argv[2], argv[3]);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 2;
  }
  for (const Entry& entry : entries()) {
    const Made made = entry.make(1);
    if (made.acceptor == nullptr) {
      std::fprintf(stderr, "left out: %s, %s\n", entry.name, made.left_out.c_str());
      continue;
    }
    benchmark::RegisterBenchmark(entry.name, [entry](benchmark::State& state) {
      run(state, entry);
    })->UseManualTime();
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
