// engine/auth/accounts.h: the text of an accounts file. Every line of an accepted one can be found
// by its names with its hash, and a refusal names the first line that is wrong.
#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "engine/auth/accounts.h"
#include "engine/auth/unicode.h"
#include "engine/crypto/proof_batch.h"
#include "engine/limits.h"
#include "fuzz/support/world.h"

namespace usher::fuzz {
namespace {

using auth::Accounts;

constexpr std::string_view kName = "fuzz.accounts";
constexpr std::size_t kTextSizeMax = 4096;  // More lines of the same teach nothing.

Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string_view text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Upper is a name as NTLM looks it up.
struct Upper {
  explicit Upper(std::string_view name) {
    std::array<std::uint8_t, 2 * kTextSizeMax> wide;
    const std::optional<Bytes> utf16 = auth::utf8_to_utf16(bytes_of(name), wide);
    check(utf16.has_value(), "names of an accepted file are UTF-8");
    bytes = auth::upper_utf16(*utf16, room).value_or(Bytes{});
  }
  Upper(const Upper&) = delete;
  Upper& operator=(const Upper&) = delete;
  std::array<std::uint8_t, 2 * kTextSizeMax> room;
  Bytes bytes;
};

// each_line calls visit(line, number) for every line that names an account.
template <class Visit>
void each_line(std::string_view text, Visit visit) {
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line.remove_suffix(line.ends_with('\r') ? 1 : 0);
    if (!line.empty() && line[0] != '#') {
      visit(line, number);
    }
  }
}

std::string hex_of(Bytes bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t octet : bytes) {
    text += {kDigits[octet >> 4], kDigits[octet & 0xf]};
  }
  return text;
}

bool same_hex(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return (x | 0x20) == (y | 0x20); });
}

// check_line looks one account up, and returns the line in its other form: with the hash.
std::string check_line(crypto::Kit& kit, const Accounts& accounts, std::string_view line) {
  const std::size_t first = line.find(':');
  const std::size_t second = line.find(':', first + 1);
  check(first != line.npos && second != line.npos, "a line has three parts");
  const std::string_view domain = line.substr(0, first);
  const std::string_view user = line.substr(first + 1, second - first - 1);
  const std::string_view secret = line.substr(second + 1);
  check(!user.empty() && !secret.empty(), "nobody signs on without a name or a password");
  const Upper user_upper(user);
  const Upper domain_upper(domain);
  const Accounts::Found found = accounts.find(user_upper.bytes, domain_upper.bytes);
  check(text_of(found.user) == user && text_of(found.domain) == domain, "each account is found");
  if (secret[0] == ':') {
    check(same_hex(secret.substr(1), hex_of(found.nt_hash)), "with the hash of its line");
  } else {
    std::array<std::uint8_t, 2 * kTextSizeMax> wide;
    std::array<std::uint8_t, crypto::kNtHashSize> hash{};
    const std::optional<Bytes> utf16 = auth::utf8_to_utf16(bytes_of(secret), wide);
    check(utf16 && crypto::nt_hash_of(kit, *utf16, hash), "a password is UTF-8");
    check(std::ranges::equal(hash, found.nt_hash), "with the hash of its password");
  }
  const Accounts::Found anywhere = accounts.find(user_upper.bytes, {});
  check(!anywhere.user.empty(), "also without a domain");
  return std::string(line.substr(0, second)) + "::" + hex_of(found.nt_hash);
}

void check_accepted(crypto::Kit& kit, const Accounts& accounts, std::string_view text) {
  std::size_t count = 0;
  std::string stated;
  each_line(text, [&](std::string_view line, std::size_t) {
    stated += check_line(kit, accounts, line) + "\n";
    ++count;
  });
  check(accounts.size() == count, "no account is lost or invented");
  const Accounts::Loaded again = Accounts::parse(kit, stated, kName);
  check(again.accounts != nullptr && again.accounts->size() == count,
        "with hashes in place of passwords it is the same file");
  const std::array<std::uint8_t, 2> nobody = {'\n', 0};  // No line holds a line's end.
  const Accounts::Found decoy = accounts.find(nobody, {});
  check(decoy.user.empty() && decoy.nt_hash.size() == crypto::kNtHashSize,
        "an unknown user gets a hash as well");
}

void check_refused(crypto::Kit& kit, const std::string& error, std::string_view text) {
  const std::string begin = std::string(kName) + ":";
  check(error.starts_with(begin), "a refusal names the file");
  std::size_t wrong = 0;
  const char* const end = error.data() + error.size();
  const auto [at, parsed] = std::from_chars(error.data() + begin.size(), end, wrong);
  check(parsed == std::errc{} && std::string_view(at, end).starts_with(": "), "and the line");
  std::string before;
  std::size_t count = 0;
  bool is_a_line = false;
  each_line(text, [&](std::string_view line, std::size_t number) {
    is_a_line = is_a_line || number == wrong;
    if (number < wrong) {
      before.append(line).append("\r\n");  // A password may end with the first half of this.
      ++count;
    }
  });
  check(is_a_line, "the line exists");
  const Accounts::Loaded good = Accounts::parse(kit, before, kName);
  check(good.accounts == nullptr ? good.error.find("earlier line") != good.error.npos
                                 : good.accounts->size() == count,
        "the first line that is wrong is named; only a repeated account is seen last");
}

}  // namespace

void run_one(Bytes input) {
  static const std::unique_ptr<crypto::Kit> kit = make_kit();
  const std::string_view text = text_of(input.first(std::min(input.size(), kTextSizeMax)));
  const Accounts::Loaded loaded = Accounts::parse(*kit, text, kName);
  check((loaded.accounts == nullptr) == !loaded.error.empty(), "accounts or a reason, not both");
  if (loaded.accounts != nullptr) {
    check_accepted(*kit, *loaded.accounts, text);
  } else {
    check_refused(*kit, loaded.error, text);
  }
}

}  // namespace usher::fuzz
