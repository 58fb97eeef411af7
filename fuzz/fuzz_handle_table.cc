// engine/handle_table.h: tenants put in, held, let go and taken out, against a count of who holds
// whom. An input is a script of one byte a step.
#include <algorithm>
#include <array>
#include <memory>

#include "engine/handle_table.h"
#include "fuzz/fuzz_target.h"

namespace usher::fuzz {
namespace {

constexpr std::size_t kTableSize = 3;
constexpr std::size_t kTenants = 5;  // The model remembers more than the table holds.
constexpr std::size_t kHolds = 4;

int g_alive = 0;

struct Tenant {
  explicit Tenant(std::size_t the_name) : name(the_name) { ++g_alive; }
  Tenant(const Tenant&) = delete;
  Tenant& operator=(const Tenant&) = delete;
  ~Tenant() { --g_alive; }
  std::size_t name;
};

using Table = HandleTable<Tenant, kTableSize>;

// Known is what the model knows of one handle; `holders` counts its holds, not the table's own.
struct Known {
  TableHandle handle;
  bool live = false;
  int holders = 0;
};

class Play {
 public:
  void step(std::uint8_t byte) {
    const std::size_t n = (byte >> 3) % kTenants;
    const std::size_t place = (byte >> 3) % kHolds;
    switch (byte & 7) {
      case 0:
      case 1:
        return insert(n);
      case 2:
      case 3:
        return hold(place, n);
      case 4:
        return let_go(place);
      case 5:
        return remove(n);
      case 6:
        return forge(n, byte >> 6);
      default: {  // A hold that moves is still one hold.
        const Table::Hold moved = std::move(holds_[place]);
        check(!holds_[place] && bool(moved) == (held_[place] != nullptr), "one hold, one holder");
        if (held_[place] != nullptr) {
          --held_[place]->holders;  // `moved` ends here.
          held_[place] = nullptr;
        }
      }
    }
  }

  // used counts the places that are taken: live, or dead and still held.
  [[nodiscard]] int used() const {
    return static_cast<int>(std::ranges::count_if(
        known_, [](const Known& one) { return one.live || one.holders > 0; }));
  }

  void finish() {
    for (std::size_t place = 0; place < kHolds; ++place) {
      let_go(place);
    }
    for (std::size_t n = 0; n < kTenants; ++n) {
      remove(n);
    }
    check(g_alive == 0, "nobody is left");
  }

 private:
  void insert(std::size_t n) {
    Known& known = known_[n];
    if (known.live || known.holders > 0) {
      return;
    }
    const bool room = used() < static_cast<int>(kTableSize);
    auto tenant = std::make_unique<Tenant>(n);
    const std::optional<TableHandle> handle = table_.insert(tenant);
    check(handle.has_value() == room, "put in if and only if a place is free");
    check(room == (tenant == nullptr), "a tenant that is refused is left alone");
    if (handle) {
      check(handle->generation != 0, "generation 0 is never issued");
      for (const Known& other : known_) {
        check(!(other.handle == *handle), "no handle comes twice");
      }
      known = {*handle, true, 0};
    }
  }

  void hold(std::size_t place, std::size_t n) {
    let_go(place);
    Table::Hold hold = table_.hold(known_[n].handle);
    check(bool(hold) == known_[n].live, "held if and only if it lives");
    if (hold) {
      check(hold->name == n && (*hold).name == n, "a handle leads to its own tenant");
      held_[place] = &known_[n];
      ++known_[n].holders;
      std::destroy_at(&holds_[place]);
      std::construct_at(&holds_[place], std::move(hold));
    }
  }

  void let_go(std::size_t place) {
    std::destroy_at(&holds_[place]);
    std::construct_at(&holds_[place]);
    if (held_[place] != nullptr) {
      --held_[place]->holders;
      held_[place] = nullptr;
    }
  }

  void remove(std::size_t n) {
    check(table_.remove(known_[n].handle) == known_[n].live, "removed once");
    known_[n].live = false;
    check(!table_.hold(known_[n].handle), "and stale from then on");
  }

  // forge tries a handle that is near one that was issued.
  void forge(std::size_t n, unsigned change) {
    TableHandle forged = known_[n].handle;
    forged.generation += change % 2 == 0 ? 1u : ~0u;
    forged.index += change / 2 == 0 ? 0u : static_cast<std::uint32_t>(kTableSize);
    const bool live = std::ranges::any_of(
        known_, [&](const Known& one) { return one.live && one.handle == forged; });
    check(bool(table_.hold(forged)) == live, "a forged handle is stale");
  }

  Table table_;
  std::array<Known, kTenants> known_;
  std::array<Table::Hold, kHolds> holds_;
  std::array<Known*, kHolds> held_{};
};

}  // namespace

void run_one(Bytes input) {
  Play play;
  constexpr std::size_t kStepsMax = 256;
  for (const std::uint8_t byte : input.first(std::min(input.size(), kStepsMax))) {
    play.step(byte);
    check(g_alive == play.used(), "destroyed when the last holder is gone, not before or after");
  }
  play.finish();
}

}  // namespace usher::fuzz
