#include "bench/bare_crypto.h"

#include <algorithm>
#include <ctime>

#include "engine/crypto/kerberos_keys.h"
#include "engine/crypto/sealing.h"
#include "tools/mint/ticket_shapes.h"

namespace usher::bench {
namespace {

constexpr std::size_t kConfounderSize = 16;
// EncAPRepPart with a subkey of AES-256 and a sequence number, as Usher answers.
constexpr std::size_t kReplyPartSize = 96;

BareKey key_of(const crypto::Key& key) {
  BareKey out{};
  std::ranges::copy(key.bytes(), out.begin());
  return out;
}

// opened gives the plaintext of a ciphertext with its confounder, which open leaves in front.
mint::Octets opened(crypto::Kit& kit, Bytes key, crypto::KeyUsage usage, Bytes cipher) {
  crypto::Key ke;
  mint::require(crypto::derive_encryption(kit, *crypto::profile_of(18), key, usage, ke),
                "no OpenSSL");
  mint::Octets plain(cipher.size() - kBareTagSize);
  mint::require(kit.cts_decrypt(ke.bytes(), cipher.first(plain.size()), plain), "no OpenSSL");
  return plain;
}

std::array<std::uint8_t, 16> constant_of(crypto::KeyUsage usage, std::uint8_t kind) {
  std::array<std::uint8_t, 5> text{};
  store_be(text, static_cast<std::uint32_t>(usage));
  text[4] = kind;  // RFC 3961 5.3
  std::array<std::uint8_t, 16> out{};
  crypto::n_fold(text, out);
  return out;
}

class Openssl final : public BareBackend {
 public:
  explicit Openssl(const BareWork& work) : work_(work) {
    mint::require(kit_ != nullptr, "no memory or no OpenSSL");
    for (Out& out : outs_) {
      out.ticket.resize(work.sign_ons[0].ticket.size() - kBareTagSize);
      out.authenticator.resize(work.sign_ons[0].authenticator.size() - kBareTagSize);
      out.reply.resize(work.sign_ons[0].reply_plain.size() + kBareTagSize);
    }
  }

  bool run(std::size_t begin, std::size_t count) noexcept override {
    bool good = true;
    for (std::size_t n = 0; n < count; ++n) {
      good = one(work_.sign_ons[begin + n], outs_[n]) && good;
    }
    return good;
  }
  Bytes ticket_plain(std::size_t n) const noexcept override { return outs_[n].ticket; }
  Bytes authenticator_plain(std::size_t n) const noexcept override {
    return outs_[n].authenticator;
  }
  Bytes reply(std::size_t n) const noexcept override { return outs_[n].reply; }

 private:
  struct Out {
    mint::Octets ticket;
    mint::Octets authenticator;
    mint::Octets reply;
  };

  bool open(Bytes ke, Bytes ki, Bytes cipher, MutableBytes plain) noexcept {
    std::array<std::uint8_t, 20> tag{};
    const Bytes covered = plain;
    return kit_->cts_decrypt(ke, cipher.first(plain.size()), plain) &&
           kit_->hmac_sha1(ki, {&covered, 1}, tag) &&
           std::ranges::equal(Bytes(tag).first(kBareTagSize), cipher.last(kBareTagSize));
  }

  // derive is RFC 3961's DR for a key of two blocks: each encrypts the one before.
  bool derive(const BareKey& base, const std::array<std::uint8_t, 16>& constant,
              BareKey& key) noexcept {
    std::array<std::uint8_t, 2 * 16> chain{};
    std::ranges::copy(constant, chain.begin());
    return kit_->cbc_encrypt(base, chain, key);
  }

  bool one(const BareSignOn& in, Out& out) noexcept {
    std::array<BareKey, 4> keys{};
    bool good = open(work_.ke, work_.ki, in.ticket, out.ticket);
    for (std::size_t n = 0; n < keys.size(); ++n) {
      good = derive(in.session_key, work_.constants[n], keys[n]) && good;
    }
    good = open(keys[0], keys[1], in.authenticator, out.authenticator) && good;
    const MutableBytes body = MutableBytes(out.reply).first(in.reply_plain.size());
    std::array<std::uint8_t, 20> tag{};
    const Bytes covered = in.reply_plain;
    good = kit_->hmac_sha1(keys[3], {&covered, 1}, tag) &&
           kit_->cts_encrypt(keys[2], in.reply_plain, body) && good;
    std::ranges::copy(Bytes(tag).first(kBareTagSize), out.reply.end() - kBareTagSize);
    return good;
  }

  const BareWork& work_;
  std::unique_ptr<crypto::Kit> kit_ = crypto::Kit::make();
  std::array<Out, kBareBatchMax> outs_;
};

}  // namespace

BareWork make_bare_work(std::size_t count) {
  using crypto::KeyUsage;
  const std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
  mint::require(kit != nullptr, "no memory or no OpenSSL");
  mint::SeededRandom random{20262};
  const mint::KerberosMint mint(*kit, random);
  const mint::Service service = mint::make_service(random, "HTTP/web.example.test@EXAMPLE.TEST");
  const std::int64_t now_s = std::time(nullptr);
  const mint::TicketShaper shaper(*kit, random, service, {}, now_s);
  const crypto::EtypeProfile& profile = *crypto::profile_of(18);
  BareWork work;
  crypto::Key ke;
  crypto::Key ki;
  mint::require(crypto::derive_encryption(*kit, profile, service.key, KeyUsage::kTicket, ke) &&
                    crypto::derive_integrity(*kit, profile, service.key, KeyUsage::kTicket, ki),
                "no OpenSSL");
  work.ke = key_of(ke);
  work.ki = key_of(ki);
  work.constants = {constant_of(KeyUsage::kApReqAuthenticator, 0xaa),
                    constant_of(KeyUsage::kApReqAuthenticator, 0x55),
                    constant_of(KeyUsage::kApRepEncPart, 0xaa),
                    constant_of(KeyUsage::kApRepEncPart, 0x55)};
  for (std::size_t n = 0; n < count; ++n) {
    const mint::Ticket ticket = shaper.make();
    mint::AuthenticatorFields fields;
    fields.ctime = now_s;
    fields.cusec = static_cast<std::uint32_t>(100'000 + n);
    fields.subkey_etype = 18;
    const mint::ApReq request = mint.ap_req(ticket, fields);
    const Result<krb5::ApReq> parsed = krb5::parse_ap_req(request.message);
    BareSignOn one;
    std::ranges::copy(ticket.session_key, one.session_key.begin());
    one.ticket = mint::octets_of(parsed->ticket.enc_part.cipher);
    one.authenticator = mint::octets_of(parsed->authenticator.cipher);
    one.ticket_plain = opened(*kit, service.key, KeyUsage::kTicket, one.ticket);
    one.authenticator_plain =
        opened(*kit, ticket.session_key, KeyUsage::kApReqAuthenticator, one.authenticator);
    one.reply_plain = mint::draw(random, kConfounderSize + kReplyPartSize);
    one.reply.resize(one.reply_plain.size() + kBareTagSize);
    const Bytes plain = one.reply_plain;
    mint::require(
        crypto::seal(*kit, profile, ticket.session_key, KeyUsage::kApRepEncPart,
                     plain.first(kConfounderSize), plain.subspan(kConfounderSize), one.reply),
        "encryption failed");
    work.sign_ons.push_back(std::move(one));
  }
  return work;
}

std::unique_ptr<BareBackend> make_bare_openssl(const BareWork& work) {
  return std::make_unique<Openssl>(work);
}

}  // namespace usher::bench
