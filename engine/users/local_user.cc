#include "engine/users/local_user.h"

#include <algorithm>
#include <array>
#include <new>
#include <optional>
#include <utility>

namespace usher::users {
namespace {

struct Row {
  Source source;
  const char* word;
};
constexpr std::array kRows = {Row{Source::kMap, "map"}, Row{Source::kWinbind, "winbind"},
                              Row{Source::kKrb5, "krb5"}};

std::optional<Source> source_of(std::string_view word) noexcept {
  for (const Row& row : kRows) {
    if (word == row.word) {
      return row.source;
    }
  }
  return std::nullopt;
}

// read_order reads "map,krb5"; what is wrong with it, or "".
std::string read_order(std::string_view words, std::vector<Source>& order) {
  order.clear();
  while (true) {
    const std::size_t end = std::min(words.find(','), words.size());
    std::string_view word = words.substr(0, end);
    while (word.starts_with(' ')) {
      word.remove_prefix(1);
    }
    while (word.ends_with(' ')) {
      word.remove_suffix(1);
    }
    const std::optional<Source> source = source_of(word);
    if (!source) {
      return "\"" + std::string(word) + "\" is none of map, winbind and krb5";
    }
    if (std::ranges::find(order, *source) != order.end()) {
      return "\"" + std::string(word) + "\" is there twice";
    }
    if (*source == Source::kWinbind && !winbind_is_built_in()) {
      return "winbind cannot be asked: this was built without libwbclient";
    }
    order.push_back(*source);
    if (end == words.size()) {
      return {};
    }
    words.remove_prefix(end + 1);
  }
}

using Outcome = Sought::Outcome;

Outcome outcome_of(Known known, Outcome if_not) noexcept {
  return known == Known::kYes ? Outcome::kFound : known == Known::kNo ? if_not : Outcome::kFailed;
}

// refused_for_good says why no source is asked, or null.
const char* refused_for_good(const Settings& settings, const Client& client) noexcept {
  const bool sids_count =
      (settings.map != nullptr && settings.map->has_sids()) ||
      std::ranges::find(settings.order, Source::kWinbind) != settings.order.end();
  return !client.ntlm && client.sid.empty() && sids_count
             ? "users are told by SIDs here, and the client has come without a PAC"
             : nullptr;
}

// ask_krb5 asks the rules of krb5.conf, which are for people: whose name is one plain component.
Outcome ask_krb5(const NameServices& services, const Client& client, Account& account,
                 const char*& why) {
  if (client.ntlm || client.user.empty() || client.user.ends_with('$') ||
      client.user.find_first_of("\\/@") != client.user.npos) {
    return Outcome::kUnknown;
  }
  if (!name_is_its_own(client)) {
    why = "the client's name is not its account's, which its PAC tells";
    return Outcome::kRefused;
  }
  const Outcome outcome =
      outcome_of(services.local_name(client.user, client.realm, account.name), Outcome::kUnknown);
  if (outcome == Outcome::kFound && !is_plain_name(account.name)) {
    why = "the rules of krb5.conf make no plain user name of the client's";
    return Outcome::kRefused;
  }
  return outcome;
}

// ask_winbind_source: libwbclient has one answer for "no such SID" and for much that fails.
Outcome ask_winbind_source(const NameServices& services, const Client& client, Account& account,
                           const char*& why) {
  if (client.sid.empty()) {
    return Outcome::kUnknown;
  }
  why = "winbindd has no user for the client's SID";
  return outcome_of(services.uid_of_sid(client.sid, account.uid), Outcome::kRefused);
}

// ask_source puts what one source says of the client into `account`: a name, or with winbind a uid.
Outcome ask_source(const Settings& settings, Source source, const Client& client, Account& account,
                   const char*& why) {
  const NameServices& services = *settings.services;
  switch (source) {
    case Source::kMap: {
      const std::string* const user = settings.map->find(client);
      if (user == nullptr) {
        return Outcome::kUnknown;
      }
      account.name = *user;
      return *user == "-" ? Outcome::kNobody : Outcome::kFound;
    }
    case Source::kWinbind:
      return ask_winbind_source(services, client, account, why);
    case Source::kKrb5:
      return ask_krb5(services, client, account, why);
  }
  return Outcome::kUnknown;
}

// look_up makes a whole user of what a source has said.
Outcome look_up(const NameServices& services, Source source, const Account& said, LocalUser& user) {
  const Known known = source == Source::kWinbind ? services.account_numbered(said.uid, user.account)
                                                 : services.account_named(said.name, user.account);
  if (known != Known::kYes) {
    user.account = said;  // Whom the refusal is about.
    return outcome_of(known, Outcome::kNoSuchUser);
  }
  return outcome_of(services.groups_of(user.account, user.groups), Outcome::kNoSuchUser);
}

// refused_as says why nobody may be this user, or null.
const char* refused_as(const LocalUser& user, Source source) noexcept {
  constexpr std::uint32_t kNoId = UINT32_MAX;  // "Leave it as it is", says setresuid(2).
  if (user.account.uid == kNoId || user.account.gid == kNoId ||
      std::ranges::find(user.groups, kNoId) != user.groups.end()) {
    return "name services tell a number that stands for no user or group";
  }
  return user.account.uid == 0 && source != Source::kMap
             ? "only the map of users can say that a client is root"
             : nullptr;
}

}  // namespace

const char* word_of(Source source) noexcept {
  for (const Row& row : kRows) {
    if (row.source == source) {
      return row.word;
    }
  }
  return "";
}

std::string read_settings(const char* words, const char* map_path, Settings& out) {
  const bool has_words = words != nullptr && words[0] != '\0';
  const bool has_map = map_path != nullptr && map_path[0] != '\0';
  std::string wrong = read_order(has_words ? words : has_map ? "map,krb5" : "krb5", out.order);
  if (!wrong.empty()) {
    return "Users: " + wrong;
  }
  const bool wants_map = std::ranges::find(out.order, Source::kMap) != out.order.end();
  if (wants_map != has_map) {
    return wants_map ? "Users: \"map\" needs a UserMap" : "UserMap: Users does not have \"map\"";
  }
  if (has_map) {
    UserMap::Loaded loaded = UserMap::load_file(map_path);
    wrong = std::move(loaded.error);
    out.map = std::move(loaded.map);
  }
  return wrong;
}

void find_user(const Settings& settings, const Client& client, Sought& out) noexcept {
  if (const char* const why = refused_for_good(settings, client); why != nullptr) {
    out.outcome = Outcome::kRefused;
    out.why = why;
    return;
  }
  try {
    for (const Source source : settings.order) {
      Account said;
      out.outcome = ask_source(settings, source, client, said, out.why);
      out.source = source;
      if (out.outcome == Outcome::kFound) {
        out.outcome = look_up(*settings.services, source, said, out.user);
        const char* const why =
            out.outcome == Outcome::kFound ? refused_as(out.user, source) : nullptr;
        if (why != nullptr) {
          out.outcome = Outcome::kRefused;
          out.why = why;
        }
      }
      if (out.outcome != Outcome::kUnknown) {
        return;
      }
    }
  } catch (const std::bad_alloc&) {
    out.outcome = Outcome::kNoMemory;
  }
}

}  // namespace usher::users
