// Built for another CPU than x86-64: lanes are OpenSSL's.
#include "engine/crypto/lanes_parts.h"

namespace usher::crypto {

bool has_x86_lanes() noexcept { return false; }
std::unique_ptr<Lanes> make_x86_lanes(Kit& /*kit*/) noexcept { return nullptr; }
void write_x86_schedule(Bytes /*key*/, AesDirection /*direction*/,
                        std::uint8_t* /*schedule*/) noexcept {}

}  // namespace usher::crypto
