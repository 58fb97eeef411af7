// The Kerberos tokens that benches have accepted, by Usher and by others.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tools/mint/kerberos_mint.h"
#include "tools/mint/octets.h"
#include "tools/mint/ticket_shapes.h"

namespace usher::bench {

// TokenPlan is what KerberosTokens is to make.
struct TokenPlan {
  std::size_t count = 0;
  std::int32_t etype = 18;      // Of the service's key, and of session keys and subkeys.
  std::size_t ticket_size = 0;  // As TicketShape::size.
  std::size_t tickets = 1;      // Token n brings ticket n % tickets.
};

// KerberosTokens are first tokens as MIT clients send them (SPNEGO, mutual authentication, a
// subkey), each with another authenticator. The clock is the machine's, so that MIT and Heimdal
// accept them for some minutes.
class KerberosTokens {
 public:
  explicit KerberosTokens(std::size_t count) : KerberosTokens(TokenPlan{.count = count}) {}
  explicit KerberosTokens(const TokenPlan& plan);

  // load reads what save has written, in another process; throws if it is not that.
  [[nodiscard]] static KerberosTokens load(const std::string& path);
  void save(const std::string& path) const;

  [[nodiscard]] std::size_t size() const { return tokens_.size(); }
  [[nodiscard]] Bytes token(std::size_t index) const { return tokens_[index]; }
  [[nodiscard]] const mint::Service& service() const { return service_; }

  // spoil makes a forgery of a token: one bit inside its ticket's ciphertext is another.
  void spoil(std::size_t index);

  // proves says whether `reply` (a NegTokenResp) is the right answer to the first token.
  [[nodiscard]] bool proves(Bytes reply) const;

 private:
  KerberosTokens();

  std::unique_ptr<crypto::Kit> kit_;
  // On the heap, for `mint_` and the shaper point at it wherever this is moved to.
  std::unique_ptr<mint::SeededRandom> random_ = std::make_unique<mint::SeededRandom>(20260);
  mint::KerberosMint mint_;
  mint::Service service_;
  mint::Ticket first_ticket_;
  mint::ApReq first_;
  std::vector<mint::Octets> tokens_;
};

}  // namespace usher::bench
