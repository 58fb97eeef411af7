#include "engine/auth/winbind.h"

#include <algorithm>
#include <array>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/auth/nt_status.h"
#include "engine/auth/pac_write.h"
#include "engine/auth/winbind_line.h"
#include "engine/crypto/kit.h"

namespace usher::auth {
namespace {

// winbindd's protocol has 256 bytes for a name, the last of them zero; libwbclient cuts longer ones
// off without a word, and so does winbindd in what it says.
constexpr std::size_t kNameSizeMax = 255;
constexpr std::size_t kChallengeSize = 8;
constexpr std::uint32_t kGuestRelativeId = 501;  // MS-DTYP 2.4.2.4, GUEST.

// LibraryLine is the real line.
class LibraryLine final : public WinbindLine {
 public:
  explicit LibraryLine(wbcContext& context) noexcept : context_(context) {}
  ~LibraryLine() override { wbcCtxFree(&context_); }

  wbcErr authenticate(const wbcAuthUserParams& params, wbcAuthUserInfo*& info,
                      wbcAuthErrorInfo*& error) noexcept override {
    return wbcCtxAuthenticateUserEx(&context_, &params, &info, &error);
  }
  bool ping() noexcept override { return wbcCtxPing(&context_) == WBC_ERR_SUCCESS; }
  void release(void* memory) noexcept override { wbcFreeMemory(memory); }

 private:
  wbcContext& context_;
};

// Reply owns what came over the line.
class Reply {
 public:
  explicit Reply(WinbindLine& line) noexcept : line_(line) {}
  ~Reply() { release(); }
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;

  wbcErr ask(const wbcAuthUserParams& params) noexcept {
    release();
    return line_.authenticate(params, info_, error_);
  }
  [[nodiscard]] const wbcAuthUserInfo* info() const noexcept { return info_; }
  [[nodiscard]] const wbcAuthErrorInfo* error() const noexcept { return error_; }

 private:
  void release() noexcept {
    if (info_ != nullptr) {
      wipe(info_->user_session_key);
      wipe(info_->lm_session_key);
    }
    line_.release(std::exchange(info_, nullptr));
    line_.release(std::exchange(error_, nullptr));
  }

  WinbindLine& line_;
  wbcAuthUserInfo* info_ = nullptr;
  wbcAuthErrorInfo* error_ = nullptr;
};

// Fields of libwbclient's structures are null where there is nothing.
std::string_view text_of(const char* text) noexcept {
  return text == nullptr ? std::string_view() : text;
}

// may_be_cut says whether winbindd may have left out the end of a name.
bool may_be_cut(std::string_view name) noexcept { return name.size() >= kNameSizeMax; }

// whole_characters takes the beginning of a character off the end of text that has been cut off.
std::string_view whole_characters(std::string_view utf8) noexcept {
  const auto octet = [&utf8](std::size_t at) { return static_cast<std::uint8_t>(utf8[at]); };
  if (!may_be_cut(utf8)) {
    return utf8;
  }
  std::size_t begin = utf8.size() - 1;  // Of the last character.
  while (begin > 0 && (octet(begin) & 0xc0) == 0x80) {
    --begin;
  }
  const std::size_t size = octet(begin) < 0x80   ? 1
                           : octet(begin) < 0xe0 ? 2
                           : octet(begin) < 0xf0 ? 3
                                                 : 4;
  return begin + size > utf8.size() ? utf8.substr(0, begin) : utf8;
}

// winbindd has times in whole seconds since 1970, of 64 bits; 0 for what was 0 or not to be
// expressed.
pac::FileTime file_time(std::uint64_t unix_s) noexcept {
  constexpr std::uint64_t kEpochS = 11'644'473'600;  // From 1601 to 1970.
  constexpr std::uint64_t kUnitsPerSecond = 10'000'000;
  if (unix_s == 0) {
    return 0;
  }
  return unix_s >= pac::kNever / kUnitsPerSecond - kEpochS ? pac::kNever
                                                           : (unix_s + kEpochS) * kUnitsPerSecond;
}
pac::FileTime end_time(std::uint64_t unix_s) noexcept {
  return unix_s == 0 ? pac::kNever : file_time(unix_s);
}

// SidRoom is a wbcDomainSid as it stands on the wire.
using SidRoom = std::array<std::uint8_t, SidView::kSizeMax>;

SidView write_sid(const wbcDomainSid& sid, SidRoom& room) noexcept {
  const std::size_t count = sid.num_auths;
  if (sid.sid_rev_num != 1 || count < 1 || count > SidView::kSubAuthoritiesMax) {
    return {};
  }
  room[0] = sid.sid_rev_num;
  room[1] = sid.num_auths;
  std::ranges::copy(sid.id_auth, room.begin() + 2);
  const MutableBytes octets = MutableBytes(room).first(SidView::kFixedSize + 4 * count);
  for (std::size_t i = 0; i < count; ++i) {
    store_le(octets.subspan(SidView::kFixedSize + 4 * i), sid.sub_auths[i]);
  }
  return {octets};
}

std::uint32_t relative_id(const wbcDomainSid& sid) noexcept {
  return sid.num_auths >= 1 && sid.num_auths <= WBC_MAXSUBAUTHS ? sid.sub_auths[sid.num_auths - 1]
                                                                : 0;
}

// describe writes the PAC. The first SID is the account's, the second its primary group's.
std::optional<std::vector<std::uint8_t>> describe(const wbcAuthUserInfo& info) {
  const std::span<const wbcSidWithAttr> sids(info.sids, info.num_sids);
  std::vector<SidRoom> rooms(sids.size());
  std::vector<SidAndAttributes> views;
  for (std::size_t i = 0; i < sids.size(); ++i) {
    views.push_back({write_sid(sids[i].sid, rooms[i]), sids[i].attributes});
    if (views.back().sid.empty()) {
      return std::nullopt;
    }
  }
  // A UPN without its end is somebody else's, and one can do without.
  const std::string_view upn = text_of(info.user_principal);
  return write_pac({.account = text_of(info.account_name),
                    .full_name = whole_characters(text_of(info.full_name)),
                    .domain = text_of(info.domain_name),
                    .dns_domain = text_of(info.dns_domain_name),
                    .upn = may_be_cut(upn) ? std::string_view() : upn,
                    .logon_server = text_of(info.logon_server),
                    .logon_time = file_time(info.logon_time),
                    .logoff_time = end_time(info.logoff_time),
                    .kick_off_time = end_time(info.kickoff_time),
                    .password_last_set = file_time(info.pass_last_set_time),
                    .password_can_change = file_time(info.pass_can_change_time),
                    .password_must_change = end_time(info.pass_must_change_time),
                    .logon_count = info.logon_count,
                    .bad_password_count = info.bad_password_count,
                    .user_flags = info.user_flags,
                    .user_account_control = info.acct_flags,
                    .user = views[0].sid,
                    .primary_group = views[1].sid,
                    .groups = std::span(views).subspan(2)});
}

// judge decides about a client that the domain lets in.
Status judge(const wbcAuthUserInfo& info) noexcept {
  constexpr std::array<std::uint8_t, kNtlmKeySize> kNoKey{};
  if (info.num_sids < 2 || info.sids == nullptr || relative_id(info.sids[0].sid) == 0) {
    return Status::kAuthorityFailed;
  }
  // Windows lets whom it does not know in as a guest where that account is enabled. To us that is
  // nobody: anyone's name and any password would do.
  if ((info.user_flags & WBC_AUTH_USER_INFO_GUEST) != 0 ||
      relative_id(info.sids[0].sid) == kGuestRelativeId) {
    return Status::kNtlmProof;
  }
  if ((info.user_flags & WBC_AUTH_USER_INFO_USED_LM_PASSWORD) != 0) {
    return Status::kNtlmLm;  // Although none was passed on.
  }
  // With a key that everybody knows, everybody could sign in the client's name.
  const bool no_key = equal_secret(info.user_session_key, kNoKey);
  const std::string_view account = text_of(info.account_name);
  const std::string_view domain = text_of(info.domain_name);
  return no_key || account.empty() || may_be_cut(account) || may_be_cut(domain)
             ? Status::kAuthorityFailed
             : Status::kEstablished;
}

// is_askable says whether libwbclient passes a question on as it is.
bool is_askable(const NtlmQuestion& question) noexcept {
  for (const Bytes name : {question.user, question.domain, question.workstation}) {
    if (name.size() > kNameSizeMax || std::ranges::find(name, 0) != name.end()) {
      return false;
    }
  }
  return !question.nt_response.empty() && (question.kind != crypto::ProofKind::kV1Session ||
                                           question.lm_response.size() >= kChallengeSize);
}

class WinbindAnswerer final : public Answerer {
 public:
  WinbindAnswerer(std::unique_ptr<WinbindLine> line, std::unique_ptr<crypto::Kit> kit) noexcept
      : line_(std::move(line)), kit_(std::move(kit)) {}

  void answer(const NtlmQuestion& question, NtlmAnswer& answer) noexcept override {
    try {
      answer.status = ask(question, answer);
    } catch (const std::bad_alloc&) {
      answer.clear();
      answer.status = Status::kNoMemory;
    }
  }

 private:
  Status ask(const NtlmQuestion& question, NtlmAnswer& answer);
  bool write_challenge(const NtlmQuestion& question, MutableBytes challenge) noexcept;
  Status put(const wbcAuthUserParams& params, Reply& reply) noexcept;

  std::unique_ptr<WinbindLine> line_;
  std::unique_ptr<crypto::Kit> kit_;
  bool let_in_ = false;  // Has winbindd, since it was last away, taken a question?
};

// write_challenge writes the challenge that the response was made of. With extended session
// security that is a hash of the server's and the client's (MS-NLMP 3.3.1); whoever stands between
// client and domain controller makes it, as Samba does. The session key that comes back is
// SessionBaseKey with and without, MD4 of NTOWFv1.
bool WinbindAnswerer::write_challenge(const NtlmQuestion& question,
                                      MutableBytes challenge) noexcept {
  if (question.kind != crypto::ProofKind::kV1Session) {
    std::ranges::copy(question.server_challenge, challenge.begin());
    return true;
  }
  std::array<std::uint8_t, crypto::kMd5Size> hash{};
  const Bytes both[] = {question.server_challenge, question.lm_response.first(kChallengeSize)};
  if (!kit_->md5(both, hash)) {
    return false;
  }
  std::ranges::copy(Bytes(hash).first(kChallengeSize), challenge.begin());
  return true;
}

// put asks; kContinue if the domain lets the client in.
Status WinbindAnswerer::put(const wbcAuthUserParams& params, Reply& reply) noexcept {
  const wbcErr result = reply.ask(params);
  if (result == WBC_ERR_WINBIND_NOT_AVAILABLE) {
    // So says libwbclient of no winbindd, of a pipe that is closed to us and of a connection lost
    // while we waited.
    if (!line_->ping()) {
      let_in_ = false;
      return Status::kAuthorityAbsent;
    }
    return let_in_ ? Status::kAuthorityFailed : Status::kAuthorityDenied;
  }
  let_in_ = true;
  switch (result) {
    case WBC_ERR_SUCCESS:
      return reply.info() != nullptr ? Status::kContinue : Status::kAuthorityFailed;
    case WBC_ERR_AUTH_ERROR:
      return reply.error() != nullptr ? status_of_refusal(reply.error()->nt_status)
                                      : Status::kAuthorityFailed;
    case WBC_ERR_NO_MEMORY:
      return Status::kNoMemory;
    default:
      return Status::kAuthorityFailed;
  }
}

Status WinbindAnswerer::ask(const NtlmQuestion& question, NtlmAnswer& answer) {
  if (!is_askable(question)) {
    return Status::kAuthorityQuestion;
  }
  const auto string_of = [](Bytes name) { return std::string(name.begin(), name.end()); };
  const std::string user = string_of(question.user);
  const std::string domain = string_of(question.domain);
  const std::string workstation = string_of(question.workstation);
  wbcAuthUserParams params{};
  params.account_name = user.c_str();
  // As the client spelled it: an NTLMv2 response is made of it (MS-NLMP 3.3.2).
  params.domain_name = domain.c_str();
  params.workstation_name = workstation.c_str();
  // Machines sign on too.
  params.parameter_control =
      WBC_MSV1_0_ALLOW_WORKSTATION_TRUST_ACCOUNT | WBC_MSV1_0_ALLOW_SERVER_TRUST_ACCOUNT;
  params.level = wbcAuthUserParams::WBC_AUTH_USER_LEVEL_RESPONSE;
  auto& response = params.password.response;
  if (!write_challenge(question, response.challenge)) {
    return Status::kInternal;
  }
  // The LM response stays here. A domain controller that finds the NT response wrong tries that, as
  // LMv2 (Samba's does), and lets a client in whose NT response, and with it the MIC flag, target
  // name and channel bindings that we go by, somebody in between has made up.
  response.nt_length = static_cast<std::uint32_t>(question.nt_response.size());
  response.nt_data = const_cast<std::uint8_t*>(question.nt_response.data());  // It only reads them.

  Reply reply(*line_);
  Status status = put(params, reply);
  if (status == Status::kContinue) {
    status = judge(*reply.info());
  }
  if (status != Status::kEstablished) {
    return status;
  }
  const wbcAuthUserInfo& info = *reply.info();
  std::optional<std::vector<std::uint8_t>> pac = describe(info);
  if (!pac) {
    return Status::kAuthorityFailed;
  }
  answer.user = text_of(info.account_name);
  answer.domain = text_of(info.domain_name);
  answer.pac = std::move(*pac);
  answer.key_kind = NtlmAnswer::KeyKind::kSessionBase;
  answer.key.assign(info.user_session_key);
  return Status::kEstablished;
}

}  // namespace

std::unique_ptr<Answerer> make_winbind_answerer(std::unique_ptr<WinbindLine> line) noexcept {
  std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
  if (!line || !kit) {
    return nullptr;
  }
  return std::unique_ptr<Answerer>(new (std::nothrow)
                                       WinbindAnswerer(std::move(line), std::move(kit)));
}

std::unique_ptr<Answerer> make_winbind_answerer() noexcept {
  wbcContext* context = wbcCtxCreate();
  if (context == nullptr) {
    return nullptr;
  }
  std::unique_ptr<WinbindLine> line(new (std::nothrow) LibraryLine(*context));
  if (!line) {
    wbcCtxFree(context);
  }
  return make_winbind_answerer(std::move(line));
}

const char* take_domain_names(NtlmTarget& target) {
  struct wbcInterfaceDetails* details = nullptr;
  if (::wbcInterfaceDetails(&details) != WBC_ERR_SUCCESS) {
    return "winbindd does not say what the domain calls this machine: is it running?";
  }
  const std::unique_ptr<struct wbcInterfaceDetails, decltype(&wbcFreeMemory)> owner(details,
                                                                                    wbcFreeMemory);
  NtlmTarget domain;
  domain.netbios_computer = text_of(details->netbios_name);
  domain.netbios_domain = text_of(details->netbios_domain);
  domain.dns_domain = text_of(details->dns_domain);
  NtlmTarget named = target;
  adopt(named, local_ntlm_target(), domain);
  if (domain.netbios_domain.empty()) {
    return "winbindd knows no domain: is this machine joined?";
  }
  if (const char* const fault = fault_of(named); fault != nullptr) {
    return fault;
  }
  target = std::move(named);
  return nullptr;
}

}  // namespace usher::auth
