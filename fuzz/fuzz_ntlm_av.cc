// parsers/ntlm.h: AV_PAIR lists, alone and inside an NTLMv2 response.
#include <algorithm>
#include <array>
#include <vector>

#include "fuzz/fuzz_target.h"
#include "parsers/ntlm.h"

namespace usher::fuzz {
namespace {

using ntlm::AvId;
using ntlm::AvPairs;

bool same(Bytes a, Bytes b) { return std::ranges::equal(a, b); }

bool same(const AvPairs& a, const AvPairs& b) {
  return same(a.netbios_computer, b.netbios_computer) && same(a.netbios_domain, b.netbios_domain) &&
         same(a.dns_computer, b.dns_computer) && same(a.dns_domain, b.dns_domain) &&
         same(a.dns_tree, b.dns_tree) && same(a.target_name, b.target_name) &&
         same(a.channel_bindings, b.channel_bindings) && a.has_flags == b.has_flags &&
         a.flags == b.flags && a.has_timestamp == b.has_timestamp && a.timestamp == b.timestamp;
}

void check_views(const AvPairs& pairs, Bytes list) {
  for (const Bytes name : {pairs.netbios_computer, pairs.netbios_domain, pairs.dns_computer,
                           pairs.dns_domain, pairs.dns_tree, pairs.target_name}) {
    check(within(name, list), "every view points into the list");
    check(name.size() % 2 == 0, "a name is made of UTF-16 units");
  }
  check(within(pairs.channel_bindings, list), "every view points into the list");
  check(pairs.channel_bindings.empty() || pairs.channel_bindings.size() == 16, "a hash is whole");
}

// check_written writes what was read; only unknown pairs and padding may be lost on the way.
void check_written(const AvPairs& pairs, Bytes list) {
  std::vector<std::uint8_t> out(list.size());
  ntlm::AvWriter writer(out);
  const auto name = [&](AvId id, Bytes value) {
    if (!value.empty()) {
      writer.pair(id, value);
    }
  };
  name(AvId::kNetbiosComputer, pairs.netbios_computer);
  name(AvId::kNetbiosDomain, pairs.netbios_domain);
  name(AvId::kDnsComputer, pairs.dns_computer);
  name(AvId::kDnsDomain, pairs.dns_domain);
  name(AvId::kDnsTree, pairs.dns_tree);
  name(AvId::kTargetName, pairs.target_name);
  name(AvId::kChannelBindings, pairs.channel_bindings);
  std::array<std::uint8_t, 4> flags{};
  store_le(flags, pairs.flags);
  if (pairs.has_flags) {
    writer.pair(AvId::kFlags, flags);
  }
  std::array<std::uint8_t, 8> timestamp{};
  store_le(timestamp, pairs.timestamp);
  if (pairs.has_timestamp) {
    writer.pair(AvId::kTimestamp, timestamp);
  }
  const Bytes written = writer.finish();
  check(!written.empty(), "a list does not grow");
  const Result<AvPairs> again = ntlm::parse_av_pairs(written);
  check(again.ok() && same(*again, pairs), "a written list comes back");

  out.resize(written.size() - 1);
  const Result<AvPairs> shorter = ntlm::parse_av_pairs(out);
  check(!shorter.ok(), "a list ends with its MsvAvEOL");
}

void check_list(Bytes list) {
  const Result<AvPairs> pairs = ntlm::parse_av_pairs(list);
  if (!pairs.ok()) {
    check(pairs.fault().offset <= list.size(), "a fault points into the list");
    return;
  }
  check_views(*pairs, list);
  check_written(*pairs, list);
}

void check_response(Bytes input) {
  const Result<ntlm::Ntlmv2Response> response = ntlm::parse_ntlmv2_response(input);
  if (!response.ok()) {
    check(response.fault().offset <= input.size(), "a fault points into the response");
    return;
  }
  check(response->proof.size() == 16 && within(response->proof, input), "a proof has 16 bytes");
  check(same(response->client_data, input.subspan(16)), "the proof covers all the rest");
  check(response->client_challenge.size() == 8 && within(response->client_challenge, input),
        "a client challenge has 8 bytes");
  check_views(response->pairs, input);

  const Bytes list = input.subspan(ntlm::kNtlmv2ResponseSizeMin);
  const Result<AvPairs> alone = ntlm::parse_av_pairs(list);
  check(alone.ok() || list.empty(), "a list is good alone or not at all");
  check(!alone.ok() || same(*alone, response->pairs), "a list is the same everywhere");
}

}  // namespace

// Both readings of one input: a seed of either kind exercises its own.
void run_one(Bytes input) {
  check_list(input);
  check_response(input);
}

}  // namespace usher::fuzz
