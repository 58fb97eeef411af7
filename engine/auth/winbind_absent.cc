// Without libwbclient there is no winbindd to ask.
#include "engine/auth/winbind.h"

namespace usher::auth {

std::unique_ptr<Answerer> make_winbind_answerer() noexcept { return nullptr; }

const char* take_domain_names(NtlmTarget& /*target*/) {
  return "winbind cannot be asked: this was built without libwbclient";
}

}  // namespace usher::auth
