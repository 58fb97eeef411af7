// Which local users clients are, as an administrator says it: a map file, read once.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace usher::users {

// Client is somebody who has signed on, as far as looking for a local user needs to know.
struct Client {
  bool ntlm = false;
  std::string user;   // NTLM: "alice". Kerberos: as write_principal_text has it, without the realm.
  std::string realm;  // NTLM: the domain.
  std::string name;   // "EXAMPLE\alice", "alice@EXAMPLE.ORG"
  std::string sid;    // "S-1-5-21-...", "" if nobody has told it.
  // What a PAC calls the account, "alice"; "" without one. Kerberos's `user` is what the client has
  // asked for, which its domain may have given it by another name than the account's.
  std::string account;
};

// name_is_its_own says whether a client's name says who it is. Whoever may make an account in
// Active Directory, by default everybody, may have a ticket in another's name: of the account
// "postgres$" as "postgres", or of a UPN (MS-KILE 3.3.5.6.1). Where a PAC tells the account, it has
// to be the one of that name, in any case of ASCII.
[[nodiscard]] bool name_is_its_own(const Client& client) noexcept;

// is_plain_name says whether `name` may be asked of the machine's name services as a local user's:
// not empty, without "@", "\", "/", ":", blanks and control characters, and "-" not in front. Some
// would read a realm or a domain in it, others an option or a field.
[[nodiscard]] bool is_plain_name(std::string_view name) noexcept;

// UserMap is immutable once made; any number of threads may read it.
class UserMap {
 public:
  struct Loaded {
    std::unique_ptr<const UserMap> map;  // Null if the text is wrong.
    std::string error;                   // Then: "file:line: what was expected", for people.
  };

  static constexpr std::size_t kFileSizeMax = std::size_t{16} * 1024 * 1024;
  static constexpr std::size_t kUserSizeMax = 255;  // Of a local user's name, as LOGIN_NAME_MAX.

  // load_file reads one client a line: a name or a SID, white space, and a local user, or "-" for
  // nobody (user_token.h). Behind a name of NTLM, and any with blanks in it, the white space has a
  // tab, or the name is in quotes: else a line whose user was forgotten would be read as another.
  // '#' at the beginning of a line or behind white space, and not in quotes, begins a comment.
  // Names are UTF-8 without control characters, local users' plain (is_plain_name). Refused is also
  // a file that somebody may write besides its owner, and an owner who is neither root nor this
  // process's effective user, and a second line for a client. parse does the same for a text;
  // `name` stands for the file in errors. At start only: they allocate, and throw std::bad_alloc.
  [[nodiscard]] static Loaded load_file(const std::string& path);
  [[nodiscard]] static Loaded parse(std::string_view text, std::string_view name);

  virtual ~UserMap() = default;
  UserMap(const UserMap&) = delete;
  UserMap& operator=(const UserMap&) = delete;

  // find returns the local user of the first line that names the client, by name or by SID: "-",
  // nobody, if any of them is for nobody, null if there is none. A line is for a name of Kerberos
  // or for one of NTLM. Those of Kerberos are compared octet by octet (RFC 4120 6), those of NTLM
  // in upper case, as a domain compares them, in which nothing becomes ASCII that was none.
  //
  // A name of which not even the account is sure (name_is_its_own) counts in lines for nobody only.
  // Where a PAC tells the account, the lines with its name and the client's realm are the client's,
  // whatever it calls itself: lines for nobody in any case of ASCII, others too if the PAC has a
  // SID, as no domain that makes those tells names apart by case. If such lines name more than one
  // user, or one of them nobody, it is "-".
  // Allocates.
  [[nodiscard]] virtual const std::string* find(const Client& client) const = 0;

  [[nodiscard]] virtual std::size_t size() const noexcept = 0;
  // has_sids says whether any line is for a SID.
  [[nodiscard]] virtual bool has_sids() const noexcept = 0;

 protected:
  UserMap() = default;
};

}  // namespace usher::users
