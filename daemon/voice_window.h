#pragma once
// The last seconds of a room's voice at the model's rate.
//
// Threads: the generation thread. Units: song positions at 24 kHz.
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "daemon/room_state.h"
#include "dsp/resampler.h"

namespace fastsag::daemon {

class VoiceWindow {
 public:
  VoiceWindow(RoomState& room, int64_t window_samples);

  // A new song: what was heard before is forgotten.
  void start(const Song& song);
  // Takes what the producer has written since.
  void update();

  int64_t end() const;
  // At most window_samples that end there. Converted when asked for: a window at a time costs least.
  std::span<const float> samples();

 private:
  void convert();

  RoomState& room_;
  const int64_t window_samples_;
  dsp::Resampler resampler_;
  int64_t taken_ = 0;                 // room position up to which the ring was read
  std::vector<float> taken_samples_;  // of them, what is not in window_ yet
  int64_t begin_ = 0;                 // of window_
  std::vector<float> window_;         // up to twice window_samples, so that it moves seldom
};

}  // namespace fastsag::daemon
