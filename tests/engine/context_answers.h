// All that a complete context answers to queries, as one text that two contexts can be compared by,
// and packing as values.
#pragma once

#include <sstream>
#include <string>

#include "tests/engine/sspi_caller.h"

namespace usher::testing {

namespace detail {

// query writes an attribute's status and, if it has an answer, what write(answer) makes of it.
template <class Answer, class Write>
void query(std::ostream& out, const CtxtHandle& context, std::uint32_t attribute, Write write) {
  CtxtHandle handle = context;
  Answer answer{};
  const SECURITY_STATUS status = QueryContextAttributesA(&handle, attribute, &answer);
  out << attribute << ": " << std::hex << status << std::dec;
  if (status == SEC_E_OK) {
    out << ' ';
    write(answer);
  }
  out << '\n';
}

// taken is a string that the caller of a query owns.
inline std::string taken(SEC_CHAR* text) {
  const std::string copy = text == nullptr ? "(null)" : text;
  FreeContextBuffer(text);
  return copy;
}

inline void write_identity(std::ostream& out, const CtxtHandle& context) {
  CtxtHandle handle = context;
  PUSHER_IDENTITY identity = nullptr;
  const SECURITY_STATUS status = usher_query_identity(&handle, &identity);
  out << "identity: " << std::hex << status << std::dec << '\n';
  if (status == SEC_E_OK) {
    const USHER_IDENTITY& one = *identity;
    for (const char* const text : {one.AccountName, one.FullName, one.DomainName, one.DnsDomainName,
                                   one.Upn, one.LogonServer, one.UserSid, one.PrimaryGroupSid}) {
      out << text << '\n';
    }
    for (std::uint32_t n = 0; n < one.GroupCount; ++n) {
      out << one.Groups[n].Sid << ' ' << one.Groups[n].Attributes << '\n';
    }
    out << one.UserFlags << ' ' << one.UserAccountControl << ' ' << one.Signatures << ' '
        << one.Contents << ' ' << one.LogonTime.QuadPart << ' ' << one.PasswordLastSet.QuadPart
        << '\n';
  }
  FreeContextBuffer(identity);
}

inline void write_numbers(std::ostream& out, const CtxtHandle& context) {
  query<SecPkgContext_Sizes>(out, context, SECPKG_ATTR_SIZES, [&](auto& answer) {
    out << answer.cbMaxToken << ' ' << answer.cbMaxSignature << ' ' << answer.cbBlockSize << ' '
        << answer.cbSecurityTrailer;
  });
  query<SecPkgContext_Lifespan>(out, context, SECPKG_ATTR_LIFESPAN, [&](auto& answer) {
    out << answer.tsStart.QuadPart << ' ' << answer.tsExpiry.QuadPart;
  });
  query<SecPkgContext_Flags>(out, context, SECPKG_ATTR_FLAGS,
                             [&](auto& answer) { out << answer.Flags; });
  query<SecPkgContext_PasswordExpiry>(out, context, SECPKG_ATTR_PASSWORD_EXPIRY, [&](auto& answer) {
    out << answer.tsPasswordExpires.QuadPart;
  });
  query<SecPkgContext_LogoffTime>(out, context, SECPKG_ATTR_LOGOFF_TIME,
                                  [&](auto& answer) { out << answer.tsLogoffTime.QuadPart; });
  query<SecPkgContext_UserFlags>(out, context, SECPKG_ATTR_USER_FLAGS,
                                 [&](auto& answer) { out << answer.UserFlags; });
  query<SecPkgContext_LastClientTokenStatus>(
      out, context, SECPKG_ATTR_LAST_CLIENT_TOKEN_STATUS,
      [&](auto& answer) { out << answer.LastClientTokenStatus; });
}

inline void write_names(std::ostream& out, const CtxtHandle& context) {
  query<SecPkgContext_NamesA>(out, context, SECPKG_ATTR_NAMES,
                              [&](auto& answer) { out << taken(answer.sUserName); });
  query<SecPkgContext_NativeNamesA>(out, context, SECPKG_ATTR_NATIVE_NAMES, [&](auto& answer) {
    out << taken(answer.sClientName) << ' ' << taken(answer.sServerName);
  });
  query<SecPkgContext_AuthorityA>(out, context, SECPKG_ATTR_AUTHORITY,
                                  [&](auto& answer) { out << taken(answer.sAuthorityName); });
  query<SecPkgContext_KeyInfoA>(out, context, SECPKG_ATTR_KEY_INFO, [&](auto& answer) {
    out << taken(answer.sSignatureAlgorithmName) << ' ' << taken(answer.sEncryptAlgorithmName)
        << ' ' << answer.KeySize << ' ' << answer.SignatureAlgorithm << ' '
        << answer.EncryptAlgorithm;
  });
  query<SecPkgContext_SessionKey>(out, context, SECPKG_ATTR_SESSION_KEY, [&](auto& answer) {
    for (std::uint32_t n = 0; n < answer.SessionKeyLength; ++n) {
      out << int(answer.SessionKey[n]) << '.';
    }
    FreeContextBuffer(answer.SessionKey);
  });
  query<SecPkgContext_NegotiationInfoA>(
      out, context, SECPKG_ATTR_NEGOTIATION_INFO, [&](auto& answer) {
        out << answer.PackageInfo->Name << ' ' << answer.NegotiationState;
        FreeContextBuffer(answer.PackageInfo);
      });
}

}  // namespace detail

inline std::string answers_of(const CtxtHandle& context) {
  std::ostringstream out;
  detail::write_names(out, context);
  detail::write_numbers(out, context);
  detail::write_identity(out, context);
  return out.str();
}

// Packed is one call of ExportSecurityContext.
struct Packed {
  SECURITY_STATUS status = SEC_E_INTERNAL_ERROR;
  Octets blob;
};

inline Packed pack(const CtxtHandle& context, std::uint32_t flags = 0) {
  CtxtHandle handle = context;
  SecBuffer buffer{77, SECBUFFER_EMPTY, nullptr};
  int anything = 0;
  void* token = &anything;
  Packed packed;
  packed.status = ExportSecurityContext(&handle, flags, &buffer, &token);
  EXPECT_EQ(token, nullptr);
  if (packed.status == SEC_E_OK) {
    EXPECT_EQ(buffer.BufferType, std::uint32_t{SECBUFFER_TOKEN});
    EXPECT_LE(buffer.cbBuffer, USHER_PACKED_CONTEXT_SIZE_MAX);
    const auto* const bytes = static_cast<const std::uint8_t*>(buffer.pvBuffer);
    packed.blob.assign(bytes, bytes + buffer.cbBuffer);
    EXPECT_EQ(FreeContextBuffer(buffer.pvBuffer), SEC_E_OK);
  } else {
    EXPECT_EQ(buffer.pvBuffer, nullptr) << "a refusal gives nothing";
    EXPECT_EQ(buffer.cbBuffer, 77u);
    EXPECT_STRNE(usher_last_refusal(), "");
  }
  return packed;
}

// Unpacked is one call of ImportSecurityContext.
struct Unpacked {
  SECURITY_STATUS status = SEC_E_INTERNAL_ERROR;
  CtxtHandle context = no_handle();
};

inline Unpacked unpack(const Octets& blob, const char* package = NEGOSSP_NAME_A) {
  Octets copy = blob;  // An exact allocation: a sanitizer sees a byte too many.
  SecBuffer buffer{static_cast<std::uint32_t>(copy.size()), SECBUFFER_TOKEN, copy.data()};
  Unpacked unpacked;
  unpacked.status = ImportSecurityContextA(package, &buffer, nullptr, &unpacked.context);
  EXPECT_EQ(copy, blob) << "it is not changed";
  EXPECT_EQ(SecIsValidHandle(&unpacked.context), unpacked.status == SEC_E_OK);
  if (unpacked.status != SEC_E_OK) {
    EXPECT_STRNE(usher_last_refusal(), "");
  }
  return unpacked;
}

}  // namespace usher::testing
