#pragma once
// Whether the joins of an accompaniment are heard: how much its spectrum jumps where one window's audio is crossfaded
// into the next one's, beside how much it jumps anyway.
//
// Threads: one. Units: positions and samples at the rate of the constructor. Memory: one number a frame.
#include <cstdint>
#include <span>
#include <vector>

#include "dsp/resampler.h"

namespace fastsag::daemon {

struct JoinFigure {
  int64_t joins = 0;     // that fell where something sounds
  double at_joins = 0;   // log-mel jump (mean over the bands, frames of 10.7 ms, nepers): median over the joins
  double elsewhere = 0;  // median over all other places
  double ratio() const { return elsewhere > 0 ? at_joins / elsewhere : 0; }
};

class JoinMeter {
 public:
  explicit JoinMeter(int sample_rate);
  // In order, without a hole.
  void add(std::span<const float> accompaniment);
  // A window's audio begins to be heard here.
  void join(int64_t position) { joins_.push_back(position); }
  // Once, at the end.
  JoinFigure figure();

 private:
  void take_frames();

  const int sample_rate_;
  dsp::Resampler resampler_;
  std::vector<float> wave_;   // 24 kHz; begins at frame first_
  std::vector<float> jumps_;  // [k]: from frame k - 1 to frame k; negative where nothing sounds
  std::vector<int64_t> joins_;
  int64_t first_ = 0;
};

}  // namespace fastsag::daemon
