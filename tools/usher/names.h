// The specifications' names for the numbers in a token.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/bytes.h"
#include "parsers/gss.h"
#include "parsers/ntlm.h"

namespace usher::cli {

// FlagNames lists the names of the bits that are set, lowest first or in the specification's order;
// bits without a name stand at the end as one hexadecimal number.
using FlagNames = std::vector<std::string>;

[[nodiscard]] FlagNames ap_option_names(std::uint32_t ap_options);         // RFC 4120 5.5.1
[[nodiscard]] FlagNames ticket_flag_names(std::uint32_t flags);            // RFC 4120 5.3
[[nodiscard]] FlagNames context_flag_names(gss::ContextFlags flags);       // RFC 4121 4.1.1.1
[[nodiscard]] FlagNames negotiate_flag_names(ntlm::NegotiateFlags flags);  // MS-NLMP 2.2.2.5
[[nodiscard]] FlagNames av_flag_names(std::uint32_t flags);                // MS-NLMP 2.2.2.1

// attribute_names are the ASC_RET flags of sspi.h without that prefix, which a granted context has.
[[nodiscard]] FlagNames attribute_names(gss::ContextFlags flags);

// error_name is a KRB-ERROR's error-code (RFC 4120 7.5.9, RFC 4121, MS-KILE 2.2); "unknown" if
// none.
[[nodiscard]] std::string_view error_name(std::int32_t error_code) noexcept;

// error_data_name is a KERB-ERROR-DATA's data-type (MS-KILE 2.2.2); "unknown" if none.
[[nodiscard]] std::string_view error_data_name(std::int32_t type) noexcept;

// authorization_data_name is an ad-type (RFC 4120 7.5.4, MS-KILE 2.2); "unknown" if none.
[[nodiscard]] std::string_view authorization_data_name(std::int32_t type) noexcept;

// mechanism_text is "1.3.6.1.5.5.2 SPNEGO", or the bare numbers of an OID we do not know.
[[nodiscard]] std::string mechanism_text(Bytes oid);

}  // namespace usher::cli
