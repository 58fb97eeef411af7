// The border to libraries that are not built with MemorySanitizer.
#pragma once

#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#define USHER_FUZZ_MSAN 1
#include <sanitizer/msan_interface.h>
#endif
#endif

namespace usher::fuzz {

// Abroad lasts while such a library may run: what it hands to memcpy, strlen and their like counts
// as uninitialised, and must not be reported. Without MemorySanitizer it is nothing.
class Abroad {
 public:
#ifdef USHER_FUZZ_MSAN
  Abroad() { __msan_scoped_disable_interceptor_checks(); }
  ~Abroad() { __msan_scoped_enable_interceptor_checks(); }
#else
  Abroad() {}
  ~Abroad() {}
#endif
  Abroad(const Abroad&) = delete;
  Abroad& operator=(const Abroad&) = delete;
};

}  // namespace usher::fuzz
