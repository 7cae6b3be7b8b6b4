#include "model/bench_rooms.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "dsp/timeline.h"
#include "dsp/tune.h"

namespace fastsag::model {
namespace {

constexpr int64_t kGrid = 480, kTune = 4 * kSampleRate;  // samples; the tune comes again
constexpr int64_t kContext = 9 * kSampleRate / 10, kReserve = 3 * kSampleRate / 2, kPlayed = 10 * kSampleRate;
constexpr auto kCrossfade = static_cast<int64_t>(dsp::Timeline::kCrossfadeSeconds * kSampleRate);

int64_t on_grid(double seconds) { return std::max<int64_t>(1, std::llround(seconds * kSampleRate / kGrid)) * kGrid; }

}  // namespace

BenchRooms::BenchRooms(Accompanist& accompanist, const RoomsRequest& request)
    : accompanist_(accompanist),
      hop_(on_grid(request.hop_s)),
      reserve_(std::max(kReserve, hop_ + kSampleRate / 4)),
      voice_(dsp::sung_tune(accompanist.window_samples() + kTune)),
      rooms_(static_cast<size_t>(request.rooms)),
      requests_(rooms_.size()),
      results_(rooms_.size()) {
  controls_.style = request.style;
  if (request.style != Ensemble::piano)  // a scale has no pulse to be sure of, and a band without one does not play
    controls_.pulse = Pulse{.period = .5 * kSampleRate, .beats_per_bar = 4, .confidence = 1};
  const int64_t sung = accompanist.window_samples() - kContext;
  slice_end_ = (sung + hop_ - 1) / hop_ * hop_;
  for (size_t i = 0; i < rooms_.size(); ++i) rooms_[i].sung_from = static_cast<int64_t>(i) * 31 * kGrid % kTune;
}

void BenchRooms::ask() {
  for (size_t i = 0; i < rooms_.size(); ++i) requests_[i] = request(i);
}

void BenchRooms::remember() {
  for (size_t i = 0; i < rooms_.size(); ++i) remember(rooms_[i], results_[i]);
  slice_end_ += hop_;
  first_ = false;
}

WindowRequest BenchRooms::request(size_t index) const {
  const Room& room = rooms_[index];
  WindowRequest request{.voice_end = slice_end_ + kContext,
                        .write_begin = slice_end_ - hop_ - kGrid,
                        .write_end = slice_end_ + reserve_ + kGrid,
                        .known_end = slice_end_ - hop_,
                        .controls = controls_};
  const int64_t window = accompanist_.window_samples();
  const int64_t from = (room.sung_from + request.voice_end - window) % kTune;
  request.voice = std::span(voice_).subspan(static_cast<size_t>(from), static_cast<size_t>(window));
  request.controls.seed = index + 1;
  if (first_) return request;
  request.past = &room.plan;
  request.memory = room.memory;
  request.played = room.written;
  request.played_end = request.known_end + kCrossfade;
  return request;
}

// The slice becomes final; of the reserve the next window hears the crossfade.
void BenchRooms::remember(Room& room, WindowResult& result) {
  const std::vector<float>& audio = result.audio;
  std::swap(room.plan, result.plan);
  room.memory = std::move(result.memory);
  if (!first_) room.written.resize(room.written.size() - static_cast<size_t>(kCrossfade));
  room.written.insert(room.written.end(), audio.begin() + kGrid, audio.begin() + kGrid + hop_ + kCrossfade);
  const int64_t surplus = std::ssize(room.written) - kPlayed;
  if (surplus > 0) room.written.erase(room.written.begin(), room.written.begin() + surplus);
}

}  // namespace fastsag::model
