#include "bench/door.h"

namespace usher::bench {

Door::Door(std::span<const mint::Service> services, const Options& options)
    : engine_(Engine::make(
          {.slot_count = options.slots, .replay_entry_count = options.replay_entries})),
      desk_(auth::Desk::make(kBatchMax)) {
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
  credential_ = std::make_shared<auth::Credential>(auth::Package::kNegotiate, std::move(keys));
  credential_->policy.allow_rc4 = options.allow_rc4;
  credential_->policy.cache_tickets = options.cache_tickets;
  credential_->policy.accept_delegation = options.accept_delegation;
  AcceptRequest like;
  like.credential = credential_.get();
  like.take_delegation = options.accept_delegation;
  like.allow_replay = options.allow_replay;
  prepare(like);
}

Door::Door(const Door& first)
    : engine_(first.engine_), desk_(auth::Desk::make(kBatchMax)), credential_(first.credential_) {
  mint::require(desk_ != nullptr, "no memory or no OpenSSL");
  prepare(first.requests_[0]);
}

void Door::prepare(const AcceptRequest& like) {
  requests_.assign(kBatchMax, like);
  replies_.resize(kBatchMax);
  buffers_.resize(kBatchMax);
  for (std::size_t i = 0; i < kBatchMax; ++i) {
    requests_[i].reply = buffers_[i];
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
