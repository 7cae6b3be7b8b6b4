#include "dsp/mel_scale.h"

#include <algorithm>

namespace fastsag::dsp {

std::vector<MelBand> mel_bands(int count, int fft_size, double sample_rate) {
  std::vector<double> corners(static_cast<size_t>(count) + 2);
  for (int i = 0; i < count + 2; ++i)
    corners[static_cast<size_t>(i)] = mel_to_hz(hz_to_mel(sample_rate / 2) * i / (count + 1));
  std::vector<MelBand> bands(static_cast<size_t>(count));
  for (size_t band = 0; band < bands.size(); ++band) {
    const double low = corners[band], peak = corners[band + 1], high = corners[band + 2];
    for (int bin = 0; bin <= fft_size / 2; ++bin) {
      const double hz = bin * sample_rate / fft_size;
      // Rounded once before the area is normalised, as the reference does: its basis is the same to the last bit or so.
      const auto height = static_cast<float>(std::min((hz - low) / (peak - low), (high - hz) / (high - peak)));
      if (height <= 0) continue;
      if (bands[band].weights.empty()) bands[band].first = static_cast<size_t>(bin);
      bands[band].weights.push_back(static_cast<float>(height * (2 / (high - low))));
    }
  }
  return bands;
}

}  // namespace fastsag::dsp
