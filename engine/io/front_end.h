// What stands between a worker's bytes and the engine's tokens: one protocol, such as HTTP.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/auth/accept.h"
#include "parsers/bytes.h"

namespace usher::io {

enum class ConnectionIndex : std::uint32_t {};

// FrontEnd turns received bytes into tokens (stage 2) and verdicts into bytes to send. A worker
// calls it from its own thread only, one call at a time, and never again after run() returns.
// It keeps its own state per connection, by index; indices are below the worker's connection count
// and are used again after `closed`.
class FrontEnd {
 public:
  virtual ~FrontEnd() = default;

  // What the bytes received so far amount to.
  enum class Framing : std::uint8_t {
    kIncomplete,  // Nothing to do until more bytes come.
    kToken,       // `request` is filled in; answer() follows in this turn, after the batch.
    kAnswered,    // The answer is in `out` already; no token was involved.
  };
  struct Framed {
    Framing framing = Framing::kIncomplete;
    std::size_t consumed = 0;     // Bytes of `received` that are done with; 0 for kIncomplete.
    std::size_t answer_size = 0;  // kAnswered: bytes of `out` to send.
    bool close = false;           // kAnswered: close after sending.
  };

  struct Answer {
    std::size_t size = 0;  // Bytes of `out` to send.
    bool close = false;    // Close the connection after sending.
  };

  // opened: a peer has connected through listener number `listener`.
  virtual void opened(ConnectionIndex connection, std::size_t listener) noexcept = 0;

  // frame looks at all bytes received and not yet consumed. `received` is writable so that base64
  // can be decoded where it stands; it stays untouched by the worker until answer() has returned.
  // When `full`, no byte more will fit: the front end must answer (or be closed for it).
  // Fills request.credential, context, token and flags; the worker provides request.reply.
  virtual Framed frame(ConnectionIndex connection, MutableBytes received, bool full,
                       auth::AcceptRequest& request, MutableBytes out) noexcept = 0;

  // answer turns a verdict into bytes. A context in `reply` is the front end's to release, or to
  // keep for the connection's next token.
  virtual Answer answer(ConnectionIndex connection, const auth::AcceptRequest& request,
                        const auth::AcceptReply& reply, MutableBytes out) noexcept = 0;

  // closed: the connection is gone, for whatever reason; its contexts are to be released.
  virtual void closed(ConnectionIndex connection) noexcept = 0;

  // tick is called about once a second, also when nothing arrives.
  virtual void tick() noexcept = 0;
};

}  // namespace usher::io
