// What a decoder says about a message, as a list that can be held against another decoder's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "parsers/bytes.h"

namespace usher::fuzz {

// Facts is one decoder's account. Names and octets are borrowed; the list is kept for the next
// input, so that a running campaign allocates nothing for it.
class Facts {
 public:
  void clear() {
    facts_.clear();
    time_wrapped = false;
    half_name = false;
  }

  void number(const char* name, std::int64_t value) { facts_.push_back({name, value, {}}); }
  void octets(const char* name, Bytes value) { facts_.push_back({name, 0, value}); }

  // present says whether an optional element was there. A peer whose structures cannot tell an
  // absent number from zero leaves such facts out, and has ours left out by `tell_presence`.
  void present(const char* name, bool there) {
    if (tell_presence) {
      number(name, there ? 1 : 0);
    }
  }
  bool tell_presence = true;

  // time is a number of seconds since 1970, of which a peer may have room for 32 bits.
  void time(const char* name, std::int64_t seconds) {
    const std::int64_t low = static_cast<std::uint32_t>(seconds);
    time_wrapped |= narrow_times && low != seconds;
    number(name, narrow_times ? low : seconds);
  }
  bool narrow_times = false;
  bool time_wrapped = false;  // One of them did not fit.

  bool half_name = false;  // A realm without a name, or the other way; of a peer, not compared.

  // any says whether `holds(name, number, octets)` for one fact.
  template <class Holds>
  [[nodiscard]] bool any(Holds holds) const {
    return std::ranges::any_of(facts_, [&](const Fact& fact) {
      return holds(std::string_view(fact.name), fact.number, fact.octets);
    });
  }

  // check_equal ends the run, with what differs, unless both say the same, or `excused(name, our
  // number, our octets, their number, their octets)` where they do not.
  template <class Excused>
  static void check_equal(const Facts& ours, const Facts& theirs, const char* peer,
                          Excused excused) {
    const std::size_t both = std::min(ours.facts_.size(), theirs.facts_.size());
    for (std::size_t i = 0; i < both; ++i) {
      const Fact& a = ours.facts_[i];
      const Fact& b = theirs.facts_[i];
      if (!same(a, b) &&
          (std::string_view(a.name) != b.name ||
           !excused(std::string_view(a.name), a.number, a.octets, b.number, b.octets))) {
        fail(&a, &b, peer);
      }
    }
    if (ours.facts_.size() != theirs.facts_.size()) {
      fail(both < ours.facts_.size() ? &ours.facts_[both] : nullptr,
           both < theirs.facts_.size() ? &theirs.facts_[both] : nullptr, peer);
    }
  }

 private:
  struct Fact {
    const char* name;
    std::int64_t number;
    Bytes octets;
  };

  static bool same(const Fact& a, const Fact& b) {
    return std::string_view(a.name) == b.name && a.number == b.number &&
           std::ranges::equal(a.octets, b.octets);
  }

  static void print(const char* who, const Fact* fact) {
    std::fprintf(stderr, "  %s: ", who);
    if (fact == nullptr) {
      std::fprintf(stderr, "nothing more\n");
      return;
    }
    std::fprintf(stderr, "%s = %lld, octets", fact->name, static_cast<long long>(fact->number));
    for (const std::uint8_t octet : fact->octets) {
      std::fprintf(stderr, " %02x", octet);
    }
    std::fprintf(stderr, "\n");
  }

  [[noreturn]] static void fail(const Fact* ours, const Fact* theirs, const char* peer) {
    std::fprintf(stderr, "fuzz property violated: Usher and %s read the same from a message\n",
                 peer);
    print("Usher", ours);
    print(peer, theirs);
    std::abort();
  }

  std::vector<Fact> facts_;
};

}  // namespace usher::fuzz
