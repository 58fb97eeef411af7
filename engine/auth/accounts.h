// Who may sign on with NTLM: an accounts file, read once.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "engine/crypto/kit.h"
#include "parsers/bytes.h"

namespace usher::auth {

// Accounts is immutable once made; any number of threads may read it. Its destructor wipes the
// hashes.
class Accounts {
 public:
  struct Loaded {
    std::unique_ptr<const Accounts> accounts;  // Null if the text is wrong.
    std::string error;                         // Then: "file:line: what was expected", for people.
  };

  // load_file reads one account a line, `DOMAIN:user:password` or `DOMAIN:user::NTHASH` with 32 hex
  // digits; blank lines and lines that begin with '#' are skipped, names are UTF-8, a password may
  // contain ':'. A file that anybody but its owner and group may read, or its group may write, is
  // refused. parse does the same for a text; `name` stands for the file in errors. Both wipe what
  // they read. At start and at reload only: they allocate.
  [[nodiscard]] static Loaded load_file(crypto::Kit& kit, const std::string& path);
  [[nodiscard]] static Loaded parse(crypto::Kit& kit, std::string_view text, std::string_view name);

  virtual ~Accounts() = default;
  Accounts(const Accounts&) = delete;
  Accounts& operator=(const Accounts&) = delete;

  // Found is an account, or a decoy: an unknown user gets a random hash of the file's own making,
  // so that what follows takes as long as for a known one (no user enumeration by time).
  struct Found {
    Bytes nt_hash;  // 16 bytes.
    Bytes user;     // UTF-8, as the file spells it; empty for a decoy.
    Bytes domain;
  };
  // find compares upper-case UTF-16LE names. An empty domain finds the first account of that user
  // name (clients that were given no domain send none). Constant number of steps, no allocation.
  [[nodiscard]] virtual Found find(Bytes user_upper, Bytes domain_upper) const noexcept = 0;

  [[nodiscard]] virtual std::size_t size() const noexcept = 0;

 protected:
  Accounts() = default;
};

}  // namespace usher::auth
