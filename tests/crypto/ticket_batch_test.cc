// engine/crypto/ticket_batch.h: a stage opens what is genuine, and nothing else, job by job.
#include "engine/crypto/ticket_batch.h"

#include <gtest/gtest.h>
#include <krb5.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/crypto/recorded.h"

namespace usher::crypto {
namespace {

using testing::Exact;
using testing::Octets;

bool all_zero(Bytes bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

// Mit is the oracle: MIT krb5's own encryption and decryption.
class Mit {
 public:
  Mit() { EXPECT_EQ(krb5_init_context(&context_), 0); }
  ~Mit() { krb5_free_context(context_); }
  Mit(const Mit&) = delete;
  Mit& operator=(const Mit&) = delete;

  Octets encrypt(std::int32_t etype, Octets key, int usage, Octets plain) {
    const krb5_keyblock block = key_block(etype, key);
    std::size_t size = 0;
    EXPECT_EQ(krb5_c_encrypt_length(context_, etype, plain.size(), &size), 0);
    Octets cipher(size);
    krb5_data input = data(plain);
    krb5_enc_data output{};
    output.ciphertext = data(cipher);
    EXPECT_EQ(krb5_c_encrypt(context_, &block, usage, nullptr, &input, &output), 0);
    return cipher;
  }

  // decrypt returns the plaintext, or a single 0xff if MIT refuses.
  Octets decrypt(std::int32_t etype, Octets key, int usage, Octets cipher) {
    const krb5_keyblock block = key_block(etype, key);
    Octets plain(cipher.size());
    krb5_enc_data input{};
    input.enctype = etype;
    input.ciphertext = data(cipher);
    krb5_data output = data(plain);
    if (krb5_c_decrypt(context_, &block, usage, nullptr, &input, &output) != 0) {
      return {0xff};
    }
    plain.resize(output.length);
    return plain;
  }

 private:
  static krb5_data data(Octets& octets) {
    krb5_data view{};
    view.length = static_cast<unsigned>(octets.size());
    view.data = reinterpret_cast<char*>(octets.data());
    return view;
  }
  static krb5_keyblock key_block(std::int32_t etype, Octets& key) {
    krb5_keyblock block{};
    block.enctype = etype;
    block.length = static_cast<unsigned>(key.size());
    block.contents = key.data();
    return block;
  }

  krb5_context context_ = nullptr;
};

// BrokenKit fails at its n-th operation, as OpenSSL never should.
class BrokenKit final : public Kit {
 public:
  BrokenKit(Kit& kit, int fails_at) : kit_(kit), left_(fails_at) {}
  [[nodiscard]] bool failed() const { return left_ < 0; }

  bool cts_encrypt(Bytes key, Bytes in, MutableBytes out) noexcept override {
    return kit_.cts_encrypt(key, in, out) && left_-- > 0;
  }
  bool cts_decrypt(Bytes key, Bytes in, MutableBytes out) noexcept override {
    return kit_.cts_decrypt(key, in, out) && left_-- > 0;
  }
  bool cbc_encrypt(Bytes key, Bytes in, MutableBytes out) noexcept override {
    return kit_.cbc_encrypt(key, in, out) && left_-- > 0;
  }
  bool cbc_decrypt(Bytes, Bytes, MutableBytes) noexcept override { return false; }
  bool hmac_sha1(Bytes key, std::span<const Bytes> parts, MutableBytes out) noexcept override {
    return kit_.hmac_sha1(key, parts, out) && left_-- > 0;
  }
  bool hmac_sha256(Bytes key, std::span<const Bytes> parts, MutableBytes out) noexcept override {
    return kit_.hmac_sha256(key, parts, out) && left_-- > 0;
  }
  bool hmac_sha384(Bytes key, std::span<const Bytes> parts, MutableBytes out) noexcept override {
    return kit_.hmac_sha384(key, parts, out) && left_-- > 0;
  }
  bool hmac_md5(Bytes key, std::span<const Bytes> parts, MutableBytes out) noexcept override {
    return kit_.hmac_md5(key, parts, out) && left_-- > 0;
  }
  bool md5(std::span<const Bytes> parts, MutableBytes out) noexcept override {
    return kit_.md5(parts, out) && left_-- > 0;
  }
  bool md4(Bytes, MutableBytes) noexcept override { return false; }
  bool des_encrypt(Bytes, Bytes, MutableBytes) noexcept override { return false; }
  bool rc4(Bytes key, Bytes in, MutableBytes out) noexcept override {
    return kit_.rc4(key, in, out) && left_-- > 0;
  }

 private:
  Kit& kit_;
  int left_;
};

struct Case {
  std::int32_t etype;
  LanesChoice choice;
};

std::string name_of(const Case& c) {
  std::string name(etype_name(c.etype));
  std::erase(name, '-');
  return name + (c.choice == LanesChoice::kOpenssl   ? "Openssl"
                 : c.choice == LanesChoice::kIpsecMb ? "IpsecMb"
                                                     : "X86");
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const std::int32_t etype : {17, 18, 19, 20, 23}) {
    cases.push_back({etype, LanesChoice::kOpenssl});
    if (has_ipsec_mb()) {
      cases.push_back({etype, LanesChoice::kIpsecMb});
    }
    if (has_x86_lanes()) {
      cases.push_back({etype, LanesChoice::kX86});
    }
  }
  return cases;
}

class TicketBatch : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    ASSERT_NE(lanes_, nullptr);
    ASSERT_TRUE(make_service_key(*kit_, *profile_, base_, key_));
  }

  Octets seal(int usage, std::size_t size) {
    Octets plain(size);
    for (std::size_t i = 0; i < size; ++i) {
      plain[i] = static_cast<std::uint8_t>(i + 1);
    }
    return mit_.encrypt(GetParam().etype, base_, usage, plain);
  }

  TicketJob open(Bytes cipher, MutableBytes room) {
    TicketJob job{.key = &key_, .cipher = cipher, .room = room, .opened = {}};
    open_tickets(*lanes_, std::span(&job, 1));
    return job;
  }
  AuthenticatorJob open_authenticator(Bytes cipher, MutableBytes room) {
    SessionKeys keys;
    AuthenticatorJob job{.profile = profile_,
                         .session_key = base_,
                         .keys = &keys,
                         .cipher = cipher,
                         .room = room,
                         .opened = {}};
    open_authenticators(*lanes_, std::span(&job, 1));
    job.keys = nullptr;
    return job;
  }

  const std::unique_ptr<Kit> kit_ = Kit::make();
  const std::unique_ptr<Lanes> lanes_ = Lanes::make(*kit_, GetParam().choice);
  const EtypeProfile* const profile_ = profile_of(GetParam().etype);
  const Octets base_ = Octets(profile_->key_size, 0x42);
  ServiceKey key_;
  Mit mit_;
};
INSTANTIATE_TEST_SUITE_P(Each, TicketBatch, ::testing::ValuesIn(all_cases()),
                         [](const auto& param_info) { return name_of(param_info.param); });

TEST_P(TicketBatch, OpensWhatMitSealedOfEverySize) {
  for (std::size_t size = 0; size <= 70; ++size) {
    const Octets ticket = seal(2, size);
    Octets room(opening_room(ticket.size()));
    const TicketJob job = open(ticket, room);
    ASSERT_EQ(job.outcome, Outcome::kDone) << size;
    ASSERT_EQ(job.opened.size(), size);
    for (std::size_t i = 0; i < size; ++i) {
      ASSERT_EQ(job.opened[i], i + 1);
    }
    const Octets authenticator = seal(11, size);
    const AuthenticatorJob second = open_authenticator(authenticator, room);
    EXPECT_EQ(second.outcome, Outcome::kDone) << size;
    EXPECT_EQ(second.opened.size(), size);
  }
}

TEST_P(TicketBatch, MitOpensWhatWeSealedOfEverySize) {
  const Octets confounder(profile_->confounder_size, 0x77);
  for (std::size_t size = 0; size <= 70; ++size) {
    const Octets plain(size, 0x31);
    Octets cipher(profile_->overhead() + size);
    Octets room(sealing_room(size));
    SessionKeys keys;
    SealJob job{.profile = profile_,
                .session_key = base_,
                .keys = &keys,
                .confounder = confounder,
                .plain = plain,
                .room = room,
                .cipher = cipher};
    seal_replies(*lanes_, std::span(&job, 1));
    ASSERT_EQ(job.outcome, Outcome::kDone);
    EXPECT_EQ(mit_.decrypt(GetParam().etype, base_, 12, cipher), plain) << size;
  }
}

TEST_P(TicketBatch, EveryTruncationIsForged) {
  const Octets ticket = seal(2, 40);
  const Octets authenticator = seal(11, 40);
  for (std::size_t size = 0; size <= ticket.size(); ++size) {
    const Outcome expected = size == ticket.size() ? Outcome::kDone : Outcome::kForged;
    const Exact cut(Bytes(ticket).first(size));
    Octets room(opening_room(size), 0xee);
    const TicketJob job = open(cut.bytes(), room);
    EXPECT_EQ(job.outcome, expected) << size;
    const Exact second(Bytes(authenticator).first(size));
    EXPECT_EQ(open_authenticator(second.bytes(), room).outcome, expected) << size;
  }
}

TEST_P(TicketBatch, EveryFlippedBitIsForgedAndLeavesNoPlaintext) {
  Octets ticket = seal(2, 21);
  Octets room(opening_room(ticket.size()));
  for (std::size_t bit = 0; bit < ticket.size() * 8; ++bit) {
    const auto mask = static_cast<std::uint8_t>(1u << bit % 8);
    ticket[bit / 8] ^= mask;
    std::ranges::fill(room, std::uint8_t{0xee});
    const TicketJob job = open(ticket, room);
    EXPECT_EQ(job.outcome, Outcome::kForged) << bit;
    EXPECT_TRUE(job.opened.empty());
    EXPECT_TRUE(all_zero(room)) << bit;
    ticket[bit / 8] ^= mask;
  }
  EXPECT_EQ(open(ticket, room).outcome, Outcome::kDone);
}

TEST_P(TicketBatch, AnotherUsageOrKeyIsForged) {
  const Octets ticket = seal(2, 30);
  Octets room(opening_room(ticket.size()));
  EXPECT_EQ(open(ticket, room).outcome, Outcome::kDone);
  EXPECT_EQ(open_authenticator(ticket, room).outcome, Outcome::kForged);
  const Octets other =
      mit_.encrypt(GetParam().etype, Octets(profile_->key_size, 0x43), 2, Octets(30));
  EXPECT_EQ(open(other, room).outcome, Outcome::kForged);
}

TEST_P(TicketBatch, AForgedTicketDoesNotFailItsNeighbours) {
  constexpr std::size_t kCount = kBatchMax;
  const Octets genuine = seal(2, 50);
  Octets forged = genuine;
  forged.back() ^= 1;
  std::vector<Octets> rooms(kCount, Octets(opening_room(genuine.size())));
  for (std::size_t bad = 0; bad < kCount; ++bad) {
    Batch<TicketJob> batch;
    for (std::size_t i = 0; i < kCount; ++i) {
      batch.add(
          {.key = &key_, .cipher = i == bad ? forged : genuine, .room = rooms[i], .opened = {}});
    }
    EXPECT_TRUE(batch.full());
    open_tickets(*lanes_, batch.jobs());
    for (std::size_t i = 0; i < kCount; ++i) {
      EXPECT_EQ(batch.jobs()[i].outcome, i == bad ? Outcome::kForged : Outcome::kDone) << i;
      EXPECT_EQ(batch.jobs()[i].opened.size(), i == bad ? 0u : 50u);
    }
  }
}

TEST_P(TicketBatch, AForgedAuthenticatorFailsAloneInBatchesOfEveryWidth) {
  // Each has a session key of its own, and each but one is genuine.
  std::vector<Octets> keys(kBatchMax);
  std::vector<Octets> sealed(kBatchMax);
  for (std::size_t i = 0; i < kBatchMax; ++i) {
    keys[i] = Octets(profile_->key_size, static_cast<std::uint8_t>(i + 1));
    sealed[i] = mit_.encrypt(GetParam().etype, keys[i], 11, Octets(3 * i + 1, 0x33));
  }
  for (std::size_t width = 1; width <= kBatchMax; ++width) {
    const std::size_t bad = width * 3 / 4;
    sealed[bad][width % sealed[bad].size()] ^= 0x20;
    std::vector<SessionKeys> session(width);
    std::vector<Octets> rooms(width);
    std::vector<AuthenticatorJob> jobs(width);
    for (std::size_t i = 0; i < width; ++i) {
      rooms[i].assign(opening_room(sealed[i].size()), 0xee);
      jobs[i] = {.profile = profile_,
                 .session_key = keys[i],
                 .keys = &session[i],
                 .reply_expected = i % 3 == 0,
                 .cipher = sealed[i],
                 .room = rooms[i],
                 .opened = {}};
    }
    open_authenticators(*lanes_, jobs);
    for (std::size_t i = 0; i < width; ++i) {
      ASSERT_EQ(jobs[i].outcome, i == bad ? Outcome::kForged : Outcome::kDone) << i;
      ASSERT_EQ(jobs[i].opened.size(), i == bad ? 0 : 3 * i + 1);
      ASSERT_EQ(all_zero(rooms[i]), i == bad);
    }
    sealed[bad][width % sealed[bad].size()] ^= 0x20;
  }
}

TEST_P(TicketBatch, StagesLeaveNothingSecretInTheWorkspace) {
  const Octets ticket = seal(2, 40);
  const Octets authenticator = seal(11, 40);
  const Octets confounder(profile_->confounder_size, 0x77);
  Octets room(opening_room(ticket.size()));
  Octets sealing(sealing_room(40));
  Octets cipher(profile_->overhead() + 40);
  SessionKeys keys;
  EXPECT_EQ(open(ticket, room).outcome, Outcome::kDone);
  AuthenticatorJob job{.profile = profile_,
                       .session_key = base_,
                       .keys = &keys,
                       .cipher = authenticator,
                       .room = room,
                       .opened = {}};
  open_authenticators(*lanes_, std::span(&job, 1));
  EXPECT_EQ(job.outcome, Outcome::kDone);
  SealJob reply{.profile = profile_,
                .session_key = base_,
                .keys = &keys,
                .confounder = confounder,
                .plain = Bytes(room).first(40),
                .room = sealing,
                .cipher = cipher};
  seal_replies(*lanes_, std::span(&reply, 1));
  EXPECT_EQ(reply.outcome, Outcome::kDone);
  // What was used is at the front.
  Lanes::Workspace& workspace = lanes_->workspace();
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_TRUE(all_zero(workspace.hmacs[i])) << i;
    EXPECT_TRUE(all_zero(workspace.base_keys[i].image().key)) << i;
    EXPECT_TRUE(all_zero(workspace.base_keys[i].image().inner)) << i;
    EXPECT_TRUE(all_zero(workspace.base_keys[i].image().outer)) << i;
  }
  const bool in_lanes = profile_->family != Family::kRc4;
  EXPECT_EQ(keys.has_reply, in_lanes);
  EXPECT_EQ(keys.reply_ki.key().empty(), !in_lanes);
  keys.clear();
  EXPECT_FALSE(keys.has_authenticator || keys.has_reply);
  for (const HmacKey* const ki : {&keys.authenticator_ki, &keys.reply_ki}) {
    EXPECT_TRUE(all_zero(ki->image().key));
    EXPECT_TRUE(all_zero(ki->image().inner) && all_zero(ki->image().outer));
  }
  for (const AesKey* const ke : {&keys.authenticator_ke, &keys.reply_ke}) {
    EXPECT_TRUE(all_zero(ke->image().key));
    EXPECT_TRUE(all_zero({ke->schedule(), 240}));
  }
}

TEST_P(TicketBatch, ChecksumsAreJudgedAsTheyAreAlone) {
  constexpr std::size_t kCount = 40;
  std::vector<Octets> texts(kCount);
  std::vector<Octets> sums(kCount, Octets(profile_->checksum_size));
  std::vector<ChecksumJob> jobs(kCount);
  for (std::size_t i = 0; i < kCount; ++i) {
    texts[i] = Octets(i * 13, static_cast<std::uint8_t>(i));
    const Bytes text[] = {texts[i]};
    ASSERT_TRUE(write_checksum(*kit_, key_.pac, text, sums[i]));
    jobs[i] = {
        .key = &key_, .type = profile_->checksum_type, .text = texts[i], .checksum = sums[i]};
  }
  for (std::size_t bad = 0; bad < kCount; ++bad) {
    // Wrong in one bit, of another type, or short of an octet.
    ChecksumJob& job = jobs[bad];
    sums[bad][bad % sums[bad].size()] ^= bad % 3 == 0 ? 0x80 : 0;
    job.type += bad % 3 == 1 ? 1 : 0;
    job.checksum = Bytes(sums[bad]).first(sums[bad].size() - (bad % 3 == 2 ? 1 : 0));
    verify_checksums(*lanes_, jobs);
    for (std::size_t i = 0; i < kCount; ++i) {
      ASSERT_EQ(jobs[i].outcome, i == bad ? Outcome::kForged : Outcome::kDone) << i;
      jobs[i].outcome = Outcome::kPending;
    }
    sums[bad][bad % sums[bad].size()] ^= bad % 3 == 0 ? 0x80 : 0;
    job.type = profile_->checksum_type;
    job.checksum = sums[bad];
  }
}

TEST_P(TicketBatch, DecidedJobsAreLeftAlone) {
  const Octets ticket = seal(2, 20);
  const Octets authenticator = seal(11, 20);
  Octets room(opening_room(ticket.size()), 0xee);
  const Octets untouched = room;
  TicketJob first{
      .key = &key_, .cipher = ticket, .room = room, .opened = {}, .outcome = Outcome::kForged};
  open_tickets(*lanes_, std::span(&first, 1));
  EXPECT_EQ(first.outcome, Outcome::kForged);
  AuthenticatorJob second{.profile = profile_,
                          .session_key = base_,
                          .cipher = authenticator,
                          .room = room,
                          .opened = {},
                          .outcome = Outcome::kFailed};
  open_authenticators(*lanes_, std::span(&second, 1));
  EXPECT_EQ(second.outcome, Outcome::kFailed);
  EXPECT_EQ(room, untouched);
  first.outcome = Outcome::kPending;
  open_tickets(*lanes_, std::span(&first, 1));
  EXPECT_EQ(first.outcome, Outcome::kDone);
}

// unsent is what the fingerprint has to be: 16 bytes that come from the session key and are not in
// the ciphertext.
Octets unsent(Kit& kit, const EtypeProfile& profile, Bytes base, Bytes cipher, Bytes plain) {
  Key ki;
  EXPECT_TRUE(derive_integrity(kit, profile, base, KeyUsage::kApReqAuthenticator, ki));
  Octets whole(profile.hmac_size);
  const Octets iv(16);
  const Bytes body = cipher.first(cipher.size() - profile.tag_size);
  const Bytes decrypted[] = {plain};
  const Bytes encrypted[] = {iv, body};
  const Bytes tag[] = {cipher.first(profile.tag_size)};  // RC4's stands first.
  const auto covered = profile.family == Family::kAesSha1   ? std::span<const Bytes>(decrypted)
                       : profile.family == Family::kAesSha2 ? std::span<const Bytes>(encrypted)
                                                            : std::span<const Bytes>(tag);
  EXPECT_TRUE(hmac(kit, profile, ki.bytes(), covered, whole));
  return {whole.end() - 16, whole.end()};
}

TEST_P(TicketBatch, TheFingerprintTellsAuthenticatorsApartAndIsNotOnTheWire) {
  const Octets one = seal(11, 33);
  const Octets two = seal(11, 33);  // The same text with another confounder.
  Octets room(opening_room(one.size()));
  const AuthenticatorJob first = open_authenticator(one, room);
  const AuthenticatorJob again = open_authenticator(one, room);
  const Bytes plain = Bytes(room).subspan(kOpeningHeadroom, one.size() - profile_->tag_size);
  const Octets expected = unsent(*kit_, *profile_, base_, one, plain);
  const AuthenticatorJob second = open_authenticator(two, room);
  EXPECT_EQ(first.fingerprint, again.fingerprint);
  EXPECT_NE(first.fingerprint, second.fingerprint);
  EXPECT_EQ(first.fingerprint[0], load_le<std::uint64_t>(Bytes(expected)));
  EXPECT_EQ(first.fingerprint[1], load_le<std::uint64_t>(Bytes(expected).subspan(8)));
  // Half of it is enough to be unforeseeable: with HMAC-SHA1-96 the other half was sent.
  EXPECT_EQ(std::search(one.begin(), one.end(), expected.begin() + 8, expected.end()), one.end());

  Octets forged = one;
  forged[0] ^= 1;
  const std::array<std::uint64_t, 2> none{};
  EXPECT_EQ(open_authenticator(forged, room).fingerprint, none);
}

TEST_P(TicketBatch, AFailingLibraryIsNoForgeryAndLeavesNothing) {
  const Octets ticket = seal(2, 20);
  const Octets authenticator = seal(11, 20);
  const Octets plain(20, 0x31);
  const Octets confounder(profile_->confounder_size, 0x77);
  const auto run = [&](int fails_at, auto stage, auto job, MutableBytes room) {
    std::ranges::fill(room, std::uint8_t{0xee});
    BrokenKit broken(*kit_, fails_at);
    const std::unique_ptr<Lanes> lanes = Lanes::make(broken, LanesChoice::kOpenssl);
    stage(*lanes, std::span(&job, 1));
    EXPECT_EQ(job.outcome, broken.failed() ? Outcome::kFailed : Outcome::kDone) << fails_at;
    EXPECT_EQ(all_zero(room), broken.failed()) << fails_at;
    return broken.failed();
  };
  Octets room(opening_room(ticket.size()));
  Octets sealed(profile_->overhead() + plain.size());
  Octets sealing(sealing_room(plain.size()));
  SessionKeys keys;
  // How many calls a stage makes of the Kit: keys are derived by two, except a ticket's. AES:
  // cipher and HMAC. RC4: K3, cipher and HMAC.
  const int once = profile_->family == Family::kRc4 ? 3 : 2;
  int operations = 0;
  for (int fails_at = 0; fails_at < 7; ++fails_at) {
    operations += run(fails_at, open_tickets,
                      TicketJob{.key = &key_, .cipher = ticket, .room = room, .opened = {}}, room);
    keys.clear();
    operations += run(fails_at, open_authenticators,
                      AuthenticatorJob{.profile = profile_,
                                       .session_key = base_,
                                       .keys = &keys,
                                       .cipher = authenticator,
                                       .room = room,
                                       .opened = {}},
                      room);
    keys.clear();
    operations += run(fails_at, seal_replies,
                      SealJob{.profile = profile_,
                              .session_key = base_,
                              .keys = &keys,
                              .confounder = confounder,
                              .plain = plain,
                              .room = sealing,
                              .cipher = sealed},
                      sealed);
  }
  EXPECT_EQ(operations, once + 2 * (2 + once));  // So each one was made to fail once.
}

TEST_P(TicketBatch, AFailingLibraryMakesNoSignatureForged) {
  const Octets text(40, 0x31);
  const Bytes parts[] = {text};
  Octets checksum(profile_->checksum_size);
  ASSERT_TRUE(write_checksum(*kit_, key_.pac, parts, checksum));
  int operations = 0;
  for (int fails_at = 0; fails_at < 3; ++fails_at) {
    BrokenKit broken(*kit_, fails_at);
    const std::unique_ptr<Lanes> lanes = Lanes::make(broken, LanesChoice::kOpenssl);
    ChecksumJob job{
        .key = &key_, .type = profile_->checksum_type, .text = text, .checksum = checksum};
    verify_checksums(*lanes, std::span(&job, 1));
    EXPECT_EQ(job.outcome, broken.failed() ? Outcome::kFailed : Outcome::kDone) << fails_at;
    operations += broken.failed() ? 1 : 0;
  }
  EXPECT_EQ(operations, profile_->family == Family::kRc4 ? 2 : 1);  // RC4's hashes the text first.
}

TEST_P(TicketBatch, ReadyKeysSaveTheDerivationAndNothingElse) {
  const Octets authenticator = seal(11, 33);
  const Octets confounder(profile_->confounder_size, 0x77);
  const Octets plain(20, 0x31);
  Octets room(opening_room(authenticator.size()));
  Octets sealing(sealing_room(plain.size()));
  Octets cipher(profile_->overhead() + plain.size());
  const bool in_lanes = profile_->family != Family::kRc4;
  SessionKeys made;
  AuthenticatorJob first{.profile = profile_,
                         .session_key = base_,
                         .keys = &made,
                         .reply_expected = true,
                         .cipher = authenticator,
                         .room = room,
                         .opened = {}};
  open_authenticators(*lanes_, std::span(&first, 1));
  ASSERT_EQ(first.outcome, Outcome::kDone);
  EXPECT_EQ(made.has_authenticator, in_lanes);
  EXPECT_EQ(made.has_reply, in_lanes);
  SessionKeys::Image image;
  made.copy_to(image);
  made.clear();
  SessionKeys kept;
  kept.assign(image);

  AuthenticatorJob again = first;
  again.outcome = Outcome::kPending;
  again.keys = &kept;
  again.session_key = in_lanes ? Bytes{} : Bytes(base_);
  again.fingerprint = {};
  open_authenticators(*lanes_, std::span(&again, 1));
  EXPECT_EQ(again.outcome, Outcome::kDone);
  EXPECT_EQ(again.fingerprint, first.fingerprint);
  SealJob reply{.profile = profile_,
                .session_key = again.session_key,
                .keys = &kept,
                .confounder = confounder,
                .plain = plain,
                .room = sealing,
                .cipher = cipher};
  seal_replies(*lanes_, std::span(&reply, 1));
  EXPECT_EQ(reply.outcome, Outcome::kDone);
  EXPECT_EQ(mit_.decrypt(GetParam().etype, base_, 12, cipher), plain);

  // Keys of another session open nothing, and are not made anew.
  const Octets elsewhere(profile_->key_size, 0x43);
  SessionKeys other;
  AuthenticatorJob third = again;
  third.keys = &other;
  for (const Bytes session_key : {Bytes(elsewhere), in_lanes ? Bytes(base_) : Bytes(elsewhere)}) {
    third.outcome = Outcome::kPending;
    third.session_key = session_key;
    open_authenticators(*lanes_, std::span(&third, 1));
    EXPECT_EQ(third.outcome, Outcome::kForged);
  }
}

TEST(Batch, ForgetsItsJobsWhenCleared) {
  Batch<TicketJob, 2> batch;
  Octets room(4);
  batch.add({.cipher = room, .room = room, .opened = {}, .outcome = Outcome::kDone});
  EXPECT_EQ(batch.jobs().size(), 1u);
  batch.clear();
  EXPECT_TRUE(batch.jobs().empty());
  const TicketJob& fresh = batch.add({});
  EXPECT_EQ(fresh.outcome, Outcome::kPending);
  EXPECT_TRUE(fresh.cipher.empty());
}

}  // namespace
}  // namespace usher::crypto
