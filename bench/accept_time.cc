// Times the accepts of a file of tokens, by Usher or by MIT, for bench/compare to put beside each
// other; prints one JSON object.
//
//   accept_time make FILE --count N [--etype E] [--ticket-size BYTES] [--tickets N]
//   accept_time keytab FILE [--etype E]    a service's keytab, HTTP/localhost@EXAMPLE.TEST
//   accept_time usher FILE [--batch N] [--threads N] [--forged 1] [--count N] [--passes N]
//   accept_time mit-file|mit-memory FILE [--count N] [--passes N]
//
// Times are processor time of one accept. With --threads, "per_second" is what all of them did in
// a second of the wall's clock. With --forged, one token in each 32 is a forgery.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "bench/door.h"
#include "bench/timing.h"
#include "tools/mint/mit_acceptor.h"

namespace usher::bench {
namespace {

constexpr char kUsage[] =
    "usage: accept_time make FILE --count N [--etype E] [--ticket-size BYTES] [--tickets N]\n"
    "       accept_time keytab FILE [--etype E]\n"
    "       accept_time usher|mit-file|mit-memory FILE [--batch N] [--threads N] [--forged 1]\n"
    "                   [--count N] [--passes N]\n";
constexpr std::size_t kUsherBlock = 1024;  // A multiple of every batch.
constexpr std::size_t kMitBlock = 64;
constexpr std::size_t kForgedEvery = 32;
constexpr std::size_t kForgedAt = 7;

bool is_forged(std::size_t index) { return index % kForgedEvery == kForgedAt; }

int make(const char* file, const Flags& flags) {
  const KerberosTokens tokens({.count = flags["count"],
                               .etype = static_cast<std::int32_t>(flags["etype"]),
                               .ticket_size = flags["ticket-size"],
                               .tickets = flags["tickets"]});
  tokens.save(file);
  std::printf("{\"tokens\": %zu, \"token_bytes\": %zu}\n", tokens.size(), tokens.token(0).size());
  return 0;
}

int write_keytab(const char* path, const Flags& flags) {
  mint::SeededRandom random{20263};
  const mint::Service service = mint::make_service(random, "HTTP/localhost@EXAMPLE.TEST",
                                                   static_cast<std::int32_t>(flags["etype"]));
  const mint::Octets image = mint::keytab_image(std::span(&service, 1));
  std::ofstream file(path, std::ios::binary);
  const void* const raw = image.data();
  file.write(static_cast<const char*>(raw), static_cast<std::streamsize>(image.size()));
  file.close();
  mint::require(file.good(), "the keytab cannot be written");
  return 0;
}

// Run is what a thread does with its share of the tokens, in batches.
class Run {
 public:
  Run(const KerberosTokens& tokens, std::size_t batch, bool forged)
      : tokens_(tokens), batch_(batch), forged_(forged) {}

  // accept takes tokens `begin` to `end`; true if exactly those got in that should.
  bool accept(Door& door, std::size_t begin, std::size_t end, Blocks& blocks) {
    bool right = true;
    for (std::size_t at = begin; at < end; at += kUsherBlock) {
      const std::size_t block_end = std::min(at + kUsherBlock, end);
      const double before = thread_ns();
      right = accept_block(door, at, block_end) && right;
      blocks.add((thread_ns() - before) / static_cast<double>(block_end - at));
    }
    return right;
  }

 private:
  bool accept_block(Door& door, std::size_t begin, std::size_t end) {
    std::array<Bytes, kBatchMax> room;
    std::size_t wrong = 0;
    for (std::size_t at = begin; at < end; at += batch_) {
      const std::span<Bytes> batch = std::span(room).first(std::min(batch_, end - at));
      for (std::size_t n = 0; n < batch.size(); ++n) {
        batch[n] = tokens_.token(at + n);
      }
      const auto replies = door.accept(batch);
      for (std::size_t n = 0; n < batch.size(); ++n) {
        const bool in = replies[n].verdict.status == Status::kEstablished;
        wrong += in == (forged_ && is_forged(at + n)) ? 1u : 0u;
        if (in) {
          door.release(replies[n].context);
        }
      }
    }
    return wrong == 0;
  }

  const KerberosTokens& tokens_;
  const std::size_t batch_;
  const bool forged_;
};

void check_first(const KerberosTokens& tokens) {
  Door door(tokens.service());
  const Bytes token = tokens.token(0);
  mint::require(door.accept(std::span(&token, 1))[0].verdict.status == Status::kEstablished &&
                    tokens.proves(door.reply(0)),
                "Usher refuses the first token, or answers wrongly");
}

int time_usher(KerberosTokens& tokens, std::size_t count, const Flags& flags) {
  const bool forged = flags["forged"] != 0;
  check_first(tokens);
  for (std::size_t n = 0; forged && n < count; ++n) {
    if (is_forged(n)) {
      tokens.spoil(n);
    }
  }
  const std::size_t threads = flags["threads"];
  const std::size_t share = count / threads;
  Blocks blocks;
  double best_rate = 0;
  for (std::size_t pass = 0; pass < flags["passes"]; ++pass) {
    Door first(tokens.service());
    std::vector<Blocks> seen(threads);
    std::atomic<bool> right{true};
    std::atomic<std::size_t> ready{0};
    const auto work = [&](std::size_t thread) {
      Door door(first);
      Run run(tokens, flags["batch"], forged);
      ready.fetch_add(1);
      while (ready.load() != threads + 1) {
        std::this_thread::yield();
      }
      if (!run.accept(door, thread * share, (thread + 1) * share, seen[thread])) {
        right = false;
      }
    };
    std::vector<std::jthread> workers;
    for (std::size_t thread = 0; thread < threads; ++thread) {
      workers.emplace_back(work, thread);
    }
    while (ready.load() != threads) {
      std::this_thread::yield();
    }
    const auto begin = std::chrono::steady_clock::now();
    ready.fetch_add(1);
    workers.clear();  // Joined.
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    mint::require(right, "a token was refused, or a forgery let in");
    best_rate = std::max(best_rate, static_cast<double>(share * threads) / took.count());
    for (const Blocks& each : seen) {
      blocks.add(each);
    }
  }
  blocks.print("usher", count * flags["passes"],
               ", \"batch\": " + std::to_string(flags["batch"]) + ", \"threads\": " +
                   std::to_string(threads) + ", \"per_second\": " + std::to_string(best_rate));
  return 0;
}

int time_mit(const std::string& who, const KerberosTokens& tokens, std::size_t count,
             const Flags& flags) {
  using Kept = mint::MitAcceptor::Kept;
  mint::MitAcceptor mit(mint::keytab_image(std::span(&tokens.service(), 1)),
                        who == "mit-memory" ? Kept::kMemory : Kept::kFile);
  const mint::MitAcceptor::Reply first = mit.accept(tokens.token(0));
  mit.forget();
  mint::require(first.established && tokens.proves(first.token),
                "MIT refuses the first token, or answers wrongly");
  Blocks blocks;
  for (std::size_t pass = 0; pass < flags["passes"]; ++pass) {
    for (std::size_t at = 0; at + kMitBlock <= count; at += kMitBlock) {
      std::size_t established = 0;
      const double before = thread_ns();
      for (std::size_t n = at; n < at + kMitBlock; ++n) {
        established += mit.accept_and_forget(tokens.token(n)) ? 1u : 0u;
      }
      blocks.add((thread_ns() - before) / double{kMitBlock});
      mint::require(established == kMitBlock, "MIT refuses a token");
    }
  }
  mint::require(!blocks.empty(), "too few tokens");
  blocks.print(who, count * flags["passes"], "");
  return 0;
}

int run(const std::string& who, const char* file, const Flags& flags) {
  if (who == "make") {
    return make(file, flags);
  }
  if (who == "keytab") {
    return write_keytab(file, flags);
  }
  KerberosTokens tokens = KerberosTokens::load(file);
  const std::size_t count =
      flags["count"] == 0 ? tokens.size() : std::min(flags["count"], tokens.size());
  if (who == "usher") {
    mint::require(flags["batch"] >= 1 && flags["batch"] <= kBatchMax && flags["threads"] >= 1 &&
                      flags["passes"] >= 1 && count / flags["threads"] >= flags["batch"],
                  "batches of 1 to 64, and tokens for each thread");
    return time_usher(tokens, count, flags);
  }
  return time_mit(who, tokens, count, flags);
}

}  // namespace
}  // namespace usher::bench

int main(int argc, char** argv) {
  const std::string who = argc >= 3 ? argv[1] : "";
  constexpr std::array<std::string_view, 5> kWho = {"make", "keytab", "usher", "mit-file",
                                                    "mit-memory"};
  if (std::ranges::find(kWho, who) == kWho.end()) {
    std::fputs(usher::bench::kUsage, stderr);
    return 2;
  }
  const usher::bench::Flags flags(argv + 3, argv + argc,
                                  {{"count", 0},
                                   {"etype", 18},
                                   {"ticket-size", 0},
                                   {"tickets", 1},
                                   {"batch", 1},
                                   {"threads", 1},
                                   {"forged", 0},
                                   {"passes", 1}},
                                  usher::bench::kUsage);
  try {
    return usher::bench::run(who, argv[2], flags);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "accept_time: %s\n", error.what());
    return 1;
  }
}
