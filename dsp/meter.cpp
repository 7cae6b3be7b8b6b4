#include "dsp/meter.h"

#include <ebur128.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "dsp/error.h"

namespace fastsag::dsp {

double to_db(double amplitude) { return amplitude > 1e-6 ? 20 * std::log10(amplitude) : kSilenceDb; }

LevelMeter::LevelMeter(int sample_rate)
    : peak_fall_(static_cast<float>(std::pow(10.0, -kPeakFallDbPerSecond / 20 / sample_rate))),
      rms_weight_(static_cast<float>(1 - std::exp(-1 / (kRmsSeconds * sample_rate)))) {}

void LevelMeter::add(std::span<const float> samples) {
  float peak = peak_.load(std::memory_order_relaxed), power = power_.load(std::memory_order_relaxed);
  for (const float sample : samples) {
    const float x = std::isfinite(sample) ? sample : 0.0f;  // one bad sample must not stick in the display
    peak = std::max(std::abs(x), peak * peak_fall_);
    power += rms_weight_ * (x * x - power);
  }
  peak_.store(peak, std::memory_order_relaxed);
  power_.store(power, std::memory_order_relaxed);
}

double LevelMeter::rms_db() const { return to_db(std::sqrt(power_.load(std::memory_order_relaxed))); }

struct LoudnessMeter::State {
  explicit State(int sample_rate)
      : ebur128(ebur128_init(1, static_cast<unsigned long>(std::max(sample_rate, 0)),
                             EBUR128_MODE_I | EBUR128_MODE_S | EBUR128_MODE_HISTOGRAM)) {
    if (!ebur128)
      throw Error("loudness meter: cannot measure at " + std::to_string(sample_rate) +
                  " Hz; expected 16 Hz to 2.8 MHz");
  }
  ~State() { ebur128_destroy(&ebur128); }
  double value(int (*measure)(ebur128_state*, double*)) const {
    double lufs = kSilenceDb;
    return measure(ebur128, &lufs) == EBUR128_SUCCESS ? std::max(lufs, kSilenceDb) : kSilenceDb;
  }
  ebur128_state* ebur128;
};

LoudnessMeter::LoudnessMeter(int sample_rate) : state_(std::make_unique<State>(sample_rate)) {}
LoudnessMeter::~LoudnessMeter() = default;

void LoudnessMeter::add(std::span<const float> samples) {
  if (ebur128_add_frames_float(state_->ebur128, samples.data(), samples.size()) != EBUR128_SUCCESS)
    throw Error("loudness meter: out of memory");
}

double LoudnessMeter::momentary_lufs() const { return state_->value(ebur128_loudness_momentary); }
double LoudnessMeter::short_term_lufs() const { return state_->value(ebur128_loudness_shortterm); }
double LoudnessMeter::integrated_lufs() const { return state_->value(ebur128_loudness_global); }

double loudness_lufs(std::span<const float> samples, int sample_rate) {
  LoudnessMeter meter(sample_rate);
  meter.add(samples);
  return meter.integrated_lufs();
}

}  // namespace fastsag::dsp
