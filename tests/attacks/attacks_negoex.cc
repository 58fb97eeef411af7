// Section B, NegoEx (MS-NEGOEX 2.2): vectors, counts and lengths that a message says of itself.
#include <algorithm>

#include "tests/attacks/build.h"
#include "tests/data/negoex_messages.h"

namespace usher::attacks {
namespace {

const Parser kNegoEx = {"negoex", {}, fault_of<negoex::parse_token>};

constexpr std::uint32_t kExtensionCount = 2;
// One scheme and two extensions. The random is zero, so that a reader that took it for the body of
// another type would find nothing wrong there.
const Octets& nego() {
  static const Octets message = [] {
    constexpr std::size_t kRandomSize = 32;
    Octets octets = testing::negoex_nego(0, 1, {{1, Octets(4, 0x61)}, {2, Octets(4, 0x62)}});
    std::ranges::fill(MutableBytes(octets).subspan(testing::kNegoExBody, kRandomSize),
                      std::uint8_t{0});
    return octets;
  }();
  return message;
}
constexpr std::uint32_t kSchemesAt = 96;
constexpr std::uint32_t kExtensionsAt = kSchemesAt + 16;

auto with32(std::size_t at) {
  return [at](std::uint32_t value) { return testing::with32(nego(), at, value); };
}
auto with16(std::size_t at) {
  return [at](std::uint16_t value) { return testing::with16(nego(), at, value); };
}

void add_vectors(Section& section) {
  const auto out = ParseCode::kOutOfBounds;
  const auto offset = with32(testing::kNegoExtensions);
  const auto size = static_cast<std::uint32_t>(nego().size());
  section.add("B12", "extensions-at-the-end", kNegoEx, out, offset, size, kExtensionsAt)
      .add("B12", "extensions-one-over", kNegoEx, out, offset, size - 12 * kExtensionCount + 1,
           kExtensionsAt)
      .add("B12", "extensions-wrap", kNegoEx, out, offset, 0xfffffff0u, kExtensionsAt)
      .add("B12", "extensions-in-header", kNegoEx, out, offset, 88u, kExtensionsAt)
      .add("B12", "extensions-65535", kNegoEx, ParseCode::kBadValue,
           with16(testing::kNegoExtensions + 4), std::uint16_t{0xffff},
           std::uint16_t{kExtensionCount})
      .add("B12", "extensions-20", kNegoEx, out, with16(testing::kNegoExtensions + 4),
           std::uint16_t{20}, std::uint16_t{kExtensionCount})
      .add("B12", "schemes-20", kNegoEx, out, with16(testing::kNegoSchemes + 4), std::uint16_t{20},
           std::uint16_t{1});

  // What an extension points to.
  constexpr std::uint32_t kValueAt = kExtensionsAt + 12 * kExtensionCount;
  section
      .add("B12", "extension-value-wraps", kNegoEx, out, with32(kExtensionsAt + 4), 0xfffffffcu,
           kValueAt)
      .add("B12", "extension-value-too-long", kNegoEx, out, with32(kExtensionsAt + 8), 0x80000000u,
           4u)
      .add("B12", "second-extension-in-header", kNegoEx, out, with32(kExtensionsAt + 12 + 4), 40u,
           kValueAt + 4);
}

void add_lengths(Section& section) {
  const auto bad_value = ParseCode::kBadValue;
  constexpr std::uint32_t kRight = 96;
  for (const std::uint32_t size : {0u, 39u, 40u, 44u, 52u, 64u, 95u, 97u}) {
    section.add("B13", "header-of-" + std::to_string(size), kNegoEx, bad_value,
                with32(testing::kNegoExHeaderLength), size, kRight);
  }
  const auto size = static_cast<std::uint32_t>(nego().size());
  const auto message_length = with32(testing::kNegoExMessageLength);
  section
      .add("B13", "message-shorter-than-header", kNegoEx, bad_value, message_length, kRight - 1,
           size)
      .add("B13", "message-one-more", kNegoEx, ParseCode::kTruncated, message_length, size + 1,
           size)
      .add("B13", "message-32-bits", kNegoEx, ParseCode::kTruncated, message_length, 0xffffffffu,
           size);
  const auto exchange_header = [](std::uint32_t header_size) {
    return testing::with32(
        testing::negoex_exchange(negoex::MessageType::kApRequest, 0, Octets(52, 0x74)),
        testing::kNegoExHeaderLength, header_size);
  };
  section.add("B13", "exchange-header-of-12", kNegoEx, bad_value, exchange_header, 12u, 64u);
}

void add_sequences(Section& section) {
  const auto bad_value = ParseCode::kBadValue;
  section
      .add("B14", "schemes-times-width-wraps", kNegoEx, bad_value,
           with16(testing::kNegoSchemes + 4), std::uint16_t{0x8000}, std::uint16_t{1})
      .add("B14", "scheme-offset-wraps", kNegoEx, ParseCode::kOutOfBounds,
           with32(testing::kNegoSchemes), 0xfffffff8u, kSchemesAt);

  const auto many = [](std::uint32_t count) {
    Octets token;
    for (std::uint32_t i = 0; i < count; ++i) {
      token = cat({token, testing::negoex_nego(i, 1)});
    }
    return token;
  };
  section.add("B14", "too-many-messages", kNegoEx, bad_value, many, negoex::kMessagesMax + 1,
              std::uint32_t{negoex::kMessagesMax});

  const auto second = [](std::uint32_t sequence) {
    return cat({testing::negoex_nego(0, 1),
                testing::negoex_exchange(negoex::MessageType::kInitiatorMetaData, sequence,
                                         Octets(8, 0x74))});
  };
  section.add("B14", "same-sequence-twice", kNegoEx, bad_value, second, 0u, 1u)
      .add("B14", "sequence-skips", kNegoEx, bad_value, second, 2u, 1u);

  const auto conversation = [second](std::uint32_t first_octets) {
    const Octets token = second(1);
    const std::size_t second_message = testing::negoex_nego(0, 1).size();
    return testing::with32(token, second_message + testing::kNegoExConversation, first_octets);
  };
  section
      .add("B14", "conversation-changes", kNegoEx, bad_value, conversation, 0x12b89137u,
           0x12b89136u)
      .add("B14", "unknown-type", kNegoEx, bad_value, with32(testing::kNegoExType), 8u, 0u)
      .add("B14", "other-signature", kNegoEx, bad_value, with32(0), 0x4f47454du, 0x4f47454eu);
}

}  // namespace

void add_negoex(Section section) {
  add_vectors(section);
  add_lengths(section);
  add_sequences(section);
}

}  // namespace usher::attacks
