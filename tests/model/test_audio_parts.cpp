#include "model/train/audio_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sndfile.hh>

#include "dsp/error.h"
#include "dsp/mel.h"
#include "tests/support/error_of.h"
#include "tests/support/scratch.h"

namespace fastsag::model {
namespace {

namespace fs = std::filesystem;

// A corpus of beeps: two songs to train on, one to validate with, one that was not rendered.
class AudioParts : public testing::Test {
 protected:
  void SetUp() override {
    song("001", "train", 9, 24000);
    song("002", "train", 12, 24000);
    song("003", "validate", 8, 24000);
    song("004", "train", 8, 0);
  }

  void song(const std::string& name, const std::string& split, int seconds, int rate) {
    std::string notes;
    std::vector<float> wave(static_cast<size_t>(seconds * std::max(rate, 1)));
    for (int i = 0; i < 2 * seconds - 1; ++i) {
      const int pitch = 60 + (i * 5 + name.back()) % 12;
      notes += (i ? ",[" : "[") + std::to_string(i * .5 + .25) + ",0.4," + std::to_string(pitch) + ",80,0]";
      for (int n = 0; rate && n < rate * 2 / 5; ++n)
        wave[static_cast<size_t>(rate * (2 * i + 1) / 4 + n)] += static_cast<float>(
            .3 * std::exp(-4.0 * n / rate) * std::sin(2 * M_PI * 440 * std::exp2((pitch - 69) / 12.0) * n / rate));
    }
    std::ofstream(folder_ / (name + ".json"))
        << R"({"name":")" << name << R"(","split":")" << split << R"(","seconds":)" << seconds
        << R"(,"melody":[],"notes":[)" << notes << R"(],"beats":[],"chords":[]})";
    if (rate) {
      SndfileHandle file((folder_ / (name + "_no_vocals.flac")).string(), SFM_WRITE, SF_FORMAT_FLAC | SF_FORMAT_PCM_16,
                         1, rate);
      file.write(wave.data(), static_cast<sf_count_t>(wave.size()));
    }
  }
  // A bass that plays the same beeps two octaves lower and half as loud, in songs 001 and 003.
  void add_bass() {
    for (const std::string name : {"001", "003"}) {
      const fs::path file = folder_ / (name + ".json");
      std::ifstream in(file);
      std::string text((std::istreambuf_iterator<char>(in)), {});
      in.close();
      text.pop_back();
      std::ofstream(file) << text << R"(,"parts":{"bass":[[0.25,0.4,36,90]]}})";
      SndfileHandle piano((folder_ / (name + "_no_vocals.flac")).string());
      std::vector<float> wave(static_cast<size_t>(piano.frames()));
      piano.read(wave.data(), piano.frames());
      for (float& sample : wave) sample *= .5f;
      SndfileHandle bass((folder_ / (name + "_bass.flac")).string(), SFM_WRITE, SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 1,
                         24000);
      bass.write(wave.data(), std::ssize(wave));
    }
  }
  std::shared_ptr<const Mixes> mixes() { return std::make_shared<Mixes>(audio(), further_stems(folder_)); }
  SharedAudio audio() { return std::make_shared<AudioSplits>(folder_); }

  static DiffusionPart::Renderers pianist() { return {{kPianoChannel, NoteRenderer()}}; }

  test::Scratch scratch_;
  const fs::path folder_ = scratch_.path();
};

TEST_F(AudioParts, OnlyRenderedSongsOfTheSplitAreUsed) {
  const auto splits = audio();
  ASSERT_EQ(splits->train.songs().size(), 2u);
  EXPECT_EQ(splits->train.songs()[0].name(), "001");
  EXPECT_EQ(splits->validate.songs().size(), 1u);
  EXPECT_EQ(splits->train.songs()[1].frames(), 12 * 24000 / 256);
  EXPECT_THROW(AudioCorpus(folder_, "test"), Error);
}

TEST_F(AudioParts, TheCacheHoldsTheFrontEndsMel) {
  const AudioSong song = audio()->train.songs()[0];
  std::vector<float> mel = dsp::mel(song.wave(0, 9 * 24000));
  dsp::normalise(mel);
  const torch::Tensor truth = torch::from_blob(mel.data(), {100, song.frames()}).t();
  EXPECT_LT((song.mel(0, song.frames()) - truth).abs().max().item<double>(), 5e-4);  // half a unit of fp16 near 1
  EXPECT_TRUE(fs::exists(folder_ / "mel_cache" / "001.mel16"));
  // Read again from the file, not computed again: a second reader sees the same, at any place.
  const auto written = fs::last_write_time(folder_ / "mel_cache" / "001.mel16");
  EXPECT_TRUE(torch::equal(audio()->train.songs()[0].mel(100, 50), song.mel(100, 50)));
  EXPECT_EQ(fs::last_write_time(folder_ / "mel_cache" / "001.mel16"), written);
}

TEST_F(AudioParts, ATruncatedCacheIsMadeAgain) {
  const torch::Tensor mel = audio()->train.songs()[0].mel(0, 300);
  fs::resize_file(folder_ / "mel_cache" / "001.mel16", 1000);
  EXPECT_TRUE(torch::equal(audio()->train.songs()[0].mel(0, 300), mel));
}

TEST_F(AudioParts, WhatCannotBeUsedIsToldAndTheOthersAre) {
  const auto told = [&] {
    testing::internal::CaptureStderr();
    const AudioCorpus corpus(folder_, "train");
    EXPECT_EQ(corpus.songs().size(), 1u);
    EXPECT_EQ(corpus.songs()[0].name(), "002");
    return testing::internal::GetCapturedStderr();
  };
  song("001", "train", 9, 44100);
  EXPECT_THAT(told(), testing::HasSubstr("001_no_vocals.flac is 44100 Hz"));
  std::ofstream(folder_ / "001_no_vocals.flac") << "fLaC, but no more";
  EXPECT_THAT(told(), testing::HasSubstr("001_no_vocals.flac cannot be read as a sound file"));
  const auto silence = [&](int seconds) {
    SndfileHandle file((folder_ / "001_no_vocals.flac").string(), SFM_WRITE, SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 1,
                       24000);
    const std::vector<float> wave(static_cast<size_t>(seconds) * 24000);
    file.write(wave.data(), std::ssize(wave));
  };
  silence(9);
  EXPECT_THAT(told(), testing::HasSubstr("001_no_vocals.flac is silent"));
  silence(4);
  EXPECT_THAT(told(), testing::HasSubstr("001_no_vocals.flac is 4 s long and its last note begins after 8"));
  std::ofstream(folder_ / "001.json") << "{ no song";
  EXPECT_THAT(told(), testing::HasSubstr("001.json is not a song of this corpus"));
}

TEST_F(AudioParts, AFileThatIsCutOffIsToldAndTheOthersAreUsed) {
  const fs::path flac = folder_ / "001_no_vocals.flac", wav = folder_ / "001.wav";
  const auto whole = fs::file_size(flac);
  {
    SndfileHandle from(flac.string());
    std::vector<float> wave(static_cast<size_t>(from.frames()));
    from.read(wave.data(), from.frames());
    SndfileHandle to(wav.string(), SFM_WRITE, SF_FORMAT_WAV | SF_FORMAT_PCM_16, 1, 24000);
    to.write(wave.data(), std::ssize(wave));
  }
  for (const uintmax_t percent : {99, 60, 20}) {
    fs::resize_file(flac, whole * percent / 100);
    testing::internal::CaptureStderr();
    const AudioCorpus corpus(folder_, "train");
    EXPECT_EQ(corpus.songs().size(), 1u) << percent << " % of a FLAC file";
    const std::string told = testing::internal::GetCapturedStderr();
    EXPECT_EQ(told.find("001_no_vocals.flac ends before its header says") != std::string::npos, percent == 99)
        << "once is enough: " << told;
    song("001", "train", 9, 24000);
  }
  fs::resize_file(wav, fs::file_size(wav) / 2);  // libsndfile reads what there is and calls it the whole
  const std::vector<SongNote> notes = {{8.75, .4, 60, 80, 0}};
  EXPECT_THAT(test::error_of([&] { AudioSong("001", wav, notes, folder_ / "x.mel16"); }),
              testing::HasSubstr("001.wav is 4 s long and its last note begins after 8"));
}

TEST_F(AudioParts, ACorpusOfNothingUsableIsRefused) {
  for (const std::string name : {"001", "002"}) std::ofstream(folder_ / (name + "_no_vocals.flac")) << "none";
  EXPECT_THAT(test::error_of([&] { AudioCorpus(folder_, "train"); }),
              testing::HasSubstr("holds no NAME_no_vocals.flac of the split \"train\""));
}

TEST_F(AudioParts, CropsAreSpreadOverTheSongs) {
  const auto splits = audio();
  Chance chance{1};
  int second = 0;
  for (int i = 0; i < 1000; ++i) {
    const Crop crop = splits->train.crop(chance, 384);
    ASSERT_GE(crop.first_frame, 0);
    ASSERT_LE(crop.first_frame + 384, crop.song->frames());
    second += crop.song->name() == "002";
  }
  // 460 places in the song of 843 frames, 742 in the one of 1125: .617 of the draws, deviation .015.
  EXPECT_NEAR(second / 1000.0, 742.0 / (742 + 460), .06);
}

TEST_F(AudioParts, AnInstrumentHasItsOwnSongsNotesAndCache) {
  EXPECT_THAT(test::error_of([&] { AudioCorpus(folder_, "train", "bass"); }),
              testing::AllOf(testing::HasSubstr("no NAME_bass.flac of the split \"train\""),
                             testing::HasSubstr("make_corpus --parts")));
  add_bass();
  const AudioCorpus bass(folder_, "train", "bass");
  ASSERT_EQ(bass.songs().size(), 1u);
  EXPECT_EQ(bass.songs()[0].notes(), (std::vector<Note>{{6000, 15600, 36, 90, 0}}));
  bass.songs()[0].mel(0, 10);
  EXPECT_TRUE(fs::exists(folder_ / "mel_cache" / "001_bass.mel16"));
  EXPECT_EQ(bass.find("002"), nullptr);
  PriorPart part(std::make_shared<AudioSplits>(folder_, "bass"), kFurtherInstruments[0], 2);
  EXPECT_EQ(part.name(), "prior_bass");
}

TEST_F(AudioParts, MixesAreTheStemsOfTheEnsembleAtTheirLevels) {
  std::shared_ptr<const Mixes> all = mixes();
  const auto drawn = [&](Ensemble ensemble) {
    Chance chance{4};
    return all->draw(false, chance, 96, ensemble, 0);
  };
  EXPECT_EQ(drawn(Ensemble::band).stems.size(), 1u) << "a corpus without parts is piano alone";
  add_bass();
  all = mixes();
  EXPECT_EQ(drawn(Ensemble::piano).stems.size(), 1u);
  EXPECT_EQ(drawn(Ensemble::strings).stems.size(), 1u);
  const Mix band = drawn(Ensemble::band);
  ASSERT_EQ(band.stems.size(), 2u);
  EXPECT_EQ(band.stems[1].channel, kBassChannel);
  const auto piano = band.stems[0].song->wave(24000, 1000), mix = band.wave(24000, 1000);
  const float gain = 1 + .5f * static_cast<float>(std::pow(10, kFurtherInstruments[0].level_db / 20));
  for (size_t i = 0; i < mix.size(); ++i) ASSERT_NEAR(mix[i], gain * piano[i], 1e-4);  // 16 bit
}

TEST_F(AudioParts, ABatchIsAFunctionOfSeedStepAndRank) {
  const auto splits = audio();
  std::vector<std::unique_ptr<Part>> parts;
  torch::manual_seed(1);
  parts.push_back(std::make_unique<PriorPart>(splits, 2));
  parts.push_back(std::make_unique<MagnitudePart>(mixes(), 2));
  parts.push_back(std::make_unique<DiffusionPart>(mixes(), pianist(), lite_edm_options(), 2));
  for (auto& part : parts) {
    torch::NoGradGuard no_grad;
    std::map<std::string, double> figures;
    const auto loss = [&](BatchKey key) { return part->loss(key, figures).item<double>(); };
    const double once = loss({7, 3, 0});
    loss({7, 4, 0});
    EXPECT_EQ(loss({7, 3, 0}), once) << part->name();  // whatever came between
    EXPECT_NE(loss({7, 3, 1}), once) << part->name();
    EXPECT_NE(loss({8, 3, 0}), once) << part->name();
  }
}

TEST_F(AudioParts, ThePriorLearnsTheBeeps) {
  torch::manual_seed(1);
  PriorPart part(audio(), 2);
  const double before = part.validate().at("mse");
  torch::optim::Adam adam(part.module().parameters(), torch::optim::AdamOptions(2e-3));
  for (int64_t step = 0; step < 30; ++step) {
    std::map<std::string, double> figures;
    adam.zero_grad();
    part.loss({1, step, 0}, figures).backward();
    adam.step();
  }
  const auto after = part.validate();
  EXPECT_LT(after.at("mse"), .5 * before);  // on a song it has not heard; a mean mel would not get there
  EXPECT_NEAR(after.at("l1_neper"), 7 * std::sqrt(after.at("mse")), 7 * std::sqrt(after.at("mse")));
}

TEST_F(AudioParts, DiffusionLeavesTheRendererAlone) {
  NoteRenderer renderer;
  DiffusionPart part(mixes(), {{kPianoChannel, renderer}}, lite_edm_options(), 2);
  std::map<std::string, double> figures;
  part.loss({1, 0, 0}, figures).backward();
  for (const auto& parameter : renderer->parameters()) EXPECT_FALSE(parameter.grad().defined());
  const auto validated = part.validate();
  // Before it has learnt a thing it answers mu + c_skip (x - mu): at sigma 2 that is mu, to 1 part in 1600.
  EXPECT_NEAR(validated.at("mse_at_2"), validated.at("mu_mse"), .02 * validated.at("mu_mse"));
}

}  // namespace
}  // namespace fastsag::model
