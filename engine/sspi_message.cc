// MakeSignature, VerifySignature, EncryptMessage and DecryptMessage: refused until contexts can
// protect messages.
#include "engine/sspi_internal.h"

namespace usher::sspi {
namespace {

SECURITY_STATUS no_messages() noexcept {
  return refuse(SEC_E_UNSUPPORTED_FUNCTION, "messages are not protected by this package");
}

}  // namespace
}  // namespace usher::sspi

extern "C" SECURITY_STATUS MakeSignature(PCtxtHandle /*context*/, uint32_t /*qop*/,
                                         PSecBufferDesc /*message*/, uint32_t /*sequence*/) {
  return usher::sspi::no_messages();
}

extern "C" SECURITY_STATUS VerifySignature(PCtxtHandle /*context*/, PSecBufferDesc /*message*/,
                                           uint32_t /*sequence*/, uint32_t* /*qop*/) {
  return usher::sspi::no_messages();
}

extern "C" SECURITY_STATUS EncryptMessage(PCtxtHandle /*context*/, uint32_t /*qop*/,
                                          PSecBufferDesc /*message*/, uint32_t /*sequence*/) {
  return usher::sspi::no_messages();
}

extern "C" SECURITY_STATUS DecryptMessage(PCtxtHandle /*context*/, PSecBufferDesc /*message*/,
                                          uint32_t /*sequence*/, uint32_t* /*qop*/) {
  return usher::sspi::no_messages();
}
