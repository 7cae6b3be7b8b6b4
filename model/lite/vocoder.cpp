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
  const int64_t mel_end = first_frame + mel.size(0);
  if (end <= begin) return {};
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
  const torch::Tensor seen =
      mel.slice(0, net_first - first_frame, net_end - first_frame).to(torch::kCPU, torch::kFloat).contiguous();
  const std::span<const float> values =
      net_->magnitudes(workspace, {seen.const_data_ptr<float>(), static_cast<size_t>(seen.numel())},
                       phase_first - net_first, phase_end - phase_first);
  const std::vector<float> guide = notes.empty() ? std::vector<float>() : partials_of(notes, values, phase_first);
  const std::vector<float> samples = dsp::synthesize(values, phase_first, played, phase_, guide);
  const auto from = samples.begin() + (begin - phase_first * kHop);
  return {from, from + (end - begin)};
}

}  // namespace fastsag::model
