// usher_query_identity: what a verified PAC says, as strings a caller can use.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <new>

#include "engine/auth/unicode.h"
#include "engine/sspi_internal.h"

namespace usher::sspi {
namespace {

// The ABI's bits are the engine's.
static_assert(USHER_PAC_SERVER_SIGNATURE == auth::kPacServer &&
              USHER_PAC_KDC_SIGNATURE == auth::kPacKdc &&
              USHER_PAC_TICKET_SIGNATURE == auth::kPacTicket &&
              USHER_PAC_FULL_SIGNATURE == auth::kPacFull);

// Names are an identity's strings as they stand in the PAC, UTF-16LE.
struct Names {
  Bytes account;
  Bytes full;
  Bytes domain;
  Bytes dns_domain;
  Bytes upn;
  Bytes logon_server;
};

Names names_in(const pac::Pac& pac) noexcept {
  const pac::LogonInfo& info = pac.logon_info;
  Names names{.account = info.effective_name,
              .full = info.full_name,
              .domain = info.logon_domain_name,
              .dns_domain = pac.upn_dns.dns_domain,
              .upn = pac.upn_dns.upn,
              .logon_server = info.logon_server};
  if (names.account.empty()) {
    names.account = pac.upn_dns.sam_name.empty() ? pac.client_info.name : pac.upn_dns.sam_name;
  }
  return names;
}

// utf8_size_max is the most bytes that UTF-16 of `size` bytes takes with a terminator: three for
// each unit of two.
std::size_t utf8_size_max(Bytes utf16) noexcept { return utf16.size() / 2 * 3 + 1; }

// each_sid calls visit(write, attributes) for every group of the three lists; write(out) writes its
// SID's text and returns the size.
template <class Visit>
void each_sid(const pac::LogonInfo& info, Visit visit) noexcept {
  const auto relative_to = [&visit](SidView domain) {
    return [&visit, domain](pac::Group group) {
      visit([&](MutableBytes out) { return write_sid_text(domain, group.relative_id, out); },
            group.attributes);
    };
  };
  pac::each_group(info.groups, relative_to(info.logon_domain_id));
  pac::each_extra_sid(info, [&visit](SidView sid, std::uint32_t attributes) {
    visit([&](MutableBytes out) { return write_sid_text(sid, out); }, attributes);
  });
  pac::each_group(info.resource_groups, relative_to(info.resource_group_domain_sid));
}

// Room is what one allocation has to hold.
struct Room {
  std::size_t group_count = 0;
  std::size_t text_size = 0;
};

Room measure(const pac::Pac& pac, const Names& names) noexcept {
  Room room;
  for (const Bytes name :
       {names.account, names.full, names.domain, names.dns_domain, names.upn, names.logon_server}) {
    room.text_size += utf8_size_max(name);
  }
  room.text_size += 2 * (kSidTextSizeMax + 1);  // Of the user and the primary group.
  each_sid(pac.logon_info, [&room](auto write, std::uint32_t) {
    std::array<std::uint8_t, kSidTextSizeMax> text;
    ++room.group_count;
    room.text_size += write(text) + 1;
  });
  return room;
}

// Texts puts strings one behind the other.
class Texts {
 public:
  explicit Texts(MutableBytes room) noexcept : room_(room) {}

  const char* utf16(Bytes text) noexcept {
    const std::optional<Bytes> written = auth::utf16_to_utf8(text, room_);
    good_ = good_ && written.has_value();
    return finish(written ? written->size() : 0);
  }
  template <class Write>
  const char* sid(Write write) noexcept {
    return finish(write(room_));
  }

  // good says whether everything could be written as a string.
  [[nodiscard]] bool good() const noexcept { return good_; }

 private:
  const char* finish(std::size_t size) noexcept {
    room_[size] = 0;
    const char* const text = reinterpret_cast<const char*>(room_.data());
    room_ = room_.subspan(size + 1);
    return text;
  }

  MutableBytes room_;
  bool good_ = true;
};

std::uint32_t contents_of(const pac::Pac& pac) noexcept {
  return (pac.has_logon_info ? USHER_PAC_LOGON_INFO : 0) |
         ((pac.upn_dns.flags & pac::kUpnConstructed) != 0 ? USHER_PAC_UPN_CONSTRUCTED : 0) |
         (pac.client_claims.empty() ? 0 : USHER_PAC_CLIENT_CLAIMS) |
         (pac.device_claims.empty() ? 0 : USHER_PAC_DEVICE_CLAIMS) |
         (pac.device_info.empty() ? 0 : USHER_PAC_DEVICE_INFO) |
         (pac.has_delegation_info ? USHER_PAC_DELEGATION_INFO : 0);
}

void fill_numbers(const pac::Pac& pac, USHER_IDENTITY& out) noexcept {
  const pac::LogonInfo& info = pac.logon_info;
  out.UserFlags = info.user_flags;
  out.UserAccountControl = info.user_account_control;
  out.Contents = contents_of(pac);
  out.LogonTime = to_timestamp(info.logon_time);
  out.LogoffTime = to_timestamp(info.logoff_time);
  out.KickOffTime = to_timestamp(info.kick_off_time);
  out.PasswordLastSet = to_timestamp(info.password_last_set);
  out.PasswordCanChange = to_timestamp(info.password_can_change);
  out.PasswordMustChange = to_timestamp(info.password_must_change);
}

// fill_sids writes the client's SIDs and those of its groups, for which there is room.
void fill_sids(const pac::Pac& pac, USHER_GROUP* groups, Texts& texts,
               USHER_IDENTITY& out) noexcept {
  std::array<std::uint8_t, SidView::kSizeMax> room;
  SidView user = pac.has_logon_info ? pac::write_account_sid(pac.logon_info, room) : SidView{};
  if (user.empty()) {
    user = pac.requestor.empty() ? pac.upn_dns.sid : pac.requestor;
  }
  out.UserSid = texts.sid([&](MutableBytes text) { return write_sid_text(user, text); });
  const pac::LogonInfo& info = pac.logon_info;
  out.PrimaryGroupSid = texts.sid([&](MutableBytes text) {
    return write_sid_text(info.logon_domain_id, info.primary_group_id, text);
  });
  out.Groups = groups;
  each_sid(info, [&](auto write, std::uint32_t attributes) {
    groups[out.GroupCount++] = {.Sid = texts.sid(write), .Attributes = attributes};
  });
}

}  // namespace

SECURITY_STATUS make_identity(const pac::Pac& pac, std::uint8_t signatures,
                              PUSHER_IDENTITY& out) noexcept {
  const Names names = names_in(pac);
  const Room room = measure(pac, names);
  static_assert(sizeof(USHER_IDENTITY) % alignof(USHER_GROUP) == 0);
  const std::size_t groups_size = room.group_count * sizeof(USHER_GROUP);
  auto* const memory = static_cast<std::uint8_t*>(
      allocate_for_caller(sizeof(USHER_IDENTITY) + groups_size + room.text_size));
  if (memory == nullptr) {
    return refuse(Status::kNoMemory);
  }
  const std::span<std::uint8_t> behind(memory + sizeof(USHER_IDENTITY),
                                       groups_size + room.text_size);
  auto* const identity = new (memory) USHER_IDENTITY{};
  Texts texts(behind.subspan(groups_size));
  identity->Signatures = signatures;
  fill_numbers(pac, *identity);
  fill_sids(pac, reinterpret_cast<USHER_GROUP*>(behind.data()), texts, *identity);
  identity->AccountName = texts.utf16(names.account);
  identity->FullName = texts.utf16(names.full);
  identity->DomainName = texts.utf16(names.domain);
  identity->DnsDomainName = texts.utf16(names.dns_domain);
  identity->Upn = texts.utf16(names.upn);
  identity->LogonServer = texts.utf16(names.logon_server);
  if (!texts.good()) {
    free_for_caller(memory);
    return refuse(SEC_E_INVALID_UPN_NAME, "a name in the PAC holds a NUL or is not valid UTF-16");
  }
  out = identity;
  return SEC_E_OK;
}

KeptPac::~KeptPac() { wipe({octets_.get(), size_}); }

SECURITY_STATUS KeptPac::take(const SecHandle* handle) noexcept {
  const Engine* const engine = running_engine();
  if (engine == nullptr) {
    return refuse(Status::kStaleHandle);
  }
  // Nothing is allocated while the context is pinned; what an established one keeps does not
  // change, so the second look finds what the first has seen.
  const ContextHandle context = read_context_handle(handle);
  bool complete = false;
  Status status = engine->inspect(context, [&](const Context& seen) {
    complete = seen.state == auth::State::kEstablished;
    size_ = seen.pac.size;
    signatures_ = seen.pac_signatures;
  });
  if (status != Status::kEstablished) {
    return refuse(status);
  }
  if (!complete) {
    return refuse(SEC_E_OUT_OF_SEQUENCE, "the context is not complete yet");
  }
  if (size_ == 0) {
    return refuse(SEC_E_NO_IMPERSONATION,
                  "there is no PAC: no domain controller has told anything of this client");
  }
  octets_.reset(new (std::nothrow) std::uint8_t[size_]);
  if (octets_ == nullptr) {
    size_ = 0;
    return refuse(Status::kNoMemory);
  }
  const MutableBytes octets(octets_.get(), size_);
  status = engine->inspect(context, [&](const Context& seen) {
    engine->environment().contexts.pages()->read(seen.pac, octets);
  });
  if (status != Status::kEstablished) {
    return refuse(status);
  }
  const Result<pac::Pac> pac = pac::parse_pac(octets);
  if (!pac.ok()) {
    return refuse(Status::kInternal);  // It was verified before it was kept.
  }
  pac_ = *pac;
  return SEC_E_OK;
}

TimeStamp to_timestamp(pac::FileTime time) noexcept {
  TimeStamp out;
  out.QuadPart = time >= pac::kNever ? SECURITY_TIME_NEVER : static_cast<std::int64_t>(time);
  return out;
}

}  // namespace usher::sspi

extern "C" SECURITY_STATUS usher_query_identity(PCtxtHandle context, PUSHER_IDENTITY* identity) {
  using namespace usher::sspi;
  if (identity == nullptr) {
    return refuse(SEC_E_INVALID_PARAMETER, "usher_query_identity: identity is null");
  }
  *identity = nullptr;
  KeptPac kept;
  const SECURITY_STATUS status = kept.take(context);
  return status == SEC_E_OK ? make_identity(kept.pac(), kept.signatures(), *identity) : status;
}
