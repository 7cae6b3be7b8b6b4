#pragma once
// What the sound card's callback does, without the sound card: the singer's samples into the room, the accompaniment
// and the dry voice out to the speakers.
//
// Threads: process() one thread, or one that only gives input and one that only asks for output; set_monitor_db() and
// status() any.
// Real-time: process() never allocates, locks, logs or waits.
// Units: mono input and interleaved output at the room's rate.
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "daemon/room.h"
#include "dsp/limiter.h"

namespace fastsag::daemon {

struct AudioBlock {
  std::span<const float> input;  // empty where there is none
  std::span<float> output;       // frames x channels; empty where there is none
  int channels = 1;
  bool input_lost = false;             // since the block before, voice was sung that nobody recorded
  bool output_lost = false;            // the block before came too late
  std::optional<double> input_time_s;  // when the first input sample was sung, by the card's clock
};

struct AudioStatus {
  int64_t blocks = 0;
  int64_t xruns = 0;            // blocks that the card was not given, or did not give, in time
  int64_t lost_samples = 0;     // of the voice, in these
  double longest_block_ms = 0;  // that process() worked; longer than a block lasts would be an xrun of ours
};

class AudioLoop {
 public:
  // `output` may be null: the room is only sung into.
  AudioLoop(VoiceInput& voice, std::unique_ptr<RoomOutput> output, int sample_rate, float monitor_db);

  // One that a limiter has delayed: count it into RoomOutput's `ahead`.
  static int64_t latency_samples(int sample_rate) { return dsp::Limiter(sample_rate).latency_samples(); }

  void process(const AudioBlock& block);
  void set_monitor_db(float db);
  // Silence within 20 ms, from now on.
  void fade_out() { fading_.store(true, std::memory_order_relaxed); }
  bool faded_out() const { return silent_.load(std::memory_order_relaxed); }
  AudioStatus status() const;

 private:
  void listen(const AudioBlock& block);
  void play(std::span<const float> input, std::span<float> output, int channels);

  VoiceInput& voice_;
  const std::unique_ptr<RoomOutput> output_;
  dsp::Limiter limiter_;
  const int sample_rate_;
  const float ramp_;  // how far the monitor's gain moves a sample
  std::vector<float> mono_;
  float monitor_ = 0;
  float fade_ = 1;
  std::optional<double> expected_input_s_;

  std::atomic<float> monitor_target_;
  std::atomic<bool> fading_{false}, silent_{false};
  std::atomic<int64_t> blocks_{0}, xruns_{0}, lost_samples_{0}, longest_ns_{0};
};

}  // namespace fastsag::daemon
