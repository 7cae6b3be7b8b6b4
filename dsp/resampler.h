#pragma once
// Another sample rate, by libsoxr. Lengths and positions are exact: after n samples in and flush(), llround(n * to /
// from) samples are out, and what was at position p lies at p * to / from (the filter is symmetric and its delay taken
// out).
//
// libsoxr is made for whole sounds: as a stream it holds up to 40 ms back. So a stream is converted piece by piece,
// each with as much of the sound before and after it as the filter hears; that holds less than 6 ms back (at 24 kHz),
// and a piece costs 30 to 90 us beside what its samples cost, so that larger pieces are cheaper.
//
// Threads: one thread an object; not for an audio callback, it allocates.
// Errors: fastsag::Error at construction for rates that are not whole numbers or further apart than 1 : 256.
#include <cstdint>
#include <span>
#include <vector>

namespace fastsag::dsp {

// Stop-band and accuracy against cost: kFast 16 bits, kGood 20, kBest 28; all keep 91 % of the band.
enum class ResampleQuality { kFast, kGood, kBest };

class Resampler {
 public:
  Resampler(double from, double to, ResampleQuality quality = ResampleQuality::kGood);

  // Appends to out what can be known so far; the last few milliseconds wait for the samples that follow.
  void process(std::span<const float> in, std::vector<float>& out);
  // End of the stream: appends the rest. Afterwards the object is as new.
  void flush(std::vector<float>& out);
  void reset();

  int64_t consumed() const { return consumed_; }  // samples in since the start or the last flush
  int64_t produced() const { return produced_; }  // samples out; the next one is of position produced()
  int64_t known(int64_t more) const;              // what produced() would be after so many further samples

 private:
  void convert(int64_t end, std::vector<float>& out);  // up to output sample `end`

  int64_t from_, to_;
  ResampleQuality quality_;
  int64_t step_;    // input samples from one that an output sample falls on to the next one
  int64_t margin_;  // input samples that the filter hears on either side
  int64_t consumed_ = 0, produced_ = 0;
  int64_t begin_ = 0;         // of heard_, a multiple of step_
  std::vector<float> heard_;  // what may still be needed of the input
  std::vector<float> made_;
};

std::vector<float> resample(std::span<const float> in, double from, double to,
                            ResampleQuality quality = ResampleQuality::kGood);

}  // namespace fastsag::dsp
