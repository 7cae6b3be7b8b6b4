#include "daemon/durations.h"

#include <gtest/gtest.h>

namespace fastsag::daemon {
namespace {

TEST(Durations, PercentilesAreOfTheLast256) {
  Durations durations;
  EXPECT_EQ(durations.percentile(0.95), 0) << "nothing known";
  durations.add(9);
  EXPECT_EQ(durations.percentile(0.5), 9);
  for (int i = 1; i <= 256; ++i) durations.add(i);  // the 9 from before is forgotten
  EXPECT_EQ(durations.size(), 256u);
  EXPECT_EQ(durations.percentile(0.5), 128);
  EXPECT_EQ(durations.percentile(0.95), 244) << "nearest rank: ceil(.95 * 256)";
  EXPECT_EQ(durations.percentile(1), 256);
}

}  // namespace
}  // namespace fastsag::daemon
