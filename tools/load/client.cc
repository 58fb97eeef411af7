#include "tools/load/client.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <system_error>
#include <utility>

#include "parsers/http_authorization.h"
#include "tools/mint/spnego_mint.h"

namespace load {
namespace {

using usher::Bytes;
using usher::mint::require;

constexpr std::size_t kBufferSize = 128 * 1024;  // A whole answer, head and body.
constexpr std::int64_t kNanosPerMilli = 1'000'000;
constexpr std::int64_t kStallNs = 5 * kNanosPerSecond;
constexpr std::int64_t kLookUpNs = 200 * kNanosPerMilli;  // For progress and stalls.

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

[[noreturn]] void fail_with_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

iovec part_of(std::string_view text) { return {const_cast<char*>(text.data()), text.size()}; }

}  // namespace

void Results::fail(std::string why) {
  if (failed++ == 0) {
    first_failure = std::move(why);
  }
}

Client::Client(const Options& options, const TokenStore* tokens)
    : options_(options),
      tokens_(tokens),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      buffer_(kBufferSize) {
  require(kit_ && random_, "OpenSSL or its randomness is not to be had");
  head_ = "GET " + options.path + " HTTP/1.1\r\nHost: " + options.host;
  head_ += tokens == nullptr ? "" : "\r\nAuthorization: Negotiate ";
}

Client::~Client() {
  for (const Connection& connection : connections_) {
    close(connection.socket);
  }
  close(epoll_);
}

Results Client::run() {
  connections_.resize(options_.connections);
  for (std::size_t index = 0; index < connections_.size(); ++index) {
    open(index);
    free_.push_back(index);
  }
  begin_ns_ = shown_ns_ = now();
  Schedule schedule({.rate = options_.rate,
                     .begin_ns = begin_ns_,
                     .end_ns = begin_ns_ + static_cast<std::int64_t>(options_.seconds * 1e9),
                     .waiting_max = options_.waiting_max});
  std::int64_t heard_ns = begin_ns_;
  std::array<epoll_event, 64> events;
  while (true) {
    dispatch(schedule);
    if (busy_ == 0 && (free_.empty() || !has_tokens() || !schedule.next_ns(now()))) {
      break;
    }
    const int count = epoll_wait(epoll_, events.data(), int{events.size()}, wait_ms(schedule));
    for (int i = 0; i < count; ++i) {
      receive(events[static_cast<std::size_t>(i)].data.u64, schedule);
      dispatch(schedule);
    }
    const std::int64_t now_ns = now();
    show_progress(now_ns);
    heard_ns = count > 0 || busy_ == 0 ? now_ns : heard_ns;
    if (now_ns - heard_ns > kStallNs) {
      results_.fail("no answer for 5 seconds");
      break;
    }
  }
  const std::int64_t end_ns = now();
  results_.given_up = schedule.finish(end_ns);
  results_.seconds = static_cast<double>(end_ns - begin_ns_) / double{kNanosPerSecond};
  return std::move(results_);
}

int Client::wait_ms(const Schedule& schedule) const {
  std::int64_t wait_ns = kLookUpNs;
  if (!free_.empty() && has_tokens()) {
    const std::int64_t now_ns = now();
    const std::optional<std::int64_t> next_ns = schedule.next_ns(now_ns);
    wait_ns = next_ns ? std::clamp(*next_ns - now_ns, std::int64_t{0}, wait_ns) : wait_ns;
  }
  // Rounded down: what is due within a millisecond is waited for awake, to be sent in time.
  return static_cast<int>(wait_ns / kNanosPerMilli);
}

void Client::open(std::size_t index) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options_.port);
  require(inet_pton(AF_INET, options_.address.c_str(), &address.sin_addr) == 1,
          "--address is no IPv4 address");
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  connections_[index].socket = fd;
  connections_[index].received.clear();
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail_with_errno("connect");
  }
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = index;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) {
    fail_with_errno("epoll_ctl");
  }
}

// drop gives a connection up, and its request, if there is one.
void Client::drop(std::size_t index, std::string why) {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, connections_[index].socket, nullptr);
  busy_ -= connections_[index].busy ? 1u : 0u;
  std::erase(free_, index);
  results_.fail(std::move(why));
}

void Client::dispatch(Schedule& schedule) {
  while (!free_.empty() && has_tokens()) {
    const std::optional<std::int64_t> due_ns = schedule.take(now());
    if (!due_ns) {
      return;
    }
    const std::size_t index = free_.back();
    free_.pop_back();
    send(index, *due_ns);
  }
}

void Client::send(std::size_t index, std::int64_t due_ns) {
  Connection& connection = connections_[index];
  connection.busy = true;
  connection.due_ns = due_ns;
  connection.token = next_++;
  ++busy_;
  std::array<iovec, 4> parts = {part_of(head_), part_of("\r\n\r\n")};
  std::size_t count = 2;
  if (tokens_ != nullptr) {
    parts = {part_of(head_), part_of(tokens_->beginning(connection.token)),
             part_of(tokens_->ending(connection.token)), part_of("\r\n\r\n")};
    count = parts.size();
  }
  std::size_t size = 0;
  for (const iovec& part : std::span(parts).first(count)) {
    size += part.iov_len;
  }
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = count;
  if (sendmsg(connection.socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) !=
      static_cast<ssize_t>(size)) {
    drop(index, "the server does not read");  // A request is far smaller than a send buffer.
  }
}

void Client::receive(std::size_t index, Schedule& schedule) {
  Connection& connection = connections_[index];
  const ssize_t size = recv(connection.socket, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (size < 0 && errno == EAGAIN) {
    return;
  }
  if (size <= 0) {
    drop(index, "the server closed a connection");
    return;
  }
  std::string_view received(buffer_.data(), static_cast<std::size_t>(size));
  if (!connection.received.empty()) {
    connection.received.append(received);
    received = connection.received;
  }
  const Response response = parse_response(received);
  const bool too_long = response.size == 0 && received.size() > kBufferSize;
  if (response.broken || !connection.busy || too_long) {
    drop(index,
         connection.busy ? "an answer that is not understood" : "an answer nobody asked for");
    return;
  }
  if (response.size == 0) {
    if (connection.received.empty()) {
      connection.received = received;
    }
    return;
  }
  const std::int64_t now_ns = now();
  judge(connection, response, now_ns);
  connection.received.clear();
  connection.busy = false;
  --busy_;
  if (free_.empty()) {
    schedule.all_busy_until(now_ns);
  }
  if (response.closes) {
    close(connection.socket);
    open(index);
  }
  free_.push_back(index);
}

void Client::judge(const Connection& connection, const Response& response, std::int64_t now_ns) {
  results_.answer_size = response.size;
  if (response.status == 503) {
    ++results_.refused;
    return;
  }
  if (response.status != 200 && response.status != 204) {
    results_.fail("status " + std::to_string(response.status));
    return;
  }
  if (tokens_ != nullptr && options_.prove_every != 0 &&
      connection.token % options_.prove_every == 0) {
    std::string why = check_proof(connection.token, response.negotiate);
    if (!why.empty()) {
      results_.fail(std::move(why));
      return;
    }
    ++results_.proved;
  }
  ++results_.accepted;
  results_.latencies.record(static_cast<std::uint64_t>(now_ns - connection.due_ns));
}

std::string Client::check_proof(std::size_t token, std::string_view negotiate) {
  const void* const text = negotiate.data();
  usher::mint::Octets room(negotiate.size());
  const usher::Result<Bytes> decoded =
      usher::http::decode_base64({static_cast<const std::uint8_t*>(text), negotiate.size()}, room);
  if (!decoded.ok() || decoded->empty()) {
    return "an answer without a token in WWW-Authenticate";
  }
  const usher::Result<usher::spnego::NegTokenResp> resp =
      usher::spnego::parse_neg_token_resp(*decoded);
  if (!resp.ok() || resp->response_token.empty()) {
    return "the answer's token is no NegTokenResp with a token inside";
  }
  return usher::mint::KerberosMint(*kit_, *random_)
      .check_ap_rep(tokens_->ticket_of(token), tokens_->request_of(token), resp->response_token)
      .error;
}

void Client::show_progress(std::int64_t now_ns) {
  if (!options_.progress || now_ns - shown_ns_ < kNanosPerSecond) {
    return;
  }
  const double rate = static_cast<double>(results_.accepted - shown_accepted_) /
                      (static_cast<double>(now_ns - shown_ns_) / double{kNanosPerSecond});
  std::fprintf(stderr, "\r%4.0f s  %8.0f/s  p99 %.0f us  refused %llu  failed %llu   ",
               static_cast<double>(now_ns - begin_ns_) / double{kNanosPerSecond}, rate,
               static_cast<double>(results_.latencies.percentile(99)) / 1000,
               static_cast<unsigned long long>(results_.refused),
               static_cast<unsigned long long>(results_.failed));
  shown_ns_ = now_ns;
  shown_accepted_ = results_.accepted;
}

}  // namespace load
