// What contexts cost when there are many: bytes each, and the time of an accept while 1 to
// 1,000,000 are open.
//
//   contexts_bench [--check 1] [--tokens N] [--most N]
//
// --check 1: exit 1 if the slowest accept takes over 10 % more than the fastest, or a million
// contexts over 1.1 GB. One JSON object is the last line.
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <memory>
#include <string>

#include "bench/door.h"
#include "bench/timing.h"

namespace usher::bench {
namespace {

constexpr std::array<std::size_t, 5> kSizes = {1, 1000, 10'000, 100'000, 1'000'000};
constexpr char kUsage[] = "usage: contexts_bench [--check 1] [--tokens N] [--most N]\n";
constexpr double kRatioMax = 1.10;
constexpr double kBytesMax = 1.1e9;
constexpr std::size_t kRounds = 16;
constexpr std::size_t kWarmUp = 64;

// resident is what this process has in memory, in bytes.
double resident() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

// House is an engine in which so many contexts are open.
class House {
 public:
  House(const KerberosTokens& tokens, std::size_t contexts) : tokens_(tokens) {
    const double before = resident();
    door_ = std::make_unique<Door>(
        std::span(&tokens.service(), 1),
        Door::Options{.replay_entries = 1u << 16,
                      .slots = static_cast<std::uint32_t>(contexts + kBatchMax),
                      .allow_replay = true});
    fill(contexts);
    mint::require(door_->engine().environment().contexts.live() == contexts, "contexts are lost");
    bytes_ = resident() - before;
  }

  // accept signs on with tokens `begin` to `begin` + count; nanoseconds of one.
  double accept(std::size_t begin, std::size_t count) {
    std::size_t established = 0;
    const double before = thread_ns();
    for (std::size_t n = begin; n < begin + count; ++n) {
      const Bytes token = tokens_.token(n);
      const AcceptReply& reply = door_->accept(std::span(&token, 1))[0];
      established += reply.verdict.status == Status::kEstablished ? 1u : 0u;
      door_->release(reply.context);
    }
    const double took = thread_ns() - before;
    mint::require(established == count, "a token was refused");
    return took / static_cast<double>(count);
  }
  [[nodiscard]] double bytes() const { return bytes_; }

 private:
  // fill signs on the last of the tokens again and again: replays, which this engine lets in.
  void fill(std::size_t contexts) {
    std::array<Bytes, kBatchMax> room;
    for (std::size_t n = 0; n < room.size(); ++n) {
      room[n] = tokens_.token(tokens_.size() - kBatchMax + n);
    }
    for (std::size_t open = 0; open < contexts;) {
      const std::span batch = std::span(room).first(std::min(kBatchMax, contexts - open));
      for (const AcceptReply& reply : door_->accept(batch)) {
        mint::require(reply.verdict.status == Status::kEstablished, "a token was refused");
      }
      open += batch.size();
    }
  }

  const KerberosTokens& tokens_;
  std::unique_ptr<Door> door_;
  double bytes_ = 0;
};

int run(const Flags& flags) {
  const std::size_t share = flags["tokens"] / kRounds;
  const KerberosTokens tokens({.count = kWarmUp + kRounds * share + kBatchMax});
  std::vector<std::size_t> sizes;
  std::vector<std::unique_ptr<House>> houses;
  for (const std::size_t size : kSizes) {
    if (size <= flags["most"]) {
      sizes.push_back(size);
      houses.push_back(std::make_unique<House>(tokens, size));
      houses.back()->accept(0, kWarmUp);
    }
  }
  // The shortest of the rounds, in turn: what else runs on the machine only ever adds.
  std::vector<double> best(sizes.size(), 1e12);
  for (std::size_t round = 0; round < kRounds; ++round) {
    for (std::size_t n = 0; n < sizes.size(); ++n) {
      best[n] = std::min(best[n], houses[n]->accept(kWarmUp + round * share, share));
    }
  }
  std::string rows;
  for (std::size_t n = 0; n < sizes.size(); ++n) {
    std::printf("%8zu contexts  %7.0f ns an accept  %8.1f MB\n", sizes[n], best[n],
                houses[n]->bytes() / 1e6);
    rows += std::string(n == 0 ? "" : ", ") + "{\"contexts\": " + std::to_string(sizes[n]) +
            ", \"ns\": " + std::to_string(best[n]) +
            ", \"bytes\": " + std::to_string(houses[n]->bytes()) + "}";
  }
  const double ratio = *std::ranges::max_element(best) / *std::ranges::min_element(best);
  const double bytes = houses.back()->bytes();
  std::printf("slowest / fastest: %.3f (at most %.2f wanted)\n", ratio, kRatioMax);
  std::printf("{\"rows\": [%s], \"ratio\": %.4f, \"bytes\": %.0f}\n", rows.c_str(), ratio, bytes);
  return flags["check"] != 0 && (ratio > kRatioMax || bytes > kBytesMax) ? 1 : 0;
}

}  // namespace
}  // namespace usher::bench

int main(int argc, char** argv) {
  const usher::bench::Flags flags(argv + 1, argv + argc,
                                  {{"check", 0}, {"tokens", 16'384}, {"most", 1'000'000}},
                                  usher::bench::kUsage);
  if (flags["tokens"] < usher::bench::kRounds || flags["most"] == 0) {
    std::fputs(usher::bench::kUsage, stderr);
    return 2;
  }
  return usher::bench::run(flags);
}
