#include "dsp/nearest_name.h"

#include <gtest/gtest.h>

#include <vector>

namespace fastsag {
namespace {

const std::vector<std::string> kKnown = {"mode", "hop_s", "context_s", "seed"};

TEST(NearestName, SlipsOfTheFinger) {
  EXPECT_EQ(nearest_name("modee", kKnown), "mode");
  EXPECT_EQ(nearest_name("contxet_s", kKnown), "context_s") << "two letters swapped are two edits";
  EXPECT_EQ(nearest_name("hop", kKnown), "hop_s") << "the unit forgotten";
}

TEST(NearestName, WhatIsFarIsNoSlip) {
  EXPECT_EQ(nearest_name("colour", kKnown), "");
  EXPECT_EQ(nearest_name("mode", {}), "");
}

}  // namespace
}  // namespace fastsag
