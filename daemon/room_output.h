#pragma once
// One reader of a room's accompaniment: a sound card, or a server that encodes it for all its listeners. Make-up gain,
// level, mute (ramped) and the limiter happen here, on the reading side, so that they answer at once.
//
// Threads: one thread reads. Several outputs of a room are independent.
// Real-time: every member but the constructor and destructor: no allocation, no lock, no wait.
// Units: song positions at the room's rate (voice_input.h). The accompaniment at position p belongs to the voice at p.
//
// In `delayed` mode position p is due when the voice has reached p + delay; in `live` mode `ahead` before it is sung.
#include <cstdint>
#include <memory>
#include <span>

namespace fastsag::daemon {

struct RoomState;

struct OutputSettings {
  // Live: how far ahead of the newest voice sample this output reads: its own latency (card, jitter buffer), samples.
  int64_t ahead = 0;
  bool gain = true;  // make-up, level, mute and limiter; without: what the model wrote
};

struct OutputRead {
  int64_t first_sample = 0;  // song position of the first sample
  int64_t stale = 0;         // samples out of the reserve, because a window is late
  int64_t gap = 0;           // samples of silence, because the reserve ended too
};

class RoomOutput {
 public:
  RoomOutput(std::shared_ptr<RoomState> state, const OutputSettings& settings);
  ~RoomOutput();
  RoomOutput(const RoomOutput&) = delete;

  // For streams: samples that are due and not yet read. Where a mode or song change makes it jump, it skips.
  int64_t available();
  // The next samples, whether due or not.
  OutputRead read(std::span<float> out);
  // For sound cards, which take a block at every callback: the block that ends at what is due. Follows a change of the
  // delay or of the mode with a crossfade.
  OutputRead play(std::span<float> out);
  // The voice at the samples of the last read(), for a mix that is aligned. False: some of it is no longer there.
  bool read_voice(const OutputRead& at, std::span<float> out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fastsag::daemon
