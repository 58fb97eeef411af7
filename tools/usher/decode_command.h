// `usher decode`: what is in a token.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>

#include "tools/usher/opener.h"

namespace usher::cli {

struct DecodeOptions {
  std::string file = "-";
  std::string keytab;  // Empty: tickets stay closed.
  bool json = false;   // One object a token, a line each.
};

// decode_command writes to `out` and returns the exit status: kExitRefused if a token is at fault.
// Throws UsageError.
[[nodiscard]] int decode_command(const DecodeOptions& options, std::ostream& out);

// decode_contents does the same for `contents`, read from options.file, with `opener` in place of
// options.keytab; it may be null.
[[nodiscard]] int decode_contents(std::string_view contents, const DecodeOptions& options,
                                  Opener* opener, std::ostream& out);

}  // namespace usher::cli
