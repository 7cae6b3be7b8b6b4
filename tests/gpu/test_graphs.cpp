// What a recording promises, on a GPU: the same numbers, shared memory, and a stream that survives what goes wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <thread>

#include "model/device_graph.h"
#include "model/paper/accompanist.h"
#include "model/torch_device.h"
#include "tests/support/error_of.h"
#include "tests/support/scratch.h"
#include "tests/support/small_paper.h"

namespace fastsag::model {
namespace {

using testing::HasSubstr;

const torch::Device kGpu(torch::kCUDA, 0);
constexpr int64_t kWindow = 10 * kSampleRate;

class GraphsOnGpu : public testing::Test {
 protected:
  void SetUp() override {
    if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device here";
    tune_device(kGpu);
    stream_ = cuda_stream(kGpu);
  }
  static torch::Tensor floats(at::IntArrayRef shape) { return torch::ones(shape, kGpu); }

  const torch::NoGradGuard no_gradients_;
  std::unique_ptr<GraphStream> stream_;
};

TEST_F(GraphsOnGpu, ReadsWhatIsThereWhenItIsReplayed) {
  torch::Tensor in, out;
  stream_->run([&] { in = floats({1000}); });
  DeviceGraph graph(*stream_, [&] { out = in * 2 + 1; });
  ASSERT_TRUE(graph.recorded()) << graph.why_eager();
  for (const float value : {3.f, -5.f}) {
    stream_->run([&] { in.fill_(value); });
    graph.run();
    stream_->wait();
    EXPECT_EQ(out.cpu()[999].item<float>(), 2 * value + 1);
  }
}

// Work of 64 MB a room, all of it given back when it is done.
TEST_F(GraphsOnGpu, BatchesShareTheirMemory) {
  constexpr int64_t kRoom = 16 << 20;
  int64_t together = 0, apart = 0;
  std::vector<torch::Tensor> outs(6);
  std::vector<std::unique_ptr<DeviceGraph>> graphs;
  const auto work = [&](int64_t rooms, torch::Tensor& out) {
    return [rooms, &out] { out = (floats({rooms, kRoom}) * 2).sum(); };
  };
  for (int i = 0; i < 3; ++i) {
    graphs.push_back(std::make_unique<DeviceGraph>(*stream_, work(4 >> i, outs[i])));
    ASSERT_TRUE(graphs.back()->recorded()) << graphs.back()->why_eager();
    together += graphs.back()->bytes();
  }
  std::vector<std::unique_ptr<GraphStream>> streams;
  for (int i = 0; i < 3; ++i) {
    streams.push_back(cuda_stream(kGpu));
    graphs.push_back(std::make_unique<DeviceGraph>(*streams.back(), work(4 >> i, outs[3 + i])));
    apart += graphs.back()->bytes();
  }
  EXPECT_GE(together, 4 * kRoom * 4) << "what four rooms need";
  EXPECT_LT(together, .8 * static_cast<double>(apart)) << "the smaller ones use the largest one's";
  for (const int i : {2, 0, 1}) {  // in any order: no result lies in what another uses
    graphs[i]->run();
    stream_->wait();
    EXPECT_EQ(outs[i].cpu().item<float>(), static_cast<float>(2 * kRoom * (4 >> i)));
  }
  graphs.clear();
}

TEST_F(GraphsOnGpu, GiveTheirMemoryBack) {
  const int64_t before = device_facts(0).free_bytes;
  for (int i = 0; i < 4; ++i) {
    torch::Tensor out;
    const auto stream = cuda_stream(kGpu);
    DeviceGraph graph(*stream, [&] { out = floats({64 << 20}).cumsum(0); });
    EXPECT_TRUE(graph.recorded()) << graph.why_eager();
  }
  EXPECT_GT(device_facts(0).free_bytes, before - (256 << 20)) << "one leaves no 512 MB";
}

TEST_F(GraphsOnGpu, AStreamRecordsAgainAfterItsGraphsAreGone) {
  for (int i = 0; i < 3; ++i) {
    torch::Tensor out;
    DeviceGraph graph(*stream_, [&] { out = floats({1 << 20}) + i; });
    ASSERT_TRUE(graph.recorded()) << graph.why_eager();
    graph.run();
    stream_->wait();
    EXPECT_EQ(out.cpu()[7].item<float>(), 1.f + static_cast<float>(i));
  }
}

TEST_F(GraphsOnGpu, WhatCannotBeRecordedRunsAndHarmsNoOther) {
  torch::Tensor out;
  // It asks the device in between, which a recording cannot.
  DeviceGraph asking(*stream_, [&] { out = floats({10}) * floats({10}).sum().item<float>(); });
  EXPECT_FALSE(asking.recorded());
  EXPECT_THAT(asking.why_eager(), HasSubstr("CUDA"));
  EXPECT_EQ(asking.why_eager().find('\n'), std::string::npos);
  asking.run();
  stream_->wait();
  EXPECT_EQ(out.cpu()[0].item<float>(), 10);
  DeviceGraph thrown(*stream_, [&, runs = 0]() mutable {
    out = floats({10}) + 1;
    if (++runs > stream_->warm_ups()) throw Error("not while it is recorded");
  });
  EXPECT_EQ(thrown.why_eager(), "not while it is recorded");
  DeviceGraph good(*stream_, [&] { out = floats({10}) + 2; });
  ASSERT_TRUE(good.recorded()) << good.why_eager();
  good.run();
  stream_->wait();
  EXPECT_EQ(out.cpu()[0].item<float>(), 3);
}

TEST_F(GraphsOnGpu, OtherThreadsUseTheDeviceMeanwhile) {
  std::atomic<bool> stop = false;
  std::thread other([&] {
    for (int64_t i = 1; !stop; ++i) EXPECT_EQ(floats({i % 97 * 10000 + 1}).sum().item<float>(), i % 97 * 10000 + 1);
  });
  torch::Tensor out;
  for (int i = 0; i < 20; ++i) {
    DeviceGraph graph(*stream_, [&] {
      out = floats({256, 256});
      for (int k = 0; k < 50; ++k) out = out.mm(out) / 256;
    });
    EXPECT_TRUE(graph.recorded()) << graph.why_eager();
    graph.run();
    stream_->wait();
    EXPECT_EQ(out.cpu().max().item<float>(), 1);
  }
  stop = true;
  other.join();
}

TEST_F(GraphsOnGpu, TooLittleMemoryIsSaidAndPasses) {
  const int64_t total = device_facts(0).total_bytes;
  EXPECT_THAT(test::error_of([&] { torch_device("cuda", total + 1); }),
              testing::AllOf(HasSubstr(" free, and about "), HasSubstr("are needed")));
  const auto fill = [&] {
    try {
      DeviceGraph(*stream_, [&] { floats({total / 4 + 1}); });
    } catch (const c10::Error&) {
      throw_from_device(kGpu, "preparing");
    }
  };
  EXPECT_THAT(test::error_of(fill), HasSubstr("cuda:0, preparing: its memory is full"));
  torch::Tensor out;
  DeviceGraph small(*stream_, [&] { out = floats({10}); });
  EXPECT_TRUE(small.recorded()) << small.why_eager();
}

// The paper's form at a size of its own, with weights by formula.
class PaperOnGpu : public GraphsOnGpu {
 protected:
  void SetUp() override {
    GraphsOnGpu::SetUp();
    if (IsSkipped()) return;
    test::write_small_paper(folder_.path());
    for (int room = 0; room < 5; ++room) {
      std::vector<float>& voice = voices_.emplace_back(kWindow);
      const float step = (220 + 20 * static_cast<float>(room)) * 2 * 3.14159265f / kSampleRate;
      for (size_t i = 0; i < voice.size(); ++i) voice[i] = .2f * std::sin(static_cast<float>(i) * step);
    }
  }
  Preset preset() const { return load_preset_file(folder_ / "small.toml"); }
  std::unique_ptr<PaperAccompanist> load(const std::string& device = "cuda") const {
    return std::make_unique<PaperAccompanist>(preset(), AccompanistOptions{.device = device});
  }
  WindowRequest request(size_t room) const {
    return {.voice = voices_[room],
            .voice_end = kWindow,
            .write_begin = kWindow - 2 * kSampleRate,
            .write_end = kWindow - kSampleRate,
            .known_end = kWindow - 2 * kSampleRate,
            .played = std::span(voices_[4]).first(kWindow - 2 * kSampleRate),
            .played_end = kWindow - 2 * kSampleRate};
  }
  std::vector<std::vector<float>> generate(Accompanist& accompanist, const std::vector<size_t>& rooms) const {
    std::vector<WindowRequest> requests;
    for (const size_t room : rooms) requests.push_back(request(room));
    std::vector<WindowResult> results(rooms.size());
    accompanist.generate(requests, results);
    std::vector<std::vector<float>> sounds;
    for (const WindowResult& result : results) {
      EXPECT_EQ(result.error, "");
      sounds.push_back(result.audio);
    }
    return sounds;
  }
  static double difference(const std::vector<float>& a, const std::vector<float>& b) {
    EXPECT_EQ(a.size(), b.size());
    double apart = 0, power = 0;
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      apart += std::pow(a[i] - b[i], 2);
      power += a[i] * a[i];
    }
    EXPECT_GT(power, 0);
    return apart / power;
  }
  static PaperInputs inputs(PaperNetworks& networks, const PaperSizes& sizes, int64_t rooms,
                            const std::vector<std::vector<float>>& voices, torch::Device device) {
    std::vector<torch::Tensor> heard;
    for (int64_t i = 0; i < rooms; ++i) heard.push_back(networks.heard(voices[static_cast<size_t>(i)]));
    torch::manual_seed(1);
    PaperInputs in;
    in.heard = torch::stack(heard).to(device);
    in.noise = torch::randn({rooms, sizes.width, sizes.bands}).to(device);
    in.known = torch::randn({rooms, sizes.bands, sizes.width}).to(device);
    in.known_frames = (torch::arange(sizes.width) < 300).to(torch::kFloat).view({1, 1, -1}).repeat({rooms, 1, 1});
    in.known_frames = in.known_frames.to(device);
    return in;
  }
  static void walk(PaperNetworks& networks, const PaperInputs& in, PaperMade& made) {
    made = {};
    networks.hear(in, made);
    networks.condition(in, made);
    networks.sample(in, made);
  }

  test::Scratch folder_;
  std::vector<std::vector<float>> voices_;
};

TEST_F(PaperOnGpu, AReplayIsWhatTheSameKernelsMakeOneAtATime) {
  PaperNetworks networks(preset(), kGpu);
  for (const int64_t rooms : {1, 2, 4}) {
    PaperInputs in;
    PaperMade made, eager;
    stream_->run([&] { in = inputs(networks, preset().sizes, rooms, voices_, kGpu); });
    DeviceGraph graph(*stream_, [&] { walk(networks, in, made); });
    ASSERT_TRUE(graph.recorded()) << graph.why_eager();
    stream_->run([&] { walk(networks, in, eager); });
    graph.run();
    stream_->wait();
    EXPECT_TRUE(torch::equal(made.features, eager.features)) << rooms;
    EXPECT_TRUE(torch::equal(made.mu, eager.mu)) << rooms;
    EXPECT_TRUE(torch::equal(made.mel, eager.mel)) << rooms;
    EXPECT_TRUE(torch::isfinite(made.mel).all().item<bool>());
  }
}

TEST_F(PaperOnGpu, HasTheNumbersOfTheCpu) {
  PaperNetworks gpu(preset(), kGpu), cpu(preset(), torch::kCPU);
  PaperMade ours, truth;
  walk(cpu, inputs(cpu, preset().sizes, 2, voices_, torch::kCPU), truth);
  stream_->run([&] { walk(gpu, inputs(gpu, preset().sizes, 2, voices_, kGpu), ours); });
  stream_->wait();
  const auto apart = [](const torch::Tensor& a, const torch::Tensor& b) {
    return ((a.cpu() - b).norm() / b.norm()).item<double>();
  };
  EXPECT_LT(apart(ours.mu, truth.mu), .01) << "products in TF32 keep 10 bits";
  EXPECT_LT(apart(ours.mel, truth.mel), .02);
  const auto on_gpu = load(), on_cpu = load("cpu");
  EXPECT_LT(difference(generate(*on_cpu, {0})[0], generate(*on_gpu, {0})[0]), .05)
      << "phases magnify what hardly sounds";
}

TEST_F(PaperOnGpu, RoomsTogetherAreRoomsAlone) {
  const auto accompanist = load();
  accompanist->prepare(4);
  const DeviceStatus before = accompanist->device_status();
  ASSERT_EQ(before.graphs.size(), 3u) << before.why_eager;
  EXPECT_EQ(accompanist->best_batch(), kLargestBatch);
  const auto together = generate(*accompanist, {0, 1, 2});
  EXPECT_EQ(accompanist->device_status().replayed, before.replayed + 1);
  for (const size_t room : {0, 1, 2}) EXPECT_LT(difference(generate(*accompanist, {room})[0], together[room]), .02);
  EXPECT_EQ(generate(*accompanist, {0, 1, 2}), together) << "and the same again";
  EXPECT_EQ(accompanist->device_status().eager, 0);
}

TEST_F(PaperOnGpu, ABatchThatWasNeverPrepared) {
  const auto accompanist = load();
  const auto first = generate(*accompanist, {0, 1});
  EXPECT_EQ(accompanist->device_status().replayed, 1) << "recorded when it was asked for";
  const auto more = generate(*accompanist, {0, 1, 2, 3});
  EXPECT_EQ(more.size(), 4u);
  EXPECT_EQ(accompanist->device_status().replayed, 3) << "two turns";
  accompanist->prepare(4);
  EXPECT_EQ(accompanist->device_status().graphs.size(), 3u) << accompanist->device_status().why_eager;
  EXPECT_LT(difference(first[0], generate(*accompanist, {0})[0]), .02);
}

TEST_F(PaperOnGpu, PreparedOnOneThreadPlaysOnAnother) {
  std::unique_ptr<PaperAccompanist> accompanist;
  std::thread([&] {
    accompanist = load();
    accompanist->prepare(2);
  }).join();
  const auto here = generate(*accompanist, {0, 1});
  std::thread([&] { EXPECT_EQ(generate(*accompanist, {0, 1}), here); }).join();
  EXPECT_EQ(accompanist->device_status().eager, 0);
  std::thread([&] { accompanist.reset(); }).join();
}

TEST_F(PaperOnGpu, NumbersThatAreNoneAreSaidAndPass) {
  test::write_small_paper(folder_.path(), "denoiser");
  auto broken = load();
  WindowResult result;
  const WindowRequest asked = request(0);
  for (int i = 0; i < 2; ++i) {
    const std::string said = test::error_of([&] { broken->generate({&asked, 1}, {&result, 1}); });
    EXPECT_THAT(said, HasSubstr("the denoiser made numbers that are none"));
    EXPECT_EQ(said.find('\n'), std::string::npos) << said;
  }
  test::write_small_paper(folder_.path());
  const auto whole = load();
  const auto sound = generate(*whole, {0})[0];
  EXPECT_THAT(test::error_of([&] { broken->generate({&asked, 1}, {&result, 1}); }), HasSubstr("denoiser")) << "still";
  broken.reset();
  EXPECT_EQ(generate(*whole, {0})[0], sound) << "the device goes on";
}

// No GPU is needed for it.
TEST(LiteOnGpu, SaysThatItRunsOnTheCpu) {
  EXPECT_THAT(test::error_of([] { load_accompanist({.preset = "lite", .device = "cuda"}); }),
              HasSubstr("device \"cuda\" was asked for, but preset lite runs on the CPU"));
}

}  // namespace
}  // namespace fastsag::model
