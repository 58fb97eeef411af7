#include "engine/auth/accounts.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <new>
#include <vector>

#include "engine/auth/unicode.h"
#include "engine/crypto/proof_batch.h"
#include "engine/file_image.h"
#include "engine/limits.h"
#include "engine/secret.h"

namespace usher::auth {
namespace {

constexpr std::size_t kFileSizeMax = 64 * 1024 * 1024;
constexpr std::size_t kPasswordSizeMax = 512;  // UTF-8 bytes.

struct Account {
  std::string user;  // UTF-8, as in the file.
  std::string domain;
  std::string user_upper;  // UTF-16LE.
  std::string domain_upper;
  Secret<crypto::kNtHashSize> nt_hash;
  std::size_t line = 0;
};

Bytes bytes_of(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string string_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// hash_names is FNV-1a; the table below tolerates collisions, and its keys are the operator's own.
std::size_t hash_names(Bytes user_upper, Bytes domain_upper) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325u;
  const auto mix = [&](std::uint8_t octet) { hash = (hash ^ octet) * 0x100000001b3u; };
  std::ranges::for_each(user_upper, mix);
  mix(0);
  mix(0);
  mix(0);  // Three zero octets occur in no UTF-16 name.
  std::ranges::for_each(domain_upper, mix);
  return hash ^ hash >> 32;
}

class AccountTable final : public Accounts {
 public:
  // The table is indexed twice: by user and domain, and by user alone for clients that send none.
  explicit AccountTable(std::deque<Account> accounts) : accounts_(std::move(accounts)) {
    std::size_t places = 16;
    while (places < 4 * accounts_.size() + 4) {
      places *= 2;
    }
    index_.assign(places, kFree);
    for (std::uint32_t i = 0; i < accounts_.size(); ++i) {
      insert(i, bytes_of(accounts_[i].domain_upper));
      insert(i, {});
    }
  }
  AccountTable(const AccountTable&) = delete;
  AccountTable& operator=(const AccountTable&) = delete;
  ~AccountTable() override { wipe(decoy_); }

  [[nodiscard]] bool draw_decoy() noexcept {
    return RAND_priv_bytes(decoy_.data(), static_cast<int>(decoy_.size())) == 1;
  }

  // repeated_line is the line of an account that an earlier one hides, or 0. One without a domain
  // is hidden by any of the same user.
  [[nodiscard]] std::size_t repeated_line() const noexcept {
    for (const Account& account : accounts_) {
      const std::size_t place =
          place_of(bytes_of(account.user_upper), bytes_of(account.domain_upper));
      const Account& found = accounts_[index_[place]];
      if (&found != &account &&
          (account.domain_upper.empty() || found.domain_upper == account.domain_upper)) {
        return account.line;
      }
    }
    return 0;
  }

  [[nodiscard]] Found find(Bytes user_upper, Bytes domain_upper) const noexcept override {
    const std::uint32_t found = index_[place_of(user_upper, domain_upper)];
    if (found == kFree) {
      return {.nt_hash = decoy_, .user = {}, .domain = {}};
    }
    const Account& account = accounts_[found];
    return {.nt_hash = account.nt_hash.bytes(),
            .user = bytes_of(account.user),
            .domain = bytes_of(account.domain)};
  }

  [[nodiscard]] std::size_t size() const noexcept override { return accounts_.size(); }

 private:
  static constexpr std::uint32_t kFree = 0xffffffff;

  // place_of is where these names are, or would be. An entry stands for (user, domain) and for
  // (user, no domain); which of the two, the place it is found in tells by the probe itself.
  [[nodiscard]] std::size_t place_of(Bytes user_upper, Bytes domain_upper) const noexcept {
    std::size_t place = hash_names(user_upper, domain_upper) & (index_.size() - 1);
    while (index_[place] != kFree && !matches(accounts_[index_[place]], user_upper, domain_upper)) {
      place = (place + 1) & (index_.size() - 1);
    }
    return place;
  }

  static bool matches(const Account& account, Bytes user_upper, Bytes domain_upper) noexcept {
    return std::ranges::equal(bytes_of(account.user_upper), user_upper) &&
           (domain_upper.empty() ||
            std::ranges::equal(bytes_of(account.domain_upper), domain_upper));
  }

  void insert(std::uint32_t account, Bytes domain_upper) {
    const std::size_t place = place_of(bytes_of(accounts_[account].user_upper), domain_upper);
    if (index_[place] == kFree) {
      index_[place] = account;  // Of several with one user name, the file's first.
    }
  }

  std::deque<Account> accounts_;  // As the file has them.
  std::vector<std::uint32_t> index_;
  std::array<std::uint8_t, crypto::kNtHashSize> decoy_{};
};

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool read_nt_hash(std::string_view hex, MutableBytes nt_hash) noexcept {
  if (hex.size() != 2 * nt_hash.size()) {
    return false;
  }
  for (std::size_t i = 0; i < nt_hash.size(); ++i) {
    const int high = hex_digit(hex[2 * i]);
    const int low = hex_digit(hex[2 * i + 1]);
    if (high < 0 || low < 0) {
      return false;
    }
    nt_hash[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return true;
}

bool hash_password(crypto::Kit& kit, std::string_view password, MutableBytes nt_hash) noexcept {
  std::array<std::uint8_t, 2 * kPasswordSizeMax> wide{};
  const std::optional<Bytes> utf16 = utf8_to_utf16(bytes_of(password), wide);
  const bool good = utf16 && crypto::nt_hash_of(kit, *utf16, nt_hash);
  wipe(wide);
  return good;
}

std::optional<std::string> upper(std::string_view name) {
  std::array<std::uint8_t, 2 * kIdentitySizeMax> wide{};
  std::array<std::uint8_t, 2 * kIdentitySizeMax> raised{};
  const std::optional<Bytes> utf16 = utf8_to_utf16(bytes_of(name), wide);
  const std::optional<Bytes> result = utf16 ? upper_utf16(*utf16, raised) : std::nullopt;
  return result ? std::optional(string_of(*result)) : std::nullopt;
}

// read_account reads one line; an empty string means success.
std::string read_account(crypto::Kit& kit, std::string_view line, Account& account) {
  const std::size_t first = line.find(':');
  const std::size_t second = first == line.npos ? first : line.find(':', first + 1);
  if (second == line.npos) {
    return "expected DOMAIN:user:password or DOMAIN:user::NTHASH";
  }
  account.domain = line.substr(0, first);
  account.user = line.substr(first + 1, second - first - 1);
  const std::string_view secret = line.substr(second + 1);
  const std::optional<std::string> user_upper = upper(account.user);
  const std::optional<std::string> domain_upper = upper(account.domain);
  if (!user_upper || !domain_upper) {
    return "expected names in UTF-8";
  }
  if (account.user.empty() || account.user.size() + account.domain.size() > kIdentitySizeMax) {
    return "expected a user name, and no more than 768 bytes of names";
  }
  account.user_upper = *user_upper;
  account.domain_upper = *domain_upper;
  const MutableBytes nt_hash = account.nt_hash.reset(crypto::kNtHashSize);
  if (secret.starts_with(':')) {
    return read_nt_hash(secret.substr(1), nt_hash)
               ? std::string()
               : "expected 32 hex digits of the NT hash after '::'";
  }
  if (secret.empty()) {
    return "expected a password; an empty one would let anybody in";
  }
  return hash_password(kit, secret, nt_hash) ? std::string()
                                             : "expected a password of at most 512 bytes of UTF-8";
}

// wrong_with says why a file that was or was not read is refused; empty if it is not.
std::string wrong_with(const FileImage& file, int error) {
  switch (error) {
    case 0:
      // Whoever may read it knows the passwords, and whoever may write it lets himself in.
      return (file.mode() & (S_IROTH | S_IWOTH | S_IWGRP)) == 0
                 ? std::string()
                 : "readable by others, or writable by them or its group: it holds passwords; "
                   "chmod 600 it";
    case ENODEV:
      return "not a regular file";
    case EFBIG:
      return "larger than 64 MiB";
    default:
      return std::strerror(error);
  }
}

}  // namespace

Accounts::Loaded Accounts::parse(crypto::Kit& kit, std::string_view text, std::string_view name) {
  std::deque<Account> accounts;  // Growing moves no hash.
  const auto fail = [&](std::size_t line, const std::string& why) {
    return Loaded{nullptr, std::string(name) + ":" + std::to_string(line) + ": " + why};
  };
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (line.empty() || line.starts_with('#')) {
      continue;
    }
    Account& account = accounts.emplace_back();
    const std::string wrong = read_account(kit, line, account);
    if (!wrong.empty()) {
      return fail(number, wrong);
    }
    account.line = number;
  }
  std::unique_ptr<AccountTable> table(new (std::nothrow) AccountTable(std::move(accounts)));
  if (table == nullptr || !table->draw_decoy()) {
    return {nullptr, std::string(name) + ": out of memory or randomness"};
  }
  if (const std::size_t line = table->repeated_line(); line != 0) {
    return fail(line, "an earlier line names this account already");
  }
  return {std::move(table), {}};
}

Accounts::Loaded Accounts::load_file(crypto::Kit& kit, const std::string& path) {
  FileImage file;
  const int error = file.read(path.c_str(), kFileSizeMax);
  const std::string wrong = wrong_with(file, error);
  if (!wrong.empty()) {
    return {nullptr, "accounts " + path + ": " + wrong};
  }
  return parse(kit, {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()},
               path);
}

}  // namespace usher::auth
