// An acceptor for clients that cannot live in its process: runs one, answers what it asks, and says
// what became of the exchange.
//
//   accept_server --keytab FILE [OPTION...] -- CLIENT ARGUMENT...
//
// The client speaks through file descriptor 3, a socket. It sends a line and gets one back; bytes
// are in hex, and may be none:
//   token BYTES         -> continue BYTES, established BYTES or refused BYTES
//   check MESSAGE MIC   -> right or wrong: the client's MIC of a message
//   sign MESSAGE        -> BYTES, the acceptor's MIC
//
// What the client prints goes to the same standard output as the acceptor's own lines, each
// "name=value". The exit status is the client's.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/protect/mic.h"
#include "parsers/spnego.h"
#include "tests/hex.h"

namespace usher::testing {
namespace {

using Octets = std::vector<std::uint8_t>;

constexpr int kClientSocket = 3;

struct Options {
  std::string keytab;
  std::vector<std::string> policies;
  std::string bindings;  // Application data; empty: none.
  bool allow_missing_bindings = false;
  bool proxy_bindings = false;
  bool error_tokens = false;
  bool take_delegation = false;
  std::int64_t clock_offset_s = 0;
  std::vector<std::string> command;
};

// OffsetClock is the machine's clock, but wrong.
class OffsetClock final : public Clock {
 public:
  explicit OffsetClock(std::int64_t offset_s) : offset_us_(offset_s * kMicrosPerSecond) {}
  [[nodiscard]] std::int64_t wall_us() const noexcept override {
    return system_clock().wall_us() + offset_us_;
  }
  [[nodiscard]] std::int64_t steady_us() const noexcept override {
    return system_clock().steady_us();
  }

 private:
  std::int64_t offset_us_;
};

std::string hex_of(Bytes bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string text_of_bytes(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// carries_mic says whether a SPNEGO token has a mechListMIC, which takes its sender's first number.
bool carries_mic(Bytes token) {
  const Result<spnego::NegTokenResp> resp = spnego::parse_neg_token_resp(token);
  return resp.ok() && !resp->mech_list_mic.empty();
}

// Exchange is the acceptor's side of one sign-on.
class Exchange {
 public:
  explicit Exchange(const Options& options)
      : options_(options),
        clock_(options.clock_offset_s),
        credential_(auth::Package::kNegotiate, load(options)) {
    for (const std::string& policy : options.policies) {
      const std::size_t equals = policy.find('=');
      const std::string name = policy.substr(0, equals);
      const std::string error = auth::set_policy(
          credential_.policy, name, equals == policy.npos ? "" : policy.substr(equals + 1));
      if (!error.empty()) {
        throw std::runtime_error(policy + ": " + error);
      }
    }
  }

  // answer takes a line of the client and returns the one to send back.
  std::string answer(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    std::string first;
    std::string second;
    words >> verb >> first >> second;
    if (verb == "token") {
      return accept(hex(first));
    }
    if (verb == "check") {
      return check(hex(first), hex(second)) ? "right" : "wrong";
    }
    if (verb == "sign") {
      return hex_of(sign(hex(first)));
    }
    throw std::runtime_error("the client asks for " + verb);
  }

  // report says what became of it; before the client's last token, only how far it is.
  void report(std::ostream& out) const {
    out << "status=" << name_of(verdict_.status) << '\n';
    if (!succeeded(verdict_.status)) {
      out << "why=" << text_of(verdict_.status) << '\n';
    }
    out << "bindings=" << name_of(bindings_) << '\n';
    if (verdict_.status != Status::kEstablished) {
      return;
    }
    const Status inspected = engine_->inspect(context_, [&](const Context& context) {
      std::array<std::uint8_t, kClientNameSizeMax> room;
      out << "user=" << text_of_bytes(context.write_client_name(room)) << '\n'
          << "service=" << text_of_bytes(context.service()) << '\n'
          << "ticket=" << context.ticket_etype << '\n'
          << "key=" << context.key_etype << '\n'
          << "subkey=" << (context.key_is_acceptor_subkey ? "acceptor" : "initiator") << '\n'
          << "flags=" << std::hex << std::uint32_t(context.flags) << std::dec << '\n';
    });
    if (inspected != Status::kEstablished) {
      throw std::runtime_error("the context is gone");
    }
  }

 private:
  std::unique_ptr<const auth::Keys> load(const Options& options) const {
    crypto::KeyRing::Loaded loaded = crypto::KeyRing::load_keytab(*kit_, options.keytab.c_str());
    if (loaded.ring == nullptr) {
      throw std::runtime_error(loaded.error);
    }
    auto keys = std::make_unique<auth::Keys>();
    keys->ring = std::move(loaded.ring);
    return keys;
  }

  static std::string_view name_of(Status status) {
    switch (status) {
#define USHER_STATUS_NAME(name, sspi, text) \
  case Status::name:                        \
    return #sspi;
      USHER_STATUS_LIST(USHER_STATUS_NAME)
#undef USHER_STATUS_NAME
    }
    return {};
  }
  static std::string_view name_of(auth::BindingResult result) {
    switch (result) {
      case auth::BindingResult::kUnchecked:
        return "unchecked";
      case auth::BindingResult::kMatched:
        return "matched";
      case auth::BindingResult::kProxied:
        return "proxied";
      case auth::BindingResult::kAbsentAllowed:
        return "absent-allowed";
      case auth::BindingResult::kAbsent:
        return "absent";
      case auth::BindingResult::kMismatched:
        return "mismatched";
    }
    return {};
  }

  std::string accept(Bytes token) {
    std::array<std::uint8_t, kReplySizeMax> room{};
    AcceptRequest request{.credential = &credential_,
                          .context = context_,
                          .token = token,
                          .reply = room,
                          .error_tokens = options_.error_tokens,
                          .binding_demand = {.allow_missing = options_.allow_missing_bindings,
                                             .proxy = options_.proxy_bindings},
                          .take_delegation = options_.take_delegation};
    if (!options_.bindings.empty()) {
      const Bytes data(reinterpret_cast<const std::uint8_t*>(options_.bindings.data()),
                       options_.bindings.size());
      if (!auth::make_bindings(*kit_, {.application_data = data}, request.bindings)) {
        throw std::runtime_error("OpenSSL fails");
      }
    }
    AcceptReply reply;
    auth::accept(*desk_, engine_->environment(), {&request, 1}, {&reply, 1});
    verdict_ = reply.verdict;
    context_ = reply.context;
    bindings_ = reply.bindings;
    const Bytes answer = Bytes(room).first(reply.reply_size);
    from_client_ += carries_mic(token) ? 1u : 0u;
    from_us_ += carries_mic(answer) ? 1u : 0u;
    const char* const verb = verdict_.status == Status::kEstablished ? "established "
                             : succeeded(verdict_.status)            ? "continue "
                                                                     : "refused ";
    return verb + hex_of(answer);
  }

  bool check(Bytes message, Bytes mic) const {
    bool right = false;
    const Status inspected = engine_->inspect(context_, [&](const Context& context) {
      right = protect::check_mic(*kit_, key_of(context), protect::Sender::kInitiator,
                                 std::uint64_t{context.initiator_sequence} + from_client_, message,
                                 mic);
    });
    return inspected == Status::kEstablished && right;
  }

  std::vector<std::uint8_t> sign(Bytes message) const {
    std::vector<std::uint8_t> mic(protect::kMicSizeMax);
    const Status inspected = engine_->inspect(context_, [&](const Context& context) {
      mic.resize(protect::write_mic(*kit_, key_of(context), protect::Sender::kAcceptor,
                                    std::uint64_t{context.acceptor_sequence} + from_us_, message,
                                    mic));
    });
    if (inspected != Status::kEstablished) {
      mic.clear();
    }
    return mic;
  }
  static protect::KerberosMicKey key_of(const Context& context) {
    return {crypto::profile_of(context.key_etype), context.key.bytes(),
            context.key_is_acceptor_subkey};
  }

  const Options& options_;
  OffsetClock clock_;
  std::unique_ptr<crypto::Kit> kit_ = crypto::Kit::make();
  std::unique_ptr<Engine> engine_ =
      Engine::make({.slot_count = 4, .replay_entry_count = 1u << 12, .clock = &clock_});
  std::unique_ptr<Desk> desk_ = Desk::make(1);
  Credential credential_;
  ContextHandle context_;
  Verdict verdict_;
  auth::BindingResult bindings_ = auth::BindingResult::kUnchecked;
  std::uint64_t from_client_ = 0;  // Sequence numbers used up by mechListMICs.
  std::uint64_t from_us_ = 0;
};

// start runs the client with its end of the pair as descriptor 3.
pid_t start(std::vector<std::string> command, int client_end) {
  std::vector<char*> argv;
  for (std::string& word : command) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    // Without CLOEXEC only on the copy; if it is 3 already, dup2 would leave it set.
    if (client_end == kClientSocket ? ::fcntl(client_end, F_SETFD, 0) == 0
                                    : ::dup2(client_end, kClientSocket) == kClientSocket) {
      ::execvp(argv[0], argv.data());
    }
    std::perror(argv[0]);
    ::_exit(127);
  }
  return child;
}

// serve answers line by line until the client's end is closed.
void serve(int ours, Exchange& exchange) {
  std::string pending;
  std::array<char, 4096> room;
  for (;;) {
    const ssize_t got = ::read(ours, room.data(), room.size());
    if (got <= 0) {
      return;
    }
    pending.append(room.data(), static_cast<std::size_t>(got));
    for (std::size_t end = pending.find('\n'); end != pending.npos; end = pending.find('\n')) {
      const std::string answer = exchange.answer(pending.substr(0, end)) + '\n';
      pending.erase(0, end + 1);
      for (std::size_t sent = 0; sent < answer.size();) {
        const ssize_t put = ::send(ours, answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
        if (put <= 0) {
          return;
        }
        sent += static_cast<std::size_t>(put);
      }
    }
  }
}

void describe(CLI::App& app, Options& options) {
  app.add_option("--keytab", options.keytab)->required();
  app.add_option("--policy", options.policies)->allow_extra_args(false);
  app.add_option("--bindings", options.bindings, "application data of the connection's bindings");
  app.add_flag("--allow-missing-bindings", options.allow_missing_bindings);
  app.add_flag("--proxy-bindings", options.proxy_bindings);
  app.add_flag("--error-tokens", options.error_tokens);
  app.add_flag("--take-delegation", options.take_delegation);
  app.add_option("--clock-offset", options.clock_offset_s, "seconds our clock is ahead");
  app.add_option("command", options.command)->required();
}

int run(const Options& options) {
  Exchange exchange(options);
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    throw std::runtime_error("socketpair fails");
  }
  const pid_t client = start(options.command, pair[1]);
  ::close(pair[1]);
  serve(pair[0], exchange);
  ::close(pair[0]);
  int status = 0;
  if (client < 0 || ::waitpid(client, &status, 0) != client) {
    throw std::runtime_error("no client");
  }
  exchange.report(std::cout);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace
}  // namespace usher::testing

int main(int argc, char** argv) {
  CLI::App app("An acceptor for a client in another process");
  usher::testing::Options options;
  usher::testing::describe(app, options);
  CLI11_PARSE(app, argc, argv);
  try {
    return usher::testing::run(options);
  } catch (const std::exception& error) {
    std::cerr << "accept_server: " << error.what() << '\n';
    return 2;
  }
}
