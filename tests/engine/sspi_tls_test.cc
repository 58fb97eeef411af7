// Promise: usher_tls_server_end_point makes of a certificate what RFC 5929 4.1 says, with the hash
// that its signature uses, and of anything else nothing.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <usher/acceptor.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Octets = std::vector<std::uint8_t>;

// Signer is how a certificate is signed.
struct Signer {
  const char* name;
  const char* key;            // "RSA", "EC", "ED25519", "ED448"
  const char* digest;         // Null: the algorithm has none.
  const char* pss = nullptr;  // RSASSA-PSS: the hash function of its mask.
  const char* expected;       // The hash function of the bindings; null: undefined.
};

EVP_PKEY* key_of(std::string_view type) {
  static EVP_PKEY* const rsa = EVP_RSA_gen(2048);
  static EVP_PKEY* const ec = EVP_EC_gen("P-256");
  static EVP_PKEY* const ed25519 = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  static EVP_PKEY* const ed448 = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED448");
  return type == "RSA" ? rsa : type == "EC" ? ec : type == "ED25519" ? ed25519 : ed448;
}

// certificate_of is a self-signed certificate, as DER.
Octets certificate_of(const Signer& signer) {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
  X509* const x = certificate.get();
  X509_set_version(x, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
  X509_gmtime_adj(X509_getm_notBefore(x), 0);
  X509_gmtime_adj(X509_getm_notAfter(x), 3600);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("web.example.test"), -1, -1, 0);
  X509_set_issuer_name(x, X509_get_subject_name(x));
  EVP_PKEY* const key = key_of(signer.key);
  X509_set_pubkey(x, key);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  EVP_PKEY_CTX* parameters = nullptr;
  const EVP_MD* const digest =
      signer.digest == nullptr ? nullptr : EVP_get_digestbyname(signer.digest);
  EXPECT_EQ(EVP_DigestSignInit(context.get(), &parameters, digest, nullptr, key), 1);
  if (signer.pss != nullptr) {
    EXPECT_EQ(EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING), 1);
    EXPECT_EQ(EVP_PKEY_CTX_set_rsa_mgf1_md(parameters, EVP_get_digestbyname(signer.pss)), 1);
  }
  EXPECT_GT(X509_sign_ctx(x, context.get()), 0) << signer.name;
  Octets der(static_cast<std::size_t>(i2d_X509(x, nullptr)));
  unsigned char* at = der.data();
  i2d_X509(x, &at);
  return der;
}

// expected_bindings is the buffer, made with OpenSSL's own digest.
Octets expected_bindings(const Octets& der, const char* digest) {
  constexpr std::string_view kPrefix = "tls-server-end-point:";
  Octets hash(EVP_MAX_MD_SIZE);
  unsigned int size = 0;
  EXPECT_EQ(
      EVP_Digest(der.data(), der.size(), hash.data(), &size, EVP_get_digestbyname(digest), nullptr),
      1);
  SEC_CHANNEL_BINDINGS header{};
  header.cbApplicationDataLength = static_cast<std::uint32_t>(kPrefix.size() + size);
  header.dwApplicationDataOffset = sizeof(header);
  Octets out(sizeof(header) + kPrefix.size() + size);
  std::memcpy(out.data(), &header, sizeof(header));
  std::ranges::copy(kPrefix, out.begin() + sizeof(header));
  std::copy_n(hash.begin(), size, out.begin() + sizeof(header) + kPrefix.size());
  return out;
}

// Made is one call's outcome, with just as much room as `room` says.
struct Made {
  SECURITY_STATUS status;
  std::uint32_t size;
  Octets bindings;
};
Made make(const Octets& der, std::uint32_t room = USHER_TLS_BINDINGS_SIZE_MAX) {
  Made made{.status = SEC_E_OK, .size = room, .bindings = Octets(room)};
  made.status = usher_tls_server_end_point(der.data(), static_cast<std::uint32_t>(der.size()),
                                           made.bindings.data(), &made.size);
  if (made.status == SEC_E_OK) {
    made.bindings.resize(made.size);
  }
  return made;
}

class TlsServerEndPoint : public ::testing::TestWithParam<Signer> {};

TEST_P(TlsServerEndPoint, HasTheHashOfTheSignature) {
  const Octets der = certificate_of(GetParam());
  const Made made = make(der);
  if (GetParam().expected == nullptr) {
    EXPECT_EQ(made.status, SEC_E_UNSUPPORTED_FUNCTION);
    EXPECT_EQ(made.size, 0u);
    EXPECT_NE(std::strstr(usher_last_refusal(), "RFC 5929"), nullptr) << usher_last_refusal();
    return;
  }
  ASSERT_EQ(made.status, SEC_E_OK) << usher_last_refusal();
  EXPECT_EQ(made.bindings, expected_bindings(der, GetParam().expected));
}

INSTANTIATE_TEST_SUITE_P(
    Table, TlsServerEndPoint,
    ::testing::Values(
        Signer{.name = "RsaMd5", .key = "RSA", .digest = "MD5", .expected = "SHA256"},
        Signer{.name = "RsaSha1", .key = "RSA", .digest = "SHA1", .expected = "SHA256"},
        Signer{.name = "RsaSha224", .key = "RSA", .digest = "SHA224", .expected = "SHA224"},
        Signer{.name = "RsaSha256", .key = "RSA", .digest = "SHA256", .expected = "SHA256"},
        Signer{.name = "RsaSha384", .key = "RSA", .digest = "SHA384", .expected = "SHA384"},
        Signer{.name = "RsaSha512", .key = "RSA", .digest = "SHA512", .expected = "SHA512"},
        Signer{.name = "EcdsaSha1", .key = "EC", .digest = "SHA1", .expected = "SHA256"},
        Signer{.name = "EcdsaSha256", .key = "EC", .digest = "SHA256", .expected = "SHA256"},
        Signer{.name = "EcdsaSha512", .key = "EC", .digest = "SHA512", .expected = "SHA512"},
        Signer{.name = "RsaSha3", .key = "RSA", .digest = "SHA3-256", .expected = "SHA3-256"},
        Signer{
            .name = "PssSha1", .key = "RSA", .digest = "SHA1", .pss = "SHA1", .expected = "SHA256"},
        Signer{.name = "PssSha256",
               .key = "RSA",
               .digest = "SHA256",
               .pss = "SHA256",
               .expected = "SHA256"},
        Signer{.name = "PssSha384",
               .key = "RSA",
               .digest = "SHA384",
               .pss = "SHA384",
               .expected = "SHA384"},
        Signer{.name = "PssTwoHashes",
               .key = "RSA",
               .digest = "SHA384",
               .pss = "SHA256",
               .expected = nullptr},
        Signer{.name = "PssTwoHashesByDefault",
               .key = "RSA",
               .digest = "SHA256",
               .pss = "SHA1",
               .expected = nullptr},
        Signer{.name = "Ed25519", .key = "ED25519", .digest = nullptr, .expected = nullptr},
        Signer{.name = "Ed448", .key = "ED448", .digest = nullptr, .expected = nullptr}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

const Signer kUsual{.name = "", .key = "RSA", .digest = "SHA512", .expected = "SHA512"};

TEST(TlsServerEndPointCall, TellsTheSizeItNeeds) {
  const Octets der = certificate_of(kUsual);
  const auto needed = static_cast<std::uint32_t>(expected_bindings(der, "SHA512").size());
  EXPECT_EQ(needed, 32u + 21 + 64);
  EXPECT_LE(needed, USHER_TLS_BINDINGS_SIZE_MAX);
  for (const std::uint32_t room : {0u, 1u, 32u, needed - 1}) {
    const Made made = make(der, room);
    EXPECT_EQ(made.status, SEC_E_BUFFER_TOO_SMALL);
    EXPECT_EQ(made.size, needed);
    EXPECT_EQ(made.bindings, Octets(room)) << "nothing is half written";
  }
  EXPECT_EQ(make(der, needed).status, SEC_E_OK);
  std::uint32_t size = 0;
  EXPECT_EQ(usher_tls_server_end_point(der.data(), static_cast<std::uint32_t>(der.size()), nullptr,
                                       &size),
            SEC_E_BUFFER_TOO_SMALL);
  EXPECT_EQ(size, needed);
}

TEST(TlsServerEndPointCall, WantsOneWholeCertificate) {
  const Octets der = certificate_of(kUsual);
  EXPECT_EQ(make(der).status, SEC_E_OK);
  Octets longer = der;
  longer.push_back(0);
  EXPECT_EQ(make(longer).status, SEC_E_CERT_UNKNOWN);
  for (std::size_t size = 0; size < der.size(); size += 7) {
    EXPECT_EQ(make(Octets(der.begin(), der.begin() + static_cast<std::ptrdiff_t>(size))).status,
              size == 0 ? make(Octets{}).status : SEC_E_CERT_UNKNOWN);
  }
  const std::string pem = "-----BEGIN CERTIFICATE-----";
  EXPECT_EQ(make(Octets(pem.begin(), pem.end())).status, SEC_E_CERT_UNKNOWN);
}

TEST(TlsServerEndPointCall, RefusesNullPointers) {
  const Octets der = certificate_of(kUsual);
  const auto der_size = static_cast<std::uint32_t>(der.size());
  Octets room(USHER_TLS_BINDINGS_SIZE_MAX);
  std::uint32_t size = USHER_TLS_BINDINGS_SIZE_MAX;
  EXPECT_EQ(usher_tls_server_end_point(nullptr, der_size, room.data(), &size),
            SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(usher_tls_server_end_point(der.data(), der_size, room.data(), nullptr),
            SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(usher_tls_server_end_point(der.data(), der_size, nullptr, &size),
            SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(usher_tls_server_end_point(der.data(), der_size, room.data(), &size), SEC_E_OK);
}

}  // namespace
