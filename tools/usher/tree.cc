// What a token holds, as JSON, and the same for people.
#include "tools/usher/tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace usher::cli {
namespace {

constexpr std::size_t kColumns = 100;

constexpr std::array<std::string_view, 4> kHeadlineKeys = {"type", "number", "name", "size"};

bool is_headline(std::string_view key) {
  return std::ranges::find(kHeadlineKeys, key) != kHeadlineKeys.end();
}

std::string scalar_text(const Json& value) {
  if (value.is_string() && value.get_ref<const std::string&>().empty()) {
    return "empty";
  }
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// headline is what of `object` stands on its own line: "18 aes256-cts-hmac-sha1-96", "60 bytes".
std::string headline(const Json& object) {
  std::string text;
  for (const std::string_view key : kHeadlineKeys) {
    const auto found = object.find(key);
    if (found == object.end()) {
      continue;
    }
    if (key == "size") {
      text += fmt::format("{}{} byte{}", text.empty() ? "" : ", ", scalar_text(*found),
                          *found == 1 ? "" : "s");
    } else {
      text.append(text.empty() ? "" : " ").append(scalar_text(*found));
    }
  }
  return text;
}

void write_line(std::string& out, std::string_view key, std::string_view text, std::size_t depth) {
  out += fmt::format("{:{}}{}{}{}\n", "", depth * 2, key, text.empty() ? "" : ": ", text);
}

// write_list puts scalars on one line if they fit, and otherwise continues under the first.
void write_list(std::string& out, std::string_view key, const Json& list, std::size_t depth) {
  if (list.empty()) {
    return write_line(out, key, "none", depth);
  }
  const std::size_t indent = depth * 2 + key.size() + 2;
  std::string text;
  std::size_t column = indent;
  for (const Json& item : list) {
    const std::string word = scalar_text(item);
    if (!text.empty()) {
      text += ',';
      const bool fits = column + word.size() + 2 <= kColumns;
      text += fits ? std::string(1, ' ') : fmt::format("\n{:{}}", "", indent);
      column = fits ? column + 2 : indent;
    }
    text += word;
    column += word.size();
  }
  write_line(out, key, text, depth);
}

bool holds_objects(const Json& list) {
  return std::ranges::any_of(list, [](const Json& item) { return item.is_structured(); });
}

}  // namespace

Json sized(std::size_t size) { return Json{{"size", size}}; }

Json numbered(std::int64_t number, std::string_view name) {
  return Json{{"number", number}, {"name", name}};
}

std::string fault_text(const Json& fault) {
  const auto in = fault.find("in");
  return fmt::format("byte {}{}{}: {}: {}", scalar_text(fault.at("offset")),
                     in == fault.end() ? "" : " of the ", in == fault.end() ? "" : scalar_text(*in),
                     scalar_text(fault.at("code")), scalar_text(fault.at("why")));
}

void write_text(std::string& out, std::string_view key, const Json& value, std::size_t depth) {
  if (key == "fault") {
    return write_line(out, "fault at " + fault_text(value), "", depth);
  }
  if (value.is_array() && !holds_objects(value)) {
    return write_list(out, key, value, depth);
  }
  if (value.is_array()) {
    for (const Json& item : value) {
      write_text(out, key, item, depth);
    }
    return;
  }
  if (!value.is_object()) {
    return write_line(out, key, scalar_text(value), depth);
  }
  write_line(out, key, headline(value), depth);
  for (const auto& [child_key, child] : value.items()) {
    if (!is_headline(child_key)) {
      write_text(out, child_key, child, depth + 1);
    }
  }
}

}  // namespace usher::cli
