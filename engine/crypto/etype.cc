// The etypes we serve and the names of those we do not.
#include "engine/crypto/etype.h"

namespace usher::crypto {
namespace {

constexpr EtypeProfile kAes128{
    .etype = Etype::kAes128CtsSha1, .key_size = 16, .confounder_size = 16, .tag_size = 12};
constexpr EtypeProfile kAes256{
    .etype = Etype::kAes256CtsSha1, .key_size = 32, .confounder_size = 16, .tag_size = 12};

}  // namespace

const EtypeProfile* profile_of(std::int32_t etype) noexcept {
  switch (etype) {
    case 17:
      return &kAes128;
    case 18:
      return &kAes256;
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
