#include "engine/auth/bindings.h"

namespace usher::auth {

bool make_bindings(crypto::Kit&, const BindingFields&, ChannelBindings&) noexcept { return false; }

BindingVerdict judge_bindings(const Policy&, const BindingDemand&, const ChannelBindings&,
                              const ClientBindings&) noexcept {
  return {};
}

}  // namespace usher::auth
