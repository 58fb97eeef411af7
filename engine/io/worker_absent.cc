// Without liburing no worker has a ring, nor connections.
#include <cerrno>

#include "engine/io/worker.h"

namespace usher::io {

std::unique_ptr<Worker> Worker::make(const WorkerOptions& /*options*/, auth::Desk& /*desk*/,
                                     const auth::Environment& /*environment*/,
                                     FrontEnd& /*front_end*/, int& error) noexcept {
  error = -ENOSYS;
  return nullptr;
}

}  // namespace usher::io
