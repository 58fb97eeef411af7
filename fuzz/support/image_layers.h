// A packed context's image in its parts, so that a mutator can change one and the sizes that tell
// of it still fit.
#pragma once

#include <array>
#include <optional>

#include "engine/auth/context_image.h"
#include "fuzz/support/mutator.h"

namespace usher::fuzz {

// ImageLayers is an image (engine/auth/context_image.h), whether read_image takes it or not.
struct ImageLayers {
  Octets fixed;    // Numbers, as they came; join puts the sizes right.
  Octets session;  // Numbers of messages, if its bit is set.
  Octets streams;  // NTLM's.
  Octets key;
  std::array<Octets, auth::ContextImage::kNames> names;
  Octets pac;
  Octets delegated;

  // split takes an image apart; nothing if its sizes do not fit it.
  static std::optional<ImageLayers> split(Bytes image);
  [[nodiscard]] Octets join() const;
};

// mutate_image is a custom mutator. Returns at most size_max bytes.
Octets mutate_image(Bytes image, std::size_t size_max, unsigned seed);

}  // namespace usher::fuzz
