#include "fuzz/support/image_layers.h"

#include <algorithm>
#include <utility>

namespace usher::fuzz {
namespace {

// Where things stand in the fixed part.
constexpr std::size_t kFixedSize = 66;
constexpr std::size_t kMechanismAt = 2;
constexpr std::size_t kNtlmFlagsAt = 12;
constexpr std::size_t kEtypeAt = 16;
constexpr std::size_t kTicketEtypeAt = 20;
constexpr std::size_t kKeySizeAt = 48;
constexpr std::size_t kNamesAt = 50;
constexpr std::size_t kPacSizeAt = 58;
constexpr std::size_t kDelegatedSizeAt = 62;
constexpr std::uint8_t kSessionBit = 0x40;
constexpr std::uint16_t kNtlm = 4;
constexpr std::size_t kSessionSize = 16 + 128;
constexpr std::size_t kStreamSize = 258;

std::uint32_t number(Bytes fixed, std::size_t at) {
  return load_le<std::uint32_t>(fixed.subspan(at));
}
void set(Octets& fixed, std::size_t at, std::uint32_t value) {
  store_le(MutableBytes(fixed).subspan(at), value);
}
void set_short(Octets& fixed, std::size_t at, std::size_t value) {
  store_le(MutableBytes(fixed).subspan(at), static_cast<std::uint16_t>(value));
}

bool has_session(Bytes fixed) { return (fixed[0] & kSessionBit) != 0; }
bool has_streams(Bytes fixed) {
  return has_session(fixed) && load_le<std::uint16_t>(fixed.subspan(kMechanismAt)) == kNtlm &&
         has(ntlm::NegotiateFlags(number(fixed, kNtlmFlagsAt)),
             ntlm::NegotiateFlags::kExtendedSessionSecurity);
}

// a_stream is one at its start, whatever its key was.
Octets a_stream() {
  Octets stream(kStreamSize);
  for (std::size_t i = 0; i < 256; ++i) {
    stream[i] = static_cast<std::uint8_t>(i);
  }
  return stream;
}

// fit makes what else there is what the fixed part says there should be.
void fit(ImageLayers& layers) {
  layers.session.resize(has_session(layers.fixed) ? kSessionSize : 0);
  if (!has_streams(layers.fixed)) {
    layers.streams.clear();
  } else if (layers.streams.size() != 2 * kStreamSize) {
    layers.streams = a_stream();
    const Octets other = a_stream();
    layers.streams.insert(layers.streams.end(), other.begin(), other.end());
  }
}

// change_kind makes it one of another mechanism or etype, with a key that fits.
void change_kind(Mutator& mutator, ImageLayers& layers) {
  constexpr std::array kEtypes = {17u, 18u, 19u, 20u, 23u};
  if (mutator.chance(40)) {
    set_short(layers.fixed, kMechanismAt, kNtlm);
    set(layers.fixed, kEtypeAt, 0);
    set(layers.fixed, kTicketEtypeAt, 0);
    set(layers.fixed, kNtlmFlagsAt, mutator.chance(70) ? 0x60080230 : 0x230);
    layers.key.resize(16, 0x4b);
    layers.delegated.clear();
  } else {
    const std::uint32_t etype = kEtypes[mutator.below(5)];
    set_short(layers.fixed, kMechanismAt, 2 + mutator.below(2));
    set(layers.fixed, kEtypeAt, etype);
    set(layers.fixed, kNtlmFlagsAt, 0);
    layers.key.resize(etype == 18 || etype == 20 ? 32 : 16, 0x4b);
  }
}

// change_streams mostly leaves each what it is: every byte once.
void change_streams(Mutator& mutator, Octets& streams) {
  if (streams.empty()) {
    return;
  }
  const std::size_t begin = mutator.below(2) * kStreamSize;
  std::swap(streams[begin + mutator.below(256)], streams[begin + mutator.below(256)]);
  streams[begin + 256 + mutator.below(2)] = static_cast<std::uint8_t>(mutator.below(256));
  if (mutator.chance(5)) {
    streams[begin + mutator.below(256)] ^= 1;
  }
}

// change_delegated works on one of the two messages and says how large the first one is.
void change_delegated(Mutator& mutator, Octets& delegated, std::size_t size_max) {
  if (delegated.size() < 4 || load_le<std::uint32_t>(delegated) > delegated.size() - 4) {
    return mutator.change(delegated, size_max);
  }
  const auto middle = delegated.begin() + 4 + std::ptrdiff_t(load_le<std::uint32_t>(delegated));
  std::array<Octets, 2> parts = {Octets(delegated.begin() + 4, middle),
                                 Octets(middle, delegated.end())};
  mutator.change_der(parts[mutator.below(2)], size_max);
  delegated.resize(4);
  store_le(delegated, static_cast<std::uint32_t>(parts[0].size()));
  for (const Octets& part : parts) {
    delegated.insert(delegated.end(), part.begin(), part.end());
  }
}

void change_one(Mutator& mutator, ImageLayers& layers, std::size_t size_max) {
  switch (mutator.below(8)) {
    case 0:
      mutator.change(layers.fixed, kFixedSize);
      layers.fixed.resize(kFixedSize);
      break;
    case 1:
      change_kind(mutator, layers);
      break;
    case 2:
      mutator.change(layers.session, kSessionSize);
      break;
    case 3:
      change_streams(mutator, layers.streams);
      break;
    case 4:
      mutator.change(layers.names[mutator.below(4)], kIdentitySizeMax + 1);
      break;
    case 5:
      mutator.change(layers.pac, size_max);
      break;
    case 6:
      change_delegated(mutator, layers.delegated, size_max);
      break;
    default:
      layers.fixed[0] ^= static_cast<std::uint8_t>(1u << mutator.below(7));
  }
}

}  // namespace

std::optional<ImageLayers> ImageLayers::split(Bytes image) {
  const auto take = [&](std::size_t size) -> std::optional<Octets> {
    if (size > image.size()) {
      return {};
    }
    const Octets taken(image.begin(), image.begin() + std::ptrdiff_t(size));
    image = image.subspan(size);
    return taken;
  };
  const std::optional<Octets> fixed = take(kFixedSize);
  if (!fixed) {
    return {};
  }
  const auto size_at = [&](std::size_t at) {
    return load_le<std::uint16_t>(Bytes(*fixed).subspan(at));
  };
  ImageLayers layers;
  layers.fixed = *fixed;
  const std::array<std::pair<Octets*, std::size_t>, 9> parts = {{
      {&layers.session, has_session(*fixed) ? kSessionSize : 0},
      {&layers.streams, has_streams(*fixed) ? 2 * kStreamSize : 0},
      {&layers.key, size_at(kKeySizeAt)},
      {&layers.names[0], size_at(kNamesAt)},
      {&layers.names[1], size_at(kNamesAt + 2)},
      {&layers.names[2], size_at(kNamesAt + 4)},
      {&layers.names[3], size_at(kNamesAt + 6)},
      {&layers.pac, number(*fixed, kPacSizeAt)},
      {&layers.delegated, number(*fixed, kDelegatedSizeAt)},
  }};
  for (const auto& [part, size] : parts) {
    std::optional<Octets> taken = take(size);
    if (!taken) {
      return {};
    }
    *part = std::move(*taken);
  }
  return image.empty() ? std::optional(layers) : std::nullopt;
}

Octets ImageLayers::join() const {
  Octets out = fixed;
  set_short(out, kKeySizeAt, key.size());
  for (std::size_t n = 0; n < names.size(); ++n) {
    set_short(out, kNamesAt + 2 * n, names[n].size());
  }
  set(out, kPacSizeAt, static_cast<std::uint32_t>(pac.size()));
  set(out, kDelegatedSizeAt, static_cast<std::uint32_t>(delegated.size()));
  const auto add = [&](const Octets& part) { out.insert(out.end(), part.begin(), part.end()); };
  add(session);
  add(streams);
  add(key);
  std::ranges::for_each(names, add);
  add(pac);
  add(delegated);
  return out;
}

Octets mutate_image(Bytes image, std::size_t size_max, unsigned seed) {
  Mutator mutator(seed);
  Octets out(image.begin(), image.end());
  std::optional<ImageLayers> layers = ImageLayers::split(image);
  if (!layers || mutator.chance(10)) {
    mutator.change(out, size_max);
    return out;
  }
  change_one(mutator, *layers, size_max);
  fit(*layers);
  return layers->join();
}

}  // namespace usher::fuzz
