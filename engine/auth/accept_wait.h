// accept for a caller that may be kept waiting, such as AcceptSecurityContext.
#pragma once

#include "engine/auth/accept.h"

namespace usher::auth {

// accept_and_wait is accept for one request. Where an authority has to be asked, the calling thread
// sleeps until it has answered, at most for its deadline. The verdict is never kAsked. Any thread,
// a desk each.
void accept_and_wait(Desk& desk, const Environment& environment, const AcceptRequest& request,
                     AcceptReply& reply) noexcept;

}  // namespace usher::auth
