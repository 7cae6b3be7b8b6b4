#include "model/train/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "dsp/error.h"
#include "model/plot.h"
#include "tests/support/scratch.h"

namespace fastsag::model {
namespace {

using testing::HasSubstr;

TEST(Progress, LogsMeansOfTenSteps) {
  const test::Scratch folder;
  Progress progress(folder.path(), {}, false);
  for (int64_t step = 1; step <= 25; ++step) progress.trained("note", step, {{"loss", static_cast<double>(step)}});
  progress.validated("note", 25, {{"accuracy", 0.5}});
  progress.save();
  const auto rows = read_log(folder / "log.csv");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].value, 5.5);   // mean of 1..10
  EXPECT_EQ(rows[1].value, 15.5);  // mean of 11..20
  EXPECT_EQ(rows[2].split, "validate");
  EXPECT_EQ(progress.last_validation(), (std::map<std::string, double>{{"note.accuracy", 0.5}}));
}

TEST(Progress, ShowsPartStepLossPaceAndTimeLeft) {
  const test::Scratch folder;
  testing::internal::CaptureStderr();
  Progress progress(folder.path(), {}, false);
  for (int64_t step = 1; step <= 10; ++step) progress.trained("chord", step, {{"loss", 2.0}});
  progress.show(0.25, "chord", 10, 40, 12.34, 3725);
  progress.show(0.30, "chord", 12, 40, 12.34, 3000);  // too soon after the last for a log file
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text, " 25 %  chord 10/40  loss  chord 2  12.3 windows/s  1:02:05 left\n");
}

TEST(Progress, ClockText) {
  EXPECT_EQ(clock_text(0), "0:00");
  EXPECT_EQ(clock_text(65.4), "1:05");
  EXPECT_EQ(clock_text(3600), "1:00:00");
  EXPECT_EQ(clock_text(-1), "?");
  EXPECT_EQ(clock_text(NAN), "?");
}

TEST(Progress, ALogThatIsNoneIsRefused) {
  const test::Scratch folder;
  EXPECT_TRUE(read_log(folder / "absent").empty());
  std::ofstream(folder / "a") << "hello\n";
  EXPECT_THROW(read_log(folder / "a"), Error);
  std::ofstream(folder / "b") << "seconds,part,step,split,figure,value\n1,a,2,train,loss,3\n1,a,x,train\n";
  try {
    read_log(folder / "b");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("line 3"));
  }
}

TEST(Plot, DrawsFinitePointsInsideThePanelAndEscapesNames) {
  const std::string svg = plot_svg({{"a < b", {{"x&y", {{0, 1}, {5, NAN}, {10, 3}}}}}, {"empty", {}}});
  EXPECT_THAT(svg, HasSubstr("a &lt; b"));
  EXPECT_THAT(svg, HasSubstr("x&amp;y"));
  EXPECT_THAT(svg, testing::Not(HasSubstr("nan")));
  // 720 x 260 a panel, plot from x = 64 to 590: the first point is the lowest left, the last the highest right.
  EXPECT_THAT(svg, HasSubstr("points=\"64.00,230.00 590.00,34.00 \""));
  EXPECT_THAT(svg, HasSubstr("height=\"520\""));
}

}  // namespace
}  // namespace fastsag::model
