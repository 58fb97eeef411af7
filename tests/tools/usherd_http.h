// The daemon's HTTP front end without sockets: requests in as text, answers out as text.
#pragma once

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <array>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "parsers/http_authorization.h"
#include "tools/mint/kerberos_mint.h"
#include "tools/mint/ntlm_mint.h"
#include "tools/mint/spnego_mint.h"
#include "tools/usherd/http_front_end.h"

namespace usherd::testing {

using usher::Bytes;
using usher::mint::Octets;

inline constexpr std::int64_t kNow = 1'790'000'000;  // Seconds since 1970, in 2026.

class TestClock final : public usher::Clock {
 public:
  [[nodiscard]] std::int64_t wall_us() const noexcept override {
    return kNow * usher::kMicrosPerSecond;
  }
  [[nodiscard]] std::int64_t steady_us() const noexcept override { return steady; }
  std::int64_t steady = 1000 * usher::kMicrosPerSecond;
};

inline std::string base64(Bytes bytes) {
  std::string text(usher::http::base64_encoded_size(bytes.size()), '\0');
  usher::http::encode_base64(
      bytes, {static_cast<std::uint8_t*>(static_cast<void*>(text.data())), text.size()});
  return text;
}

// Reply is an answer taken apart; a field that comes twice has both values, one to a line.
struct Reply {
  int status = 0;
  std::map<std::string, std::string> fields;
  std::string body;
  bool closed = false;  // The front end wants the connection closed.

  [[nodiscard]] std::string field(const std::string& name) const {
    const auto found = fields.find(name);
    return found == fields.end() ? "" : found->second;
  }
  // token decodes what follows `scheme` in WWW-Authenticate; empty if nothing does.
  [[nodiscard]] Octets token(const std::string& scheme) const {
    const std::string value = field("WWW-Authenticate");
    if (!value.starts_with(scheme + " ")) {
      return {};
    }
    const std::string text = value.substr(scheme.size() + 1);
    const Octets encoded(text.begin(), text.end());
    Octets decoded(text.size());
    const auto result = usher::http::decode_base64(encoded, decoded);
    EXPECT_TRUE(result.ok()) << value;
    return result.ok() ? Octets(result->begin(), result->end()) : Octets{};
  }
};

inline Reply parse_reply(const std::string& text, bool closed) {
  Reply reply;
  reply.closed = closed;
  const std::size_t head_end = text.find("\r\n\r\n");
  EXPECT_NE(head_end, std::string::npos) << text;
  std::istringstream lines(text.substr(0, head_end + 2));
  std::string line;
  std::getline(lines, line);
  EXPECT_TRUE(line.starts_with("HTTP/1.1 ")) << line;
  reply.status = std::stoi(line.substr(9));
  while (std::getline(lines, line)) {
    EXPECT_TRUE(line.ends_with('\r')) << line;
    line.pop_back();
    const std::size_t colon = line.find(": ");
    EXPECT_NE(colon, std::string::npos) << line;
    std::string& value = reply.fields[line.substr(0, colon)];
    value += (value.empty() ? "" : "\n") + line.substr(colon + 2);
  }
  reply.body = text.substr(head_end + 4);
  return reply;
}

struct HarnessOptions {
  std::uint32_t slots = 8;
  bool kerberos = true;
  bool ntlm = true;
  std::string connection_field{};
};

// Harness is an engine, its clients' mint, and a front end with eight connections.
class Harness {
 public:
  explicit Harness(const HarnessOptions& options = {}) {
    auto keys = std::make_unique<usher::auth::Keys>();
    if (options.kerberos) {
      keys->ring = usher::mint::make_ring(*kit, std::span(&service, 1));
    }
    if (options.ntlm) {
      auto loaded =
          usher::auth::Accounts::parse(*kit, "EXAMPLE:alice:Al1ce-Passw0rd\n", "accounts");
      EXPECT_EQ(loaded.error, "");
      keys->accounts = std::move(loaded.accounts);
    }
    credential =
        std::make_unique<usher::Credential>(usher::auth::Package::kNegotiate, std::move(keys));
    credential->target = {"EXAMPLE", "WEB", "example.test", "web.example.test"};
    engine = usher::Engine::make({.slot_count = options.slots, .clock = &clock});
    front_end =
        std::make_unique<HttpFrontEnd>(*engine, *credential, verdicts,
                                       HttpOptions{.connection_count = kConnections,
                                                   .connection_field = options.connection_field,
                                                   .table = &table});
    for (std::uint32_t n = 0; n < kConnections; ++n) {
      front_end->opened(usher::io::ConnectionIndex(n), 0);
    }
    logger.set_level(spdlog::level::debug);
  }

  // feed appends to connection `n`'s input and returns what the front end sends, one text for each
  // answer; what it has consumed is gone.
  std::vector<std::string> feed(std::string_view text, std::uint32_t n = 0) {
    std::vector<std::string> answers;
    Octets& input = inputs[n];
    input.insert(input.end(), text.begin(), text.end());
    while (step(n, answers)) {
    }
    return answers;
  }

  // ask sends a whole request and expects exactly one answer to it.
  Reply ask(std::string_view request, std::uint32_t n = 0) {
    const std::vector<std::string> answers = feed(request, n);
    EXPECT_EQ(answers.size(), 1u) << request.substr(0, 200);
    return answers.empty() ? Reply{} : parse_reply(answers[0], closing[n]);
  }

  // auth asks with an Authorization of `scheme` and `token`, and any further lines.
  Reply auth(const std::string& scheme, Bytes token, std::uint32_t n = 0,
             const std::string& lines = {}) {
    return ask("GET /auth HTTP/1.1\r\nHost: h\r\n" + lines + "Authorization: " + scheme + " " +
                   base64(token) + "\r\n\r\n",
               n);
  }

  usher::mint::TicketFields ticket_fields() const {
    usher::mint::TicketFields fields;
    fields.auth_time = kNow - 60;
    fields.end_time = kNow + 36'000;
    return fields;
  }
  usher::mint::AuthenticatorFields authenticator_fields() {
    usher::mint::AuthenticatorFields fields;
    fields.ctime = kNow;
    fields.cusec = ++cusec;
    return fields;
  }
  Octets kerberos_token() {
    const usher::mint::Ticket ticket = client.ticket(service, ticket_fields());
    return usher::mint::spnego_token(client.ap_req(ticket, authenticator_fields()).message);
  }
  Octets ntlm_answer(Bytes challenge, const std::u16string& password = u"Al1ce-Passw0rd") {
    usher::mint::AuthenticateFields fields;
    fields.password = password;
    return usher::mint::ntlm_authenticate(*kit, negotiate, challenge, fields).message;
  }
  [[nodiscard]] std::uint32_t live() const { return engine->environment().contexts.live(); }

  static constexpr std::uint32_t kConnections = 8;
  std::unique_ptr<usher::crypto::Kit> kit = usher::crypto::Kit::make();
  usher::mint::SeededRandom random{11};
  usher::mint::KerberosMint client{*kit, random};
  usher::mint::Service service =
      usher::mint::make_service(random, "HTTP/web.example.test@EXAMPLE.TEST");
  Octets negotiate = usher::mint::ntlm_negotiate({});
  TestClock clock;
  std::unique_ptr<usher::Credential> credential;
  std::unique_ptr<usher::Engine> engine;
  std::unique_ptr<usher::Desk> desk = usher::Desk::make(1);
  ContextTable table{8};
  std::ostringstream log;
  spdlog::logger logger{"test", std::make_shared<spdlog::sinks::ostream_sink_st>(log, true)};
  VerdictLog verdicts{logger};
  std::unique_ptr<HttpFrontEnd> front_end;
  std::array<Octets, kConnections> inputs;
  std::array<bool, kConnections> closing{};
  std::uint32_t cusec = 0;

 private:
  // step is what a worker does with one connection's input in a turn; false if nothing is to do.
  bool step(std::uint32_t n, std::vector<std::string>& answers) {
    const usher::io::ConnectionIndex index{n};
    Octets& input = inputs[n];
    if (input.empty() || closing[n]) {
      return false;
    }
    std::array<std::uint8_t, kAnswerSizeMax> out{};
    std::array<std::uint8_t, usher::kReplySizeMax> reply_space{};
    usher::AcceptRequest request;
    request.reply = reply_space;
    const auto framed = front_end->frame(index, input, input.size() >= kInputSize, request, out);
    std::size_t size = framed.answer_size;
    bool close = framed.close;
    if (framed.framing == usher::io::FrontEnd::Framing::kIncomplete) {
      return false;
    }
    if (framed.framing == usher::io::FrontEnd::Framing::kToken) {
      usher::AcceptReply reply;
      usher::auth::accept(*desk, engine->environment(), std::span(&request, 1),
                          std::span(&reply, 1));
      const auto answer = front_end->answer(index, request, reply, out);
      size = answer.size;
      close = answer.close;
    }
    answers.emplace_back(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size));
    input.erase(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(framed.consumed));
    closing[n] = close;
    return true;
  }
};

}  // namespace usherd::testing
