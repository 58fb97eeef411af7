// engine/auth/accept.h: the same tokens as batches, one at a time, and in another order. No token
// may notice what it shared a turn with.
#include <algorithm>
#include <memory>

#include "fuzz/support/reach.h"
#include "fuzz/support/session_layers.h"

namespace usher::fuzz {
namespace {

constexpr std::size_t kExchanges = 8;
constexpr std::size_t kLegsMax = 3;
// Exchange k begins in turn k % kLegsMax, so that a turn has first, second and third tokens in it.
constexpr std::size_t kTurns = 2 * kLegsMax - 1;

// Tokens are what up to eight clients send, up to three each.
using Tokens = std::array<std::vector<Bytes>, kExchanges>;

// Answer is what came of one token.
struct Answer {
  Verdict verdict;
  bool has_context = false;
  Octets reply;
  friend bool operator==(const Answer& a, const Answer& b) {
    return a.verdict.status == b.verdict.status && a.verdict.fault == b.verdict.fault &&
           a.has_context == b.has_context && a.reply == b.reply;
  }
};
// Outcome is what came of all of them; `left` is what contexts hold in the end.
struct Outcome {
  std::array<std::vector<Answer>, kExchanges> answers;
  std::array<Octets, kExchanges> left;
  bool replay = false;
};

auth::Desk& desk() {
  static const std::unique_ptr<auth::Desk> one =
      auth::Desk::make(kExchanges, std::make_unique<ConstantRandom>(), make_kit());
  return *one;
}

// Hall is one run's slots, contexts and replay cache.
class Hall {
 public:
  explicit Hall(const Tokens& tokens) : tokens_(tokens) {}
  ~Hall() {
    for (const ContextHandle handle : contexts_) {
      Status status = Status::kEstablished;
      Pinned<auth::Context> context = pool_.pin(handle, status);
      if (context) {
        pool_.release(context);
      }
    }
    check(pool_.live() == 0, "every slot comes back");
  }
  Hall(const Hall&) = delete;
  Hall& operator=(const Hall&) = delete;

  // turn gives the next token of each of these exchanges in one call.
  void turn(std::span<const std::size_t> exchanges) {
    std::array<auth::AcceptRequest, kExchanges> requests;
    std::array<auth::AcceptReply, kExchanges> replies;
    std::array<std::size_t, kExchanges> who{};
    std::size_t count = 0;
    for (const std::size_t exchange : exchanges) {
      const std::size_t leg = outcome_.answers[exchange].size();
      if (leg < tokens_[exchange].size()) {
        requests[count] = {.credential = world().credential.get(),
                           .context = contexts_[exchange],
                           .token = tokens_[exchange][leg],
                           .reply = rooms_[exchange],
                           .error_tokens = true,
                           .recorded_challenge = {}};
        who[count++] = exchange;
      }
    }
    auth::accept(desk(), environment_, std::span(requests).first(count),
                 std::span(replies).first(count));
    for (std::size_t i = 0; i < count; ++i) {
      take(who[i], replies[i]);
    }
  }

  [[nodiscard]] Stage furthest() const { return furthest_; }

  Outcome finish() {
    for (std::size_t i = 0; i < kExchanges; ++i) {
      Status status = Status::kEstablished;
      const Pinned<auth::Context> context = pool_.pin(contexts_[i], status);
      if (context) {
        Octets& left = outcome_.left[i];
        left.push_back(static_cast<std::uint8_t>(context->state));
        for (const Bytes part :
             {context->part(0), context->part(1), context->part(2), context->key.bytes()}) {
          mint::append(left, part);
        }
        mint::append_le(left, std::uint32_t(context->flags));
        mint::append_le(left, context->acceptor_sequence);
      }
    }
    return std::move(outcome_);
  }

 private:
  void take(std::size_t exchange, const auth::AcceptReply& reply) {
    const Status status = reply.verdict.status;
    const std::span room = rooms_[exchange];
    check(reply.reply_size <= room.size(), "a reply fits into its room");
    outcome_.answers[exchange].push_back(
        {reply.verdict, reply.context != ContextHandle{},
         Octets(room.begin(), room.begin() + static_cast<std::ptrdiff_t>(reply.reply_size))});
    outcome_.replay = outcome_.replay || status == Status::kReplay;
    if (status != Status::kNotHalfOpen) {
      contexts_[exchange] = reply.context;
    }
    furthest_ = std::max(furthest_, stage_of(status));
  }

  const Tokens& tokens_;
  Outcome outcome_;
  SetClock clock_;
  std::array<SlotPool::Slot, kExchanges> slots_;
  std::array<auth::Context, kExchanges> memory_{};
  std::vector<ReplayCache::Place> places_ =
      std::vector<ReplayCache::Place>(ReplayCache::kProbesMax);
  auth::ContextPool pool_{slots_, memory_, kHalfOpenSecondsDefault};
  ReplayCache replays_{places_, ReplayKey{1, 2, 3, 4}, kSkewMaxSeconds};
  auth::Environment environment_{pool_, replays_, clock_};
  std::array<ContextHandle, kExchanges> contexts_{};
  std::array<std::array<std::uint8_t, kReplySizeMax>, kExchanges> rooms_{};
  Stage furthest_ = Stage::kOffered;
};

void check_same(const Outcome& a, const Outcome& b, const char* property) {
  check(a.answers == b.answers && a.left == b.left, property);
}

}  // namespace

void run_one(Bytes input) {
  auth::Credential& credential = *world().credential;
  credential.package = auth::Package::kNegotiate;
  credential.allow_kerberos = credential.allow_ntlm = true;
  credential.policy = {};
  Tokens tokens;
  FrameReader frames(input);
  std::array<std::size_t, kExchanges> order{};
  std::size_t shift = 0;
  while (const std::optional<Frame> frame = frames.next()) {
    if (frame->kind == Frame::Kind::kPolicy) {
      set_policy(frame->octets.empty() ? std::uint8_t{0} : frame->octets[0]);
      shift = frame->place;
    } else if (tokens[frame->place].size() < kLegsMax) {
      tokens[frame->place].push_back(frame->octets);
    }
  }
  for (std::size_t i = 0; i < kExchanges; ++i) {
    order[i] = i;
  }

  Hall together(tokens);
  Hall singly(tokens);
  for (std::size_t turn = 0; turn < kTurns; ++turn) {
    std::array<std::size_t, kExchanges> begun{};
    const auto end = std::ranges::copy_if(order, begun.begin(), [&](std::size_t exchange) {
                       return exchange % kLegsMax <= turn;
                     }).out;
    together.turn({begun.begin(), end});
    for (const std::size_t& exchange : std::span(begun.begin(), end)) {
      singly.turn({&exchange, 1});
    }
  }
  const Outcome batch = together.finish();
  reached(together.furthest());

  check_same(singly.finish(), batch, "a turn of many is as many turns of one");
  if (batch.replay) {
    return;  // Which of two equal authenticators is the replay depends on their order.
  }

  // Beginning elsewhere and backwards: one exchange from its first token to its last, and then each
  // of the others a turn behind the one before it.
  std::rotate(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(shift), order.end());
  std::reverse(order.begin(), order.end());
  Hall apart(tokens);
  for (std::size_t leg = 0; leg < kLegsMax; ++leg) {
    apart.turn(std::span(order).first(1));
  }
  for (std::size_t last = 1; last < kExchanges + kLegsMax - 1; ++last) {
    const std::size_t first = std::max(last, kLegsMax) - kLegsMax + 1;
    apart.turn(std::span(order).first(std::min(last + 1, kExchanges)).subspan(first));
  }
  check_same(apart.finish(), batch, "the order of turns changes nothing");
}

}  // namespace usher::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed) {
  using namespace usher::fuzz;
  return hand_back(mutate_session({data, size}, size_max, seed, desk()), data, size_max);
}
