// Networks by packed weights against the modules that they were packed from, with random weights of a usual size.
#include <gtest/gtest.h>

#include <cmath>

#include "model/lite/roll.h"
#include "model/lite/steps.h"
#include "model/nn/beat_net.h"
#include "model/nn/chord_net.h"
#include "model/nn/denoiser.h"
#include "model/nn/magnitude_net.h"
#include "model/nn/note_generator.h"
#include "model/nn/note_renderer.h"

namespace fastsag::model::row_nets_test {
namespace {

using torch::Tensor;

// Of floats only the order of sums differs; bfloat16 has 8 bits for each factor.
constexpr double kSingleDb = 90, kHalfDb = 30;

std::span<const float> span_of(const Tensor& x) { return {x.const_data_ptr<float>(), static_cast<size_t>(x.numel())}; }
Tensor tensor_of(std::span<const float> x) { return torch::tensor(torch::ArrayRef<float>(x.data(), x.size())); }

double snr_db(const Tensor& truth, const Tensor& made) {
  const auto power = [](const Tensor& x) { return x.to(torch::kDouble).square().sum().item<double>(); };
  return 10 * std::log10(power(truth) / (power(made - truth) + 1e-30));
}

// Constructors leave what is learnt from zero at zero, where nothing could differ.
template <class Net>
Net stirred(Net net) {
  torch::manual_seed(3);
  const torch::NoGradGuard no_gradients;
  for (auto& parameter : net->named_parameters())
    if (parameter.key() != "templates" && parameter.key() != "background")
      parameter.value().add_(.05 * torch::randn_like(parameter.value()));
  net->eval();
  return net;
}

template <class Net>
void expect_same(Net net, const std::function<Tensor(Net&)>& run) {
  const torch::InferenceMode no_gradients;
  const Tensor truth = run(net);
  net->prepare(Precision::single);
  EXPECT_GT(snr_db(truth, run(net)), kSingleDb);
  net->prepare(Precision::half);
  EXPECT_GT(snr_db(truth, run(net)), kHalfDb);
}

TEST(RowNets, ChordNet) {
  const Tensor pitches = torch::rand({1, kSongSteps, 12, kPitchFeatures}),
               scalars = torch::rand({1, kSongSteps, kStepScalars});
  expect_same<ChordNet>(stirred(ChordNet()), [&](ChordNet& net) {
    return tensor_of(net->probabilities(span_of(pitches), span_of(scalars)));
  });
}

TEST(RowNets, BeatNet) {
  const Tensor features = torch::rand({1, kWindowSteps, kBeatFeatures});
  expect_same<BeatNet>(stirred(BeatNet()), [&](BeatNet& net) { return tensor_of(net->places(span_of(features))); });
}

// The whole walk, of one window and with a share of each band.
TEST(RowNets, DenoiserWalk) {
  const torch::InferenceMode no_gradients;
  Denoiser net = stirred(Denoiser());
  EdmOptions edm = lite_edm_options();
  const Tensor mu = .3 * torch::randn({1, 150, 100}), noise = torch::randn({1, 150, 100});
  const auto network = [&](auto&&... in) { return net->forward(in...); };
  for (const int steps : {1, 2, 4}) {
    edm.steps = steps;
    const Tensor truth = edm_sample(edm, network, noise, {}, mu);
    for (const auto& [precision, db] : {std::pair(Precision::single, kSingleDb), {Precision::half, kHalfDb}}) {
      const auto walked = [&](std::span<const float> share) {
        Tensor mel = mu.clone();
        DenoiserWalk(net, edm, precision, share)({mel.data_ptr<float>(), static_cast<size_t>(mel.numel())},
                                                 span_of(noise));
        return mel;
      };
      EXPECT_GT(snr_db(truth - mu, walked({}) - mu), db) << steps << " steps";
      EXPECT_GT(snr_db(with_grain(mu, truth) - mu, walked(grain_share()) - mu), db) << steps << " steps";
    }
  }
}

TEST(RowNets, NoteRenderer) {
  const std::vector<Note> notes = {{0, 24000, 60, 80}, {6000, 30000, 43, 60}, {24100, 48000, 60, 90}};
  const Tensor roll = note_roll(notes, -4, 240);
  expect_same<NoteRenderer>(stirred(NoteRenderer()), [&](NoteRenderer& net) {
    std::vector<float> mel(240 * 100);
    net->mu(span_of(roll), mel);
    return tensor_of(mel);
  });
}

TEST(RowNets, MagnitudeNetOfSomeFrames) {
  torch::manual_seed(4);
  const Tensor mel = torch::rand({60, 100}) - .5;
  expect_same<MagnitudeNet>(stirred(MagnitudeNet()), [&](MagnitudeNet& net) {
    Workspace workspace;
    const auto made = net->magnitudes(workspace, span_of(mel), 20, 30);
    return tensor_of(made).log();
  });
}

TEST(RowNets, NoteGeneratorWritesTheSame) {
  NoteGenerator net = stirred(NoteGenerator());
  std::vector<StepChord> chords(kWindowSteps, StepChord{2, Quality::minor});
  const auto conditions = note_conditions({}, chords, {});
  const std::vector<int64_t> positions(kWindowSteps, 7);
  const auto write = [&] { return net->sample(conditions, chords, {}, 0, 0, kWindowSteps, positions, {}); };
  const auto truth = write();
  ASSERT_GT(truth.size(), 30u);
  net->prepare(Precision::single);
  EXPECT_EQ(write(), truth);
}

// Rows one by one, or all at once: the same bits, so that a window does not depend on what stands beside it.
TEST(RowNets, ARowIsTheSameInAnyCompany) {
  torch::manual_seed(6);
  const Tensor matrix = torch::randn({37, 90}), x = torch::randn({13, 37});
  for (const Precision precision : {Precision::single, Precision::half}) {
    const Dense dense(matrix, {}, precision);
    Workspace workspace;
    std::vector<float> all(13 * 90), one(90);
    dense(workspace, {x.const_data_ptr<float>(), 13 * 37}, all);
    for (int64_t row = 0; row < 13; ++row) {
      dense(workspace, {x.const_data_ptr<float>() + row * 37, 37}, one);
      EXPECT_TRUE(std::equal(one.begin(), one.end(), all.begin() + row * 90)) << "row " << row;
    }
  }
}

}  // namespace
}  // namespace fastsag::model::row_nets_test
