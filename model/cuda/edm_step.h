#pragma once
// A step of the diffusion walk (edm.h) in one pass: the network's answer moves x, what is known of the mel is imposed,
// and the network's next input is written. The numbers of a step are read from a table on the device, so that a
// recorded loop serves any schedule of its length.
//
// Shapes: x, raw, mu, noise, known [items][bands][width] float; but raw, of which only the first `columns` of the
// width are there; mask, known_mask by [item][frame]; image [items][bands][columns][2] = (mu, scaled x) * mask,
// channels_last, float or bfloat16. Frames from `columns` on are outside the mask.
// Errors: a message, or null where all is well.
// Source: Karras et al. 2022; REFERENCE.md section 8; paper/accompanist.cpp for what is imposed.
#include <vector>

#include "model/cuda/portable.h"

namespace fastsag::model::cuda {

struct EdmRow {
  float of_x, of_raw;  // next x = x of_x + raw mask of_raw
  float known;         // where it is known: known + noise * this
  float in;            // network's input = next x * this
};

template <class T>
struct EdmArgs {
  const EdmRow* row;
  const float *x, *raw;  // raw may be null: 0
  float* out;            // may be x
  T* image;              // or null: the walk is at its end
  int64_t items, bands, width, columns;
  const float* mu;
  const float* mask;
  int64_t mask_stride;             // 0: one for all items
  const float *known, *known_mask;  // or null; known_mask [items][width]
  const float* noise;
};

template <class T>
const char* edm_step(const EdmArgs<T>& args, void* stream);
template <class T>
void edm_step_reference(const EdmArgs<T>& args);

// Rows 0 .. sigmas.size() - 1: the first makes x of the noise, row i goes from sigma i - 1 to sigma i, where the last
// imposes what is known without noise. One evaluation between two rows. `skip`, `out`, `in`: EdmScale at each sigma.
inline std::vector<EdmRow> edm_rows(const std::vector<double>& sigmas, const std::vector<double>& skip,
                                    const std::vector<double>& out, const std::vector<double>& in) {
  std::vector<EdmRow> rows;
  for (size_t i = 0; i < sigmas.size(); ++i) {
    const bool last = i + 1 == sigmas.size();
    const double ratio = i == 0 ? 0 : (sigmas[i] - sigmas[i - 1]) / sigmas[i - 1];
    rows.push_back({static_cast<float>(i == 0 ? sigmas[0] : 1 + ratio * (1 - skip[i - 1])),
                    static_cast<float>(i == 0 ? 0 : -ratio * out[i - 1]), static_cast<float>(last ? 0 : sigmas[i]),
                    static_cast<float>(last ? 0 : in[i])});
  }
  return rows;
}

template <class T>
FASTSAG_BOTH int64_t edm_threads(const EdmArgs<T>& a) {
  return a.items * a.bands * a.width;
}

template <class T>
FASTSAG_BOTH void edm_thread(const EdmArgs<T>& a, int64_t i) {
  const int64_t item = i / (a.bands * a.width), frame = i % a.width, at = i / a.width * a.columns + frame;
  const bool there = frame < a.columns;
  const EdmRow row = *a.row;
  const float mask = there ? a.mask[item * a.mask_stride + frame] : 0;
  float x = a.x[i] * row.of_x;
  if (a.raw && there) x += a.raw[at] * mask * row.of_raw;
  if (a.known && a.known_mask[item * a.width + frame] != 0) x = a.known[i] + row.known * a.noise[i];
  a.out[i] = x;
  if (a.image && there) store(a.image + 2 * at, {a.mu[i] * mask, x * row.in * mask});
}

}  // namespace fastsag::model::cuda
