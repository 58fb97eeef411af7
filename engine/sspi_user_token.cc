// QuerySecurityContextToken, ImpersonateSecurityContext and RevertSecurityContext.
#include "engine/sspi_internal.h"

namespace usher::sspi {
namespace {

constexpr const char* kNotYet = "clients cannot be told as local users yet";

}  // namespace
}  // namespace usher::sspi

extern "C" SECURITY_STATUS QuerySecurityContextToken(PCtxtHandle /*context*/, void** /*token*/) {
  return usher::sspi::refuse(SEC_E_UNSUPPORTED_FUNCTION, usher::sspi::kNotYet);
}

extern "C" SECURITY_STATUS ImpersonateSecurityContext(PCtxtHandle /*context*/) {
  return usher::sspi::refuse(SEC_E_UNSUPPORTED_FUNCTION, usher::sspi::kNotYet);
}

extern "C" SECURITY_STATUS RevertSecurityContext(PCtxtHandle /*context*/) {
  return usher::sspi::refuse(SEC_E_UNSUPPORTED_FUNCTION, usher::sspi::kNotYet);
}
