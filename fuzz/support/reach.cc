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

// Which stage a token has come to that got this answer.
struct Row {
  Stage stage;
  Status status;
};

constexpr std::array kRows = {
    // Refused before a mechanism's message was read, or at a point that says nothing about it.
    Row{Stage::kOffered, Status::kStaleHandle},
    Row{Stage::kOffered, Status::kContextBusy},
    Row{Stage::kOffered, Status::kNotHalfOpen},
    Row{Stage::kOffered, Status::kHalfOpenTooLong},
    Row{Stage::kOffered, Status::kNoFreeSlot},
    Row{Stage::kOffered, Status::kNoMemory},
    Row{Stage::kOffered, Status::kInternal},
    Row{Stage::kOffered, Status::kEmptyToken},
    Row{Stage::kOffered, Status::kTokenTooLong},
    Row{Stage::kOffered, Status::kNotAToken},
    Row{Stage::kOffered, Status::kMalformedSpnego},
    Row{Stage::kOffered, Status::kMalformedGss},
    Row{Stage::kOffered, Status::kUnexpectedToken},
    Row{Stage::kOffered, Status::kNoCommonMechanism},
    Row{Stage::kOffered, Status::kMechanismNotAllowed},
    Row{Stage::kOffered, Status::kPeerRejected},
    Row{Stage::kOffered, Status::kMalformedApReq},
    Row{Stage::kOffered, Status::kUserToUser},
    Row{Stage::kOffered, Status::kMalformedNtlm},
    Row{Stage::kOuterToken, Status::kContinue},
    Row{Stage::kOuterToken, Status::kReplyTooLong},
    Row{Stage::kOuterToken, Status::kTicketEtype},
    Row{Stage::kOuterToken, Status::kTargetRefused},
    Row{Stage::kOuterToken, Status::kTicketGranting},
    Row{Stage::kOuterToken, Status::kNoSuchService},
    Row{Stage::kOuterToken, Status::kNoKeyOfEtype},
    Row{Stage::kOuterToken, Status::kNtlmMessageTooLong},
    Row{Stage::kOuterToken, Status::kNtlmCharset},
    Row{Stage::kOuterToken, Status::kMalformedNtlmResponse},
    Row{Stage::kOuterToken, Status::kMalformedNtlmName},
    Row{Stage::kOuterToken, Status::kNtlmAnonymous},
    Row{Stage::kOuterToken, Status::kNtlmV1},
    Row{Stage::kOuterToken, Status::kNtlmLm},
    Row{Stage::kOuterToken, Status::kNtlmSessionKey},
    Row{Stage::kOuterToken, Status::kNtlmMicMissing},
    Row{Stage::kOuterToken, Status::kAsked},
    Row{Stage::kOuterToken, Status::kAuthorityQuestion},
    Row{Stage::kOuterToken, Status::kAuthorityBusy},
    Row{Stage::kOuterToken, Status::kAuthorityLate},
    Row{Stage::kOuterToken, Status::kAuthorityAbsent},
    Row{Stage::kOuterToken, Status::kAuthorityDenied},
    Row{Stage::kOuterToken, Status::kAuthorityNoServer},
    Row{Stage::kOuterToken, Status::kAuthorityNoTrust},
    Row{Stage::kOuterToken, Status::kAuthorityOtherServer},
    Row{Stage::kOuterToken, Status::kAuthorityFailed},
    Row{Stage::kKeyFound, Status::kAccountDisabled},
    Row{Stage::kKeyFound, Status::kAccountExpired},
    Row{Stage::kKeyFound, Status::kAccountLocked},
    Row{Stage::kKeyFound, Status::kAccountRestricted},
    Row{Stage::kKeyFound, Status::kPasswordExpired},
    Row{Stage::kKeyFound, Status::kTicketKey},
    Row{Stage::kKeyFound, Status::kNtlmProof},
    Row{Stage::kDecrypted, Status::kMalformedTicket},
    Row{Stage::kDecrypted, Status::kTicketExpired},
    Row{Stage::kDecrypted, Status::kTicketNotYetValid},
    Row{Stage::kDecrypted, Status::kTicketInvalid},
    Row{Stage::kDecrypted, Status::kKerberosAnonymous},
    Row{Stage::kDecrypted, Status::kAuthorizationData},  // The ticket's or the authenticator's.
    Row{Stage::kDecrypted, Status::kSessionKeyEtype},    // Likewise.
    Row{Stage::kDecrypted, Status::kRc4},                // Likewise.
    Row{Stage::kDecrypted, Status::kWeakerKey},          // Likewise.
    Row{Stage::kDecrypted, Status::kTransited},
    Row{Stage::kDecrypted, Status::kAddresses},
    Row{Stage::kDecrypted, Status::kAuthenticatorKey},
    Row{Stage::kDecrypted, Status::kNtlmMicWrong},
    Row{Stage::kDecrypted, Status::kNtlmTime},
    Row{Stage::kDecrypted, Status::kNtlmTarget},
    Row{Stage::kDecrypted, Status::kNtlmTargetMissing},
    Row{Stage::kAuthenticator, Status::kMalformedAuthenticator},
    Row{Stage::kAuthenticator, Status::kMalformedGssChecksum},
    Row{Stage::kAuthenticator, Status::kChecksumType},
    Row{Stage::kAuthenticator, Status::kClockSkew},
    Row{Stage::kAuthenticator, Status::kClientNameMismatch},
    Row{Stage::kAuthenticator, Status::kDceStyle},
    Row{Stage::kAuthenticator, Status::kMalformedApRep},
    Row{Stage::kAuthenticator, Status::kThirdLeg},
    Row{Stage::kAuthenticator, Status::kMutualRequired},
    Row{Stage::kAuthenticator, Status::kProtectionMissing},
    Row{Stage::kAuthenticator, Status::kBindingsMissing},
    Row{Stage::kAuthenticator, Status::kBindingsWrong},
    Row{Stage::kAuthenticator, Status::kBindingsUnknown},
    Row{Stage::kAuthenticator, Status::kPacMissing},
    Row{Stage::kAuthenticator, Status::kMalformedPac},
    Row{Stage::kAuthenticator, Status::kPacSignature},
    Row{Stage::kAuthenticator, Status::kPacKdcSignature},
    Row{Stage::kAuthenticator, Status::kPacClient},
    Row{Stage::kAuthenticator, Status::kMalformedDelegation},
    Row{Stage::kAuthenticator, Status::kDelegationKey},
    Row{Stage::kAuthenticator, Status::kDelegationClient},
    Row{Stage::kAuthenticator, Status::kNoFreePage},
    Row{Stage::kAuthenticator, Status::kReplay},
    Row{Stage::kAuthenticator, Status::kReplayCacheFull},
    Row{Stage::kAuthenticator, Status::kReplayUnknown},
    Row{Stage::kAuthenticator, Status::kNameTooLong},
    Row{Stage::kAuthenticator, Status::kNtlmNoSigning},
    Row{Stage::kAuthenticator, Status::kMechTypesTooLong},
    Row{Stage::kAuthenticator, Status::kMechListMicMissing},
    Row{Stage::kAuthenticator, Status::kMechListMicWrong},
    Row{Stage::kAccepted, Status::kEstablished},
};

constexpr std::size_t rows_of(Status status) {
  std::size_t count = 0;
  for (const Row& row : kRows) {
    count += row.status == status ? 1 : 0;
  }
  return count;
}

#define USHER_HAS_STAGE(name, sspi, text) static_assert(rows_of(Status::name) == 1, #name);
USHER_STATUS_LIST(USHER_HAS_STAGE)
#undef USHER_HAS_STAGE

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
  for (const Row& row : kRows) {
    if (row.status == status) {
      return row.stage;
    }
  }
  return Stage::kOffered;
}

}  // namespace usher::fuzz
