// A property that corpus/canary violates: if this target passes, the drivers check nothing.
#include "fuzz/fuzz_target.h"

namespace usher::fuzz {

void run_one(Bytes input) {
  check(input.empty() || input[0] != '!', "the canary sings: no input begins with '!'");
}

}  // namespace usher::fuzz
