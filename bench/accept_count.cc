// Accepts minted tokens with Usher, alone or in batches, or with MIT, for bench/instructions to
// count what that takes under callgrind: each with a ticket of its own, or with the tickets of a
// few in turn. As usher-here it counts itself what Usher's take on this CPU, by stepping through
// them: callgrind's has AVX2, but neither SHA-NI nor AVX-512.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "bench/door.h"
#include "tools/mint/mit_acceptor.h"
#include "tools/stepped.h"

namespace {

using usher::bench::Door;
using usher::bench::KerberosTokens;

constexpr std::size_t kWarmUp = 8;  // Whatever is set up once, at the first accepts.

}  // namespace

// The two loops are what callgrind collects; their names must survive the optimiser.
extern "C" {

[[gnu::noinline, gnu::noclone]] std::size_t accept_with_usher(Door& door,
                                                              const KerberosTokens& tokens,
                                                              std::size_t batch) {
  std::size_t established = 0;
  std::array<usher::Bytes, usher::kBatchMax> some;
  for (std::size_t i = kWarmUp; i < tokens.size();) {
    std::size_t count = 0;
    while (count < batch && i < tokens.size()) {
      some[count++] = tokens.token(i++);
    }
    for (const usher::AcceptReply& reply : door.accept(std::span(some).first(count))) {
      established += reply.verdict.status == usher::Status::kEstablished ? 1u : 0u;
      door.release(reply.context);
    }
  }
  return established;
}

[[gnu::noinline, gnu::noclone]] std::size_t accept_with_mit(usher::mint::MitAcceptor& mit,
                                                            const KerberosTokens& tokens) {
  std::size_t established = 0;
  for (std::size_t i = kWarmUp; i < tokens.size(); ++i) {
    established += mit.accept_and_forget(tokens.token(i)) ? 1u : 0u;
  }
  return established;
}

}  // extern "C"

namespace {

std::size_t usher_accepts(const KerberosTokens& tokens, std::size_t batch, bool marked) {
  const auto mark = [marked] { marked ? usher::tools::mark_steps() : void(); };
  Door door(tokens.service());
  for (std::size_t i = 0; i < kWarmUp; ++i) {
    const usher::Bytes token = tokens.token(i);
    door.release(door.accept(std::span(&token, 1))[0].context);
  }
  mark();
  const std::size_t established = accept_with_usher(door, tokens, batch);
  mark();
  return established;
}

std::size_t mit_accepts(const KerberosTokens& tokens) {
  usher::mint::MitAcceptor mit(usher::mint::keytab_image(std::span(&tokens.service(), 1)));
  for (std::size_t i = 0; i < kWarmUp; ++i) {
    mit.accept_and_forget(tokens.token(i));
  }
  return accept_with_mit(mit, tokens);
}

// count_here prints the instructions of all accepts on this CPU.
int count_here(const KerberosTokens& tokens, std::size_t batch) {
  const usher::tools::Stepped stepped = usher::tools::step(
      [&] { return usher_accepts(tokens, batch, true) == tokens.size() - kWarmUp ? 0 : 1; },
      [](pid_t) {});
  if (stepped.returned == usher::tools::kCannotBeTraced) {
    std::fputs("accept_count: nothing may be traced here\n", stderr);
  }
  std::printf("%ld\n", stepped.instructions);
  return stepped.returned;
}

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int at) {
    std::size_t value = 0;
    std::from_chars(argv[at], argv[at] + std::strlen(argv[at]), value);
    return value;
  };
  const std::string_view who = argc >= 3 && argc <= 6 ? argv[1] : "";
  const std::size_t count = argc > 2 ? number(2) : 0;
  const std::size_t batch = argc > 3 ? number(3) : 1;
  // A ticket each, if it is not said: none is seen twice.
  const std::size_t tickets = argc > 4 ? number(4) : count + kWarmUp;
  const std::size_t ticket_size = argc > 5 ? number(5) : 0;
  if ((who != "usher" && who != "usher-here" && who != "mit") || count == 0 || batch == 0 ||
      batch > usher::kBatchMax || tickets == 0) {
    std::fputs("usage: accept_count usher|usher-here|mit COUNT [BATCH [TICKETS [TICKET_BYTES]]]\n",
               stderr);
    return 2;
  }
  const KerberosTokens tokens(
      {.count = count + kWarmUp, .ticket_size = ticket_size, .tickets = tickets});
  if (who == "usher-here") {
    return count_here(tokens, batch);
  }
  const std::size_t established =
      who == "usher" ? usher_accepts(tokens, batch, false) : mit_accepts(tokens);
  std::printf("%zu\n", established);
  return established == count ? 0 : 1;
}
