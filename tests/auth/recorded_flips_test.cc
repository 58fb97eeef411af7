// Tokens that real clients sent are refused with any one bit changed and at any shorter length.
// What survives lies in what no key protects and nothing is decided by, and signs on the same
// client.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "parsers/gss.h"
#include "parsers/spnego.h"
#include "tests/recorded.h"

namespace usher::auth {
namespace {

using Octets = std::vector<std::uint8_t>;

constexpr std::int64_t kAdAt = 1'795'166'192;   // 2026-11-20T09:16:32Z
constexpr std::int64_t kMitAt = 1'795'167'446;  // 2026-11-20T09:37:26Z
constexpr std::int64_t kSkewSeconds = 3600;     // http/ was recorded within 45 minutes after ad/.

struct RecordedCase {
  const char* name;
  const char* file;
  std::int64_t at_s;
  Status good = Status::kEstablished;  // What the token gets as it was sent.
};

const RecordedCase kKerberosTokens[] = {
    {"AdRaw", "ad/aes256-krb5.hex", kAdAt},
    {"AdDelegating", "ad/aes256-krb5-deleg.hex", kAdAt},
    {"AdDceStyle", "ad/aes256-krb5-dce.hex", kAdAt, Status::kContinue},
    {"AdSpnego", "ad/aes256-spnego.hex", kAdAt},
    {"AdSpnegoBindings", "ad/aes256-spnego-cb.hex", kAdAt},
    {"MitAes256Raw", "mit/aes256-cts-krb5.hex", kMitAt},
    {"MitAes256Bindings", "mit/aes256-cts-krb5-cb.hex", kMitAt},
    {"MitAes256Spnego", "mit/aes256-cts-spnego.hex", kMitAt},
    {"MitAes128Sha2Raw", "mit/aes128-sha2-krb5.hex", kMitAt},
    {"MitAes128Sha2Spnego", "mit/aes128-sha2-spnego.hex", kMitAt},
    {"MitRc4Raw", "mit/rc4-hmac-krb5.hex", kMitAt},
    {"MitRc4Spnego", "mit/rc4-hmac-spnego.hex", kMitAt},
    {"Chromium", "http/chromium-nego-krb.txt", kAdAt},
    {"Curl", "http/curl-nego-krb.txt", kAdAt},
    {"CurlDelegating", "http/curl-nego-krb-deleg.txt", kAdAt},
    {"Heimdal", "http/heimdal-spnego-krb.txt", kAdAt},
};

// Every one of these sent a MIC, which covers all three messages.
const RecordedCase kNtlmExchanges[] = {
    {"ChromiumNtlm", "http/chromium-ntlm.txt", kAdAt},
    {"ChromiumNtlmTls", "http/chromium-ntlm-tls.txt", kAdAt},
    {"RequestsNtlm", "http/py-requests-ntlm.txt", kAdAt},
    {"WinprNtlm", "http/winpr2-cli-ntlm.txt", kAdAt},
};

class StandingClock final : public Clock {
 public:
  explicit StandingClock(std::int64_t wall_s) : wall_s_(wall_s) {}
  [[nodiscard]] std::int64_t wall_us() const noexcept override {
    return wall_s_ * kMicrosPerSecond;
  }
  [[nodiscard]] std::int64_t steady_us() const noexcept override { return kMicrosPerSecond; }

 private:
  std::int64_t wall_s_;
};

// Part is a run of a token's bytes.
struct Part {
  std::size_t begin = 0;
  std::size_t end = 0;

  [[nodiscard]] bool has(std::size_t offset) const { return offset >= begin && offset < end; }
};

Part part_of(Bytes token, Bytes view) {
  const auto begin = static_cast<std::size_t>(view.data() - token.data());
  return {begin, begin + view.size()};
}

// element returns the contents of the DER element at `at`. The tokens were parsed before: no
// checks.
Part element(Bytes token, std::size_t at) {
  const std::uint8_t first = token[at + 1];
  const std::size_t more = first < 0x80 ? 0 : first & 0x7fu;
  std::size_t size = more == 0 ? first : 0;
  for (std::size_t i = 0; i < more; ++i) {
    size = size << 8 | token[at + 2 + i];
  }
  return {at + 2 + more, at + 2 + more + size};
}

// find_field returns where among the elements of `outer` context tag `tag` stands, stepping through
// the SEQUENCE and APPLICATION tags around them; nothing if it is not there.
std::optional<std::size_t> find_field(Bytes token, Part outer, unsigned tag) {
  while (token[outer.begin] == 0x30 || (token[outer.begin] & 0xe0u) == 0x60) {
    outer = element(token, outer.begin);
  }
  for (std::size_t at = outer.begin; at < outer.end; at = element(token, at).end) {
    if (token[at] == (0xa0u | tag)) {
      return at;
    }
  }
  return std::nullopt;
}

// field returns the contents of one that is there.
Part field(Bytes token, Part outer, unsigned tag) {
  return element(token, find_field(token, outer, tag).value());
}

// Layout is where in a token lies what no key protects, and which a reader may take either way.
struct Layout {
  Part ap_options;               // Of the AP-REQ: 32 bits.
  Part name_type;                // Of the service's name: an INTEGER's contents.
  Part kvno;                     // Of the ticket: an INTEGER's contents; nothing if absent.
  std::vector<Part> mechanisms;  // OIDs of Kerberos.
  std::optional<std::size_t> mech_token;  // SPNEGO: where the element stands.
};

Layout layout_of(Bytes token) {
  Layout layout;
  Bytes framed = token;
  if (const auto init = spnego::parse_neg_token_init(token); init.ok()) {
    layout.mechanisms.push_back(part_of(token, init->preferred_mech));
    layout.mech_token = find_field(token, field(token, {0, token.size()}, 0), 2);
    framed = init->mech_token;
  }
  Bytes ap_req = framed;
  if (gss::kind_of(framed) != gss::TokenKind::kApReq) {
    const auto initial = gss::parse_initial_token(framed);
    layout.mechanisms.push_back(part_of(token, initial->oid));
    ap_req = gss::parse_kerberos_token(initial->inner)->message;
  }
  const Part message = part_of(token, ap_req);
  layout.ap_options = element(token, field(token, message, 2).begin);
  ++layout.ap_options.begin;  // The count of unused bits.
  const Part ticket = field(token, message, 3);
  layout.name_type = element(token, field(token, field(token, ticket, 2), 0).begin);
  const Part sealed = field(token, ticket, 3);
  if (const auto kvno = find_field(token, sealed, 1)) {
    layout.kvno = element(token, element(token, *kvno).begin);
  }
  return layout;
}

// Identity is everything a caller would go by.
struct Identity {
  std::string client;
  std::string service;
  std::int32_t ticket_etype = 0;
  gss::ContextFlags flags{};

  friend bool operator==(const Identity&, const Identity&) = default;
};

// RecordedAcceptor has the keys the recorded clients' tickets were made for. It remembers nobody,
// so that nothing but the change can be why a changed token is refused.
class RecordedAcceptor {
 public:
  explicit RecordedAcceptor(std::int64_t at_s)
      : clock_(at_s),
        engine_(Engine::make({.slot_count = kBatchMax,
                              .replay_entry_count = 64,
                              .page_count = 16 * kBatchMax,
                              .skew_max_s = kSkewSeconds,
                              .clock = &clock_})),
        credential_(Package::kNegotiate,
                    load(at_s == kMitAt ? "mit/sha2.keytab" : "ad/web.keytab")) {
    credential_.policy.check_replays = false;
    credential_.policy.skew_s = kSkewSeconds;
    credential_.policy.allow_rc4 = true;
  }

  // offer gives all tokens to the acceptor in turns; verdict(index, status, identity) is called for
  // each, and afterwards the context is gone. `challenge` as in AcceptRequest; with one, each token
  // is the second of its exchange, after `negotiate`.
  template <class Visit>
  void offer(const std::vector<Octets>& tokens, Visit verdict, Bytes negotiate = {},
             Bytes challenge = {}) {
    std::array<AcceptRequest, kBatchMax> requests;
    std::array<AcceptReply, kBatchMax> replies;
    for (std::size_t done = 0; done < tokens.size(); done += kBatchMax) {
      const std::size_t count = std::min(kBatchMax, tokens.size() - done);
      for (std::size_t i = 0; i < count; ++i) {
        requests[i] = {.credential = &credential_, .token = negotiate, .reply = room_[i]};
        requests[i].recorded_challenge = challenge;
      }
      if (!negotiate.empty()) {
        accept(*desk_, engine_->environment(), std::span(requests).first(count),
               std::span(replies).first(count));
      }
      for (std::size_t i = 0; i < count; ++i) {
        requests[i].token = tokens[done + i];
        requests[i].context = negotiate.empty() ? ContextHandle{} : replies[i].context;
      }
      accept(*desk_, engine_->environment(), std::span(requests).first(count),
             std::span(replies).first(count));
      for (std::size_t i = 0; i < count; ++i) {
        verdict(done + i, replies[i].verdict.status, take_identity(replies[i]));
      }
    }
  }

 private:
  std::unique_ptr<const Keys> load(const char* keytab) const {
    auto keys = std::make_unique<Keys>();
    keys->ring = crypto::KeyRing::load_keytab(*kit_, testing::test_data(keytab).c_str()).ring;
    keys->accounts = Accounts::parse(*kit_, "BNTLM:alice:Al1ce-Passw0rd\n", "recorded").accounts;
    EXPECT_TRUE(keys->ring && keys->accounts);
    return keys;
  }

  Identity take_identity(const AcceptReply& reply) {
    Identity identity;
    if (reply.verdict.status == Status::kEstablished) {
      const Status inspected = engine_->inspect(reply.context, [&](const Context& context) {
        std::array<std::uint8_t, kClientNameSizeMax> room;
        const Bytes client = context.write_client_name(room);
        identity = {.client = {client.begin(), client.end()},
                    .service = {context.service().begin(), context.service().end()},
                    .ticket_etype = context.ticket_etype,
                    .flags = context.flags};
      });
      EXPECT_EQ(inspected, Status::kEstablished);
    }
    if (succeeded(reply.verdict.status)) {
      EXPECT_EQ(engine_->release(reply.context), Status::kEstablished);
    }
    return identity;
  }

  StandingClock clock_;
  std::unique_ptr<crypto::Kit> kit_ = crypto::Kit::make();
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Desk> desk_ = Desk::make(kBatchMax);
  Credential credential_;
  std::array<std::array<std::uint8_t, kReplySizeMax>, kBatchMax> room_{};
};

std::vector<Octets> every_flip(const Octets& token) {
  std::vector<Octets> flips(8 * token.size(), token);
  for (std::size_t n = 0; n < flips.size(); ++n) {
    flips[n][n / 8] ^= static_cast<std::uint8_t>(1u << n % 8);
  }
  return flips;
}

// every_prefix begins with the first byte: no token at all is a question, and answered as one.
std::vector<Octets> every_prefix(const Octets& token) {
  std::vector<Octets> prefixes;
  for (std::size_t size = 1; size < token.size(); ++size) {
    prefixes.emplace_back(token.begin(), token.begin() + std::ptrdiff_t(size));
  }
  return prefixes;
}

// hint_of names what survives if bit `bit` of byte `offset` is changed, "" if nothing may.
std::string hint_of(const Layout& layout, std::size_t offset, unsigned bit) {
  // RFC 4120 5.5.1: those that are set for no purpose are ignored. The one that has a purpose asks
  // for user-to-user, and that is refused.
  if (layout.ap_options.has(offset)) {
    return "ap-options";
  }
  // RFC 4120 6.2: a hint, that takes no part in comparisons.
  if (layout.name_type.has(offset)) {
    return "name-type";
  }
  // A key of another version is tried as well (MS-KILE 3.4.5).
  if (layout.kvno.has(offset)) {
    return "kvno";
  }
  // 1.2.840.113554 but for this bit is 1.2.840.48018, Microsoft's misprint of it.
  for (const Part& mechanism : layout.mechanisms) {
    if (offset == mechanism.begin + 3 && bit == 2) {
      return "mechanism";
    }
  }
  // As tag 3 the token is no mechToken but a MIC: the client is asked for its token.
  if (layout.mech_token == offset && bit == 0) {
    return "mechToken";
  }
  return {};
}

constexpr bool is_mutual_required(const Layout& layout, std::size_t offset, unsigned bit) {
  return offset == layout.ap_options.begin && bit == 5;  // Bit 2 counted from the most significant.
}

class RecordedKerberos : public ::testing::TestWithParam<RecordedCase> {
 protected:
  static Octets first_token() {
    const std::string file = GetParam().file;
    return file.ends_with(".txt") ? testing::recorded_exchange(file).at(0).token
                                  : testing::recorded_token(file);
  }

  RecordedAcceptor acceptor_{GetParam().at_s};
  const Octets token_ = first_token();
  const Status good_ = GetParam().good;
};

TEST_P(RecordedKerberos, IsRefusedWithAnyBitChangedThatIsNoMereHint) {
  Identity whole;
  acceptor_.offer({token_}, [&](std::size_t, Status status, const Identity& identity) {
    ASSERT_EQ(status, good_) << text_of(status);
    whole = identity;
  });
  const Layout layout = layout_of(token_);
  std::map<std::string, std::size_t> survivors;
  acceptor_.offer(every_flip(token_), [&](std::size_t n, Status status, Identity identity) {
    if (!succeeded(status)) {
      return;
    }
    const std::size_t offset = n / 8;
    const auto bit = static_cast<unsigned>(n % 8);
    const std::string hint = hint_of(layout, offset, bit);
    ++survivors[hint];
    SCOPED_TRACE(hint + " at byte " + std::to_string(offset) + ", bit " + std::to_string(bit));
    EXPECT_NE(hint, "");
    EXPECT_EQ(status, hint == "mechToken" ? Status::kContinue : good_);
    if (is_mutual_required(layout, offset, bit)) {
      // A client that asked for it nowhere else is answered with an AP-REP it will not miss.
      identity.flags = whole.flags;
    }
    if (status == Status::kEstablished) {
      EXPECT_EQ(identity, whole);
    }
  });
  // And no fewer: what a client may rightly send is not to be refused.
  std::map<std::string, std::size_t> expected = {{"ap-options", 31}, {"name-type", 8}, {"kvno", 8}};
  if (!layout.mechanisms.empty()) {
    expected["mechanism"] = layout.mechanisms.size();
  }
  if (layout.mech_token) {
    expected["mechToken"] = 1;
  }
  EXPECT_EQ(survivors, expected);
}

TEST_P(RecordedKerberos, IsRefusedAtAnyShorterLength) {
  acceptor_.offer(every_prefix(token_), [&](std::size_t n, Status status, const Identity&) {
    EXPECT_FALSE(succeeded(status)) << n + 1 << " of " << token_.size() << " bytes";
  });
  acceptor_.offer({token_}, [&](std::size_t, Status status, const Identity&) {
    EXPECT_EQ(status, good_) << text_of(status);
  });
}

INSTANTIATE_TEST_SUITE_P(Table, RecordedKerberos, ::testing::ValuesIn(kKerberosTokens),
                         [](const auto& c) { return std::string(c.param.name); });

class RecordedNtlm : public ::testing::TestWithParam<RecordedCase> {
 protected:
  // statuses offers each token as the AUTHENTICATE of its own exchange.
  std::vector<Status> statuses(const std::vector<Octets>& tokens) {
    std::vector<Status> out;
    acceptor_.offer(
        tokens, [&](std::size_t, Status status, const Identity&) { out.push_back(status); },
        exchange_.at(0).token, exchange_.at(1).token);
    return out;
  }

  RecordedAcceptor acceptor_{GetParam().at_s};
  const std::vector<testing::Leg> exchange_ = testing::recorded_exchange(GetParam().file);
};

TEST_P(RecordedNtlm, IsRefusedWithAnyBitChangedAndAtAnyShorterLength) {
  const Octets& token = exchange_.at(2).token;
  ASSERT_EQ(statuses({token}), std::vector{Status::kEstablished});
  const std::vector<Status> flips = statuses(every_flip(token));
  for (std::size_t n = 0; n < flips.size(); ++n) {
    EXPECT_FALSE(succeeded(flips[n])) << "byte " << n / 8 << " bit " << n % 8;
  }
  const std::vector<Status> prefixes = statuses(every_prefix(token));
  for (std::size_t n = 0; n < prefixes.size(); ++n) {
    EXPECT_FALSE(succeeded(prefixes[n])) << n + 1 << " of " << token.size() << " bytes";
  }
}

INSTANTIATE_TEST_SUITE_P(Table, RecordedNtlm, ::testing::ValuesIn(kNtlmExchanges),
                         [](const auto& c) { return std::string(c.param.name); });

}  // namespace
}  // namespace usher::auth
