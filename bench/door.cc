#include "bench/door.h"

#include <ctime>

#include "tools/mint/spnego_mint.h"

namespace usher::bench {
namespace {

constexpr std::size_t kAuthorizationDataSize = 164;
// Authenticator times are spread over this many seconds around now, as those of many clients are.
constexpr std::int64_t kSpreadSeconds = 200;
constexpr std::uint32_t kReplayEntries = 1u << 21;

}  // namespace

KerberosTokens::KerberosTokens(std::size_t count)
    : kit_(crypto::Kit::make()),
      mint_(*kit_, random_),
      service_(mint::make_service(random_, "HTTP/web.example.test@EXAMPLE.TEST")) {
  const std::int64_t now = std::time(nullptr);
  mint::TicketFields ticket;
  ticket.auth_time = now - 600;
  ticket.end_time = now + 36'000;
  mint::Octets filler(kAuthorizationDataSize - mint::authorization_data(9999, {}).size());
  ticket.authorization_data = mint::authorization_data(9999, filler);
  while (ticket.authorization_data.size() > kAuthorizationDataSize) {  // Lengths grew with it.
    filler.pop_back();
    ticket.authorization_data = mint::authorization_data(9999, filler);
  }
  ticket_ = mint_.ticket(service_, ticket);

  tokens_.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    mint::AuthenticatorFields fields;
    fields.ctime = now - kSpreadSeconds / 2 + static_cast<std::int64_t>(i) % kSpreadSeconds;
    fields.cusec = static_cast<std::uint32_t>(i % 1'000'000);
    fields.subkey_etype = 18;
    fields.seq_number = static_cast<std::uint32_t>(0x20000000 + i);
    const mint::ApReq request = mint_.ap_req(ticket_, fields);
    if (i == 0) {
      first_ = request;
    }
    tokens_.push_back(mint::spnego_token(request.message));
  }
}

bool KerberosTokens::proves(Bytes reply) const {
  const mint::ServerResp resp = mint::read_neg_token_resp(reply);
  return resp.response_token.has_value() &&
         mint_.check_ap_rep(ticket_, first_, *resp.response_token).error.empty();
}

Door::Door(std::span<const mint::Service> services, const Options& options)
    : engine_(Engine::make({.replay_entry_count = kReplayEntries})),
      desk_(auth::Desk::make(kBatchMax)),
      requests_(kBatchMax),
      replies_(kBatchMax),
      buffers_(kBatchMax) {
  const std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
  mint::require(engine_ && desk_ && kit, "no memory or no OpenSSL");
  auto keys = std::make_unique<auth::Keys>();
  keys->ring = mint::make_ring(*kit, services);
  keys->accounts = auth::Accounts::parse(*kit, options.accounts, "accounts").accounts;
  mint::require(keys->ring && keys->accounts, "the engine refuses the keys");
  if (options.krbtgt != nullptr) {
    keys->kdc_ring = mint::make_ring(*kit, {options.krbtgt, 1});
    mint::require(keys->kdc_ring != nullptr, "the engine refuses the KDC's key");
  }
  credential_ = std::make_unique<auth::Credential>(auth::Package::kNegotiate, std::move(keys));
  credential_->policy.allow_rc4 = options.allow_rc4;
  credential_->policy.accept_delegation = options.accept_delegation;
  for (std::size_t i = 0; i < kBatchMax; ++i) {
    requests_[i].credential = credential_.get();
    requests_[i].reply = buffers_[i];
    requests_[i].take_delegation = options.accept_delegation;
  }
}

std::span<const AcceptReply> Door::accept(std::span<const Bytes> tokens) noexcept {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    requests_[i].context = {};
    requests_[i].token = tokens[i];
  }
  const std::span replies = std::span(replies_).first(tokens.size());
  auth::accept(*desk_, engine_->environment(), std::span(requests_).first(tokens.size()), replies);
  return replies;
}

const AcceptReply& Door::next(ContextHandle context, Bytes token) noexcept {
  requests_[0].context = context;
  requests_[0].token = token;
  auth::accept(*desk_, engine_->environment(), std::span(requests_).first(1),
               std::span(replies_).first(1));
  return replies_[0];
}

Bytes Door::reply(std::size_t index) const noexcept {
  return Bytes(buffers_[index]).first(replies_[index].reply_size);
}

}  // namespace usher::bench
