// Promise: names survive conversion exactly, and what is no name is refused.
#include "engine/auth/unicode.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "tests/hex.h"

namespace usher::auth {
namespace {

using testing::hex;

struct Name {
  const char* utf8;
  const char* utf16le;
  const char* upper;
};

constexpr Name kNames[] = {
    {"", "", ""},
    {"alice", "61006c00690063006500", "41004c00490043004500"},
    {"\xc3\xbc", "fc00", "dc00"},                  // u umlaut
    {"\xc3\x9f", "df00", "df00"},                  // sharp s: no simple upper case
    {"\xc3\xbf", "ff00", "7801"},                  // y diaeresis leaves Latin-1
    {"\xd0\xb6", "3604", "1604"},                  // Cyrillic zhe
    {"\xef\xbf\xbf", "ffff", "ffff"},              // last of the basic plane
    {"\xf0\x90\x90\xa8", "01d828dc", "01d800dc"},  // Deseret, by surrogates
    {"\xf4\x8f\xbf\xbf", "ffdbffdf", "ffdbffdf"},  // U+10FFFF
};

TEST(Unicode, ConvertsBothWaysAndRaises) {
  for (const Name& name : kNames) {
    std::array<std::uint8_t, 32> out{};
    const std::string utf8 = name.utf8;
    const Bytes text(reinterpret_cast<const std::uint8_t*>(utf8.data()), utf8.size());
    const auto wide = hex(name.utf16le);
    EXPECT_TRUE(std::ranges::equal(utf8_to_utf16(text, out).value(), wide)) << name.utf16le;
    EXPECT_TRUE(std::ranges::equal(utf16_to_utf8(wide, out).value(), text)) << name.utf16le;
    EXPECT_TRUE(std::ranges::equal(upper_utf16(wide, out).value(), hex(name.upper)))
        << name.utf16le;
  }
}

TEST(Unicode, RefusesWhatIsNoUtf16) {
  std::array<std::uint8_t, 32> out{};
  for (const char* bad : {"61", "610062", "00d8", "00d86100", "00dc", "61000000", "00d800d8"}) {
    EXPECT_FALSE(utf16_to_utf8(hex(bad), out)) << bad;
    EXPECT_FALSE(upper_utf16(hex(bad), out)) << bad;
  }
}

TEST(Unicode, RefusesWhatIsNoUtf8) {
  std::array<std::uint8_t, 32> out{};
  for (const char* bad : {"ff", "c3", "c080", "eda080", "f4908080", "6100", "e282"}) {
    EXPECT_FALSE(utf8_to_utf16(hex(bad), out)) << bad;
  }
}

TEST(Unicode, RefusesWhatDoesNotFit) {
  std::array<std::uint8_t, 5> out{};
  EXPECT_TRUE(utf16_to_utf8(hex("61006c0069006300 6500"), out)) << "five bytes, and five fit";
  EXPECT_FALSE(upper_utf16(hex("61006c006900"), out));
  EXPECT_FALSE(widen_oem(hex("616263"), out));
  EXPECT_TRUE(widen_oem(hex("6162"), out));
}

TEST(Unicode, WidensOemByteByByte) {
  std::array<std::uint8_t, 8> out{};
  EXPECT_TRUE(std::ranges::equal(widen_oem(hex("61fc"), out).value(), hex("6100fc00")));
  EXPECT_FALSE(widen_oem(hex("6100"), out));
}

}  // namespace
}  // namespace usher::auth
