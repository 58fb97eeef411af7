// Promise: what a client delegated can be taken as a credential cache that libkrb5 reads, as often
// as the caller likes and as long as the context lives; nobody else can read it.
#include <krb5.h>

#include <fstream>
#include <iterator>

#include "tests/engine/sspi_caller.h"
#include "tools/mint/cred_mint.h"

namespace usher::testing {
namespace {

namespace fs = std::filesystem;

bool refusal_says(const char* words) {
  return std::string_view(usher_last_refusal()).find(words) != std::string_view::npos;
}

// Cached is one credential of a cache, as libkrb5 reads it.
struct Cached {
  std::string client;
  std::string server;
  std::int32_t etype = 0;
  Octets key;
  std::array<std::uint32_t, 4> times{};  // authtime, starttime, endtime, renew_till
  std::uint32_t flags = 0;
  std::vector<std::pair<std::int32_t, Octets>> addresses;
  Octets ticket;
};

struct Cache {
  std::string principal;
  std::vector<Cached> creds;
};

template <class Char, class Size>
Octets octets(const Char* data, Size size) {
  const auto* const begin = reinterpret_cast<const std::uint8_t*>(data);
  return {begin, begin + size};
}

std::string name_of(krb5_context context, krb5_const_principal principal) {
  char* text = nullptr;
  EXPECT_EQ(krb5_unparse_name(context, principal, &text), 0);
  const std::string name = text == nullptr ? "" : text;
  krb5_free_unparsed_name(context, text);
  return name;
}

Cached cached(krb5_context context, const krb5_creds& creds) {
  Cached out{.client = name_of(context, creds.client),
             .server = name_of(context, creds.server),
             .etype = creds.keyblock.enctype,
             .key = octets(creds.keyblock.contents, creds.keyblock.length),
             .flags = static_cast<std::uint32_t>(creds.ticket_flags),
             .ticket = octets(creds.ticket.data, creds.ticket.length)};
  out.times = {static_cast<std::uint32_t>(creds.times.authtime),
               static_cast<std::uint32_t>(creds.times.starttime),
               static_cast<std::uint32_t>(creds.times.endtime),
               static_cast<std::uint32_t>(creds.times.renew_till)};
  for (krb5_address** at = creds.addresses; at != nullptr && *at != nullptr; ++at) {
    out.addresses.emplace_back((*at)->addrtype, octets((*at)->contents, (*at)->length));
  }
  EXPECT_FALSE(creds.is_skey);
  EXPECT_EQ(creds.second_ticket.length, 0u);
  return out;
}

// read_cache reads a whole cache; its principal is empty if there is none.
Cache read_cache(const std::string& name) {
  Cache out;
  krb5_context context = nullptr;
  krb5_ccache cache = nullptr;
  krb5_principal principal = nullptr;
  EXPECT_EQ(krb5_init_context(&context), 0);
  EXPECT_EQ(krb5_cc_resolve(context, name.c_str(), &cache), 0);
  if (krb5_cc_get_principal(context, cache, &principal) == 0) {
    out.principal = name_of(context, principal);
    krb5_cc_cursor cursor = nullptr;
    EXPECT_EQ(krb5_cc_start_seq_get(context, cache, &cursor), 0);
    krb5_creds creds{};
    while (krb5_cc_next_cred(context, cache, &cursor, &creds) == 0) {
      out.creds.push_back(cached(context, creds));
      krb5_free_cred_contents(context, &creds);
    }
    EXPECT_EQ(krb5_cc_end_seq_get(context, cache, &cursor), 0);
  }
  krb5_free_principal(context, principal);
  krb5_cc_close(context, cache);
  krb5_free_context(context);
  return out;
}

class SspiDelegation : public SspiTest {
 protected:
  USHER_ACCEPTOR with_policy(const char* policy = "delegation=accept") const {
    USHER_ACCEPTOR with = acceptor();
    with.Policy = policy;
    return with;
  }

  // sign_on delegates `cred`, or nothing; the caller asks for it unless told not to.
  Called sign_on(const mint::Cred* cred, std::uint32_t request = ASC_REQ_DELEGATE) {
    mint::TicketFields fields;
    fields.client = client_name;
    fields.auth_time = unix_now() - 60;
    fields.end_time = unix_now() + 3600;
    const mint::Ticket ticket = realm.mint.ticket(realm.service, fields);
    mint::AuthenticatorFields authenticator;
    if (cred != nullptr) {
      authenticator.context_flags |= std::uint32_t(gss::ContextFlags::kDelegate);
      authenticator.delegation =
          mint::krb_cred(realm.mint, ticket.session_etype, ticket.session_key, *cred);
    }
    return accept(own.handle, mint::gss_token(realm.ap_req(ticket, authenticator).message), nullptr,
                  request);
  }
  mint::Cred forwarded() const {
    return mint::forwarded_tgt(realm.mint, client_name, 1'795'000'000, 1'795'036'000);
  }
  std::string file(const char* name) const { return "FILE:" + (folder_path() / name).string(); }
  fs::path folder_path() const { return fs::path(keytab).parent_path(); }

  mint::Principal client_name = mint::Principal::of("alice@EXAMPLE.TEST");
  OwnCredential own{with_policy()};
};

void expect_same(const Cached& found, const mint::Cred& cred, std::size_t n) {
  const mint::CredInfo& info = cred.infos[n];
  EXPECT_EQ(found.client, "alice@EXAMPLE.TEST");
  EXPECT_EQ(found.server, "krbtgt/EXAMPLE.TEST@EXAMPLE.TEST");
  EXPECT_EQ(found.etype, info.etype);
  EXPECT_EQ(found.key, info.key);
  EXPECT_EQ(found.flags, info.flags.value_or(0));
  const auto time = [](const std::optional<std::int64_t>& seconds) {
    return static_cast<std::uint32_t>(seconds.value_or(0));
  };
  EXPECT_EQ(found.times,
            (std::array<std::uint32_t, 4>{time(info.auth_time), time(info.start_time),
                                          time(info.end_time), time(info.renew_till)}));
  EXPECT_EQ(found.ticket, cred.tickets[n]);
}

TEST_F(SspiDelegation, IsReadBackFromAFile) {
  mint::Cred cred = forwarded();
  const std::vector<std::pair<std::int32_t, Octets>> addresses = {{2, {10, 0, 0, 1}},
                                                                  {24, Octets(16, 0x20)}};
  cred.infos[0].addresses = mint::host_addresses(addresses);
  Called leg = sign_on(&cred);
  ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  EXPECT_NE(leg.attributes & ASC_RET_DELEGATE, 0u);
  const std::string name = file("krb5cc");
  ASSERT_EQ(usher_store_delegated(&leg.context, name.c_str()), SEC_E_OK) << usher_last_refusal();

  const Cache cache = read_cache(name);
  EXPECT_EQ(cache.principal, "alice@EXAMPLE.TEST");
  ASSERT_EQ(cache.creds.size(), 1u);
  expect_same(cache.creds[0], cred, 0);
  EXPECT_EQ(cache.creds[0].addresses, addresses);
  EXPECT_EQ(fs::status(name.substr(5)).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
}

TEST_F(SspiDelegation, IsReadBackFromMemory) {
  mint::Cred cred = forwarded();
  cred.tickets.push_back(forwarded().tickets[0]);
  cred.infos.push_back(cred.infos[0]);
  cred.infos[1].key = Octets(16, 0x11);
  cred.infos[1].etype = 17;
  Called leg = sign_on(&cred);
  ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  ASSERT_EQ(usher_store_delegated(&leg.context, "MEMORY:usher-test"), SEC_E_OK)
      << usher_last_refusal();
  const Cache cache = read_cache("MEMORY:usher-test");
  EXPECT_EQ(cache.principal, "alice@EXAMPLE.TEST");
  ASSERT_EQ(cache.creds.size(), 2u);
  expect_same(cache.creds[0], cred, 0);
  expect_same(cache.creds[1], cred, 1);
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
}

TEST_F(SspiDelegation, NeedsNoNamesAndNoTimes) {
  client_name = {1, {"al/ice@home\\x"}, "EXAMPLE.TEST"};
  mint::Cred cred = forwarded();
  cred.infos[0] = {.etype = 18, .key = Octets(32, 0x33)};
  Called leg = sign_on(&cred);
  ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  ASSERT_EQ(usher_store_delegated(&leg.context, "MEMORY:usher-bare"), SEC_E_OK)
      << usher_last_refusal();
  const Cache cache = read_cache("MEMORY:usher-bare");
  EXPECT_EQ(cache.principal, "al\\/ice\\@home\\\\x@EXAMPLE.TEST") << "who signed on";
  ASSERT_EQ(cache.creds.size(), 1u);
  EXPECT_EQ(cache.creds[0].client, cache.principal);
  EXPECT_EQ(cache.creds[0].server, "krbtgt/EXAMPLE.TEST@EXAMPLE.TEST") << "the ticket's own";
  EXPECT_EQ(cache.creds[0].key, Octets(32, 0x33));
  EXPECT_EQ(cache.creds[0].times, (std::array<std::uint32_t, 4>{}));
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
}

TEST_F(SspiDelegation, CanBeStoredAgainInPlaceOfWhatIsThere) {
  const mint::Cred cred = forwarded();
  Called leg = sign_on(&cred);
  ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  const std::string name = file("again");
  std::ofstream(name.substr(5)) << "something else";
  fs::permissions(name.substr(5), fs::perms::all);
  for (int round = 0; round < 2; ++round) {
    ASSERT_EQ(usher_store_delegated(&leg.context, name.c_str()), SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(read_cache(name).creds.size(), 1u);
    EXPECT_EQ(fs::status(name.substr(5)).permissions(),
              fs::perms::owner_read | fs::perms::owner_write);
  }
  ASSERT_EQ(usher_store_delegated(&leg.context, "MEMORY:usher-again"), SEC_E_OK);
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
  EXPECT_EQ(usher_store_delegated(&leg.context, name.c_str()), SEC_E_INVALID_HANDLE);
  EXPECT_EQ(read_cache(name).creds.size(), 1u) << "the file stays";
}

TEST_F(SspiDelegation, LeavesNothingHalfDone) {
  const mint::Cred cred = forwarded();
  Called leg = sign_on(&cred);
  ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
  const auto count = [&] {
    return std::distance(fs::directory_iterator(folder_path()), fs::directory_iterator());
  };
  const auto before = count();
  EXPECT_EQ(usher_store_delegated(&leg.context, "FILE:/nonexistent/krb5cc"), SEC_E_INTERNAL_ERROR);
  EXPECT_TRUE(refusal_says("/nonexistent/krb5cc")) << usher_last_refusal();
  fs::create_directory(folder_path() / "taken");
  EXPECT_EQ(usher_store_delegated(&leg.context, file("taken").c_str()), SEC_E_INTERNAL_ERROR);
  EXPECT_EQ(count(), before + 1) << "no file beside it remains";
  for (const char* other : {"", "FILE:", "MEMORY:", "krb5cc", "/tmp/krb5cc", "DIR:/tmp",
                            "KCM:", "KEYRING:persistent:0", "file:/tmp/x"}) {
    EXPECT_EQ(usher_store_delegated(&leg.context, other), SEC_E_INVALID_PARAMETER) << other;
  }
  EXPECT_EQ(usher_store_delegated(&leg.context, nullptr), SEC_E_INVALID_PARAMETER);
  EXPECT_EQ(usher_store_delegated(nullptr, "MEMORY:x"), SEC_E_INVALID_HANDLE);
  EXPECT_EQ(usher_store_delegated(&leg.context, "MEMORY:x"), SEC_E_OK) << "the positive twin";
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
}

TEST_F(SspiDelegation, NeedsClientCallerAndPolicy) {
  const mint::Cred cred = forwarded();
  const auto expect_none = [&](Called leg) {
    ASSERT_EQ(leg.status, SEC_E_OK) << usher_last_refusal();
    EXPECT_EQ(leg.attributes & ASC_RET_DELEGATE, 0u);
    EXPECT_EQ(usher_store_delegated(&leg.context, "MEMORY:none"), SEC_E_NO_CREDENTIALS);
    EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
  };
  expect_none(sign_on(nullptr));
  expect_none(sign_on(&cred, 0));
  OwnCredential strict(with_policy("delegation=ignore"));
  ASSERT_EQ(strict.status, SEC_E_OK);
  std::swap(strict.handle, own.handle);
  expect_none(sign_on(&cred));
  std::swap(strict.handle, own.handle);
  Called leg = sign_on(&cred);
  EXPECT_NE(leg.attributes & ASC_RET_DELEGATE, 0u) << "the positive twin";
  EXPECT_EQ(DeleteSecurityContext(&leg.context), SEC_E_OK);
  EXPECT_EQ(read_cache("MEMORY:none").principal, "");

  Called half = open_half();
  EXPECT_EQ(usher_store_delegated(&half.context, "MEMORY:none"), SEC_E_OUT_OF_SEQUENCE);
  EXPECT_EQ(DeleteSecurityContext(&half.context), SEC_E_OK);
}

TEST_F(SspiDelegation, OfSomebodyElseRefusesTheSignOn) {
  mint::Cred cred = forwarded();
  cred.infos[0].client = mint::Principal::of("bob@EXAMPLE.TEST");
  EXPECT_EQ(sign_on(&cred).status, SEC_E_LOGON_DENIED);
  EXPECT_TRUE(refusal_says("another client")) << usher_last_refusal();
  EXPECT_EQ(free_slots(), kTestSlots);
}

}  // namespace
}  // namespace usher::testing
