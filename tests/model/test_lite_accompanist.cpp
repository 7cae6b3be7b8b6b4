// The shipped lite preset plays what it is asked for: piano, band, piano with strings.
#include "model/lite/accompanist.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "model/checkpoint.h"
#include "tests/support/error_of.h"
#include "tests/support/scratch.h"
#include "tests/support/sung.h"

namespace fastsag::model {
namespace {

class LiteBand : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    preset_ = load_preset("lite", FASTSAG_SOURCE "/configs/presets");
    accompanist_ = new LiteAccompanist(preset_, {.threads = 1});
    // C D E G, a quarter each at 100 bpm.
    std::vector<test::SungNote> notes;
    for (int i = 0; i < 16; ++i)
      notes.push_back({.6 * i, .55, std::array{60., 62., 64., 67.}[static_cast<size_t>(i % 4)]});
    voice_ = test::sung(notes, 10);
  }
  static void TearDownTestSuite() { delete accompanist_; }

  static WindowResult played(Ensemble style, const std::vector<float>& voice = voice_,
                             std::shared_ptr<const Plan> score = nullptr) {
    const Pulse pulse{.period = 14400, .origin = 0, .beats_per_bar = 4, .confidence = 1};
    const WindowRequest request{.voice = voice,
                                .voice_end = 240000,
                                .write_begin = 168000,
                                .write_end = 216000,
                                .known_end = 120000,  // so that it has begun to sound before
                                .controls = {.pulse = pulse, .style = style, .score = std::move(score)}};
    WindowResult result;
    accompanist_->generate({&request, 1}, {&result, 1});
    return result;
  }
  static std::set<int> channels(const WindowResult& result) {
    std::set<int> found;
    for (const Note& note : result.plan.notes) found.insert(note.channel);
    return found;
  }
  static double rms(const std::vector<float>& x) {
    double sum = 0;
    for (const float v : x) sum += static_cast<double>(v) * v;
    return std::sqrt(sum / static_cast<double>(x.size()));
  }

  static inline Preset preset_;
  static inline LiteAccompanist* accompanist_ = nullptr;
  static inline std::vector<float> voice_;
};

TEST_F(LiteBand, EveryStyleHasItsInstrumentsOverTheSamePiano) {
  const auto piano = played(Ensemble::piano), band = played(Ensemble::band), strings = played(Ensemble::strings);
  EXPECT_EQ(channels(piano), (std::set{kPianoChannel}));
  EXPECT_EQ(channels(band), (std::set{kPianoChannel, kBassChannel, kDrumsChannel}));
  EXPECT_EQ(channels(strings), (std::set{kPianoChannel, kStringsChannel}));
  for (const auto* other : {&band, &strings}) {
    auto notes = other->plan.notes;
    std::erase_if(notes, [](const Note& note) { return note.channel != kPianoChannel; });
    EXPECT_EQ(notes, piano.plan.notes);
    // As loud as the piano alone or more, but not so that it is lost: -1 to 9 dB in all.
    EXPECT_GT(rms(other->audio), .9 * rms(piano.audio)) << (other == &band ? "band" : "strings");
    EXPECT_LT(rms(other->audio), 2.8 * rms(piano.audio));
  }
  EXPECT_EQ(played(Ensemble::band).audio, band.audio) << "and the same again";
}

TEST_F(LiteBand, NobodyPlaysToSilence) {
  for (const Ensemble style : {Ensemble::band, Ensemble::strings}) {
    const auto result = played(style, std::vector<float>(240000));
    EXPECT_TRUE(result.plan.notes.empty());
    EXPECT_EQ(rms(result.audio), 0);
  }
}

TEST_F(LiteBand, AScoreIsPlayedInPlaceOfWhatItWouldWrite) {
  const auto written = played(Ensemble::band);
  auto score = std::make_shared<Plan>(written.plan);
  const std::vector<float> silence(240000);
  EXPECT_EQ(played(Ensemble::band, silence, score).audio, written.audio) << "whatever is sung";
  score->notes = {{180000, 200000, 60, 90, kPianoChannel}, {220000, 230000, 64, 90, kPianoChannel}};
  const auto one = played(Ensemble::piano, voice_, score);
  ASSERT_EQ(one.plan.notes.size(), 1u) << "of the two one begins before 216000, where the window ends";
  EXPECT_EQ(one.plan.notes[0], score->notes[0]);
  EXPECT_LT(rms({one.audio.begin(), one.audio.begin() + 11000}), 1e-3)
      << "it is struck at 180000, 12000 after the begin";
  EXPECT_GT(rms({one.audio.begin() + 12000, one.audio.begin() + 24000}), 1e-2);
}

TEST_F(LiteBand, WeightsOfAPianoAlonePlayThePianoAndSaySo) {
  const test::Scratch scratch;
  const SafetensorsFile file(preset_.weights);
  NamedTensors tensors;
  for (const TensorInfo& info : file.header().tensors)
    if (!info.name.starts_with("prior_")) tensors.emplace_back(info.name, read_tensor(file, info));
  Preset piano_only = preset_;
  piano_only.weights = scratch.path() / "piano.safetensors";
  save_tensors(piano_only.weights, tensors, {}, Storage::fp16);
  const LiteAccompanist pianist(piano_only, {.threads = 1});
  EXPECT_TRUE(pianist.can_play(Ensemble::piano));
  EXPECT_FALSE(pianist.can_play(Ensemble::band));
  EXPECT_EQ(test::error_of([&] { check_style(pianist, Ensemble::band); }),
            "preset lite cannot play style band; it plays piano");
  EXPECT_NO_THROW(check_style(*accompanist_, Ensemble::strings));
}

}  // namespace
}  // namespace fastsag::model
