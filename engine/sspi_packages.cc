// The security packages there are, and what callers are told of them.
#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <span>

#include "engine/sspi_internal.h"

namespace usher::sspi {
namespace {

using auth::Package;

// Capabilities are Windows' own, less those that promise what this library does not have:
// delegation to other servers, datagrams, logon, restricted tokens.
constexpr std::uint32_t kCommonCapabilities =
    SECPKG_FLAG_INTEGRITY | SECPKG_FLAG_PRIVACY | SECPKG_FLAG_CONNECTION |
    SECPKG_FLAG_MULTI_REQUIRED | SECPKG_FLAG_IMPERSONATION | SECPKG_FLAG_ACCEPT_WIN32_NAME |
    SECPKG_FLAG_NEGOTIABLE;

constexpr std::array kPackages = {
    PackageRow{Package::kNegotiate,
               kCommonCapabilities | SECPKG_FLAG_EXTENDED_ERROR | SECPKG_FLAG_GSS_COMPATIBLE, 0x09,
               48000, NEGOSSP_NAME_A, "SPNEGO over Kerberos and NTLM"},
    PackageRow{Package::kKerberos,
               kCommonCapabilities | SECPKG_FLAG_TOKEN_ONLY | SECPKG_FLAG_EXTENDED_ERROR |
                   SECPKG_FLAG_GSS_COMPATIBLE | SECPKG_FLAG_MUTUAL_AUTH |
                   SECPKG_FLAG_READONLY_WITH_CHECKSUM,
               0x10, 48000, MICROSOFT_KERBEROS_NAME_A, "Kerberos V5"},
    PackageRow{Package::kNtlm, kCommonCapabilities | SECPKG_FLAG_TOKEN_ONLY, 0x0A, 2888,
               NTLMSP_NAME_A, "NTLM version 2"},
};

template <class Char>
const PackageRow* find_row(const Char* name) noexcept {
  const auto same = [name](std::string_view known) {
    for (std::size_t i = 0; i < known.size(); ++i) {
      const Char unit = name[i];  // A shorter name differs at its terminator.
      const bool upper = unit >= Char('A') && unit <= Char('Z');
      const Char folded = upper ? static_cast<Char>(unit | 0x20) : unit;
      if (folded != static_cast<Char>(known[i] | 0x20)) {
        return false;
      }
    }
    return name[known.size()] == Char(0);
  };
  if (name == nullptr) {
    return nullptr;
  }
  const auto found = std::ranges::find_if(kPackages, same, &PackageRow::name);
  return found == kPackages.end() ? nullptr : &*found;
}

template <class Char>
Char* copy_ascii(std::string_view text, Char*& room) noexcept {
  Char* const copy = room;
  room = std::ranges::copy(text, room).out;
  *room++ = Char(0);
  return copy;
}

// copy_rows makes `rows` and their strings one allocation; null if there is no memory.
template <class Info, class Char>
Info* copy_rows(std::span<const PackageRow> rows) noexcept {
  std::size_t size = rows.size() * sizeof(Info);
  for (const PackageRow& row : rows) {
    size += (row.name.size() + row.comment.size() + 2) * sizeof(Char);
  }
  auto* const infos = static_cast<Info*>(allocate_for_caller(size));
  if (infos == nullptr) {
    return nullptr;
  }
  void* const behind = infos + rows.size();
  auto* room = static_cast<Char*>(behind);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    infos[i] = {.fCapabilities = rows[i].capabilities,
                .wVersion = 1,
                .wRPCID = rows[i].rpc_id,
                .cbMaxToken = rows[i].token_size_max,
                .Name = copy_ascii(rows[i].name, room),
                .Comment = copy_ascii(rows[i].comment, room)};
  }
  return infos;
}

template <class Info, class Char>
SECURITY_STATUS enumerate(std::uint32_t* count, Info** out) noexcept {
  if (count == nullptr || out == nullptr) {
    return refuse(SEC_E_INVALID_PARAMETER, "EnumerateSecurityPackages: a pointer is null");
  }
  *out = copy_rows<Info, Char>(kPackages);
  *count = *out == nullptr ? 0 : std::uint32_t{kPackages.size()};
  return *out == nullptr ? refuse(Status::kNoMemory) : SEC_E_OK;
}

template <class Info, class Char>
SECURITY_STATUS query(const Char* name, Info** out) noexcept {
  if (out == nullptr) {
    return refuse(SEC_E_INVALID_PARAMETER, "QuerySecurityPackageInfo: ppPackageInfo is null");
  }
  const PackageRow* const row = find_package(name);
  if (row == nullptr) {
    return refuse(SEC_E_SECPKG_NOT_FOUND, "there is no security package of that name");
  }
  *out = copy_rows<Info, Char>({row, 1});
  return *out == nullptr ? refuse(Status::kNoMemory) : SEC_E_OK;
}

}  // namespace

const PackageRow& package_row(Package package) noexcept {
  return *std::ranges::find(kPackages, package, &PackageRow::package);
}

const PackageRow* find_package(const SEC_CHAR* name) noexcept { return find_row(name); }
const PackageRow* find_package(const SEC_WCHAR* name) noexcept { return find_row(name); }

SecPkgInfoA* copy_package_a(const PackageRow& row) noexcept {
  return copy_rows<SecPkgInfoA, SEC_CHAR>({&row, 1});
}
SecPkgInfoW* copy_package_w(const PackageRow& row) noexcept {
  return copy_rows<SecPkgInfoW, SEC_WCHAR>({&row, 1});
}

// By operator new, as everything else here: a program that replaces it has replaced all of it.
void* allocate_for_caller(std::size_t size) noexcept { return ::operator new(size, std::nothrow); }
void free_for_caller(void* memory) noexcept { ::operator delete(memory); }

}  // namespace usher::sspi

extern "C" SECURITY_STATUS FreeContextBuffer(void* memory) {
  usher::sspi::free_for_caller(memory);
  return SEC_E_OK;
}

extern "C" SECURITY_STATUS EnumerateSecurityPackagesA(uint32_t* count, PSecPkgInfoA* out) {
  return usher::sspi::enumerate<SecPkgInfoA, SEC_CHAR>(count, out);
}

extern "C" SECURITY_STATUS EnumerateSecurityPackagesW(uint32_t* count, PSecPkgInfoW* out) {
  return usher::sspi::enumerate<SecPkgInfoW, SEC_WCHAR>(count, out);
}

extern "C" SECURITY_STATUS QuerySecurityPackageInfoA(const SEC_CHAR* name, PSecPkgInfoA* out) {
  return usher::sspi::query(name, out);
}

extern "C" SECURITY_STATUS QuerySecurityPackageInfoW(const SEC_WCHAR* name, PSecPkgInfoW* out) {
  return usher::sspi::query(name, out);
}
