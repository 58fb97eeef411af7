// The etypes we serve and the names of those we do not.
#include "engine/crypto/etype.h"

namespace usher::crypto {
namespace {

constexpr EtypeProfile kAes128Sha1{.etype = Etype::kAes128CtsSha1,
                                   .family = Family::kAesSha1,
                                   .strength = Strength::kAes,
                                   .key_size = 16,
                                   .confounder_size = 16,
                                   .tag_size = 12,
                                   .integrity_key_size = 16,
                                   .hmac_size = 20,
                                   .checksum_type = 15,
                                   .checksum_size = 12};
constexpr EtypeProfile kAes256Sha1{.etype = Etype::kAes256CtsSha1,
                                   .family = Family::kAesSha1,
                                   .strength = Strength::kAes,
                                   .key_size = 32,
                                   .confounder_size = 16,
                                   .tag_size = 12,
                                   .integrity_key_size = 32,
                                   .hmac_size = 20,
                                   .checksum_type = 16,
                                   .checksum_size = 12};
constexpr EtypeProfile kAes128Sha256{.etype = Etype::kAes128CtsSha256,
                                     .family = Family::kAesSha2,
                                     .strength = Strength::kAes,
                                     .key_size = 16,
                                     .confounder_size = 16,
                                     .tag_size = 16,
                                     .integrity_key_size = 16,
                                     .hmac_size = 32,
                                     .checksum_type = 19,
                                     .checksum_size = 16};
constexpr EtypeProfile kAes256Sha384{.etype = Etype::kAes256CtsSha384,
                                     .family = Family::kAesSha2,
                                     .strength = Strength::kAes,
                                     .key_size = 32,
                                     .confounder_size = 16,
                                     .tag_size = 24,
                                     .integrity_key_size = 24,
                                     .hmac_size = 48,
                                     .checksum_type = 20,
                                     .checksum_size = 24};
constexpr EtypeProfile kRc4{.etype = Etype::kRc4Hmac,
                            .family = Family::kRc4,
                            .strength = Strength::kRc4,
                            .key_size = 16,
                            .confounder_size = 8,
                            .tag_size = 16,
                            .integrity_key_size = 16,
                            .hmac_size = 16,
                            .checksum_type = -138,
                            .checksum_size = 16};

}  // namespace

const EtypeProfile* profile_of(std::int32_t etype) noexcept {
  switch (etype) {
    case 17:
      return &kAes128Sha1;
    case 18:
      return &kAes256Sha1;
    case 19:
      return &kAes128Sha256;
    case 20:
      return &kAes256Sha384;
    case 23:
      return &kRc4;
    default:
      return nullptr;
  }
}

std::string_view etype_name(std::int32_t etype) noexcept {
  switch (etype) {
    case 1:
      return "des-cbc-crc";
    case 2:
      return "des-cbc-md4";
    case 3:
      return "des-cbc-md5";
    case 16:
      return "des3-cbc-sha1";
    case 17:
      return "aes128-cts-hmac-sha1-96";
    case 18:
      return "aes256-cts-hmac-sha1-96";
    case 19:
      return "aes128-cts-hmac-sha256-128";
    case 20:
      return "aes256-cts-hmac-sha384-192";
    case 23:
      return "arcfour-hmac";
    case 24:
      return "arcfour-hmac-exp";
    case 25:
      return "camellia128-cts-cmac";
    case 26:
      return "camellia256-cts-cmac";
    default:
      return "unknown";
  }
}

}  // namespace usher::crypto
