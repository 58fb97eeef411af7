// Without libwbclient there is no winbindd to ask.
#include "engine/users/name_services.h"

namespace usher::users {

bool winbind_is_built_in() noexcept { return false; }

Known ask_winbind(const std::string& /*sid*/, std::uint32_t& /*uid*/) noexcept {
  return Known::kFailed;
}

}  // namespace usher::users
