// parsers/pac.h: the table of a PAC and its small buffers, from a recorded PAC and from made ones.
#include "parsers/pac.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <string>
#include <vector>

#include "tests/data/pac_messages.h"
#include "tests/hex.h"
#include "tests/recorded.h"

namespace usher::pac {
namespace {

using testing::account_sid;
using testing::full_pac;
using testing::groups_pac;
using testing::hex;
using testing::kPacEntryOffsetAt;
using testing::kPacEntrySize;
using testing::kPacEntrySizeAt;
using testing::kPacTableAt;
using testing::make_attributes;
using testing::make_client_info;
using testing::make_pac;
using testing::make_signature;
using testing::make_upn_dns;
using testing::minimal_pac;
using testing::PacBuffer;
using testing::PacOut;
using testing::patched;
using testing::recorded_token;
using Octets = std::vector<std::uint8_t>;

constexpr ParseFault kNone{};

std::string ascii_of(Bytes utf16) {
  std::string text;
  for (; utf16.size() >= 2; utf16 = utf16.subspan(2)) {
    text.push_back(static_cast<char>(load_le<std::uint16_t>(utf16)));
  }
  return text;
}

std::string text_of(SidView sid) {
  std::array<std::uint8_t, kSidTextSizeMax> out{};
  const std::size_t size = write_sid_text(sid, out);
  return {out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size)};
}

ParseFault fault_of(const Octets& pac) { return parse_pac(pac).fault(); }

std::size_t entry_at(std::size_t index) { return kPacTableAt + index * kPacEntrySize; }

std::uint32_t offset_in(const Octets& pac, std::size_t index) {
  return load_le<std::uint32_t>(Bytes(pac).subspan(entry_at(index) + kPacEntryOffsetAt));
}

Octets without_padding(Octets octets, std::size_t count) {
  octets.resize(octets.size() - count);
  return octets;
}

// padding_of counts what follows the last octet of the buffer that ends last.
std::size_t padding_of(const Octets& pac) {
  std::size_t end = 0;
  for (std::size_t i = 0; i < load_le<std::uint32_t>(pac); ++i) {
    const Bytes entry = Bytes(pac).subspan(entry_at(i));
    end = std::max(end, std::size_t{offset_in(pac, i)} +
                            load_le<std::uint32_t>(entry.subspan(kPacEntrySizeAt)));
  }
  return pac.size() - end;
}

// Alice's, by a Samba domain controller.
TEST(RecordedPac, SaysWhoAliceIs) {
  const Octets recorded = recorded_token("ad/pac-aes256-krb5.hex");
  const Result<Pac> pac = parse_pac(recorded);
  ASSERT_EQ(pac.fault(), kNone);
  EXPECT_EQ(pac->buffer_count, 7u);

  ASSERT_TRUE(pac->has_logon_info);
  const LogonInfo& info = pac->logon_info;
  EXPECT_EQ(ascii_of(info.effective_name), "alice");
  EXPECT_EQ(ascii_of(info.full_name), "Alice Example");
  EXPECT_EQ(ascii_of(info.logon_server), "DC1");
  EXPECT_EQ(ascii_of(info.logon_domain_name), "BNTLM");
  EXPECT_EQ(info.user_id, 1103u);
  EXPECT_EQ(info.primary_group_id, 513u);
  EXPECT_EQ(info.logoff_time, kNever);
  EXPECT_EQ(info.user_account_control, 0x10u);
  EXPECT_EQ(text_of(info.logon_domain_id), "S-1-5-21-3494580569-295834052-4005058022");
  std::vector<std::uint32_t> groups;
  each_group(info.groups, [&](const Group& group) {
    groups.push_back(group.relative_id);
    EXPECT_EQ(group.attributes, 7u);
  });
  ASSERT_EQ(groups.size(), 41u);
  EXPECT_EQ(groups.front(), 513u);
  EXPECT_EQ(groups.back(), 1147u);
  int extra = 0;
  each_extra_sid(info, [&](SidView sid, std::uint32_t attributes) {
    EXPECT_EQ(text_of(sid), "S-1-18-1");
    EXPECT_EQ(attributes, 7u);
    ++extra;
  });
  EXPECT_EQ(extra, 1);
  EXPECT_TRUE(info.resource_groups.empty());

  ASSERT_TRUE(pac->has_client_info);
  EXPECT_EQ(ascii_of(pac->client_info.name), "alice");
  EXPECT_EQ(pac->client_info.client_id % 10000000, 0u);  // Tickets count whole seconds.
  ASSERT_TRUE(pac->has_upn_dns);
  EXPECT_EQ(ascii_of(pac->upn_dns.upn), "alice@bntlm.test");
  EXPECT_EQ(ascii_of(pac->upn_dns.dns_domain), "BNTLM.TEST");
  EXPECT_EQ(ascii_of(pac->upn_dns.sam_name), "alice");
  EXPECT_EQ(text_of(pac->upn_dns.sid), "S-1-5-21-3494580569-295834052-4005058022-1103");
  EXPECT_EQ(pac->upn_dns.flags, kUpnExtended);

  for (const Signature& signature :
       {pac->server_signature, pac->kdc_signature, pac->ticket_signature, pac->full_signature}) {
    EXPECT_EQ(signature.type, 16);
    EXPECT_EQ(signature.value.size(), 12u);
    EXPECT_FALSE(signature.has_rodc_id);
  }
  EXPECT_EQ(pac->server_signature.value.data(), Bytes(recorded).subspan(1048 + 4).data());
  EXPECT_TRUE(pac->requestor.empty());
  EXPECT_FALSE(pac->has_attributes);
  EXPECT_FALSE(pac->has_delegation_info);
}

// By an MIT KDC, which knows no more of its principals than their names.
TEST(RecordedPac, OfAnMitKdcHasNoLogonInfo) {
  const Octets recorded = recorded_token("mit/pac-aes256-cts-krb5.hex");
  const Result<Pac> pac = parse_pac(recorded);
  ASSERT_EQ(pac.fault(), kNone);
  EXPECT_EQ(pac->buffer_count, 4u);
  EXPECT_FALSE(pac->has_logon_info);
  EXPECT_FALSE(pac->has_upn_dns);
  ASSERT_TRUE(pac->has_client_info);
  EXPECT_EQ(ascii_of(pac->client_info.name), "alice");
  EXPECT_EQ(pac->server_signature.type, 16);
  EXPECT_EQ(pac->server_signature.value.size(), 12u);
  EXPECT_EQ(pac->kdc_signature.type, 20);
  EXPECT_EQ(pac->kdc_signature.value.size(), 24u);
  EXPECT_EQ(pac->ticket_signature.type, 20);
  EXPECT_EQ(pac->ticket_signature.value.size(), 24u);
  EXPECT_TRUE(pac->full_signature.value.empty());
}

TEST(RecordedPac, EveryPrefixIsRefused) {
  for (const char* name : {"ad/pac-aes256-krb5.hex", "mit/pac-aes256-cts-krb5.hex"}) {
    const Octets recorded = recorded_token(name);
    const Octets exact = without_padding(recorded, padding_of(recorded));
    ASSERT_EQ(fault_of(recorded), kNone);
    ASSERT_EQ(fault_of(exact), kNone);
    for (std::size_t kept = 0; kept < exact.size(); ++kept) {
      const ParseFault fault = parse_pac(Bytes(exact).first(kept)).fault();
      EXPECT_NE(fault, kNone) << kept;
      EXPECT_LE(fault.offset, kept);
    }
  }
}

TEST(Pac, HoldsABufferOfEveryType) {
  const Octets octets = make_pac(full_pac());
  const Result<Pac> pac = parse_pac(octets);
  ASSERT_EQ(pac.fault(), kNone);
  EXPECT_EQ(pac->buffer_count, 15u);
  EXPECT_EQ(ascii_of(pac->logon_info.effective_name), "alice");
  EXPECT_EQ(pac->client_info.client_id, 0x01d12345abcdef00u);
  EXPECT_EQ(ascii_of(pac->upn_dns.upn), "alice@example.test");
  EXPECT_EQ(ascii_of(pac->delegation_info.proxy_target), "http/web");
  EXPECT_TRUE(pac->has_attributes);
  EXPECT_EQ(pac->attributes, 1u);
  EXPECT_EQ(text_of(pac->requestor), "S-1-5-21-1000-2000-3000-1103");
  EXPECT_EQ(pac->server_signature.value.size(), 16u);
  EXPECT_EQ(pac->kdc_signature.value.size(), 24u);
  EXPECT_EQ(pac->ticket_signature.value.size(), 12u);
  EXPECT_EQ(pac->full_signature.value.size(), 16u);
  EXPECT_EQ(pac->credentials.data(), Bytes(octets).subspan(offset_in(octets, 1)).data());
  EXPECT_EQ(pac->device_info.size(), 13u);
  EXPECT_EQ(pac->device_claims.size(), 13u);
  EXPECT_TRUE(pac->client_claims.empty());
  const std::size_t end = octets.size() - padding_of(octets);
  for (std::size_t kept = 0; kept < octets.size(); ++kept) {  // Only what fills up may be missing.
    EXPECT_EQ(parse_pac(Bytes(octets).first(kept)).ok(), kept >= end) << kept;
  }
}

TEST(Pac, MayHoldHardlyAnything) {
  const Octets octets = make_pac(minimal_pac());
  const Result<Pac> pac = parse_pac(octets);
  ASSERT_EQ(pac.fault(), kNone);
  EXPECT_TRUE(pac->has_client_info);
  EXPECT_FALSE(pac->has_logon_info);
  EXPECT_FALSE(pac->has_upn_dns);
  EXPECT_EQ(pac->ticket_signature.value.size(), 0u);
}

TEST(Pac, BuffersMayStandInAnyOrder) {
  const std::vector<PacBuffer> buffers = full_pac();
  Octets octets = make_pac(buffers);
  const MutableBytes table = MutableBytes(octets).subspan(kPacTableAt, 15 * kPacEntrySize);
  for (std::size_t i = 0; i < 7; ++i) {  // Entries change places; the buffers stay.
    std::ranges::swap_ranges(table.subspan(i * kPacEntrySize, kPacEntrySize),
                             table.subspan((14 - i) * kPacEntrySize, kPacEntrySize));
  }
  const Result<Pac> pac = parse_pac(octets);
  ASSERT_EQ(pac.fault(), kNone);
  EXPECT_EQ(ascii_of(pac->logon_info.effective_name), "alice");
}

// Attack D1 (CVE-2022-42898): counts, sizes and offsets that no longer fit their sum or product.
TEST(PacTable, TheInputsThatBrokeOthersAreRefused) {
  EXPECT_EQ(fault_of(hex("000000100000000006ffffff0000f5")), (ParseFault{ParseCode::kBadValue, 4}));
  EXPECT_EQ(fault_of(hex("00000020000000002020")), (ParseFault{ParseCode::kBadValue, 4}));
}

TEST(PacTable, CountsOutsideTheRangeAreRefused) {
  const Octets good = make_pac(minimal_pac());
  ASSERT_EQ(fault_of(good), kNone);
  for (const std::uint32_t count : {0u, kBuffersMax + 1, 4096u, 4097u, 0x0fffffffu, 0x10000000u,
                                    0x20000000u, 0x80000000u, 0xffffffffu}) {
    EXPECT_EQ(fault_of(patched(good, 0, count)), (ParseFault{ParseCode::kBadValue, 4})) << count;
  }
  const Octets table_only = PacOut().u32(kBuffersMax).u32(0).octets(Octets(16 * 31)).take();
  EXPECT_EQ(fault_of(table_only), (ParseFault{ParseCode::kTruncated, 8 + 16 * 31}));
  for (std::uint32_t kept = 8; kept < 8 + 16 * 3; ++kept) {  // Where the entry begins.
    EXPECT_EQ(parse_pac(Bytes(table_only).first(kept)).fault().offset, (kept + 8) / 16 * 16 - 8);
  }
}

TEST(PacTable, HoldsAsManyBuffersAsItMay) {
  std::vector<PacBuffer> buffers;
  for (std::uint32_t i = 0; i < kBuffersMax; ++i) {
    buffers.push_back({1000 + i, Octets(i, 0xaa)});
  }
  EXPECT_EQ(fault_of(make_pac(buffers)), kNone);
  buffers.push_back({999, {}});
  EXPECT_EQ(fault_of(make_pac(buffers)).code, ParseCode::kBadValue);
}

TEST(PacTable, OtherVersionsAreRefused) {
  const Octets good = make_pac(minimal_pac());
  for (const std::uint32_t version : {1u, 0x01000000u, 0xffffffffu}) {
    EXPECT_EQ(fault_of(patched(good, 4, version)), (ParseFault{ParseCode::kBadValue, 8}));
  }
}

// Attacks D1 and D6: one entry that leaves the PAC, reaches into the table, or is not aligned.
TEST(PacTable, EveryEntryIsInside) {
  const Octets good = make_pac(full_pac());
  for (std::size_t i = 0; i < 15; ++i) {
    const auto at = static_cast<std::uint32_t>(entry_at(i));
    const std::size_t size_at = at + kPacEntrySizeAt;
    const std::size_t offset_at = at + kPacEntryOffsetAt;
    const std::uint32_t offset = offset_in(good, i);
    const auto left = static_cast<std::uint32_t>(good.size() - offset);
    for (const std::uint32_t size :
         {left + 1, 0x7fffffffu, 0x80000000u, 0u - offset, 8u - offset, 0xfffffff8u, 0xffffffffu}) {
      EXPECT_EQ(fault_of(patched(good, size_at, size)), (ParseFault{ParseCode::kOutOfBounds, at}))
          << size;
    }
    for (const std::uint64_t wrong :
         {std::uint64_t{0}, std::uint64_t{8}, std::uint64_t{kPacTableAt + 14 * kPacEntrySize},
          (good.size() + 15) / 8 * 8, std::uint64_t{0x80000000}, std::uint64_t{0xfffffff8},
          std::uint64_t{0x100000000} + offset, std::uint64_t{1} << 63, ~std::uint64_t{7}}) {
      EXPECT_EQ(fault_of(patched(good, offset_at, wrong)),
                (ParseFault{ParseCode::kOutOfBounds, at}))
          << wrong;
    }
    for (std::uint64_t off = 1; off < 8; ++off) {
      EXPECT_EQ(fault_of(patched<std::uint64_t>(good, offset_at, offset + off)),
                (ParseFault{ParseCode::kBadValue, at}));
    }
  }
}

TEST(PacTable, ABufferMayEndWithThePacButNotBeyond) {
  const std::vector<PacBuffer> buffers = {{10, make_client_info()}, {6, make_signature(-138, 16)}};
  const Octets padded = make_pac(buffers);
  const Octets exact = without_padding(padded, 4);
  EXPECT_EQ(fault_of(padded), kNone);
  EXPECT_EQ(fault_of(exact), kNone);
  EXPECT_EQ(fault_of(without_padding(exact, 1)),
            (ParseFault{ParseCode::kOutOfBounds, static_cast<std::uint32_t>(entry_at(1))}));
}

// Attack D6: two buffers of one type, whichever it is.
TEST(PacTable, NoTypeOccursTwice) {
  const std::vector<PacBuffer> buffers = full_pac();
  for (const PacBuffer& buffer : buffers) {
    std::vector<PacBuffer> twice = buffers;
    twice.push_back({0x7fff0002, buffer.octets});
    EXPECT_EQ(fault_of(make_pac(twice)), kNone);
    twice.back().type = buffer.type;
    const auto last = static_cast<std::uint32_t>(entry_at(buffers.size()));
    EXPECT_EQ(fault_of(make_pac(twice)), (ParseFault{ParseCode::kBadValue, last})) << buffer.type;
  }
}

// Attack D6: buffers that share octets, from one octet to all.
TEST(PacTable, BuffersDoNotOverlap) {
  const Octets opaque(24, 0xee);
  const Octets good = make_pac({{101, opaque}, {102, opaque}, {103, opaque}});
  const std::uint32_t second = offset_in(good, 1);
  const auto moved = [&](std::size_t index, std::uint32_t offset, std::uint32_t size) {
    return fault_of(patched<std::uint64_t>(patched(good, entry_at(index) + kPacEntrySizeAt, size),
                                           entry_at(index) + kPacEntryOffsetAt, offset));
  };
  const auto at = [](std::size_t index) {
    return ParseFault{ParseCode::kOutOfBounds, static_cast<std::uint32_t>(entry_at(index))};
  };
  ASSERT_EQ(fault_of(good), kNone);
  EXPECT_EQ(moved(0, second - 24, 24), kNone);
  EXPECT_EQ(moved(0, second - 24, 25), at(1));  // One octet of the next.
  EXPECT_EQ(moved(0, second, 24), at(1));       // The same place.
  EXPECT_EQ(moved(0, second + 8, 8), at(1));    // Inside another.
  EXPECT_EQ(moved(0, second - 24, 72), at(1));  // Around all others.
  EXPECT_EQ(moved(2, second - 8, 8), at(2));
  EXPECT_EQ(moved(2, second + 16, 8), at(2));

  // The other way round: what stands first in the PAC is last in the table.
  Octets turned = good;
  const MutableBytes table = MutableBytes(turned).subspan(kPacTableAt, 3 * kPacEntrySize);
  std::ranges::swap_ranges(table.first(kPacEntrySize), table.last(kPacEntrySize));
  EXPECT_EQ(fault_of(turned), kNone);
  EXPECT_EQ(fault_of(patched<std::uint32_t>(turned, entry_at(2) + kPacEntrySizeAt, 25)), at(2));
}

TEST(PacTable, EmptyBuffersMayStandWhereOthersBegin) {
  const Octets opaque(24, 0xee);
  Octets good = make_pac({{13, {}}, {101, opaque}, {15, {}}, {102, opaque}});
  EXPECT_EQ(fault_of(good), kNone);
  const std::uint64_t inside = offset_in(good, 1) + 8;
  EXPECT_EQ(fault_of(patched(good, entry_at(2) + kPacEntryOffsetAt, inside)),
            (ParseFault{ParseCode::kOutOfBounds, static_cast<std::uint32_t>(entry_at(2))}));
}

TEST(PacTable, WhatIsReadIsNeverEmpty) {
  for (const std::uint32_t type : {1u, 6u, 7u, 10u, 11u, 12u, 16u, 17u, 18u, 19u}) {
    EXPECT_EQ(fault_of(make_pac({{type, {}}})).code, ParseCode::kTruncated) << type;
  }
  for (const std::uint32_t type : {0u, 2u, 3u, 13u, 14u, 15u, 20u}) {
    EXPECT_EQ(fault_of(make_pac({{type, {}}})), kNone) << type;
  }
}

// A fault inside a buffer counts from the beginning of the PAC.
TEST(Pac, FaultsInsideBuffersCountFromThePac) {
  const std::vector<PacBuffer> buffers = full_pac();
  const Octets good = make_pac(buffers);
  const auto broken = [&](std::size_t index, std::size_t inside, std::uint8_t value) {
    ParseFault fault = fault_of(patched(good, offset_in(good, index) + inside, value));
    fault.offset -= fault == kNone ? 0 : offset_in(good, index);
    return fault;
  };
  EXPECT_EQ(broken(0, 1, 0x00), (ParseFault{ParseCode::kBadValue, 2}));  // Its byte order.
  EXPECT_EQ(broken(3, 8, 11), (ParseFault{ParseCode::kBadValue, 10}));   // An odd name.
  EXPECT_EQ(broken(4, 1, 0x77), (ParseFault{ParseCode::kOutOfBounds, 20}));
  EXPECT_EQ(broken(5, 0, 2), (ParseFault{ParseCode::kBadValue, 2}));
  EXPECT_EQ(broken(8, 0, 0), (ParseFault{ParseCode::kBadValue, 4}));  // No flags.
  EXPECT_EQ(broken(9, 1, 16), (ParseFault{ParseCode::kBadValue, 1}));
  EXPECT_EQ(broken(11, 0, 0x10), kNone);  // An unknown checksum type.
  EXPECT_EQ(broken(12, 0, 0x13), (ParseFault{ParseCode::kTrailingBytes, 20}));
  EXPECT_EQ(broken(13, 0, 0x14), (ParseFault{ParseCode::kTruncated, 4}));
  EXPECT_EQ(broken(14, 0, 0x10), (ParseFault{ParseCode::kTrailingBytes, 16}));
}

// Attack D8: the value's size follows from the type, and an RODC's identifier is not part of it.
struct SignatureCase {
  const char* name;
  std::int32_t type;
  std::size_t size;
};

void PrintTo(const SignatureCase& c, std::ostream* out) { *out << c.name; }

constexpr std::array kSignatures = {
    SignatureCase{"HmacMd5", -138, 16},    SignatureCase{"Sha1Aes128", 15, 12},
    SignatureCase{"Sha1Aes256", 16, 12},   SignatureCase{"Sha256Aes128", 19, 16},
    SignatureCase{"Sha384Aes256", 20, 24},
};

class PacSignature : public ::testing::TestWithParam<SignatureCase> {};

TEST_P(PacSignature, HasTheSizeOfItsType) {
  const SignatureCase& c = GetParam();
  for (std::size_t size = 0; size <= 40; ++size) {
    const Octets buffer = make_signature(c.type, size, 0x21);
    const Result<Signature> signature = parse_signature(buffer);
    ASSERT_EQ(signature.ok(), size == c.size || size == c.size + 2) << size;
    if (!signature.ok()) {
      const ParseFault expected =
          size < c.size
              ? ParseFault{ParseCode::kTruncated, 4}
              : ParseFault{ParseCode::kTrailingBytes, static_cast<std::uint32_t>(4 + c.size)};
      EXPECT_EQ(signature.fault(), expected) << size;
      continue;
    }
    EXPECT_EQ(signature->type, c.type);
    EXPECT_EQ(signature->value.data(), Bytes(buffer).subspan(4).data());
    EXPECT_EQ(signature->value.size(), c.size);
    EXPECT_EQ(signature->has_rodc_id, size == c.size + 2);
    EXPECT_EQ(signature->rodc_id, size == c.size ? 0 : 0x2121);
  }
}

INSTANTIATE_TEST_SUITE_P(Table, PacSignature, ::testing::ValuesIn(kSignatures),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

// Which checksums are good enough is not for a parser to say (attack D2); empty ones are none.
TEST(PacSignature, OfOtherTypesIsWhatThereIs) {
  for (const std::int32_t type : {-1, 0, 1, 7, 14, 17, 18, 21, -137, -139, INT32_MAX, INT32_MIN}) {
    for (std::size_t size = 1; size <= 40; ++size) {
      const Octets buffer = make_signature(type, size);
      const Result<Signature> signature = parse_signature(buffer);
      ASSERT_TRUE(signature.ok());
      EXPECT_EQ(signature->type, type);
      EXPECT_EQ(signature->value.size(), size);
      EXPECT_FALSE(signature->has_rodc_id);
    }
    EXPECT_EQ(parse_signature(make_signature(type, 0)).fault(),
              (ParseFault{ParseCode::kTruncated, 4}));
  }
  for (std::size_t kept = 0; kept < 4; ++kept) {
    EXPECT_EQ(parse_signature(Octets(kept)).fault().code, ParseCode::kTruncated);
  }
}

TEST(PacClientInfo, IsExactlyItsName) {
  for (const std::string name : {"", "a", "alice", "a name with spaces"}) {
    const Octets buffer = make_client_info(0x0123456789abcdef, name);
    const Result<ClientInfo> info = parse_client_info(buffer);
    ASSERT_EQ(info.fault(), kNone);
    EXPECT_EQ(info->client_id, 0x0123456789abcdefu);
    EXPECT_EQ(ascii_of(info->name), name);
    for (std::size_t kept = 0; kept < buffer.size(); ++kept) {
      EXPECT_EQ(parse_client_info(Bytes(buffer).first(kept)).fault().code, ParseCode::kTruncated);
    }
    Octets longer = buffer;
    longer.push_back(0);
    EXPECT_EQ(parse_client_info(longer).fault(),
              (ParseFault{ParseCode::kTrailingBytes, static_cast<std::uint32_t>(buffer.size())}));
  }
  EXPECT_EQ(parse_client_info(patched<std::uint16_t>(make_client_info(1, "ab"), 8, 3)).fault(),
            (ParseFault{ParseCode::kBadValue, 10}));
}

TEST(PacUpnDns, HasTwoLayouts) {
  const Octets extended = make_upn_dns();
  const Result<UpnDns> with = parse_upn_dns(extended);
  ASSERT_EQ(with.fault(), kNone);
  EXPECT_EQ(ascii_of(with->upn), "alice@example.test");
  EXPECT_EQ(ascii_of(with->dns_domain), "EXAMPLE.TEST");
  EXPECT_EQ(ascii_of(with->sam_name), "alice");
  EXPECT_EQ(text_of(with->sid), "S-1-5-21-1000-2000-3000-1103");

  const Octets plain = make_upn_dns({.flags = kUpnConstructed});
  const Result<UpnDns> without = parse_upn_dns(plain);
  ASSERT_EQ(without.fault(), kNone);
  EXPECT_EQ(ascii_of(without->upn), "alice@example.test");
  EXPECT_EQ(ascii_of(without->dns_domain), "EXAMPLE.TEST");
  EXPECT_EQ(without->flags, kUpnConstructed);
  EXPECT_TRUE(without->sam_name.empty());
  EXPECT_TRUE(without->sid.empty());
}

TEST(PacUpnDns, IsNotCutOffAndHasNoTail) {
  for (const std::uint32_t flags : {0u, kUpnConstructed, kUpnExtended}) {
    // Names of six and eight units, so that nothing is padding.
    const Octets buffer = make_upn_dns({.upn = "aa@b.c.d",
                                        .dns_domain = "EXAM.PLE",
                                        .flags = flags,
                                        .sam_name = "aa",
                                        .sid = account_sid()});
    ASSERT_EQ(parse_upn_dns(buffer).fault(), kNone);
    for (std::size_t kept = 0; kept < buffer.size(); ++kept) {
      EXPECT_NE(parse_upn_dns(Bytes(buffer).first(kept)).fault(), kNone) << kept;
    }
    Octets longer = buffer;
    for (int more = 1; more <= 7; ++more) {
      longer.push_back(0);
      EXPECT_EQ(parse_upn_dns(longer).fault(), kNone) << more;
    }
    longer.push_back(0);
    EXPECT_EQ(parse_upn_dns(longer).fault().code, ParseCode::kTrailingBytes);
  }
}

TEST(PacUpnDns, FieldsStayInsideAndOutOfTheHeader) {
  const Octets good = make_upn_dns();
  const auto code = [&](std::size_t at, std::size_t value) {
    return parse_upn_dns(patched(good, at, static_cast<std::uint16_t>(value))).fault().code;
  };
  for (const std::size_t field : {0u, 4u, 12u, 16u}) {
    const bool is_sid = field == 16;
    EXPECT_EQ(code(field, 0xfffe), ParseCode::kOutOfBounds) << field;
    EXPECT_EQ(code(field, 3), is_sid ? ParseCode::kTruncated : ParseCode::kBadValue) << field;
    EXPECT_EQ(code(field + 2, 0xfffe), ParseCode::kOutOfBounds) << field;
    EXPECT_EQ(code(field + 2, 0), ParseCode::kOutOfBounds) << field;
    EXPECT_EQ(code(field + 2, 18), ParseCode::kOutOfBounds) << field;
  }
  EXPECT_EQ(code(2, 20), ParseCode::kOk);  // Right behind the header: gaps are not prescribed.
  EXPECT_EQ(code(16, 0), ParseCode::kBadValue);  // Extended, but without a SID.

  Octets empty = patched<std::uint16_t>(good, 0, 0);
  EXPECT_EQ(parse_upn_dns(empty).fault(), kNone);
  EXPECT_EQ(parse_upn_dns(patched<std::uint16_t>(empty, 2, 0xffff)).fault(), kNone);
}

TEST(PacUpnDns, TheSidIsExactlyThere) {
  const Octets good = make_upn_dns();
  const auto sid_at = load_le<std::uint16_t>(Bytes(good).subspan(18));
  EXPECT_EQ(parse_upn_dns(patched<std::uint8_t>(good, sid_at + 1u, 16)).fault(),
            (ParseFault{ParseCode::kBadValue, sid_at + 1u}));
  EXPECT_EQ(parse_upn_dns(patched<std::uint8_t>(good, sid_at + 1u, 4)).fault(),
            (ParseFault{ParseCode::kTrailingBytes, sid_at + 24u}));
  EXPECT_EQ(parse_upn_dns(patched<std::uint16_t>(good, 16, 24)).fault().code,
            ParseCode::kTruncated);
}

TEST(PacAttributes, AreAsManyWordsAsTheirBitsNeed) {
  for (std::uint32_t bits = 0; bits <= 130; ++bits) {
    for (std::size_t words = 0; words <= 5; ++words) {
      PacOut out;
      out.u32(bits);
      for (std::size_t i = 0; i < words; ++i) {
        out.u32(i + 1);
      }
      const Octets octets = make_pac({{17, out.take()}});
      const Result<Pac> pac = parse_pac(octets);
      ASSERT_EQ(pac.ok(), bits > 0 && words == (bits + 31) / 32) << bits << ' ' << words;
      EXPECT_TRUE(!pac.ok() || pac->attributes == 1);
    }
  }
  for (const std::uint32_t bits : {0x7fffffffu, 0x80000000u, 0xffffffe1u, 0xffffffffu}) {
    EXPECT_EQ(fault_of(make_pac({{17, make_attributes(bits)}})).code, ParseCode::kTruncated);
  }
}

TEST(PacRequestor, IsExactlyASid) {
  EXPECT_EQ(fault_of(make_pac({{18, account_sid()}})), kNone);
  Octets longer = account_sid();
  longer.resize(longer.size() + 4);
  EXPECT_EQ(fault_of(make_pac({{18, longer}})).code, ParseCode::kTrailingBytes);
  EXPECT_EQ(fault_of(make_pac({{18, without_padding(account_sid(), 4)}})).code,
            ParseCode::kTruncated);
}

TEST(Pac, HoldsFifteenHundredGroups) {
  const Octets octets = make_pac(groups_pac(1500));
  const Result<Pac> pac = parse_pac(octets);
  ASSERT_EQ(pac.fault(), kNone);
  std::uint32_t expected = 2000;
  each_group(pac->logon_info.groups,
             [&](const Group& group) { EXPECT_EQ(group.relative_id, expected++); });
  EXPECT_EQ(expected, 3500u);
}

// As many groups as a Windows ticket may have room for: tokens are at most 64 KiB there.
TEST(Pac, FillsTheLargestToken) {
  const std::size_t without = make_pac(groups_pac(0)).size();
  const auto count = static_cast<std::uint32_t>((65535 - without - 16) / 8);
  const Octets octets = make_pac(groups_pac(count));
  ASSERT_GT(octets.size(), 65500u);
  ASSERT_LE(octets.size(), 65535u);
  const Result<Pac> pac = parse_pac(octets);
  ASSERT_EQ(pac.fault(), kNone);
  EXPECT_EQ(pac->logon_info.groups.size(), std::size_t{8} * count);
  for (std::size_t kept = 0; kept < octets.size(); kept += 97) {
    EXPECT_NE(parse_pac(Bytes(octets).first(kept)).fault(), kNone) << kept;
  }
}

// Every bit of a PAC with everything in it: a parse ends, and its fault points into the PAC.
TEST(Pac, NoChangedBitLeadsAstray) {
  Octets octets = make_pac(full_pac());
  ASSERT_EQ(fault_of(octets), kNone);
  for (std::size_t bit = 0; bit < 8 * octets.size(); ++bit) {
    octets[bit / 8] = static_cast<std::uint8_t>(octets[bit / 8] ^ 1 << bit % 8);
    const Result<Pac> pac = parse_pac(octets);
    if (pac.ok()) {
      each_extra_sid(pac->logon_info,
                     [](SidView sid, std::uint32_t) { EXPECT_TRUE(parse_sid(sid.octets).ok()); });
      each_transited(pac->delegation_info, [](Bytes name) { EXPECT_EQ(name.size() % 2, 0u); });
    } else {
      EXPECT_LE(pac.fault().offset, octets.size());
    }
    octets[bit / 8] = static_cast<std::uint8_t>(octets[bit / 8] ^ 1 << bit % 8);
  }
}

}  // namespace
}  // namespace usher::pac
