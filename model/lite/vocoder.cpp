#include "model/lite/vocoder.h"

#include <algorithm>
#include <string>

#include "dsp/error.h"
#include "dsp/mel.h"
#include "model/lite/partials.h"

namespace fastsag::model {
namespace {

constexpr int64_t kHop = dsp::kMelHop;
// Of the kContext frames, those that also get phases: enough for windows to overlap fully at the ends of the span, and
// for the phases of the past to take hold.
constexpr int64_t kPhaseContext = 8;
static_assert(kPhaseContext + MagnitudeNetImpl::kReach <= LiteVocoder::kContext);

}  // namespace

std::vector<float> LiteVocoder::synthesize(const torch::Tensor& mel, int64_t first_frame, int64_t begin, int64_t end,
                                           const dsp::Past& played, std::span<const Note> notes) const {
  const torch::Tensor seen = mel.to(torch::kCPU, torch::kFloat).contiguous();
  std::vector<float> samples(static_cast<size_t>(std::max<int64_t>(0, end - begin)));
  synthesize({seen.const_data_ptr<float>(), static_cast<size_t>(seen.numel())}, first_frame, begin, played, notes,
             samples);
  return samples;
}

void LiteVocoder::synthesize(std::span<const float> mel, int64_t first_frame, int64_t begin, const dsp::Past& played,
                             std::span<const Note> notes, std::span<float> samples) const {
  const int64_t mel_end = first_frame + std::ssize(mel) / dsp::kMelBands, end = begin + std::ssize(samples);
  if (samples.empty()) return;
  if (begin < first_frame * kHop || end > mel_end * kHop)
    throw Error("the vocoder was asked for samples " + std::to_string(begin) + " to " + std::to_string(end) +
                " of a mel that covers " + std::to_string(first_frame * kHop) + " to " +
                std::to_string(mel_end * kHop));
  const auto inside = [&](int64_t frame) { return std::clamp(frame, first_frame, mel_end); };
  const int64_t first = begin / kHop, last = (end + kHop - 1) / kHop;
  const int64_t net_first = inside(first - kContext), net_end = inside(last + kContext);
  const int64_t phase_first = inside(first - kPhaseContext), phase_end = inside(last + kPhaseContext);

  thread_local Workspace workspace;
  workspace.reset();
  const auto seen = mel.subspan(static_cast<size_t>((net_first - first_frame) * dsp::kMelBands),
                                static_cast<size_t>((net_end - net_first) * dsp::kMelBands));
  const std::span<const float> values =
      net_->magnitudes(workspace, seen, phase_first - net_first, phase_end - phase_first);
  const dsp::Pooled<float> guide = notes.empty() ? dsp::Pooled<float>() : partials_of(notes, values, phase_first);
  dsp::Pooled<float> whole(static_cast<size_t>((phase_end - phase_first) * kHop));
  dsp::synthesize(values, phase_first, played, phase_, guide, whole);
  std::copy_n(whole.begin() + (begin - phase_first * kHop), samples.size(), samples.begin());
}

}  // namespace fastsag::model
