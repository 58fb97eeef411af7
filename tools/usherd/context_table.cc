// A set-associative table; context_table.h says what is promised.
#include "tools/usherd/context_table.h"

#include <algorithm>
#include <cassert>
#include <functional>

namespace usherd {

ContextTable::ContextTable(std::size_t entry_count)
    : sets_(std::max<std::size_t>(1, (entry_count + kWays - 1) / kWays)) {}

ContextTable::Set& ContextTable::set_of(std::string_view id) noexcept {
  return sets_[std::hash<std::string_view>()(id) % sets_.size()];
}

usher::ContextHandle ContextTable::take(std::string_view id, std::int64_t now_us) noexcept {
  const std::scoped_lock lock(mutex_);
  for (Entry& entry : set_of(id)) {
    if (entry.is(id)) {
      const bool in_time = entry.deadline_us > now_us;
      const usher::ContextHandle context = entry.context;
      entry.deadline_us = 0;
      return in_time ? context : usher::ContextHandle{};
    }
  }
  return {};
}

usher::ContextHandle ContextTable::put(std::string_view id, usher::ContextHandle context,
                                       std::int64_t deadline_us) noexcept {
  assert(id.size() <= kConnectionIdSizeMax && deadline_us > 0);
  const std::scoped_lock lock(mutex_);
  Set& set = set_of(id);
  const auto same = std::ranges::find_if(set, [&](const Entry& entry) { return entry.is(id); });
  Entry& place =
      same != set.end() ? *same : *std::ranges::min_element(set, {}, &Entry::deadline_us);
  const usher::ContextHandle displaced =
      place.deadline_us != 0 ? place.context : usher::ContextHandle{};
  std::ranges::copy(id, place.id.begin());
  place.id_size = id.size();
  place.context = context;
  place.deadline_us = deadline_us;
  return displaced;
}

}  // namespace usherd
