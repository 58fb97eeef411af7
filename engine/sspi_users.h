// How local users are found, as usher_start was told. It includes nothing of the C ABI, so that
// tests can use it beside the headers that are installed.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/users/local_user.h"

extern "C" struct _USHER_OPTIONS;

namespace usher::sspi {

// read_user_settings reads what USHER_OPTIONS says of local users; SEC_E_OK, or the refusal. Reads
// a file, and allocates.
[[nodiscard]] std::int32_t read_user_settings(const _USHER_OPTIONS& options,
                                              std::unique_ptr<const users::Settings>& out) noexcept;

// keep_user_settings puts them in place of those there are by default; null puts these back. For
// who starts the engine, while there is none: nobody can have asked for a user before. And for
// tests.
void keep_user_settings(std::unique_ptr<const users::Settings> settings) noexcept;

}  // namespace usher::sspi
