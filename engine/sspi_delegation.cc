// usher_store_delegated: what a client delegated, as a credential cache of MIT krb5.
#include <krb5.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/secret.h"
#include "engine/sspi_internal.h"
#include "engine/sspi_memory.h"
#include "parsers/host_addresses.h"
#include "parsers/krb_cred.h"

namespace usher::sspi {
namespace {

// What auth/delegation.h keeps comes out of one token, twice in parts, and a size.
constexpr std::size_t kDelegatedSizeMax = 2 * kTokenSizeMax + sizeof(std::uint32_t);

// Delegated is a copy of what a context keeps, and the name of who delegated it.
struct Delegated {
  Delegated() : room(kDelegatedSizeMax) {
    user.reserve(kIdentitySizeMax);  // They are filled in while the context is pinned.
    realm.reserve(kIdentitySizeMax);
  }
  Delegated(const Delegated&) = delete;
  Delegated& operator=(const Delegated&) = delete;
  ~Delegated() { wipe(room); }

  bool complete = false;
  std::size_t size = 0;
  std::vector<std::uint8_t> room;
  std::string user;  // As krb5_parse_name reads it, without its realm.
  std::string realm;

  [[nodiscard]] krb5::KrbCred cred() const noexcept { return *krb5::parse_krb_cred(message()); }
  [[nodiscard]] krb5::EncKrbCredPart part() const noexcept {
    return *krb5::parse_enc_krb_cred_part(
        Bytes(room).first(size).subspan(sizeof(std::uint32_t) + message().size()));
  }

 private:
  [[nodiscard]] Bytes message() const noexcept {
    return Bytes(room).subspan(sizeof(std::uint32_t), load_le<std::uint32_t>(room));
  }
};

// assign copies into the room that `out` has; from octets' own iterators it would take more.
void assign(std::string& out, Bytes text) {
  out.assign(reinterpret_cast<const char*>(text.data()), text.size());
}

Status copy_delegated(const SecHandle* handle, Delegated& out) {
  const Engine* const engine = running_engine();
  if (engine == nullptr) {
    return Status::kStaleHandle;
  }
  return engine->inspect(read_context_handle(handle), [&](const Context& context) {
    out.complete = context.state == auth::State::kEstablished;
    if (!out.complete || context.delegated.empty()) {
      return;
    }
    out.size = context.delegated.size;
    assign(out.user, context.user());
    assign(out.realm, context.realm());
    engine->environment().contexts.pages()->read(context.delegated,
                                                 std::span(out.room).first(out.size));
  });
}

// MIT's structures over memory of ours. It copies what it stores, and changes none of it.
krb5_data data_of(Bytes bytes) noexcept {
  return {.magic = KV5M_DATA,
          .length = static_cast<unsigned>(bytes.size()),
          .data = const_cast<char*>(reinterpret_cast<const char*>(bytes.data()))};
}

struct Name {
  std::array<krb5_data, krb5::kNameComponentsMax> components{};
  krb5_principal_data principal{};

  void set(const krb5::PrincipalName& name, Bytes realm) noexcept {
    std::size_t count = 0;
    krb5::each_component(name, [&](Bytes component) { components[count++] = data_of(component); });
    principal = {.magic = KV5M_PRINCIPAL,
                 .realm = data_of(realm),
                 .data = components.data(),
                 .length = static_cast<krb5_int32>(count),
                 .type = name.type};
  }
};

struct Addresses {
  std::array<krb5_address, krb5::kHostAddressesMax> address{};
  std::array<krb5_address*, krb5::kHostAddressesMax + 1> list{};  // Ends with null.

  void set(const krb5::HostAddresses& addresses) noexcept {
    std::size_t count = 0;
    krb5::each_address(addresses, [&](const krb5::HostAddress& from) {
      address[count] = {.magic = KV5M_ADDRESS,
                        .addrtype = from.type,
                        .length = static_cast<unsigned>(from.address.size()),
                        .contents = const_cast<krb5_octet*>(from.address.data())};
      list[count] = &address[count];
      ++count;
    });
  }
};

// timestamp_of is the 32 bits that MIT reads as unsigned: the year 2106 at most.
krb5_timestamp timestamp_of(krb5::UnixSeconds seconds) noexcept {
  return static_cast<krb5_timestamp>(
      std::clamp(seconds, krb5::UnixSeconds{0}, krb5::UnixSeconds{UINT32_MAX}));
}

// Library is libkrb5, for one call.
class Library {
 public:
  Library() = default;
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library() {
    krb5_free_principal(context_, client_);  // Both take null.
    krb5_free_context(context_);
  }

  // write puts all that was delegated into the cache `name`, in place of what is there. "" if it
  // worked, else why not.
  [[nodiscard]] std::string write(const Delegated& delegated, const std::string& name) {
    krb5_error_code code = krb5_init_context(&context_);
    code = code != 0 ? code : set_client(delegated);
    krb5_ccache cache = nullptr;
    code = code != 0 ? code : krb5_cc_resolve(context_, name.c_str(), &cache);
    if (code != 0) {
      return message_of(code);
    }
    code = krb5_cc_initialize(context_, cache, client_);
    const krb5::KrbCred cred = delegated.cred();
    const krb5::EncKrbCredPart part = delegated.part();
    for (std::uint32_t n = 0; n < cred.ticket_count && code == 0; ++n) {
      code = store(cache, krb5::ticket_at(cred, n), krb5::info_at(part, n));
    }
    // One with only some of the tickets is not left behind: in memory, it would have a name.
    const krb5_error_code closed =
        code == 0 ? krb5_cc_close(context_, cache) : krb5_cc_destroy(context_, cache);
    code = code != 0 ? code : closed;
    return code == 0 ? std::string() : message_of(code);
  }

 private:
  krb5_error_code set_client(const Delegated& delegated) {
    const krb5_error_code code = krb5_parse_name_flags(context_, delegated.user.c_str(),
                                                       KRB5_PRINCIPAL_PARSE_NO_REALM, &client_);
    return code != 0 ? code : krb5_set_principal_realm(context_, client_, delegated.realm.c_str());
  }

  krb5_error_code store(krb5_ccache cache, const krb5::CredTicket& ticket,
                        const krb5::KrbCredInfo& info) {
    Name server;
    if (info.has_service) {
      server.set(info.sname, info.srealm);
    } else {
      server.set(ticket.ticket.sname, ticket.ticket.realm);
    }
    Addresses addresses;
    addresses.set(*krb5::parse_host_addresses(info.addresses));
    krb5_creds creds{};
    creds.magic = KV5M_CREDS;
    creds.client = client_;
    creds.server = &server.principal;
    creds.keyblock = {.magic = KV5M_KEYBLOCK,
                      .enctype = info.key.etype,
                      .length = static_cast<unsigned>(info.key.value.size()),
                      .contents = const_cast<krb5_octet*>(info.key.value.data())};
    creds.times = {.authtime = timestamp_of(info.auth_time),
                   .starttime = timestamp_of(info.start_time),
                   .endtime = timestamp_of(info.end_time),
                   .renew_till = timestamp_of(info.renew_till)};
    creds.ticket_flags = static_cast<krb5_flags>(info.flags);
    creds.addresses = addresses.list.data();
    creds.ticket = data_of(ticket.encoded);
    return krb5_cc_store_cred(context_, cache, &creds);
  }

  std::string message_of(krb5_error_code code) const {
    const char* const text = krb5_get_error_message(context_, code);
    std::string message = text;
    krb5_free_error_message(context_, text);
    return message;
  }

  krb5_context context_ = nullptr;
  krb5_principal client_ = nullptr;
};

constexpr std::string_view kFilePrefix = "FILE:";
constexpr std::string_view kMemoryPrefix = "MEMORY:";

// Beside is a file that goes with its owner, unless it has been kept under its own name.
class Beside {
 public:
  explicit Beside(std::string path) : path_(std::move(path)) {}
  ~Beside() {
    if (!kept_) {
      static_cast<void>(::unlink(path_.c_str()));
    }
  }
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] bool keep_as(const std::string& path) noexcept {
    kept_ = std::rename(path_.c_str(), path.c_str()) == 0;
    return kept_;
  }

 private:
  std::string path_;
  bool kept_ = false;
};

// write_file writes beside the file and renames, so that nobody ever reads half a cache. mkstemp
// and libkrb5 both create files that only their owner may read.
std::string write_file(const Delegated& delegated, const std::string& path) {
  std::string pattern = path + ".XXXXXX";
  const int descriptor = ::mkstemp(pattern.data());
  if (descriptor < 0) {
    return std::string("no file can be created there: ") + std::strerror(errno);
  }
  ::close(descriptor);
  Beside beside(std::move(pattern));
  std::string error = Library().write(delegated, std::string(kFilePrefix) + beside.path());
  if (error.empty() && !beside.keep_as(path)) {
    error = std::string("it cannot be replaced: ") + std::strerror(errno);
  }
  return error;
}

SECURITY_STATUS store_delegated(const SecHandle* handle, const char* cache_name) {
  const std::string name(cache_name == nullptr ? "" : cache_name);
  const bool is_file = name.starts_with(kFilePrefix) && name.size() > kFilePrefix.size();
  const bool is_memory = name.starts_with(kMemoryPrefix) && name.size() > kMemoryPrefix.size();
  if (!is_file && !is_memory) {
    return refuse(SEC_E_INVALID_PARAMETER,
                  "usher_store_delegated: the cache must be \"FILE:path\" or \"MEMORY:name\"");
  }
  Delegated delegated;
  const Status status = copy_delegated(handle, delegated);
  if (status != Status::kEstablished) {
    return refuse(status);
  }
  if (!delegated.complete) {
    return refuse(SEC_E_OUT_OF_SEQUENCE, "the context is not complete yet");
  }
  if (delegated.size == 0) {
    return refuse(SEC_E_NO_CREDENTIALS,
                  "the client delegated nothing, or nobody asked for it: ASC_REQ_DELEGATE and the "
                  "policy delegation=accept");
  }
  const std::string error = is_file ? write_file(delegated, name.substr(kFilePrefix.size()))
                                    : Library().write(delegated, name);
  return error.empty()
             ? SEC_E_OK
             : refuse_copying(SEC_E_INTERNAL_ERROR, "credential cache " + name + ": " + error);
}

}  // namespace
}  // namespace usher::sspi

extern "C" SECURITY_STATUS usher_store_delegated(PCtxtHandle context, const char* cache_name) {
  return usher::sspi::within_memory(
      [&] { return usher::sspi::store_delegated(context, cache_name); });
}
