// OpenSSL is not built with MemorySanitizer: what it reads goes unchecked there and what it writes
// counts as uninitialised. Under MemorySanitizer the Kit therefore stands behind a boundary that
// looks at what goes in and vouches for what comes out; otherwise it is Kit::make's.
#include "fuzz/support/kit_boundary.h"

#include <openssl/rand.h>

#include "fuzz/support/world.h"

namespace usher::fuzz {

#ifdef USHER_FUZZ_MSAN
namespace {

void goes_in(Bytes bytes) { __msan_check_mem_is_initialized(bytes.data(), bytes.size()); }
void goes_in(std::span<const Bytes> parts) {
  for (const Bytes part : parts) {
    goes_in(part);
  }
}

// comes_out runs one of OpenSSL's functions and vouches for what it wrote.
template <class Run>
bool comes_out(MutableBytes bytes, Run run) {
  const Abroad abroad;
  const bool done = run();
  __msan_unpoison(bytes.data(), bytes.size());
  return done;
}

class CheckedKit final : public crypto::Kit {
 public:
  explicit CheckedKit(std::unique_ptr<crypto::Kit> kit) : kit_(std::move(kit)) {}

  bool cts_encrypt(Bytes key, Bytes in, MutableBytes out) noexcept override {
    goes_in(key);
    goes_in(in);
    return comes_out(out, [&] { return kit_->cts_encrypt(key, in, out); });
  }
  bool cts_decrypt(Bytes key, Bytes in, MutableBytes out) noexcept override {
    goes_in(key);
    goes_in(in);
    return comes_out(out, [&] { return kit_->cts_decrypt(key, in, out); });
  }
  bool cbc_encrypt(Bytes key, Bytes in, MutableBytes out) noexcept override {
    goes_in(key);
    goes_in(in);
    return comes_out(out, [&] { return kit_->cbc_encrypt(key, in, out); });
  }
  bool cbc_decrypt(Bytes key, Bytes in, MutableBytes out) noexcept override {
    goes_in(key);
    goes_in(in);
    return comes_out(out, [&] { return kit_->cbc_decrypt(key, in, out); });
  }
  bool hmac_sha1(Bytes key, std::span<const Bytes> parts, MutableBytes out) noexcept override {
    goes_in(key);
    goes_in(parts);
    return comes_out(out, [&] { return kit_->hmac_sha1(key, parts, out); });
  }
  bool hmac_sha256(Bytes key, std::span<const Bytes> parts, MutableBytes out) noexcept override {
    goes_in(key);
    goes_in(parts);
    return comes_out(out, [&] { return kit_->hmac_sha256(key, parts, out); });
  }
  bool hmac_sha384(Bytes key, std::span<const Bytes> parts, MutableBytes out) noexcept override {
    goes_in(key);
    goes_in(parts);
    return comes_out(out, [&] { return kit_->hmac_sha384(key, parts, out); });
  }
  bool hmac_md5(Bytes key, std::span<const Bytes> parts, MutableBytes out) noexcept override {
    goes_in(key);
    goes_in(parts);
    return comes_out(out, [&] { return kit_->hmac_md5(key, parts, out); });
  }
  bool md5(std::span<const Bytes> parts, MutableBytes out) noexcept override {
    goes_in(parts);
    return comes_out(out, [&] { return kit_->md5(parts, out); });
  }
  bool md4(Bytes in, MutableBytes out) noexcept override {
    goes_in(in);
    return comes_out(out, [&] { return kit_->md4(in, out); });
  }
  bool des_encrypt(Bytes key, Bytes in, MutableBytes out) noexcept override {
    goes_in(key);
    goes_in(in);
    return comes_out(out, [&] { return kit_->des_encrypt(key, in, out); });
  }
  bool rc4(Bytes key, Bytes in, MutableBytes out) noexcept override {
    goes_in(key);
    goes_in(in);
    return comes_out(out, [&] { return kit_->rc4(key, in, out); });
  }

 private:
  std::unique_ptr<crypto::Kit> kit_;
};

}  // namespace

std::unique_ptr<crypto::Kit> make_kit() {
  const Abroad abroad;
  std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
  check(kit != nullptr, "OpenSSL has what the Kit needs");
  // OpenSSL makes its generators at the first draw, which otherwise some Accounts would be.
  std::uint8_t drawn = 0;
  check(RAND_bytes(&drawn, 1) == 1 && RAND_priv_bytes(&drawn, 1) == 1, "OpenSSL has randomness");
  return std::make_unique<CheckedKit>(std::move(kit));
}

#else

std::unique_ptr<crypto::Kit> make_kit() {
  std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
  check(kit != nullptr, "OpenSSL has what the Kit needs");
  return kit;
}

#endif

}  // namespace usher::fuzz
