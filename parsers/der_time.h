// GeneralizedTime of the one form that DER and RFC 4120 5.2.3 allow, "YYYYMMDDHHMMSSZ", as a
// number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "parsers/bytes.h"

namespace usher::der {

inline constexpr std::size_t kTimeSize = 15;

// time_of reads its contents: seconds since 1970, or kNoTime if they are no calendar second (a leap
// second, 60, is none). parse_time reads them into `seconds`; false, and it stays, if they are
// none.
inline constexpr std::int64_t kNoTime = std::numeric_limits<std::int64_t>::min();
[[nodiscard]] std::int64_t time_of(Bytes contents) noexcept;
[[nodiscard]] bool parse_time(Bytes contents, std::int64_t& seconds) noexcept;

}  // namespace usher::der
