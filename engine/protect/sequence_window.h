// Which of the peer's message numbers have been seen (RFC 2743 1.2.3, RFC 4121 4.2.6, RFC 4757 7.2).
#pragma once

#include <array>
#include <cstdint>

namespace usher::protect {

// SequenceWindow tells fresh numbers from replayed and old ones, and whether they come in order. It
// is asked only about messages whose checksum is right, so that nobody else can move it.
class SequenceWindow {
 public:
  enum class Verdict : std::uint8_t {
    kNext,      // The one that was expected.
    kGap,       // Later than that: what lies between is lost or still on its way.
    kLate,      // One of those that were missing.
    kReplayed,  // Seen before.
    kOld,       // So far back that nobody knows any more.
  };

  // `first` is the number the peer begins with; numbers are `number_bits` wide (64 with AES, 32 with
  // RC4 and NTLM) and wrap.
  SequenceWindow(std::uint64_t first, unsigned number_bits) noexcept;

  // note takes a number into account and judges it; kReplayed and kOld change nothing.
  [[nodiscard]] Verdict note(std::uint64_t number) noexcept;

 private:
  static constexpr unsigned kWindow = 1024;  // As far back as reordering may reach.

  std::uint64_t mask_;
  std::uint64_t next_ = 0;  // Counted from the first.
  std::uint64_t first_;
  std::array<std::uint64_t, kWindow / 64> seen_{};
};

}  // namespace usher::protect
