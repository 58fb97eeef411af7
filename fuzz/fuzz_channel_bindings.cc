// parsers/channel_bindings.h: SEC_CHANNEL_BINDINGS in both forms, against a model that counts in 64
// bits, and written anew from what was read.
#include "parsers/channel_bindings.h"

#include <algorithm>
#include <array>

#include "fuzz/fuzz_target.h"

namespace usher::fuzz {
namespace {

// Model is what a buffer's numbers mean, without a thought of 32 bits.
struct Model {
  explicit Model(Bytes buffer) {
    const auto number = [&](std::uint64_t at) -> std::uint64_t {
      return at + 4 <= buffer.size() ? load_le<std::uint32_t>(buffer.subspan(at)) : 0;
    };
    extended = buffer.size() >= 4 && number(0) == channel::kExtendedMagic;
    const std::uint64_t header = extended ? 48 : 32;
    const std::uint64_t size = extended ? number(12) : buffer.size();
    good = buffer.size() >= header && size >= header && size <= buffer.size();
    if (extended) {
      good = good && number(4) <= 1 && number(8) == 48;
      audit = number(4) == 1;
    }
    constexpr std::array<std::uint64_t, 3> kLengthsAt = {4, 16, 24};
    for (std::size_t i = 0; i < kLengthsAt.size(); ++i) {
      const std::uint64_t at = header - 32 + kLengthsAt[i];
      const std::uint64_t length = number(at);
      const std::uint64_t offset = number(at + 4);
      if (length > 0) {
        good = good && offset >= header && offset + length <= size;
      }
      if (good && length > 0) {
        parts[i] = buffer.subspan(offset, length);
      }
    }
  }
  bool extended = false;
  bool good = false;
  bool audit = false;
  std::array<Bytes, 3> parts;
};

bool same_place(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || a.data() == b.data());
}

}  // namespace

void run_one(Bytes input) {
  const Model model(input);
  const Result<channel::SecChannelBindings> result = channel::parse_sec_channel_bindings(input);
  check(result.ok() == model.good, "a buffer is good if the model says so");
  if (!result.ok()) {
    check(result.fault().offset <= input.size(), "a fault points into the input");
    return;
  }
  const channel::BindingFields& fields = result->fields;
  check(same_place(fields.initiator_address, model.parts[0]) &&
            same_place(fields.acceptor_address, model.parts[1]) &&
            same_place(fields.application_data, model.parts[2]),
        "every part is where the model has it");
  check(result->audit == (model.extended && model.audit), "only the _EX form can ask for an audit");

  static std::array<std::uint8_t, kInputSizeMax + channel::kHeaderSize> room;
  const std::size_t size = channel::write_sec_channel_bindings(fields.application_data, room);
  check(size == channel::kHeaderSize + fields.application_data.size(), "there was room");
  const Result<channel::SecChannelBindings> again =
      channel::parse_sec_channel_bindings(Bytes(room).first(size));
  check(again.ok() && !again->audit &&
            std::ranges::equal(again->fields.application_data, fields.application_data) &&
            again->fields.initiator_address.empty() && again->fields.acceptor_address.empty(),
        "what is written can be read");
  check(channel::write_sec_channel_bindings(fields.application_data,
                                            MutableBytes(room).first(size - 1)) == 0,
        "too little room is noticed");
}

}  // namespace usher::fuzz
