// Half-open contexts by the name a proxy gives to its client's connection.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <vector>

#include "engine/slots/slot_pool.h"

namespace usherd {

inline constexpr std::size_t kConnectionIdSizeMax = 128;  // Bytes.

// ContextTable lets the legs of one exchange arrive over different connections, as they do from a
// proxy that pools its own. Any thread: the legs may even reach different workers. Fixed size: when
// the places for an id are taken, the oldest exchange there gives way.
class ContextTable {
 public:
  // `entry_count` is rounded up; allocates, later calls do not.
  explicit ContextTable(std::size_t entry_count);

  // take removes and returns the context kept for `id`; a default handle if there is none or it is
  // past its deadline.
  [[nodiscard]] usher::ContextHandle take(std::string_view id, std::int64_t now_us) noexcept;

  // put keeps `context` for `id` until `deadline_us` (steady clock). Returns the context that had
  // to give way, for the caller to release; a default handle if there was none. `id` has at most
  // kConnectionIdSizeMax bytes.
  [[nodiscard]] usher::ContextHandle put(std::string_view id, usher::ContextHandle context,
                                         std::int64_t deadline_us) noexcept;

 private:
  static constexpr std::size_t kWays = 8;
  struct Entry {
    std::array<char, kConnectionIdSizeMax> id{};
    std::size_t id_size = 0;
    usher::ContextHandle context;
    std::int64_t deadline_us = 0;  // 0: free.
    [[nodiscard]] bool is(std::string_view other) const noexcept {
      return deadline_us != 0 && std::string_view(id.data(), id_size) == other;
    }
  };
  using Set = std::array<Entry, kWays>;
  [[nodiscard]] Set& set_of(std::string_view id) noexcept;

  std::mutex mutex_;
  std::vector<Set> sets_;
};

}  // namespace usherd
