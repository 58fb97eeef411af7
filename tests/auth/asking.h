// What tests ask an authority, and who is told of the answer.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/auth/authority.h"

namespace usher::testing {

inline Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string text_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// question_of is a whole question; its views lie in constants, but for `user`.
inline auth::NtlmQuestion question_of(std::string_view user) {
  return {.kind = crypto::ProofKind::kV2,
          .server_challenge = {1, 2, 3, 4, 5, 6, 7, 8},
          .user = bytes_of(user),
          .domain = bytes_of("EXAMPLE"),
          .workstation = bytes_of("PC"),
          .nt_response = bytes_of("the NT response"),
          .lm_response = bytes_of("LM")};
}

// ToldAsker keeps the inquiries it is told of, in that order. Any thread.
class ToldAsker final : public auth::Asker {
 public:
  void answered(auth::Inquiry& inquiry) noexcept override {
    const std::lock_guard lock(mutex_);
    told_.push_back(&inquiry);
    changed_.notify_all();
  }

  [[nodiscard]] std::vector<auth::Inquiry*> told() {
    const std::lock_guard lock(mutex_);
    return told_;
  }
  // wait waits, as long as it takes, until `count` have been told of.
  std::vector<auth::Inquiry*> wait(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this, count] { return told_.size() >= count; });
    return told_;
  }
  // close_all closes what it has been told of, and forgets it.
  void close_all(auth::Authority& authority) {
    const std::lock_guard lock(mutex_);
    for (auth::Inquiry* inquiry : told_) {
      authority.close(*inquiry);
    }
    told_.clear();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<auth::Inquiry*> told_;
};

}  // namespace usher::testing
