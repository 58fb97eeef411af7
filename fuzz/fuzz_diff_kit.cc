// The Kit on OpenSSL, and what is built on it, beside MIT's own ciphers and digests (k5crypto as
// Debian builds it has no OpenSSL in it).
#include <krb5/krb5.h>

#include <array>
#include <vector>

#include "engine/crypto/checksum.h"
#include "engine/crypto/ticket_batch.h"
#include "fuzz/fuzz_target.h"

// k5crypto exports it and declares it in no installed header; sizes are in bits.
extern "C" void krb5int_nfold(unsigned in_bits, const unsigned char* in, unsigned out_bits,
                              unsigned char* out);

namespace usher::fuzz {
namespace {

using crypto::EtypeProfile;
using crypto::KeyUsage;
using crypto::Outcome;
using Octets = std::vector<std::uint8_t>;

constexpr std::int32_t kRc4 = 23;

crypto::Kit& kit() {
  static const std::unique_ptr<crypto::Kit> made = crypto::Kit::make();
  return *made;
}

crypto::Lanes& lanes() {
  static const auto made = crypto::Lanes::make(kit(), crypto::LanesChoice::kOpenssl);
  return *made;
}

// Draw takes an input apart: a choice, a number, a key, and all the rest.
struct Draw {
  explicit Draw(Bytes input) {
    const auto take = [&](MutableBytes out) {
      const std::size_t size = std::min(out.size(), input.size());
      std::copy_n(input.data(), size, out.data());
      input = input.subspan(size);
    };
    std::array<std::uint8_t, 6> head{};
    take(head);
    operation = head[0];
    constexpr std::array<std::int32_t, 8> kEtypes = {18, 17, 20, 19, 23, 23, 23, 23};
    etype = kEtypes[head[1] % 8];
    number = load_be<std::uint32_t>(Bytes(head).subspan(2));
    take(key);
    rest = input;
  }

  [[nodiscard]] const EtypeProfile& profile() const { return *crypto::profile_of(etype); }
  [[nodiscard]] Bytes session_key() const { return Bytes(key).first(profile().key_size); }

  std::uint8_t operation = 0;
  std::int32_t etype = 0;
  std::uint32_t number = 0;  // A key usage, or which octet is spoilt.
  std::array<std::uint8_t, 32> key{};
  Bytes rest;
};

krb5_data borrowed(Bytes octets) {
  krb5_data data{};
  data.length = static_cast<unsigned>(octets.size());
  data.data = const_cast<char*>(reinterpret_cast<const char*>(octets.data()));
  return data;
}

krb5_keyblock keyblock(std::int32_t etype, Bytes key) {
  krb5_keyblock block{};
  block.enctype = etype;
  block.length = static_cast<unsigned>(key.size());
  block.contents = const_cast<krb5_octet*>(key.data());
  return block;
}

// What MIT does, or nothing if it refuses.
struct Mit {
  std::int32_t etype;
  Bytes key;
  std::uint32_t usage;

  [[nodiscard]] Octets encrypt(Bytes plain) const {
    const krb5_keyblock block = keyblock(etype, key);
    std::size_t size = 0;
    check(krb5_c_encrypt_length(nullptr, etype, plain.size(), &size) == 0, "MIT knows the etype");
    Octets cipher(size);
    krb5_enc_data sealed{};
    sealed.ciphertext = borrowed(cipher);
    const krb5_data input = borrowed(plain);
    check(krb5_c_encrypt(nullptr, &block, krb5_keyusage(usage), nullptr, &input, &sealed) == 0,
          "MIT can encrypt");
    return cipher;
  }

  // decrypt returns whether the ciphertext is genuine.
  [[nodiscard]] bool decrypt(Bytes cipher, Octets& plain) const {
    const krb5_keyblock block = keyblock(etype, key);
    plain.assign(cipher.size(), 0);
    krb5_enc_data sealed{};
    sealed.enctype = etype;
    sealed.ciphertext = borrowed(cipher);
    krb5_data output = borrowed(plain);
    if (krb5_c_decrypt(nullptr, &block, krb5_keyusage(usage), nullptr, &sealed, &output) != 0) {
      return false;
    }
    plain.resize(output.length);
    return true;
  }

  [[nodiscard]] Octets checksum(krb5_cksumtype type, Bytes text) const {
    const krb5_keyblock block = keyblock(etype, key);
    const krb5_data input = borrowed(text);
    krb5_checksum sum{};
    check(krb5_c_make_checksum(nullptr, type, key.empty() ? nullptr : &block, krb5_keyusage(usage),
                               &input, &sum) == 0,
          "MIT can make the checksum");
    Octets octets(sum.contents, sum.contents + sum.length);
    krb5_free_checksum_contents(nullptr, &sum);
    return octets;
  }
};

bool same(Bytes a, Bytes b) { return std::ranges::equal(a, b); }

// ours_opens opens as tickets (key usage 2) or authenticators (11) are opened.
Outcome ours_opens(const Draw& draw, bool ticket, Bytes cipher, Octets& plain) {
  Octets arena(crypto::opening_room(cipher.size()));
  Bytes opened;
  Outcome outcome{};
  if (ticket) {
    crypto::ServiceKey key;
    check(make_service_key(kit(), draw.profile(), draw.session_key(), key), "keys can be derived");
    crypto::TicketJob job{.key = &key, .cipher = cipher, .room = arena};
    open_tickets(lanes(), {&job, 1});
    opened = job.opened;
    outcome = job.outcome;
  } else {
    crypto::SessionKeys keys;
    crypto::AuthenticatorJob job{.profile = &draw.profile(),
                                 .session_key = draw.session_key(),
                                 .keys = &keys,
                                 .cipher = cipher,
                                 .room = arena};
    open_authenticators(lanes(), {&job, 1});
    opened = job.opened;
    outcome = job.outcome;
  }
  plain.assign(opened.begin(), opened.end());
  return outcome;
}

std::uint32_t usage_of(bool ticket) {
  return std::uint32_t(ticket ? KeyUsage::kTicket : KeyUsage::kApReqAuthenticator);
}

// What MIT seals we open; with one octet spoilt, neither does.
void check_opening(const Draw& draw, bool ticket) {
  const Mit mit{draw.etype, draw.session_key(), usage_of(ticket)};
  Octets cipher = mit.encrypt(draw.rest);
  Octets plain;
  check(ours_opens(draw, ticket, cipher, plain) == Outcome::kDone && same(plain, draw.rest),
        "we open what MIT seals");
  cipher[draw.number % cipher.size()] ^= static_cast<std::uint8_t>(1u << draw.number / 7 % 8);
  check(!mit.decrypt(cipher, plain), "MIT notices a changed bit");
  check(ours_opens(draw, ticket, cipher, plain) == Outcome::kForged && plain.empty(),
        "we notice a changed bit");
}

// Any octets at all: hardly ever genuine, and of every size.
void check_verdict(const Draw& draw, bool ticket) {
  const Mit mit{draw.etype, draw.session_key(), usage_of(ticket)};
  Octets ours;
  Octets theirs;
  const bool opened = ours_opens(draw, ticket, draw.rest, ours) == Outcome::kDone;
  check(opened == mit.decrypt(draw.rest, theirs), "the same octets are genuine to both");
  check(!opened || same(ours, theirs), "and say the same");
}

// What we seal MIT opens.
void check_sealing(const Draw& draw) {
  const EtypeProfile& profile = draw.profile();
  const std::size_t confounder_size = profile.confounder_size;
  Octets cipher(profile.overhead() + draw.rest.size());
  const Bytes confounder = Bytes(draw.key).last(confounder_size);
  Octets room(crypto::sealing_room(draw.rest.size()));
  crypto::SessionKeys keys;
  crypto::SealJob job{.profile = &profile,
                      .session_key = draw.session_key(),
                      .keys = &keys,
                      .confounder = confounder,
                      .plain = draw.rest,
                      .room = room,
                      .cipher = cipher};
  seal_replies(lanes(), {&job, 1});
  check(job.outcome == Outcome::kDone, "a reply can be sealed");
  Octets plain;
  check(Mit{draw.etype, draw.session_key(), std::uint32_t(KeyUsage::kApRepEncPart)}.decrypt(cipher,
                                                                                            plain),
        "MIT opens what we seal");
  check(same(plain, draw.rest), "and reads what we sealed");
}

// The same for any key usage, and opened again by ourselves.
void check_any_usage(const Draw& draw) {
  const EtypeProfile& profile = draw.profile();
  const auto usage = KeyUsage(draw.number);
  const Bytes confounder = Bytes(draw.key).first(profile.confounder_size);
  Octets cipher(profile.overhead() + draw.rest.size());
  Octets room(cipher.size());
  Bytes opened;
  check(crypto::seal(kit(), profile, draw.session_key(), usage, confounder, draw.rest, cipher),
        "the kit works");
  check(crypto::open_sealed(kit(), profile, draw.session_key(), usage, cipher, room, opened) ==
                Outcome::kDone &&
            same(opened, draw.rest),
        "decryption undoes encryption");
  Octets plain;
  check(Mit{draw.etype, draw.session_key(), draw.number}.decrypt(cipher, plain) &&
            same(plain, draw.rest),
        "MIT opens it under any key usage");
}

// Checksums of any key usage; the text in two parts of any size.
void check_checksum(const Draw& draw) {
  const EtypeProfile& profile = draw.profile();
  crypto::ChecksumKey key;
  check(make_checksum_key(kit(), profile, draw.session_key(), KeyUsage(draw.number), key),
        "Kc can be derived");
  const std::size_t cut = draw.key[31] % (draw.rest.size() + 1);
  const Bytes parts[] = {draw.rest.first(cut), draw.rest.subspan(cut)};
  Octets checksum(profile.checksum_size);
  check(write_checksum(kit(), key, parts, checksum), "the kit works");
  const Mit mit{draw.etype, draw.session_key(), draw.number};
  check(same(mit.checksum(profile.checksum_type, draw.rest), checksum), "checksums are equal");
  check(check_checksum(kit(), key, profile.checksum_type, parts, checksum), "and right");
  checksum[draw.number % checksum.size()] ^= 0x20;
  check(!check_checksum(kit(), key, profile.checksum_type, parts, checksum), "unless changed");
}

// RFC 4757 4: the checksum is HMAC-MD5 over MD5, under a key made by HMAC-MD5.
void check_rc4_checksum(const Draw& draw) {
  constexpr std::uint8_t kSignatureKey[] = "signaturekey";  // With its NUL.
  constexpr std::array<std::uint8_t, 4> kUsage = {17, 0, 0, 0};
  const Bytes base = Bytes(draw.key).first(16);
  std::array<std::uint8_t, 16> key{};
  std::array<std::uint8_t, 16> digest{};
  std::array<std::uint8_t, 16> sum{};
  const Bytes label[] = {kSignatureKey};
  const Bytes text[] = {kUsage, draw.rest};
  const Bytes digests[] = {digest};
  check(kit().hmac_md5(base, label, key) && kit().md5(text, digest) &&
            kit().hmac_md5(key, digests, sum),
        "the kit works");
  check(same(Mit{kRc4, base, 17}.checksum(CKSUMTYPE_HMAC_MD5_ARCFOUR, draw.rest), sum),
        "RC4's checksums are equal");
}

// RFC 4757 5: what MIT encrypts, decrypted with our HMAC-MD5 and RC4.
void check_rc4(const Draw& draw) {
  constexpr std::array<std::uint8_t, 4> kUsage = {2, 0, 0, 0};
  const Bytes base = Bytes(draw.key).first(16);
  const Octets cipher = Mit{kRc4, base, 2}.encrypt(draw.rest);
  const Bytes tag = Bytes(cipher).first(16);
  std::array<std::uint8_t, 16> k1{};
  std::array<std::uint8_t, 16> k3{};
  std::array<std::uint8_t, 16> sum{};
  Octets plain(cipher.size() - 16);
  const Bytes usage[] = {kUsage};
  const Bytes tags[] = {tag};
  const Bytes plains[] = {plain};
  check(kit().hmac_md5(base, usage, k1) && kit().hmac_md5(k1, tags, k3) &&
            kit().rc4(k3, Bytes(cipher).subspan(16), plain) && kit().hmac_md5(k1, plains, sum),
        "the kit works");
  check(same(sum, tag) && same(Bytes(plain).subspan(8), draw.rest), "we open MIT's RC4");
}

// Digests without a key; MD4 is what RC4's keys are made of (RFC 4757 2), of UTF-16 passwords.
void check_digests(const Draw& draw) {
  const std::size_t cut = draw.key[31] % (draw.rest.size() + 1);
  const Bytes parts[] = {draw.rest.first(cut), draw.rest.subspan(cut)};
  std::array<std::uint8_t, 16> digest{};
  check(kit().md5(parts, digest), "the kit works");
  check(same(Mit{0, {}, 0}.checksum(CKSUMTYPE_RSA_MD5, draw.rest), digest), "MD5 is MD5");

  Octets ascii(draw.rest.begin(), draw.rest.end());
  Octets utf16;
  for (std::uint8_t& octet : ascii) {
    octet = static_cast<std::uint8_t>(octet % 0x7e + 1);
    utf16.push_back(octet);
    utf16.push_back(0);
  }
  const krb5_data password = borrowed(ascii);
  const krb5_data salt{};
  krb5_keyblock key{};
  check(
      krb5_c_string_to_key(nullptr, kRc4, &password, &salt, &key) == 0 && kit().md4(utf16, digest),
      "both can digest a password");
  check(same({key.contents, key.length}, digest), "MD4 is MD4");
  krb5_free_keyblock_contents(nullptr, &key);
}

void check_n_fold(const Draw& draw) {
  const std::size_t in_size = std::min<std::size_t>(draw.rest.size(), 64);
  const std::size_t out_size = draw.number % 64 + 1;
  if (in_size == 0) {
    return;
  }
  std::array<std::uint8_t, 64> ours{};
  std::array<std::uint8_t, 64> theirs{};
  crypto::n_fold(draw.rest.first(in_size), MutableBytes(ours).first(out_size));
  krb5int_nfold(static_cast<unsigned>(in_size * 8), draw.rest.data(),
                static_cast<unsigned>(out_size * 8), theirs.data());
  check(ours == theirs, "n-folds are equal");
}

}  // namespace

void run_one(Bytes input) {
  const Draw draw(input);
  switch (draw.operation % 11) {
    case 0:
      return check_opening(draw, true);
    case 1:
      return check_opening(draw, false);
    case 2:
      return check_verdict(draw, true);
    case 3:
      return check_verdict(draw, false);
    case 4:
      return check_sealing(draw);
    case 5:
      return check_any_usage(draw);
    case 6:
      return check_checksum(draw);
    case 7:
      return check_rc4_checksum(draw);
    case 8:
      return check_rc4(draw);
    case 9:
      return check_digests(draw);
    default:
      return check_n_fold(draw);
  }
}

}  // namespace usher::fuzz
