// Signs on over HTTP as fast as a server answers, or as often as is asked for, with a fresh
// Kerberos authenticator each time, and says how many sign-ons a second and how long they took.
#include <sched.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "tools/load/client.h"
#include "tools/load/tickets.h"

namespace {

using load::Options;
using load::Results;
using load::TokenStore;

constexpr double kTokensPerSecond = 160'000;  // Of a closed loop, unless told otherwise.

struct Plan {
  Options options;
  load::KeytabPlan keytab{.keytab = {}, .service = "HTTP/localhost", .shape = {}};
  std::size_t tokens = 0;  // 0: as many as the time may want.
  std::int64_t waiting = -1;
  int cpu = -1;
  bool bare = false;
  bool no_token = false;
  bool json = false;
};

// between is CLI::Range, but also for what is no number: "nan" lies in every range of CLI11's.
// `said` is both bounds in words.
CLI::Validator between(double least, double most, const std::string& said) {
  return {[=](const std::string& text) {
            double value = 0;
            const char* const text_end = text.data() + text.size();
            const bool is_number = std::from_chars(text.data(), text_end, value).ptr == text_end;
            return is_number && value >= least && value <= most ? "" : "not " + said;
          },
          said};
}

void declare(CLI::App& app, Plan& plan) {
  constexpr std::size_t kTokensMax = 100'000'000;
  Options& options = plan.options;
  app.add_option("--address", options.address, "IPv4 address of the server")->capture_default_str();
  app.add_option("--port", options.port, "TCP port of the server")->required();
  app.add_option("--host", options.host, "Host field")->capture_default_str();
  app.add_option("--path", options.path, "what to GET")->capture_default_str();
  app.add_option("--service", plan.keytab.service, "its principal")->capture_default_str();
  app.add_option("--keytab", plan.keytab.keytab,
                 "makes tickets with the service's key; else one comes from the credential cache");
  app.add_option("--tickets", plan.keytab.count, "distinct tickets, with --keytab")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  app.add_option("--ticket-size", plan.keytab.shape.size,
                 "bytes of a ticket, filled with a PAC's groups; 0: no PAC, 0.5 KB")
      ->check(CLI::Range(0, 48'000))
      ->capture_default_str();
  app.add_option("--etype", plan.keytab.etype, "of the service's key: 17 to 20, or 0 for any")
      ->check(CLI::IsMember({0, 17, 18, 19, 20}))
      ->capture_default_str();
  app.add_option("--connections", options.connections, "kept alive, one request on each")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "how long, at most")
      ->check(between(0.001, 86'400, "a number from 0.001 to 86400"))
      ->capture_default_str();
  app.add_option("--rate", options.rate, "requests a second (open loop); 0: closed loop")
      ->check(between(0, 10'000'000, "a number from 0 to 10000000"))
      ->capture_default_str();
  app.add_option("--waiting", plan.waiting,
                 "open loop: how many may wait for a free connection before the oldest gives up");
  app.add_option("--tokens", plan.tokens, "made in advance; ends the run when used up")
      ->check(CLI::Range(std::size_t{1}, kTokensMax));
  app.add_option("--prove-every", options.prove_every,
                 "decrypt one answer in so many; 0: judge by status alone")
      ->capture_default_str();
  app.add_option("--cpu", plan.cpu, "processor to run on once the tokens are made");
  app.add_flag("--bare", plan.bare, "the same bytes, to a server that only answers 200");
  app.add_flag("--no-token", plan.no_token, "requests without Authorization");
  app.add_flag("--json", plan.json, "print one JSON object");
}

TokenStore make_tokens(const Plan& plan) {
  std::vector<usher::mint::Ticket> tickets;
  if (plan.keytab.keytab.empty()) {
    tickets.push_back(load::cached_ticket(plan.keytab.service));
  } else {
    tickets = load::minted_tickets(plan.keytab);
  }
  const double rate = plan.options.rate == 0 ? kTokensPerSecond : plan.options.rate;
  const auto count =
      plan.tokens != 0 ? plan.tokens : static_cast<std::size_t>(rate * plan.options.seconds) + 1;
  return {std::move(tickets), count, std::time(nullptr)};
}

nlohmann::json json_of(const Plan& plan, const TokenStore* tokens, const Results& results) {
  const auto us = [&](double percent) {
    return static_cast<double>(results.latencies.percentile(percent)) / 1000;
  };
  return {{"accepted", results.accepted},
          {"refused", results.refused},
          {"failed", results.failed},
          {"given_up", results.given_up},
          {"proved", results.proved},
          {"first_failure", results.first_failure},
          {"seconds", results.seconds},
          {"accepts_per_second", static_cast<double>(results.accepted) / results.seconds},
          {"p50_us", us(50)},
          {"p90_us", us(90)},
          {"p99_us", us(99)},
          {"p999_us", us(99.9)},
          {"max_us", static_cast<double>(results.latencies.max()) / 1000},
          {"rate", plan.options.rate},
          {"connections", plan.options.connections},
          {"tickets", tokens == nullptr ? 0 : tokens->ticket_count()},
          {"token_bytes", tokens == nullptr ? 0 : tokens->token_size()},
          {"answer_bytes", results.answer_size}};
}

void print(const Plan& plan, const TokenStore* tokens, const Results& results) {
  const nlohmann::json facts = json_of(plan, tokens, results);
  if (plan.json) {
    std::cout << facts.dump() << "\n";
    return;
  }
  const auto number = [&](const char* name) { return facts[name].get<double>(); };
  std::printf("%.0f sign-ons in %.1f s over %.0f connections, ", number("accepted"),
              number("seconds"), number("connections"));
  if (plan.options.rate == 0) {
    std::printf("each asking again when it is answered\n");
  } else {
    std::printf("%.0f due a second, %.0f gave up\n", number("rate"), number("given_up"));
  }
  std::printf("%.0f-byte tokens of %.0f tickets, each used once; %.0f answers proved the key\n",
              number("token_bytes"), number("tickets"), number("proved"));
  std::printf("%.0f accepts/s   p50 %.0f  p90 %.0f  p99 %.0f  p99.9 %.0f  max %.0f us\n",
              number("accepts_per_second"), number("p50_us"), number("p90_us"), number("p99_us"),
              number("p999_us"), number("max_us"));
  std::printf("refused (503) %.0f   failures %.0f\n", number("refused"), number("failed"));
  if (results.failed != 0) {
    std::printf("first failure: %s\n", results.first_failure.c_str());
  }
}

// pin keeps this process on one processor, away from the server's.
void pin(int cpu) {
  cpu_set_t processors;
  CPU_ZERO(&processors);
  CPU_SET(static_cast<std::size_t>(cpu), &processors);
  usher::mint::require(sched_setaffinity(0, sizeof processors, &processors) == 0,
                       "--cpu names no processor");
}

int run(Plan& plan) {
  plan.options.prove_every = plan.bare || plan.no_token ? 0 : plan.options.prove_every;
  plan.options.progress = isatty(STDERR_FILENO) == 1;
  if (plan.waiting >= 0) {
    plan.options.waiting_max = static_cast<std::uint64_t>(plan.waiting);
  }
  std::optional<TokenStore> tokens;
  if (!plan.no_token) {
    tokens.emplace(make_tokens(plan));
  }
  if (plan.cpu >= 0) {
    pin(plan.cpu);
  }
  const TokenStore* const borrowed = tokens ? &*tokens : nullptr;
  const Results results = load::Client(plan.options, borrowed).run();
  if (plan.options.progress) {
    std::fputc('\n', stderr);
  }
  print(plan, borrowed, results);
  return results.failed == 0 && results.accepted > 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Plan plan;
  CLI::App app("Signs on over HTTP with a fresh Kerberos token each time.");
  declare(app, plan);
  CLI11_PARSE(app, argc, argv);
  try {
    return run(plan);
  } catch (const std::exception& error) {
    std::cerr << "load: " << error.what() << "\n";
    return 2;
  }
}
