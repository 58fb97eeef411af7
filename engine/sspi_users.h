// How local users are found, as usher_start was told.
#pragma once

#include <memory>

#include "engine/acceptor.h"
#include "engine/users/local_user.h"

namespace usher::sspi {

// read_user_settings reads what USHER_OPTIONS says of local users; SEC_E_OK, or the refusal. Reads
// a file, and allocates.
[[nodiscard]] SECURITY_STATUS read_user_settings(
    const USHER_OPTIONS& options, std::unique_ptr<const users::Settings>& out) noexcept;

// keep_user_settings puts them in place of those there are by default; null puts these back. For
// who starts the engine, while there is none: nobody can have asked for a user before.
void keep_user_settings(std::unique_ptr<const users::Settings> settings) noexcept;

}  // namespace usher::sspi
