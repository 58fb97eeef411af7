// What the accept benches share: an engine with one service key, the tokens it is to accept, and
// the same key for MIT's acceptor.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "tools/mint/kerberos_mint.h"
#include "tools/mint/octets.h"

namespace usher::bench {

// KerberosTokens are first tokens as MIT clients send them (SPNEGO, AES-256, mutual authentication,
// a subkey, 164 bytes of authorization data), all for one ticket and each with another
// authenticator. The clock is the machine's, so that MIT accepts them for some minutes.
class KerberosTokens {
 public:
  explicit KerberosTokens(std::size_t count);

  [[nodiscard]] std::size_t size() const { return tokens_.size(); }
  [[nodiscard]] Bytes token(std::size_t index) const { return tokens_[index]; }
  [[nodiscard]] const mint::Service& service() const { return service_; }

  // proves says whether `reply` (a NegTokenResp) is the right answer to the first token.
  [[nodiscard]] bool proves(Bytes reply) const;

 private:
  std::unique_ptr<crypto::Kit> kit_;
  mutable mint::SeededRandom random_{20260};
  mint::KerberosMint mint_;
  mint::Service service_;
  mint::Ticket ticket_;
  mint::ApReq first_;
  std::vector<mint::Octets> tokens_;
};

// The account a Door knows unless it is given others.
inline constexpr std::string_view kAccounts = "EXAMPLE:alice:Al1ce-Passw0rd\n";

// Door is an engine ready to accept: a new one for each bench, because a replay cache takes a token
// once. Not for threads.
class Door {
 public:
  struct Options {
    const mint::Service* krbtgt = nullptr;  // Then the KDC's signatures are verified, too.
    bool allow_rc4 = false;
    bool accept_delegation = false;
    std::string_view accounts = kAccounts;  // Lines of an accounts file.
  };
  explicit Door(const mint::Service& service) : Door(std::span(&service, 1), {}) {}
  explicit Door(std::span<const mint::Service> services) : Door(services, {}) {}
  Door(std::span<const mint::Service> services, const Options& options);

  // accept runs one batch; replies lie in reply(index) until the next call.
  std::span<const AcceptReply> accept(std::span<const Bytes> tokens) noexcept;
  // next is accept of one token that continues `context`.
  const AcceptReply& next(ContextHandle context, Bytes token) noexcept;
  [[nodiscard]] Bytes reply(std::size_t index) const noexcept;
  [[nodiscard]] const Engine& engine() const noexcept { return *engine_; }
  void release(ContextHandle context) noexcept { (void)engine_->release(context); }

 private:
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<auth::Desk> desk_;
  std::unique_ptr<auth::Credential> credential_;
  std::vector<AcceptRequest> requests_;
  std::vector<AcceptReply> replies_;
  std::vector<std::array<std::uint8_t, kReplySizeMax>> buffers_;
};

}  // namespace usher::bench
