// Who this machine's users are, asked of whoever knows: libc's name services, winbindd, krb5.conf.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace usher::users {

// Known is what an answer is worth.
enum class Known : std::uint8_t {
  kYes,
  kNo,      // There is no such user.
  kFailed,  // Nobody could say.
};

// Account is a user's entry in the password database.
struct Account {
  std::string name;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

// NameServices is what finding a user asks. Each call may block for as long as a network takes, and
// throws std::bad_alloc; several threads call at once. Tests have their own.
class NameServices {
 public:
  // These fill in `out` with kYes, and otherwise leave something in it that means nothing.
  [[nodiscard]] virtual Known account_named(const std::string& name, Account& out) const = 0;
  [[nodiscard]] virtual Known account_numbered(std::uint32_t uid, Account& out) const = 0;
  // groups_of gives the account's primary group and all others, as getgrouplist does. A name
  // service that fails looks to that function as one that knows of no groups.
  [[nodiscard]] virtual Known groups_of(const Account& account,
                                        std::vector<std::uint32_t>& out) const = 0;
  // uid_of_sid asks winbindd. kFailed where it is not built in.
  [[nodiscard]] virtual Known uid_of_sid(const std::string& sid, std::uint32_t& out) const = 0;
  // local_name applies krb5.conf's rules to a principal: `user` without its realm, escaped as
  // krb5_unparse_name does it.
  [[nodiscard]] virtual Known local_name(const std::string& user, const std::string& realm,
                                         std::string& out) const = 0;

 protected:
  ~NameServices() = default;  // Whoever has one does not own it.
};

// system_name_services is this machine's.
[[nodiscard]] const NameServices& system_name_services() noexcept;

// winbind_is_built_in says whether uid_of_sid can ask anybody; ask_winbind is its part of the
// system's.
[[nodiscard]] bool winbind_is_built_in() noexcept;
[[nodiscard]] Known ask_winbind(const std::string& sid, std::uint32_t& uid) noexcept;

}  // namespace usher::users
