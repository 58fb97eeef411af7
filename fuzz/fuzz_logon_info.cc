// parsers/pac.h: the two structures of a PAC that are written in NDR. What was read is written
// again, canonically, and comes back the same.
#include <algorithm>
#include <array>
#include <vector>

#include "fuzz/fuzz_target.h"
#include "parsers/pac.h"

namespace usher::fuzz {
namespace {

using pac::DelegationInfo;
using pac::LogonInfo;

constexpr std::size_t kObjectAt = 16;            // After the common and the private header.
constexpr std::size_t kLogonInfoFixedEnd = 236;  // Where what the pointers point to begins.
constexpr std::size_t kGroupCountAt = 128;
constexpr std::size_t kExtraSidCountAt = 216;
constexpr std::size_t kResourceGroupCountAt = 228;

bool same(Bytes a, Bytes b) { return std::ranges::equal(a, b); }

// Writer writes one NDR object into memory that is there once and for all. It is never longer than
// what it was read from but for the alignment at its end.
class Writer {
 public:
  Writer() {
    u32(0x00081001);
    u32(0xcccccccc);
    u32(0);  // The length; finish knows it.
    u32(0);
    pointer(true);
  }

  void octets(Bytes octets) {
    check(octets.size() <= room_.size() - size_, "a canonical form is not longer");
    std::ranges::copy(octets, room_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += octets.size();
  }
  template <class T>
  void integer(T value) {
    std::array<std::uint8_t, sizeof(T)> raw;
    store_le(MutableBytes(raw), value);
    octets(raw);
  }
  void u16(std::uint16_t value) { integer(value); }
  void u32(std::size_t value) { integer(static_cast<std::uint32_t>(value)); }
  void u64(std::uint64_t value) { integer(value); }
  void pointer(bool there) { u32(there ? ++referent_ : 0); }

  void align(std::size_t boundary) {
    while (size_ % boundary != 0) {
      integer(std::uint8_t{0});
    }
  }

  // An empty string becomes a null pointer.
  void text(Bytes text) {
    const auto length = static_cast<std::uint16_t>(text.size());
    u16(length);
    u16(length);
    pointer(length > 0);
  }
  void text_body(Bytes text) {
    if (!text.empty()) {
      align(4);
      u32(text.size() / 2);
      u32(0);
      u32(text.size() / 2);
      octets(text);
    }
  }
  void array_body(Bytes elements) {
    if (!elements.empty()) {
      align(4);
      u32(elements.size() / 8);
      octets(elements);
    }
  }
  void sid_body(SidView sid) {
    if (!sid.empty()) {
      align(4);
      u32(sid.octets[1]);
      octets(sid.octets);
    }
  }

  Bytes finish() {
    align(8);
    store_le(MutableBytes(room_).subspan(8), static_cast<std::uint32_t>(size_ - kObjectAt));
    return Bytes(room_).first(size_);
  }

 private:
  static inline std::array<std::uint8_t, kInputSizeMax + 512> room_;
  std::size_t size_ = 0;
  std::uint32_t referent_ = 0;
};

Bytes written(const LogonInfo& info) {
  Writer writer;
  for (const pac::FileTime time :
       {info.logon_time, info.logoff_time, info.kick_off_time, info.password_last_set,
        info.password_can_change, info.password_must_change}) {
    writer.u64(time);
  }
  for (const Bytes text : {info.effective_name, info.full_name, info.logon_script,
                           info.profile_path, info.home_directory, info.home_directory_drive}) {
    writer.text(text);
  }
  writer.u16(info.logon_count);
  writer.u16(info.bad_password_count);
  writer.u32(info.user_id);
  writer.u32(info.primary_group_id);
  writer.u32(info.groups.size() / 8);
  writer.pointer(!info.groups.empty());
  writer.u32(info.user_flags);
  writer.octets(info.user_session_key);
  writer.text(info.logon_server);
  writer.text(info.logon_domain_name);
  writer.pointer(!info.logon_domain_id.empty());
  writer.u64(0);
  writer.u32(info.user_account_control);
  writer.octets(std::array<std::uint8_t, 28>{});
  writer.u32(info.extra_sids.size() / 8);
  writer.pointer(!info.extra_sids.empty());
  writer.pointer(!info.resource_group_domain_sid.empty());
  writer.u32(info.resource_groups.size() / 8);
  writer.pointer(!info.resource_groups.empty());
  for (const Bytes text : {info.effective_name, info.full_name, info.logon_script,
                           info.profile_path, info.home_directory, info.home_directory_drive}) {
    writer.text_body(text);
  }
  writer.array_body(info.groups);
  writer.text_body(info.logon_server);
  writer.text_body(info.logon_domain_name);
  writer.sid_body(info.logon_domain_id);
  writer.array_body(info.extra_sids);
  pac::each_extra_sid(info, [&](SidView sid, std::uint32_t) { writer.sid_body(sid); });
  writer.sid_body(info.resource_group_domain_sid);
  writer.array_body(info.resource_groups);
  return writer.finish();
}

Bytes written(const DelegationInfo& info) {
  Writer writer;
  writer.text(info.proxy_target);
  writer.u32(info.transited_count);
  writer.pointer(info.transited_count > 0);
  writer.text_body(info.proxy_target);
  if (info.transited_count > 0) {
    writer.align(4);
    writer.u32(info.transited_count);
    pac::each_transited(info, [&](Bytes name) { writer.text(name); });
    pac::each_transited(info, [&](Bytes name) { writer.text_body(name); });
  }
  return writer.finish();
}

void check_same(const LogonInfo& a, const LogonInfo& b) {
  check(a.logon_time == b.logon_time && a.logoff_time == b.logoff_time &&
            a.kick_off_time == b.kick_off_time && a.password_last_set == b.password_last_set &&
            a.password_can_change == b.password_can_change &&
            a.password_must_change == b.password_must_change,
        "times come back");
  check(same(a.effective_name, b.effective_name) && same(a.full_name, b.full_name) &&
            same(a.logon_script, b.logon_script) && same(a.profile_path, b.profile_path) &&
            same(a.home_directory, b.home_directory) &&
            same(a.home_directory_drive, b.home_directory_drive) &&
            same(a.logon_server, b.logon_server) && same(a.logon_domain_name, b.logon_domain_name),
        "names come back");
  check(a.logon_count == b.logon_count && a.bad_password_count == b.bad_password_count &&
            a.user_id == b.user_id && a.primary_group_id == b.primary_group_id &&
            a.user_flags == b.user_flags && a.user_account_control == b.user_account_control &&
            same(a.user_session_key, b.user_session_key),
        "numbers come back");
  check(same(a.groups, b.groups) && same(a.resource_groups, b.resource_groups) &&
            same(a.extra_sids, b.extra_sids) && same(a.extra_sid_bodies, b.extra_sid_bodies) &&
            same(a.logon_domain_id.octets, b.logon_domain_id.octets) &&
            same(a.resource_group_domain_sid.octets, b.resource_group_domain_sid.octets),
        "groups and SIDs come back");
}

// check_order checks that the parts lie in the input one after the other, as NDR defers them.
void check_order(std::initializer_list<Bytes> parts, Bytes input) {
  Bytes rest = input;
  for (const Bytes part : parts) {
    check(within(part, rest), "parts stand inside the input, in the order of their pointers");
    if (!part.empty()) {
      rest = rest.subspan(static_cast<std::size_t>(part.data() - rest.data()) + part.size());
    }
  }
}

void check_texts(std::initializer_list<Bytes> texts) {
  for (const Bytes text : texts) {
    check(text.size() % 2 == 0 && text.size() <= 0xffff, "a name is made of UTF-16 units");
  }
}

void check_sid(SidView sid) { check(sid.empty() || parse_sid(sid.octets).ok(), "a SID is one"); }

// check_extra_sids walks the SIDs with its own idea of where each has to be.
void check_extra_sids(const LogonInfo& info) {
  Bytes bodies = info.extra_sid_bodies;
  Bytes elements = info.extra_sids;
  pac::each_extra_sid(info, [&](SidView sid, std::uint32_t attributes) {
    check(!sid.empty(), "an extra SID is never null");
    check_sid(sid);
    check(sid.octets.data() == bodies.subspan(4).data(), "SIDs follow each other");
    check(attributes == load_le<std::uint32_t>(elements.subspan(4)), "with their attributes");
    bodies = bodies.subspan(4 + sid.octets.size());
    elements = elements.subspan(8);
  });
  check(elements.empty() && bodies.empty(), "as many SIDs as promised, and nothing between them");
}

// check_count wants as many elements as the input promises, in arithmetic that does not wrap.
void check_count(Bytes elements, Bytes input, std::size_t at) {
  check(elements.size() == std::uint64_t{8} * load_le<std::uint32_t>(input.subspan(at)),
        "as many elements as promised");
}

// check_logon_info says whether the input was one.
bool check_logon_info(Bytes input) {
  const Result<LogonInfo> info = pac::parse_logon_info(input);
  if (!info.ok()) {
    check(info.fault().offset <= input.size(), "a fault points into the input");
    return false;
  }
  check_texts({info->effective_name, info->full_name, info->logon_script, info->profile_path,
               info->home_directory, info->home_directory_drive, info->logon_server,
               info->logon_domain_name});
  check_count(info->groups, input, kGroupCountAt);
  check_count(info->extra_sids, input, kExtraSidCountAt);
  check_count(info->resource_groups, input, kResourceGroupCountAt);
  check(info->user_session_key.size() == 16, "a session key is whole");
  check_sid(info->logon_domain_id);
  check_sid(info->resource_group_domain_sid);
  check(info->groups.empty() || !info->logon_domain_id.empty(), "groups have a domain");
  check(info->resource_groups.empty() || !info->resource_group_domain_sid.empty(),
        "resource groups have a domain");
  check_extra_sids(*info);
  const Bytes last_fixed = input.subspan(kLogonInfoFixedEnd - 8, 8);
  check_order(
      {info->user_session_key, last_fixed, info->effective_name, info->full_name,
       info->logon_script, info->profile_path, info->home_directory, info->home_directory_drive,
       info->groups, info->logon_server, info->logon_domain_name, info->logon_domain_id.octets,
       info->extra_sids, info->extra_sid_bodies, info->resource_group_domain_sid.octets,
       info->resource_groups},
      input);

  const Result<LogonInfo> again = pac::parse_logon_info(written(*info));
  check(again.ok(), "what is written can be parsed");
  check_same(*info, *again);
  check(!pac::parse_logon_info(input.first(input.size() - 8)).ok(), "eight bytes less are refused");
  return true;
}

void check_delegation_info(Bytes input) {
  const Result<DelegationInfo> info = pac::parse_delegation_info(input);
  if (!info.ok()) {
    check(info.fault().offset <= input.size(), "a fault points into the input");
    return;
  }
  check_texts({info->proxy_target});
  check(info->transited.size() == std::size_t{8} * info->transited_count, "elements are whole");
  static std::vector<Bytes> names;  // Its memory is kept from run to run, its contents are not.
  names.clear();
  pac::each_transited(*info, [&](Bytes name) {
    check_texts({name});
    check(within(name, info->transited_bodies), "a name stands where the names stand");
    names.push_back(name);
  });
  check(names.size() == info->transited_count, "as many names as promised");

  const Result<DelegationInfo> again = pac::parse_delegation_info(written(*info));
  check(again.ok() && same(info->proxy_target, again->proxy_target) &&
            info->transited_count == again->transited_count,
        "what is written comes back");
  std::size_t index = 0;
  pac::each_transited(*again, [&](Bytes name) {
    check(index < names.size() && same(name, names[index]), "names come back");
    ++index;
  });
  check(!pac::parse_delegation_info(input.first(input.size() - 8)).ok(),
        "eight bytes less are refused");
}

}  // namespace

// What is no logon info may still be a delegation info: a seed of either kind exercises its own.
void run_one(Bytes input) {
  if (!check_logon_info(input)) {
    check_delegation_info(input);
  }
}

}  // namespace usher::fuzz
