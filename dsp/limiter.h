#pragma once
// Look-ahead limiter, the last thing before a device or a wire: no sample leaves it above -1 dBFS, whatever comes in
// (what is not a number becomes silence). It turns down ahead of a peak, within the latency, and comes back slowly, so
// that peaks are not clipped but lowered.
//
// Threads: one thread an object. Real-time: no allocation after construction, constant work a sample on average.
#include <cstdint>
#include <span>
#include <vector>

namespace fastsag::dsp {

class Limiter {
 public:
  static constexpr float kCeiling = 0.8912509f;  // -1 dBFS
  static constexpr double kLookAheadSeconds = 0.005, kReleaseSeconds = 0.1;

  explicit Limiter(int sample_rate);

  void process(std::span<float> samples);  // in place; what comes out is latency_samples() older
  int64_t latency_samples() const { return latency_; }
  float gain() const { return gain_; }  // of the newest sample, 1 = untouched

 private:
  struct Need {
    int64_t time;
    float gain;
  };
  float lowest_need(float gain);

  int64_t latency_;
  float release_;
  std::vector<float> delay_;     // the last latency_ + 1 samples
  std::vector<float> envelope_;  // the last latency_ + 1 gains, each no higher than what latency_ samples need
  std::vector<Need> needs_;  // of the last latency_ + 1 samples those lower than all after them: a queue, lowest first
  size_t first_need_ = 0, need_count_ = 0;
  size_t at_ = 0;
  int64_t time_ = 0;
  float followed_ = 1, gain_ = 1;
  double envelope_sum_;
};

}  // namespace fastsag::dsp
