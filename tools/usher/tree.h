// What a token holds, as JSON, and the same for people.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace usher::cli {

// Json keeps its keys in the order they were put in.
using Json = nlohmann::ordered_json;

// Inside an object these keys have a fixed meaning, and in text they stand on the object's own
// line: "type" what it is, "number" and "name" a registered number, "size" how many bytes it has.
// "fault" is an object {"offset", "in", "code", "why"}.

// sized is a value of which only its size is shown.
[[nodiscard]] Json sized(std::size_t size);

// numbered is a registered number and its name.
[[nodiscard]] Json numbered(std::int64_t number, std::string_view name);

// write_text appends `value` to `out`, a line or more, each indented by `depth` steps.
void write_text(std::string& out, std::string_view key, const Json& value, std::size_t depth);

// fault_text is a fault on one line: "byte 17: truncated: an element promises ...".
[[nodiscard]] std::string fault_text(const Json& fault);

}  // namespace usher::cli
