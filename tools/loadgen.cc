// Signs on over HTTP as fast as usherd answers, with a fresh Kerberos authenticator each time, and
// says how many sign-ons a second and how long they took.
//
// The service ticket comes from the caller's credential cache; the AP-REQs are made here, before
// the clock starts, because no client library makes them fast enough to find out what the server
// can do.
#include <arpa/inet.h>
#include <fcntl.h>
#include <krb5.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "engine/random.h"
#include "parsers/http_authorization.h"
#include "tools/mint/kerberos_mint.h"
#include "tools/mint/spnego_mint.h"

namespace {

using usher::Bytes;
using usher::MutableBytes;
using usher::mint::Octets;
using usher::mint::require;
using SteadyClock = std::chrono::steady_clock;

struct Options {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
  std::string service = "HTTP/localhost";
  std::string path = "/auth";
  std::size_t connections = 16;
  double seconds = 5;
  std::size_t tokens = 0;  // 0: kTokensPerSecond for each second.
  bool json = false;
};

constexpr std::size_t kTokensPerSecond = 160'000;
// One response in this many is decrypted, not only looked at: doing so costs as much as a sign-on.
constexpr std::size_t kProveEvery = 64;

// Krb5 is a library context and what was taken from it.
class Krb5 {
 public:
  Krb5() { check(krb5_init_context(&context_), "krb5_init_context"); }
  ~Krb5() { krb5_free_context(context_); }
  Krb5(const Krb5&) = delete;
  Krb5& operator=(const Krb5&) = delete;

  // ticket asks the KDC, or the credential cache, for a ticket to `service`.
  usher::mint::Ticket ticket(const std::string& service) {
    krb5_ccache cache = nullptr;
    krb5_creds wanted{};
    krb5_creds* got = nullptr;
    check(krb5_cc_default(context_, &cache), "the credential cache");
    check(krb5_cc_get_principal(context_, cache, &wanted.client), "the credential cache");
    check(krb5_parse_name(context_, service.c_str(), &wanted.server), "the service's name");
    check(krb5_get_credentials(context_, 0, cache, &wanted, &got), "a ticket for the service");
    char* client = nullptr;
    check(krb5_unparse_name(context_, got->client, &client), "the client's name");
    usher::mint::Ticket ticket{
        .encoded = copy(got->ticket),
        .session_etype = got->keyblock.enctype,
        .session_key = {got->keyblock.contents, got->keyblock.contents + got->keyblock.length},
        .client = usher::mint::Principal::of(client)};
    krb5_free_unparsed_name(context_, client);
    krb5_free_creds(context_, got);
    krb5_free_cred_contents(context_, &wanted);
    krb5_cc_close(context_, cache);
    return ticket;
  }

 private:
  static Octets copy(const krb5_data& data) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(data.data);
    return {bytes, bytes + data.length};
  }

  void check(krb5_error_code code, const std::string& what) {
    if (code != 0) {
      const char* text = krb5_get_error_message(context_, code);
      const std::string message = what + ": " + text;
      krb5_free_error_message(context_, text);
      throw std::runtime_error(message);
    }
  }

  krb5_context context_ = nullptr;
};

std::string base64(Bytes bytes) {
  Octets text(usher::http::base64_encoded_size(bytes.size()));
  usher::http::encode_base64(bytes, text);
  return {text.begin(), text.end()};
}

// TokenStore holds first tokens that differ only in their authenticator, which comes last: one
// common beginning, in base64 already, and as many endings.
class TokenStore {
 public:
  TokenStore(const usher::mint::Ticket& ticket, std::size_t count, std::int64_t now_s)
      : ticket_(ticket), count_(count), now_s_(now_s) {
    const std::unique_ptr<usher::crypto::Kit> kit = usher::crypto::Kit::make();
    const std::unique_ptr<usher::RandomSource> random = usher::make_system_random();
    require(kit && random, "OpenSSL or its randomness is not to be had");
    const Octets first = token(*kit, *random, 0);
    // Two authenticators may begin with the same bytes by chance; so many do not.
    constexpr std::size_t kSamples = 8;
    auto differ = first.end() - first.begin();
    for (std::size_t index = 1; index <= kSamples; ++index) {
      const Octets other = token(*kit, *random, index);
      require(first.size() == other.size(), "tokens differ in size");
      differ = std::min(differ, std::ranges::mismatch(first, other).in1 - first.begin());
    }
    const auto common = static_cast<std::size_t>(differ) / 3 * 3;  // Whole base64 quanta.
    token_size_ = first.size();
    head_ = base64(Bytes(first).first(common));
    ending_size_ = first.size() - common;
    endings_.resize(ending_size_ * count);
    fill(first);
  }

  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] std::size_t token_size() const { return token_size_; }

  // append_base64 adds token number `index` to `out`.
  void append_base64(std::size_t index, std::string& out) const {
    const Bytes ending = Bytes(endings_).subspan(index * ending_size_, ending_size_);
    std::array<std::uint8_t, 1024> text;
    require(usher::http::base64_encoded_size(ending.size()) <= text.size(), "ending too long");
    const Bytes encoded = usher::http::encode_base64(ending, text);
    out += head_;
    out.append(encoded.begin(), encoded.end());
  }

  // request_of is what the client remembers of token number `index`. No two have the same time.
  // Times are spread over the allowed skew, as those of many clients are; microseconds have six
  // digits, so that sizes do not vary.
  [[nodiscard]] usher::mint::ApReq request_of(std::size_t index) const {
    constexpr std::size_t kSpreadSeconds = 200;
    usher::mint::ApReq request;
    request.ctime = now_s_ - static_cast<std::int64_t>(index % kSpreadSeconds);
    request.cusec = static_cast<std::uint32_t>(100'000 + index / kSpreadSeconds);
    return request;
  }

 private:
  [[nodiscard]] Octets token(usher::crypto::Kit& kit, usher::RandomSource& random,
                             std::size_t index) const {
    const usher::mint::ApReq when = request_of(index);
    usher::mint::AuthenticatorFields fields;
    fields.ctime = when.ctime;
    fields.cusec = when.cusec;
    fields.subkey_etype = ticket_.session_etype;
    fields.seq_number = static_cast<std::uint32_t>(0x40000000 + index);
    const usher::mint::KerberosMint mint(kit, random);
    return usher::mint::spnego_token(mint.ap_req(ticket_, fields).message);
  }

  // fill makes all endings, on every processor.
  void fill(const Octets& like) {
    const std::size_t workers = std::max(1u, std::thread::hardware_concurrency());
    std::vector<std::thread> threads;
    for (std::size_t worker = 0; worker < workers; ++worker) {
      threads.emplace_back([this, &like, worker, workers] { fill_share(like, worker, workers); });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }

  void fill_share(const Octets& like, std::size_t worker, std::size_t workers) {
    const std::unique_ptr<usher::crypto::Kit> kit = usher::crypto::Kit::make();
    const std::unique_ptr<usher::RandomSource> random = usher::make_system_random();
    require(kit && random, "OpenSSL or its randomness is not to be had");
    const std::size_t common = like.size() - ending_size_;
    for (std::size_t index = worker; index < count_; index += workers) {
      const Octets made = token(*kit, *random, index);
      require(made.size() == like.size() &&
                  std::ranges::equal(Bytes(made).first(common), Bytes(like).first(common)),
              "tokens differ before the authenticator");
      std::ranges::copy(Bytes(made).subspan(common),
                        MutableBytes(endings_).subspan(index * ending_size_).begin());
    }
  }

  const usher::mint::Ticket& ticket_;
  std::size_t count_;
  std::int64_t now_s_;
  std::size_t token_size_ = 0;
  std::string head_;
  std::size_t ending_size_ = 0;
  Octets endings_;
};

// Results are what a run has found out.
struct Results {
  std::size_t accepted = 0;
  std::size_t failed = 0;
  double seconds = 0;
  std::vector<std::uint32_t> latencies_ns;  // One for each accepted.
  std::string first_failure;

  void fail(const std::string& why) {
    if (failed++ == 0) {
      first_failure = why;
    }
  }
  [[nodiscard]] double percentile_us(double percent) {
    if (latencies_ns.empty()) {
      return 0;
    }
    const auto rank =
        static_cast<std::ptrdiff_t>(percent / 100 * static_cast<double>(latencies_ns.size() - 1));
    std::nth_element(latencies_ns.begin(), latencies_ns.begin() + rank, latencies_ns.end());
    return latencies_ns[static_cast<std::size_t>(rank)] / 1000.0;
  }
};

// Response is one HTTP response, as far as it matters here.
struct Response {
  std::size_t size = 0;  // 0: not all there yet.
  std::string_view status;
  std::string_view negotiate;  // What follows "Negotiate " in WWW-Authenticate.
};

// header_of returns a header's value; `head` is in lower case, `original` is not.
std::string_view header_of(std::string_view head, std::string_view original,
                           std::string_view name) {
  const std::size_t at = head.find(name);
  if (at == std::string_view::npos) {
    return {};
  }
  const std::size_t begin = at + name.size();
  return original.substr(begin, head.find("\r\n", begin) - begin);
}

Response parse_response(std::string_view received) {
  const std::size_t end = received.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    return {};
  }
  const std::string_view original = received.substr(0, end + 2);
  std::string head(original);
  std::ranges::transform(head, head.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  Response response;
  response.status = original.substr(original.find(' ') + 1, 3);
  response.negotiate = header_of(head, original, "\r\nwww-authenticate: negotiate ");
  std::size_t length = 0;
  const std::string_view digits = header_of(head, original, "\r\ncontent-length: ");
  std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (received.size() >= end + 4 + length) {
    response.size = end + 4 + length;
  }
  return response;
}

// Load is one run: all connections, driven by one thread, each with one request on its way.
class Load {
 public:
  Load(const Options& options, const usher::mint::Ticket& ticket, const TokenStore& tokens)
      : options_(options), ticket_(ticket), tokens_(tokens) {
    require(kit_ && random_, "OpenSSL or its randomness is not to be had");
    head_ = "GET " + options.path + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Negotiate ";
    results_.latencies_ns.reserve(tokens.size());
  }
  ~Load() {
    for (const Connection& connection : connections_) {
      close(connection.socket);
    }
    close(epoll_);
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  Results run() {
    const SteadyClock::time_point begin = SteadyClock::now();
    deadline_ = begin + std::chrono::duration_cast<SteadyClock::duration>(
                            std::chrono::duration<double>(options_.seconds));
    connections_.resize(options_.connections);
    for (std::size_t index = 0; index < connections_.size(); ++index) {
      connect_to_server(index);
      send_next(connections_[index]);
    }
    std::array<epoll_event, 64> events;
    while (busy_ > 0) {
      const int count = epoll_wait(epoll_, events.data(), int{events.size()}, 5000);
      if (count == 0) {
        results_.fail("no answer for 5 seconds");
        break;
      }
      for (int i = 0; i < count; ++i) {
        receive(connections_[events[static_cast<std::size_t>(i)].data.u64]);
      }
    }
    results_.seconds = std::chrono::duration<double>(SteadyClock::now() - begin).count();
    return std::move(results_);
  }

 private:
  struct Connection {
    int socket = -1;
    std::size_t token = 0;
    SteadyClock::time_point sent;
    std::string received;
  };

  void connect_to_server(std::size_t index) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    require(inet_pton(AF_INET, options_.address.c_str(), &address.sin_addr) == 1,
            "--address is no IPv4 address");
    const int socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(socket_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(socket_fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      throw std::system_error(errno, std::generic_category(), "connect");
    }
    connections_[index].socket = socket_fd;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = index;
    require(epoll_ctl(epoll_, EPOLL_CTL_ADD, socket_fd, &event) == 0, "epoll_ctl failed");
  }

  // send_next sends the next token, or lets the connection rest if the run is over.
  void send_next(Connection& connection) {
    connection.sent = SteadyClock::now();
    if (next_ == tokens_.size() || connection.sent >= deadline_) {
      return;
    }
    connection.token = next_++;
    request_ = head_;
    tokens_.append_base64(connection.token, request_);
    request_ += "\r\n\r\n";
    if (send(connection.socket, request_.data(), request_.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request_.size())) {
      results_.fail("the server does not read");  // A request is far smaller than a send buffer.
      return;
    }
    ++busy_;
  }

  void receive(Connection& connection) {
    std::array<char, 8192> buffer;
    const ssize_t size = recv(connection.socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size <= 0) {
      epoll_ctl(epoll_, EPOLL_CTL_DEL, connection.socket, nullptr);
      results_.fail("the server closed a connection");
      --busy_;
      return;
    }
    connection.received.append(buffer.data(), static_cast<std::size_t>(size));
    const Response response = parse_response(connection.received);
    if (response.size == 0) {
      return;
    }
    --busy_;
    judge(connection, response);
    connection.received.erase(0, response.size);
    send_next(connection);
  }

  void judge(const Connection& connection, const Response& response) {
    const auto took = SteadyClock::now() - connection.sent;
    if (response.status != "200") {
      results_.fail("status " + std::string(response.status));
      return;
    }
    const std::string why = check_answer(connection.token, response.negotiate);
    if (!why.empty()) {
      results_.fail(why);
      return;
    }
    ++results_.accepted;
    results_.latencies_ns.push_back(static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(took).count()));
  }

  // check_answer says what is wrong with the server's token, or nothing.
  std::string check_answer(std::size_t token, std::string_view negotiate) {
    const Bytes text(reinterpret_cast<const std::uint8_t*>(negotiate.data()), negotiate.size());
    const usher::Result<Bytes> decoded = usher::http::decode_base64(text, decoded_);
    if (!decoded.ok() || decoded->empty()) {
      return "no token in WWW-Authenticate";
    }
    const auto resp = usher::spnego::parse_neg_token_resp(*decoded);
    if (!resp.ok() || resp->state != usher::spnego::NegState::kAcceptCompleted) {
      return "the answer is no NegTokenResp with accept-completed";
    }
    const auto framed = usher::gss::parse_initial_token(resp->response_token);
    const auto inner = usher::gss::parse_kerberos_token(framed.ok() ? framed->inner : Bytes{});
    if (!inner.ok() || inner->id != usher::gss::KerberosTokenId::kApRep) {
      return "the answer holds no AP-REP";
    }
    if (token % kProveEvery != 0) {
      return {};
    }
    return usher::mint::KerberosMint(*kit_, *random_)
        .check_ap_rep(ticket_, tokens_.request_of(token), inner->message)
        .error;
  }

  const Options& options_;
  const usher::mint::Ticket& ticket_;
  const TokenStore& tokens_;
  std::unique_ptr<usher::crypto::Kit> kit_ = usher::crypto::Kit::make();
  std::unique_ptr<usher::RandomSource> random_ = usher::make_system_random();
  std::array<std::uint8_t, 4096> decoded_;
  std::string head_;
  std::string request_;
  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  std::vector<Connection> connections_;
  std::size_t next_ = 0;
  std::size_t busy_ = 0;
  SteadyClock::time_point deadline_;
  Results results_;
};

void print(const Options& options, const TokenStore& tokens, Results& results) {
  const double rate = static_cast<double>(results.accepted) / results.seconds;
  const double p50 = results.percentile_us(50);
  const double p99 = results.percentile_us(99);
  if (options.json) {
    std::cout << nlohmann::json{{"accepted", results.accepted},
                                {"failed", results.failed},
                                {"first_failure", results.first_failure},
                                {"seconds", results.seconds},
                                {"accepts_per_second", rate},
                                {"p50_us", p50},
                                {"p99_us", p99},
                                {"connections", options.connections},
                                {"token_bytes", tokens.token_size()}}
                     .dump()
              << "\n";
    return;
  }
  std::printf(
      "%zu sign-ons in %.1f s over %zu connections, %zu-byte tokens, each used once\n"
      "%.0f accepts/s   p50 %.0f us   p99 %.0f us   failures %zu\n",
      results.accepted, results.seconds, options.connections, tokens.token_size(), rate, p50, p99,
      results.failed);
  if (results.failed != 0) {
    std::printf("first failure: %s\n", results.first_failure.c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Signs on to usherd over HTTP with a fresh Kerberos token each time.");
  app.add_option("--address", options.address, "IPv4 address of usherd")->capture_default_str();
  app.add_option("--port", options.port, "TCP port of usherd")->required();
  app.add_option("--service", options.service, "its principal")->capture_default_str();
  app.add_option("--path", options.path, "what to GET")->capture_default_str();
  app.add_option("--connections", options.connections, "kept alive, one request on each")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "how long, at most")->capture_default_str();
  app.add_option("--tokens", options.tokens, "made in advance; ends the run when used up");
  app.add_flag("--json", options.json, "print one JSON object");
  CLI11_PARSE(app, argc, argv);
  try {
    const usher::mint::Ticket ticket = Krb5().ticket(options.service);
    const std::size_t count =
        options.tokens != 0 ? options.tokens
                            : static_cast<std::size_t>(options.seconds * double{kTokensPerSecond});
    const TokenStore tokens(ticket, count, std::time(nullptr));
    Results results = Load(options, ticket, tokens).run();
    print(options, tokens, results);
    return results.failed == 0 && results.accepted > 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << "loadgen: " << error.what() << "\n";
    return 2;
  }
}
