#pragma once
// Notes as the renderer hears them: for every mel frame and every key of the piano, how long ago it was struck, how
// long ago it was let go, and how hard. Times are continuous: a note between two frames is not rounded to either.
//
// Shapes: [frames][kKeys * kKeyFeatures], features of a key together; frame k is centred on sample 256 k + 128.
// Repeatable: a frame is a function of the notes and its absolute index, so windows that overlap agree.
#include <torch/torch.h>

#include <span>

#include "model/plan.h"

namespace fastsag::model {

inline constexpr int64_t kFrameHop = 256;
inline constexpr int kFirstKey = 21, kKeys = 88;  // A0 .. C8
inline constexpr int kAgeHats = 11, kReleaseHats = 4, kKeyFeatures = kAgeHats + kReleaseHats;
inline constexpr int kRollWidth = kKeys * kKeyFeatures;

// Age in seconds at which each age feature peaks; the last one holds from there on.
std::span<const double> age_knots();

// Frames [first_frame, first_frame + frames). Notes may be in any order and lie anywhere; keys off the piano are left
// out. A key that is struck again forgets its earlier note.
void add_to_roll(std::span<const Note> notes, int64_t first_frame, std::span<float> roll);  // of zeros
torch::Tensor note_roll(std::span<const Note> notes, int64_t first_frame, int64_t frames);

}  // namespace fastsag::model
