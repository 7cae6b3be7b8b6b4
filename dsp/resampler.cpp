#include "dsp/resampler.h"

#include <samplerate.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "dsp/error.h"

namespace fastsag::dsp {
namespace {

int converter_type(ResampleQuality quality) {
  switch (quality) {
    case ResampleQuality::kFast:
      return SRC_SINC_FASTEST;
    case ResampleQuality::kGood:
      return SRC_SINC_MEDIUM_QUALITY;
    case ResampleQuality::kBest:
      break;
  }
  return SRC_SINC_BEST_QUALITY;
}

}  // namespace

struct Resampler::Converter {
  Converter(double ratio, ResampleQuality quality) {
    int error = 0;
    if (src_is_valid_ratio(ratio)) state = src_new(converter_type(quality), 1, &error);
  }
  ~Converter() { src_delete(state); }
  SRC_STATE* state = nullptr;
};

Resampler::Resampler(double from, double to, ResampleQuality quality) : from_(from), to_(to) {
  if (!(from > 0 && to > 0 && std::isfinite(from) && std::isfinite(to)))
    throw Error("resampler: rates of " + std::to_string(from) + " and " + std::to_string(to) +
                " Hz; expected two positive numbers");
  if (from == to) return;
  converter_ = std::make_unique<Converter>(to / from, quality);
  if (!converter_->state)
    throw Error("resampler: cannot convert " + std::to_string(from) + " Hz to " + std::to_string(to) +
                " Hz; expected a ratio between 1/256 and 256");
}

Resampler::~Resampler() = default;
Resampler::Resampler(Resampler&&) noexcept = default;
Resampler& Resampler::operator=(Resampler&&) noexcept = default;

void Resampler::process(std::span<const float> in, std::vector<float>& out) {
  consumed_ += std::ssize(in);
  convert(in, out);
}

// The converter centres its filter on the first sample, so positions need no correction; all that is missing at the end
// is what the filter waits for, which is silence.
void Resampler::flush(std::vector<float>& out) {
  const int64_t total = std::llround(static_cast<double>(consumed_) * to_ / from_);
  static constexpr std::array<float, 256> kSilence{};
  while (produced_ < total) convert(kSilence, out);
  out.resize(out.size() - static_cast<size_t>(produced_ - total));
  reset();
}

void Resampler::reset() {
  if (converter_) src_reset(converter_->state);
  consumed_ = produced_ = 0;
}

void Resampler::convert(std::span<const float> in, std::vector<float>& out) {
  if (!converter_) {
    out.insert(out.end(), in.begin(), in.end());
    produced_ += std::ssize(in);
    return;
  }
  std::array<float, 512> chunk;
  int64_t made = std::ssize(chunk);
  // The converter swallows input before it has given all the output of it: asked again until it fills no chunk any
  // more.
  while (!in.empty() || made == std::ssize(chunk)) {
    SRC_DATA data{};
    data.data_in = in.data();
    data.input_frames = std::ssize(in);
    data.data_out = chunk.data();
    data.output_frames = std::ssize(chunk);
    data.src_ratio = to_ / from_;
    if (src_process(converter_->state, &data) != 0) return;  // only for arguments that the constructor has ruled out
    made = data.output_frames_gen;
    out.insert(out.end(), chunk.begin(), chunk.begin() + made);
    produced_ += made;
    in = in.subspan(static_cast<size_t>(data.input_frames_used));
  }
}

std::vector<float> resample(std::span<const float> in, double from, double to, ResampleQuality quality) {
  Resampler resampler(from, to, quality);
  std::vector<float> out;
  out.reserve(static_cast<size_t>(static_cast<double>(in.size()) * to / from) + 1024);
  resampler.process(in, out);
  resampler.flush(out);
  return out;
}

}  // namespace fastsag::dsp
