// The states of one exchange, and every move between them that is allowed.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>

namespace usher::auth {

enum class State : std::uint8_t {
  kFirstToken,           // Nothing received yet.
  kHintSent,             // The client asked first what there is (MS-SPNG 3.2.5.2).
  kMechTokenOwed,        // SPNEGO: mechanism chosen; its first token is owed (RFC 4178 4.2.2).
  kTicketQueued,         // AP-REQ decoded; its ticket is known or in this turn's batch.
  kAuthenticatorQueued,  // Ticket opened; the authenticator is in this turn's batch.
  kPacQueued,            // Both are right; the PAC's signature, if any, is in this turn's batch.
  kChallengeSent,        // NTLM: CHALLENGE replied, AUTHENTICATE owed.
  kAuthorityAsked,       // NTLM: an authority is being asked about the AUTHENTICATE.
  kProofQueued,          // NTLM: the NTLMv2 response is in this turn's batch.
  kThirdLegOwed,         // DCE style: AP-REP replied, the client's own owed (MS-KILE 3.4.5.1).
  kMicOwed,              // SPNEGO: the client owes its mechListMIC (RFC 4178 5).
  kEstablished,
  kFailed,
};
inline constexpr std::size_t kStateCount = std::size_t(State::kFailed) + 1;

struct Move {
  State from;
  State to;
};

// Any state but a final one may also move to kFailed; those moves are not listed.
inline constexpr std::array kMoves = {
    Move{State::kFirstToken, State::kHintSent},
    Move{State::kHintSent, State::kMechTokenOwed},
    Move{State::kHintSent, State::kTicketQueued},
    Move{State::kHintSent, State::kChallengeSent},
    Move{State::kFirstToken, State::kMechTokenOwed},
    Move{State::kFirstToken, State::kTicketQueued},
    Move{State::kFirstToken, State::kChallengeSent},
    Move{State::kMechTokenOwed, State::kTicketQueued},
    Move{State::kMechTokenOwed, State::kChallengeSent},
    Move{State::kTicketQueued, State::kAuthenticatorQueued},
    Move{State::kAuthenticatorQueued, State::kPacQueued},
    Move{State::kPacQueued, State::kEstablished},
    Move{State::kPacQueued, State::kMicOwed},
    Move{State::kPacQueued, State::kThirdLegOwed},
    Move{State::kThirdLegOwed, State::kEstablished},
    Move{State::kThirdLegOwed, State::kMicOwed},
    Move{State::kChallengeSent, State::kProofQueued},
    Move{State::kChallengeSent, State::kAuthorityAsked},
    Move{State::kAuthorityAsked, State::kProofQueued},
    Move{State::kProofQueued, State::kEstablished},
    Move{State::kProofQueued, State::kMicOwed},
    Move{State::kMicOwed, State::kEstablished},
    // Packed when it was complete, and imported.
    Move{State::kFirstToken, State::kEstablished},
    // The reply has no room: the token is as good as never come.
    Move{State::kPacQueued, State::kHintSent},
    Move{State::kPacQueued, State::kMechTokenOwed},
};

constexpr bool is_final(State state) noexcept {
  return state == State::kEstablished || state == State::kFailed;
}

constexpr bool allowed(State from, State to) noexcept {
  if (to == State::kFailed) {
    return !is_final(from);
  }
  for (const Move& move : kMoves) {
    if (move.from == from && move.to == to) {
      return true;
    }
  }
  return false;
}

// enter is the only way an exchange changes state.
inline void enter(State& state, State next) noexcept {
  assert(allowed(state, next));
  state = next;
}

namespace detail {
constexpr bool every_state_can_be_reached() {
  std::array<bool, kStateCount> reached{};
  reached[std::size_t(State::kFirstToken)] = true;
  reached[std::size_t(State::kFailed)] = true;
  for (std::size_t round = 0; round < kStateCount; ++round) {
    for (const Move& move : kMoves) {
      reached[std::size_t(move.to)] |= reached[std::size_t(move.from)];
    }
  }
  for (const bool r : reached) {
    if (!r) {
      return false;
    }
  }
  return true;
}
}  // namespace detail
static_assert(detail::every_state_can_be_reached());

}  // namespace usher::auth
