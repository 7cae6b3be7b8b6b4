#pragma once
// How loud it is: a level for displays, and loudness as people hear it.
// Units: dB relative to full scale (a full-scale square wave has 0 dB peak and 0 dB RMS), LUFS; kSilenceDb at the
// least.
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

namespace fastsag::dsp {

inline constexpr double kSilenceDb = -120;
double to_db(double amplitude);  // kSilenceDb for 0

// Peak that rises at once and falls by 20 dB a second, RMS over about 300 ms: what a needle shows.
// Threads: add() from one thread, the levels from anywhere. Real-time: wait-free, no allocation.
class LevelMeter {
 public:
  static constexpr double kPeakFallDbPerSecond = 20, kRmsSeconds = 0.3;

  explicit LevelMeter(int sample_rate);
  void add(std::span<const float> samples);
  double peak_db() const { return to_db(peak_.load(std::memory_order_relaxed)); }
  double rms_db() const;

 private:
  float peak_fall_, rms_weight_;
  std::atomic<float> peak_{0}, power_{0};
};

// Loudness of one channel by libebur128. Memory stays the same however long it runs.
// Threads: one thread an object. Real-time: not for the audio callback (it may allocate).
// Source: ITU-R BS.1770-4, EBU R 128.
class LoudnessMeter {
 public:
  explicit LoudnessMeter(int sample_rate);
  ~LoudnessMeter();
  void add(std::span<const float> samples);
  double momentary_lufs() const;   // the last 400 ms
  double short_term_lufs() const;  // the last 3 s
  double integrated_lufs() const;  // everything so far, gated

 private:
  struct State;
  std::unique_ptr<State> state_;
};

double loudness_lufs(std::span<const float> samples, int sample_rate);  // integrated

}  // namespace fastsag::dsp
