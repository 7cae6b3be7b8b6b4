#include "daemon/engine.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>

#include "daemon/niceness.h"
#include "daemon/window_maker.h"
#include "dsp/error.h"
#include "dsp/tune.h"

namespace fastsag::daemon {
namespace {

using namespace std::chrono_literals;

constexpr Nanoseconds kPoll = 5ms;   // how often rooms are looked at; audio threads cannot wake anybody
constexpr Nanoseconds kStuck = 10s;  // a step that takes so long does not come back
constexpr Nanoseconds kErrorLogEvery = 60s;
constexpr Nanoseconds kNoteEvery = 1s;
constexpr int kWarmUpWindows = 4;  // the first pays for caches and is not counted

Nanoseconds patience(const RoomSettings& settings) {
  return std::max<Nanoseconds>(
      3s, std::chrono::duration_cast<Nanoseconds>(std::chrono::duration<double>(2 * settings.hop_s)));
}

// The 95th percentile, once there are enough windows that one slow one does not decide it.
double usual(const Durations& durations) {
  const double enough = 20, size = static_cast<double>(durations.size());
  return durations.percentile(size >= enough ? 0.95 : std::max(0.0, (size - 1) / std::max(size, 1.0)));
}

}  // namespace

struct Engine::Seat {
  Seat(std::shared_ptr<Room> its_room, int64_t window_samples, const Pace& pace)
      : room(std::move(its_room)), maker(room->state(), window_samples, pace) {}

  std::shared_ptr<Room> room;
  WindowMaker maker;                          // generation thread only
  std::optional<Nanoseconds> deadline;        // of the window that is due; the same
  std::atomic<int64_t> waiting_since_ns{-1};  // a window has been due and not written since
};

Engine::Engine(model::Accompanist& accompanist, Clock& clock, const EngineSettings& settings)
    : accompanist_(accompanist), clock_(clock), settings_(settings) {}
Engine::~Engine() = default;

int Engine::best_batch() const { return std::clamp(accompanist_.best_batch(), 1, settings_.max_batch); }

void Engine::prepare() {
  accompanist_.prepare(best_batch());
  note_player();
  if (settings_.assumed_generation_s) return;
  const std::vector<float> voice = dsp::sung_tune(accompanist_.window_samples());
  const RoomSettings room;
  model::WindowRequest request;
  request.voice = voice;
  request.voice_end = std::ssize(voice);
  request.write_begin = request.known_end = request.voice_end - static_cast<int64_t>(room.hop_s * model::kSampleRate);
  request.write_end = request.voice_end + static_cast<int64_t>(room.reserve_s * model::kSampleRate);
  for (int i = 0; i < kWarmUpWindows; ++i) {
    model::WindowResult result;
    const auto begin = clock_.now();
    accompanist_.generate({&request, 1}, {&result, 1});
    const std::scoped_lock lock(mutex_);
    if (i == 0) continue;
    latencies_.add(seconds(clock_.now() - begin));
    durations_.add(seconds(clock_.now() - begin));
  }
  spdlog::info("model {} is ready: a window takes {:.0f} ms", accompanist_.preset(), pace().generate_s * 1000);
}

Pace Engine::pace() const {
  if (settings_.assumed_generation_s) return {*settings_.assumed_generation_s, *settings_.assumed_generation_s};
  const std::scoped_lock lock(mutex_);
  return {usual(latencies_), usual(durations_)};
}

std::shared_ptr<Room> Engine::open_room(const std::string& name, const RoomSettings& settings) {
  if (auto room = find_room(name)) return room;
  const Pace expected = pace();
  const std::scoped_lock lock(mutex_);
  if (std::ssize(seats_) >= settings_.max_rooms)
    throw Error("no place for room \"" + name + "\": " + std::to_string(seats_.size()) +
                " rooms are open; close one or raise [engine] max_rooms");
  auto seat = std::make_shared<Seat>(std::make_shared<Room>(name, settings), accompanist_.window_samples(), expected);
  seats_.push_back(seat);
  return seat->room;
}

std::shared_ptr<Room> Engine::find_room(std::string_view name) const {
  for (auto& room : rooms())
    if (room->name() == name) return room;
  return nullptr;
}

std::vector<std::shared_ptr<Room>> Engine::rooms() const {
  std::vector<std::shared_ptr<Room>> rooms;
  for (const auto& seat : seats()) rooms.push_back(seat->room);
  return rooms;
}

std::vector<std::shared_ptr<Engine::Seat>> Engine::seats() const {
  const std::scoped_lock lock(mutex_);
  return seats_;
}

void Engine::close_room(std::string_view name) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(seats_, [name](const auto& seat) { return seat->room->name() == name; });
}

void Engine::run(std::stop_token stop) {
  be_nice(kGenerationNiceness);
  while (!stop.stop_requested()) {
    step();
    clock_.sleep_for(kPoll);
  }
}

int Engine::step() {
  int made = 0;
  for (auto left = std::ssize(seats());;) {
    const auto due = find_due();
    const auto count = std::min({std::ssize(due), left, static_cast<std::ptrdiff_t>(best_batch())});
    if (count == 0) break;
    made += generate(std::span(due).first(static_cast<size_t>(count)));
    left -= count;
  }
  if (!noted_ || clock_.now() - *noted_ >= kNoteEvery) note_player();
  return made;
}

std::vector<std::shared_ptr<Engine::Seat>> Engine::find_due() {
  const auto now = clock_.now();
  last_step_ns_ = now.count();
  const Pace expected = pace();
  std::vector<std::shared_ptr<Seat>> due;
  for (auto& seat : seats()) {
    seat->maker.update(now, expected);
    if (seat->maker.due_since()) {
      if (seat->waiting_since_ns < 0) seat->waiting_since_ns = seat->maker.due_since()->count();
      if (!seat->deadline) seat->deadline = now + seat->maker.time_left();
      due.push_back(std::move(seat));
    } else {
      seat->deadline.reset();
      if (seat->room->state().idle) seat->waiting_since_ns = -1;
    }
  }
  std::ranges::stable_sort(due, {}, [](const auto& seat) { return *seat->deadline; });
  return due;
}

// Another player takes another time: what the one before took says nothing any more.
void Engine::note_player() {
  noted_ = clock_.now();
  auto device = accompanist_.device_status();
  const std::scoped_lock lock(mutex_);
  if (!device.why_eager.empty() && device.why_eager != status_.device.why_eager)
    spdlog::warn("{}: no CUDA graphs ({}), windows run an operator at a time and take longer", device.device,
                 device.why_eager);
  if (!device.remark.empty() && device.remark != status_.device.remark)
    spdlog::warn("{}: {}", device.device, device.remark);
  status_.device = std::move(device);
  if (status_.preset != accompanist_.preset()) durations_ = latencies_ = {};
  status_.preset = accompanist_.preset();
}

int Engine::generate(std::span<const std::shared_ptr<Seat>> due) {
  std::vector<model::WindowRequest> requests;
  for (const auto& seat : due) requests.push_back(seat->maker.request());
  results_.resize(std::max(results_.size(), requests.size()));
  const auto results = std::span(results_).first(requests.size());
  std::string batch_error, error, failed_room;
  const auto begin = clock_.now();
  try {
    accompanist_.generate(requests, results);
    const std::scoped_lock lock(mutex_);
    durations_.add(seconds(clock_.now() - begin));
  } catch (const std::exception& exception) {
    batch_error = exception.what();
  }
  if (accompanist_.preset() != status_.preset) note_player();
  int made = 0;
  for (size_t i = 0; i < due.size(); ++i) {
    Seat& seat = *due[i];
    const auto since = *seat.maker.due_since();
    seat.deadline.reset();
    try {
      if (!batch_error.empty()) throw Error(batch_error);
      if (!results[i].error.empty()) throw Error(results[i].error);
      const int64_t dropped = seat.room->state().dropped;
      seat.maker.accept(results[i]);
      seat.waiting_since_ns = -1;
      ++made;
      const std::scoped_lock lock(mutex_);
      latencies_.add(seconds(clock_.now() - since));
      ++status_.windows;
      status_.dropped += seat.room->state().dropped - dropped;
    } catch (const std::exception& exception) {
      error = exception.what();
      failed_room = seat.room->name();
      seat.maker.failed();
      const std::scoped_lock lock(mutex_);
      ++status_.errors;
    }
  }
  if (!error.empty() && (!error_logged_ || clock_.now() - *error_logged_ > kErrorLogEvery)) {
    error_logged_ = clock_.now();
    spdlog::error("a window of room \"{}\" failed: {}", failed_room, error);
  }
  return made;
}

std::vector<std::string> Engine::styles() const {
  std::vector<std::string> names;
  for (const auto name : model::kEnsembles)
    if (accompanist_.can_play(*model::ensemble_of(name))) names.emplace_back(name);
  return names;
}

EngineStatus Engine::status() const {
  const std::scoped_lock lock(mutex_);
  EngineStatus status = status_;
  status.rooms = static_cast<int>(seats_.size());
  status.generate_p50_ms = durations_.percentile(0.5) * 1000;
  status.generate_p95_ms = durations_.percentile(0.95) * 1000;
  status.generate_p99_ms = durations_.percentile(0.99) * 1000;
  return status;
}

std::string notice_of(const EngineStatus& status) {
  if (status.device.fallback.empty()) return {};
  return "preset " + status.preset + " plays on the CPU: " + status.device.fallback;
}

Health Engine::healthy() const {
  const auto now = clock_.now();
  if (last_step_ns_ < 0) return {false, "the engine has not started"};
  if (now - Nanoseconds(last_step_ns_) > kStuck) return {false, "the model has not come back for more than 10 s"};
  for (const auto& seat : seats()) {
    const Nanoseconds since(seat->waiting_since_ns);
    if (since.count() >= 0 && now - since > patience(seat->room->settings()))
      return {false, "room \"" + seat->room->name() + "\" has waited for a window for " +
                         std::to_string(static_cast<int64_t>(seconds(now - since))) + " s"};
  }
  return {};
}

}  // namespace fastsag::daemon
