// The paper's form as it runs on a GPU, with a stream of the host in a GPU's place: padding, turns, slices, counting.
#include "model/paper/batches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "dsp/mel.h"
#include "model/paper/accompanist.h"
#include "tests/support/error_of.h"
#include "tests/support/host_stream.h"
#include "tests/support/scratch.h"
#include "tests/support/small_paper.h"

namespace fastsag::model {
namespace {
namespace batches {

using testing::HasSubstr;
constexpr int64_t kWindow = 10 * kSampleRate;

class PaperBatchesTest : public testing::Test {
 protected:
  void SetUp() override {
    test::write_small_paper(folder_.path());
    for (int room = 0; room < 9; ++room) {
      std::vector<float>& voice = voices_.emplace_back(kWindow);
      const float step = (220 + 20 * static_cast<float>(room)) * 2 * 3.14159265f / kSampleRate;
      for (size_t i = 0; i < voice.size(); ++i) voice[i] = .2f * std::sin(static_cast<float>(i) * step);
    }
  }
  Preset preset() const { return load_preset_file(folder_ / "small.toml"); }
  // stream_ is the stream that it records on.
  std::unique_ptr<PaperAccompanist> load(const std::string& refuses = {}) {
    auto stream = std::make_unique<test::HostStream>();
    stream->refuses = refuses;
    stream_ = stream.get();
    return std::make_unique<PaperAccompanist>(preset(), AccompanistOptions{.steps = 1}, std::move(stream));
  }
  std::vector<WindowRequest> requests(size_t rooms) const {
    std::vector<WindowRequest> all;
    for (size_t i = 0; i < rooms; ++i)
      all.push_back({.voice = voices_[i],
                     .voice_end = kWindow,
                     .write_begin = kWindow - 2 * kSampleRate,
                     .write_end = kWindow - kSampleRate,
                     .known_end = kWindow - 2 * kSampleRate});
    return all;
  }
  static std::vector<WindowResult> generate(Accompanist& accompanist, const std::vector<WindowRequest>& requests) {
    std::vector<WindowResult> results(requests.size());
    accompanist.generate(requests, results);
    return results;
  }

  test::Scratch folder_;
  std::vector<std::vector<float>> voices_;
  test::HostStream* stream_ = nullptr;
};

class PaperBatchesErrors : public PaperBatchesTest {};  // a process of its own, as suites are

TEST_F(PaperBatchesTest, AreWhatTheCpuMakes) {
  const auto recorded = load();
  PaperAccompanist plain(preset(), {.steps = 1});
  recorded->prepare(1);
  std::vector<WindowRequest> request = requests(1);
  EXPECT_EQ(generate(*recorded, request)[0].audio, generate(plain, request)[0].audio);
  request[0].played = std::span(voices_[3]).first(static_cast<size_t>(request[0].known_end));
  request[0].played_end = request[0].known_end;
  const auto known = generate(*recorded, request)[0].audio;
  EXPECT_EQ(known, generate(plain, request)[0].audio) << "what was played is imposed";
  request[0].played = {};
  EXPECT_EQ(generate(*recorded, request)[0].audio, generate(plain, request)[0].audio) << "and then forgotten";
}

TEST_F(PaperBatchesTest, FewerRoomsThanABatchHolds) {
  const auto recorded = load();
  recorded->prepare(3);
  const DeviceStatus before = recorded->device_status();
  ASSERT_EQ(before.graphs.size(), 3u);
  EXPECT_EQ(before.graphs[2].rooms, 4) << "the first of 1, 2, 4 that holds 3";
  EXPECT_GE(before.graphs[0].bytes, 2 * test::HostStream::kBytes) << "a graph to the mel, one from it";
  const int runs = stream_->runs, copies = stream_->copies, replays = stream_->replays;
  const auto together = generate(*recorded, requests(3));
  EXPECT_EQ(recorded->device_status().replayed, before.replayed + 1);
  EXPECT_EQ(stream_->copies, copies + 2) << "one in, one out";
  EXPECT_EQ(stream_->replays, replays + 2);
  EXPECT_EQ(stream_->runs, runs) << "no kernel beside the recorded ones, whatever the number of rooms";
  for (size_t i = 0; i < 3; ++i) {
    const auto alone = generate(*recorded, {requests(3)[i]})[0].audio;
    double difference = 0, power = 0;
    for (size_t k = 0; k < alone.size(); ++k) {
      difference += std::pow(alone[k] - together[i].audio[k], 2);
      power += alone[k] * alone[k];
    }
    EXPECT_LT(difference, .01 * power) << "sums of another order, which phases that hardly sound magnify";
  }
}

TEST_F(PaperBatchesTest, MoreRoomsThanTheLargestTakeTurns) {
  const auto recorded = load();
  recorded->prepare(2);
  const int64_t before = recorded->device_status().replayed;
  EXPECT_EQ(recorded->device_status().remark, "");
  const auto made = generate(*recorded, requests(3));
  EXPECT_EQ(recorded->device_status().remark, "a batch of 3 rooms was not prepared: they take turns, 2 at a time");
  EXPECT_EQ(recorded->device_status().replayed, before + 2) << "2, 1";
  for (const WindowResult& result : made) EXPECT_EQ(std::ssize(result.audio), kSampleRate);
  EXPECT_EQ(recorded->device_status().eager, 0);
}

TEST_F(PaperBatchesTest, NeverPrepared) {
  const auto recorded = load();
  EXPECT_EQ(std::ssize(generate(*recorded, requests(2))[1].audio), kSampleRate);
  EXPECT_EQ(recorded->device_status().replayed, 1);
  EXPECT_THAT(recorded->device_status().remark, HasSubstr("were not prepared"));
}

TEST_F(PaperBatchesErrors, WhatCannotBeRecordedIsPlayedAllTheSame) {
  const auto refused = load("no capture here");
  PaperAccompanist plain(preset(), {.steps = 1});
  refused->prepare(1);
  const int64_t before = refused->device_status().eager;
  EXPECT_EQ(generate(*refused, requests(1))[0].audio, generate(plain, requests(1))[0].audio);
  const DeviceStatus status = refused->device_status();
  EXPECT_EQ(status.eager, before + 1);
  EXPECT_EQ(status.replayed, 0);
  EXPECT_TRUE(status.graphs.empty());
  EXPECT_EQ(status.why_eager, "no capture here");
}

TEST_F(PaperBatchesErrors, NamesTheBlockWhoseNumbersAreNone) {
  for (const auto& [broken, name] : {std::pair{"semantic_encoder", "the semantic block made"},
                                     std::pair{"mixed_encoder", "the prior made"},
                                     {"denoiser", "the denoiser made"}}) {
    test::write_small_paper(folder_.path(), broken);
    const auto recorded = load();
    EXPECT_THAT(test::error_of([&] { generate(*recorded, requests(1)); }), HasSubstr(name));
  }
}

TEST_F(PaperBatchesErrors, NumbersThatAreNoneCostTheirRoomAlone) {
  const auto recorded = load();
  recorded->prepare(2);
  const auto whole = generate(*recorded, requests(2));
  std::vector<WindowRequest> broken = requests(2);
  const std::vector<float> infinite(static_cast<size_t>(kWindow), INFINITY);
  broken[0].played = std::span(infinite).first(static_cast<size_t>(broken[0].known_end));
  broken[0].played_end = broken[0].known_end;
  const auto made = generate(*recorded, broken);
  EXPECT_THAT(made[0].error, HasSubstr("made numbers that are none"));
  for (const float x : made[0].audio) ASSERT_EQ(x, 0) << "nothing of it may sound";
  EXPECT_EQ(made[1].error, "");
  EXPECT_EQ(made[1].audio, whole[1].audio);
  PaperAccompanist plain(preset(), {.steps = 1});
  const auto eager = generate(plain, broken);
  EXPECT_EQ(eager[0].error, made[0].error);
  EXPECT_EQ(eager[1].error, "");
  EXPECT_EQ(generate(*recorded, requests(2))[0].audio, whole[0].audio) << "and passes";
}

TEST_F(PaperBatchesTest, OnlyAGpuWantsRoomsTogether) {
  EXPECT_EQ(load()->best_batch(), kLargestBatch);
  EXPECT_EQ(PaperAccompanist(preset(), {.steps = 1}).best_batch(), 1) << "a core makes them one after the other";
}

TEST_F(PaperBatchesErrors, ASizeThatDoesNotFitIsLeftOut) {
  const auto recorded = load();
  recorded->prepare(1);
  const auto alone = generate(*recorded, requests(1))[0].audio;
  stream_->memory = 400'000;  // known mels alone are 100 x 1024 floats a room: two fit, four do not
  recorded->prepare(4);
  const DeviceStatus status = recorded->device_status();
  ASSERT_EQ(status.graphs.size(), 2u) << "1, 2";
  EXPECT_EQ(recorded->best_batch(), 2);
  EXPECT_EQ(
      status.remark,
      "a batch of 4 rooms does not fit into its memory (CUDA out of memory. Tried to allocate 1 GiB); the largest "
      "that does is of 2");
  const auto made = generate(*recorded, requests(3));
  EXPECT_EQ(recorded->device_status().replayed, status.replayed + 2) << "2, 1";
  EXPECT_EQ(made[2].error, "");
  EXPECT_EQ(generate(*recorded, requests(1))[0].audio, alone);
  stream_->memory = 1000;
  EXPECT_THROW(recorded->prepare(4), DeviceError) << "not even one";
  stream_->memory = std::numeric_limits<int64_t>::max();
  recorded->prepare(1);
  EXPECT_EQ(recorded->best_batch(), kLargestBatch);
}

TEST_F(PaperBatchesErrors, MemoryThatRunsOutIsTheDevices) {
  const auto recorded = load();
  recorded->prepare(1);
  stream_->fails = [] { throw c10::OutOfMemoryError({"function", "file", 1}, "CUDA out of memory. Tried 1 GiB"); };
  EXPECT_THROW(generate(*recorded, requests(1)), DeviceError);
  EXPECT_THROW(recorded->prepare(1), DeviceError) << "as another process may take it meanwhile";
  stream_->fails = {};
  EXPECT_EQ(std::ssize(generate(*recorded, requests(1))[0].audio), kSampleRate) << "and comes back";
}

// Sound of a frame is the sum of the mel's first band over 7 frames: what a slice leaves out on either side is heard.
class SumVocoder final : public Vocoder {
 public:
  std::vector<float> synthesize(const torch::Tensor& mel, int64_t first_frame, int64_t begin, int64_t end,
                                const dsp::Past&) override {
    const torch::Tensor all = render(mel.t().unsqueeze(0))[0].contiguous();
    const float* const data = all.const_data_ptr<float>() - first_frame * dsp::kMelHop;
    return {data + begin, data + end};
  }
  torch::Tensor render(const torch::Tensor& mel) override {
    const torch::Tensor band = mel.narrow(1, 0, 1);
    const torch::Tensor sum = torch::conv1d(band, torch::ones({1, 1, 7}), {}, 1, 3);
    return sum.squeeze(1).repeat_interleave(dsp::kMelHop, 1);
  }
  std::optional<int64_t> reach() const override { return 3; }
};

TEST_F(PaperBatchesTest, SlicesAreThoseOfTheWholeWindow) {
  test::HostStream stream;
  PaperNetworks networks(preset(), torch::kCPU);
  networks.set_steps(1);
  SumVocoder vocoder;
  const torch::InferenceMode no_gradients;
  PaperBatches all(preset(), torch::kCPU, networks, vocoder, stream);
  all.prepare(2);
  const int64_t end = 5 * kWindow / 4 + 100, first = (end + 255) / 256 * 256 - 937 * 256;
  const auto sounds = [&](std::vector<std::pair<int64_t, int64_t>> spans) {
    std::vector<PaperWindow> windows;
    for (const auto& [from, to] : spans) {
      WindowRequest request{.voice = voices_[0], .voice_end = end, .write_begin = from, .write_end = to};
      windows.push_back(paper_window(request, preset().sizes));
    }
    std::vector<PaperSound> made(windows.size());
    all.generate(windows, made);
    std::vector<std::vector<float>> audio;
    for (PaperSound& sound : made) audio.push_back(std::move(sound.audio));
    return audio;
  };
  const auto whole = sounds({{first, end}})[0];
  ASSERT_EQ(std::ssize(whole), end - first);
  const auto part = [&](int64_t from, int64_t to) {
    return std::vector<float>(whole.begin() + (from - first), whole.begin() + (to - first));
  };
  const std::vector<std::pair<int64_t, int64_t>> spans = {
      {first, first + 1},      {first + 255, first + 70000},      {end - 70001, end},
      {first + 513, end - 77}, {end - 2 * kSampleRate, end - 17}, {first + 100000, first + 165536}};
  EXPECT_EQ(sounds({spans[1]})[0], part(spans[1].first, spans[1].second)) << "alone";
  for (const auto& [from, to] : spans) {
    const auto two = sounds({{from, to}, {first + 3, end - 5}});
    for (const auto& [row, want] : {std::pair{0, part(from, to)}, std::pair{1, part(first + 3, end - 5)}}) {
      ASSERT_EQ(two[row].size(), want.size());
      double difference = 0;
      for (size_t i = 0; i < want.size(); ++i)
        difference = std::max<double>(difference, std::abs(two[row][i] - want[i]));
      EXPECT_LT(difference, 1e-3) << from - first << " beside a whole window: sums of another order";
    }
  }
  const auto [replayed, before] = std::pair{all.status().replayed, stream.replays};
  const int copies = stream.copies;
  sounds({{first, first + 10}, {first, end}});
  EXPECT_EQ(all.status().replayed, replayed + 1);
  EXPECT_EQ(stream.copies, copies + 2 + 3 * 2) << "each slice after the first: where it begins, and itself";
  EXPECT_EQ(stream.replays, before + 1 + 4) << "one walk to the mel, four slices of 256 frames for the longer room";
}

}  // namespace batches
}  // namespace
}  // namespace fastsag::model
