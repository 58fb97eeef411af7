// engine/io/spin.h: waiting awake is for work that comes close on the last, and never for an idle
// worker, a single processor, or one that keeps its own work away.
#include "engine/io/spin.h"

#include <gtest/gtest.h>

namespace usher::io {
namespace {

TEST(Spin, IsForWorkThatComesCloseOnTheLast) {
  Spin spin(true);
  EXPECT_FALSE(spin.worthwhile()) << "nothing is known yet";
  spin.slept(Spin::kLimitUs, false);
  EXPECT_TRUE(spin.worthwhile());
  spin.found();
  EXPECT_TRUE(spin.worthwhile());
  spin.slept(Spin::kLimitUs + 1, true);
  EXPECT_FALSE(spin.worthwhile());
}

TEST(Spin, NeverForWhatComesNowAndThen) {
  Spin spin(true);
  for (int n = 0; n < 100; ++n) {
    spin.slept(200, false);
    EXPECT_FALSE(spin.worthwhile());
  }
}

TEST(Spin, NeverOnASingleProcessor) {
  Spin spin(false);
  for (int n = 0; n < 100; ++n) {
    spin.slept(1, false);
    EXPECT_FALSE(spin.worthwhile());
  }
}

TEST(Spin, RestsLongerAfterEachWaitInVain) {
  Spin spin(true);
  spin.slept(5, false);
  std::uint32_t last = 0;
  for (int n = 0; n < 20; ++n) {
    ASSERT_TRUE(spin.worthwhile());
    spin.slept(5, true);  // It came at once when the worker was out of the way.
    std::uint32_t rest = 0;
    for (; !spin.worthwhile(); ++rest) {
      ASSERT_LE(rest, Spin::kRestMax);
      spin.slept(5, false);
    }
    EXPECT_EQ(rest, std::min(2 * last + 1, Spin::kRestMax));
    last = rest;
  }
  EXPECT_EQ(last, Spin::kRestMax);
  spin.found();
  spin.slept(5, true);
  spin.slept(5, false);
  EXPECT_TRUE(spin.worthwhile()) << "one success and the rests are short again";
}

}  // namespace
}  // namespace usher::io
