#include "engine/users/user_map.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <compare>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/auth/unicode.h"
#include "engine/file_image.h"
#include "engine/limits.h"
#include "parsers/sid.h"

namespace usher::users {
namespace {

// Kind is what a line's first part is. A Kerberos name is never compared with one of NTLM: with a
// backslash in it, one could be spelled like the other.
enum class Kind : std::uint8_t { kSid, kKerberos, kNtlm };

struct Key {
  Kind kind = Kind::kSid;
  std::string text;  // NTLM: upper case, UTF-16LE. Else as in the file.

  friend auto operator<=>(const Key&, const Key&) = default;
};

struct Line {
  Key key;
  std::string user;
  std::size_t number = 0;
};

Bytes bytes_of(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// utf16_of is nothing if the text is not UTF-8, holds a NUL, or is longer than any name.
std::optional<std::string> utf16_of(std::string_view utf8) {
  std::array<std::uint8_t, 2 * kClientNameSizeMax> room;
  const std::optional<Bytes> utf16 = auth::utf8_to_utf16(bytes_of(utf8), room);
  return utf16 ? std::optional<std::string>(std::in_place, utf16->begin(), utf16->end())
               : std::nullopt;
}

// raise puts UTF-16LE into upper case. What would become ASCII without having been any, such as a
// dotless i (U+0131) or a long s (U+017F), stays as it is: no domain takes it for the same name.
// False, and the text means nothing, if upper case is longer or shorter.
bool raise(std::string& utf16) {
  std::array<std::uint8_t, 2 * kClientNameSizeMax> room;
  const std::optional<Bytes> upper = auth::upper_utf16(bytes_of(utf16), room);
  if (!upper || upper->size() != utf16.size()) {
    return false;
  }
  const auto is_ascii = [](auto low, auto high) { return high == 0 && (low & 0x80) == 0; };
  for (std::size_t i = 0; i + 1 < utf16.size(); i += 2) {
    if (!is_ascii((*upper)[i], (*upper)[i + 1]) || is_ascii(utf16[i], utf16[i + 1])) {
      utf16[i] = static_cast<char>((*upper)[i]);
      utf16[i + 1] = static_cast<char>((*upper)[i + 1]);
    }
  }
  return true;
}

bool has_control(std::string_view text) noexcept {
  return std::ranges::any_of(text, [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; });
}

// is_sid_text says whether `text` is a SID as write_sid_text writes it, and so as it will be asked
// for (MS-DTYP 2.4.2.1).
bool is_sid_text(std::string_view text) noexcept {
  std::array<std::uint8_t, SidView::kSizeMax> octets{};
  std::uint8_t count = 0;
  std::string_view rest = text.substr(std::min<std::size_t>(text.size(), 4));  // "S-1-"
  const auto number = [&rest](auto& out) {
    const bool hex = rest.starts_with("0x");
    const char* const begin = rest.data() + (hex ? 2 : 0);
    const char* const end = rest.data() + rest.size();
    const auto [at, error] = std::from_chars(begin, end, out, hex ? 16 : 10);
    rest.remove_prefix(static_cast<std::size_t>(at - rest.data()));
    return error == std::errc{};
  };
  std::uint64_t authority = 0;
  if (!number(authority) || authority >> 48 != 0) {
    return false;
  }
  octets[0] = 1;
  for (std::size_t i = 0; i < 6; ++i) {
    octets[2 + i] = static_cast<std::uint8_t>(authority >> (40 - 8 * i));
  }
  for (; rest.starts_with('-') && count < SidView::kSubAuthoritiesMax; ++count) {
    rest.remove_prefix(1);
    std::uint32_t sub_authority = 0;
    if (!number(sub_authority)) {
      return false;
    }
    store_le(MutableBytes(octets).subspan(SidView::kFixedSize + 4 * std::size_t{count}),
             sub_authority);
  }
  octets[1] = count;
  const SidView sid{Bytes(octets).first(SidView::kFixedSize + 4 * std::size_t{count})};
  std::array<std::uint8_t, kSidTextSizeMax> written;
  const std::size_t size = count > 0 ? write_sid_text(sid, written) : 0;
  return size > 0 && std::ranges::equal(Bytes(written).first(size), bytes_of(text));
}

// is_kerberos_name says whether `name` is a principal with a realm, escaped as write_principal_text
// does it, control characters left out.
bool is_kerberos_name(std::string_view name) noexcept {
  std::size_t at_sign = name.npos;
  for (std::size_t i = 0; i < name.size() && at_sign == name.npos; ++i) {
    if (name[i] == '\\') {
      ++i;
      if (i == name.size() || std::string_view("\\@/").find(name[i]) == name.npos) {
        return false;
      }
    } else if (name[i] == '@') {
      at_sign = i;
    }
  }
  return at_sign != name.npos && at_sign != 0 && at_sign + 1 < name.size();
}

// read_key understands a line's first part; what is wrong with it, or "".
std::string_view read_key(std::string_view client, Key& key) {
  if (client.starts_with("S-1-")) {
    key = {Kind::kSid, std::string(client)};
    return is_sid_text(client) ? std::string_view()
                               : "expected a SID as S-1-5-21-..., in decimal and without zeros in "
                                 "front";
  }
  if (is_kerberos_name(client)) {
    key = {Kind::kKerberos, std::string(client)};
    return {};
  }
  const std::size_t backslash = client.find('\\');
  if (backslash == client.npos || backslash + 1 == client.size()) {
    return "expected name@REALM, DOMAIN\\name or a SID";
  }
  std::optional<std::string> upper = utf16_of(client);
  if (!upper || !raise(*upper)) {
    return "expected a name in UTF-8";
  }
  key = {Kind::kNtlm, std::move(*upper)};
  return {};
}

constexpr std::string_view kBlanks = " \t";

// strip takes a comment, and blanks at either end, off a line.
std::string_view strip(std::string_view line) noexcept {
  for (std::size_t i = line.find('#'); i != line.npos; i = line.find('#', i + 1)) {
    if (i == 0 || kBlanks.find(line[i - 1]) != kBlanks.npos) {
      line = line.substr(0, i);
      break;
    }
  }
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  return line.substr(0, line.find_last_not_of(kBlanks) + 1);
}

// read_line reads what strip has left; what is wrong with it, or "".
std::string_view read_line(std::string_view text, Line& line) {
  const std::size_t blank = text.find_last_of(kBlanks);
  if (blank == text.npos) {
    return "expected a client, white space and a local user";
  }
  std::string_view client = text.substr(0, blank);
  client = client.substr(0, client.find_last_not_of(kBlanks) + 1);
  line.user = text.substr(blank + 1);
  if (has_control(client) || has_control(line.user)) {
    return "expected names without control characters";
  }
  if (client.size() > kClientNameSizeMax || line.user.size() > UserMap::kUserSizeMax) {
    return "expected a client of at most 769 bytes and a local user of at most 255";
  }
  if (!utf16_of(client) || !utf16_of(line.user)) {
    return "expected names in UTF-8";
  }
  if (line.user != "-" && !is_plain_name(line.user)) {
    return "expected a local user's plain name, without @ \\ / : and no - in front";
  }
  return read_key(client, line.key);
}

class SortedMap final : public UserMap {
 public:
  // take takes all lines; the number of one whose client an earlier one has named, or 0.
  [[nodiscard]] std::size_t take(std::vector<Line> lines) {
    lines_ = std::move(lines);
    std::ranges::sort(lines_, [](const Line& a, const Line& b) {
      return std::tie(a.key, a.number) < std::tie(b.key, b.number);
    });
    std::size_t repeated = 0;
    for (std::size_t i = 1; i < lines_.size(); ++i) {
      if (lines_[i].key == lines_[i - 1].key && (repeated == 0 || lines_[i].number < repeated)) {
        repeated = lines_[i].number;
      }
    }
    return repeated;
  }

  [[nodiscard]] const std::string* find(const Client& client) const override {
    const Line* const by_name = find_name(client);
    const Line* const by_sid = client.sid.empty() ? nullptr : find_key({Kind::kSid, client.sid});
    const bool sid_first =
        by_sid != nullptr && (by_name == nullptr || by_sid->number < by_name->number);
    const Line* const line = sid_first ? by_sid : by_name;
    return line == nullptr ? nullptr : &line->user;
  }

  [[nodiscard]] std::size_t size() const noexcept override { return lines_.size(); }
  [[nodiscard]] bool has_sids() const noexcept override {
    return std::ranges::any_of(lines_,
                               [](const Line& line) { return line.key.kind == Kind::kSid; });
  }

 private:
  [[nodiscard]] const Line* find_name(const Client& client) const {
    if (!client.ntlm) {
      return name_is_its_own(client) ? find_key({Kind::kKerberos, client.name}) : nullptr;
    }
    std::optional<std::string> upper = utf16_of(client.name);
    return upper && raise(*upper) ? find_key({Kind::kNtlm, std::move(*upper)}) : nullptr;
  }
  [[nodiscard]] const Line* find_key(const Key& key) const noexcept {
    const auto at = std::ranges::lower_bound(lines_, key, {}, &Line::key);
    return at != lines_.end() && at->key == key ? &*at : nullptr;
  }

  std::vector<Line> lines_;
};

// wrong_with says why a file that was or was not read is refused; empty if it is not.
std::string wrong_with(const FileImage& file, int error) {
  switch (error) {
    case 0:
      // Whoever may write it becomes whom he likes.
      if ((file.mode() & (S_IWOTH | S_IWGRP)) != 0) {
        return "writable by others than its owner: it says who may act as whom; chmod 644 it";
      }
      return file.owner() == 0 || file.owner() == ::geteuid()
                 ? std::string()
                 : "owned by somebody who is neither root nor the user this runs as";
    case ENODEV:
      return "not a regular file";
    case EFBIG:
      return "larger than 16 MiB";
    case ENOMEM:
      throw std::bad_alloc();
    default:
      return std::strerror(error);
  }
}

}  // namespace

bool is_plain_name(std::string_view name) noexcept {
  const auto is_odd = [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == 0x7f ||
           std::string_view("@\\/:").find(c) != std::string_view::npos;
  };
  return !name.empty() && !name.starts_with('-') && std::ranges::none_of(name, is_odd);
}

bool name_is_its_own(const Client& client) noexcept {
  const auto folded = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  };
  return client.ntlm || client.account.empty() ||
         std::ranges::equal(client.user, client.account, {}, folded, folded);
}

UserMap::Loaded UserMap::parse(std::string_view text, std::string_view name) {
  const auto fail = [&](std::size_t line, std::string_view why) {
    return Loaded{nullptr,
                  std::string(name) + ":" + std::to_string(line) + ": " + std::string(why)};
  };
  if (text.starts_with("\xef\xbb\xbf")) {
    return fail(1, "expected no byte order mark");
  }
  std::vector<Line> lines;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view stripped = strip(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (stripped.empty()) {
      continue;
    }
    Line line{.key = {}, .user = {}, .number = number};
    if (const std::string_view wrong = read_line(stripped, line); !wrong.empty()) {
      return fail(number, wrong);
    }
    lines.push_back(std::move(line));
  }
  auto map = std::make_unique<SortedMap>();
  if (const std::size_t repeated = map->take(std::move(lines)); repeated != 0) {
    return fail(repeated, "an earlier line names this client already");
  }
  return {std::move(map), {}};
}

UserMap::Loaded UserMap::load_file(const std::string& path) {
  FileImage file;
  const int error = file.read(path.c_str(), kFileSizeMax);
  const std::string wrong = wrong_with(file, error);
  if (!wrong.empty()) {
    return {nullptr, "user map " + path + ": " + wrong};
  }
  return parse({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}, path);
}

}  // namespace usher::users
