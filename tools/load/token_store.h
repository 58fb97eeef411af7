// The tokens of a load, made before the clock starts: no client library makes them fast enough to
// find out what a server can do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/crypto/kit.h"
#include "engine/random.h"
#include "tools/mint/kerberos_mint.h"

namespace load {

// TokenStore holds first tokens in base64. Those of one ticket differ only in their authenticator,
// which comes last: so a token is its ticket's beginning and an ending of its own. Token n brings
// ticket n % tickets. All have the same size. Immutable: any thread.
class TokenStore {
 public:
  // Takes tickets of one shape; `now_s` is the time of day, seconds since 1970. Throws if the
  // tickets differ in size.
  TokenStore(std::vector<usher::mint::Ticket> tickets, std::size_t count, std::int64_t now_s);

  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] std::size_t token_size() const { return token_size_; }  // Bytes, before base64.
  [[nodiscard]] std::size_t ticket_count() const { return tickets_.size(); }

  // beginning and ending, one after the other, are token number `index`.
  [[nodiscard]] std::string_view beginning(std::size_t index) const {
    return std::string_view(beginnings_)
        .substr(index % tickets_.size() * beginning_size_, beginning_size_);
  }
  [[nodiscard]] std::string_view ending(std::size_t index) const {
    return std::string_view(endings_).substr(index * ending_size_, ending_size_);
  }

  // ticket_of and request_of are what the client remembers of token number `index`. No two have the
  // same time.
  [[nodiscard]] const usher::mint::Ticket& ticket_of(std::size_t index) const {
    return tickets_[index % tickets_.size()];
  }
  [[nodiscard]] usher::mint::ApReq request_of(std::size_t index) const;

 private:
  [[nodiscard]] usher::mint::Octets token(usher::crypto::Kit& kit, usher::RandomSource& random,
                                          std::size_t index) const;
  void fill();
  void fill_share(std::size_t worker, std::size_t workers);

  std::vector<usher::mint::Ticket> tickets_;
  std::size_t count_;
  std::int64_t now_s_;
  std::size_t token_size_ = 0;
  std::size_t common_size_ = 0;  // Bytes of a token that are its ticket's, before base64.
  std::size_t beginning_size_ = 0;
  std::size_t ending_size_ = 0;
  std::string beginnings_;
  std::string endings_;
};

}  // namespace load
