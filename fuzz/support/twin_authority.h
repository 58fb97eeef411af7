// An authority that knows what the accounts know, and answers at once: what it is asked about must
// end as it does with those.
#pragma once

#include "engine/auth/accounts.h"
#include "engine/auth/authority.h"

namespace usher::fuzz {

class TwinAuthority final : public auth::Authority {
 public:
  // `accounts` is borrowed.
  explicit TwinAuthority(const auth::Accounts& accounts)
      : Authority(1, 1'000'000), accounts_(accounts) {}

 private:
  void begin(auth::Inquiry& inquiry) noexcept override;

  const auth::Accounts& accounts_;
};

}  // namespace usher::fuzz
