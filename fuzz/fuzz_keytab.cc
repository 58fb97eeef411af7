// engine/crypto/key_ring.h, load_keytab: any bytes as a keytab file give keys or a reason, and a
// keytab written from keys gives the same keys. MIT krb5 reads the file, and never less of it than
// its layout says.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "engine/crypto/key_ring.h"
#include "fuzz/support/world.h"
#include "parsers/keytab.h"

namespace usher::fuzz {
namespace {

using crypto::KeyRing;

constexpr std::size_t kFileSizeMax = 8192;
constexpr std::size_t kServicesMax = 6;

crypto::Kit& kit() {
  static const std::unique_ptr<crypto::Kit> one = make_kit();
  return *one;
}

// File is a file in memory whose contents each input replaces.
class File {
 public:
  File() : descriptor_(::memfd_create("usher-fuzz-keytab", MFD_CLOEXEC)) {
    check(descriptor_ >= 0, "a file can be made");
    path_ = "/proc/self/fd/" + std::to_string(descriptor_);
  }
  [[nodiscard]] KeyRing::Loaded load(Bytes contents) {
    check(::ftruncate(descriptor_, 0) == 0 &&
              ::pwrite(descriptor_, contents.data(), contents.size(), 0) ==
                  static_cast<ssize_t>(contents.size()),
          "a file can be written");
    KeyRing::Loaded loaded = KeyRing::load_keytab(kit(), path_);
    check((loaded.ring == nullptr) == !loaded.error.empty(), "keys or a reason, not both");
    check(loaded.ring != nullptr || loaded.error.find(path_) != std::string::npos,
          "a reason names the file");
    return loaded;
  }

 private:
  int descriptor_;
  std::string path_;
};

File& file() {
  static File one;
  return one;
}

// same says whether two rings list the same.
bool same(const std::vector<KeyRing::Principal>& a, const std::vector<KeyRing::Principal>& b) {
  return std::ranges::equal(
      a, b, [](const auto& x, const auto& y) { return x.text == y.text && x.keys == y.keys; });
}

// check_bytes takes `contents` as they are.
void check_bytes(Bytes contents) {
  const KeyRing::Loaded loaded = file().load(contents);
  const Result<keytab::Layout> layout = keytab::parse_layout(contents);
  check(loaded.ring == nullptr || layout.ok(), "what is not laid out as a keytab is none");
  check(
      !layout.ok() || loaded.error.find("entries the Kerberos library reads") == std::string::npos,
      "MIT krb5 finds the entries that the layout promises");
  if (loaded.ring == nullptr) {
    return;
  }
  const std::vector<KeyRing::Principal> principals = loaded.ring->principals();
  check(!principals.empty(), "a ring has a key");
  std::size_t keys = 0;
  for (const KeyRing::Principal& principal : principals) {
    check(!principal.keys.empty(), "a principal has a key");
    keys += principal.keys.size();
  }
  // Sizes of entry, realm and key, count of components, time, version and etype.
  constexpr std::size_t kEntrySizeMin = 4 + 2 + 2 + 2 + 4 + 1 + 2;
  constexpr std::size_t kKeySizeMin = 16;
  check(keys * (kEntrySizeMin + kKeySizeMin) + loaded.ring->left_out() * kEntrySizeMin <=
            contents.size() - 2,
        "no entry comes from nowhere");
}

// Script hands the input out in bytes; past its end, zeros.
struct Script {
  Bytes rest;
  std::uint8_t byte() {
    const std::uint8_t value = rest.empty() ? std::uint8_t{0} : rest.front();
    rest = rest.subspan(rest.empty() ? 0 : 1);
    return value;
  }
  std::string text(std::size_t size_max) {
    const std::size_t wanted = byte() % (size_max + 1);
    const Bytes taken = rest.first(std::min(wanted, rest.size()));
    rest = rest.subspan(taken.size());
    return {taken.begin(), taken.end()};
  }
};

std::vector<mint::Service> services_of(Script script) {
  std::vector<mint::Service> services(1 + script.byte() % kServicesMax);
  for (mint::Service& service : services) {
    const std::uint8_t options = script.byte();
    const std::uint8_t fill = script.byte();
    constexpr std::array<std::int32_t, 2> kWithSha1 = {17, 18};
    constexpr std::array<std::int32_t, 4> kOthers = {19, 20, 23, 23};
    service.etype =
        (options & 8) == 0 ? kWithSha1[options & 1u] : kOthers[(options & 1u) | (fill & 1u) << 1];
    service.kvno = 1 + (options >> 4);
    service.key.assign(crypto::profile_of(service.etype)->key_size, fill);
    service.name.realm = "R" + script.text(8);
    service.name.components = {"HTTP"};
    for (int more = options >> 1 & 3; more > 0; --more) {
      // An empty component is refused.
      service.name.components.push_back("c" + script.text(12));
    }
  }
  return services;
}

void check_written(const std::vector<mint::Service>& services, std::uint8_t cut) {
  const std::unique_ptr<const KeyRing> expected = mint::make_ring(kit(), services);
  check(expected != nullptr, "keys make a ring");
  const Octets image = mint::keytab_image(services);
  const KeyRing::Loaded loaded = file().load(image);
  check(loaded.ring != nullptr && loaded.ring->left_out() == 0, "a keytab that we wrote is read");
  check(same(loaded.ring->principals(), expected->principals()), "with the same principals");
  for (const mint::Service& service : services) {
    const Octets components = mint::name_components(service.name);
    const Octets realm = mint::octets_of(std::string_view(service.name.realm));
    const auto find = [&](const KeyRing& ring) {
      return ring.find(realm, components, service.etype, true, service.kvno);
    };
    const KeyRing::Found found = find(*loaded.ring);
    const KeyRing::Found wanted = find(*expected);
    check(found.principal && found.key != nullptr && found.key->kvno == service.kvno,
          "each key is found by its names");
    check(std::ranges::equal(found.key->ke.bytes(), wanted.key->ke.bytes()) &&
              std::ranges::equal(found.key->ki.bytes(), wanted.key->ki.bytes()),
          "and is the key that was written");
  }
  // C20: a file that was cut off within an entry is refused.
  const KeyRing::Loaded part = file().load(Bytes(image).first(image.size() - 1 - cut % 16));
  check(part.ring == nullptr, "a file is there in whole or not at all");
}

}  // namespace

void run_one(Bytes input) {
  if (input.empty()) {
    return;
  }
  const Bytes rest = input.subspan(1, std::min(input.size() - 1, kFileSizeMax));
  if (input[0] % 2 == 0) {
    check_bytes(rest);
  } else {
    check_written(services_of({rest}), input[0] / 2);
  }
}

}  // namespace usher::fuzz
