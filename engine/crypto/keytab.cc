// A key ring from a keytab: MIT krb5 reads the file, at start and at reload only.
#include <krb5.h>

#include <cassert>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/crypto/key_ring.h"
#include "parsers/der.h"

namespace usher::crypto {
namespace {

// Keytab is an open keytab and what was read from it; krb5 wipes the keys when it frees them.
class Keytab {
 public:
  Keytab() = default;
  ~Keytab() {
    for (krb5_keytab_entry& entry : entries_) {
      krb5_free_keytab_entry_contents(context_, &entry);
    }
    if (keytab_ != nullptr) {
      krb5_kt_close(context_, keytab_);
    }
    krb5_free_context(context_);  // Takes null.
  }
  Keytab(const Keytab&) = delete;
  Keytab& operator=(const Keytab&) = delete;

  // read reads all entries; false leaves a reason in error().
  [[nodiscard]] bool read(const std::string& path) {
    if (const krb5_error_code code = krb5_init_context(&context_); code != 0) {
      return fail("the Kerberos library cannot start (krb5.conf?)", code);
    }
    return open(path) && read_entries();
  }

  [[nodiscard]] const std::vector<krb5_keytab_entry>& entries() const { return entries_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  [[nodiscard]] bool open(const std::string& path) {
    constexpr std::string_view kFilePrefix = "FILE:";
    if (path.empty()) {
      std::vector<char> name(1024);
      if (const krb5_error_code code =
              krb5_kt_default_name(context_, name.data(), static_cast<int>(name.size()));
          code != 0) {
        return fail("no default keytab", code);
      }
      name_ = name.data();
    } else {
      // Without the prefix, a path with a colon in it would name a keytab type.
      name_ = path.starts_with(kFilePrefix) ? path : std::string(kFilePrefix) + path;
    }
    const krb5_error_code code = krb5_kt_resolve(context_, name_.c_str(), &keytab_);
    return code == 0 || fail("cannot be opened", code);
  }

  [[nodiscard]] bool read_entries() {
    krb5_kt_cursor cursor = nullptr;
    if (const krb5_error_code code = krb5_kt_start_seq_get(context_, keytab_, &cursor); code != 0) {
      return fail("cannot be read", code);
    }
    krb5_error_code code = 0;
    while (code == 0) {
      krb5_keytab_entry entry{};
      code = krb5_kt_next_entry(context_, keytab_, &entry, &cursor);
      if (code == 0) {
        entries_.push_back(entry);
      }
    }
    static_cast<void>(krb5_kt_end_seq_get(context_, keytab_, &cursor));
    if (code == KRB5_KT_END) {
      return true;
    }
    return fail("malformed after " + std::to_string(entries_.size()) + " entries", code);
  }

  bool fail(const std::string& what, krb5_error_code code) {
    const char* const reason = krb5_get_error_message(context_, code);
    error_ = what + ": " + reason;
    krb5_free_error_message(context_, reason);
    return false;
  }

  krb5_context context_ = nullptr;
  krb5_keytab keytab_ = nullptr;
  std::vector<krb5_keytab_entry> entries_;
  std::string name_;
  std::string error_;
};

Bytes bytes_of(const krb5_data& data) {
  // krb5 counts chars; the octets are the same.
  return {reinterpret_cast<const std::uint8_t*>(data.data), data.length};
}

// components_of is the name's components as a ticket has them: GeneralString elements.
std::vector<std::uint8_t> components_of(const krb5_principal_data& name) {
  constexpr std::size_t kHeaderSizeMax = 6;  // Of an element below 4 GiB.
  const std::span<const krb5_data> components(name.data, static_cast<std::size_t>(name.length));
  std::size_t size_max = 0;
  for (const krb5_data& component : components) {
    size_max += kHeaderSizeMax + component.length;
  }
  std::vector<std::uint8_t> encoded(size_max);
  der::Writer writer(encoded);
  for (std::size_t i = components.size(); i-- > 0;) {
    writer.bytes(der::Tag::kGeneralString, bytes_of(components[i]));
  }
  assert(writer.ok());
  encoded.resize(writer.move_to_front());
  return encoded;
}

}  // namespace

KeyRing::Loaded KeyRing::load_keytab(Kit& kit, const std::string& path) {
  Keytab keytab;
  const auto refuse = [&](const std::string& reason) {
    const std::string& name = keytab.name().empty() ? path : keytab.name();
    return Loaded{.ring = nullptr, .error = "keytab " + name + ": " + reason};
  };
  if (!keytab.read(path)) {
    return refuse(keytab.error());
  }
  std::vector<std::vector<std::uint8_t>> names;
  std::vector<Entry> entries;
  for (const krb5_keytab_entry& entry : keytab.entries()) {
    names.push_back(components_of(*entry.principal));
    entries.push_back({.realm = bytes_of(entry.principal->realm),
                       .components = names.back(),
                       .etype = entry.key.enctype,
                       .kvno = entry.vno,
                       .key = {entry.key.contents, entry.key.length}});
  }
  std::unique_ptr<const KeyRing> ring = make(kit, entries);
  if (ring == nullptr) {
    return refuse("out of memory, or the cryptographic library failed");
  }
  if (ring->left_out() == entries.size()) {
    return refuse("no usable entry: of " + std::to_string(entries.size()) +
                  ", none is for etype 17 (aes128-cts-hmac-sha1-96) or "
                  "18 (aes256-cts-hmac-sha1-96)");
  }
  return {.ring = std::move(ring), .error = {}};
}

}  // namespace usher::crypto
