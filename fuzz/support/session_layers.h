// Sequences of raw tokens over several contexts, as one input, and mutations that keep the framing.
#pragma once

#include <optional>
#include <vector>

#include "fuzz/support/mutator.h"
#include "fuzz/support/world.h"

namespace usher::fuzz {

// Frame is one step of a session. On the wire it is the selector, the size of `octets` in two
// little-endian octets, and `octets`.
struct Frame {
  enum class Kind : std::uint8_t {
    kOffer = 0,        // `octets` is a token for the context.
    kOfferErrors = 1,  // Likewise, and a refusal may be answered.
    kOfferTight = 2,   // Likewise; the first octet is the room for the reply.
    kEnd = 3,          // The context is given up.
    kWait = 4,         // As many seconds pass as the first octet says.
    kPolicy = 5,       // The first octet says what the credential allows.
  };
  static constexpr std::uint8_t kKindCount = 6;
  // Whoever comes to this place begins anew every time: enough of them, and no slot is free.
  static constexpr std::uint8_t kCrowd = Door::kSlots - 1;
  Kind kind = Kind::kOffer;
  std::uint8_t place = 0;  // 0..Door::kSlots - 1: which context.
  Bytes octets;
};

// FrameReader reads an input to its end; the last frame may promise more octets than there are.
class FrameReader {
 public:
  explicit FrameReader(Bytes input) : rest_(input) {}
  std::optional<Frame> next();

 private:
  Bytes rest_;
};

// OwnedFrame is a frame with its octets; write_frames puts an input together.
struct OwnedFrame {
  Frame::Kind kind = Frame::Kind::kOffer;
  std::uint8_t place = 0;
  Octets octets;
};
Octets write_frames(const std::vector<OwnedFrame>& frames);

// set_policy makes of world()'s credential what a kPolicy frame asks for.
void set_policy(std::uint8_t choice);

// answer_challenge is the AUTHENTICATE, in SPNEGO if the CHALLENGE came so, that alice sends;
// nothing if `reply` is no CHALLENGE. With `mech_types` comes a mechListMIC over them.
std::optional<Octets> answer_challenge(Bytes negotiate, Bytes reply, Bytes mech_types);

// answer_ap_rep is the third leg, in SPNEGO if the AP-REP came so, that a client in DCE style
// sends; nothing if `first` is no AP-REQ sealed with world()'s keys or `reply` not the answer to
// it. With `mech_types` comes a mechListMIC over them.
std::optional<Octets> answer_ap_rep(Bytes first, Bytes reply, Bytes mech_types);

// mutate_session is a custom mutator: it changes, adds, doubles, drops or swaps frames, or plays
// the session up to a CHALLENGE or an AP-REP and answers it as a client does. `desk` is the
// target's: an answer is worth something only to a desk that draws the same challenge again.
Octets mutate_session(Bytes input, std::size_t size_max, unsigned seed,
                      auth::Desk& desk = *world().desk);

}  // namespace usher::fuzz
