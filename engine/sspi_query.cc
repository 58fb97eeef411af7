// QueryContextAttributes, with and without a size, and DeleteSecurityContext.
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "engine/auth/unicode.h"
#include "engine/crypto/etype.h"
#include "engine/sspi_internal.h"

namespace usher::sspi {
namespace {

using auth::Package;

// Snapshot is copied out of a context while it is pinned, so that nothing is allocated and no
// caller memory is touched meanwhile.
struct Snapshot {
  bool complete = false;
  Package package = Package::kNegotiate;
  gss::ContextFlags flags{};
  std::int32_t key_etype = 0;
  protect::MessageSizes sizes;
  std::int64_t start_s = 0;
  std::int64_t expires_s = 0;
  std::size_t key_size = 0;
  std::size_t name_size = 0;
  std::size_t realm_size = 0;
  std::size_t service_size = 0;
  std::size_t target_size = 0;
  std::array<std::uint8_t, kIdentitySizeMax + 1> name;  // The separator may come on top.
  std::array<std::uint8_t, kIdentitySizeMax> others;    // Realm, service and target.

  [[nodiscard]] Bytes client() const noexcept { return Bytes(name).first(name_size); }
  [[nodiscard]] Bytes realm() const noexcept { return Bytes(others).first(realm_size); }
  [[nodiscard]] Bytes service() const noexcept {
    return Bytes(others).subspan(realm_size, service_size);
  }
  [[nodiscard]] Bytes target() const noexcept {
    return Bytes(others).subspan(realm_size + service_size, target_size);
  }
};

Package package_of(gss::Mechanism mechanism) noexcept {
  switch (mechanism) {
    case gss::Mechanism::kKerberos:
    case gss::Mechanism::kMsKerberos:
      return Package::kKerberos;
    case gss::Mechanism::kNtlm:
      return Package::kNtlm;
    default:
      return Package::kNegotiate;
  }
}

Status take_snapshot(const SecHandle* handle, Snapshot& out) noexcept {
  const Engine* const engine = running_engine();
  if (engine == nullptr) {
    return Status::kStaleHandle;
  }
  return engine->inspect(read_context_handle(handle), [&out](const Context& context) {
    out.complete = context.state == auth::State::kEstablished;
    out.package = package_of(context.mechanism);
    if (out.complete) {
      out.flags = context.flags;
      out.key_etype = context.key_etype;
      out.sizes = protect::sizes_of(context.session_terms());
      out.start_s = context.start_s;
      out.expires_s = context.expires_s;
      out.key_size = context.key.bytes().size();
      out.name_size = context.write_client_name(out.name).size();
      // All names of a context fit together where one may be as long as all.
      MutableBytes room(out.others);
      const auto take = [&room](Bytes name) {
        std::ranges::copy(name, room.begin());
        room = room.subspan(name.size());
        return name.size();
      };
      out.realm_size = take(context.realm());
      out.service_size = take(context.service());
      out.target_size = take(context.target());
    }
  });
}

SECURITY_STATUS answer_sizes(const Snapshot& context, SecPkgContext_Sizes& out) noexcept {
  out = {.cbMaxToken = package_row(context.package).token_size_max,
         .cbMaxSignature = context.sizes.signature,
         .cbBlockSize = context.sizes.block_size,
         .cbSecurityTrailer = context.sizes.trailer};
  return SEC_E_OK;
}

// copy_name copies a name as UTF-8 or UTF-16 with a terminator. One with a NUL in it would end
// early in the caller's eyes and be another's: it is refused.
template <class Char>
SECURITY_STATUS copy_name(Bytes name, Char*& out) noexcept {
  std::array<std::uint8_t, 2 * (kIdentitySizeMax + 1)> utf16;
  const std::optional<Bytes> wide = auth::utf8_to_utf16(name, utf16);
  if (!wide) {
    return refuse(SEC_E_INVALID_UPN_NAME, "the name holds a NUL, is too long, or is not UTF-8");
  }
  const Bytes text = sizeof(Char) == 1 ? name : *wide;
  auto* const copy = static_cast<Char*>(allocate_for_caller(text.size() + sizeof(Char)));
  if (copy == nullptr) {
    return refuse(Status::kNoMemory);
  }
  std::memcpy(copy, text.data(), text.size());
  copy[text.size() / sizeof(Char)] = Char(0);
  out = copy;
  return SEC_E_OK;
}

// copy_names copies two names, or neither.
template <class Char>
SECURITY_STATUS copy_names(Bytes first, Bytes second, Char*& first_out,
                           Char*& second_out) noexcept {
  Char* copy = nullptr;
  SECURITY_STATUS status = copy_name(first, copy);
  if (status == SEC_E_OK) {
    status = copy_name(second, second_out);
    if (status == SEC_E_OK) {
      first_out = copy;
    } else {
      free_for_caller(copy);
    }
  }
  return status;
}

// Algorithms are what protects messages, in words and numbers.
struct Algorithms {
  std::string_view signature;
  std::string_view encryption;
  std::int32_t signature_number = 0;
  std::int32_t encryption_number = 0;
};

Algorithms algorithms_of(const Snapshot& context) noexcept {
  const crypto::EtypeProfile* const profile = crypto::profile_of(context.key_etype);
  if (context.package == Package::kNtlm || profile == nullptr) {
    return {.signature = "HMAC-MD5", .encryption = "RC4"};
  }
  return {.signature = pac::checksum_name(profile->checksum_type),
          .encryption = crypto::etype_name(context.key_etype),
          .signature_number = profile->checksum_type,
          .encryption_number = context.key_etype};
}

Bytes as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Ansi and Wide are the two families of structures.
struct Ansi {
  using Names = SecPkgContext_NamesA;
  using KeyInfo = SecPkgContext_KeyInfoA;
  using Authority = SecPkgContext_AuthorityA;
  using NativeNames = SecPkgContext_NativeNamesA;
  using PackageInfo = SecPkgContext_PackageInfoA;
  using NegotiationInfo = SecPkgContext_NegotiationInfoA;
  using CredentialName = SecPkgContext_CredentialNameA;
  static SecPkgInfoA* copy(Package package) noexcept {
    return copy_package_a(package_row(package));
  }
};
struct Wide {
  using Names = SecPkgContext_NamesW;
  using KeyInfo = SecPkgContext_KeyInfoW;
  using Authority = SecPkgContext_AuthorityW;
  using NativeNames = SecPkgContext_NativeNamesW;
  using PackageInfo = SecPkgContext_PackageInfoW;
  using NegotiationInfo = SecPkgContext_NegotiationInfoW;
  using CredentialName = SecPkgContext_CredentialNameW;
  static SecPkgInfoW* copy(Package package) noexcept {
    return copy_package_w(package_row(package));
  }
};

// answer_any answers what may be asked at any time.
template <class Family>
SECURITY_STATUS answer_any(const Snapshot& context, std::uint32_t attribute, void* out) noexcept {
  if (attribute == SECPKG_ATTR_FLAGS) {
    static_cast<SecPkgContext_Flags*>(out)->Flags = granted_attributes(context.flags);
    return SEC_E_OK;
  }
  if (attribute == SECPKG_ATTR_LAST_CLIENT_TOKEN_STATUS) {
    static_cast<SecPkgContext_LastClientTokenStatus*>(out)->LastClientTokenStatus =
        context.complete ? SecPkgAttrLastClientTokenYes : SecPkgAttrLastClientTokenNo;
    return SEC_E_OK;
  }
  auto* const info = Family::copy(context.package);
  if (info == nullptr) {
    return refuse(Status::kNoMemory);
  }
  if (attribute == SECPKG_ATTR_PACKAGE_INFO) {
    static_cast<typename Family::PackageInfo*>(out)->PackageInfo = info;
  } else {
    *static_cast<typename Family::NegotiationInfo*>(out) = {
        .PackageInfo = info,
        .NegotiationState =
            context.complete ? SECPKG_NEGOTIATION_COMPLETE : SECPKG_NEGOTIATION_IN_PROGRESS};
  }
  return SEC_E_OK;
}

template <class KeyInfo>
SECURITY_STATUS answer_key_info(const Snapshot& context, KeyInfo& out) noexcept {
  const Algorithms algorithms = algorithms_of(context);
  const SECURITY_STATUS status =
      copy_names(as_bytes(algorithms.signature), as_bytes(algorithms.encryption),
                 out.sSignatureAlgorithmName, out.sEncryptAlgorithmName);
  if (status == SEC_E_OK) {
    constexpr std::size_t kBitsPerByte = 8;
    out.KeySize = static_cast<std::uint32_t>(kBitsPerByte * context.key_size);
    out.SignatureAlgorithm = static_cast<std::uint32_t>(algorithms.signature_number);
    out.EncryptAlgorithm = static_cast<std::uint32_t>(algorithms.encryption_number);
  }
  return status;
}

// answer_dce_info gives the client's name to who authorises by name.
SECURITY_STATUS answer_dce_info(const Snapshot& context, SecPkgContext_DceInfo& out) noexcept {
  SEC_WCHAR* name = nullptr;
  const SECURITY_STATUS status = copy_name(context.client(), name);
  if (status == SEC_E_OK) {
    out = {.AuthzSvc = RPC_C_AUTHZ_NAME, .pPac = name};
  }
  return status;
}

template <class CredentialName>
SECURITY_STATUS answer_credential_name(const Snapshot& context, CredentialName& out) noexcept {
  if (context.package == Package::kNtlm) {
    return refuse(SEC_E_UNSUPPORTED_FUNCTION, "an NTLM acceptor has no name that it has proven");
  }
  const SECURITY_STATUS status = copy_name(context.service(), out.sCredentialName);
  if (status == SEC_E_OK) {
    out.CredentialType = 0;
  }
  return status;
}

// without_realm cuts "@REALM" off a principal as write_principal_text writes it.
Bytes without_realm(Bytes principal) noexcept {
  bool quoted = false;  // What is quoted is part of a name.
  for (std::size_t at = 0; at < principal.size(); ++at) {
    if (principal[at] == '@' && !quoted) {
      return principal.first(at);
    }
    quoted = !quoted && principal[at] == '\\';
  }
  return principal;
}

SECURITY_STATUS answer_target(const Snapshot& context,
                              SecPkgContext_ClientSpecifiedTarget& out) noexcept {
  if (context.target().empty() && context.package == Package::kNtlm) {
    return refuse(SEC_E_TARGET_UNKNOWN, "the client did not say which service it speaks with");
  }
  return copy_name(context.target().empty() ? without_realm(context.service()) : context.target(),
                   out.sTargetName);
}

// answer_complete answers what is known of complete contexts only.
template <class Family>
SECURITY_STATUS answer_complete(const Snapshot& context, std::uint32_t attribute,
                                void* out) noexcept {
  if (!context.complete) {
    return refuse(SEC_E_OUT_OF_SEQUENCE, "the context is not complete yet");
  }
  switch (attribute) {
    case SECPKG_ATTR_SIZES:
      return answer_sizes(context, *static_cast<SecPkgContext_Sizes*>(out));
    case SECPKG_ATTR_NAMES:
      return copy_name(context.client(), static_cast<typename Family::Names*>(out)->sUserName);
    case SECPKG_ATTR_AUTHORITY:
      return copy_name(context.realm(),
                       static_cast<typename Family::Authority*>(out)->sAuthorityName);
    case SECPKG_ATTR_NATIVE_NAMES: {
      auto& names = *static_cast<typename Family::NativeNames*>(out);
      return copy_names(context.client(), context.service(), names.sClientName, names.sServerName);
    }
    case SECPKG_ATTR_KEY_INFO:
      return answer_key_info(context, *static_cast<typename Family::KeyInfo*>(out));
    case SECPKG_ATTR_DCE_INFO:
      return answer_dce_info(context, *static_cast<SecPkgContext_DceInfo*>(out));
    case SECPKG_ATTR_CREDENTIAL_NAME:
      return answer_credential_name(context, *static_cast<typename Family::CredentialName*>(out));
    case SECPKG_ATTR_CLIENT_SPECIFIED_TARGET:
      return answer_target(context, *static_cast<SecPkgContext_ClientSpecifiedTarget*>(out));
    default:
      *static_cast<SecPkgContext_Lifespan*>(out) = {
          .tsStart = to_local_filetime(context.start_s),
          .tsExpiry = to_local_filetime(context.expires_s)};
      return SEC_E_OK;
  }
}

SECURITY_STATUS answer_session_key(const SecHandle* handle, const Snapshot& context,
                                   void* out) noexcept {
  if (!context.complete) {
    return refuse(SEC_E_OUT_OF_SEQUENCE, "the context is not complete yet");
  }
  auto* const copy = static_cast<unsigned char*>(allocate_for_caller(context.key_size));
  if (copy == nullptr) {
    return refuse(Status::kNoMemory);
  }
  // An established context's key stays what it is.
  const Status status = running_engine()->inspect(
      read_context_handle(handle),
      [&](const Context& seen) { std::memcpy(copy, seen.key.bytes().data(), context.key_size); });
  if (status != Status::kEstablished) {
    free_for_caller(copy);
    return refuse(status);
  }
  *static_cast<SecPkgContext_SessionKey*>(out) = {
      .SessionKeyLength = static_cast<std::uint32_t>(context.key_size), .SessionKey = copy};
  return SEC_E_OK;
}

// answer_from_pac answers what only a domain controller knows.
SECURITY_STATUS answer_from_pac(const SecHandle* handle, std::uint32_t attribute,
                                void* out) noexcept {
  KeptPac kept;
  const SECURITY_STATUS status = kept.take(handle);
  if (status != SEC_E_OK) {
    return status;
  }
  if (!kept.pac().has_logon_info) {
    return refuse(SEC_E_NO_IMPERSONATION, "the client's PAC holds no logon information");
  }
  const pac::LogonInfo& info = kept.pac().logon_info;
  if (attribute == SECPKG_ATTR_USER_FLAGS) {
    static_cast<SecPkgContext_UserFlags*>(out)->UserFlags = info.user_flags;
  } else if (attribute == SECPKG_ATTR_PASSWORD_EXPIRY) {
    static_cast<SecPkgContext_PasswordExpiry*>(out)->tsPasswordExpires =
        to_timestamp(info.password_must_change);
  } else {
    static_cast<SecPkgContext_LogoffTime*>(out)->tsLogoffTime =
        to_timestamp(std::min(info.logoff_time, info.kick_off_time));
  }
  return SEC_E_OK;
}

// answer_access_token asks for the local user, as QuerySecurityContextToken does; `out` is written
// to if there is one.
SECURITY_STATUS answer_access_token(const SecHandle* handle,
                                    SecPkgContext_AccessToken& out) noexcept {
  SecHandle context = *handle;
  void* token = nullptr;
  const SECURITY_STATUS status = QuerySecurityContextToken(&context, &token);
  if (status == SEC_E_OK) {
    out.AccessToken = token;
  }
  return status;
}

// From is where an attribute's answer comes from, which is also when there is one.
enum class From : std::uint8_t { kAny, kComplete, kSessionKey, kPac, kUser };

// AttributeRow is one attribute that is served, and its structure's size, which is the same in both
// families.
struct AttributeRow {
  std::uint32_t attribute;
  std::uint32_t size;
  From from;
};
constexpr std::array kAttributes = {
    AttributeRow{SECPKG_ATTR_SIZES, sizeof(SecPkgContext_Sizes), From::kComplete},
    AttributeRow{SECPKG_ATTR_NAMES, sizeof(SecPkgContext_NamesW), From::kComplete},
    AttributeRow{SECPKG_ATTR_LIFESPAN, sizeof(SecPkgContext_Lifespan), From::kComplete},
    AttributeRow{SECPKG_ATTR_DCE_INFO, sizeof(SecPkgContext_DceInfo), From::kComplete},
    AttributeRow{SECPKG_ATTR_KEY_INFO, sizeof(SecPkgContext_KeyInfoW), From::kComplete},
    AttributeRow{SECPKG_ATTR_AUTHORITY, sizeof(SecPkgContext_AuthorityW), From::kComplete},
    AttributeRow{SECPKG_ATTR_PASSWORD_EXPIRY, sizeof(SecPkgContext_PasswordExpiry), From::kPac},
    AttributeRow{SECPKG_ATTR_SESSION_KEY, sizeof(SecPkgContext_SessionKey), From::kSessionKey},
    AttributeRow{SECPKG_ATTR_PACKAGE_INFO, sizeof(SecPkgContext_PackageInfoW), From::kAny},
    AttributeRow{SECPKG_ATTR_USER_FLAGS, sizeof(SecPkgContext_UserFlags), From::kPac},
    AttributeRow{SECPKG_ATTR_NEGOTIATION_INFO, sizeof(SecPkgContext_NegotiationInfoW), From::kAny},
    AttributeRow{SECPKG_ATTR_NATIVE_NAMES, sizeof(SecPkgContext_NativeNamesW), From::kComplete},
    AttributeRow{SECPKG_ATTR_FLAGS, sizeof(SecPkgContext_Flags), From::kAny},
    AttributeRow{SECPKG_ATTR_CREDENTIAL_NAME, sizeof(SecPkgContext_CredentialNameW),
                 From::kComplete},
    AttributeRow{SECPKG_ATTR_ACCESS_TOKEN, sizeof(SecPkgContext_AccessToken), From::kUser},
    AttributeRow{SECPKG_ATTR_LOGOFF_TIME, sizeof(SecPkgContext_LogoffTime), From::kPac},
    AttributeRow{SECPKG_ATTR_CLIENT_SPECIFIED_TARGET, sizeof(SecPkgContext_ClientSpecifiedTarget),
                 From::kComplete},
    AttributeRow{SECPKG_ATTR_LAST_CLIENT_TOKEN_STATUS, sizeof(SecPkgContext_LastClientTokenStatus),
                 From::kAny},
};

// query answers if `size`, the caller's word on *out, is enough.
template <class Family>
SECURITY_STATUS query(const SecHandle* handle, std::uint32_t attribute, void* out,
                      std::uint32_t size) noexcept {
  Snapshot context;
  const Status status = take_snapshot(handle, context);
  if (status != Status::kEstablished) {
    return refuse(status);
  }
  if (out == nullptr) {
    return refuse(SEC_E_INVALID_PARAMETER, "QueryContextAttributes: pBuffer is null");
  }
  const auto row = std::ranges::find(kAttributes, attribute, &AttributeRow::attribute);
  if (row == kAttributes.end()) {
    return refuse(SEC_E_UNSUPPORTED_FUNCTION, "the attribute is not served by this package");
  }
  if (size < row->size) {
    return refuse(SEC_E_BUFFER_TOO_SMALL,
                  "QueryContextAttributesEx: cbBuffer is less than the attribute's structure");
  }
  switch (row->from) {
    case From::kAny:
      return answer_any<Family>(context, attribute, out);
    case From::kComplete:
      return answer_complete<Family>(context, attribute, out);
    case From::kSessionKey:
      return answer_session_key(handle, context, out);
    case From::kPac:
      return answer_from_pac(handle, attribute, out);
    case From::kUser:
      return answer_access_token(handle, *static_cast<SecPkgContext_AccessToken*>(out));
  }
  return refuse(Status::kInternal);
}

// The caller of the functions without a size vouches for it.
constexpr std::uint32_t kSizeNotSaid = UINT32_MAX;

}  // namespace

SECURITY_STATUS copy_string(Bytes utf8, SEC_CHAR*& out) noexcept { return copy_name(utf8, out); }
SECURITY_STATUS copy_string(Bytes utf8, SEC_WCHAR*& out) noexcept { return copy_name(utf8, out); }

std::uint32_t granted_attributes(gss::ContextFlags flags) noexcept {
  using gss::ContextFlags;
  struct Pair {
    ContextFlags flag;
    std::uint32_t attribute;
  };
  static constexpr std::array kPairs = {
      Pair{ContextFlags::kDelegate, ASC_RET_DELEGATE},
      Pair{ContextFlags::kMutual, ASC_RET_MUTUAL_AUTH},
      Pair{ContextFlags::kReplay, ASC_RET_REPLAY_DETECT},
      Pair{ContextFlags::kSequence, ASC_RET_SEQUENCE_DETECT},
      Pair{ContextFlags::kConfidentiality, ASC_RET_CONFIDENTIALITY},
      Pair{ContextFlags::kIntegrity, ASC_RET_INTEGRITY},
      Pair{ContextFlags::kAnonymous, ASC_RET_NULL_SESSION},
      Pair{ContextFlags::kDceStyle, ASC_RET_USED_DCE_STYLE},
      Pair{ContextFlags::kIdentify, ASC_RET_IDENTIFY},
  };
  std::uint32_t attributes = 0;
  for (const Pair& pair : kPairs) {
    attributes |= gss::has(flags, pair.flag) ? pair.attribute : 0;
  }
  return attributes;
}

}  // namespace usher::sspi

extern "C" SECURITY_STATUS QueryContextAttributesA(PCtxtHandle context, uint32_t attribute,
                                                   void* out) {
  using namespace usher::sspi;
  return query<Ansi>(context, attribute, out, kSizeNotSaid);
}

extern "C" SECURITY_STATUS QueryContextAttributesW(PCtxtHandle context, uint32_t attribute,
                                                   void* out) {
  using namespace usher::sspi;
  return query<Wide>(context, attribute, out, kSizeNotSaid);
}

extern "C" SECURITY_STATUS QueryContextAttributesExA(PCtxtHandle context, uint32_t attribute,
                                                     void* out, uint32_t size) {
  using namespace usher::sspi;
  return query<Ansi>(context, attribute, out, size);
}

extern "C" SECURITY_STATUS QueryContextAttributesExW(PCtxtHandle context, uint32_t attribute,
                                                     void* out, uint32_t size) {
  using namespace usher::sspi;
  return query<Wide>(context, attribute, out, size);
}

extern "C" SECURITY_STATUS DeleteSecurityContext(PCtxtHandle context) {
  using usher::Status;
  const usher::Engine* const engine = usher::sspi::running_engine();
  const Status status = engine == nullptr
                            ? Status::kStaleHandle
                            : engine->release(usher::sspi::read_context_handle(context));
  return status == Status::kEstablished ? SEC_E_OK : usher::sspi::refuse(status);
}
