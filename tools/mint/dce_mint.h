// A client's third leg in DCE style (MS-KILE 3.4.5.1, RFC 4757 7.1), right or wrong in every way a
// test wants. For tests and fuzzing.
#pragma once

#include <cstdint>
#include <optional>

#include "tools/mint/kerberos_mint.h"

namespace usher::mint {

// kContextFlagsDce is what a client asks for that sends its AP-REQ bare.
inline constexpr std::uint32_t kContextFlagsDce =
    kContextFlagsUsual | std::uint32_t(gss::ContextFlags::kDceStyle);

// ThirdLegFields is what the client's AP-REP says. MIT clients give the time it is, Heimdal the
// authenticator's, and neither a subkey.
struct ThirdLegFields {
  std::int64_t ctime = 0;
  std::uint32_t cusec = 0;
  std::optional<std::uint32_t> seq_number{};  // The acceptor's, from its AP-REP.
  std::optional<std::int32_t> subkey_etype{};
  Octets subkey{};
  crypto::KeyUsage usage = crypto::KeyUsage::kApRepEncPart;
  Sealing sealing{};
};

// third_leg is a bare AP-REP, sealed with the ticket's session key.
Octets third_leg(const KerberosMint& mint, const Ticket& ticket, const ThirdLegFields& fields);

// third_leg_to is the right one to an acceptor's answer.
Octets third_leg_to(const KerberosMint& mint, const Ticket& ticket, const ApReq& request,
                    const KerberosMint::Answer& answer);

}  // namespace usher::mint
