// The same program, as C++.
#include <type_traits>

#include "tests/engine/windows_headers_test.c"
