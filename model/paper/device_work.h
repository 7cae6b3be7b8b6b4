#pragma once
// What a GPU is asked to do for a window: kernels started and bytes that they read and write, by our way (unet_walk.h,
// bigvgan_cuda.h) and an operator at a time, as LibTorch has it. Counted, not timed, and without a GPU: the same code
// runs on the CPU, through the kernels' references, on one room and on parts that tell the rest.
//
// An operator of LibTorch's that reads or writes memory is one start, with all that it is given and makes, however many
// the library makes of it: a lower bound. Views and allocations are none. Kernels of ours count themselves. Ours is in
// the preset's precision, plain LibTorch in fp32 alone.
#include "model/preset.h"

namespace fastsag::model {

struct LaunchWork {
  double launches = 0, bytes = 0;
};

struct DeviceWork {
  struct Part {
    LaunchWork own, plain;
  };
  Part step;     // one evaluation of the U-Net, and what the walk does after it
  Part walk;     // from noise to mel, by the preset's number of evaluations
  Part vocoder;  // of all of a window's frames; zeros where the vocoder works on the host
};

// Of `rooms` windows at once. Weights are not read; some seconds for the published sizes.
DeviceWork device_work(const Preset& preset, int rooms);

}  // namespace fastsag::model
