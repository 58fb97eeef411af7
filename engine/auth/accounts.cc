#include "engine/auth/accounts.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <unordered_map>
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

// Account is what one line says.
struct Account {
  std::string user;  // UTF-8, as in the file.
  std::string domain;
  std::string user_upper;  // UTF-16LE.
  std::string domain_upper;
  Secret<crypto::kNtHashSize> nt_hash;
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

// Record is an account as the table keeps it: this, then the user name in upper case, then as the
// file spells it. With a name of 13 letters or fewer that is one cache line, all that signing on
// after a million others touches of it.
struct Record {
  std::array<std::uint8_t, crypto::kNtHashSize> nt_hash;
  std::uint32_t domain;  // Its number.
  std::uint16_t user_upper_size;
  std::uint16_t user_size;

  [[nodiscard]] const std::uint8_t* names() const noexcept {
    return reinterpret_cast<const std::uint8_t*>(this) + sizeof(Record);
  }
  [[nodiscard]] Bytes user_upper() const noexcept { return {names(), user_upper_size}; }
  [[nodiscard]] Bytes user() const noexcept { return {names() + user_upper_size, user_size}; }
};

// Records hands out numbers for them. No record ever moves, so that no hash is left behind; the
// destructor wipes them.
class Records {
 public:
  static constexpr std::uint32_t kNumberMax = 0xfffffe;  // What a file of 64 MiB can hold fits.

  Records() = default;
  ~Records() {
    for (const std::unique_ptr<Line[]>& chunk : chunks_) {
      wipe({chunk[0].octets.data(), kChunkLines * kCacheLine});
    }
  }
  Records(const Records&) = delete;
  Records& operator=(const Records&) = delete;

  // add returns the record's number, or nothing if there are too many.
  [[nodiscard]] std::optional<std::uint32_t> add(const Account& account, std::uint32_t domain) {
    const std::size_t size = sizeof(Record) + account.user_upper.size() + account.user.size();
    const std::size_t lines = (size + kCacheLine - 1) / kCacheLine;
    if (chunks_.empty() || used_ + lines > kChunkLines) {
      chunks_.push_back(std::make_unique<Line[]>(kChunkLines));
      used_ = 0;
    }
    const std::size_t number = (chunks_.size() - 1) * kChunkLines + used_;
    if (number > kNumberMax) {
      return std::nullopt;
    }
    std::uint8_t* const place = chunks_.back()[used_].octets.data();
    used_ += lines;
    auto* const record = std::construct_at(
        reinterpret_cast<Record*>(place),
        Record{.nt_hash = {},
               .domain = domain,
               .user_upper_size = static_cast<std::uint16_t>(account.user_upper.size()),
               .user_size = static_cast<std::uint16_t>(account.user.size())});
    std::ranges::copy(account.nt_hash.bytes(), record->nt_hash.begin());
    std::ranges::copy(account.user_upper, place + sizeof(Record));
    std::ranges::copy(account.user, place + sizeof(Record) + account.user_upper.size());
    return static_cast<std::uint32_t>(number);
  }

  [[nodiscard]] const Record& operator[](std::uint32_t number) const noexcept {
    const std::uint8_t* const place =
        chunks_[number / kChunkLines][number % kChunkLines].octets.data();
    return *reinterpret_cast<const Record*>(place);
  }

 private:
  struct alignas(kCacheLine) Line {
    std::array<std::uint8_t, kCacheLine> octets;
  };
  static constexpr std::size_t kChunkLines = 1024;

  std::vector<std::unique_ptr<Line[]>> chunks_;
  std::size_t used_ = 0;  // Lines of the last chunk.
};

class AccountTable final : public Accounts {
 public:
  AccountTable() = default;
  AccountTable(const AccountTable&) = delete;
  AccountTable& operator=(const AccountTable&) = delete;
  ~AccountTable() override { wipe(decoy_); }

  // add takes the accounts in the file's order; false if there are too many.
  [[nodiscard]] bool add(const Account& account, std::size_t line) {
    const auto [domain, is_new] =
        domain_numbers_.try_emplace(account.domain, static_cast<std::uint32_t>(domains_.size()));
    if (is_new) {
      domains_.push_back({account.domain, account.domain_upper});
    }
    const std::optional<std::uint32_t> number = records_.add(account, domain->second);
    if (number) {
      added_.push_back({*number, line});
    }
    return number.has_value();
  }

  // index makes what was added findable: by user and domain, and by user alone for clients that
  // send none. It returns the line of an account that an earlier one hides, or 0. One without a
  // domain is hidden by any of the same user.
  [[nodiscard]] std::size_t index() {
    std::size_t places = 16;
    while (places < 4 * added_.size() + 4) {
      places *= 2;
    }
    index_.assign(places, kFree);
    for (const Added& added : added_) {
      if (!insert(added.number, bytes_of(domains_[records_[added.number].domain].upper))) {
        return added.line;
      }
      (void)insert(added.number, {});  // Of several with one user name, the file's first.
    }
    size_ = added_.size();
    added_ = {};
    domain_numbers_ = {};
    return 0;
  }

  [[nodiscard]] bool draw_decoy() noexcept {
    return RAND_priv_bytes(decoy_.data(), static_cast<int>(decoy_.size())) == 1;
  }

  [[nodiscard]] Found find(Bytes user_upper, Bytes domain_upper) const noexcept override {
    const Found decoy = {.nt_hash = decoy_, .user = {}, .domain = {}};
    if (size_ == 0) {
      return decoy;
    }
    // An unknown user is compared with an account as well, with the next one there is: fetching one
    // of a million from memory takes long enough to tell.
    std::size_t place = look_up(user_upper, domain_upper).place;
    while (index_[place] == kFree) {
      place = after(place);
    }
    const Record& record = records_[index_[place] & kNumberMask];
    return matches(record, user_upper, domain_upper)
               ? Found{.nt_hash = record.nt_hash,
                       .user = record.user(),
                       .domain = bytes_of(domains_[record.domain].name)}
               : decoy;
  }

  [[nodiscard]] std::size_t size() const noexcept override { return size_; }

 private:
  struct Domain {
    std::string name;   // UTF-8, as in the file.
    std::string upper;  // UTF-16LE.
  };
  struct Added {
    std::uint32_t number;
    std::size_t line;
  };
  // An entry is a record's number and above it a tag, 8 bits of the hash of the names it stands
  // for: records of other names are hardly ever looked at.
  static constexpr std::uint32_t kFree = 0xffffffff;
  static constexpr std::uint32_t kNumberMask = 0xffffff;
  static_assert(Records::kNumberMax < kNumberMask);

  // look_up finds where these names are, or would be. An entry stands for (user, domain) or for
  // (user, no domain); which of the two, the place it is found in tells by the probe itself.
  struct Place {
    std::size_t place;
    std::uint32_t tag;
  };
  [[nodiscard]] Place look_up(Bytes user_upper, Bytes domain_upper) const noexcept {
    const std::uint64_t hash = hash_names(user_upper, domain_upper);
    const auto tag = static_cast<std::uint32_t>(hash >> 32) & ~kNumberMask;
    std::size_t place = hash & (index_.size() - 1);
    while (index_[place] != kFree &&
           ((index_[place] & ~kNumberMask) != tag ||
            !matches(records_[index_[place] & kNumberMask], user_upper, domain_upper))) {
      place = after(place);
    }
    return {place, tag};
  }
  [[nodiscard]] std::size_t after(std::size_t place) const noexcept {
    return (place + 1) & (index_.size() - 1);
  }

  [[nodiscard]] bool matches(const Record& record, Bytes user_upper,
                             Bytes domain_upper) const noexcept {
    return std::ranges::equal(record.user_upper(), user_upper) &&
           (domain_upper.empty() ||
            std::ranges::equal(bytes_of(domains_[record.domain].upper), domain_upper));
  }

  // insert returns false if another account has these names.
  [[nodiscard]] bool insert(std::uint32_t number, Bytes domain_upper) noexcept {
    const auto [place, tag] = look_up(records_[number].user_upper(), domain_upper);
    if (index_[place] != kFree) {
      return false;
    }
    index_[place] = tag | number;
    return true;
  }

  Records records_;
  std::vector<Domain> domains_;
  std::vector<std::uint32_t> index_;
  std::size_t size_ = 0;
  std::array<std::uint8_t, crypto::kNtHashSize> decoy_{};
  // Until index() is done:
  std::vector<Added> added_;
  std::unordered_map<std::string, std::uint32_t> domain_numbers_;
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
  std::unique_ptr<AccountTable> table(new (std::nothrow) AccountTable);
  const auto fail = [&](std::size_t line, const std::string& why) {
    return Loaded{nullptr, std::string(name) + ":" + std::to_string(line) + ": " + why};
  };
  if (table == nullptr || !table->draw_decoy()) {
    return {nullptr, std::string(name) + ": out of memory or randomness"};
  }
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
    Account account;
    const std::string wrong = read_account(kit, line, account);
    if (!wrong.empty()) {
      return fail(number, wrong);
    }
    if (!table->add(account, number)) {
      return fail(number, "too many accounts");
    }
  }
  if (const std::size_t line = table->index(); line != 0) {
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
