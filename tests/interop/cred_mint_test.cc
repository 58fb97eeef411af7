// Promise: the KRB-CREDs that tests delegate are ones that MIT's krb5_rd_cred takes, too, and MIT
// reads out of them what was put in.
#include <gtest/gtest.h>
#include <krb5.h>

#include <string>

#include "tools/mint/cred_mint.h"

namespace usher {
namespace {

using mint::Octets;

// Judge reads KRB-CREDs with one key, or without any.
class Judge {
 public:
  Judge(std::int32_t etype, Octets key) : key_(std::move(key)) {
    EXPECT_EQ(krb5_init_context(&context_), 0);
    EXPECT_EQ(krb5_auth_con_init(context_, &auth_), 0);
    EXPECT_EQ(krb5_auth_con_setflags(context_, auth_, 0), 0);  // No clock, no replay cache.
    krb5_keyblock block{};
    block.enctype = etype;
    block.length = static_cast<unsigned>(key_.size());
    block.contents = key_.data();
    EXPECT_TRUE(etype == 0 || krb5_auth_con_setuseruserkey(context_, auth_, &block) == 0);
  }
  ~Judge() {
    krb5_free_tgt_creds(context_, creds_);
    krb5_auth_con_free(context_, auth_);
    krb5_free_context(context_);
  }
  Judge(const Judge&) = delete;
  Judge& operator=(const Judge&) = delete;

  krb5_error_code read(Octets message) {
    krb5_data data{};
    data.length = static_cast<unsigned>(message.size());
    data.data = reinterpret_cast<char*>(message.data());
    return krb5_rd_cred(context_, auth_, &data, &creds_, nullptr);
  }
  [[nodiscard]] const krb5_creds* at(std::size_t n) const { return creds_[n]; }
  [[nodiscard]] std::string name_of(krb5_const_principal principal) const {
    char* text = nullptr;
    EXPECT_EQ(krb5_unparse_name(context_, principal, &text), 0);
    const std::string name = text;
    krb5_free_unparsed_name(context_, text);
    return name;
  }

 private:
  krb5_context context_ = nullptr;
  krb5_auth_context auth_ = nullptr;
  krb5_creds** creds_ = nullptr;
  Octets key_;
};

template <class Char>
Octets octets(const Char* data, std::size_t size) {
  const auto* const begin = reinterpret_cast<const std::uint8_t*>(data);
  return {begin, begin + size};
}

TEST(CredMint, MitReadsWhatWasDelegated) {
  const std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
  mint::SeededRandom random(3);
  const mint::KerberosMint mint(*kit, random);
  const mint::Principal alice = mint::Principal::of("alice@EXAMPLE.TEST");
  mint::Cred cred = mint::forwarded_tgt(mint, alice, 1'790'000'000, 1'790'036'000);
  cred.infos[0].addresses = mint::host_addresses({{2, {10, 0, 0, 1}}});
  cred.nonce = 7;
  cred.timestamp = 1'790'000'000;
  cred.usec = 1;
  for (const std::int32_t etype : {17, 18, 19, 20, 0}) {
    const Octets key(etype == 17 || etype == 19 ? 16 : 32, 0x42);
    Judge judge(etype, key);
    ASSERT_EQ(judge.read(mint::krb_cred(mint, etype, key, cred)), 0) << etype;
    ASSERT_NE(judge.at(0), nullptr);
    EXPECT_EQ(judge.at(1), nullptr);
    const krb5_creds& creds = *judge.at(0);
    EXPECT_EQ(judge.name_of(creds.client), "alice@EXAMPLE.TEST");
    EXPECT_EQ(judge.name_of(creds.server), "krbtgt/EXAMPLE.TEST@EXAMPLE.TEST");
    EXPECT_EQ(octets(creds.keyblock.contents, creds.keyblock.length), cred.infos[0].key);
    EXPECT_EQ(octets(creds.ticket.data, creds.ticket.length), cred.tickets[0]);
    EXPECT_EQ(creds.times.endtime, 1'790'036'000);
    EXPECT_EQ(static_cast<std::uint32_t>(creds.ticket_flags), cred.infos[0].flags);
    ASSERT_NE(creds.addresses, nullptr);
    EXPECT_EQ(octets(creds.addresses[0]->contents, creds.addresses[0]->length),
              (Octets{10, 0, 0, 1}));
  }
}

TEST(CredMint, MitRefusesWhatIsSpoilt) {
  const std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
  mint::SeededRandom random(3);
  const mint::KerberosMint mint(*kit, random);
  const mint::Cred right = mint::forwarded_tgt(mint, mint::Principal::of("alice@EXAMPLE.TEST"),
                                               1'790'000'000, 1'790'036'000);
  const Octets key(32, 0x42);
  mint::Cred other_key = right;
  other_key.sealing.key = Octets(32, 0x43);
  mint::Cred garbage = right;
  garbage.sealing.plain = Octets(40, 0x7d);
  for (const mint::Cred& spoilt : {other_key, garbage}) {
    Judge judge(18, key);
    EXPECT_NE(judge.read(mint::krb_cred(mint, 18, key, spoilt)), 0);
  }
  Judge judge(18, key);
  EXPECT_EQ(judge.read(mint::krb_cred(mint, 18, key, right)), 0) << "the positive twin";
}

}  // namespace
}  // namespace usher
