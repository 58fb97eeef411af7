// The replay cache's table in a file: it outlives the process, also a killed one, and several
// processes on one machine share it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "engine/auth/replay_cache.h"
#include "engine/clock.h"

namespace usher {

struct ReplayFileHeader;  // How the file begins: in the .cc.

// MachineBoot tells one run of the machine from the next.
struct MachineBoot {
  std::array<char, 36> id{};  // The kernel's random boot id.
  std::int64_t began_s = 0;   // Since 1970, by the clock as it is set now.
};

// read_machine_boot asks the kernel; false if /proc is not there. Does I/O.
[[nodiscard]] bool read_machine_boot(const Clock& clock, MachineBoot& out) noexcept;

// ReplayFile is a file, mapped MAP_SHARED, of one page of header and the places of a ReplayCache. A
// place is one word that changes by one atomic instruction, so whatever moment a process dies at,
// the page cache holds every entry it made, and processes that share the file cannot let in one
// authenticator each.
//
// When entries may be lost (RFC 4120 3.2.3): the machine went down while somebody used the file,
// and not all of it may have reached the disk. Whoever was accepted until then had a time of at
// most `then` plus the skew, so all authenticators with such times are unknown; `then` is unknown
// too, and the moment of opening is an upper bound of it. A file that is new holds nothing of
// what was accepted before it existed. In the usual case that it lay on a tmpfs, everything before
// was accepted before this boot. (If this boot already accepted without this file, or an operator
// removed it, that is forgotten, as it is by a cache in memory.)
//
// The file holds the cache's secret key. It is made with mode 0600; one that others may read or
// write, that belongs to somebody else, or that is reached by a symbolic link in the path's last
// part is refused. Nobody else may be able to write to its folder. A file that is damaged, or was
// made for another size, skew or version, is refused: it never becomes an empty one by itself.
class ReplayFile {
 public:
  struct Wanted {
    const char* path = nullptr;
    std::size_t place_count = 0;  // A power of two, at least ReplayCache::kProbesMax.
    std::int64_t skew_max_s = 0;  // As ReplayCache's; all users of one file have the same.
    std::int64_t now_s = 0;       // Since 1970.
    MachineBoot boot;
  };
  // Reason is text for people, ended by NUL: file and what is wrong with it.
  using Reason = std::array<char, 512>;

  // open opens or makes the file; null and a reason if it cannot be used. `fresh_key` is the key of
  // a file that has to be made. Takes a lock while it looks, so processes may do so at once. I/O:
  // at start only.
  [[nodiscard]] static std::unique_ptr<ReplayFile> open(const Wanted& wanted,
                                                        const ReplayKey& fresh_key,
                                                        Reason& why) noexcept;

  // Notes in the file, once all of it is on the disk, that it was closed, if no other process has
  // it open. A process that was forked since shares the places but closes nothing.
  ~ReplayFile();
  ReplayFile(const ReplayFile&) = delete;
  ReplayFile& operator=(const ReplayFile&) = delete;

  // What to make a ReplayCache from; the places are good for the file's life.
  [[nodiscard]] std::span<ReplayCache::Place> places() const noexcept;
  [[nodiscard]] const ReplayKey& key() const noexcept;
  [[nodiscard]] std::int64_t lost_until_s() const noexcept;

 private:
  ReplayFile(int descriptor, ReplayFileHeader* header, std::size_t place_count) noexcept;
  static std::unique_ptr<ReplayFile> map(int descriptor, const Wanted& wanted,
                                         Reason& why) noexcept;

  int descriptor_;            // Kept open: its locks tell others that we are here.
  ReplayFileHeader* header_;  // Where the mapping begins.
  std::size_t place_count_;
  int process_;
};

}  // namespace usher
