// HTTP/1.1 in front of the acceptor: what nginx's auth_request and its relatives ask.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/io/front_end.h"
#include "tools/usherd/context_table.h"
#include "tools/usherd/http_answer.h"
#include "tools/usherd/http_request.h"
#include "tools/usherd/verdict_log.h"

namespace usherd {

struct HttpOptions {
  std::uint32_t connection_count = 1024;  // The worker's.
  // Name of the field that says which client connection a request belongs to; empty: each HTTP
  // connection is its own. With a name, `table` is set and shared by all front ends.
  std::string connection_field;
  ContextTable* table = nullptr;
  std::int64_t half_open_s = usher::kHalfOpenSecondsDefault;  // The engine's.
};

// HttpFrontEnd answers /healthz with 200 and /auth, with everything below it, like this:
//
//   signed on            200, X-Auth-User, X-Auth-Realm, X-Auth-Mech; WWW-Authenticate with a token
//                        if the client wants one (RFC 4559 5)
//   one more token due   401, WWW-Authenticate with a token
//   no or other scheme   401, a bare WWW-Authenticate for each scheme served
//   broken base64        401, the same
//   token refused        401, with a reject token or bare challenges
//   refused for good     403, also a token longer than kTokenSizeMax
//   malformed HTTP       400, 411, 413 (body), 431, and the connection is closed
//   no room              503, Retry-After
//
// Legs of one exchange belong together by connection, or by `connection_field`; nothing stays
// signed on: every request carries its own Authorization.
class HttpFrontEnd final : public usher::io::FrontEnd {
 public:
  // Everything is borrowed and outlives the front end.
  HttpFrontEnd(const usher::Engine& engine, usher::Credential& credential, VerdictLog& log,
               HttpOptions options);

  // begin_drain makes every answer from now on the last of its connection. Any thread.
  void begin_drain() noexcept { draining_.store(true, std::memory_order_relaxed); }

  void opened(usher::io::ConnectionIndex connection, std::size_t listener) noexcept override;
  Framed frame(usher::io::ConnectionIndex connection, usher::MutableBytes received, bool full,
               usher::AcceptRequest& request, usher::MutableBytes out) noexcept override;
  Answer answer(usher::io::ConnectionIndex connection, const usher::AcceptRequest& request,
                const usher::AcceptReply& reply, usher::MutableBytes out) noexcept override;
  void closed(usher::io::ConnectionIndex connection) noexcept override;
  void tick() noexcept override;

 private:
  // Peer is a connection: its half-open exchange, and the request being worked on.
  struct Peer {
    usher::ContextHandle context;  // Only without a connection field.
    std::size_t scanned = 0;       // Bytes known to hold no end of the head.
    std::size_t awaited = 0;       // Head and body together, once the head is known.
    bool continued = false;        // 100 Continue has been sent.
    AnswerStyle style;
    usher::http::Scheme scheme = usher::http::Scheme::kOther;
    std::string_view connection_id;  // Points into the input; good until answer() returns.
  };
  Peer& at(usher::io::ConnectionIndex index) noexcept { return peers_[std::size_t(index)]; }

  Framed await_body(Peer& peer, const Request& parsed, std::size_t total,
                    usher::MutableBytes out) noexcept;
  Framed route(Peer& peer, const Request& parsed, usher::MutableBytes received,
               usher::AcceptRequest& request, usher::MutableBytes out) noexcept;
  Framed frame_token(Peer& peer, const Request& parsed, usher::MutableBytes received,
                     usher::AcceptRequest& request, usher::MutableBytes out) noexcept;
  // Unfit is a request that the acceptor is not asked about; it is fit as long as `why` is empty.
  struct Unfit {
    std::string_view scheme;
    int code = 401;
    std::string_view why;
    usher::ParseFault fault{};
  };
  // read_token decodes the token where it stands.
  [[nodiscard]] static Unfit read_token(const usher::http::Authorization& authorization,
                                        usher::MutableBytes received, usher::Bytes& token) noexcept;
  Framed turn_away(Peer& peer, const Unfit& unfit, usher::MutableBytes out) noexcept;
  Framed refuse(Peer& peer, int code, usher::MutableBytes out) noexcept;
  Framed challenge(Peer& peer, usher::MutableBytes out) noexcept;

  // These write a whole answer in the peer's style and return its size.
  std::size_t write_plain(const Peer& peer, int code, std::string_view body,
                          usher::MutableBytes out) noexcept;
  std::size_t write_bare_challenges(const Peer& peer, usher::MutableBytes out) noexcept;
  std::size_t write_challenge(const Peer& peer, usher::Bytes token,
                              usher::MutableBytes out) noexcept;
  std::size_t write_success(const Peer& peer, usher::ContextHandle context, usher::Bytes token,
                            usher::MutableBytes out) noexcept;
  std::size_t write_refusal(const Peer& peer, const usher::Verdict& verdict, usher::Bytes refused,
                            usher::Bytes token, usher::MutableBytes out) noexcept;

  [[nodiscard]] usher::ContextHandle take_context(Peer& peer) noexcept;
  void keep_context(Peer& peer, usher::ContextHandle context) noexcept;
  void release(usher::ContextHandle context) noexcept;
  [[nodiscard]] std::int64_t now_us() const noexcept;

  const usher::Engine& engine_;
  usher::Credential& credential_;
  VerdictLog& log_;
  HttpOptions options_;
  std::vector<Peer> peers_;
  HttpDate date_;
  std::atomic<bool> draining_{false};
};

}  // namespace usherd
