// Notices that files which were read have changed: written, renamed to, or reached by a symbolic
// link that now leads elsewhere, as Kubernetes swaps secrets.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace usherd {

// KeyWatch watches the folders that the files and the links to them lie in (inotify(7)). Folders
// say that something has happened there; what counts is whether a file's contents, owner or mode is
// another than when they were last taken. Contents are remembered as a digest only. For one thread.
class KeyWatch {
 public:
  using Clock = std::chrono::steady_clock;

  // After the last event in a folder, how long to wait for more, and for how long at most.
  static constexpr std::chrono::milliseconds kQuiet{250};
  static constexpr std::chrono::milliseconds kPatience{2000};

  explicit KeyWatch(std::vector<std::string> files);
  ~KeyWatch();
  KeyWatch(const KeyWatch&) = delete;
  KeyWatch& operator=(const KeyWatch&) = delete;

  // descriptor is readable when something happened; -1 if the kernel grants no watch, which leaves
  // suspect().
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

  // read_events takes what has happened. suspect says that something may have happened unseen.
  void read_events(Clock::time_point now);
  void suspect(Clock::time_point now) { expect_change(now); }

  // due is when changed() should be asked next; Clock::time_point::max() if there is no reason to.
  [[nodiscard]] Clock::time_point due() const noexcept { return due_; }

  // changed takes the files as they are now, and says whether they differ from last time. While
  // somebody has one of them open for writing it does neither, and is due again.
  [[nodiscard]] bool changed(Clock::time_point now);

  // take is changed() for who reads the files in any case.
  void take();

 private:
  // What a file is, as far as it matters.
  struct State {
    int error = 0;  // errno of the attempt to read it.
    std::uint32_t mode = 0;
    std::uint32_t owner = 0;
    std::uint32_t group = 0;
    std::array<std::uint8_t, 32> digest{};
    bool unfinished = false;  // Somebody is writing it.

    friend bool operator==(const State&, const State&) = default;
  };
  [[nodiscard]] static State state_of(const std::string& file);
  [[nodiscard]] std::vector<State> states() const;
  void expect_change(Clock::time_point now);
  void watch_folders();

  std::vector<std::string> files_;
  std::vector<State> taken_;
  int descriptor_;
  std::vector<int> watches_;
  Clock::time_point first_event_ = Clock::time_point::max();
  Clock::time_point due_ = Clock::time_point::max();
};

// folders_behind lists the folders whose entries decide what `path` leads to: the one that each
// symbolic link on its way lies in, and the one of the file at its end.
[[nodiscard]] std::vector<std::string> folders_behind(const std::string& path);

}  // namespace usherd
