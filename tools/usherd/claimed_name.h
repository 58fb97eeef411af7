// Whom a token that was refused claims to come from.
#pragma once

#include "parsers/bytes.h"

namespace usherd {

// claimed_name writes the name that an NTLM AUTHENTICATE message carries, bare or in SPNEGO, as
// "DOMAIN\user" or "user" in UTF-8. Whoever sent it may have written any: it is good for a log and
// for nothing else. Empty if `token` is no such message, if it names nobody, or if the name is too
// long for `out`. What has no form in UTF-8 comes as the bytes that were sent.
[[nodiscard]] usher::Bytes claimed_name(usher::Bytes token, usher::MutableBytes out) noexcept;

}  // namespace usherd
