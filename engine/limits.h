// Every bound of the engine, with its unit, and how the bounds hang together.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace usher {

static_assert(std::endian::native == std::endian::little, "load_le and store_le assume it");

inline constexpr std::size_t kCacheLine = 64;  // Bytes.

// Tokens. Windows stops at 48,000 bytes; HTTP front ends see up to 64 KiB before base64.
inline constexpr std::size_t kTokenSizeMax = 64 * 1024;
// Replies: a CHALLENGE in SPNEGO, or an AP-REP with a subkey in SPNEGO; never more.
inline constexpr std::size_t kReplySizeMax = 1024;

// What one exchange keeps between two tokens (auth/context.h).
inline constexpr std::size_t kContextSize = 1024;
inline constexpr std::size_t kMechTypesSizeMax = 112;      // MechTypeList, for mechListMIC.
inline constexpr std::size_t kNtlmNegotiateSizeMax = 320;  // NEGOTIATE, for the MIC.
inline constexpr std::size_t kNtlmChallengeSizeMax = 448;  // CHALLENGE, for the MIC.
inline constexpr std::size_t kKeySizeMax = 32;             // AES-256.
inline constexpr std::size_t kIdentitySizeMax = 768;       // All names together, in UTF-8.
inline constexpr std::size_t kClientNameSizeMax =
    kIdentitySizeMax + 1;  // With the '@' or backslash.

// How many exchanges may be open at once unless the caller says otherwise, and for how long a
// half-open one may keep its slot.
inline constexpr std::uint32_t kSlotCountDefault = 8192;
inline constexpr std::uint32_t kSlotCountMax = 1u << 20;
inline constexpr std::int64_t kHalfOpenSecondsDefault = 30;

// Authenticators the replay cache remembers, 8 bytes each, and how far apart clocks may be. An
// entry is needed for about twice the skew, so the default keeps up with 5,700 new ones a second.
inline constexpr std::uint32_t kReplayEntryCountDefault = 1u << 22;
inline constexpr std::uint32_t kReplayEntryCountMax = 1u << 28;
inline constexpr std::int64_t kSkewSecondsDefault = 300;
inline constexpr std::int64_t kSkewSecondsMax = 86'400;
inline constexpr std::int64_t kNtlmLifetimeMax = 315'360'000;  // Ten years.

// Contexts that are packed for others (auth/context_seal.h): how long one can be imported.
inline constexpr std::int64_t kExportSecondsDefault = 60;
inline constexpr std::int64_t kExportSecondsMax = 300;

// Tokens worked on in one turn.
inline constexpr std::size_t kBatchMax = 64;

inline constexpr std::uint32_t kCredentialCountMax = 64;

// Threads that answer for an authority.
inline constexpr std::size_t kAuthorityThreadsMax = 64;

// Keys one ticket is tried with: its own version first, then others (MS-KILE 3.4.5). Each try of a
// forged ticket costs its decryption, so there is an end to them.
inline constexpr std::uint32_t kKeyTriesMax = 8;

// The encrypted part of a KRB-CRED: keys, names and times of the delegated tickets, 250 bytes each.
// The tickets themselves are beside it.
inline constexpr std::size_t kDelegatedPartSizeMax = 4096;

// What does not fit into a context, PACs and delegated credentials, is kept in pages that all
// contexts share, by default two for each slot, and remembered tickets, so many for each.
inline constexpr std::size_t kPageSize = 2048;
inline constexpr std::uint32_t kPageCountDefault = 2 * kSlotCountDefault;
inline constexpr std::uint32_t kPageCountMax = 1u << 22;

// Tickets that are remembered as they were opened (auth/ticket_cache.h), and how large one may be,
// sealed as opened. What a ticket does not fill of its room is never touched.
inline constexpr std::uint32_t kTicketCacheEntriesDefault = 4096;
inline constexpr std::uint32_t kTicketCacheEntriesMax = 1u << 20;
inline constexpr std::uint32_t kCachedTicketSizeMax = 8 * 1024;
inline constexpr std::uint32_t kCachedTicketPages = kCachedTicketSizeMax / kPageSize;  // Its PAC's.

// An NTLM exchange keeps its messages where the names go once it is established.
static_assert(kNtlmNegotiateSizeMax + kNtlmChallengeSizeMax <= kIdentitySizeMax);

}  // namespace usher
