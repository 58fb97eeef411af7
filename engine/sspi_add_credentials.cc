// AddCredentials.
#include "engine/sspi_internal.h"

namespace usher::sspi {
namespace {

constexpr const char* kNotYet = "credentials cannot be added to yet";

}  // namespace
}  // namespace usher::sspi

extern "C" SECURITY_STATUS AddCredentialsA(PCredHandle /*credential*/,
                                           const SEC_CHAR* /*principal*/,
                                           const SEC_CHAR* /*package*/, uint32_t /*use*/,
                                           void* /*auth_data*/, SEC_GET_KEY_FN /*get_key*/,
                                           void* /*get_key_argument*/, PTimeStamp /*expiry*/) {
  return usher::sspi::refuse(SEC_E_UNSUPPORTED_FUNCTION, usher::sspi::kNotYet);
}

extern "C" SECURITY_STATUS AddCredentialsW(PCredHandle /*credential*/,
                                           const SEC_WCHAR* /*principal*/,
                                           const SEC_WCHAR* /*package*/, uint32_t /*use*/,
                                           void* /*auth_data*/, SEC_GET_KEY_FN /*get_key*/,
                                           void* /*get_key_argument*/, PTimeStamp /*expiry*/) {
  return usher::sspi::refuse(SEC_E_UNSUPPORTED_FUNCTION, usher::sspi::kNotYet);
}
