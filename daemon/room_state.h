#pragma once
// What the threads of one room share: the voice on its way in, the accompaniment on its way out, and a few numbers.
//
// Threads: every member says who writes it; atomics are read by anybody.
// Units: room positions, samples at the room's rate that only grow: those of the ring and of the timeline. A song
// position (what people and the model see) is a room position less the song's origin. A restart moves on to a new
// origin, so nothing is ever emptied under a reader.
#include <concurrentqueue/concurrentqueue.h>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "daemon/command.h"
#include "daemon/room.h"
#include "dsp/meter.h"
#include "dsp/ring_buffer.h"
#include "dsp/timeline.h"

namespace fastsag::daemon {

struct Song {
  uint32_t number = 0;
  int64_t begin = 0;   // room position of its first sample
  int64_t origin = 0;  // room position of its song position 0, a multiple of RoomState::grid()
};

// Of one output; they outlive it, so that sums only grow. Written by the output's thread.
struct OutputCounters {
  std::atomic<bool> taken{false};
  std::atomic<int64_t> ahead{0};  // 0 while nobody reads
  std::atomic<int64_t> stale{0}, gaps{0}, stale_samples{0}, gap_samples{0}, played_samples{0};
  std::atomic<float> level_db{static_cast<float>(dsp::kSilenceDb)};
};

struct RoomState {
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  static constexpr int kGridHz = 50;  // slices begin and end on whole 20 ms, which are whole samples at every rate

  explicit RoomState(const RoomSettings& settings);
  int64_t grid() const { return settings.sample_rate / kGridHz; }

  const RoomSettings settings;

  // Voice. Written by the producer.
  dsp::RingBuffer voice;
  std::atomic<int64_t> last_heard{-1};  // room position of the last sample that is not silence
  std::atomic<int64_t> lost_samples{0}, restarts{0};
  dsp::LevelMeter voice_level;
  Song song() const;
  void start_song(const Song& song);  // producer

  // Accompaniment. Written by the generation thread.
  dsp::Timeline timeline;
  std::atomic<Mode> mode;
  std::atomic<int64_t> delay{0};               // room samples, `delayed`
  std::atomic<int64_t> lead{0};                // room samples, `live`
  std::atomic<int64_t> expected_from{kNever};  // gaps before it are no fault
  std::atomic<bool> idle{true};
  std::atomic<uint64_t> seed;
  std::atomic<model::Ensemble> style;
  std::atomic<int64_t> windows{0}, dropped{0}, errors{0}, overruns{0};

  // Outputs.
  std::array<OutputCounters, dsp::Timeline::kMaxReaders> outputs;
  int64_t ahead() const;  // of the output that reads furthest ahead

  // Commands: any sender; taken by the generation thread.
  moodycamel::ConcurrentQueue<Command> commands;
  std::atomic<float> gain_db;
  std::atomic<bool> mute{false};

  // Listeners and the last plan.
  std::mutex mutex;
  std::vector<std::pair<uint64_t, std::function<void(const WindowEvent&)>>> listeners;
  uint64_t next_listener = 0;
  std::shared_ptr<const model::Plan> plan;
  void publish(const WindowEvent& event);

 private:
  std::atomic<uint32_t> song_writes_{0};  // odd while start_song() is at it
  std::atomic<uint32_t> song_number_{0};
  std::atomic<int64_t> song_begin_{0}, song_origin_{0};
};

}  // namespace fastsag::daemon
