// A winbindd that says what a test wants to hear from it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include "engine/auth/winbind_line.h"
#include "tests/hex.h"

namespace usher::testing {

inline constexpr std::uint64_t kUnixNever = 910'692'730'085;  // As winbindd has 0x7fffffffffffffff.

// sid_of makes S-1-<authority>-<...>.
inline wbcDomainSid sid_of(std::uint8_t authority, const std::vector<std::uint32_t>& subs) {
  wbcDomainSid sid{};
  sid.sid_rev_num = 1;
  sid.num_auths = static_cast<std::uint8_t>(subs.size());
  sid.id_auth[5] = authority;
  std::copy(subs.begin(), subs.end(), sid.sub_auths);
  return sid;
}

// Winbindd is what winbindd says, and what it has been asked.
struct Winbindd {
  Winbindd() {
    info.user_flags = WBC_AUTH_USER_INFO_NTLMV2_ENABLED;
    info.account_name = account.data();
    info.domain_name = domain.data();
    info.full_name = full_name.data();
    info.dns_domain_name = dns_domain.data();
    info.user_principal = upn.data();
    info.logon_server = logon_server.data();
    info.acct_flags = WBC_ACB_NORMAL;
    std::ranges::copy(hex("000102030405060708090a0b0c0d0e0f"), info.user_session_key);
    std::ranges::copy(hex("1011121314151617"), info.lm_session_key);
    info.logon_count = 7;
    info.bad_password_count = 2;
    info.logon_time = 1'700'000'000;
    info.logoff_time = kUnixNever;
    info.kickoff_time = 0;
    info.pass_last_set_time = 1'600'000'000;
    info.pass_can_change_time = 1'600'086'400;
    info.pass_must_change_time = 1'800'000'000;
  }

  // refuse makes it say no.
  void refuse(std::uint32_t nt_status) {
    result = WBC_ERR_AUTH_ERROR;
    error.nt_status = nt_status;
  }

  wbcErr result = WBC_ERR_SUCCESS;
  bool there = true;
  bool remembers = true;  // What it has been asked, which allocates.
  bool forgets = false;   // Neither info nor error, whatever the result.
  std::string account = "alice";
  std::string domain = "EXAMPLE";
  std::string full_name = "Alice Example";
  std::string dns_domain = "EXAMPLE.TEST";
  std::string upn = "alice@example.test";
  std::string logon_server = "DC1";
  std::vector<wbcSidWithAttr> sids{{sid_of(5, {21, 11, 22, 33, 1103}), 0},
                                   {sid_of(5, {21, 11, 22, 33, 513}), 0},
                                   {sid_of(5, {21, 11, 22, 33, 513}), 7},
                                   {sid_of(5, {21, 11, 22, 33, 1104}), 7},
                                   {sid_of(5, {21, 44, 55, 66, 1200}), 0x20000007}};
  wbcAuthUserInfo info{};
  wbcAuthErrorInfo error{};

  wbcAuthUserInfo lent_info{};
  wbcAuthErrorInfo lent_error{};
  int lent = 0;  // What has not been given back.
  int asked = 0;
  int pinged = 0;
  bool wiped = true;  // All keys that were given back.
  wbcAuthUserParams params{};
  std::string asked_account;
  std::string asked_domain;
  std::string asked_workstation;
  std::vector<std::uint8_t> asked_challenge;
  std::vector<std::uint8_t> asked_nt;
};

// FakeLine reaches it.
class FakeLine final : public auth::WinbindLine {
 public:
  explicit FakeLine(Winbindd& winbindd) : winbindd_(winbindd) {}

  wbcErr authenticate(const wbcAuthUserParams& params, wbcAuthUserInfo*& info,
                      wbcAuthErrorInfo*& error) noexcept override {
    ++winbindd_.asked;
    winbindd_.params = params;
    if (winbindd_.remembers) {
      note(params);
    }
    if (winbindd_.result == WBC_ERR_SUCCESS && !winbindd_.forgets) {
      winbindd_.lent_info = winbindd_.info;
      winbindd_.lent_info.num_sids = static_cast<std::uint32_t>(winbindd_.sids.size());
      winbindd_.lent_info.sids = winbindd_.sids.data();
      info = &winbindd_.lent_info;
      ++winbindd_.lent;
    }
    if (winbindd_.result == WBC_ERR_AUTH_ERROR && !winbindd_.forgets) {
      winbindd_.lent_error = winbindd_.error;
      error = &winbindd_.lent_error;
      ++winbindd_.lent;
    }
    return winbindd_.result;
  }
  bool ping() noexcept override {
    ++winbindd_.pinged;
    return winbindd_.there;
  }
  void release(void* memory) noexcept override {
    winbindd_.lent -= memory != nullptr ? 1 : 0;
    if (memory == &winbindd_.lent_info) {
      const auto is_zero = [](std::uint8_t octet) { return octet == 0; };
      winbindd_.wiped = winbindd_.wiped &&
                        std::ranges::all_of(winbindd_.lent_info.user_session_key, is_zero) &&
                        std::ranges::all_of(winbindd_.lent_info.lm_session_key, is_zero);
    }
  }

 private:
  void note(const wbcAuthUserParams& params) {
    winbindd_.asked_account = params.account_name;
    winbindd_.asked_domain = params.domain_name;
    winbindd_.asked_workstation = params.workstation_name;
    const auto& response = params.password.response;
    winbindd_.asked_challenge.assign(std::begin(response.challenge), std::end(response.challenge));
    winbindd_.asked_nt.assign(response.nt_data, response.nt_data + response.nt_length);
  }

  Winbindd& winbindd_;
};

}  // namespace usher::testing
