// Opens tickets and authenticators with a keytab, to look inside.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/crypto/key_ring.h"
#include "engine/crypto/kit.h"
#include "engine/crypto/lanes.h"
#include "parsers/krb5.h"

namespace usher::cli {

// Opener holds a keytab's keys. Not for several threads.
class Opener {
 public:
  // Opened is a plaintext, wiped when it goes, or one line that says why there is none.
  class Opened {
   public:
    explicit Opened(std::string why_not) : why_not_(std::move(why_not)) {}
    explicit Opened(std::size_t room) : plain_(room) {}
    Opened(Opened&&) = default;
    Opened& operator=(Opened&&) = delete;
    Opened(const Opened&) = delete;
    Opened& operator=(const Opened&) = delete;
    ~Opened();

    [[nodiscard]] bool ok() const { return why_not_.empty(); }
    [[nodiscard]] const std::string& why_not() const { return why_not_; }
    [[nodiscard]] Bytes bytes() const { return bytes_; }

   private:
    friend class Opener;
    std::vector<std::uint8_t> plain_;
    Bytes bytes_;  // Inside plain_.
    std::string why_not_;
  };

  // Throws UsageError if `keytab` cannot be read or holds no key that we serve.
  explicit Opener(const std::string& keytab);
  // Takes keys that were loaded already, and the kit to use them with.
  Opener(std::unique_ptr<crypto::Kit> kit, std::unique_ptr<const crypto::KeyRing> ring);

  // open_ticket tries every key of the ticket's service and etype; open_authenticator the session
  // key that the ticket held.
  [[nodiscard]] Opened open_ticket(const krb5::Ticket& ticket);
  [[nodiscard]] Opened open_authenticator(const krb5::EncryptionKey& session_key,
                                          const krb5::EncryptedData& authenticator);

 private:
  std::unique_ptr<crypto::Kit> kit_;
  std::unique_ptr<crypto::Lanes> lanes_;
  std::unique_ptr<const crypto::KeyRing> ring_;
};

}  // namespace usher::cli
