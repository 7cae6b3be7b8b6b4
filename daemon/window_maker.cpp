#include "daemon/window_maker.h"

#include <algorithm>
#include <cmath>

#include "dsp/crossfade.h"
#include "dsp/error.h"
#include "dsp/resampler.h"

namespace fastsag::daemon {
namespace {

constexpr double kMargin_s = 0.1;  // beyond the time that windows take: voice comes in blocks, threads wake late
constexpr double kDelayStep_s = 0.05;
constexpr double kWorstLump_s = 0.5;
constexpr int64_t kEdge = WindowSchedule::kGrid;      // asked for on either side of a slice, for the resampler's filter
constexpr int64_t kPlayed = 10 * model::kSampleRate;  // of what was written before: what a model's window may hold
constexpr int64_t kCrossfade = static_cast<int64_t>(dsp::Timeline::kCrossfadeSeconds * model::kSampleRate);

int64_t to_samples(double seconds, int sample_rate = model::kSampleRate) { return std::llround(seconds * sample_rate); }

SliceSettings slice_settings(const RoomSettings& settings) {
  const auto grid = [](double seconds) { return grid_ceil(to_samples(seconds), WindowSchedule::kGrid); };
  SliceSettings slices{std::max(grid(settings.hop_s), 10 * WindowSchedule::kGrid), grid(settings.context_s), 0};
  slices.reserve = std::max(grid(settings.reserve_s), slices.hop + grid(0.25));  // survives one lost window
  return slices;
}

}  // namespace

WindowMaker::WindowMaker(RoomState& room, int64_t window_samples, const Pace& pace)
    : room_(room), slices_(slice_settings(room.settings)), voice_(room, window_samples), schedule_(slices_) {
  controls_.seed = room.seed;
  controls_.style = room.settings.style;
  controls_.temperature = room.settings.temperature;
  controls_.density = room.settings.density;
  controls_.loudness = room.settings.loudness;
  controls_.key = room.settings.key;
  controls_.chart = room.settings.chart;
  controls_.score = room.settings.score;
  start_song(room.song());
  follow_delay(pace.latency_s, true);
}

int64_t WindowMaker::to_room(int64_t song_position) const {
  return song_.origin + song_position / WindowSchedule::kGrid * room_.grid();
}

void WindowMaker::start_song(const Song& song) {
  song_ = song;
  voice_.start(song);
  schedule_.start(voice_.end());
  plan_ = nullptr;
  memory_ = nullptr;
  written_.clear();
  resume_ = true;
  room_.expected_from = RoomState::kNever;
  room_.timeline.reset(to_room(grid_floor(voice_.end(), WindowSchedule::kGrid)));
}

void WindowMaker::update(Nanoseconds now, const Pace& pace) {
  take_commands();
  if (const Song song = room_.song(); song.number != song_.number) {
    start_song(song);
    follow_delay(pace.latency_s, true);
  }
  voice_.update();
  update_idle(pace.latency_s);
  follow_delay(pace.latency_s, false);
  slice_.reset();
  due_since_.reset();
  if (!room_.idle) find_due(now, pace);
}

void WindowMaker::find_due(Nanoseconds now, const Pace& pace) {
  const bool live = room_.mode == Mode::live;
  const int64_t latency = to_samples(pace.latency_s), margin = to_samples(kMargin_s);
  const auto from_room = [&](int64_t samples) {
    return to_samples(static_cast<double>(samples) / room_.settings.sample_rate);
  };
  const int64_t playing = voice_.end() + (live ? from_room(room_.ahead()) : -from_room(room_.delay));
  const WindowSchedule::Time time{.voice_end = voice_.end(),
                                  .lead = playing + latency + margin - voice_.end(),
                                  .earliest = playing + to_samples(pace.generate_s),  // what it waited lies behind it
                                  .margin = margin};
  if (live) room_.lead = to_samples(static_cast<double>(time.lead) / model::kSampleRate, room_.settings.sample_rate);
  slice_ = schedule_.due(room_.mode, time);
  if (!slice_) return;
  time_left_ = Nanoseconds((slice_->begin - playing) * 1'000'000'000 / model::kSampleRate);
  // A voice that comes in lumps makes windows late like a slow model does, and is allowed for alike; up to a point.
  const int64_t overdue =
      resume_ ? 0 : std::min(schedule_.overdue(room_.mode, time, *slice_), to_samples(kWorstLump_s));
  due_since_ = now - Nanoseconds(overdue * 1'000'000'000 / model::kSampleRate);
}

void WindowMaker::take_commands() {
  Command command;
  while (room_.commands.try_dequeue(command)) {
    if (const auto* mode = std::get_if<SetMode>(&command)) set_mode(mode->mode);
    if (const auto* seed = std::get_if<SetSeed>(&command)) controls_.seed = seed->seed;
    if (std::get_if<NextSeed>(&command)) ++controls_.seed;
    if (const auto* pulse = std::get_if<SetPulse>(&command)) controls_.pulse = pulse->pulse;
    if (const auto* temperature = std::get_if<SetTemperature>(&command))
      controls_.temperature = temperature->temperature;
    if (const auto* density = std::get_if<SetDensity>(&command)) controls_.density = density->density;
    if (const auto* loudness = std::get_if<SetLoudness>(&command)) controls_.loudness = loudness->loudness;
    if (const auto* style = std::get_if<SetStyle>(&command)) controls_.style = style->style;
    if (const auto* key = std::get_if<SetKey>(&command)) controls_.key = key->key;
    if (const auto* chart = std::get_if<SetChart>(&command)) controls_.chart = chart->chart;
  }
  room_.seed = controls_.seed;
  room_.style = controls_.style;
}

void WindowMaker::set_mode(Mode mode) {
  if (mode == room_.mode) return;
  room_.expected_from = RoomState::kNever;
  resume_ = true;
  room_.mode = mode;
}

// Grows when windows take longer than was allowed for; shrinks only where nobody hears it.
void WindowMaker::follow_delay(double latency_s, bool may_shrink) {
  const double hop_s = static_cast<double>(slices_.hop) / model::kSampleRate;
  const double context_s = static_cast<double>(slices_.context) / model::kSampleRate;
  const double needed_s = hop_s + context_s + latency_s + kMargin_s;
  const double rounded_s = std::ceil(needed_s / kDelayStep_s - 1e-6) * kDelayStep_s;
  const int64_t delay = to_samples(rounded_s, room_.settings.sample_rate);
  if (may_shrink || delay > room_.delay) room_.delay = delay;
}

void WindowMaker::update_idle(double latency_s) {
  const int64_t heard = room_.last_heard;
  const bool rests = heard <= song_.begin || static_cast<double>(room_.voice.end() - heard) >
                                                 room_.settings.idle_s * room_.settings.sample_rate;
  const bool idle = rests && !controls_.score;  // a score plays on without a voice
  if (idle == room_.idle) return;
  if (idle) {
    room_.expected_from = RoomState::kNever;
  } else {
    resume_ = true;
    follow_delay(latency_s, true);
  }
  room_.idle = idle;
}

model::WindowRequest WindowMaker::request() {
  model::WindowRequest request;
  request.voice = voice_.samples();
  request.voice_end = voice_.end();
  request.write_begin = std::max<int64_t>(0, slice_->begin - kEdge);
  request.write_end = slice_->reserve_end + kEdge;
  request.known_end = slice_->begin;
  request.past = plan_.get();
  request.memory = memory_;
  request.controls = controls_;
  // Into the crossfade, where the old reserve is still heard; nothing where it had ended before.
  const int64_t played_end = std::min(written_end_, slice_->begin + kCrossfade);
  const int64_t played_begin = std::max(played_end - kPlayed, written_end_ - std::ssize(written_));
  if (!written_.empty() && played_end >= slice_->begin && played_begin < played_end) {
    request.played_end = played_end;
    request.played =
        std::span(written_).subspan(static_cast<size_t>(played_begin - (written_end_ - std::ssize(written_))),
                                    static_cast<size_t>(played_end - played_begin));
  }
  return request;
}

void WindowMaker::accept(const model::WindowResult& result) {
  const SliceSpan slice = *slice_;
  schedule_.advance(slice);
  due_since_.reset();
  if (room_.song().number != song_.number) return;  // nobody waits for it any more
  if (!write(result)) {
    room_.dropped.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  remember(result);
  room_.windows.fetch_add(1, std::memory_order_relaxed);
  if (resume_) room_.expected_from = to_room(slice.begin);
  resume_ = false;
  plan_ = std::make_shared<const model::Plan>(result.plan);
  memory_ = result.memory;
  room_.publish({room_.mode, plan_, slice.begin, slice.end, song_.number});
}

void WindowMaker::failed() {
  schedule_.advance(*slice_);
  due_since_.reset();
  room_.errors.fetch_add(1, std::memory_order_relaxed);
}

// At the room's rate, onto its timeline.
bool WindowMaker::write(const model::WindowResult& result) {
  const int64_t begin = std::max<int64_t>(0, slice_->begin - kEdge);
  if (std::ssize(result.audio) != slice_->reserve_end + kEdge - begin)
    throw Error("the model wrote " + std::to_string(result.audio.size()) + " samples where " +
                std::to_string(slice_->reserve_end + kEdge - begin) + " were asked for");
  if (!std::ranges::all_of(result.audio, [](float sample) { return std::isfinite(sample); }))
    throw Error("the model wrote samples that are not numbers");
  const auto audio = dsp::resample(result.audio, model::kSampleRate, room_.settings.sample_rate);
  const auto first = static_cast<size_t>((slice_->begin - begin) / WindowSchedule::kGrid * room_.grid());
  const int64_t slice_begin = to_room(slice_->begin), reserve_end = to_room(slice_->reserve_end);
  return room_.timeline.write({slice_begin, to_room(slice_->end),
                               std::span(audio).subspan(first, static_cast<size_t>(reserve_end - slice_begin))});
}

// The same join as the timeline's, at the model's rate.
void WindowMaker::remember(const model::WindowResult& result) {
  const int64_t begin = std::max<int64_t>(0, slice_->begin - kEdge);
  const auto fresh = std::span(result.audio)
                         .subspan(static_cast<size_t>(slice_->begin - begin),
                                  static_cast<size_t>(slice_->reserve_end - slice_->begin));
  const int64_t written_begin = written_end_ - std::ssize(written_);
  std::vector<float> next;
  if (written_end_ >= slice_->begin + kCrossfade && written_begin <= slice_->begin) {
    const auto join = static_cast<size_t>(slice_->begin - written_begin);
    const size_t kept = std::min(join, static_cast<size_t>(kPlayed));
    next.assign(written_.begin() + static_cast<std::ptrdiff_t>(join - kept),
                written_.begin() + static_cast<std::ptrdiff_t>(join));
    const auto overlap = static_cast<size_t>(std::min(kCrossfade, std::ssize(fresh)));
    next.resize(kept + overlap);
    dsp::crossfade(std::span(written_).subspan(join, overlap), fresh.first(overlap), std::span(next).last(overlap));
    next.insert(next.end(), fresh.begin() + static_cast<std::ptrdiff_t>(overlap), fresh.end());
  } else {
    next.assign(fresh.begin(), fresh.end());
  }
  written_ = std::move(next);
  written_end_ = slice_->reserve_end;
}

}  // namespace fastsag::daemon
