// engine/auth/context_image.h: what is written is read the same, and nothing is read that a context
// may not be.
#include "engine/auth/context_image.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string_view>
#include <vector>

#include "engine/auth/context_pool.h"
#include "tools/mint/cred_mint.h"
#include "tools/mint/pac_mint.h"

namespace usher::auth {
namespace {

using mint::Octets;
using protect::SessionState;

constexpr std::size_t kPages = 128;

// Where the fields stand that tests change.
constexpr std::size_t kBitsAt = 0;
constexpr std::size_t kMechanismAt = 2;
constexpr std::size_t kBindingsAt = 4;
constexpr std::size_t kSignaturesAt = 6;
constexpr std::size_t kFlagsAt = 8;
constexpr std::size_t kNtlmFlagsAt = 12;
constexpr std::size_t kEtypeAt = 16;
constexpr std::size_t kTicketEtypeAt = 20;
constexpr std::size_t kStartAt = 32;
constexpr std::size_t kExpiresAt = 40;
constexpr std::size_t kKeySizeAt = 48;
constexpr std::size_t kNamesAt = 50;
constexpr std::size_t kPacSizeAt = 58;
constexpr std::size_t kFixedSize = 66;
constexpr std::size_t kSessionNextAt = kFixedSize + 8;
constexpr std::size_t kSeenAt = kFixedSize + 16;
constexpr std::size_t kStreamsAt = kSeenAt + 128;

void keep_names(Context& context, std::initializer_list<std::string_view> names) {
  std::size_t n = 0;
  for (const std::string_view name : names) {
    ASSERT_TRUE(context.keep(n++, mint::octets_of(name)));
  }
}

class ContextImageTest : public ::testing::Test {
 protected:
  void TearDown() override {
    for (Context* const context : {&from, &to}) {
      store.release(context->pac);
      store.release(context->delegated);
    }
    EXPECT_EQ(store.free_count(), kPages) << "a test has lost a page";
  }

  void be_kerberos() {
    from.state = State::kEstablished;
    from.spnego = from.key_is_acceptor_subkey = from.client_supports_bindings = true;
    from.mics_exchanged = true;
    from.pac_signatures = kPacServer | kPacFull;
    from.mechanism = gss::Mechanism::kMsKerberos;
    from.bindings = BindingResult::kProxied;
    from.flags = gss::ContextFlags::kMutual | gss::ContextFlags::kConfidentiality;
    from.key_etype = 18;
    from.ticket_etype = 20;
    from.initiator_sequence = 0xfedcba98;
    from.acceptor_sequence = 7;
    from.start_s = 1'700'000'000;
    from.expires_s = 1'700'036'000;
    from.key.assign(Octets(32, 0x4b));
    keep_names(from, {"alice", "EXAMPLE.TEST", "HTTP/web@EXAMPLE.TEST", "HTTP/web"});
  }
  void be_ntlm(bool extended = true) {
    from.state = State::kEstablished;
    from.mechanism = gss::Mechanism::kNtlm;
    from.ntlm_flags = ntlm::NegotiateFlags::kSeal | ntlm::NegotiateFlags::k56;
    if (extended) {
      from.ntlm_flags = from.ntlm_flags | ntlm::NegotiateFlags::kExtendedSessionSecurity;
    }
    from.key.assign(Octets(16, 0x4b));
    keep_names(from, {"alice", "EXAMPLE", "", ""});
  }
  void keep(Kept& kept, const Octets& octets) {
    const Bytes bytes(octets);
    ASSERT_TRUE(store.keep({&bytes, 1}, kept));
  }
  Octets a_pac() {
    mint::TicketFields fields;
    fields.session_key = Octets(32, 1);
    return mint::mint_pac(*kit, service, krbtgt, fields);
  }
  Octets a_delegation() {
    const mint::Cred cred = mint::forwarded_tgt(mint::KerberosMint(*kit, *random),
                                                mint::Principal::of("alice@EXAMPLE.TEST"), 1, 2);
    mint::Cred plain = cred;
    const Octets message =
        mint::krb_cred(mint::KerberosMint(*kit, *random), 18, Octets(32, 2), cred);
    Octets kept(4);
    store_le(kept, static_cast<std::uint32_t>(message.size()));
    kept.insert(kept.end(), message.begin(), message.end());
    const Octets part = mint::encode_enc_krb_cred_part(plain);
    kept.insert(kept.end(), part.begin(), part.end());
    return kept;
  }
  // some_state has numbers of its own, and streams for who has some.
  SessionState some_state(bool streams) {
    SessionState state{
        .sent_count = 5, .received = {.next = 9, .seen = {}}, .has_streams = streams};
    if (streams) {
      state.send_stream.start(Octets(16, 1));
      state.receive_stream.start(Octets(16, 2));
      Octets used(100);
      state.send_stream.run(used);
    } else {
      state.received.seen = {0x1ff, 0, ~std::uint64_t{0}};
    }
    return state;
  }

  Octets image(const SessionState* session = nullptr) {
    Octets out(image_size(from, session));
    write_image(from, session, &store, out);
    return out;
  }

  // goes_round: read, filled in, written again: the same octets.
  void goes_round(const SessionState* session = nullptr) {
    const Octets first = image(session);
    const Result<ContextImage> read = read_image(first);
    ASSERT_TRUE(read.ok()) << int(read.fault().code) << " at " << read.fault().offset;
    fill_context(*read, to);
    keep(to.pac, Octets(read->pac.begin(), read->pac.end()));
    keep(to.delegated, Octets(read->delegated.begin(), read->delegated.end()));
    enter(to.state, State::kEstablished);
    ASSERT_EQ(read->has_session, session != nullptr);
    const SessionState state = session != nullptr ? session_state(*read) : SessionState{};
    Octets second(image_size(to, session != nullptr ? &state : nullptr));
    write_image(to, session != nullptr ? &state : nullptr, &store, second);
    EXPECT_EQ(second, first);
  }
  static bool is_read(const Octets& image) { return read_image(image).ok(); }

  const std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
  const std::unique_ptr<RandomSource> random = make_system_random();
  mint::Service service = mint::make_service(*random, "HTTP/web.example.test@EXAMPLE.TEST");
  mint::Service krbtgt = mint::make_service(*random, "krbtgt/EXAMPLE.TEST@EXAMPLE.TEST");
  std::vector<PageStore::Page> pages = std::vector<PageStore::Page>(kPages);
  std::vector<PageStore::Link> links = std::vector<PageStore::Link>(kPages);
  PageStore store{pages, links};
  Context from{};
  Context to{};
};

TEST_F(ContextImageTest, OfKerberosGoesRound) {
  be_kerberos();
  goes_round();
  EXPECT_EQ(to.spnego, from.spnego);
  EXPECT_EQ(to.key_is_acceptor_subkey, from.key_is_acceptor_subkey);
  EXPECT_EQ(to.replayed, from.replayed);
  EXPECT_EQ(to.dce_style, from.dce_style);
  EXPECT_EQ(to.client_supports_bindings, from.client_supports_bindings);
  EXPECT_EQ(to.mics_exchanged, from.mics_exchanged);
  EXPECT_EQ(to.pac_signatures, from.pac_signatures);
  EXPECT_EQ(to.mechanism, from.mechanism);
  EXPECT_EQ(to.bindings, from.bindings);
  EXPECT_EQ(to.flags, from.flags);
  EXPECT_EQ(to.key_etype, from.key_etype);
  EXPECT_EQ(to.ticket_etype, from.ticket_etype);
  EXPECT_EQ(to.initiator_sequence, from.initiator_sequence);
  EXPECT_EQ(to.acceptor_sequence, from.acceptor_sequence);
  EXPECT_EQ(to.start_s, from.start_s);
  EXPECT_EQ(to.expires_s, from.expires_s);
  EXPECT_TRUE(std::ranges::equal(to.key.bytes(), from.key.bytes()));
  for (std::size_t n = 0; n < 4; ++n) {
    EXPECT_TRUE(std::ranges::equal(to.part(n), from.part(n))) << n;
  }
  EXPECT_FALSE(to.mic_required);
  EXPECT_EQ(to.mech_types_size, 0);
}

TEST_F(ContextImageTest, EveryBitIsItsOwn) {
  for (bool Context::*const flag :
       {&Context::spnego, &Context::key_is_acceptor_subkey, &Context::replayed, &Context::dce_style,
        &Context::client_supports_bindings, &Context::mics_exchanged}) {
    from.wipe();
    to.wipe();
    be_kerberos();
    from.spnego = from.key_is_acceptor_subkey = from.client_supports_bindings = false;
    from.mics_exchanged = false;
    from.*flag = true;
    goes_round();
    EXPECT_TRUE(to.*flag);
    EXPECT_EQ(to.spnego + to.key_is_acceptor_subkey + to.replayed + to.dce_style +
                  to.client_supports_bindings + to.mics_exchanged,
              1);
  }
}

TEST_F(ContextImageTest, WithPacDelegationAndMessagesGoesRound) {
  be_kerberos();
  keep(from.pac, a_pac());
  keep(from.delegated, a_delegation());
  const SessionState state = some_state(false);
  goes_round(&state);
}

TEST_F(ContextImageTest, OfNtlmGoesRound) {
  be_ntlm();
  const SessionState state = some_state(true);
  goes_round(&state);
  EXPECT_EQ(to.ntlm_flags, from.ntlm_flags);
}

TEST_F(ContextImageTest, OfNtlmWithoutStreamsGoesRound) {
  be_ntlm(/*extended=*/false);
  SessionState state = some_state(false);
  state.received.seen = {};
  goes_round(&state);
}

TEST_F(ContextImageTest, EveryTruncationAndEveryByteMoreIsRefused) {
  be_kerberos();
  keep(from.pac, a_pac());
  keep(from.delegated, a_delegation());
  const SessionState state = some_state(false);
  const Octets whole = image(&state);
  ASSERT_TRUE(is_read(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(is_read(Octets(whole.begin(), whole.begin() + std::ptrdiff_t(size)))) << size;
  }
  Octets longer = whole;
  longer.push_back(0);
  EXPECT_FALSE(is_read(longer));
}

// Change is a number put into an image.
struct Change {
  std::size_t at;
  std::size_t size;
  std::uint64_t value;
  bool is_read;
};

void expect_changes(const Octets& image, std::initializer_list<Change> changes) {
  ASSERT_TRUE(read_image(image).ok());
  for (const Change& change : changes) {
    Octets changed = image;
    for (std::size_t i = 0; i < change.size; ++i) {
      changed[change.at + i] = static_cast<std::uint8_t>(change.value >> 8 * i);
    }
    EXPECT_EQ(read_image(changed).ok(), change.is_read) << change.at << " " << change.value;
  }
}

constexpr std::uint64_t minus(std::int64_t value) { return static_cast<std::uint64_t>(-value); }

TEST_F(ContextImageTest, NumbersHaveBounds) {
  be_kerberos();
  expect_changes(image(), {
                              {kBitsAt, 2, 0x3f, true},
                              {kBitsAt, 2, 0x40, false},  // A session that is not there.
                              {kBitsAt, 2, 0x80, false},
                              {kBitsAt, 2, 0x8000, false},
                              {kMechanismAt, 2, 0, false},
                              {kMechanismAt, 2, 1, false},  // SPNEGO.
                              {kMechanismAt, 2, 2, true},
                              {kMechanismAt, 2, 4, false},  // NTLM has no such key.
                              {kMechanismAt, 2, 5, false},
                              {kMechanismAt, 2, 0x102, false},
                              {kBindingsAt, 2, 5, true},
                              {kBindingsAt, 2, 6, false},
                              {kBindingsAt, 2, 0x100, false},
                              {kSignaturesAt, 2, 0xf, true},
                              {kSignaturesAt, 2, 0x10, false},
                              {kSignaturesAt, 2, 0x100, false},
                              {kFlagsAt, 4, 0x707f, true},
                              {kFlagsAt, 4, 0x80, false},
                              {kFlagsAt, 4, 0x80000000, false},
                              {kNtlmFlagsAt, 4, 1, false},
                              {kEtypeAt, 4, 20, true},   // As large a key.
                              {kEtypeAt, 4, 17, false},  // A smaller one.
                              {kEtypeAt, 4, 0, false},
                              {kEtypeAt, 4, 0xffffffff, false},
                              {kTicketEtypeAt, 4, 0xffffffff, true},
                              {kStartAt, 8, 253'402'300'799, true},
                              {kStartAt, 8, 253'402'300'800, false},
                              {kStartAt, 8, minus(62'167'219'200), true},
                              {kStartAt, 8, minus(62'167'219'201), false},
                              {kExpiresAt, 8, std::uint64_t{1} << 63, false},
                              {kExpiresAt, 8, UINT64_MAX >> 1, false},
                              {kExpiresAt, 8, 0, true},
                              {kKeySizeAt, 2, 31, false},
                              {kKeySizeAt, 2, 0, false},
                              {kNamesAt, 2, 4, false},  // A byte is left over.
                              {kNamesAt, 2, 0xffff, false},
                              {kPacSizeAt, 4, 0xffffffff, false},
                              {kPacSizeAt + 4, 4, 0xffffffff, false},
                          });
}

TEST_F(ContextImageTest, NtlmHasBoundsOfItsOwn) {
  be_ntlm();
  const SessionState state = some_state(true);
  const Octets whole = image(&state);
  const Octets::value_type first = whole[kStreamsAt];
  expect_changes(whole, {
                            {kNtlmFlagsAt, 4, std::uint32_t(from.ntlm_flags) | 1, true},
                            {kNtlmFlagsAt, 4, 0, false},  // Streams that nobody has.
                            {kEtypeAt, 4, 23, false},
                            {kTicketEtypeAt, 4, 23, false},
                            {kSessionNextAt, 8, 0xffffffff, true},
                            {kSessionNextAt, 8, 0x100000000, false},
                            {kSeenAt, 8, 1, false},
                            {kStreamsAt, 1, first, true},
                            {kStreamsAt, 1, first ^ 1u, false},  // A byte of a stream, twice.
                            {kStreamsAt + 258, 1, whole[kStreamsAt + 259], false},
                            {kStreamsAt + 256, 2, 0xffff, true},  // Where a stream is.
                        });
}

TEST_F(ContextImageTest, NamesFillTheContextAtMost) {
  be_kerberos();
  from.part_sizes = {};
  ASSERT_TRUE(from.keep(0, Octets(kIdentitySizeMax, 'a')));
  Octets whole = image();
  ASSERT_TRUE(is_read(whole));
  whole.push_back('a');
  store_le(std::span(whole).subspan(kNamesAt), static_cast<std::uint16_t>(kIdentitySizeMax + 1));
  EXPECT_FALSE(is_read(whole));
}

TEST_F(ContextImageTest, WhatLiesInPagesIsReadOnce) {
  be_kerberos();
  keep(from.pac, Octets(100, 0xff));
  EXPECT_FALSE(is_read(image())) << "no PAC";
  store.release(from.pac);
  const Octets good = a_delegation();
  for (const std::size_t size : {std::size_t{1}, std::size_t{4}, good.size() - 1}) {
    keep(from.delegated, Octets(good.begin(), good.begin() + std::ptrdiff_t(size)));
    EXPECT_FALSE(is_read(image())) << size;
    store.release(from.delegated);
  }
  Octets wrong_size = good;
  store_le(wrong_size, std::uint32_t{0xffffffff});
  keep(from.delegated, wrong_size);
  EXPECT_FALSE(is_read(image()));
  store.release(from.delegated);
  keep(from.delegated, good);
  EXPECT_TRUE(is_read(image()));
}

TEST_F(ContextImageTest, NtlmDelegatesNothing) {
  be_ntlm();
  EXPECT_TRUE(is_read(image()));
  keep(from.delegated, a_delegation());
  EXPECT_FALSE(is_read(image()));
}

TEST_F(ContextImageTest, TooMuchDoesNotFit) {
  be_kerberos();
  EXPECT_TRUE(image_fits(from));
  for (Kept Context::*const kept : {&Context::pac, &Context::delegated}) {
    const std::size_t max = kept == &Context::pac ? kImagePacSizeMax : kImageDelegatedSizeMax;
    (from.*kept).size = static_cast<std::uint32_t>(max);
    EXPECT_TRUE(image_fits(from));
    (from.*kept).size += 1;
    EXPECT_FALSE(image_fits(from));
    from.*kept = {};
  }
}

}  // namespace
}  // namespace usher::auth
