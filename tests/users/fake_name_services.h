// A machine whose users are what a test says, and whose name services hang when it wants.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "engine/users/name_services.h"

namespace usher::testing {

using users::Account;
using users::Known;

class FakeNameServices final : public users::NameServices {
 public:
  std::map<std::string, Account> accounts;  // By the name that is asked for.
  std::map<std::string, std::vector<std::uint32_t>> groups;
  std::map<std::string, std::uint32_t> sids;
  std::map<std::string, std::string> locals;  // By "alice@R".
  Known otherwise = Known::kNo;               // What it says of those that are not there.
  Known sids_otherwise = Known::kNo;
  bool out_of_memory = false;
  bool remembers = true;  // What it was asked.

  // hang makes every call wait until release; wait_asked waits until so many have begun.
  void hang() {
    const std::lock_guard held(lock_);
    hangs_ = true;
  }
  void release() {
    const std::lock_guard held(lock_);
    hangs_ = false;
    changed_.notify_all();
  }
  void wait_asked(std::size_t count) {
    std::unique_lock held(lock_);
    changed_.wait(held, [&] { return asked_.size() >= count; });
  }
  [[nodiscard]] std::vector<std::string> asked() const {
    const std::lock_guard held(lock_);
    return asked_;
  }

  void forget() {
    const std::lock_guard held(lock_);
    asked_.clear();
  }

  Known account_named(const std::string& name, Account& out) const override {
    note("name " + name);
    const auto at = accounts.find(name);
    if (at == accounts.end()) {
      return otherwise;
    }
    out = at->second;
    return Known::kYes;
  }
  Known account_numbered(std::uint32_t uid, Account& out) const override {
    note("uid " + std::to_string(uid));
    for (const auto& [name, account] : accounts) {
      if (account.uid == uid) {
        out = account;
        return Known::kYes;
      }
    }
    return otherwise;
  }
  Known groups_of(const Account& account, std::vector<std::uint32_t>& out) const override {
    note("groups " + account.name);
    const auto at = groups.find(account.name);
    if (at == groups.end()) {
      return Known::kFailed;
    }
    out = at->second;
    return Known::kYes;
  }
  Known uid_of_sid(const std::string& sid, std::uint32_t& out) const override {
    note("sid " + sid);
    const auto at = sids.find(sid);
    if (at == sids.end()) {
      return sids_otherwise;
    }
    out = at->second;
    return Known::kYes;
  }
  Known local_name(const std::string& user, const std::string& realm,
                   std::string& out) const override {
    note("local " + user + "@" + realm);
    const auto at = locals.find(user + "@" + realm);
    if (at == locals.end()) {
      return otherwise;
    }
    out = at->second;
    return Known::kYes;
  }

 private:
  void note(const std::string& what) const {
    if (out_of_memory) {
      throw std::bad_alloc();
    }
    std::unique_lock held(lock_);
    if (remembers) {
      asked_.push_back(what);
    }
    changed_.notify_all();
    changed_.wait(held, [this] { return !hangs_; });
  }

  mutable std::mutex lock_;
  mutable std::condition_variable changed_;
  mutable std::vector<std::string> asked_;
  bool hangs_ = false;
};

}  // namespace usher::testing
