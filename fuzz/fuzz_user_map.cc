// engine/users/user_map.h: the text of a map file. Every line of an accepted one is found by its
// client, as one kind of name and not as the other, and a refusal names the first line that is
// wrong.
#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "engine/users/user_map.h"
#include "fuzz/fuzz_target.h"

namespace usher::fuzz {
namespace {

using users::Client;
using users::UserMap;

constexpr std::string_view kName = "fuzz.map";
constexpr std::size_t kTextSizeMax = 4096;  // More lines of the same teach nothing.

bool is_blank(char c) { return c == ' ' || c == '\t'; }

// Line is one that says something, as far as it can be taken apart.
struct Line {
  std::string client;
  std::string user;
  std::size_t number = 0;
  bool has_two_parts = false;
  bool has_tab_or_quotes = false;
};

// take_apart reads a line that begins with neither a blank nor a comment.
Line take_apart(std::string_view line, std::size_t number) {
  Line found{.client = {}, .user = {}, .number = number};
  std::size_t at = 0;
  if (line[0] == '"') {
    at = 1;
    while (at < line.size() && line[at] != '"') {
      found.client.push_back(line[at++]);
    }
    if (at == line.size() || ++at == line.size() || !is_blank(line[at])) {
      return found;
    }
    found.has_tab_or_quotes = true;
  }
  std::string rest;
  for (; at < line.size() && (line[at] != '#' || (!rest.empty() && !is_blank(rest.back()))); ++at) {
    rest.push_back(line[at]);
  }
  while (!rest.empty() && is_blank(rest.back())) {
    rest.pop_back();
  }
  if (!found.has_tab_or_quotes) {
    const std::size_t tab = rest.find('\t');
    const std::size_t end = std::min(tab == rest.npos ? rest.find(' ') : tab, rest.size());
    found.has_tab_or_quotes = tab != rest.npos;
    found.client = rest.substr(0, end);
    while (!found.client.empty() && is_blank(found.client.back())) {
      found.client.pop_back();
    }
    rest.erase(0, end);
  }
  found.user.assign(std::ranges::find_if_not(rest, is_blank), rest.end());
  found.has_two_parts = !found.client.empty() && !found.user.empty();
  return found;
}

// each_line calls visit(Line) for every line that says something.
template <class Visit>
void each_line(std::string_view text, Visit visit) {
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    line.remove_prefix(
        static_cast<std::size_t>(std::ranges::find_if_not(line, is_blank) - line.begin()));
    if (!line.empty() && line[0] != '#') {
      visit(take_apart(line, number));
    }
  }
}

// written is a line for the same client and user, written another way where there is one.
std::string written(const Line& line) {
  const bool quotable = line.client.find('"') == line.client.npos;
  return quotable ? '"' + line.client + "\" " + line.user : line.client + "\t " + line.user;
}

bool finds(const UserMap& map, const Client& client, std::string_view user) {
  const std::string* const found = map.find(client);
  return found != nullptr && *found == user;
}

Client named(bool ntlm, const std::string& name) {
  return {.ntlm = ntlm, .user = {}, .realm = {}, .name = name, .sid = {}};
}

// check_account: whatever a client calls itself, a line for its account is one of those that count,
// and its SID takes case out of it.
void check_account(const UserMap& map, const Line& line, const std::string& other_case) {
  const std::size_t sign = line.client.find('@');
  if (line.client.find_first_of("\\/") != line.client.npos ||
      line.client.find('@', sign + 1) != line.client.npos) {
    return;  // No account's, or quotes would have to be taken off.
  }
  for (const std::string& account : {line.client.substr(0, sign), other_case.substr(0, sign)}) {
    Client client = named(false, "nobody@");
    client.realm = line.client.substr(sign + 1);
    client.account = account;
    client.sid = "of no line";
    const std::string* const found = map.find(client);
    check(found != nullptr && (*found == line.user || *found == "-"), "an account is found");
    client.sid.clear();
    check(line.user != "-" || finds(map, client, "-"),
          "and, if it is nobody's, without a SID, too");
  }
}

bool is_sid(const Line& line) { return line.client.starts_with("S-1-"); }

void check_line(const UserMap& map, const Line& line) {
  check(line.has_two_parts, "a line has two parts");
  check(std::ranges::none_of(line.user, is_blank), "a user has no blanks");
  check(line.has_tab_or_quotes || std::ranges::none_of(line.client, is_blank),
        "where a name with blanks ends is clear");
  check(line.user == "-" ||
            (line.user[0] != '-' && line.user.find_first_of("@\\/:") == line.user.npos),
        "users' names are plain");
  for (const std::string_view part : {std::string_view(line.client), std::string_view(line.user)}) {
    check(std::ranges::none_of(part, [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; }),
          "names have no control characters");
  }
  const bool by_kerberos = finds(map, named(false, line.client), line.user);
  const bool by_ntlm = finds(map, named(true, line.client), line.user);
  if (is_sid(line)) {
    Client client = named(false, "nobody@");  // No line has such a name.
    client.sid = line.client;
    check(finds(map, client, line.user), "a SID is found");
    check(!by_kerberos && !by_ntlm, "and is no name");
    return;
  }
  check(by_kerberos != by_ntlm, "a name is found, as one kind");
  check(by_kerberos ? line.client.find('@') != line.client.npos
                    : line.client.find('\\') != line.client.npos,
        "names have a realm or a domain");
  std::string other_case = line.client;
  for (char& c : other_case) {
    const char lower = static_cast<char>(c | 0x20);
    c = lower >= 'a' && lower <= 'z' ? static_cast<char>(c ^ 0x20) : c;
  }
  if (by_kerberos) {
    check_account(map, line, other_case);
  }
  if (by_ntlm) {
    check(line.has_tab_or_quotes, "a name of NTLM is never one that could go on");
    check(finds(map, named(true, other_case), line.user), "in any case, of NTLM");
  }
}

// check_both: whom both lines name is nobody if one of them says so, and else as the first one
// says.
void check_both(const UserMap& map, const Line& by_name, const Line& by_sid) {
  Client client = named(false, by_name.client);
  if (map.find(client) == nullptr) {
    client.ntlm = !client.ntlm;  // Of both kinds only its own is found; check_line has seen it.
  }
  client.sid = by_sid.client;
  const bool keeps_out = by_name.user == "-" || by_sid.user == "-";
  const std::string& first = by_name.number < by_sid.number ? by_name.user : by_sid.user;
  check(finds(map, client, keeps_out ? "-" : first), "a line for nobody stands wherever it is");
}

void check_accepted(const UserMap& map, std::string_view text) {
  std::size_t count = 0;
  std::string backwards;  // Behind an empty line: a name may begin with a byte order mark.
  std::optional<Line> with_sid;
  each_line(text, [&](const Line& line) {
    if (!with_sid && is_sid(line)) {
      with_sid = line;
    }
  });
  each_line(text, [&](const Line& line) {
    check_line(map, line);
    if (with_sid && !is_sid(line)) {
      check_both(map, line, *with_sid);
    }
    backwards = written(line) + " # as it was\r\n" + backwards;
    ++count;
  });
  check(map.size() == count, "no line is lost or invented");
  check(map.find(named(false, "nobody@")) == nullptr && map.find(named(true, "D\\")) == nullptr,
        "who is not there is not found");
  const UserMap::Loaded again = UserMap::parse("\n" + backwards, kName);
  check(again.map != nullptr && again.map->size() == count, "in another order it is the same");
  each_line(text, [&](const Line& line) { check_line(*again.map, line); });
}

void check_refused(const std::string& error, std::string_view text) {
  const std::string begin = std::string(kName) + ":";
  check(error.starts_with(begin), "a refusal names the file");
  std::size_t wrong = 0;
  const char* const end = error.data() + error.size();
  const auto [at, parsed] = std::from_chars(error.data() + begin.size(), end, wrong);
  check(parsed == std::errc{} && std::string_view(at, end).starts_with(": "), "and the line");
  std::string before;
  bool is_a_line = text.starts_with("\xef\xbb\xbf");
  each_line(text, [&](const Line& line) {
    is_a_line = is_a_line || line.number == wrong;
    if (line.number < wrong) {
      before += written(line) + "\n";
    }
  });
  check(is_a_line, "the line exists");
  const UserMap::Loaded good = UserMap::parse("\n" + before, kName);
  check(good.map != nullptr || good.error.find("earlier line") != good.error.npos,
        "and is the first that is wrong; only a repeated client is seen last");
}

}  // namespace

void run_one(Bytes input) {
  const Bytes head = input.first(std::min(input.size(), kTextSizeMax));
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  const UserMap::Loaded loaded = UserMap::parse(text, kName);
  check((loaded.map == nullptr) == !loaded.error.empty(), "a map or a reason, not both");
  if (loaded.map != nullptr) {
    check_accepted(*loaded.map, text);
  } else {
    check_refused(loaded.error, text);
  }
}

}  // namespace usher::fuzz
