// From bytes to tokens and from verdicts to answers; http_front_end.h says what is promised.
#include "tools/usherd/http_front_end.h"

#include <algorithm>
#include <array>
#include <thread>
#include <utility>

#include "engine/auth/credential.h"
#include "engine/clock.h"
#include "tools/usherd/claimed_name.h"

namespace usherd {
namespace {

using usher::Bytes;
using usher::MutableBytes;
using usher::Status;
using usher::http::Scheme;
using usher::io::ConnectionIndex;
using Framing = usher::io::FrontEnd::Framing;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::size_t kTokenTextMax = usher::http::base64_encoded_size(usher::kTokenSizeMax);
// What is said of requests in whose Authorization no scheme could be read.
constexpr std::string_view kUnknownScheme = "unknown";
constexpr std::array<std::uint8_t, 8> kNtlmSignature = {'N', 'T', 'L', 'M', 'S', 'S', 'P', 0};
constexpr std::uint8_t kNtlmNegotiate = 1;       // MS-NLMP 2.2.1.1
constexpr std::uint8_t kGssInitialToken = 0x60;  // RFC 2743 3.1: SPNEGO's and Kerberos' first.

std::string_view name_of(Scheme scheme) noexcept {
  return scheme == Scheme::kNtlm ? "NTLM" : "Negotiate";
}

Bytes bytes_of(std::string_view text) noexcept {
  return {static_cast<const std::uint8_t*>(static_cast<const void*>(text.data())), text.size()};
}

// writable gives `part`, which lies in `whole`, as writable as `whole` is.
MutableBytes writable(MutableBytes whole, Bytes part) noexcept {
  return whole.subspan(static_cast<std::size_t>(part.data() - whole.data()), part.size());
}

bool is_ntlm(Bytes token) noexcept {
  return token.size() >= kNtlmSignature.size() &&
         std::ranges::equal(token.first(kNtlmSignature.size()), kNtlmSignature);
}

// begins_anew tells a first token from a later one by its first bytes: a client that starts over on
// a connection, after a cancelled password box for instance, does not say so otherwise.
bool begins_anew(Bytes token) noexcept {
  if (is_ntlm(token)) {
    return token.size() > kNtlmSignature.size() && token[kNtlmSignature.size()] == kNtlmNegotiate;
  }
  return !token.empty() && token.front() == kGssInitialToken;
}

// http_status_of: 403 for what the same client would only be refused for again, 503 for what is no
// fault of the client, 401 for everything else.
int http_status_of(Status status) noexcept {
  switch (status) {
    case Status::kEstablished:
      return 200;
    case Status::kMechanismNotAllowed:
    case Status::kNoCommonMechanism:
    case Status::kNtlmV1:
    case Status::kUserToUser:
    case Status::kDceStyle:
      return 403;
    case Status::kNoFreeSlot:
    case Status::kNoMemory:
    case Status::kNoFreePage:
    case Status::kReplayCacheFull:
    case Status::kAuthorityBusy:
    case Status::kAuthorityLate:
    case Status::kAuthorityAbsent:
    case Status::kAuthorityDenied:
    case Status::kAuthorityNoServer:
    case Status::kAuthorityNoTrust:
    case Status::kAuthorityFailed:
    case Status::kInternal:
      return 503;
    default:
      return 401;
  }
}

bool is_under(std::string_view path, std::string_view root) noexcept {
  return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
}

}  // namespace

HttpFrontEnd::HttpFrontEnd(const usher::Engine& engine, usher::Credential& credential,
                           VerdictLog& log, HttpOptions options)
    : engine_(engine),
      credential_(credential),
      log_(log),
      options_(std::move(options)),
      peers_(options_.connection_count) {
  tick();
}

std::int64_t HttpFrontEnd::now_us() const noexcept {
  return engine_.environment().clock.steady_us();
}

void HttpFrontEnd::tick() noexcept {
  date_.set(engine_.environment().clock.wall_us() / usher::kMicrosPerSecond);
}

void HttpFrontEnd::opened(ConnectionIndex connection, std::size_t /*listener*/) noexcept {
  at(connection) = {};
}

void HttpFrontEnd::closed(ConnectionIndex connection) noexcept {
  release(std::exchange(at(connection).context, {}));
}

// Stage 2: from bytes to a token, or to an answer that needs none.

HttpFrontEnd::Framed HttpFrontEnd::frame(ConnectionIndex connection, MutableBytes received,
                                         bool full, usher::AcceptRequest& request,
                                         MutableBytes out) noexcept {
  Peer& peer = at(connection);
  if (received.size() < peer.awaited) {
    return {};  // The rest of a body; a request that is allowed always fits.
  }
  // A client may end its last body with one line break too many (RFC 9112 2.2).
  const bool blank = received.size() >= 2 && received[0] == '\r' && received[1] == '\n';
  const std::size_t skipped = blank ? 2 : 0;
  const MutableBytes rest = received.subspan(skipped);
  const HeadEnd head = find_head_end(rest, peer.scanned);
  peer.style = {};
  if (head.found == HeadEnd::Found::kNever) {
    return refuse(peer, 400, out);
  }
  const bool complete = head.found == HeadEnd::Found::kComplete;
  if ((complete ? head.size : rest.size()) > kHeadSizeMax || (!complete && full)) {
    return turn_away(
        peer, {.scheme = kUnknownScheme, .code = 431, .why = "the head is longer than 128 KiB"},
        out);
  }
  if (!complete) {
    peer.scanned = blank || rest.size() > 2 ? rest.size() : 0;
    return {};
  }
  peer.scanned = head.size - 1;  // Found at once when it is looked for again.

  const Request parsed = parse_request(rest.first(head.size), options_.connection_field);
  const bool last = !parsed.keep_alive || draining_.load(std::memory_order_relaxed);
  peer.style = {.head_only = parsed.head_only, .http_1_0 = parsed.http_1_0, .close = last};
  if (parsed.refuse != 0) {
    return refuse(peer, parsed.refuse, out);
  }
  const std::size_t total = skipped + head.size + parsed.body_size;
  if (received.size() < total) {
    return await_body(peer, parsed, total, out);
  }
  peer.scanned = 0;
  peer.awaited = 0;
  peer.continued = false;
  Framed framed = route(peer, parsed, received, request, out);
  framed.consumed = total;
  return framed;
}

HttpFrontEnd::Framed HttpFrontEnd::await_body(Peer& peer, const Request& parsed, std::size_t total,
                                              MutableBytes out) noexcept {
  peer.awaited = total;
  //= RFC 9110 10.1.1
  if (!parsed.expects_continue || parsed.http_1_0 || peer.continued) {
    return {};
  }
  peer.continued = true;
  std::ranges::copy(kContinue, out.begin());
  return {.framing = Framing::kAnswered, .answer_size = kContinue.size()};
}

HttpFrontEnd::Framed HttpFrontEnd::turn_away(Peer& peer, const Unfit& unfit,
                                             MutableBytes out) noexcept {
  log_.refused(unfit.scheme, unfit.code, unfit.why, unfit.fault);
  return unfit.code == 401 ? challenge(peer, out) : refuse(peer, unfit.code, out);
}

HttpFrontEnd::Framed HttpFrontEnd::refuse(Peer& peer, int code, MutableBytes out) noexcept {
  peer.style.close = true;
  return {.framing = Framing::kAnswered,
          .answer_size = write_plain(peer, code, reason_of(code), out),
          .close = true};
}

// A bad token is the client's business: 401, or 403 where trying again cannot help. nginx would
// turn any other status into a 500 of its own.
HttpFrontEnd::Framed HttpFrontEnd::challenge(Peer& peer, MutableBytes out) noexcept {
  return {.framing = Framing::kAnswered,
          .answer_size = write_bare_challenges(peer, out),
          .close = peer.style.close};
}

HttpFrontEnd::Framed HttpFrontEnd::route(Peer& peer, const Request& parsed, MutableBytes received,
                                         usher::AcceptRequest& request, MutableBytes out) noexcept {
  Framed framed{.framing = Framing::kAnswered, .close = peer.style.close};
  if (is_under(parsed.path, "/auth")) {
    if (parsed.has_authorization) {
      return frame_token(peer, parsed, received, request, out);
    }
    return challenge(peer, out);
  } else if (parsed.path == "/healthz") {
    framed.answer_size = write_plain(peer, 200, "ok", out);
  } else {
    framed.answer_size = write_plain(peer, 404, reason_of(404), out);
  }
  return framed;
}

HttpFrontEnd::Unfit HttpFrontEnd::read_token(const usher::http::Authorization& authorization,
                                             MutableBytes received, Bytes& token) noexcept {
  Unfit unfit{.scheme = name_of(authorization.scheme)};
  const Bytes text = authorization.token68;
  if (text.size() <= kTokenTextMax) {
    const auto decoded = usher::http::decode_base64(text, writable(received, text));
    if (!decoded.ok()) {
      unfit.why = "the token is no base64";
      unfit.fault = decoded.fault();
      return unfit;
    }
    token = *decoded;
  }
  if (text.size() > kTokenTextMax || token.size() > usher::kTokenSizeMax) {
    unfit.code = 403;
    unfit.why = "the token is longer than 64 KiB";
  } else if (token.empty()) {
    unfit.why = "there is no token";
  } else if (authorization.scheme == Scheme::kNtlm && !is_ntlm(token)) {
    unfit.why = "the token is no NTLM message";
  }
  return unfit;
}

HttpFrontEnd::Framed HttpFrontEnd::frame_token(Peer& peer, const Request& parsed,
                                               MutableBytes received, usher::AcceptRequest& request,
                                               MutableBytes out) noexcept {
  const auto authorization = usher::http::parse_authorization(bytes_of(parsed.authorization));
  if (!authorization.ok()) {
    return turn_away(peer,
                     {.scheme = kUnknownScheme,
                      .why = "Authorization is malformed",
                      .fault = authorization.fault()},
                     out);
  }
  if (authorization->scheme == Scheme::kOther) {
    return challenge(peer, out);
  }
  // Without its name an exchange might be taken for another client's behind the same proxy.
  const bool named = parsed.has_connection_id && !parsed.connection_id.empty() &&
                     parsed.connection_id.size() <= kConnectionIdSizeMax;
  if (!options_.connection_field.empty() && !named) {
    return turn_away(
        peer,
        {.scheme = name_of(authorization->scheme),
         .code = 400,
         .why = "the field that connection_header names is missing, empty or over 128 bytes"},
        out);
  }
  Bytes token;
  const Unfit unfit = read_token(*authorization, received, token);
  if (!unfit.why.empty()) {
    return turn_away(peer, unfit, out);
  }
  peer.scheme = authorization->scheme;
  peer.connection_id = parsed.connection_id;
  usher::ContextHandle context = take_context(peer);
  if (begins_anew(token)) {
    release(std::exchange(context, {}));
  }
  request.credential = &credential_;
  request.context = context;
  request.token = token;
  request.allow_anonymous = true;  // If the policy does.
  request.error_tokens = true;
  return {.framing = Framing::kToken};
}

// After the batch: from a verdict to an answer.

HttpFrontEnd::Answer HttpFrontEnd::answer(ConnectionIndex connection,
                                          const usher::AcceptRequest& request,
                                          const usher::AcceptReply& reply,
                                          MutableBytes out) noexcept {
  Peer& peer = at(connection);
  const Bytes token = request.reply.first(reply.reply_size);
  Answer answer;
  switch (reply.verdict.status) {
    case Status::kEstablished:
      answer.size = write_success(peer, reply.context, token, out);
      release(reply.context);
      break;
    case Status::kContinue:
      keep_context(peer, reply.context);
      log_.owes_another(name_of(peer.scheme));
      answer.size = write_challenge(peer, token, out);
      break;
    default:
      answer.size = write_refusal(peer, reply.verdict, request.token, token, out);
      break;
  }
  answer.close = peer.style.close;
  peer.connection_id = {};
  return answer;
}

std::size_t HttpFrontEnd::write_plain(const Peer& peer, int code, std::string_view body,
                                      MutableBytes out) noexcept {
  AnswerWriter writer(out);
  writer.status(code, date_.text());
  writer.field("Cache-Control", "no-store");
  if (code == 503) {
    writer.field("Retry-After", "1");
  }
  return writer.end(peer.style, body);
}

std::size_t HttpFrontEnd::write_bare_challenges(const Peer& peer, MutableBytes out) noexcept {
  AnswerWriter writer(out);
  writer.status(401, date_.text());
  writer.field("Cache-Control", "no-store");
  using usher::auth::Package;
  const Package package = credential_.package;
  if (package != Package::kNtlm) {
    writer.challenge(name_of(Scheme::kNegotiate), {});
  }
  if (credential_.serves_ntlm(*credential_.keys.borrow())) {
    writer.challenge(name_of(Scheme::kNtlm), {});
  }
  return writer.end(peer.style, reason_of(401));
}

std::size_t HttpFrontEnd::write_challenge(const Peer& peer, Bytes token,
                                          MutableBytes out) noexcept {
  AnswerWriter writer(out);
  writer.status(401, date_.text());
  writer.field("Cache-Control", "no-store");
  writer.challenge(name_of(peer.scheme), token);
  return writer.end(peer.style, reason_of(401));
}

std::size_t HttpFrontEnd::write_success(const Peer& peer, usher::ContextHandle context, Bytes token,
                                        MutableBytes out) noexcept {
  AnswerWriter writer(out);
  const Status inspected = engine_.inspect(context, [&](const usher::Context& established) {
    std::array<std::uint8_t, usher::kClientNameSizeMax> name_buffer;
    std::array<std::uint8_t, 3 * usher::kClientNameSizeMax> safe_buffer;
    const Bytes client = established.write_client_name(name_buffer);
    const std::string_view mechanism = established.is_ntlm() ? "NTLM" : "Kerberos";
    log_.signed_on(mechanism, write_safe_name(client, safe_buffer));
    writer.status(200, date_.text());
    writer.field("Cache-Control", "no-store");
    writer.name_field("X-Auth-User", client);
    if (!established.realm().empty()) {
      writer.name_field("X-Auth-Realm", established.realm());
    }
    writer.field("X-Auth-Mech", mechanism);
  });
  if (inspected != Status::kEstablished) {
    return write_plain(peer, 503, reason_of(503), out);  // Only if someone else released it.
  }
  if (!token.empty()) {
    writer.challenge(name_of(peer.scheme), token);
  }
  return writer.end(peer.style, {});
}

std::size_t HttpFrontEnd::write_refusal(const Peer& peer, const usher::Verdict& verdict,
                                        Bytes refused, Bytes token, MutableBytes out) noexcept {
  const int code = http_status_of(verdict.status);
  std::array<std::uint8_t, usher::kClientNameSizeMax> name_buffer;
  std::array<std::uint8_t, 3 * usher::kClientNameSizeMax> safe_buffer;
  const Bytes claimed = claimed_name(refused, name_buffer);
  log_.refused(name_of(peer.scheme), verdict, code, write_safe_name(claimed, safe_buffer));
  if (code != 401) {
    return write_plain(peer, code, reason_of(code), out);
  }
  return token.empty() ? write_bare_challenges(peer, out) : write_challenge(peer, token, out);
}

// Which context a token continues.

usher::ContextHandle HttpFrontEnd::take_context(Peer& peer) noexcept {
  if (options_.connection_field.empty()) {
    return std::exchange(peer.context, {});
  }
  return options_.table->take(peer.connection_id, now_us());
}

void HttpFrontEnd::keep_context(Peer& peer, usher::ContextHandle context) noexcept {
  if (options_.connection_field.empty()) {
    peer.context = context;
    return;
  }
  const std::int64_t deadline_us = now_us() + options_.half_open_s * usher::kMicrosPerSecond;
  release(options_.table->put(peer.connection_id, context, deadline_us));
}

void HttpFrontEnd::release(usher::ContextHandle context) noexcept {
  if (context != usher::ContextHandle{}) {
    // Stale if its deadline has passed: then it is gone already. Busy for the moment in which
    // another worker's sweep looks at it.
    while (engine_.release(context) == usher::Status::kContextBusy) {
      std::this_thread::yield();
    }
  }
}

}  // namespace usherd
