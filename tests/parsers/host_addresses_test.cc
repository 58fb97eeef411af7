// Promise: a HostAddresses element is read whole or refused, and an address is found in it exactly
// if type and bytes are there.
#include "parsers/host_addresses.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/parsers/krb5_messages.h"

namespace usher::krb5 {
namespace {

using testing::hex;

std::string address(const std::string& type, const std::string& octets) {
  return sequence(field(0, type) + field(1, octets));
}
const std::string kIpv4 = address("020102", "04040a000001");
const std::string kIpv6 = address("020118", "041020010db8000000000000000000000001");
const std::string kNetbios = address("020114", "041057454220202020202020202020202020");

std::string many(std::uint32_t count) {
  std::string all;
  for (std::uint32_t i = 0; i < count; ++i) {
    all += kIpv4;
  }
  return sequence(all);
}

TEST(HostAddresses, AreReadInOrder) {
  const Octets element = hex(sequence(kIpv4 + kIpv6 + kNetbios));
  const Result<HostAddresses> addresses = parse_host_addresses(element);
  ASSERT_TRUE(addresses.ok());
  EXPECT_EQ(addresses->count, 3u);
  std::vector<std::int32_t> types;
  std::vector<std::size_t> sizes;
  each_address(*addresses, [&](const HostAddress& one) {
    types.push_back(one.type);
    sizes.push_back(one.address.size());
  });
  EXPECT_EQ(types, (std::vector<std::int32_t>{2, 24, 20}));
  EXPECT_EQ(sizes, (std::vector<std::size_t>{4, 16, 16}));
}

TEST(HostAddresses, ThatAreAbsentOrEmptyAreNone) {
  const Octets empty = hex(sequence(""));
  for (const Bytes element : {Bytes{}, Bytes(empty)}) {
    const Result<HostAddresses> addresses = parse_host_addresses(element);
    ASSERT_TRUE(addresses.ok());
    EXPECT_EQ(addresses->count, 0u);
    EXPECT_FALSE(contains(*addresses, {.type = 2, .address = {}}));
  }
}

TEST(HostAddresses, AreFoundByTypeAndBytes) {
  const Octets element = hex(sequence(kIpv4 + kIpv6));
  const Result<HostAddresses> addresses = parse_host_addresses(element);
  ASSERT_TRUE(addresses.ok());
  const Octets four = hex("0a000001");
  const Octets other = hex("0a000002");
  const Octets six = hex("20010db8000000000000000000000001");
  EXPECT_TRUE(contains(*addresses, {2, four}));
  EXPECT_TRUE(contains(*addresses, {24, six}));
  EXPECT_FALSE(contains(*addresses, {2, other}));
  EXPECT_FALSE(contains(*addresses, {24, four}));
  EXPECT_FALSE(contains(*addresses, {2, Bytes(four).first(3)}));
  EXPECT_FALSE(contains(*addresses, {2, {}}));
}

TEST(HostAddresses, AreBoundedInNumber) {
  const Result<HostAddresses> most = parse_host_addresses(hex(many(kHostAddressesMax)));
  ASSERT_TRUE(most.ok());
  EXPECT_EQ(most->count, kHostAddressesMax);
  EXPECT_EQ(parse_host_addresses(hex(many(kHostAddressesMax + 1))).fault().code,
            ParseCode::kBadValue);
}

TEST(HostAddresses, ThatAreNotDerAreRefused) {
  struct Case {
    const char* name;
    std::string element;
    ParseCode expected;
  };
  for (const Case& c :
       {Case{"no sequence", "3100", ParseCode::kUnexpectedTag},
        Case{"an address that is none", sequence("0500"), ParseCode::kUnexpectedTag},
        Case{"no type", sequence(sequence(field(1, "0400"))), ParseCode::kUnexpectedTag},
        Case{"a type of five octets", sequence(address("02050100000000", "0400")),
             ParseCode::kBadValue},
        Case{"a third field", sequence(sequence(field(0, "020102") + field(1, "0400") + "0500")),
             ParseCode::kTrailingBytes},
        Case{"octets behind it", sequence(kIpv4) + "00", ParseCode::kTrailingBytes}}) {
    EXPECT_EQ(parse_host_addresses(hex(c.element)).fault().code, c.expected) << c.name;
  }
  const Octets whole = hex(sequence(kIpv4 + kIpv6));
  for (std::size_t size = 1; size < whole.size(); ++size) {
    EXPECT_FALSE(parse_host_addresses(Bytes(whole).first(size)).ok()) << size;
  }
  EXPECT_TRUE(parse_host_addresses(whole).ok()) << "the positive twin";
}

}  // namespace
}  // namespace usher::krb5
