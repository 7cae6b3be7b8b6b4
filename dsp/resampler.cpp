#include "dsp/resampler.h"

#include <soxr.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>

#include "dsp/error.h"

namespace fastsag::dsp {
namespace {

constexpr double kFurthest = 256;  // one rate over the other
// Of the filter, in samples of the lower rate: 16 bits hear 84 of them, 20 bits 99, 28 bits 121.
constexpr double kReach = 128;

unsigned long recipe_of(ResampleQuality quality) {
  switch (quality) {
    case ResampleQuality::kFast:
      return SOXR_MQ;
    case ResampleQuality::kGood:
      return SOXR_HQ;
    case ResampleQuality::kBest:
      break;
  }
  return SOXR_VHQ;
}

// As many samples as `out` has. What the filter waits for at the end is silence, given as such: told of an end, libsoxr
// 0.1.3 keeps some of the last samples of 44.1 to 16 kHz, and all of a short piece of 96 to 24.
void convert_whole(std::span<const float> in, double from, double to, ResampleQuality quality, std::span<float> out) {
  static constexpr std::array<float, 4096> kSilence{};
  const soxr_quality_spec_t spec = soxr_quality_spec(recipe_of(quality), 0);
  soxr_error_t error = nullptr;
  const std::unique_ptr<soxr, void (*)(soxr_t)> converter(soxr_create(from, to, 1, &error, nullptr, &spec, nullptr),
                                                          soxr_delete);
  for (auto left = out; !left.empty() && !error;) {
    size_t taken = 0, made = 0;
    error = soxr_process(converter.get(), in.data(), in.size(), &taken, left.data(), left.size(), &made);
    left = left.subspan(made);
    in = taken < in.size() ? in.subspan(taken) : std::span<const float>(kSilence);
  }
  if (error) throw Error(std::string("libsoxr: ") + error);
}

}  // namespace

Resampler::Resampler(double from, double to, ResampleQuality quality)
    : from_(static_cast<int64_t>(from)), to_(static_cast<int64_t>(to)), quality_(quality) {
  const auto asked = [&] {
    return "resampler: rates of " + std::to_string(from) + " and " + std::to_string(to) + " Hz; ";
  };
  if (!(from >= 1 && to >= 1 && from < 1e9 && to < 1e9) || from != static_cast<double>(from_) ||
      to != static_cast<double>(to_))
    throw Error(asked() + "expected two positive whole numbers");
  if (std::max(from, to) / std::min(from, to) >= kFurthest)
    throw Error(asked() + "expected a ratio between 1/256 and 256");
  step_ = from_ / std::gcd(from_, to_);
  margin_ = static_cast<int64_t>(std::ceil(kReach * std::max(1.0, from / to)));
}

int64_t Resampler::known(int64_t more) const {
  const int64_t heard = consumed_ + more;
  return from_ == to_ ? heard : std::max(produced_, std::max<int64_t>(0, heard - margin_) * to_ / from_);
}

void Resampler::process(std::span<const float> in, std::vector<float>& out) {
  if (from_ == to_) {
    out.insert(out.end(), in.begin(), in.end());
    consumed_ = produced_ += std::ssize(in);
    return;
  }
  const int64_t end = known(std::ssize(in));
  heard_.insert(heard_.end(), in.begin(), in.end());
  consumed_ += std::ssize(in);
  convert(end, out);
}

void Resampler::flush(std::vector<float>& out) {
  convert(std::llround(static_cast<double>(consumed_) * static_cast<double>(to_) / static_cast<double>(from_)), out);
  reset();
}

void Resampler::reset() {
  consumed_ = produced_ = begin_ = 0;
  heard_.clear();
}

void Resampler::convert(int64_t end, std::vector<float>& out) {
  if (end <= produced_) return;
  const int64_t first = begin_ * to_ / from_;  // a whole number
  made_.resize(static_cast<size_t>(
      std::llround(static_cast<double>(heard_.size()) * static_cast<double>(to_) / static_cast<double>(from_))));
  convert_whole(heard_, static_cast<double>(from_), static_cast<double>(to_), quality_, made_);
  out.insert(out.end(), made_.begin() + static_cast<std::ptrdiff_t>(produced_ - first),
             made_.begin() + static_cast<std::ptrdiff_t>(end - first));
  produced_ = end;
  const int64_t needed = std::max<int64_t>(0, produced_ * from_ / to_ - margin_) / step_ * step_;
  if (needed <= begin_) return;
  heard_.erase(heard_.begin(), heard_.begin() + static_cast<std::ptrdiff_t>(needed - begin_));
  begin_ = needed;
}

std::vector<float> resample(std::span<const float> in, double from, double to, ResampleQuality quality) {
  const Resampler refuses_what_it_cannot(from, to, quality);
  if (from == to) return {in.begin(), in.end()};
  std::vector<float> out(static_cast<size_t>(std::llround(static_cast<double>(in.size()) * to / from)));
  if (!out.empty()) convert_whole(in, from, to, quality, out);
  return out;
}

}  // namespace fastsag::dsp
