// What the accept benches share: an engine with its keys, ready to accept.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "bench/tokens.h"
#include "engine/engine.h"

namespace usher::bench {

// The account a Door knows unless it is given others.
inline constexpr std::string_view kAccounts = "EXAMPLE:alice:Al1ce-Passw0rd\n";

// Door is an engine ready to accept: a new one for each bench, because a replay cache takes a token
// once. Not for threads, but each may have a Door of its own at one engine.
class Door {
 public:
  struct Options {
    const mint::Service* krbtgt = nullptr;  // Then the KDC's signatures are verified, too.
    bool allow_rc4 = false;
    bool cache_tickets = true;
    bool accept_delegation = false;
    std::string_view accounts = kAccounts;  // Lines of an accounts file.
    std::uint32_t replay_entries = 1u << 21;
    std::uint32_t slots = kSlotCountDefault;
    bool allow_replay = false;  // As AcceptRequest's.
  };
  explicit Door(const mint::Service& service) : Door(std::span(&service, 1), {}) {}
  explicit Door(std::span<const mint::Service> services) : Door(services, {}) {}
  Door(std::span<const mint::Service> services, const Options& options);
  // A further desk at the engine of `first`, with its credential: for another thread.
  explicit Door(const Door& first);
  Door& operator=(const Door&) = delete;

  // accept runs one batch; replies lie in reply(index) until the next call.
  std::span<const AcceptReply> accept(std::span<const Bytes> tokens) noexcept;
  // next is accept of one token that continues `context`.
  const AcceptReply& next(ContextHandle context, Bytes token) noexcept;
  [[nodiscard]] Bytes reply(std::size_t index) const noexcept;
  [[nodiscard]] const Engine& engine() const noexcept { return *engine_; }
  void release(ContextHandle context) noexcept { (void)engine_->release(context); }

 private:
  void prepare(const AcceptRequest& like);

  std::shared_ptr<Engine> engine_;
  std::unique_ptr<auth::Desk> desk_;
  std::shared_ptr<auth::Credential> credential_;
  std::vector<AcceptRequest> requests_;
  std::vector<AcceptReply> replies_;
  std::vector<std::array<std::uint8_t, kReplySizeMax>> buffers_;
};

}  // namespace usher::bench
