// QueryCredentialsAttributes, with and without a size, and SetCredentialsAttributes.
#include <cstdint>

#include "engine/sspi_internal.h"

namespace usher::sspi {
namespace {

// query_credential gives the name that the credential was asked for under.
template <class Names>
SECURITY_STATUS query_credential(const SecHandle* handle, std::uint32_t attribute, void* out,
                                 std::uint32_t size) noexcept {
  const CredentialTable::Hold acceptor = credentials().hold(read_credential_handle(handle));
  if (!acceptor) {
    return refuse(Status::kStaleHandle);
  }
  if (out == nullptr) {
    return refuse(SEC_E_INVALID_PARAMETER, "QueryCredentialsAttributes: pBuffer is null");
  }
  if (attribute != SECPKG_CRED_ATTR_NAMES) {
    return refuse(SEC_E_UNSUPPORTED_FUNCTION, "the attribute is not served by this package");
  }
  if (size < sizeof(Names)) {
    return refuse(SEC_E_BUFFER_TOO_SMALL,
                  "QueryCredentialsAttributesEx: cbBuffer is less than the attribute's structure");
  }
  const std::string& principal = acceptor->acquired_for;
  return copy_string({reinterpret_cast<const std::uint8_t*>(principal.data()), principal.size()},
                     static_cast<Names*>(out)->sUserName);
}

SECURITY_STATUS set_credential(const SecHandle* handle) noexcept {
  return credentials().hold(read_credential_handle(handle))
             ? refuse(SEC_E_UNSUPPORTED_FUNCTION,
                      "a credential's attributes are about KDCs, which an acceptor does not ask")
             : refuse(Status::kStaleHandle);
}

}  // namespace
}  // namespace usher::sspi

extern "C" SECURITY_STATUS QueryCredentialsAttributesA(PCredHandle credential, uint32_t attribute,
                                                       void* out) {
  return usher::sspi::query_credential<SecPkgCredentials_NamesA>(credential, attribute, out,
                                                                 UINT32_MAX);
}

extern "C" SECURITY_STATUS QueryCredentialsAttributesW(PCredHandle credential, uint32_t attribute,
                                                       void* out) {
  return usher::sspi::query_credential<SecPkgCredentials_NamesW>(credential, attribute, out,
                                                                 UINT32_MAX);
}

extern "C" SECURITY_STATUS QueryCredentialsAttributesExA(PCredHandle credential, uint32_t attribute,
                                                         void* out, uint32_t size) {
  return usher::sspi::query_credential<SecPkgCredentials_NamesA>(credential, attribute, out, size);
}

extern "C" SECURITY_STATUS QueryCredentialsAttributesExW(PCredHandle credential, uint32_t attribute,
                                                         void* out, uint32_t size) {
  return usher::sspi::query_credential<SecPkgCredentials_NamesW>(credential, attribute, out, size);
}

extern "C" SECURITY_STATUS SetCredentialsAttributesA(PCredHandle credential, uint32_t /*attribute*/,
                                                     void* /*in*/, uint32_t /*size*/) {
  return usher::sspi::set_credential(credential);
}

extern "C" SECURITY_STATUS SetCredentialsAttributesW(PCredHandle credential, uint32_t /*attribute*/,
                                                     void* /*in*/, uint32_t /*size*/) {
  return usher::sspi::set_credential(credential);
}
