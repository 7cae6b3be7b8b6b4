#pragma once
// Another sample rate for a stream, on libsamplerate's band-limited sinc converters. Lengths and positions are exact:
// after n samples in and flush(), llround(n * to / from) samples are out, and what was at position p lies at
// p * to / from (the filter's delay is compensated: an impulse lands where it belongs).
//
// Threads: one thread an object. Real-time: process() allocates only where `out` has no room (reserve it).
// Errors: fastsag::Error at construction for rates that libsamplerate cannot convert.
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace fastsag::dsp {

// Stop-band and bandwidth of the filter against its cost: kFast 97 dB and 80 %, kGood 121 dB and 90 %, kBest 144 dB and
// 96 %.
enum class ResampleQuality { kFast, kGood, kBest };

class Resampler {
 public:
  Resampler(double from, double to, ResampleQuality quality = ResampleQuality::kGood);
  ~Resampler();
  Resampler(Resampler&&) noexcept;
  Resampler& operator=(Resampler&&) noexcept;

  // Appends to out what can be known so far; the last few milliseconds wait for the samples that follow.
  void process(std::span<const float> in, std::vector<float>& out);
  // End of the stream: appends the rest. Afterwards the object is as new.
  void flush(std::vector<float>& out);
  void reset();

  int64_t consumed() const { return consumed_; }  // samples in since the start or the last flush
  int64_t produced() const { return produced_; }  // samples out; the next one is of position produced()
  double from() const { return from_; }
  double to() const { return to_; }

 private:
  struct Converter;
  void convert(std::span<const float> in, std::vector<float>& out);

  double from_, to_;
  int64_t consumed_ = 0, produced_ = 0;
  std::unique_ptr<Converter> converter_;  // none where the rates are equal
};

std::vector<float> resample(std::span<const float> in, double from, double to,
                            ResampleQuality quality = ResampleQuality::kGood);

}  // namespace fastsag::dsp
