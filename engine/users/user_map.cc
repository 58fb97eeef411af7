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

// realm_sign is where a principal's realm has its at sign; npos if there is none.
std::size_t realm_sign(std::string_view name) noexcept {
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '@') {
      return i;
    }
    if (name[i] == '\\') {
      ++i;  // What is quoted is no sign.
    }
  }
  return name.npos;
}

constexpr std::string_view kNobody = "-";

char folded(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

// fold_principal puts the ASCII of a principal into one case, but for its realm's.
std::string fold_principal(std::string text) {
  const auto end =
      text.begin() + static_cast<std::ptrdiff_t>(std::min(realm_sign(text), text.size()));
  std::transform(text.begin(), end, text.begin(), folded);
  return text;
}

// quoted writes a part of a principal as write_principal_text does; what has control characters is
// in no line.
std::string quoted(std::string_view part) {
  std::string out;
  for (const char c : part) {
    if (std::string_view("\\@/").find(c) != std::string_view::npos) {
      out.push_back('\\');
    }
    out.push_back(c);
  }
  return out;
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
  const std::size_t end = realm_sign(name);
  if (end == name.npos || end == 0 || end + 1 == name.size()) {
    return false;
  }
  for (std::size_t i = name.find('\\'); i < end; i = name.find('\\', i + 2)) {
    if (std::string_view("\\@/").find(name[i + 1]) == name.npos) {
      return false;
    }
  }
  return true;
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

// trim takes blanks off both ends.
std::string_view trim(std::string_view text) noexcept {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

// strip takes a comment, and blanks at either end, off what is not in quotes.
std::string_view strip(std::string_view text) noexcept {
  for (std::size_t i = text.find('#'); i != text.npos; i = text.find('#', i + 1)) {
    if (i == 0 || kBlanks.find(text[i - 1]) != kBlanks.npos) {
      return trim(text.substr(0, i));
    }
  }
  return trim(text);
}

constexpr std::string_view kNoUser = "expected a client, white space and a local user";
constexpr std::string_view kUnclear =
    "expected a tab or quotes, as it is not clear where the client's name ends: "
    "name<tab>user or \"name\" user";

// Parts are a line's two. Of some lines it can be seen where the name ends.
struct Parts {
  std::string_view client;
  std::string_view user;
  bool is_clear = false;
};

// split_quoted takes a line apart that begins with a quote; what is wrong with it, or "".
std::string_view split_quoted(std::string_view line, Parts& out) noexcept {
  const std::size_t end = line.find('"', 1);
  if (end == line.npos) {
    return "expected a quote at the end of the client's name, too";
  }
  out = {.client = line.substr(1, end - 1), .user = line.substr(end + 1), .is_clear = true};
  if (out.user.empty() || kBlanks.find(out.user.front()) == kBlanks.npos) {
    return kNoUser;
  }
  out.user = strip(out.user);
  return out.client == trim(out.client) ? std::string_view()
                                        : "expected no blanks at the ends of a name";
}

// split does so with a stripped line that does not: at its first tab, or else its first blank.
std::string_view split(std::string_view line, Parts& out) noexcept {
  const std::size_t tab = line.find('\t');
  const std::size_t end = tab != line.npos ? tab : line.find(' ');
  if (end == line.npos) {
    return kNoUser;
  }
  out = {.client = trim(line.substr(0, end)),
         .user = trim(line.substr(end)),
         .is_clear = tab != line.npos};
  return {};
}

// read_line reads a line; what is wrong with it, or "". A line of nothing leaves the user empty.
std::string_view read_line(std::string_view text, Line& line) {
  if (text.ends_with('\r')) {
    text.remove_suffix(1);
  }
  text = trim(text);
  const bool quoted = text.starts_with('"');
  text = quoted ? text : strip(text);
  if (text.empty()) {
    return {};
  }
  Parts parts;
  const std::string_view wrong = quoted ? split_quoted(text, parts) : split(text, parts);
  if (!wrong.empty()) {
    return wrong;
  }
  if (parts.user.empty()) {
    return kNoUser;
  }
  if (parts.user.find_first_of(kBlanks) != parts.user.npos) {
    return kUnclear;
  }
  if (has_control(parts.client) || has_control(parts.user)) {
    return "expected names without control characters";
  }
  if (parts.client.size() > kClientNameSizeMax || parts.user.size() > UserMap::kUserSizeMax) {
    return "expected a client of at most 769 bytes and a local user of at most 255";
  }
  if (!utf16_of(parts.client) || !utf16_of(parts.user)) {
    return "expected names in UTF-8";
  }
  if (parts.user != kNobody && !is_plain_name(parts.user)) {
    return "expected a local user's plain name, without @ \\ / : and no - in front";
  }
  line.user = parts.user;
  const std::string_view bad_key = read_key(parts.client, line.key);
  // NTLM's names may have blanks in them: "EXAMPLE\John Smith" could be one without a user.
  return bad_key.empty() && line.key.kind == Kind::kNtlm && !parts.is_clear ? kUnclear : bad_key;
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
    for (const Line& line : lines_) {
      if (line.key.kind == Kind::kKerberos) {
        in_one_case_.push_back({fold_principal(line.key.text), &line});
      }
    }
    std::ranges::sort(in_one_case_, {}, &Folded::text);
    return repeated;
  }

  [[nodiscard]] const std::string* find(const Client& client) const override {
    Found found = client.ntlm ? find_ntlm(client) : find_kerberos(client);
    const Line* const by_sid = client.sid.empty() ? nullptr : find_key({Kind::kSid, client.sid});
    if (by_sid == nullptr || (found.user != nullptr && *found.user == kNobody)) {
      return found.user;
    }
    const bool by_sid_alone = found.user == nullptr || by_sid->user == kNobody;
    return by_sid_alone || by_sid->number < found.number ? &by_sid->user : found.user;
  }

  [[nodiscard]] std::size_t size() const noexcept override { return lines_.size(); }
  [[nodiscard]] bool has_sids() const noexcept override {
    return std::ranges::any_of(lines_,
                               [](const Line& line) { return line.key.kind == Kind::kSid; });
  }

 private:
  // Found is what the lines with a client's name say; the number is the first one's.
  struct Found {
    const std::string* user = nullptr;
    std::size_t number = 0;
  };
  // Folded is a line for a principal as find_kerberos looks for it.
  struct Folded {
    std::string text;
    const Line* line;
  };

  [[nodiscard]] Found find_ntlm(const Client& client) const {
    std::optional<std::string> upper = utf16_of(client.name);
    const Line* const line =
        upper && raise(*upper) ? find_key({Kind::kNtlm, std::move(*upper)}) : nullptr;
    return line != nullptr ? Found{&line->user, line->number} : Found{};
  }

  // find_kerberos looks for the name that the client goes by, and for its account's, whatever the
  // client goes by. Lines that differ are for nobody: which one it is would be the client's choice.
  [[nodiscard]] Found find_kerberos(const Client& client) const {
    Found found;
    const auto take = [&](const Line& line) {
      const bool agrees = found.user == nullptr || *found.user == line.user;
      const std::size_t first = found.user == nullptr ? line.number : found.number;
      found = {agrees ? &line.user : &nobody_, std::min(first, line.number)};
    };
    const bool is_own = name_is_its_own(client);
    const Line* const as_it_is = find_key({Kind::kKerberos, client.name});
    if (as_it_is != nullptr && (is_own || as_it_is->user == kNobody)) {
      take(*as_it_is);
    }
    if (!client.account.empty()) {
      const std::string account =
          is_own ? client.name : quoted(client.account) + '@' + quoted(client.realm);
      const std::string in_one_case = fold_principal(account);
      // Of who has a SID, case is no part of the name; of others it may be.
      for (auto at = std::ranges::lower_bound(in_one_case_, in_one_case, {}, &Folded::text);
           at != in_one_case_.end() && at->text == in_one_case; ++at) {
        const Line& line = *at->line;
        if (!client.sid.empty() || line.user == kNobody || line.key.text == account) {
          take(line);
        }
      }
    }
    return found;
  }
  [[nodiscard]] const Line* find_key(const Key& key) const noexcept {
    const auto at = std::ranges::lower_bound(lines_, key, {}, &Line::key);
    return at != lines_.end() && at->key == key ? &*at : nullptr;
  }

  std::vector<Line> lines_;
  std::vector<Folded> in_one_case_;  // Of lines_, which stay where they are.
  const std::string nobody_{kNobody};
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
    Line line{.key = {}, .user = {}, .number = number};
    if (const std::string_view wrong = read_line(text.substr(0, end), line); !wrong.empty()) {
      return fail(number, wrong);
    }
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.user.empty()) {
      lines.push_back(std::move(line));
    }
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
