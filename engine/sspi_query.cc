// QueryContextAttributes and DeleteSecurityContext.
#include <array>
#include <cstring>
#include <optional>

#include "engine/auth/unicode.h"
#include "engine/crypto/etype.h"
#include "engine/protect/mic.h"
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
  std::int64_t start_s = 0;
  std::int64_t expires_s = 0;
  std::size_t name_size = 0;
  std::array<std::uint8_t, kIdentitySizeMax + 1> name;  // The separator may come on top.

  [[nodiscard]] Bytes client() const noexcept { return Bytes(name).first(name_size); }
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
      out.start_s = context.start_s;
      out.expires_s = context.expires_s;
      out.name_size = context.write_client_name(out.name).size();
    }
  });
}

SecPkgContext_Sizes sizes_of(const Snapshot& context) noexcept {
  SecPkgContext_Sizes sizes{.cbMaxToken = package_row(context.package).token_size_max,
                            .cbMaxSignature = 0,
                            .cbBlockSize = 0,
                            .cbSecurityTrailer = 0};
  const bool integrity = gss::has(context.flags, gss::ContextFlags::kIntegrity);
  const bool confidentiality = gss::has(context.flags, gss::ContextFlags::kConfidentiality);
  if (context.package == Package::kNtlm) {
    constexpr std::uint32_t kSignatureSize = 16;  // MS-NLMP 2.2.2.9.
    sizes.cbMaxSignature = integrity ? kSignatureSize : 0;
    sizes.cbSecurityTrailer = confidentiality ? kSignatureSize : 0;
  } else if (const auto* profile = crypto::profile_of(context.key_etype)) {
    const auto mic_size = static_cast<std::uint32_t>(protect::mic_size(*profile));
    // Sealed, RFC 4121 4.2.4: the header comes twice. RFC 4757 7.3: a MIC's fields and a
    // confounder.
    constexpr std::uint32_t kHeaderSize = 16;
    const std::uint32_t trailer_size = profile->family == crypto::Family::kRc4
                                           ? mic_size + profile->confounder_size
                                           : 2 * kHeaderSize + profile->overhead();
    sizes.cbMaxSignature = integrity ? mic_size : 0;
    sizes.cbBlockSize = 1;
    sizes.cbSecurityTrailer = confidentiality ? trailer_size : 0;
  }
  return sizes;
}

// copy_name copies the client's name as UTF-8 or UTF-16 with a terminator. A name with a NUL in it
// would end early in the caller's eyes and be another client's: it is refused.
template <class Char>
SECURITY_STATUS copy_name(Bytes name, Char*& out) noexcept {
  std::array<std::uint8_t, 2 * (kIdentitySizeMax + 1)> utf16;
  const std::optional<Bytes> wide = auth::utf8_to_utf16(name, utf16);
  if (!wide) {
    return refuse(SEC_E_INVALID_UPN_NAME, "the client's name holds a NUL or is not valid UTF-8");
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

// Ansi and Wide are the two families of structures.
struct Ansi {
  using Names = SecPkgContext_NamesA;
  using PackageInfo = SecPkgContext_PackageInfoA;
  using NegotiationInfo = SecPkgContext_NegotiationInfoA;
  static SecPkgInfoA* copy(Package package) noexcept {
    return copy_package_a(package_row(package));
  }
};
struct Wide {
  using Names = SecPkgContext_NamesW;
  using PackageInfo = SecPkgContext_PackageInfoW;
  using NegotiationInfo = SecPkgContext_NegotiationInfoW;
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

// answer_complete answers what is known of complete contexts only.
template <class Family>
SECURITY_STATUS answer_complete(const Snapshot& context, std::uint32_t attribute,
                                void* out) noexcept {
  if (!context.complete) {
    return refuse(SEC_E_OUT_OF_SEQUENCE, "the context is not complete yet");
  }
  if (attribute == SECPKG_ATTR_NAMES) {
    return copy_name(context.client(), static_cast<typename Family::Names*>(out)->sUserName);
  }
  if (attribute == SECPKG_ATTR_SIZES) {
    *static_cast<SecPkgContext_Sizes*>(out) = sizes_of(context);
  } else {
    *static_cast<SecPkgContext_Lifespan*>(out) = {.tsStart = to_filetime(context.start_s),
                                                  .tsExpiry = to_filetime(context.expires_s)};
  }
  return SEC_E_OK;
}

template <class Family>
SECURITY_STATUS query(const SecHandle* handle, std::uint32_t attribute, void* out) noexcept {
  Snapshot context;
  const Status status = take_snapshot(handle, context);
  if (status != Status::kEstablished) {
    return refuse(status);
  }
  if (out == nullptr) {
    return refuse(SEC_E_INVALID_PARAMETER, "QueryContextAttributes: pBuffer is null");
  }
  switch (attribute) {
    case SECPKG_ATTR_FLAGS:
    case SECPKG_ATTR_PACKAGE_INFO:
    case SECPKG_ATTR_NEGOTIATION_INFO:
      return answer_any<Family>(context, attribute, out);
    case SECPKG_ATTR_SIZES:
    case SECPKG_ATTR_NAMES:
    case SECPKG_ATTR_LIFESPAN:
      return answer_complete<Family>(context, attribute, out);
    default:
      return refuse(SEC_E_UNSUPPORTED_FUNCTION, "the attribute is not served by this package");
  }
}

}  // namespace

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
  return usher::sspi::query<usher::sspi::Ansi>(context, attribute, out);
}

extern "C" SECURITY_STATUS QueryContextAttributesW(PCtxtHandle context, uint32_t attribute,
                                                   void* out) {
  return usher::sspi::query<usher::sspi::Wide>(context, attribute, out);
}

extern "C" SECURITY_STATUS DeleteSecurityContext(PCtxtHandle context) {
  using usher::Status;
  const usher::Engine* const engine = usher::sspi::running_engine();
  const Status status = engine == nullptr
                            ? Status::kStaleHandle
                            : engine->release(usher::sspi::read_context_handle(context));
  return status == Status::kEstablished ? SEC_E_OK : usher::sspi::refuse(status);
}
