// accept for a caller that may be kept waiting, such as AcceptSecurityContext.
#pragma once

#include "engine/auth/accept.h"

namespace usher::auth {

// accept_and_wait is accept for at most kBatchMax requests. Where authorities have to be asked, the
// calling thread sleeps until all have answered, of each at most for its deadline. No verdict is
// kAsked. The requests' asker, context, resumed and inquiry are written to. Any thread, a desk
// each.
void accept_and_wait(Desk& desk, const Environment& environment, std::span<AcceptRequest> requests,
                     std::span<AcceptReply> replies) noexcept;
void accept_and_wait(Desk& desk, const Environment& environment, const AcceptRequest& request,
                     AcceptReply& reply) noexcept;

}  // namespace usher::auth
