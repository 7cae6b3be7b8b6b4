#pragma once
// Where a singer's voice enters a room.
//
// Threads: one producer thread at a time (an audio callback, or a network session); hand-over needs a happens-before.
// Real-time: push() and push_lost() at the room's own rate never allocate, lock or wait. push_at() may allocate.
// Units: song positions are samples in the singer's own count, sample 0 = the first one sung. Lost samples become
// silence and are counted; a jump backwards or another rate restarts the room's song (counted), cleanly.
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace fastsag::dsp {
class Resampler;
}

namespace fastsag::daemon {

struct RoomState;

class VoiceInput {
 public:
  explicit VoiceInput(std::shared_ptr<RoomState> state);
  ~VoiceInput();

  // The next samples, at the room's rate. NaN becomes silence.
  void push(std::span<const float> samples);
  // Samples that were sung but never arrived (an xrun).
  void push_lost(int64_t samples);
  // Samples at any rate (8 to 192 kHz) from a stated position in the singer's count, at that rate.
  void push_at(std::span<const float> samples, int sample_rate, int64_t first_sample);
  // A new song: what was sung before is forgotten, the next sample is song position `first_sample` (room rate).
  void restart(int64_t first_sample = 0);

  // Song position after the newest sample, at the room's rate.
  int64_t head() const;

 private:
  std::shared_ptr<RoomState> state_;
  std::unique_ptr<dsp::Resampler> resampler_;  // push_at() from another rate
  int rate_ = 0;                               // of the last push_at()
  int64_t expected_ = 0;                       // its next first_sample
  std::vector<float> resampled_;
};

}  // namespace fastsag::daemon
