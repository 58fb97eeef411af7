// Which uid a SID has, as winbindd maps it.
#include <cstddef>
#include <cstdint>
#include <memory>

extern "C" {
#include <wbclient.h>
}

#include "engine/users/name_services.h"

namespace usher::users {

bool winbind_is_built_in() noexcept { return true; }

Known ask_winbind(const std::string& sid, std::uint32_t& uid) noexcept {
  struct wbcDomainSid number {};
  if (wbcStringToSid(sid.c_str(), &number) != WBC_ERR_SUCCESS) {
    return Known::kNo;
  }
  // A connection of the question's own: no thread keeps one that winbindd may have closed.
  const std::unique_ptr<wbcContext, decltype(&wbcCtxFree)> line(wbcCtxCreate(), wbcCtxFree);
  if (line == nullptr) {
    return Known::kFailed;
  }
  uid_t found = 0;
  switch (wbcCtxSidToUid(line.get(), &number, &found)) {
    case WBC_ERR_SUCCESS:
      uid = found;
      return Known::kYes;
    case WBC_ERR_DOMAIN_NOT_FOUND:  // So says libwbclient of any SID that winbindd does not map.
    case WBC_ERR_UNKNOWN_USER:
      return Known::kNo;
    default:
      return Known::kFailed;
  }
}

}  // namespace usher::users
