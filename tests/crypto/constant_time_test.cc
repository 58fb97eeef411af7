// Promise (attack C8): comparing secrets takes a path that depends on their sizes and the verdict
// alone. Run under memcheck, which is told that the octets are uninitialised and then reports each
// branch and each address that depends on one of them; a timer would only guess.
#include <valgrind/memcheck.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "engine/secret.h"

namespace {

using usher::Bytes;

constexpr int kSkipped = 77;
constexpr std::size_t kSizeMax = 64;

// branches counts what memcheck reports while `equal` compares buffers that differ in the octet at
// `place`, or nowhere if that is `size`.
template <class Equal>
unsigned branches(std::size_t size, std::size_t place, Equal equal) {
  std::array<std::uint8_t, kSizeMax> a{};
  std::array<std::uint8_t, kSizeMax> b{};
  a.at(std::min(place, kSizeMax - 1)) ^= place < size ? 1u : 0u;
  VALGRIND_MAKE_MEM_UNDEFINED(a.data(), a.size());
  VALGRIND_MAKE_MEM_UNDEFINED(b.data(), b.size());
  const unsigned before = VALGRIND_COUNT_ERRORS;
  volatile bool verdict = equal(Bytes(a).first(size), Bytes(b).first(size));
  const unsigned found = VALGRIND_COUNT_ERRORS - before;
  VALGRIND_MAKE_MEM_DEFINED(&verdict, sizeof verdict);
  if (verdict != (place >= size)) {
    std::printf("size %zu, difference at %zu: compared wrongly\n", size, place);
    std::exit(1);
  }
  return found;
}

// depends says whether the path depends on where two buffers differ, or how many octets are equal.
template <class Equal>
bool depends(Equal equal) {
  bool any = false;
  for (std::size_t size = 1; size <= kSizeMax; ++size) {
    for (std::size_t place = 0; place <= size; ++place) {
      any = any || branches(size, place, equal) > 1;  // One: on the verdict.
    }
  }
  return any;
}

bool equal_in_a_loop(Bytes a, Bytes b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i]) {
      return false;
    }
  }
  return true;
}

}  // namespace

int main() {
  if (RUNNING_ON_VALGRIND == 0) {
    std::puts("skipped: not under valgrind");
    return kSkipped;
  }
  if (!depends(equal_in_a_loop)) {
    std::puts("memcheck does not see a comparison that stops at the first difference");
    return 1;
  }
  if (depends(usher::equal_secret)) {
    std::puts("equal_secret does not always take the same path");
    return 1;
  }
  std::puts("equal_secret: one path for every difference, 1 to 64 octets");
  return 0;
}
