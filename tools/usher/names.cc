// The specifications' names for the numbers in a token.
#include "tools/usher/names.h"

#include <fmt/format.h>

#include <array>
#include <span>

#include "parsers/krb5.h"
#include "tools/usher/text.h"

namespace usher::cli {
namespace {

struct Bit {
  std::uint32_t bit;
  std::string_view name;
};

struct Number {
  std::int32_t number;
  std::string_view name;
};

constexpr std::array kApOptions = {
    Bit{krb5::flag_bit(0), "reserved"},
    Bit{krb5::kApOptionUseSessionKey, "use-session-key"},
    Bit{krb5::kApOptionMutualRequired, "mutual-required"},
};

constexpr std::array kTicketFlags = {
    Bit{krb5::flag_bit(0), "reserved"},
    Bit{krb5::flag_bit(1), "forwardable"},
    Bit{krb5::flag_bit(2), "forwarded"},
    Bit{krb5::flag_bit(3), "proxiable"},
    Bit{krb5::flag_bit(4), "proxy"},
    Bit{krb5::flag_bit(5), "may-postdate"},
    Bit{krb5::flag_bit(6), "postdated"},
    Bit{krb5::flag_bit(7), "invalid"},
    Bit{krb5::flag_bit(8), "renewable"},
    Bit{krb5::flag_bit(9), "initial"},
    Bit{krb5::flag_bit(10), "pre-authent"},
    Bit{krb5::flag_bit(11), "hw-authent"},
    Bit{krb5::flag_bit(12), "transited-policy-checked"},
    Bit{krb5::flag_bit(13), "ok-as-delegate"},
    Bit{krb5::flag_bit(15), "enc-pa-rep"},  // RFC 6806 11
    Bit{krb5::flag_bit(16), "anonymous"},   // RFC 8062 3
};

// Those of RFC 4121 4.1.1.1 and MS-KILE 2.2; prot-ready and transferable are RFC 2744's values,
// which MIT krb5 sends along.
constexpr std::array kContextFlags = {
    Bit{0x0001, "delegate"},   Bit{0x0002, "mutual"},          Bit{0x0004, "replay"},
    Bit{0x0008, "sequence"},   Bit{0x0010, "confidentiality"}, Bit{0x0020, "integrity"},
    Bit{0x0080, "prot-ready"}, Bit{0x0100, "transferable"},    Bit{0x1000, "dce-style"},
    Bit{0x2000, "identify"},   Bit{0x4000, "extended-error"},
};

constexpr std::array kAttributes = {
    Bit{0x0001, "DELEGATE"},        Bit{0x0002, "MUTUAL_AUTH"},     Bit{0x0004, "REPLAY_DETECT"},
    Bit{0x0008, "SEQUENCE_DETECT"}, Bit{0x0010, "CONFIDENTIALITY"}, Bit{0x0020, "INTEGRITY"},
    Bit{0x1000, "USED_DCE_STYLE"},  Bit{0x2000, "IDENTIFY"},        Bit{0x4000, "EXTENDED_ERROR"},
};

// Names as in MS-NLMP 2.2.2.5, without NTLMSSP_ and NTLMSSP_NEGOTIATE_.
constexpr std::array kNegotiateFlags = {
    Bit{0x00000001, "UNICODE"},
    Bit{0x00000002, "OEM"},
    Bit{0x00000004, "REQUEST_TARGET"},
    Bit{0x00000010, "SIGN"},
    Bit{0x00000020, "SEAL"},
    Bit{0x00000040, "DATAGRAM"},
    Bit{0x00000080, "LM_KEY"},
    Bit{0x00000200, "NTLM"},
    Bit{0x00000800, "ANONYMOUS"},
    Bit{0x00001000, "OEM_DOMAIN_SUPPLIED"},
    Bit{0x00002000, "OEM_WORKSTATION_SUPPLIED"},
    Bit{0x00008000, "ALWAYS_SIGN"},
    Bit{0x00010000, "TARGET_TYPE_DOMAIN"},
    Bit{0x00020000, "TARGET_TYPE_SERVER"},
    Bit{0x00080000, "EXTENDED_SESSIONSECURITY"},
    Bit{0x00100000, "IDENTIFY"},
    Bit{0x00400000, "REQUEST_NON_NT_SESSION_KEY"},
    Bit{0x00800000, "TARGET_INFO"},
    Bit{0x02000000, "VERSION"},
    Bit{0x20000000, "128"},
    Bit{0x40000000, "KEY_EXCH"},
    Bit{0x80000000, "56"},
};

constexpr std::array kAvFlags = {
    Bit{0x1, "account-constrained"},
    Bit{ntlm::kAvFlagMic, "mic-provided"},
    Bit{0x4, "untrusted-target-name"},
};

constexpr std::array kErrors = {
    Number{0, "KDC_ERR_NONE"},
    Number{1, "KDC_ERR_NAME_EXP"},
    Number{2, "KDC_ERR_SERVICE_EXP"},
    Number{3, "KDC_ERR_BAD_PVNO"},
    Number{4, "KDC_ERR_C_OLD_MAST_KVNO"},
    Number{5, "KDC_ERR_S_OLD_MAST_KVNO"},
    Number{6, "KDC_ERR_C_PRINCIPAL_UNKNOWN"},
    Number{7, "KDC_ERR_S_PRINCIPAL_UNKNOWN"},
    Number{8, "KDC_ERR_PRINCIPAL_NOT_UNIQUE"},
    Number{9, "KDC_ERR_NULL_KEY"},
    Number{10, "KDC_ERR_CANNOT_POSTDATE"},
    Number{11, "KDC_ERR_NEVER_VALID"},
    Number{12, "KDC_ERR_POLICY"},
    Number{13, "KDC_ERR_BADOPTION"},
    Number{14, "KDC_ERR_ETYPE_NOSUPP"},
    Number{15, "KDC_ERR_SUMTYPE_NOSUPP"},
    Number{16, "KDC_ERR_PADATA_TYPE_NOSUPP"},
    Number{17, "KDC_ERR_TRTYPE_NOSUPP"},
    Number{18, "KDC_ERR_CLIENT_REVOKED"},
    Number{19, "KDC_ERR_SERVICE_REVOKED"},
    Number{20, "KDC_ERR_TGT_REVOKED"},
    Number{21, "KDC_ERR_CLIENT_NOTYET"},
    Number{22, "KDC_ERR_SERVICE_NOTYET"},
    Number{23, "KDC_ERR_KEY_EXPIRED"},
    Number{24, "KDC_ERR_PREAUTH_FAILED"},
    Number{25, "KDC_ERR_PREAUTH_REQUIRED"},
    Number{26, "KDC_ERR_SERVER_NOMATCH"},
    Number{27, "KDC_ERR_MUST_USE_USER2USER"},
    Number{28, "KDC_ERR_PATH_NOT_ACCEPTED"},
    Number{29, "KDC_ERR_SVC_UNAVAILABLE"},
    Number{31, "KRB_AP_ERR_BAD_INTEGRITY"},
    Number{32, "KRB_AP_ERR_TKT_EXPIRED"},
    Number{33, "KRB_AP_ERR_TKT_NYV"},
    Number{34, "KRB_AP_ERR_REPEAT"},
    Number{35, "KRB_AP_ERR_NOT_US"},
    Number{36, "KRB_AP_ERR_BADMATCH"},
    Number{37, "KRB_AP_ERR_SKEW"},
    Number{38, "KRB_AP_ERR_BADADDR"},
    Number{39, "KRB_AP_ERR_BADVERSION"},
    Number{40, "KRB_AP_ERR_MSG_TYPE"},
    Number{41, "KRB_AP_ERR_MODIFIED"},
    Number{42, "KRB_AP_ERR_BADORDER"},
    Number{44, "KRB_AP_ERR_BADKEYVER"},
    Number{45, "KRB_AP_ERR_NOKEY"},
    Number{46, "KRB_AP_ERR_MUT_FAIL"},
    Number{47, "KRB_AP_ERR_BADDIRECTION"},
    Number{48, "KRB_AP_ERR_METHOD"},
    Number{49, "KRB_AP_ERR_BADSEQ"},
    Number{50, "KRB_AP_ERR_INAPP_CKSUM"},
    Number{51, "KRB_AP_PATH_NOT_ACCEPTED"},
    Number{52, "KRB_ERR_RESPONSE_TOO_BIG"},
    Number{60, "KRB_ERR_GENERIC"},
    Number{61, "KRB_ERR_FIELD_TOOLONG"},
    Number{62, "KDC_ERROR_CLIENT_NOT_TRUSTED"},
    Number{63, "KDC_ERROR_KDC_NOT_TRUSTED"},
    Number{64, "KDC_ERROR_INVALID_SIG"},
    Number{65, "KDC_ERR_KEY_TOO_WEAK"},
    Number{66, "KDC_ERR_CERTIFICATE_MISMATCH"},
    Number{67, "KRB_AP_ERR_NO_TGT"},
    Number{68, "KDC_ERR_WRONG_REALM"},
    Number{69, "KRB_AP_ERR_USER_TO_USER_REQUIRED"},
    Number{70, "KDC_ERR_CANT_VERIFY_CERTIFICATE"},
    Number{71, "KDC_ERR_INVALID_CERTIFICATE"},
    Number{72, "KDC_ERR_REVOKED_CERTIFICATE"},
    Number{73, "KDC_ERR_REVOCATION_STATUS_UNKNOWN"},
    Number{74, "KDC_ERR_REVOCATION_STATUS_UNAVAILABLE"},
    Number{75, "KDC_ERR_CLIENT_NAME_MISMATCH"},
    Number{76, "KDC_ERR_KDC_NAME_MISMATCH"},
};

constexpr std::array kErrorData = {
    Number{2, "KERB_AP_ERR_TYPE_SKEW_RECOVERY"},
    Number{3, "KERB_ERR_TYPE_EXTENDED"},
};

constexpr std::array kAuthorizationData = {
    Number{1, "AD-IF-RELEVANT"},
    Number{4, "AD-KDC-ISSUED"},
    Number{5, "AD-AND-OR"},
    Number{8, "AD-MANDATORY-FOR-KDC"},
    Number{128, "AD-WIN2K-PAC"},
    Number{129, "AD-ETYPE-NEGOTIATION"},
    Number{141, "KERB-AUTH-DATA-TOKEN-RESTRICTIONS"},
    Number{142, "KERB-LOCAL"},
    Number{143, "AD-AUTH-DATA-AP-OPTIONS"},
    Number{144, "KERB-AUTH-DATA-CLIENT-TARGET"},
};

FlagNames names_of(std::uint32_t flags, std::span<const Bit> table) {
  FlagNames names;
  for (const Bit& row : table) {
    if ((flags & row.bit) != 0) {
      names.emplace_back(row.name);
      flags &= ~row.bit;
    }
  }
  if (flags != 0) {
    names.push_back(fmt::format("0x{:08x}", flags));
  }
  return names;
}

std::string_view name_in(std::span<const Number> table, std::int32_t number) noexcept {
  for (const Number& row : table) {
    if (row.number == number) {
      return row.name;
    }
  }
  return "unknown";
}

}  // namespace

FlagNames ap_option_names(std::uint32_t ap_options) { return names_of(ap_options, kApOptions); }

FlagNames ticket_flag_names(std::uint32_t flags) { return names_of(flags, kTicketFlags); }

FlagNames context_flag_names(gss::ContextFlags flags) {
  return names_of(std::uint32_t(flags), kContextFlags);
}

FlagNames negotiate_flag_names(ntlm::NegotiateFlags flags) {
  return names_of(std::uint32_t(flags), kNegotiateFlags);
}

FlagNames av_flag_names(std::uint32_t flags) { return names_of(flags, kAvFlags); }

FlagNames attribute_names(gss::ContextFlags flags) {
  return names_of(std::uint32_t(flags), kAttributes);
}

std::string_view error_name(std::int32_t error_code) noexcept {
  return name_in(kErrors, error_code);
}

std::string_view error_data_name(std::int32_t type) noexcept { return name_in(kErrorData, type); }

std::string_view authorization_data_name(std::int32_t type) noexcept {
  return name_in(kAuthorizationData, type);
}

std::string mechanism_text(Bytes oid) {
  const gss::Mechanism mechanism = gss::mechanism_of(oid);
  return mechanism == gss::Mechanism::kUnknown
             ? dotted(oid)
             : fmt::format("{} {}", dotted(oid), gss::name_of(mechanism));
}

}  // namespace usher::cli
