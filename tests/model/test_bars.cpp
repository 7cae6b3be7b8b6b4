// The beat and the bar behind a sung line: the beat net in training, and how a room remembers what it said.
#include "model/lite/bars.h"

#include <gtest/gtest.h>

#include <cmath>

#include "model/train/semantic_parts.h"

namespace fastsag::model::bars_test {
namespace {

// Every bar: a half note, a quarter, two eighths; the second bar of two a whole step lower.
struct Written {
  double beat, beats;
  int pitch;
};
constexpr std::array<Written, 4> kBar = {{{0, 1.9, 60}, {2, .9, 64}, {3, .4, 65}, {3.5, .4, 67}}};

Song song(double bpm) {
  Song out;
  const double beat = 60 / bpm;
  for (int b = 0; b < 160; ++b) out.beats.push_back({b * beat, b % 4 == 0});
  for (int bar = 0; bar < 40; ++bar)
    for (const Written& note : kBar)
      out.melody.push_back({(bar * 4 + note.beat) * beat, note.beats * beat, note.pitch - 2 * (bar % 2), 90, 0});
  out.seconds = 160 * beat;
  return out;
}

constexpr double kBeat = .6 * kSampleRate;

// Bars of the same tune from `bar` on, on the timeline; bar 0 begins at 0.
std::vector<dsp::MelodyNote> sung(int bar, int bars, double late = 0) {
  std::vector<dsp::MelodyNote> notes;
  for (int b = bar; b < bar + bars; ++b) {
    for (const Written& note : kBar) {
      dsp::MelodyNote made;
      made.onset = std::llround((b * 4 + note.beat + late) * kBeat);
      made.release = std::llround((b * 4 + note.beat + note.beats + late) * kBeat);
      made.pitch = static_cast<float>(note.pitch - 2 * (b % 2));
      notes.push_back(made);
    }
  }
  return notes;
}

class Bars : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    torch::manual_seed(1);
    torch::set_num_threads(1);
    ScoreSplits splits;
    for (const double bpm : {80., 90., 100., 110.}) splits.train.push_back(song(bpm));
    splits.validate.push_back(song(97));
    part_ = new BeatPart(std::make_shared<const ScoreSplits>(std::move(splits)), 16);
    torch::optim::AdamW optimiser(part_->module().parameters(), torch::optim::AdamWOptions(3e-3));
    for (int step = 0; step < 120; ++step) {
      std::map<std::string, double> figures;
      optimiser.zero_grad();
      part_->loss({1, step, 0}, figures).backward();
      optimiser.step();
    }
    part_->module().eval();
  }
  static void TearDownTestSuite() { delete part_; }

  static Pulse placed(const std::vector<dsp::MelodyNote>& melody, double origin, const Pulse* past = nullptr,
                      bool given = false, double period = kBeat) {
    BeatNet net = part_->net();
    const int64_t end = melody.empty() ? kSampleRate : melody.back().release;
    return with_bars(net, {melody, end - 10 * kSampleRate, end}, {.period = period, .origin = origin}, past, given);
  }
  // Beats that the origin is from the nearest true one; where the bar is said to begin, in beats from a true beginning.
  static double off_beat(const Pulse& pulse) {
    const double beats = pulse.origin / kBeat;
    return beats - std::round(beats);
  }
  static double off_bar(const Pulse& pulse) {
    const double bars = (pulse.origin / kBeat + static_cast<double>(pulse.downbeat)) / 4;
    return 4 * (bars - std::round(bars));
  }

  static inline BeatPart* part_ = nullptr;
};

TEST_F(Bars, LearnsFromScores) {
  const auto figures = part_->validate();
  EXPECT_GT(figures.at("beat"), .9);  // by chance .25
  EXPECT_GT(figures.at("bar"), .8);   // and .06
}

TEST_F(Bars, ABatchIsItsKey) {
  const torch::NoGradGuard no_grad;
  std::map<std::string, double> figures;
  const auto at = [&](BatchKey key) { return part_->loss(key, figures).item<double>(); };
  EXPECT_EQ(at({1, 5, 0}), at({1, 5, 0}));
  EXPECT_NE(at({1, 5, 0}), at({1, 5, 1}));
}

TEST_F(Bars, WhicheverSixteenthWasTakenForTheBeat) {
  const auto melody = sung(0, 4);
  for (int late = 0; late < 4; ++late) {
    for (int beats = 0; beats < 4; ++beats) {
      const Pulse pulse = placed(melody, (beats + late / 4.0) * kBeat);
      EXPECT_NEAR(off_beat(pulse), 0, 1e-9) << late << "/16 late";
      ASSERT_EQ(pulse.beats_per_bar, 4);
      EXPECT_NEAR(off_bar(pulse), 0, 1e-9) << late << "/16 late, beat " << beats;
    }
  }
}

TEST_F(Bars, ABeatThatIsGivenStays) {
  const Pulse pulse = placed(sung(0, 4), .5 * kBeat, nullptr, true);
  EXPECT_NEAR(std::abs(off_beat(pulse)), .5, 1e-9);
}

TEST_F(Bars, OneOddPhraseTurnsNothingButManyDo) {
  Pulse pulse = placed(sung(0, 4), 0);
  for (int window = 1; window < 10; ++window) pulse = placed(sung(window, 4), pulse.origin, &pulse);
  EXPECT_NEAR(off_beat(pulse), 0, 1e-9);
  int windows = 0;  // from now on they sing half a beat late
  for (; windows < 60 && std::abs(off_beat(pulse)) < .4; ++windows)
    pulse = placed(sung(10 + windows, 4, .5), pulse.origin + 4 * kBeat, &pulse);
  EXPECT_GT(windows, 1);
  EXPECT_LT(windows, 12);  // some 10 s
}

TEST_F(Bars, AnotherTempoForgetsAndSilenceRemembers) {
  const Pulse first = placed(sung(0, 4), 0);
  const Pulse silent = placed({}, 8 * kBeat, &first);
  EXPECT_EQ(silent.beats_per_bar, 4);
  EXPECT_NEAR(off_bar(silent), 0, 1e-9);
  EXPECT_EQ(placed({}, 0, &first, false, 1.1 * kBeat).beats_per_bar, 0);
  EXPECT_EQ(placed({}, .11 * kBeat, &first).beats_per_bar, 0);
}

}  // namespace
}  // namespace fastsag::model::bars_test
