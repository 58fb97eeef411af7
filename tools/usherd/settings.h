// Every setting once: its key in the file, its flag, what it takes, where it goes, where it is.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/usherd/config.h"

namespace usherd {

struct Setting {
  enum class Kind : std::uint8_t { kText, kInteger, kOctal, kTexts };

  std::string_view key;   // "listen.tcp"; tables and dots are the same.
  std::string_view flag;  // "--listen-tcp"
  Kind kind;
  std::string_view expected;  // Completes "expected ...".
  std::string_view meaning;

  // One of these, by kind. They return false if the value is not what is expected; set_texts
  // replaces what was there.
  std::function<bool(Config&, const std::string&)> set_text{};
  std::function<bool(Config&, std::int64_t)> set_integer{};
  std::function<bool(Config&, const std::vector<std::string>&)> set_texts{};

  // value is what a Config says, in the form that the setting's flag takes, several with spaces
  // between them; empty for none.
  std::function<std::string(const Config&)> value{};
};

[[nodiscard]] std::span<const Setting> settings();

}  // namespace usherd
