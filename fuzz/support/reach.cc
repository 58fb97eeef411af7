#include "fuzz/support/reach.h"

#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>

namespace usher::fuzz {
namespace {

constexpr std::size_t kStages = static_cast<std::size_t>(Stage::kAccepted) + 1;

std::array<std::uint64_t, kStages> g_counts{};

std::uint64_t count_of(Stage stage) { return g_counts[static_cast<std::size_t>(stage)]; }

void print_counts() {
  std::fprintf(stderr,
               "reach: offered %" PRIu64 ", outer token %" PRIu64 ", key found %" PRIu64
               ", decrypted %" PRIu64 ", authenticator %" PRIu64 ", PAC %" PRIu64
               ", accepted %" PRIu64 "\n",
               count_of(Stage::kOffered), count_of(Stage::kOuterToken), count_of(Stage::kKeyFound),
               count_of(Stage::kDecrypted), count_of(Stage::kAuthenticator), count_of(Stage::kPac),
               count_of(Stage::kAccepted));
}

}  // namespace

void reached(Stage stage) noexcept {
  static const bool prints = std::atexit(print_counts) == 0;
  (void)prints;
  if (stage == Stage::kPac) {
    ++g_counts[static_cast<std::size_t>(Stage::kPac)];
    return;
  }
  for (std::size_t i = 0; i <= static_cast<std::size_t>(stage); ++i) {
    g_counts[i] += i == static_cast<std::size_t>(Stage::kPac) ? 0 : 1;
  }
}

Stage stage_of(Status status) noexcept {
  switch (status) {
    // Refused before a mechanism's message was read, or at a point that says nothing about it.
    case Status::kStaleHandle:
    case Status::kContextBusy:
    case Status::kNotHalfOpen:
    case Status::kHalfOpenTooLong:
    case Status::kNoFreeSlot:
    case Status::kNoMemory:
    case Status::kInternal:
    case Status::kEmptyToken:
    case Status::kTokenTooLong:
    case Status::kNotAToken:
    case Status::kMalformedSpnego:
    case Status::kMalformedGss:
    case Status::kUnexpectedToken:
    case Status::kNoCommonMechanism:
    case Status::kMechanismNotAllowed:
    case Status::kPeerRejected:
    case Status::kMalformedApReq:
    case Status::kUserToUser:
    case Status::kMalformedApRep:
    case Status::kMalformedNtlm:
      return Stage::kOffered;
    case Status::kContinue:
    case Status::kReplyTooLong:
    case Status::kTicketEtype:
    case Status::kNoSuchService:
    case Status::kNoKeyOfEtype:
    case Status::kTargetRefused:
    case Status::kTicketGranting:
    case Status::kRc4:  // The ticket's, or a session key's.
    case Status::kNtlmMessageTooLong:
    case Status::kNtlmCharset:
    case Status::kMalformedNtlmResponse:
    case Status::kMalformedNtlmName:
    case Status::kNtlmAnonymous:
    case Status::kNtlmV1:
    case Status::kNtlmSessionKey:
    case Status::kNtlmMicMissing:
      return Stage::kOuterToken;
    case Status::kTicketKey:
    case Status::kNtlmProof:
      return Stage::kKeyFound;
    case Status::kMalformedTicket:
    case Status::kTicketExpired:
    case Status::kTicketNotYetValid:
    case Status::kTicketInvalid:
    case Status::kKerberosAnonymous:
    case Status::kAuthorizationData:  // The ticket's or the authenticator's.
    case Status::kSessionKeyEtype:    // Likewise.
    case Status::kAuthenticatorKey:
    case Status::kWeakerKey:
    case Status::kTransited:
    case Status::kAddresses:
    case Status::kNtlmMicWrong:
      return Stage::kDecrypted;
    case Status::kMalformedAuthenticator:
    case Status::kMalformedGssChecksum:
    case Status::kChecksumType:
    case Status::kClockSkew:
    case Status::kClientNameMismatch:
    case Status::kReplay:
    case Status::kReplayCacheFull:
    case Status::kReplayUnknown:
    case Status::kDceStyle:
    case Status::kThirdLeg:
    case Status::kMutualRequired:
    case Status::kBindingsMissing:
    case Status::kBindingsWrong:
    case Status::kBindingsUnknown:
    case Status::kPacMissing:
    case Status::kMalformedPac:
    case Status::kPacSignature:
    case Status::kPacKdcSignature:
    case Status::kPacClient:
    case Status::kMalformedDelegation:
    case Status::kDelegationKey:
    case Status::kNoFreePage:
    case Status::kNameTooLong:
    case Status::kNtlmNoSigning:
    case Status::kMechTypesTooLong:
    case Status::kMechListMicMissing:
    case Status::kMechListMicWrong:
      return Stage::kAuthenticator;
    case Status::kEstablished:
      return Stage::kAccepted;
  }
  return Stage::kOffered;
}

}  // namespace usher::fuzz
