#include "bench/bare_crypto.h"

namespace usher::bench {

std::unique_ptr<BareBackend> make_bare_ipsec_mb(const BareWork&) { return nullptr; }

}  // namespace usher::bench
