// Section D: the PAC's table, its NDR, its signatures, and the AuthorizationData around it.
#include "parsers/authorization_data.h"
#include "parsers/pac.h"
#include "tests/attacks/build.h"
#include "tests/data/authorization_data_messages.h"
#include "tests/data/pac_messages.h"

namespace usher::attacks {
namespace {

using testing::PacBuffer;
using testing::PacLogonInfo;
using testing::patched;
namespace at = testing::logon_info_at;

const Parser kPac = {"pac", {}, fault_of<pac::parse_pac>};
const Parser kLogonInfo = {"logon_info", {}, fault_of<pac::parse_logon_info>};
const Parser kSid = {"sid", {}, fault_of<parse_sid>};
const Parser kAuthorizationData = {
    "authorization_data", {}, fault_of<krb5::parse_authorization_data>};

Octets minimal_pac() { return testing::make_pac(testing::minimal_pac()); }

void add_counts(Section& section) {
  const auto bad_value = ParseCode::kBadValue;
  const auto count = [](std::uint32_t buffers) { return patched(minimal_pac(), 0, buffers); };
  const std::uint32_t right = 3;
  section.add("D1", "no-buffers", kPac, bad_value, count, 0u, right)
      .add("D1", "buffers-4097", kPac, bad_value, count, 4097u, right)
      .add("D1", "buffers-wrap", kPac, bad_value, count, 0x10000000u, right)
      .add("D1", "buffers-wrap-twice", kPac, bad_value, count, 0x20000000u, right)
      .add("D1", "buffers-max", kPac, bad_value, count, 0xffffffffu, right);

  // The octets of MIT's t_pac.c.
  const auto whole = [](const Octets& pac) { return pac; };
  section
      .add("D1", "t-pac-15-octets", kPac, bad_value, whole, hex("000000100000000006ffffff0000f5"),
           minimal_pac())
      .add("D1", "t-pac-10-octets", kPac, bad_value, whole, hex("00000020000000002020"),
           minimal_pac());
}

// Where the second of the three buffers says that it is, and the last, behind which nothing lies
// that too large a buffer would overlap.
constexpr std::size_t kEntry = testing::kPacTableAt + testing::kPacEntrySize;
constexpr std::size_t kLastEntry = kEntry + testing::kPacEntrySize;
Octets with_offset(std::uint64_t offset) {
  return patched(minimal_pac(), kEntry + testing::kPacEntryOffsetAt, offset);
}
Octets with_size(std::uint32_t size) {
  return patched(minimal_pac(), kLastEntry + testing::kPacEntrySizeAt, size);
}
std::uint64_t right_offset() {
  return load_le<std::uint64_t>(Bytes(minimal_pac()).subspan(kEntry + testing::kPacEntryOffsetAt));
}

void add_places(Section& section) {
  const auto out = ParseCode::kOutOfBounds;
  const auto bad_value = ParseCode::kBadValue;
  const std::uint64_t right = right_offset();
  const std::uint64_t last = right + 16;
  const std::uint32_t right_size = 16;
  section.add("D1", "offset-2-64-less-8", kPac, out, with_offset, std::uint64_t{0} - 8, right)
      .add("D1", "offset-2-63", kPac, out, with_offset, std::uint64_t{1} << 63, right)
      .add("D1", "offset-2-32", kPac, out, with_offset, (std::uint64_t{1} << 32) + right, right)
      .add("D1", "size-max", kPac, out, with_size, 0xffffffffu, right_size)
      .add("D1", "size-wraps", kPac, out, with_size, static_cast<std::uint32_t>(0 - last),
           right_size)
      .add("D1", "size-one-more", kPac, out, with_size, right_size + 1, right_size)
      .add("D1", "size-2-31", kPac, out, with_size, 0x80000000u, right_size)
      .add("D6", "offset-not-a-multiple-of-8", kPac, bad_value, with_offset, right - 4, right)
      .add("D6", "overlaps-the-one-before", kPac, out, with_offset, right - 8, right)
      .add("D6", "same-place-as-the-next", kPac, out, with_offset, right + 16, right)
      .add("D6", "in-the-table", kPac, out, with_offset, std::uint64_t{48}, right)
      .add("D6", "in-the-count", kPac, out, with_offset, std::uint64_t{0}, right);

  constexpr std::uint32_t kUnknownType = 0x7fff0001;
  const auto second = [](const PacBuffer& first) {
    return [first](std::uint32_t type) {
      std::vector<PacBuffer> buffers = {first, {type, first.octets}};
      for (const PacBuffer& buffer : testing::minimal_pac()) {
        if (buffer.type != first.type) {
          buffers.push_back(buffer);
        }
      }
      return testing::make_pac(buffers);
    };
  };
  section
      .add("D6", "two-logon-infos", kPac, bad_value, second({1, testing::make_logon_info()}), 1u,
           kUnknownType)
      .add("D6", "two-server-signatures", kPac, bad_value, second({6, testing::make_signature()}),
           6u, kUnknownType)
      .add("D6", "two-client-infos", kPac, bad_value, second({10, testing::make_client_info()}),
           10u, kUnknownType);
}

// in_logon_info returns a builder that changes one integer of a KERB_VALIDATION_INFO.
auto u32_at(std::size_t place) {
  return [place](std::uint32_t value) { return patched(testing::make_logon_info(), place, value); };
}
auto u16_at(std::size_t place) {
  return [place](std::uint16_t value) { return patched(testing::make_logon_info(), place, value); };
}
std::uint32_t right_u32(std::size_t place) {
  return load_le<std::uint32_t>(Bytes(testing::make_logon_info()).subspan(place));
}

// A null pointer, and what its string says of its length.
Octets null_name_of(std::uint16_t size) {
  PacLogonInfo info;
  info.effective_name = {"", 0, true};
  const Octets octets = testing::make_logon_info(info);
  return patched(patched(octets, at::kEffectiveName, size), at::kEffectiveName + 2, size);
}

void add_ndr(Section& section) {
  const auto bad_value = ParseCode::kBadValue;
  const auto u32 = [&](const char* name, std::size_t place, std::uint32_t value,
                       ParseCode code = ParseCode::kBadValue) {
    section.add("D7", name, kLogonInfo, code, u32_at(place), value, right_u32(place));
  };
  u32("version-2", 0, 0x00081002);
  u32("big-endian", 0, 0x00080001);
  u32("object-longer-than-buffer", at::kObjectLength, 0x00010000, ParseCode::kOutOfBounds);
  u32("object-length-max", at::kObjectLength, 0xffffffff, ParseCode::kOutOfBounds);
  u32("null-object", at::kReferent, 0);
  u32("groups-2-28", at::kGroupCount, 0x10000000);
  u32("groups-wrap", at::kGroupCount, 0x20000003);
  u32("groups-one-less", at::kGroupCount, 2);
  u32("groups-null-with-count", at::kGroups, 0);
  u32("extra-sids-2-28", at::kExtraSidCount, 0x10000000);
  u32("extra-sids-null-with-count", at::kExtraSids, 0);
  u32("resource-groups-null-with-count", at::kResourceGroupCount, 1);
  u32("name-max-count-less", at::kEffectiveNameBody, 4);
  u32("name-max-count-max", at::kEffectiveNameBody, 0xffffffff);
  u32("name-offset-1", at::kEffectiveNameBody + 4, 1);
  u32("name-actual-count-less", at::kEffectiveNameBody + 8, 4);
  u32("name-actual-count-2-31", at::kEffectiveNameBody + 8, 0x80000005);
  constexpr std::uint16_t kNameSize = 10;  // "alice"
  section
      .add("D7", "name-longer-than-max", kLogonInfo, bad_value, u16_at(at::kEffectiveName),
           std::uint16_t{kNameSize + 2}, kNameSize)
      .add("D7", "name-null-with-length", kLogonInfo, bad_value, null_name_of, std::uint16_t{2},
           std::uint16_t{0})
      .add("D7", "name-of-odd-length", kLogonInfo, bad_value, u16_at(at::kEffectiveName),
           std::uint16_t{kNameSize - 1}, kNameSize);
}

// body_at is where the deferred part begins that holds `view`: with its max count.
std::size_t body_at(const Octets& info, Bytes view) {
  return static_cast<std::size_t>(view.data() - info.data()) - sizeof(std::uint32_t);
}

void add_arrays(Section& section) {
  // Count and max count agree, and so only the octets are missing.
  const auto both_counts = [](std::uint32_t count) {
    const Octets info = testing::make_logon_info();
    const std::size_t body = body_at(info, pac::parse_logon_info(info)->groups);
    return patched(patched(info, at::kGroupCount, count), body, count);
  };
  section
      .add("D7", "groups-that-are-not-there", kLogonInfo, ParseCode::kTruncated, both_counts,
           0x10000000u, 3u)
      .add("D7", "groups-times-8-wrap", kLogonInfo, ParseCode::kTruncated, both_counts, 0x20000003u,
           3u);

  const auto extra_sid = [](std::size_t sub_authorities) {
    PacLogonInfo info;
    info.extra_sids = {{testing::make_sid(5, std::vector<std::uint32_t>(sub_authorities, 21))}};
    return testing::make_logon_info(info);
  };
  const std::size_t max = SidView::kSubAuthoritiesMax;
  const auto bad_value = ParseCode::kBadValue;
  section.add("D7", "sub-authorities-0", kLogonInfo, bad_value, extra_sid, std::size_t{0}, max)
      .add("D7", "sub-authorities-16", kLogonInfo, bad_value, extra_sid, max + 1, max)
      .add("D7", "sub-authorities-255", kLogonInfo, bad_value, extra_sid, std::size_t{255}, max);

  const auto domain_of = [](std::uint32_t max_count) {
    const Octets info = testing::make_logon_info();
    return patched(info, body_at(info, pac::parse_logon_info(info)->logon_domain_id.octets),
                   max_count);
  };
  section.add("D7", "sid-max-count-less", kLogonInfo, bad_value, domain_of, 3u, 4u)
      .add("D7", "sid-max-count-more", kLogonInfo, bad_value, domain_of, 5u, 4u)
      .add("D7", "sid-max-count-2-30", kLogonInfo, bad_value, domain_of, 0x40000004u, 4u);

  const auto sid = [](std::uint8_t count) {
    Octets octets = testing::domain_sid();
    octets[1] = count;
    return octets;
  };
  constexpr std::uint8_t kRight = 4;
  section.add("D7", "sid-of-0", kSid, bad_value, sid, std::uint8_t{0}, kRight)
      .add("D7", "sid-of-3-and-more", kSid, ParseCode::kTrailingBytes, sid, std::uint8_t{3}, kRight)
      .add("D7", "sid-of-5-cut", kSid, ParseCode::kTruncated, sid, std::uint8_t{5}, kRight)
      .add("D7", "sid-of-16", kSid, bad_value, sid, std::uint8_t{16}, kRight)
      .add("D7", "sid-of-255", kSid, bad_value, sid, std::uint8_t{255}, kRight);

  const auto transited = [](std::uint32_t count) {
    // Fixed part: headers and referent, the target's string, the count.
    return testing::make_pac({{11, patched(testing::make_delegation_info(), 28, count)},
                              {10, testing::make_client_info()}});
  };
  section.add("D7", "transited-2-28", kPac, bad_value, transited, 0x10000000u, 4u);
}

void add_signatures(Section& section) {
  const auto signature_of = [](std::int32_t type) {
    return [type](std::size_t size) {
      return testing::make_pac({{10, testing::make_client_info()},
                                {6, testing::make_signature(type, size)},
                                {7, testing::make_signature()}});
    };
  };
  struct Row {
    const char* name;
    std::int32_t type;
    std::size_t size;
  };
  const std::size_t rodc_id = 2;
  for (const Row& row : {Row{"hmac-md5", -138, 16}, Row{"aes128", 15, 12}, Row{"aes256", 16, 12},
                         Row{"aes128-sha2", 19, 16}, Row{"aes256-sha2", 20, 24}}) {
    const std::string name = row.name;
    section
        .add("D8", name + "-one-less", kPac, ParseCode::kTruncated, signature_of(row.type),
             row.size - 1, row.size)
        .add("D8", name + "-one-more", kPac, ParseCode::kTrailingBytes, signature_of(row.type),
             row.size + 1, row.size)
        .add("D8", name + "-more-than-rodc-id", kPac, ParseCode::kTrailingBytes,
             signature_of(row.type), row.size + rodc_id + 1, row.size + rodc_id);
  }
  section.add("D8", "unknown-type-empty", kPac, ParseCode::kTruncated, signature_of(7),
              std::size_t{0}, std::size_t{1});
}

void add_authorization_data(Section& section) {
  const auto bad_value = ParseCode::kBadValue;
  const auto nested_in = [](std::uint32_t depth) {
    return hex(krb5::ad_nested(depth, krb5::ad_list({krb5::ad_element(128, "00")})));
  };
  section
      .add("D9", "nesting-5", kAuthorizationData, bad_value, nested_in, krb5::kAdDepthMax + 1,
           krb5::kAdDepthMax)
      .add("D9", "nesting-64", kAuthorizationData, bad_value, nested_in, 64u, krb5::kAdDepthMax);

  const Octets one = hex(krb5::ad_element(141, "00"));
  const auto many = [one](std::size_t count) { return element(0x30, repeat(one, count)); };
  const auto many_nested = [one](std::size_t count) {
    const Octets list = element(0x30, repeat(one, count));
    return element(0x30,
                   element(0x30, cat({hex("a0 03 02 01 01"), element(0xa1, element(0x04, list))})));
  };
  constexpr std::size_t kMax = krb5::kAdElementsMax;
  section
      .add_big("A14", "many-authorization-data", kAuthorizationData, bad_value, many,
               std::size_t{100'000}, kMax, kMax + 1)
      .found_by(1200)
      .add_big("D9", "elements-1000", kAuthorizationData, bad_value, many, std::size_t{1000}, kMax,
               kMax + 1)
      .add("D9", "elements-65-nested", kAuthorizationData, bad_value, many_nested, kMax, kMax - 1);

  const auto second = [](std::uint16_t type) {
    return hex(krb5::ad_list({krb5::ad_element(128, "00"), krb5::ad_if_relevant(krb5::ad_list(
                                                               {krb5::ad_element(type, "00")}))}));
  };
  section.add("D9", "second-pac-inside", kAuthorizationData, bad_value, second, std::uint16_t{128},
              std::uint16_t{130});
  const auto inner = [](const std::string& list) {
    return hex(krb5::ad_list({krb5::ad_if_relevant(list)}));
  };
  const Octets etype = hex("02 01 12");
  const auto etypes = [&](std::size_t count) {
    const Octets list = element(0x30, repeat(etype, count));
    return element(
        0x30, element(0x30, cat({hex("a0 04 02 02 00 81"), element(0xa1, element(0x04, list))})));
  };
  section.add_big("A14", "many-etypes", kAuthorizationData, bad_value, etypes, std::size_t{100'000},
                  std::size_t{krb5::kEtypeListMax}, std::size_t{krb5::kEtypeListMax + 1});
  section.add("D9", "inside-is-no-der", kAuthorizationData, ParseCode::kBadLength, inner,
              std::string("3080"), std::string("3000"));
}

}  // namespace

void add_pac(Section section) {
  add_counts(section);
  add_places(section);
  add_ndr(section);
  add_arrays(section);
  add_signatures(section);
  add_authorization_data(section);
}

}  // namespace usher::attacks
