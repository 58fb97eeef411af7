// A key ring from a keytab: MIT krb5 reads the file, at start and at reload only.
#include <krb5.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/crypto/key_ring.h"
#include "engine/file_image.h"
#include "parsers/der.h"
#include "parsers/der_writer.h"
#include "parsers/keytab.h"

namespace usher::crypto {
namespace {

constexpr std::size_t kFileSizeMax = std::size_t{64} << 20;

// file_of takes the type off a keytab's name; empty if it names no file.
std::string file_of(const std::string& name) {
  for (const std::string_view prefix : {"FILE:", "WRFILE:"}) {
    if (name.starts_with(prefix)) {
      return name.substr(prefix.size());
    }
  }
  return name.starts_with('/') ? name : std::string();
}

std::string_view text_of(ParseCode code) {
  switch (code) {
    case ParseCode::kTruncated:
      return "an entry or a field goes on beyond its end";
    case ParseCode::kBadValue:
      return "a name or a key is empty or too long";
    case ParseCode::kTrailingBytes:
      return "something follows where it should end";
    case ParseCode::kOk:
    case ParseCode::kUnexpectedTag:
    case ParseCode::kBadLength:
    case ParseCode::kOutOfBounds:
      break;
  }
  return "an entry's size is wrong";
}

// Keytab is an open keytab and what was read from it; krb5 wipes the keys when it frees them.
class Keytab {
 public:
  Keytab() = default;
  ~Keytab() {
    free_entries();
    if (keytab_ != nullptr) {
      krb5_kt_close(context_, keytab_);
    }
    krb5_free_context(context_);  // Takes null.
  }
  Keytab(const Keytab&) = delete;
  Keytab& operator=(const Keytab&) = delete;

  // read reads all entries; false leaves a reason in error(). MIT krb5 takes a damaged entry for
  // the end of the file, so the file is looked at first, and once more afterwards: what was read
  // has to be what was looked at.
  [[nodiscard]] bool read(const std::string& path) {
    if (const krb5_error_code code = krb5_init_context(&context_); code != 0) {
      return fail("the Kerberos library cannot start (krb5.conf?)", code);
    }
    if (!open(path)) {
      return false;
    }
    const std::string file = file_of(name_);
    return file.empty() ? read_entries() : read_file(file);
  }

  [[nodiscard]] const std::vector<krb5_keytab_entry>& entries() const { return entries_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& error() const { return error_; }
  [[nodiscard]] bool absent() const { return absent_; }

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

  [[nodiscard]] bool read_file(const std::string& file) {
    constexpr int kTries = 3;
    for (int n = 0; n < kTries; ++n) {
      FileImage before;
      FileImage after;
      keytab::Layout layout;
      const int wrong = before.read(file.c_str(), kFileSizeMax);
      const bool looked_at = wrong == 0;
      if (wrong == ENODEV) {  // Opening it, as the Kerberos library would, might wait for ever.
        return fail("is no file");
      }
      if (wrong == ENOMEM) {
        throw std::bad_alloc();
      }
      absent_ = wrong == ENOENT;
      if ((looked_at && !check_layout(before.bytes(), layout)) || !read_entries()) {
        return false;
      }
      if (!looked_at) {
        return fail("cannot be looked at: unreadable, or larger than 64 MiB");
      }
      if (after.read(file.c_str(), kFileSizeMax) == 0 &&
          std::ranges::equal(before.bytes(), after.bytes())) {
        return entries_.size() == layout.entry_count ||
               fail("of its " + std::to_string(layout.entry_count) +
                    " entries the Kerberos library reads " + std::to_string(entries_.size()));
      }
    }
    return fail("is being written");
  }

  // check_layout leaves it to the Kerberos library to refuse other versions.
  [[nodiscard]] bool check_layout(Bytes contents, keytab::Layout& layout) {
    const Result<keytab::Layout> parsed = keytab::parse_layout(contents);
    if (parsed.ok()) {
      layout = *parsed;
    }
    if (parsed.ok() || parsed.fault().code == ParseCode::kUnexpectedTag) {
      return true;
    }
    return fail("damaged, or only half written: at byte " + std::to_string(parsed.fault().offset) +
                " " + std::string(text_of(parsed.fault().code)));
  }

  // Reading ends a walk through the entries: the file is open and locked as long as it lasts.
  class Reading {
   public:
    Reading(Keytab& keytab, krb5_kt_cursor& cursor) : keytab_(keytab), cursor_(cursor) {}
    ~Reading() {
      static_cast<void>(krb5_kt_end_seq_get(keytab_.context_, keytab_.keytab_, &cursor_));
    }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;

   private:
    Keytab& keytab_;
    krb5_kt_cursor& cursor_;
  };

  [[nodiscard]] bool read_entries() {
    free_entries();
    krb5_kt_cursor cursor = nullptr;
    if (const krb5_error_code code = krb5_kt_start_seq_get(context_, keytab_, &cursor); code != 0) {
      return fail("cannot be read", code);
    }
    krb5_error_code code = 0;
    const Reading reading(*this, cursor);
    while (code == 0) {
      krb5_keytab_entry& entry = entries_.emplace_back();  // Somebody's before it holds a key.
      code = krb5_kt_next_entry(context_, keytab_, &entry, &cursor);
    }
    entries_.pop_back();
    if (code == KRB5_KT_END) {
      return true;
    }
    return fail("malformed after " + std::to_string(entries_.size()) + " entries", code);
  }

  void free_entries() {
    for (krb5_keytab_entry& entry : entries_) {
      krb5_free_keytab_entry_contents(context_, &entry);
    }
    entries_.clear();
  }

  bool fail(const std::string& what) {
    error_ = what;
    return false;
  }
  bool fail(const std::string& what, krb5_error_code code) {
    if (code == ENOMEM) {
      throw std::bad_alloc();
    }
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
  bool absent_ = false;
};

Bytes bytes_of(const krb5_data& data) {
  // krb5 counts chars; the octets are the same.
  return {reinterpret_cast<const std::uint8_t*>(data.data), data.length};
}

// components_of is the name's components as a ticket has them: GeneralString elements.
std::vector<std::uint8_t> components_of(const krb5_principal_data& name) {
  constexpr std::size_t kHeaderSizeMax = 6;  // Of an element below 4 GiB.
  const std::span<const krb5_data> components(name.data, static_cast<std::size_t>(name.length));
  std::size_t size_max = 1;  // A name may have no components, and a Writer needs a place.
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

KeyRing::Loaded KeyRing::load_keytabs(Kit& kit, std::span<const std::string> paths) {
  std::vector<std::unique_ptr<Keytab>> keytabs;  // Entries have views into them.
  std::vector<std::vector<std::uint8_t>> names;
  std::vector<Entry> entries;
  std::string read;
  const auto refuse = [](const std::string& name, const std::string& reason, bool absent) {
    return Loaded{.ring = nullptr, .error = "keytab " + name + ": " + reason, .absent = absent};
  };
  for (const std::string& path : paths) {
    Keytab& keytab = *keytabs.emplace_back(std::make_unique<Keytab>());
    if (!keytab.read(path)) {
      return refuse(keytab.name().empty() ? path : keytab.name(), keytab.error(), keytab.absent());
    }
    read += (read.empty() ? "" : " and ") + keytab.name();
    for (const krb5_keytab_entry& entry : keytab.entries()) {
      names.push_back(components_of(*entry.principal));
      entries.push_back({.realm = bytes_of(entry.principal->realm),
                         .components = names.back(),
                         .etype = entry.key.enctype,
                         .kvno = entry.vno,
                         .key = {entry.key.contents, entry.key.length}});
    }
  }
  std::unique_ptr<const KeyRing> ring = make(kit, entries);
  if (ring == nullptr) {
    return refuse(read, "out of memory, or the cryptographic library failed", false);
  }
  if (ring->left_out() == entries.size()) {
    return refuse(read,
                  "no usable entry: of " + std::to_string(entries.size()) +
                      ", none is for an etype that is served (17, 18, 19, 20, 23)",
                  false);
  }
  return {.ring = std::move(ring)};
}

KeyRing::Loaded KeyRing::load_keytab(Kit& kit, const std::string& path) {
  return load_keytabs(kit, std::span(&path, 1));
}

KeyRing::Loaded KeyRing::load_kdc_keytab(Kit& kit, const std::string& path) {
  Loaded loaded = load_keytab(kit, path);
  const auto is_krbtgt = [](const Principal& principal) {
    return principal.text.starts_with("krbtgt/") || principal.text.starts_with("krbtgt@");
  };
  if (loaded.ring != nullptr && std::ranges::none_of(loaded.ring->principals(), is_krbtgt)) {
    loaded.ring = nullptr;
    loaded.error = path + ": holds no key of krbtgt, which a KDC keytab is for";
  }
  return loaded;
}

}  // namespace usher::crypto
