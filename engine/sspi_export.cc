// ExportSecurityContext and ImportSecurityContext.
#include "engine/sspi_internal.h"

namespace usher::sspi {
namespace {

constexpr const char* kNotYet = "contexts cannot be packed yet";

}  // namespace
}  // namespace usher::sspi

extern "C" SECURITY_STATUS ExportSecurityContext(PCtxtHandle /*context*/, uint32_t /*flags*/,
                                                 PSecBuffer /*packed*/, void** /*token*/) {
  return usher::sspi::refuse(SEC_E_UNSUPPORTED_FUNCTION, usher::sspi::kNotYet);
}

extern "C" SECURITY_STATUS ImportSecurityContextA(const SEC_CHAR* /*package*/,
                                                  PSecBuffer /*packed*/, void* /*token*/,
                                                  PCtxtHandle /*context*/) {
  return usher::sspi::refuse(SEC_E_UNSUPPORTED_FUNCTION, usher::sspi::kNotYet);
}

extern "C" SECURITY_STATUS ImportSecurityContextW(const SEC_WCHAR* /*package*/,
                                                  PSecBuffer /*packed*/, void* /*token*/,
                                                  PCtxtHandle /*context*/) {
  return usher::sspi::refuse(SEC_E_UNSUPPORTED_FUNCTION, usher::sspi::kNotYet);
}
