// Built without ipsec-mb: lanes are OpenSSL's.
#include "engine/crypto/lanes_parts.h"

namespace usher::crypto {

bool has_ipsec_mb() noexcept { return false; }
std::unique_ptr<Lanes> make_ipsec_mb_lanes(Kit& /*kit*/, std::size_t /*tokens*/) noexcept {
  return nullptr;
}
void write_ipsec_mb_schedule(Bytes /*key*/, AesDirection /*direction*/,
                             std::uint8_t* /*schedule*/) noexcept {}

}  // namespace usher::crypto
