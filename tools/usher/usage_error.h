// What the person at the keyboard has to put right: exit status 2.
#pragma once

#include <stdexcept>

namespace usher::cli {

// UsageError says what is wrong with a command line, a file or a line of it.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline constexpr int kExitGood = 0;
inline constexpr int kExitRefused = 1;  // A token is at fault, or was refused.
inline constexpr int kExitUsage = 2;

}  // namespace usher::cli
