#include "tests/test_data.h"

namespace usher::testing {

std::string test_data(const std::string& name) { return USHER_TEST_DATA "/" + name; }

}  // namespace usher::testing
