// The contract between a fuzz target and whatever drives it.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "parsers/bytes.h"

namespace usher::fuzz {

// Each fuzz_<target>.cc defines run_one and, if its inputs are sealed, LLVMFuzzerCustomMutator, and
// nothing else with external linkage. `input` is an exact heap allocation, so one byte past either
// end is a sanitizer report.
void run_one(Bytes input);

// Inputs longer than this add time and no coverage: a token is at most 64 KiB, its base64 a third
// more.
inline constexpr std::size_t kInputSizeMax = 128 * 1024;

// check stops the run with a message. It is on in every build, unlike assert.
inline void check(bool held, const char* property) {
  if (!held) {
    std::fprintf(stderr, "fuzz property violated: %s\n", property);
    std::abort();
  }
}

// within says whether `view` is empty or lies inside `whole`: the promise behind "zero-copy".
inline bool within(Bytes view, Bytes whole) {
  const auto begin = reinterpret_cast<std::uintptr_t>(whole.data());
  const auto at = reinterpret_cast<std::uintptr_t>(view.data());
  return view.empty() || (at >= begin && at + view.size() <= begin + whole.size());
}

}  // namespace usher::fuzz
