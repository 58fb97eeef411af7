// Channel bindings of a TLS connection, made from the server's certificate (RFC 5929 4).
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <string_view>

#include "engine/sspi_internal.h"
#include "parsers/channel_bindings.h"

namespace usher::sspi {
namespace {

constexpr std::string_view kPrefix = "tls-server-end-point:";
static_assert(channel::kHeaderSize == sizeof(SEC_CHANNEL_BINDINGS));
static_assert(channel::kHeaderSize + kPrefix.size() + EVP_MAX_MD_SIZE <=
              USHER_TLS_BINDINGS_SIZE_MAX);

template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* pointer) const noexcept {
    kFree(pointer);
  }
};
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using PssParameters = std::unique_ptr<RSA_PSS_PARAMS, Freed<RSA_PSS_PARAMS_free>>;
using MaskAlgorithm = std::unique_ptr<X509_ALGOR, Freed<X509_ALGOR_free>>;

int nid_of(const X509_ALGOR* algorithm, int by_default) noexcept {
  return algorithm == nullptr ? by_default : OBJ_obj2nid(algorithm->algorithm);
}

// parameter_of returns an algorithm's parameter if it is a SEQUENCE, else null.
const ASN1_STRING* parameter_of(const X509_ALGOR* algorithm) noexcept {
  int type = V_ASN1_UNDEF;
  const void* value = nullptr;
  X509_ALGOR_get0(nullptr, &type, &value, algorithm);
  return type == V_ASN1_SEQUENCE ? static_cast<const ASN1_STRING*>(value) : nullptr;
}

// mask_hash_of is the hash function that a mask generation function uses: SHA-1 if it does not say
// (RFC 4055 3.1).
int mask_hash_of(const X509_ALGOR* mask) noexcept {
  if (mask == nullptr) {
    return NID_sha1;
  }
  const ASN1_STRING* const parameter = parameter_of(mask);
  if (OBJ_obj2nid(mask->algorithm) != NID_mgf1 || parameter == nullptr) {
    return NID_undef;
  }
  const MaskAlgorithm hash(
      static_cast<X509_ALGOR*>(ASN1_item_unpack(parameter, ASN1_ITEM_rptr(X509_ALGOR))));
  return hash == nullptr ? NID_undef : nid_of(hash.get(), NID_undef);
}

// single_hash_of is the one hash function of a certificate's signature, or NID_undef: there is
// none, as with Ed25519, whose own SHA-512 is part of the signature and no choice of the
// certificate's; or there are several, as with RSASSA-PSS whose mask is made with another one.
int single_hash_of(const X509& certificate) noexcept {
  const X509_ALGOR* algorithm = nullptr;
  X509_get0_signature(nullptr, &algorithm, &certificate);
  if (nid_of(algorithm, NID_undef) != NID_rsassaPss) {
    int hash = NID_undef;
    return OBJ_find_sigid_algs(nid_of(algorithm, NID_undef), &hash, nullptr) == 1 ? hash
                                                                                  : NID_undef;
  }
  const ASN1_STRING* const parameter = parameter_of(algorithm);
  const PssParameters pss(parameter == nullptr ? nullptr
                                               : static_cast<RSA_PSS_PARAMS*>(ASN1_item_unpack(
                                                     parameter, ASN1_ITEM_rptr(RSA_PSS_PARAMS))));
  if (pss == nullptr) {
    return NID_undef;
  }
  const int hash = nid_of(pss->hashAlgorithm, NID_sha1);
  return hash == mask_hash_of(pss->maskGenAlgorithm) ? hash : NID_undef;
}

// read_certificate wants all of `der`, and nothing behind it.
Certificate read_certificate(Bytes der) noexcept {
  if (der.empty() || der.size() > std::numeric_limits<long>::max()) {
    return nullptr;
  }
  const unsigned char* at = der.data();
  Certificate certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  return at == der.data() + der.size() ? std::move(certificate) : nullptr;
}

SECURITY_STATUS make_end_point(Bytes der, MutableBytes out, std::uint32_t& size) noexcept {
  const Certificate certificate = read_certificate(der);
  if (certificate == nullptr) {
    return refuse(SEC_E_CERT_UNKNOWN, "this is no X.509 certificate in DER");
  }
  const int hash = single_hash_of(*certificate);
  //= RFC 5929 4.1: MD5 and SHA-1 give way to SHA-256; any other single hash function is used as it
  //= is; where there is none, or are several, these channel bindings are not defined.
  const EVP_MD* const digest =
      hash == NID_undef
          ? nullptr
          : EVP_get_digestbynid(hash == NID_md5 || hash == NID_sha1 ? NID_sha256 : hash);
  if (digest == nullptr) {
    return refuse(
        SEC_E_UNSUPPORTED_FUNCTION,
        "RFC 5929 4.1 defines no tls-server-end-point for this certificate: its "
        "signature has no hash function of its own, or several, or one that is not known");
  }
  std::array<std::uint8_t, kPrefix.size() + EVP_MAX_MD_SIZE> data{};
  std::ranges::copy(kPrefix, data.begin());
  unsigned int digest_size = 0;
  if (EVP_Digest(der.data(), der.size(), std::span(data).subspan(kPrefix.size()).data(),
                 &digest_size, digest, nullptr) != 1) {
    return refuse(Status::kInternal);
  }
  const Bytes application_data = std::span(data).first(kPrefix.size() + digest_size);
  size = static_cast<std::uint32_t>(channel::kHeaderSize + application_data.size());
  return channel::write_sec_channel_bindings(application_data, out) != 0
             ? SEC_E_OK
             : refuse(SEC_E_BUFFER_TOO_SMALL, "the bindings need more room");
}

}  // namespace
}  // namespace usher::sspi

extern "C" SECURITY_STATUS usher_tls_server_end_point(const void* certificate,
                                                      uint32_t certificate_size, void* bindings,
                                                      uint32_t* bindings_size) {
  namespace sspi = usher::sspi;
  if (certificate == nullptr || bindings_size == nullptr ||
      (bindings == nullptr && *bindings_size != 0)) {
    return sspi::refuse(SEC_E_INVALID_PARAMETER, "certificate, bindings or bindings_size is null");
  }
  const usher::MutableBytes out(static_cast<std::uint8_t*>(bindings), *bindings_size);
  *bindings_size = 0;
  return sspi::make_end_point({static_cast<const std::uint8_t*>(certificate), certificate_size},
                              out, *bindings_size);
}
