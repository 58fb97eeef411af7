// Sign-ons side by side: each step is one call to ipsec-mb for all of them. HMACs with keys that
// are new are two plain SHA-1 jobs with the padded key in front, which is faster than making the
// states first.
#define NO_COMPAT_IMB_API_053
#include <intel-ipsec-mb.h>

#include <algorithm>
#include <cstring>

#include "bench/bare_crypto.h"

namespace usher::bench {
namespace {

constexpr std::size_t kBlock = 16;
constexpr std::size_t kHashBlock = 64;
constexpr std::size_t kHashSize = 20;
constexpr std::size_t kTextMax = 1024;

struct Schedule {
  alignas(16) std::array<std::uint8_t, kBlock * 15> keys;
};

// Text is a message behind room for a padded key.
struct Text {
  alignas(64) std::array<std::uint8_t, kHashBlock> pad;
  std::array<std::uint8_t, kTextMax> text;
};

// Seat is one sign-on's working memory.
struct Seat {
  Text ticket;
  Text authenticator;
  Text reply;
  std::array<std::uint8_t, kHashBlock + kHashSize> outer;  // Second half of an HMAC.
  std::array<std::uint8_t, kHashSize> tag;
  Schedule base;
  Schedule unused;  // Key expansion makes both directions.
  std::array<Schedule, 2> derived;
  alignas(16) std::array<BareKey, 4> keys;
  alignas(16) std::array<std::uint8_t, kBlock> tail;
  std::array<std::uint8_t, kTextMax> padded;
  std::array<std::uint8_t, kTextMax> reply_out;
};

class IpsecMb final : public BareBackend {
 public:
  IpsecMb(const BareWork& work, IMB_MGR* manager)
      : work_(work), manager_(manager), seats_(kBareBatchMax) {
    init_mb_mgr_auto(manager_, nullptr);
    Schedule unused;
    IMB_AES_KEYEXP_256(manager_, work.ke.data(), unused.keys.data(), service_.keys.data());
    one_block(work.ki, 0x36, inner_);
    one_block(work.ki, 0x5c, outer_);
  }
  ~IpsecMb() override { free_mb_mgr(manager_); }

  bool run(std::size_t begin, std::size_t count) noexcept override {
    begin_ = begin;
    count_ = count;
    bool good = open(&BareSignOn::ticket, &Seat::ticket, nullptr);
    good = check_tickets() && good;
    good = derive() && good;
    good = open(&BareSignOn::authenticator, &Seat::authenticator, &Seat::derived) && good;
    good = check_authenticators() && good;
    return seal() && good;
  }
  Bytes ticket_plain(std::size_t n) const noexcept override {
    return Bytes(seats_[n].ticket.text).first(in(n).ticket.size() - kBareTagSize);
  }
  Bytes authenticator_plain(std::size_t n) const noexcept override {
    return Bytes(seats_[n].authenticator.text).first(in(n).authenticator.size() - kBareTagSize);
  }
  Bytes reply(std::size_t n) const noexcept override {
    return Bytes(seats_[n].reply_out).first(in(n).reply_plain.size() + kBareTagSize);
  }

 private:
  const BareSignOn& in(std::size_t n) const noexcept { return work_.sign_ons[begin_ + n]; }

  void one_block(const BareKey& key, std::uint8_t pad,
                 std::array<std::uint8_t, kHashSize>& state) noexcept {
    std::array<std::uint8_t, kHashBlock> block;
    block.fill(pad);
    for (std::size_t n = 0; n < key.size(); ++n) {
      block[n] ^= key[n];
    }
    IMB_SHA1_ONE_BLOCK(manager_, block.data(), state.data());
  }

  bool cipher(IMB_CIPHER_DIRECTION direction) noexcept {
    return IMB_SUBMIT_CIPHER_BURST_NOCHECK(manager_, jobs_.data(), used_, IMB_CIPHER_CBC, direction,
                                           IMB_KEY_256_BYTES) == used_;
  }
  void add(const Schedule& key, const std::uint8_t* from, std::uint8_t* to, std::size_t size,
           const std::uint8_t* iv) noexcept {
    IMB_JOB& job = jobs_[used_++];
    job.enc_keys = key.keys.data();
    job.dec_keys = key.keys.data();
    job.key_len_in_bytes = kBareKeySize;
    job.src = from;
    job.dst = to;
    job.iv = iv;
    job.iv_len_in_bytes = kBlock;
    job.cipher_start_src_offset_in_bytes = 0;
    job.msg_len_to_cipher_in_bytes = size;
  }

  // open decrypts with ciphertext stealing: all but the last block as CBC, which leaves the last
  // one's key stream; then the block that was put together from the two.
  bool open(mint::Octets BareSignOn::*from, Text Seat::*to,
            std::array<Schedule, 2> Seat::*keys) noexcept {
    used_ = 0;
    for (std::size_t n = 0; n < count_; ++n) {
      const mint::Octets& text = in(n).*from;
      const std::size_t whole = (text.size() - kBareTagSize - 1) / kBlock * kBlock;
      add(keys == nullptr ? service_ : (seats_[n].*keys)[0], text.data(),
          (seats_[n].*to).text.data(), whole, zero_.data());
    }
    bool good = cipher(IMB_DIR_DECRYPT);
    used_ = 0;
    for (std::size_t n = 0; n < count_; ++n) {
      Seat& seat = seats_[n];
      const mint::Octets& text = in(n).*from;
      const std::size_t size = text.size() - kBareTagSize;
      const std::size_t whole = (size - 1) / kBlock * kBlock;
      std::uint8_t* const plain = (seat.*to).text.data();
      const std::uint8_t* const before = text.data() + whole - 2 * kBlock;  // Of the last but one.
      std::uint8_t* const stream = plain + whole - kBlock;  // D(last but one) xor `before`.
      for (std::size_t i = 0; i < kBlock; ++i) {
        const std::uint8_t key = stream[i] ^ before[i];
        seat.tail[i] = whole + i < size ? text[whole + i] : key;
        plain[whole + i] = key ^ seat.tail[i];  // Beyond the end: zeros.
      }
      add(keys == nullptr ? service_ : (seat.*keys)[0], seat.tail.data(), stream, kBlock, before);
    }
    return cipher(IMB_DIR_DECRYPT) && good;
  }

  // check_tickets compares HMACs with the service's key, whose states are known.
  bool check_tickets() noexcept {
    for (std::size_t n = 0; n < count_; ++n) {
      IMB_JOB& job = jobs_[n];
      job.src = seats_[n].ticket.text.data();
      job.hash_start_src_offset_in_bytes = 0;
      job.msg_len_to_hash_in_bytes = in(n).ticket.size() - kBareTagSize;
      job.auth_tag_output = seats_[n].tag.data();
      job.auth_tag_output_len_in_bytes = kBareTagSize;
      job.hash_alg = IMB_AUTH_HMAC_SHA_1;
      job.u.HMAC._hashed_auth_key_xor_ipad = inner_.data();
      job.u.HMAC._hashed_auth_key_xor_opad = outer_.data();
    }
    const auto count = static_cast<std::uint32_t>(count_);
    bool good =
        IMB_SUBMIT_HASH_BURST_NOCHECK(manager_, jobs_.data(), count, IMB_AUTH_HMAC_SHA_1) == count;
    for (std::size_t n = 0; n < count_; ++n) {
      good = tag_is(n, in(n).ticket) && good;
    }
    return good;
  }
  bool tag_is(std::size_t n, const mint::Octets& cipher) const noexcept {
    return std::memcmp(seats_[n].tag.data(), cipher.data() + cipher.size() - kBareTagSize,
                       kBareTagSize) == 0;
  }

  // derive makes four keys of each session key, and the schedules of two.
  bool derive() noexcept {
    used_ = 0;
    bool good = true;
    for (std::size_t n = 0; n < count_; ++n) {
      Seat& seat = seats_[n];
      IMB_AES_KEYEXP_256(manager_, in(n).session_key.data(), seat.base.keys.data(),
                         seat.unused.keys.data());
      for (std::size_t key = 0; key < seat.keys.size(); ++key) {
        add(seat.base, chains_[key].data(), seat.keys[key].data(), kBareKeySize, zero_.data());
      }
      if (used_ + seat.keys.size() > IMB_MAX_BURST_SIZE || n + 1 == count_) {
        good = cipher(IMB_DIR_ENCRYPT) && good;
        used_ = 0;
      }
    }
    for (std::size_t n = 0; n < count_; ++n) {
      Seat& seat = seats_[n];
      IMB_AES_KEYEXP_256(manager_, seat.keys[0].data(), seat.unused.keys.data(),
                         seat.derived[0].keys.data());
      IMB_AES_KEYEXP_256(manager_, seat.keys[2].data(), seat.derived[1].keys.data(),
                         seat.unused.keys.data());
    }
    return good;
  }

  static void pad(const BareKey& key, std::uint8_t with, std::uint8_t* out) noexcept {
    std::memset(out, with, kHashBlock);
    for (std::size_t n = 0; n < key.size(); ++n) {
      out[n] ^= key[n];
    }
  }

  // hash runs plain SHA-1 over `size(n)` bytes at `from(n)` of each seat.
  template <class From, class Size, class To>
  bool hash(From from, Size size, To to) noexcept {
    const auto count = static_cast<std::uint32_t>(count_);
    std::array<IMB_JOB*, kBareBatchMax> jobs;
    if (IMB_GET_NEXT_BURST(manager_, count, jobs.data()) != count) {
      return false;
    }
    for (std::size_t n = 0; n < count_; ++n) {
      IMB_JOB& job = *jobs[n];
      job.cipher_mode = IMB_CIPHER_NULL;
      job.cipher_direction = IMB_DIR_ENCRYPT;
      job.chain_order = IMB_ORDER_HASH_CIPHER;
      job.hash_alg = IMB_AUTH_SHA_1;
      job.src = from(n);
      job.hash_start_src_offset_in_bytes = 0;
      job.msg_len_to_hash_in_bytes = size(n);
      job.auth_tag_output = to(n);
      job.auth_tag_output_len_in_bytes = kHashSize;
    }
    std::uint32_t done = IMB_SUBMIT_BURST_NOCHECK(manager_, count, jobs.data());
    while (done < count) {
      const std::uint32_t more = IMB_FLUSH_BURST(manager_, count - done, jobs.data());
      if (more == 0) {
        return false;
      }
      done += more;
    }
    return true;
  }

  // hmac makes tags with new keys, number `key` of each seat.
  template <class Size>
  bool hmac(Text Seat::*text, std::size_t key, Size size) noexcept {
    for (std::size_t n = 0; n < count_; ++n) {
      pad(seats_[n].keys[key], 0x36, (seats_[n].*text).pad.data());
      pad(seats_[n].keys[key], 0x5c, seats_[n].outer.data());
    }
    return hash([&](std::size_t n) { return (seats_[n].*text).pad.data(); },
                [&](std::size_t n) { return kHashBlock + size(n); },
                [&](std::size_t n) { return seats_[n].outer.data() + kHashBlock; }) &&
           hash([&](std::size_t n) { return seats_[n].outer.data(); },
                [](std::size_t) { return kHashBlock + kHashSize; },
                [&](std::size_t n) { return seats_[n].tag.data(); });
  }

  bool check_authenticators() noexcept {
    bool good = hmac(&Seat::authenticator, 1,
                     [&](std::size_t n) { return in(n).authenticator.size() - kBareTagSize; });
    for (std::size_t n = 0; n < count_; ++n) {
      good = tag_is(n, in(n).authenticator) && good;
    }
    return good;
  }

  // seal makes tags and ciphertexts: CBC of what is filled up, whose last two blocks change places.
  bool seal() noexcept {
    used_ = 0;
    for (std::size_t n = 0; n < count_; ++n) {
      Seat& seat = seats_[n];
      const mint::Octets& plain = in(n).reply_plain;
      std::ranges::copy(plain, seat.reply.text.begin());
      const std::size_t whole = (plain.size() + kBlock - 1) / kBlock * kBlock;
      std::memset(seat.reply.text.data() + plain.size(), 0, whole - plain.size());
      add(seat.derived[1], seat.reply.text.data(), seat.padded.data(), whole, zero_.data());
    }
    bool good = cipher(IMB_DIR_ENCRYPT);
    good = hmac(&Seat::reply, 3, [&](std::size_t n) { return in(n).reply_plain.size(); }) && good;
    for (std::size_t n = 0; n < count_; ++n) {
      Seat& seat = seats_[n];
      const std::size_t size = in(n).reply_plain.size();
      const std::size_t before = (size - 1) / kBlock * kBlock - kBlock;
      std::uint8_t* const out = seat.reply_out.data();
      std::memcpy(out, seat.padded.data(), before);
      std::memcpy(out + before, seat.padded.data() + before + kBlock, kBlock);
      std::memcpy(out + before + kBlock, seat.padded.data() + before, size - before - kBlock);
      std::memcpy(out + size, seat.tag.data(), kBareTagSize);
    }
    return good;
  }

  const BareWork& work_;
  IMB_MGR* manager_;
  std::vector<Seat> seats_;
  std::array<IMB_JOB, 2 * kBareBatchMax> jobs_{};
  std::uint32_t used_ = 0;
  std::size_t begin_ = 0;
  std::size_t count_ = 0;
  Schedule service_{};
  alignas(16) std::array<std::uint8_t, kHashSize> inner_{};
  alignas(16) std::array<std::uint8_t, kHashSize> outer_{};
  alignas(16) std::array<std::uint8_t, kBlock> zero_{};
  // A constant and a block of zeros: CBC makes of it what RFC 3961's DR makes.
  std::array<std::array<std::uint8_t, 2 * kBlock>, 4> chains_ = [this] {
    std::array<std::array<std::uint8_t, 2 * kBlock>, 4> chains{};
    for (std::size_t n = 0; n < chains.size(); ++n) {
      std::ranges::copy(work_.constants[n], chains[n].begin());
    }
    return chains;
  }();
};

}  // namespace

std::unique_ptr<BareBackend> make_bare_ipsec_mb(const BareWork& work) {
  IMB_MGR* const manager = alloc_mb_mgr(0);
  if (manager == nullptr) {
    return nullptr;
  }
  return std::make_unique<IpsecMb>(work, manager);
}

}  // namespace usher::bench
