// Which local user a client is: the kinds of names that are asked, in their order.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/users/name_services.h"
#include "engine/users/user_map.h"

namespace usher::users {

// Source is one kind of names; its word is the one that USHER_OPTIONS.Users and
// USHER_TOKEN.FoundBy have for it.
enum class Source : std::uint8_t { kMap, kWinbind, kKrb5 };
[[nodiscard]] const char* word_of(Source source) noexcept;

// Settings is how users are found. Immutable once made.
struct Settings {
  std::vector<Source> order{Source::kKrb5};
  std::unique_ptr<const UserMap> map;  // There if `order` has kMap.
  std::int64_t deadline_ms = 5'000;    // How long whoever asks waits.
  const NameServices* services = &system_name_services();
};

// read_settings reads the words of USHER_OPTIONS.Users and the map at `map_path`; null or "" for
// the default of each. "" if it worked, else what is wrong, for people. Reads a file; throws
// std::bad_alloc.
[[nodiscard]] std::string read_settings(const char* words, const char* map_path, Settings& out);

// LocalUser is a user of this machine.
struct LocalUser {
  Account account;
  std::vector<std::uint32_t> groups;  // The primary one among them.
};

// Sought is what came of looking for a client.
struct Sought {
  enum class Outcome : std::uint8_t {
    kFound,
    kUnknown,     // To every source.
    kNobody,      // The map says so.
    kRefused,     // `why` says why no source is asked, no further one, or the user is nobody.
    kNoSuchUser,  // `source` names `user.account`, and name services have no such user.
    kFailed,      // `source`, or name services about the user whom it names, could not say.
    kNoMemory,
  };
  Outcome outcome = Outcome::kUnknown;
  Source source = Source::kMap;
  LocalUser user;
  const char* why = "";  // For people; a literal.
};

// find_user asks one source after the other until one knows the client, and then name services
// about that user. What the first source that knows the client says stands, and so does its
// failing: a later one would find somebody else. Blocks for as long as any of them does.
//
// What a client may choose does not decide: a Kerberos client that comes without a PAC (MS-KILE
// 3.3.5.3 lets it) is nobody where any user is told by a SID. One whose name is not its account's
// (name_is_its_own) is known by its SID and, to the map, by its account: no spelling of its name
// leads past the account's line to a later source.
void find_user(const Settings& settings, const Client& client, Sought& out) noexcept;

}  // namespace usher::users
