#include "tools/load/histogram.h"

#include <algorithm>
#include <cmath>

namespace load {

std::uint64_t Histogram::percentile(double percent) const noexcept {
  const double share = std::clamp(percent, 0.0, 100.0) / 100 * static_cast<double>(count_);
  const auto wanted = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(share)));
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    seen += buckets_[bucket];
    if (seen >= wanted) {
      return std::min(end_of(bucket), max_);
    }
  }
  return max_;
}

}  // namespace load
