// What a GPU is asked to do, counted without one.
#include "model/paper/device_work.h"

#include <gtest/gtest.h>

namespace fastsag::model {
namespace {

Preset small_preset() {
  Preset preset;
  preset.sizes.unet_dim = 16;
  preset.sizes.width = 64, preset.sizes.frames = 60;
  preset.denoiser.steps = 4;
  preset.vocoder.kind = "lite";
  return preset;
}

TEST(DeviceWork, OursStartsLessAndMovesLess) {
  const DeviceWork work = device_work(small_preset(), 1);
  // 25 convolutions, each with a norm of two starts; 5 of residuals; 4 changes of size with their biases; 6 attentions
  // of 7; 2 joinings; the last projection; the walk's own.
  EXPECT_EQ(work.step.own.launches, 25 * 3 + 5 + 4 * 2 + 6 * 7 + 2 + 1 + 1);
  EXPECT_GT(work.step.plain.launches, 1.8 * work.step.own.launches);
  EXPECT_GT(work.step.plain.bytes, 1.5 * work.step.own.bytes);
  EXPECT_EQ(work.vocoder.own.launches, 0) << "it works on the host";
}

TEST(DeviceWork, AWalkIsItsSteps) {
  Preset preset = small_preset();
  const DeviceWork four = device_work(preset, 1);
  preset.denoiser.steps = 9;
  const DeviceWork nine = device_work(preset, 1);
  EXPECT_EQ(nine.walk.own.launches - four.walk.own.launches, 5 * four.step.own.launches);
  EXPECT_EQ(nine.walk.plain.launches - four.walk.plain.launches, 5 * four.step.plain.launches);
}

TEST(DeviceWork, RoomsShareStartsAndWeights) {
  const DeviceWork one = device_work(small_preset(), 1), eight = device_work(small_preset(), 8);
  EXPECT_EQ(one.step.own.launches, eight.step.own.launches);
  EXPECT_GT(eight.step.own.bytes, 4 * one.step.own.bytes);
  EXPECT_LT(eight.step.own.bytes, 8 * one.step.own.bytes);
}

TEST(DeviceWork, HalfTheBytesInBfloat) {
  Preset preset = small_preset();
  const DeviceWork full = device_work(preset, 1);
  preset.precision = "bf16";
  const DeviceWork half = device_work(preset, 1);
  EXPECT_EQ(full.step.own.launches, half.step.own.launches);
  EXPECT_LT(half.step.own.bytes, .6 * full.step.own.bytes);
}

}  // namespace
}  // namespace fastsag::model
