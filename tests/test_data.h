// Where the recorded data of tests/data/recorded lies.
#pragma once

#include <string>

namespace usher::testing {

// test_data is the path of a file in that folder.
std::string test_data(const std::string& name);

}  // namespace usher::testing
