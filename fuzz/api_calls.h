// The rest of what fuzz_api.cc calls: functions that tell, those that no package here serves, those
// about local users, and the packing of contexts.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string_view>

#include "fuzz/api_messages.h"

namespace usher::fuzz {

// ask_with_size is QueryContextAttributesEx with room of exactly that size.
inline void ask_with_size(const Exchange& exchange, Script& script) {
  // Answers without memory of their own, and how large they are.
  constexpr std::array<std::pair<std::uint32_t, std::uint32_t>, 7> kPlain = {{
      {SECPKG_ATTR_SIZES, sizeof(SecPkgContext_Sizes)},
      {SECPKG_ATTR_LIFESPAN, sizeof(SecPkgContext_Lifespan)},
      {SECPKG_ATTR_FLAGS, sizeof(SecPkgContext_Flags)},
      {SECPKG_ATTR_PASSWORD_EXPIRY, sizeof(SecPkgContext_PasswordExpiry)},
      {SECPKG_ATTR_LOGOFF_TIME, sizeof(SecPkgContext_LogoffTime)},
      {SECPKG_ATTR_USER_FLAGS, sizeof(SecPkgContext_UserFlags)},
      {SECPKG_ATTR_LAST_CLIENT_TOKEN_STATUS, sizeof(SecPkgContext_LastClientTokenStatus)},
  }};
  const std::uint8_t which = script.byte();
  const auto [attribute, needed] = kPlain[which % kPlain.size()];
  const std::uint32_t size = script.byte() % 33u;
  const auto room = std::make_unique<std::uint8_t[]>(size);
  std::fill_n(room.get(), size, kUntouched);
  CtxtHandle handle = exchange.handle;
  const SECURITY_STATUS status =
      (which < 128 ? QueryContextAttributesExA : QueryContextAttributesExW)(&handle, attribute,
                                                                            room.get(), size);
  const SECURITY_STATUS expected = expected_answer(exchange, attribute);
  check(status == expected || (size < needed && status == SEC_E_BUFFER_TOO_SMALL),
        "a size that is enough changes nothing");
  check(size >= needed || status < 0, "and one that is not enough is refused");
  check(status == SEC_E_OK || is_untouched({room.get(), size}), "a refusal writes nothing");
}

// ask_packages asks for one package, or for what is none, and for all.
inline void ask_packages(std::uint8_t what) {
  const char* const name = what < 3 ? kPackageNames[what] : what % 2 == 0 ? "ntlmx" : nullptr;
  PSecPkgInfoA one = nullptr;
  const SECURITY_STATUS status = QuerySecurityPackageInfoA(name, &one);
  check(status == (what < 3 ? SEC_E_OK : SEC_E_SECPKG_NOT_FOUND), "packages go by their names");
  check((one != nullptr) == (what < 3), "an answer comes with success only");
  PSecPkgInfoW all = nullptr;
  std::uint32_t count = 0;
  check(EnumerateSecurityPackagesW(&count, &all) == SEC_E_OK && count == kPackages.size(),
        "all packages are listed");
  check(what >= 3 || (one->Name == std::string_view(kPackageNames[what]) &&
                      one->cbMaxToken == all[what].cbMaxToken),
        "and are the same by name");
  FreeContextBuffer(one);
  FreeContextBuffer(all);
}

// acquire_wrongly asks for a credential in one of seven ways that are refused before any file is
// read.
inline void acquire_wrongly(std::uint8_t how) {
  const auto* const name = kPackageNames[how / 8 % 3];
  USHER_ACCEPTOR acceptor{};
  acceptor.Version = USHER_ACCEPTOR_VERSION;
  acceptor.Size = sizeof(acceptor);
  CredHandle handle{1, 1};
  const auto call = [&](const char* package, void* data) {
    return AcquireCredentialsHandleA(nullptr, package, SECPKG_CRED_INBOUND, nullptr, data, nullptr,
                                     nullptr, &handle, nullptr);
  };
  switch (how % 8) {
    case 0: {
      struct {
        USHER_ACCEPTOR known;
        std::array<std::uint8_t, 32> later;  // Members of a later version.
      } larger{acceptor, {}};
      larger.known.Size = how < 128 ? sizeof(larger) : sizeof(acceptor) - 1 - how / 8;
      larger.later[how / 8 % 16 * 2] = 1;
      check(call(name, &larger) == SEC_E_INVALID_PARAMETER, "what is not understood is refused");
      break;
    }
    case 1:
      acceptor.Version += how / 8;
      acceptor.Policy = "speed=1";
      check(call(name, &acceptor) ==
                (how / 8 == 0 ? SEC_E_INVALID_PARAMETER : SEC_E_UNKNOWN_CREDENTIALS),
            "a structure must be known");
      break;
    case 2:
      check(call(how / 8 % 2 == 0 ? nullptr : "Negotiat", &acceptor) == SEC_E_SECPKG_NOT_FOUND,
            "a package must be known");
      break;
    case 3:
      acceptor.PackageList = "!kerberos,!ntlm";
      check(call(name, &acceptor) == SEC_E_NO_CREDENTIALS || name == kPackageNames[1],
            "something must be left to accept");
      break;
    case 4:
      check(process().acquire(name, handle, SECPKG_CRED_OUTBOUND) == SEC_E_UNSUPPORTED_FUNCTION,
            "there is no initiator");
      break;
    case 5:
      acceptor.Keytab = "/nonexistent/keytab";
      acceptor.Accounts = "/nonexistent/accounts";
      check(call(NTLMSP_NAME_A, &acceptor) == SEC_E_NO_CREDENTIALS, "a file must be there");
      break;
    default:
      check(
          AcquireCredentialsHandleA(nullptr, name, SECPKG_CRED_INBOUND, nullptr, &acceptor, nullptr,
                                    nullptr, nullptr, nullptr) == SEC_E_INVALID_PARAMETER,
          "a handle needs room");
      return;
  }
  check(same(handle, invalid_handle()) && *usher_last_refusal() != '\0',
        "a refusal gives no handle and says why");
}

// add_wrongly adds what cannot be added to a credential, of which `n` says the package: it stays as
// it was, and whoever comes afterwards finds it so.
inline void add_wrongly(CredHandle handle, bool live, std::size_t n, std::uint8_t how) {
  USHER_ACCEPTOR more{};
  more.Version = USHER_ACCEPTOR_VERSION;
  more.Size = sizeof(more);
  const char* package = kPackageNames[n];
  std::uint32_t use = how % 16 < 8 ? SECPKG_CRED_INBOUND : SECPKG_CRED_BOTH;
  SECURITY_STATUS expected = SEC_E_INVALID_PARAMETER;
  switch (how % 8) {
    case 0:
      package = how < 128 ? nullptr : "Kerberoz";
      expected = SEC_E_SECPKG_NOT_FOUND;
      break;
    case 1:
      use = SECPKG_CRED_OUTBOUND;
      expected = SEC_E_UNSUPPORTED_FUNCTION;
      break;
    case 2:
      more.Keytab = process().keytab.path();
      more.Policy = "kerberos.rc4=allow";  // Belongs to the whole credential.
      break;
    case 3:
      more.Accounts = process().accounts.path();  // There are some, or no use for them.
      break;
    case 4:
      more.Keytab = "/nonexistent/keytab";
      expected = n == 2 ? SEC_E_INVALID_PARAMETER : SEC_E_NO_CREDENTIALS;
      break;
    case 5:
      package = kPackageNames[n == 2 ? how / 8 % 2 : 2];
      more.Accounts = process().accounts.path();
      expected = n == 0 ? SEC_E_INVALID_PARAMETER : SEC_E_SECPKG_NOT_FOUND;
      break;
    case 6:
      more.Size = how;
      break;
    default:
      break;  // Nothing at all.
  }
  const SECURITY_STATUS status = AddCredentialsA(
      &handle, nullptr, package, use, how % 8 == 7 ? nullptr : &more, nullptr, nullptr, nullptr);
  check(status == (live ? expected : SEC_E_INVALID_HANDLE), "what cannot be added is refused");
  check(*usher_last_refusal() != '\0', "in words");
}

// call_unserved: whatever their arguments, a live handle's are not served, and others are none.
inline void call_unserved(const Exchange& exchange, Script& script) {
  const std::uint8_t how = script.byte();
  Octets octets = mint::octets_of(script.chunk());
  SecBuffer buffer{0xffffffff, how, octets.data()};
  SecBufferDesc list{how, 1, &buffer};
  PSecBufferDesc const given = how < 128 ? &list : nullptr;
  void* const in = how % 2 == 0 ? octets.data() : nullptr;
  const SECURITY_STATUS expected =
      exchange.live() ? SEC_E_UNSUPPORTED_FUNCTION : SEC_E_INVALID_HANDLE;
  CtxtHandle handle = exchange.handle;
  check(CompleteAuthToken(&handle, given) == expected &&
            ApplyControlToken(&handle, given) == expected &&
            SetContextAttributesA(&handle, how, in, 0x80000000) == expected &&
            SetContextAttributesW(&handle, how, in, 0xffffffff) == expected,
        "what no package here serves is not served");
  check(CompleteAuthToken(nullptr, given) == SEC_E_INVALID_HANDLE &&
            SetContextAttributesA(nullptr, how, in, 0) == SEC_E_INVALID_HANDLE,
        "no handle is no context");
}

// ask_credential asks for a credential's attributes; `live` says whether there is one.
inline void ask_credential(CredHandle handle, bool live, Script& script) {
  const std::uint8_t how = script.byte();
  const std::uint32_t attribute = how % 8;
  const std::uint32_t size = script.byte() % 17u;
  const auto room = std::make_unique<std::uint8_t[]>(size);
  std::fill_n(room.get(), size, kUntouched);
  const SECURITY_STATUS status =
      (how < 128 ? QueryCredentialsAttributesExA : QueryCredentialsAttributesExW)(
          &handle, attribute, room.get(), size);
  const SECURITY_STATUS expected = !live ? SEC_E_INVALID_HANDLE
                                   : attribute != SECPKG_CRED_ATTR_NAMES
                                       ? SEC_E_UNSUPPORTED_FUNCTION
                                   : size < sizeof(void*) ? SEC_E_BUFFER_TOO_SMALL
                                                          : SEC_E_OK;
  check(status == expected, "a credential tells its name and nothing else");
  if (status == SEC_E_OK) {
    void* name = nullptr;
    std::memcpy(&name, room.get(), sizeof name);
    check(how < 128 ? *static_cast<SEC_CHAR*>(name) == '\0' : *static_cast<SEC_WCHAR*>(name) == 0,
          "it was asked for under none");
    FreeContextBuffer(name);
  } else {
    check(is_untouched({room.get(), size}), "a refusal writes nothing");
  }
  const SECURITY_STATUS refused = live ? SEC_E_UNSUPPORTED_FUNCTION : SEC_E_INVALID_HANDLE;
  check(QueryCredentialsAttributesA(&handle, SECPKG_CRED_ATTR_NAMES, nullptr) ==
                (live ? SEC_E_INVALID_PARAMETER : SEC_E_INVALID_HANDLE) &&
            SetCredentialsAttributesA(&handle, attribute, room.get(), 0xffffffff) == refused &&
            SetCredentialsAttributesW(&handle, attribute, nullptr, size) == refused,
        "and cannot be told anything");
}

// ask_user: the clients here are no local users of any machine (Process says why), so that nobody
// is impersonated, whatever a run is allowed to.
inline void ask_user(const Exchange& exchange, std::uint8_t how) {
  CtxtHandle handle = exchange.handle;
  const uid_t user = ::geteuid();
  void* token = &handle;
  const SECURITY_STATUS expected = expected_of_context(exchange);
  const auto is_expected = [&](SECURITY_STATUS status) {
    return expected == SEC_E_OK
               ? status == SEC_E_NO_IMPERSONATION || status == SEC_E_NO_AUTHENTICATING_AUTHORITY
               : status == expected;
  };
  if (how % 2 == 0) {
    check(is_expected(QuerySecurityContextToken(&handle, &token)) && token == nullptr,
          "a client is no local user");
  } else {
    check(is_expected(ImpersonateSecurityContext(&handle)), "and nobody becomes it");
  }
  check(QuerySecurityContextToken(&handle, nullptr) == SEC_E_INVALID_PARAMETER,
        "a token needs room");
  check(RevertSecurityContext(&handle) < 0, "who is nobody else cannot come back");
  check(::geteuid() == user, "a thread is who it was");
}

// Packed is a context that was packed, and what the model knew of it.
struct Packed {
  Octets blob{};
  Exchange exchange{};
  Messages messages{};
  std::int64_t packed_s = 0;
  bool used = false;
};

// pack exports a context; `kept` becomes what came of it.
inline void pack(Exchange& exchange, Messages& known, Packed& kept, Script& script) {
  constexpr std::uint32_t kDelete = SECPKG_CONTEXT_EXPORT_DELETE_OLD;
  constexpr std::uint32_t kReset = SECPKG_CONTEXT_EXPORT_RESET_NEW;
  const std::uint8_t how = script.byte();
  const std::uint32_t flags = how < 224 ? how % 4 : 1u << how % 32;
  CtxtHandle handle = exchange.handle;
  SECURITY_STATUS expected = expected_of_context(exchange);
  SessionShare anew;  // The peer of a copy that begins anew.
  if (expected == SEC_E_OK) {
    anew = make_peer(exchange.handle);
    const Messages& messages = messages_of(exchange, known);
    expected = messages.stopped                          ? SEC_E_OUT_OF_SEQUENCE
               : (flags & kReset) != 0 && messages.begun ? SEC_E_UNSUPPORTED_FUNCTION
                                                         : SEC_E_OK;
  }
  if ((flags & ~(kDelete | kReset)) != 0) {
    expected = flags == SECPKG_CONTEXT_EXPORT_TO_KERNEL ? SEC_E_UNSUPPORTED_FUNCTION
                                                        : SEC_E_INVALID_PARAMETER;
  }
  check(ExportSecurityContext(&handle, 0, nullptr, nullptr) == SEC_E_INVALID_PARAMETER,
        "what is packed needs room");
  SecBuffer packed{0x80000000, how, &handle};
  void* token = &handle;
  const SECURITY_STATUS status =
      ExportSecurityContext(&handle, flags, &packed, how % 2 == 0 ? &token : nullptr);
  // A ticket may have ended, if clocks were set.
  check(status == expected || (status == SEC_E_CONTEXT_EXPIRED && expected == SEC_E_OK),
        "a complete context can be packed");
  check(how % 2 != 0 || token == nullptr, "without a token");
  if (status != SEC_E_OK) {
    check(packed.cbBuffer == 0x80000000 && packed.pvBuffer == &handle, "a refusal packs nothing");
    return;
  }
  const auto* const bytes = static_cast<const std::uint8_t*>(packed.pvBuffer);
  kept = {.blob = Octets(bytes, bytes + packed.cbBuffer),
          .exchange = exchange,
          .messages = known,
          .packed_s = g_clock.wall / kMicrosPerSecond};
  check(packed.cbBuffer <= USHER_PACKED_CONTEXT_SIZE_MAX && packed.BufferType == SECBUFFER_TOKEN,
        "a packed context has bounds");
  FreeContextBuffer(packed.pvBuffer);
  if ((flags & kReset) != 0) {
    kept.messages.peer = anew;
    kept.messages.begun = kept.messages.idle = false;
  }
  if ((flags & kDelete) != 0) {
    exchange.state = State::kGone;
    check(DeleteSecurityContext(&handle) == SEC_E_INVALID_HANDLE, "what was packed is gone");
  } else {
    (exchange.ntlm() ? known.stopped : known.idle) = true;
  }
}

// unpack_wrong imports what is not, or not quite, what was packed, and what is called wrongly.
inline void unpack_wrong(const Packed& kept, Script& script) {
  const std::uint8_t how = script.byte();
  Octets blob = how % 4 == 0 || kept.blob.empty() ? mint::octets_of(script.chunk()) : kept.blob;
  const bool is_whole = blob == kept.blob && !blob.empty();
  if (is_whole && how % 4 == 1) {
    blob[(script.byte() * 256u + script.byte()) % blob.size()] ^=
        static_cast<std::uint8_t>(1u << how / 4 % 8);
  } else if (is_whole && how % 4 == 2) {
    blob.resize((script.byte() * 256u + script.byte()) % blob.size());
  } else if (is_whole) {
    blob.push_back(how);
  }
  SecBuffer buffer{static_cast<std::uint32_t>(blob.size()), how, blob.data()};
  CtxtHandle handle{1, 1};
  const SECURITY_STATUS status = ImportSecurityContextA(NEGOSSP_NAME_A, &buffer, nullptr, &handle);
  check(status == SEC_E_INVALID_TOKEN || status == SEC_E_MESSAGE_ALTERED,
        "what was changed is refused");
  buffer.cbBuffer = how < 128 ? 0xffffffff : 0x80000000;
  check(ImportSecurityContextW(NEGOSSP_NAME_W, &buffer, nullptr, &handle) == SEC_E_INVALID_TOKEN,
        "what is too large is not looked at");
  check(ImportSecurityContextA(NEGOSSP_NAME_A, nullptr, nullptr, &handle) ==
                SEC_E_INVALID_PARAMETER &&
            ImportSecurityContextA(NEGOSSP_NAME_A, &buffer, nullptr, nullptr) ==
                SEC_E_INVALID_PARAMETER &&
            ImportSecurityContextA(NEGOSSP_NAME_A, &buffer, &handle, &handle) ==
                SEC_E_INVALID_PARAMETER &&
            ImportSecurityContextA("Negotiat", &buffer, nullptr, &handle) == SEC_E_SECPKG_NOT_FOUND,
        "each argument is looked at");
  check(handle.dwLower == 1 && handle.dwUpper == 1, "a refusal gives no handle");
}

// unpack imports what was packed. `make_room` says whether a slot is free, when one is asked for.
// True if there is a new context: `fresh` is the model's.
template <class MakeRoom>
bool unpack(Packed& kept, MakeRoom make_room, std::uint8_t how, Exchange& fresh) {
  constexpr std::int64_t kExportSeconds = 60;  // USHER_OPTIONS.ExportSeconds, the default.
  const std::int64_t age_s = g_clock.wall / kMicrosPerSecond - kept.packed_s;
  const bool is_ntlm = kept.exchange.ntlm();
  const bool is_other = how % 8 == 7;  // Asked for as another package's.
  SECURITY_STATUS expected = SEC_E_OK;
  if (age_s < -kSkewMaxSeconds) {
    expected = SEC_E_TIME_SKEW;
  } else if (age_s > kExportSeconds) {
    expected = SEC_E_CONTEXT_EXPIRED;
  } else if (is_other) {
    expected = SEC_E_SECPKG_NOT_FOUND;
  } else if (!make_room()) {
    expected = SEC_E_INSUFFICIENT_MEMORY;
  } else if (kept.used) {
    expected = SEC_E_OUT_OF_SEQUENCE;
  }
  const char* const package = is_other != is_ntlm ? NTLMSP_NAME_A : MICROSOFT_KERBEROS_NAME_A;
  SecBuffer buffer{static_cast<std::uint32_t>(kept.blob.size()), how, kept.blob.data()};
  CtxtHandle handle = invalid_handle();
  const SECURITY_STATUS status = ImportSecurityContextA(
      !is_other && how % 2 == 0 ? NEGOSSP_NAME_A : package, &buffer, nullptr, &handle);
  check(status == expected || (!is_ntlm && status == SEC_E_CONTEXT_EXPIRED),
        "what was packed can be imported once, in time, where there is room");
  if (status != SEC_E_OK) {
    check(same(handle, invalid_handle()), "a refusal gives no handle");
    return false;
  }
  kept.used = true;
  ++g_authenticators;  // The replay cache knows it now.
  fresh = kept.exchange;
  fresh.state = State::kEstablished;
  fresh.handle = handle;
  kept.messages.of = handle;
  return true;
}

}  // namespace usher::fuzz
