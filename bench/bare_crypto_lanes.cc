// Sign-ons side by side in this project's own lanes for x86: what Usher's stages take on a CPU that
// has them, called with nothing around it.
#include <algorithm>
#include <cstring>
#include <memory>

#include "bench/bare_crypto.h"
#include "engine/crypto/lanes.h"

namespace usher::bench {
namespace {

using crypto::AesDirection;
using crypto::Digest;

constexpr std::size_t kTextMax = 1024;
constexpr std::size_t kHashSize = 20;

// Seat is one sign-on's working memory.
struct Seat {
  std::array<std::uint8_t, kTextMax> ticket;
  std::array<std::uint8_t, kTextMax> authenticator;
  std::array<std::uint8_t, kTextMax> reply_text;
  std::array<std::uint8_t, kTextMax> reply;
  std::array<std::uint8_t, kHashSize> tag;
  crypto::AesKey authenticator_ke;
  crypto::AesKey reply_ke;
  crypto::HmacKey authenticator_ki;
  crypto::HmacKey reply_ki;
};

class OwnLanes final : public BareBackend {
 public:
  OwnLanes(const BareWork& work, std::unique_ptr<crypto::Kit> kit,
           std::unique_ptr<crypto::Lanes> lanes)
      : work_(work), kit_(std::move(kit)), lanes_(std::move(lanes)) {
    service_ke_.expand(work.ke, AesDirection::kDecrypt);
    service_ki_.prepare(Digest::kSha1, work.ki);
    std::ranges::copy(work.constants, inputs_.begin());
  }

  bool run(std::size_t begin, std::size_t count) noexcept override {
    begin_ = begin;
    count_ = count;
    return open(&BareSignOn::ticket, &Seat::ticket, nullptr, nullptr) && derive() &&
           open(&BareSignOn::authenticator, &Seat::authenticator, &Seat::authenticator_ke,
                &Seat::authenticator_ki) &&
           seal();
  }
  Bytes ticket_plain(std::size_t n) const noexcept override {
    return Bytes(seats_[n].ticket).first(in(n).ticket.size() - kBareTagSize);
  }
  Bytes authenticator_plain(std::size_t n) const noexcept override {
    return Bytes(seats_[n].authenticator).first(in(n).authenticator.size() - kBareTagSize);
  }
  Bytes reply(std::size_t n) const noexcept override {
    return Bytes(seats_[n].reply).first(in(n).reply_plain.size() + kBareTagSize);
  }

 private:
  const BareSignOn& in(std::size_t n) const noexcept { return work_.sign_ons[begin_ + n]; }

  // open decrypts, and compares HMACs; with the service's keys where none are named.
  bool open(mint::Octets BareSignOn::*from, std::array<std::uint8_t, kTextMax> Seat::*to,
            crypto::AesKey Seat::*ke, crypto::HmacKey Seat::*ki) noexcept {
    for (std::size_t n = 0; n < count_; ++n) {
      Seat& seat = seats_[n];
      const Bytes cipher = in(n).*from;
      const std::size_t size = cipher.size() - kBareTagSize;
      const MutableBytes plain = std::span(seat.*to).first(size);
      decrypt_[n] = {.key = ke == nullptr ? &service_ke_ : &(seat.*ke),
                     .in = cipher.first(size),
                     .out = plain};
      hmac_[n] = {
          .key = ki == nullptr ? &service_ki_ : &(seat.*ki), .text = plain, .out = seat.tag};
    }
    bool good = lanes_->cts_decrypt(std::span(decrypt_).first(count_)) &&
                lanes_->hmac(Digest::kSha1, std::span(hmac_).first(count_));
    for (std::size_t n = 0; n < count_; ++n) {
      const Bytes cipher = in(n).*from;
      good =
          std::memcmp(seats_[n].tag.data(), cipher.last(kBareTagSize).data(), kBareTagSize) == 0 &&
          good;
    }
    return good;
  }

  bool derive() noexcept {
    for (std::size_t n = 0; n < count_; ++n) {
      Seat& seat = seats_[n];
      derive_[n] = {.base = in(n).session_key,
                    .keys = {seat.authenticator_ke.room(kBareKeySize).data(),
                             seat.authenticator_ki.room(kBareKeySize).data(),
                             seat.reply_ke.room(kBareKeySize).data(),
                             seat.reply_ki.room(kBareKeySize).data()}};
      hmac_keys_[2 * n] = &seat.authenticator_ki;
      hmac_keys_[2 * n + 1] = &seat.reply_ki;
      decryption_keys_[n] = &seat.authenticator_ke;
      encryption_keys_[n] = &seat.reply_ke;
    }
    const bool good = lanes_->derive(inputs_, std::span(derive_).first(count_));
    lanes_->prepare(Digest::kSha1, std::span(hmac_keys_).first(2 * count_));
    lanes_->expand(AesDirection::kDecrypt, std::span(decryption_keys_).first(count_));
    lanes_->expand(AesDirection::kEncrypt, std::span(encryption_keys_).first(count_));
    return good;
  }

  bool seal() noexcept {
    for (std::size_t n = 0; n < count_; ++n) {
      Seat& seat = seats_[n];
      const Bytes plain = in(n).reply_plain;
      const MutableBytes text = std::span(seat.reply_text).first(plain.size());
      copy(plain, text);  // Encryption overwrites it.
      hmac_[n] = {.key = &seat.reply_ki, .text = plain, .out = seat.tag};
      encrypt_[n] = {
          .key = &seat.reply_ke, .text = text, .out = std::span(seat.reply).first(plain.size())};
    }
    const bool good = lanes_->hmac(Digest::kSha1, std::span(hmac_).first(count_)) &&
                      lanes_->cts_encrypt(std::span(encrypt_).first(count_));
    for (std::size_t n = 0; n < count_; ++n) {
      copy(Bytes(seats_[n].tag).first(kBareTagSize),
           std::span(seats_[n].reply).subspan(in(n).reply_plain.size()));
    }
    return good;
  }

  const BareWork& work_;
  std::unique_ptr<crypto::Kit> kit_;
  std::unique_ptr<crypto::Lanes> lanes_;
  std::vector<Seat> seats_ = std::vector<Seat>(kBareBatchMax);
  crypto::AesKey service_ke_;
  crypto::HmacKey service_ki_;
  crypto::DeriveInputs inputs_{};
  std::array<crypto::CtsDecryptJob, kBareBatchMax> decrypt_;
  std::array<crypto::CtsEncryptJob, kBareBatchMax> encrypt_;
  std::array<crypto::HmacJob, kBareBatchMax> hmac_;
  std::array<crypto::DeriveJob, kBareBatchMax> derive_;
  std::array<crypto::HmacKey*, 2 * kBareBatchMax> hmac_keys_{};
  std::array<crypto::AesKey*, kBareBatchMax> decryption_keys_{};
  std::array<crypto::AesKey*, kBareBatchMax> encryption_keys_{};
  std::size_t begin_ = 0;
  std::size_t count_ = 0;
};

}  // namespace

std::unique_ptr<BareBackend> make_bare_lanes(const BareWork& work) {
  std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
  if (kit == nullptr) {
    return nullptr;
  }
  std::unique_ptr<crypto::Lanes> lanes = crypto::Lanes::make(*kit, crypto::LanesChoice::kX86);
  return lanes == nullptr ? nullptr
                          : std::make_unique<OwnLanes>(work, std::move(kit), std::move(lanes));
}

}  // namespace usher::bench
