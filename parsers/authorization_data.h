// AuthorizationData (RFC 4120 5.2.6) with everything nested in it, walked without recursion.
#pragma once

#include <array>
#include <cstdint>

#include "parsers/bytes.h"
#include "parsers/der.h"
#include "parsers/result.h"

namespace usher::krb5 {

// Types an acceptor meets.
enum class AdType : std::int32_t {
  kIfRelevant = 1,           // RFC 4120 5.2.6.1: a nested AuthorizationData.
  kKdcIssued = 4,            // 5.2.6.2
  kAndOr = 5,                // 5.2.6.3
  kMandatoryForKdc = 8,      // 5.2.6.4
  kFxFastArmor = 71,         // RFC 6113 5.4.1.1
  kFxFastUsed = 72,          // RFC 6113 5.4.1.1
  kWin2kPac = 128,           // MS-KILE 3.3.5.6.4.3
  kEtypeNegotiation = 129,   // RFC 4537 3
  kTokenRestrictions = 141,  // MS-KILE 2.2.6
  kLocal = 142,              // MS-KILE 2.2.8
  kApOptions = 143,          // MS-KILE 2.2.7
  kClientTarget = 144,       // MS-KILE 2.2.9
};

// So many AD-IF-RELEVANTs may stand around an element, and all levels together may hold so many
// elements; clients and domain controllers use two levels and fewer than ten elements (attack D9).
inline constexpr std::uint32_t kAdDepthMax = 4;
inline constexpr std::uint32_t kAdElementsMax = 64;

// More etypes than this in one EtypeList are refused; clients send one to eight.
inline constexpr std::uint32_t kEtypeListMax = 32;

// AdElement is one element that is not itself an AD-IF-RELEVANT.
struct AdElement {
  AdType type{};
  Bytes data;                // ad-data, as it is.
  bool if_relevant = false;  // Inside AD-IF-RELEVANT: may be ignored if not understood.
};

// AuthorizationData is what an acceptor wants to know of the whole.
struct AuthorizationData {
  AuthorizationData() noexcept {}  // As krb5::ApReq has, and why.

  std::uint32_t element_count = 0;  // Of all levels, AD-IF-RELEVANTs included.
  bool has_pac = false;
  Bytes pac;  // AD-WIN2K-PAC's contents, wherever it stood.
  bool has_ap_options = false;
  std::uint32_t ap_options = 0;  // KERB_AP_OPTIONS, all of them: 0x4000 channel bindings supported.
  bool has_client_target = false;
  Bytes client_target;  // UTF-16LE: the name the client thinks it speaks to; the first, if several.
  bool has_etype_list = false;
  Bytes etype_list;  // The INTEGERs of an EtypeList (RFC 4537 3), for each_etype; of the first, if
                     // several.
  // The first element outside AD-IF-RELEVANT that is not AD-WIN2K-PAC.
  //= RFC 4120 5.2.6: if it is not understood, authentication fails.
  bool has_critical = false;
  AdType critical{};
  // What parse_authorization_data fails with; then the rest is as far as it came. For who has read
  // it with the message around it, which it may not spoil.
  ParseFault fault;
};

// parse_authorization_data reads an AuthorizationData element, header included, as EncTicketPart
// and Authenticator hold it; no bytes at all, an absent field, are no elements. Views point into
// `element`.
//
// Fails with kBadValue beyond kAdDepthMax or kAdElementsMax, for a second PAC, a KERB_AP_OPTIONS
// that is not four bytes, a client target of an odd size, or an EtypeList that is none or longer
// than kEtypeListMax; kUnexpectedTag, kTruncated, kBadLength
// and kTrailingBytes for what is not DER, at any level.
[[nodiscard]] Result<AuthorizationData> parse_authorization_data(Bytes element) noexcept;

// read_within does so while the message around is read, in which the element is a field that is
// present: into `out`, a new one, out.fault included. It returns what is wrong for that message,
// the list's own elements: what they hold are octets to it, and no fault of its own.
[[nodiscard]] ParseFault read_within(Bytes element, AuthorizationData& out) noexcept;

// each_etype calls visit(std::int32_t) for every etype of AuthorizationData::etype_list, the
// client's favourite first.
template <class Visit>
void each_etype(Bytes etype_list, Visit visit) noexcept {
  Parse parse(etype_list);
  der::Reader etypes(parse);
  etypes.each([&](der::Reader& rest) {
    const std::int32_t etype = rest.i32();
    if (parse.ok()) {
      visit(etype);
    }
  });
}

// AdWalk yields every element that is no AD-IF-RELEVANT, outermost first in order of appearance;
// what a nested one holds comes where it stands. It reads as far as the data is right, and next
// returns false at the end and at a fault alike: parse_authorization_data has told them apart.
class AdWalk {
 public:
  explicit AdWalk(Bytes element) noexcept;
  [[nodiscard]] bool next(AdElement& element) noexcept;

 private:
  friend ParseFault read_whole(Bytes element, AuthorizationData& out) noexcept;

  bool enter(Bytes list) noexcept;
  bool read(AdElement& element) noexcept;
  bool stop() noexcept;

  Parse parse_;   // Of the outermost element.
  Bytes unread_;  // Of the AuthorizationData that is being walked.
  std::array<Bytes, kAdDepthMax> unread_around_;
  std::uint32_t depth_ = 0;  // AD-IF-RELEVANTs around it.
  std::uint32_t element_count_ = 0;
  std::uint32_t element_at_ = 0;  // Where the last element that was read begins.
};

}  // namespace usher::krb5
