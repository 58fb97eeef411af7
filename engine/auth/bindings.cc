#include "engine/auth/bindings.h"

#include <algorithm>
#include <cassert>

#include "engine/secret.h"

namespace usher::auth {
namespace {

// all_zero is also true of no hash at all.
bool all_zero(Bytes hash) noexcept {
  constexpr std::size_t kHalf = sizeof(std::uint64_t);
  return hash.empty() ||
         (load_le<std::uint64_t>(hash) | load_le<std::uint64_t>(hash.last(kHalf))) == 0;
}

// find compares; the caller has bindings, or a proxy in front.
BindingResult find(const Policy& policy, const BindingDemand& demand, const ChannelBindings& ours,
                   const ClientBindings& client) noexcept {
  if (!all_zero(client.hash)) {
    if (!ours.given) {
      return BindingResult::kProxied;
    }
    return equal_secret(client.hash, ours.hash) ? BindingResult::kMatched
                                                : BindingResult::kMismatched;
  }
  if (!client.hash.empty() && policy.zero_bindings_present) {
    return BindingResult::kMismatched;
  }
  //= MS-KILE 3.4.5: if the application requires bindings, zeros are bad ones. If it does not, only
  //= a client that said nothing at all is let off: an enlightened one has said that there is no
  //= channel.
  const bool may_be_absent =
      demand.allow_missing && policy.bindings != BindingPolicy::kAlways && !client.enlightened;
  return may_be_absent ? BindingResult::kAbsentAllowed : BindingResult::kAbsent;
}

Status refusal_of(BindingResult result, const ClientBindings& client) noexcept {
  switch (result) {
    case BindingResult::kUnchecked:
    case BindingResult::kMatched:
    case BindingResult::kProxied:
    case BindingResult::kAbsentAllowed:
      return Status::kContinue;
    case BindingResult::kAbsent:
      return client.enlightened ? Status::kBindingsWrong : Status::kBindingsMissing;
    case BindingResult::kMismatched:
      return Status::kBindingsWrong;
  }
  return Status::kInternal;
}

}  // namespace

bool make_bindings(crypto::Kit& kit, const BindingFields& fields, ChannelBindings& out) noexcept {
  //= RFC 4121 4.1.1.2: each number is four octets, least significant first; data follow their size.
  std::array<std::uint8_t, 5 * sizeof(std::uint32_t)> numbers{};
  const MutableBytes at(numbers);
  store_le(at, fields.initiator_address_type);
  store_le(at.subspan(4), static_cast<std::uint32_t>(fields.initiator_address.size()));
  store_le(at.subspan(8), fields.acceptor_address_type);
  store_le(at.subspan(12), static_cast<std::uint32_t>(fields.acceptor_address.size()));
  store_le(at.subspan(16), static_cast<std::uint32_t>(fields.application_data.size()));
  const std::array<Bytes, 6> parts = {at.first(8),      fields.initiator_address,
                                      at.subspan(8, 8), fields.acceptor_address,
                                      at.subspan(16),   fields.application_data};
  out.given = true;
  out.initiator_address_type = static_cast<std::int32_t>(fields.initiator_address_type);
  out.initiator_address = fields.initiator_address;
  return kit.md5(parts, out.hash);
}

BindingVerdict judge_bindings(const Policy& policy, const BindingDemand& demand,
                              const ChannelBindings& ours, const ClientBindings& client) noexcept {
  static_assert(sizeof(ours.hash) == 2 * sizeof(std::uint64_t));
  assert(client.hash.empty() || client.hash.size() == ours.hash.size());
  BindingVerdict verdict;
  if (policy.bindings == BindingPolicy::kNever) {
    return verdict;
  }
  const bool always = policy.bindings == BindingPolicy::kAlways;
  verdict.client_supports = !all_zero(client.hash) || client.enlightened;
  if (!ours.given && !demand.proxy) {
    verdict.status = always ? Status::kBindingsUnknown : Status::kContinue;
    return verdict;
  }
  verdict.result = find(policy, demand, ours, client);
  const bool only_audited = demand.audit && !always;
  verdict.status = only_audited ? Status::kContinue : refusal_of(verdict.result, client);
  return verdict;
}

}  // namespace usher::auth
