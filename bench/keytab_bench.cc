// Nanoseconds of a sign-on with keytabs of 1 to 10,000 entries: finding the key must not cost more
// when there are more.
//
//   keytab_bench [--check] [--tokens N]   times all sizes; --check: exit 1 if the slowest takes
//   over
//                                         10 % more than the fastest
//   keytab_bench --entries N --count M    accepts M tokens, for bench/keytab_instructions
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "bench/door.h"
#include "tools/mint/spnego_mint.h"

namespace {

using usher::Bytes;
using usher::bench::Door;
using namespace usher::mint;

constexpr std::array<std::size_t, 5> kSizes = {1, 10, 100, 1000, 10'000};
constexpr double kRatioMax = 1.10;
constexpr std::size_t kRounds = 16;
constexpr std::size_t kWarmUp = 64;

// Keytab is so many services with a key each, the engine that knows them, and tokens for one of
// them, in the middle, or spread over all.
class Keytab {
 public:
  Keytab(std::size_t entries, std::size_t tokens, bool spread)
      : services_(make(entries)), door_(services_, {.cache_tickets = false}) {
    const std::int64_t now = std::time(nullptr);
    TicketFields ticket_fields;
    ticket_fields.auth_time = now - 600;
    ticket_fields.end_time = now + 36'000;
    const std::size_t tickets = spread ? std::min(entries, tokens) : 1;
    for (std::size_t n = 0; n < tickets; ++n) {
      const std::size_t service = spread ? n * (entries / tickets) : entries / 2;
      tickets_.push_back(mint_.ticket(services_[service], ticket_fields));
    }
    for (std::size_t n = 0; n < tokens; ++n) {
      AuthenticatorFields fields;
      fields.ctime = now;
      fields.cusec = static_cast<std::uint32_t>(n);
      fields.subkey_etype = 18;
      // A stride that shares no factor with any number of tickets.
      requests_.push_back(mint_.ap_req(ticket(n), fields));
      tokens_.push_back(spnego_token(requests_.back().message));
    }
  }

  // accept signs on with tokens begin to begin + count and returns how many got in.
  [[gnu::noinline]] std::size_t accept(std::size_t begin, std::size_t count) {
    std::size_t established = 0;
    for (std::size_t n = begin; n < begin + count; ++n) {
      const Bytes token = tokens_[n];
      const usher::AcceptReply& reply = door_.accept(std::span(&token, 1))[0];
      established += reply.verdict.status == usher::Status::kEstablished ? 1u : 0u;
      door_.release(reply.context);
    }
    return established;
  }

  // proves: the last answer shows that the acceptor had the key of token `index`.
  [[nodiscard]] bool proves(std::size_t index) {
    const ServerResp resp = read_neg_token_resp(door_.reply(0));
    return resp.response_token.has_value() &&
           mint_.check_ap_rep(ticket(index), requests_[index], *resp.response_token).error.empty();
  }

 private:
  std::vector<Service> make(std::size_t entries) {
    std::vector<Service> services;
    for (std::size_t n = 0; n < entries; ++n) {
      const std::string name = "HTTP/host" + std::to_string(10'000 + n) + ".example.test";
      services.push_back(make_service(random_, name + "@EXAMPLE.TEST"));
    }
    return services;
  }
  [[nodiscard]] const Ticket& ticket(std::size_t token) const {
    return tickets_[token * 7919 % tickets_.size()];
  }

  std::unique_ptr<usher::crypto::Kit> kit_ = usher::crypto::Kit::make();
  SeededRandom random_{31};
  KerberosMint mint_{*kit_, random_};
  std::vector<Service> services_;
  Door door_;
  std::vector<Ticket> tickets_;
  std::vector<ApReq> requests_;
  std::vector<Octets> tokens_;
};

// time_all gives the shortest time of a sign-on in any round, for each size: what else runs on the
// machine only ever adds.
using Times = std::array<double, kSizes.size()>;
bool time_all(std::size_t tokens, bool spread, Times& best_ns) {
  std::vector<std::unique_ptr<Keytab>> keytabs;
  for (const std::size_t size : kSizes) {
    keytabs.push_back(std::make_unique<Keytab>(size, kWarmUp + tokens, spread));
    if (keytabs.back()->accept(0, kWarmUp) != kWarmUp || !keytabs.back()->proves(kWarmUp - 1)) {
      return false;
    }
  }
  best_ns.fill(1e12);
  const std::size_t share = tokens / kRounds;
  for (std::size_t round = 0; round < kRounds; ++round) {
    for (std::size_t n = 0; n < kSizes.size(); ++n) {
      const auto begin = std::chrono::steady_clock::now();
      const std::size_t in = keytabs[n]->accept(kWarmUp + round * share, share);
      const std::chrono::duration<double, std::nano> took =
          std::chrono::steady_clock::now() - begin;
      if (in != share) {
        return false;
      }
      best_ns[n] = std::min(best_ns[n], took.count() / static_cast<double>(share));
    }
  }
  return true;
}

double ratio_of(const Times& times) {
  const auto [fastest, slowest] = std::ranges::minmax(times);
  return slowest / fastest;
}

std::size_t number(const char* text) {
  std::size_t value = 0;
  std::from_chars(text, text + std::strlen(text), value);
  return value;
}

int usage() {
  std::fputs("usage: keytab_bench [--check] [--tokens N] | --entries N --count M\n", stderr);
  return 2;
}

}  // namespace

// What callgrind collects; the name must survive the optimiser.
extern "C" [[gnu::noinline, gnu::noclone]] std::size_t accept_with_keytab(void* keytab,
                                                                          std::size_t count) {
  return static_cast<Keytab*>(keytab)->accept(kWarmUp, count);
}

int main(int argc, char** argv) {
  bool check = false;
  std::size_t tokens = 4096;
  std::size_t entries = 0;
  std::size_t count = 0;
  for (int n = 1; n < argc; ++n) {
    const std::string_view flag = argv[n];
    std::size_t* const target = flag == "--tokens"    ? &tokens
                                : flag == "--entries" ? &entries
                                : flag == "--count"   ? &count
                                                      : nullptr;
    if (flag == "--check") {
      check = true;
    } else if (target == nullptr || ++n == argc || (*target = number(argv[n])) == 0) {
      return usage();
    }
  }
  if (tokens < kRounds || (entries == 0) != (count == 0)) {
    return usage();
  }
  if (count != 0) {
    Keytab keytab(entries, kWarmUp + count, true);
    const bool warm = keytab.accept(0, kWarmUp) == kWarmUp && keytab.proves(kWarmUp - 1);
    return warm && accept_with_keytab(&keytab, count) == count ? 0 : 1;
  }
  Times one{};
  Times all{};
  if (!time_all(tokens, false, one) || !time_all(tokens, true, all)) {
    std::fputs("keytab_bench: a token was refused or answered wrongly\n", stderr);
    return 1;
  }
  std::printf("ns per accept: for one service, for all in turn\n");
  for (std::size_t n = 0; n < kSizes.size(); ++n) {
    std::printf("%6zu entries  %8.0f  %8.0f\n", kSizes[n], one[n], all[n]);
  }
  const double ratio = ratio_of(one);
  std::printf("slowest / fastest: %.3f (at most %.2f wanted), in turn %.3f\n", ratio, kRatioMax,
              ratio_of(all));
  return check && ratio > kRatioMax ? 1 : 0;
}
