// engine/auth/accept.h: sequences of raw tokens over up to eight contexts, through the states of
// SPNEGO, Kerberos and NTLM, with waits, ends and changes of what is allowed in between.
#include <algorithm>

#include "fuzz/support/reach.h"
#include "fuzz/support/session_layers.h"

namespace usher::fuzz {
namespace {

// Play is one session, and what it must come to.
class Play {
 public:
  void run(Bytes input) {
    FrameReader frames(input);
    for (int step = 0; step < kStepsMax; ++step) {
      const std::optional<Frame> frame = frames.next();
      if (!frame) {
        break;
      }
      take(*frame);
    }
    reached(furthest_);
  }

 private:
  static constexpr int kStepsMax = 12;

  // Place is a context as its client knows it.
  struct Place {
    ContextHandle context;
    bool established = false;
    std::int64_t deadline_us = 0;
    int policies = 0;  // How many there had been at its last leg.
  };

  void take(const Frame& frame) {
    const std::uint8_t first = frame.octets.empty() ? std::uint8_t{0} : frame.octets[0];
    switch (frame.kind) {
      case Frame::Kind::kOffer:
        return offer(places_[frame.place], frame.octets, {});
      case Frame::Kind::kOfferErrors:
        return offer(places_[frame.place], frame.octets, {.error_tokens = true});
      case Frame::Kind::kOfferTight:
        return offer(places_[frame.place], frame.octets.subspan(frame.octets.empty() ? 0 : 1),
                     {.reply_room = first});
      case Frame::Kind::kEnd:
        return end(places_[frame.place]);
      case Frame::Kind::kWait:
        door_.clock().us += first * kMicrosPerSecond;
        return;
      case Frame::Kind::kPolicy:
        ++policies_;
        return set_policy(first);
    }
  }

  void offer(Place& place, Bytes token, const Door::Options& options) {
    const bool begins = place.context == ContextHandle{};
    const bool late = !begins && !place.established && door_.clock().us >= place.deadline_us;
    const bool swept = !begins && !door_.is_live(place.context);
    const Door::Answer answer = door_.accept(token, place.context, options);
    furthest_ = std::max(furthest_, stage_of(answer.status));
    const Status status = answer.status;
    check(status != Status::kInternal && status != Status::kContextBusy,
          "no token is anybody else's fault");
    check(!swept || (late && status == Status::kStaleHandle),
          "a half-open context is swept when it is late, and only then");
    check(swept || late == (status == Status::kHalfOpenTooLong), "a deadline is a deadline");
    check(place.established == (status == Status::kNotHalfOpen),
          "a complete context takes no token, and spares what it has");
    // What was allowed when the client proved itself may be finished: a third leg, a mechListMIC.
    const bool changed = !begins && place.policies != policies_;
    check(status != Status::kEstablished || !world_refuses(answer.context) || changed,
          "the mechanism was allowed");
    if (place.established) {
      return;
    }
    if (!succeeded(status) || &place == &places_[Frame::kCrowd]) {
      place = {};
      return;
    }
    if (begins) {
      place.deadline_us = door_.clock().us + kHalfOpenSecondsDefault * kMicrosPerSecond;
    }
    place.context = answer.context;
    place.policies = policies_;
    place.established = status == Status::kEstablished;
  }

  // world_refuses says whether the credential excludes what a context was established with.
  bool world_refuses(ContextHandle handle) {
    Status status = Status::kEstablished;
    const Pinned<auth::Context> context = door_.environment().contexts.pin(handle, status);
    check(bool(context) && context->state == auth::State::kEstablished && !context->key.empty(),
          "a sign-on leaves a context with a key");
    const auth::Credential& credential = *world().credential;
    return context->is_ntlm()
               ? !credential.allow_ntlm || credential.package == auth::Package::kKerberos
               : !credential.allow_kerberos || credential.package == auth::Package::kNtlm;
  }

  void end(Place& place) {
    if (place.context != ContextHandle{} && door_.is_live(place.context)) {
      door_.end(place.context);
    }
    place = {};
  }

  Door door_;
  std::array<Place, Door::kSlots> places_;
  Stage furthest_ = Stage::kOffered;
  int policies_ = 0;
};

}  // namespace

void run_one(Bytes input) { Play().run(input); }

}  // namespace usher::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed) {
  using namespace usher::fuzz;
  return hand_back(mutate_session({data, size}, size_max, seed), data, size_max);
}
