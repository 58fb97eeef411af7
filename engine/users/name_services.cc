#include "engine/users/name_services.h"

#include <grp.h>
#include <krb5.h>
#include <pwd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <new>

namespace usher::users {
namespace {

// An entry with longer texts than this is nobody's.
constexpr std::size_t kEntrySizeMax = std::size_t{1024} * 1024;
constexpr int kGroupsMax = 65'536;  // NGROUPS_MAX

// is_no_user says whether an errno of getpwnam_r is one of those that mean that there is no such
// user (getpwnam(3)).
bool is_no_user(int error) noexcept {
  return error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
}

// read_entry calls get(entry, room, size, result), which is getpwnam_r or getpwuid_r, with as much
// room as it takes.
template <class Get>
Known read_entry(Get get, Account& out) {
  for (std::size_t size = 1024; size <= kEntrySizeMax; size *= 4) {
    std::vector<char> room(size);
    passwd entry{};
    passwd* found = nullptr;
    int error = EINTR;
    while (error == EINTR) {
      error = get(&entry, room.data(), room.size(), &found);
    }
    if (found != nullptr) {
      out = {.name = entry.pw_name, .uid = entry.pw_uid, .gid = entry.pw_gid};
      return Known::kYes;
    }
    if (error == ENOMEM) {
      throw std::bad_alloc();
    }
    if (error != ERANGE) {
      return is_no_user(error) ? Known::kNo : Known::kFailed;
    }
  }
  return Known::kFailed;
}

// Library is libkrb5, for one question: what krb5.conf says is read anew.
class Library {
 public:
  Library() = default;
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library() {
    krb5_free_principal(context_, principal_);  // Both take null.
    krb5_free_context(context_);
  }

  // local_name is krb5_aname_to_localname.
  [[nodiscard]] krb5_error_code local_name(const std::string& user, const std::string& realm,
                                           std::string& out) {
    krb5_error_code code = krb5_init_context(&context_);
    code = code != 0 ? code
                     : krb5_parse_name_flags(context_, user.c_str(), KRB5_PRINCIPAL_PARSE_NO_REALM,
                                             &principal_);
    code = code != 0 ? code : krb5_set_principal_realm(context_, principal_, realm.c_str());
    std::array<char, 256> name{};
    code = code != 0 ? code
                     : krb5_aname_to_localname(context_, principal_, static_cast<int>(name.size()),
                                               name.data());
    if (code == 0) {
      out = name.data();
    }
    return code;
  }

 private:
  krb5_context context_ = nullptr;
  krb5_principal principal_ = nullptr;
};

class SystemNameServices final : public NameServices {
 public:
  Known account_named(const std::string& name, Account& out) const override {
    return read_entry([&name](auto... room) { return ::getpwnam_r(name.c_str(), room...); }, out);
  }
  Known account_numbered(std::uint32_t uid, Account& out) const override {
    return read_entry([uid](auto... room) { return ::getpwuid_r(uid, room...); }, out);
  }
  Known groups_of(const Account& account, std::vector<std::uint32_t>& out) const override {
    static_assert(sizeof(gid_t) == sizeof(std::uint32_t));
    for (int room = 64; room <= kGroupsMax; room *= 4) {
      out.resize(static_cast<std::size_t>(room));
      int count = room;
      if (::getgrouplist(account.name.c_str(), account.gid, out.data(), &count) >= 0) {
        out.resize(static_cast<std::size_t>(count));
        return Known::kYes;
      }
    }
    return Known::kFailed;
  }
  Known uid_of_sid(const std::string& sid, std::uint32_t& out) const override {
    return ask_winbind(sid, out);
  }
  Known local_name(const std::string& user, const std::string& realm,
                   std::string& out) const override {
    const krb5_error_code code = Library().local_name(user, realm, out);
    if (code == ENOMEM) {
      throw std::bad_alloc();
    }
    if (code == 0) {
      return Known::kYes;
    }
    // Without a default realm nobody is of it.
    return code == KRB5_LNAME_NOTRANS || code == KRB5_CONFIG_NODEFREALM ? Known::kNo
                                                                        : Known::kFailed;
  }
};

}  // namespace

const NameServices& system_name_services() noexcept {
  static constexpr SystemNameServices kServices;
  return kServices;
}

}  // namespace usher::users
