// A keytab, read once, with every key expanded and found in one step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/crypto/checksum.h"
#include "engine/crypto/kerberos_keys.h"
#include "engine/crypto/ready_keys.h"
#include "parsers/bytes.h"

namespace usher::crypto {

// ServiceKey is one entry, ready to open tickets, with Ke and Ki of key usage 2, and to check the
// signatures of PACs. The key itself is not kept. Lanes take the AES families' in the forms that
// stand last.
struct ServiceKey {
  const EtypeProfile* profile = nullptr;
  std::uint32_t kvno = 0;
  Key ke;
  Key ki;
  ChecksumKey pac;  // Of key usage 17 (MS-PAC 2.8).
  Bytes realm;      // Whose key it is, as in KeyRing::Entry. The names live as long as the ring.
  Bytes components;
  Bytes text;  // "HTTP/web@REALM", as krb5::write_principal_text writes it.
  const ServiceKey* sibling = nullptr;  // Next key of the same principal and etype; newest first.
  const ServiceKey* other = nullptr;    // Next key of the etype, whosever: KeyRing::first_of_any.
  AesKey ticket_cipher;
  HmacKey ticket_hmac;
  HmacKey pac_hmac;
};

// make_service_key fills in the keys of `out`, of an etype's base key. False only if OpenSSL fails.
[[nodiscard]] bool make_service_key(Kit& kit, const EtypeProfile& profile, Bytes base,
                                    ServiceKey& out) noexcept;

// is_ticket_granting says whether a principal's components begin with "krbtgt", in any case: its
// tickets are for a KDC and not for a service (RFC 4120 7.3).
[[nodiscard]] bool is_ticket_granting(Bytes components) noexcept;

// KeyRing is immutable once made; any number of threads may read it. Its destructor wipes the keys.
class KeyRing {
 public:
  // Entry is a key to put in, as a keytab holds it. Names are as in krb5::PrincipalName.
  struct Entry {
    Bytes realm;
    Bytes components;
    std::int32_t etype = 0;
    std::uint32_t kvno = 0;
    Bytes key;
  };

  // make builds a ring; entries of etypes we do not serve, or whose key size is wrong, are left out
  // and counted. Null if memory or OpenSSL fails. Allocates.
  [[nodiscard]] static std::unique_ptr<const KeyRing> make(Kit& kit,
                                                           std::span<const Entry> entries) noexcept;

  struct Loaded {
    std::unique_ptr<const KeyRing> ring;  // Null if nothing usable could be read.
    std::string error;                    // Then: file and reason, for people.
    bool absent = false;                  // Then: there is no such file.
  };
  // load_keytab reads `path` (or, if empty, the system's default keytab) with MIT krb5's API. It is
  // an error if no entry is left. Allocates, throwing std::bad_alloc, and does I/O: at start and at
  // reload only.
  [[nodiscard]] static Loaded load_keytab(Kit& kit, const std::string& path);

  // load_keytabs reads several into one ring, as if they were one file; each must be readable.
  [[nodiscard]] static Loaded load_keytabs(Kit& kit, std::span<const std::string> paths);

  // load_kdc_keytab reads, in the same way, the keys of a realm's krbtgt, which nothing is opened
  // with: they verify what a KDC has signed. A keytab without such a key is an error.
  [[nodiscard]] static Loaded load_kdc_keytab(Kit& kit, const std::string& path);

  virtual ~KeyRing() = default;
  KeyRing(const KeyRing&) = delete;
  KeyRing& operator=(const KeyRing&) = delete;

  // Found is where to begin. `key` is the one of this kvno if there is one, else the newest of that
  // principal and etype (MS-KILE 3.4.5: a stale or absent kvno is no reason to refuse); null if
  // none. `newest` is that principal's and etype's newest in any case; with ServiceKey::sibling it
  // lets a caller try them all. `principal` says whether the ring knows the service at all.
  struct Found {
    const ServiceKey* key = nullptr;
    const ServiceKey* newest = nullptr;
    bool principal = false;
  };
  // find takes a constant number of steps, whatever the number of entries, and does not allocate.
  [[nodiscard]] virtual Found find(Bytes realm, Bytes components, std::int32_t etype, bool has_kvno,
                                   std::uint32_t kvno) const noexcept = 0;

  // first_of_any begins a search among the keys of all principals, for tickets whose service the
  // ring does not name; with ServiceKey::other it lets a caller try them. Each principal's newest
  // key comes before anybody's second newest, and a key that several principals share, as the names
  // of one account do in Active Directory, comes once, under the first of them in order of realm
  // and name. Keys of krbtgt are not among them: what they open is no ticket for a service. Null if
  // there is none.
  [[nodiscard]] virtual const ServiceKey* first_of_any(std::int32_t etype) const noexcept = 0;

  struct Principal {
    std::string text;                                          // "HTTP/host@REALM"
    std::vector<std::pair<std::int32_t, std::uint32_t>> keys;  // etype, kvno
  };
  // principals lists what is inside, for people. Allocates.
  [[nodiscard]] virtual std::vector<Principal> principals() const = 0;
  [[nodiscard]] virtual std::size_t left_out() const noexcept = 0;

 protected:
  KeyRing() = default;
};

}  // namespace usher::crypto
