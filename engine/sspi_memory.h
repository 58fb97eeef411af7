// Where calls that load or copy run out of memory. For files that are compiled with exceptions
// (engine/CMakeLists.txt lists them): the accept path has none to throw.
#pragma once

#include <new>

#include "engine/sspi_internal.h"

namespace usher::sspi {

// within_memory returns what call() does, or a refusal if there was too little memory; then what
// the call had made so far is gone again, and what it was to replace stays.
template <class Call>
[[nodiscard]] SECURITY_STATUS within_memory(Call call) noexcept {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return refuse(SEC_E_INSUFFICIENT_MEMORY, "there was not enough memory; nothing has changed");
  }
}

}  // namespace usher::sspi
