// What programs that time accepts by themselves share: processor time in blocks, and flags.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace usher::bench {

// thread_ns is the processor time of the calling thread, in nanoseconds: what else runs on the
// machine does not count.
inline double thread_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

// Blocks are nanoseconds of one accept, each the mean of a block of them.
class Blocks {
 public:
  void add(double ns) { ns_.push_back(ns); }
  void add(const Blocks& more) { ns_.insert(ns_.end(), more.ns_.begin(), more.ns_.end()); }
  [[nodiscard]] bool empty() const { return ns_.empty(); }
  // quantile is a value of the blocks in order; 0.5 the median.
  [[nodiscard]] double quantile(double share) {
    std::ranges::sort(ns_);
    return ns_[static_cast<std::size_t>(share * static_cast<double>(ns_.size() - 1))];
  }
  // print writes one JSON object in a line; `more` are further members, each after a comma.
  void print(const std::string& who, std::size_t accepts, const std::string& more) {
    std::printf(
        "{\"who\": \"%s\", \"accepts\": %zu, \"ns\": %.1f, \"ns_best\": %.1f, "
        "\"ns_p90\": %.1f%s}\n",
        who.c_str(), accepts, quantile(0.5), quantile(0), quantile(0.9), more.c_str());
  }

 private:
  std::vector<double> ns_;
};

// Flags are "--name NUMBER" pairs. Ends the program with `usage` if there is another.
class Flags {
 public:
  Flags(char** begin, char** end, std::map<std::string, std::size_t> defaults, const char* usage)
      : values_(std::move(defaults)) {
    for (; begin != end; begin += 2) {
      const std::string_view flag = *begin;
      const auto found =
          values_.find(std::string(flag.substr(std::min<std::size_t>(2, flag.size()))));
      const char* const text = begin + 1 == end ? "" : begin[1];
      const char* const text_end = text + std::strlen(text);
      if (found == values_.end() || !flag.starts_with("--") || text == text_end ||
          std::from_chars(text, text_end, found->second).ptr != text_end) {
        std::fputs(usage, stderr);
        std::exit(2);
      }
    }
  }
  [[nodiscard]] std::size_t operator[](const std::string& name) const { return values_.at(name); }

 private:
  std::map<std::string, std::size_t> values_;
};

}  // namespace usher::bench
