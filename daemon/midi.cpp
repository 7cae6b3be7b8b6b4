#include "daemon/midi.h"

#include <concurrentqueue/concurrentqueue.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "daemon/midi_ports.h"
#include "daemon/midi_room.h"
#include "dsp/error.h"

namespace fastsag::daemon {
namespace {

using namespace std::chrono_literals;

constexpr Nanoseconds kPoll = 2ms;      // how exact notes are sent
constexpr size_t kMostMessages = 1024;  // waiting; a stuck worker loses the rest

struct Arrived {
  Nanoseconds when{0};
  std::array<uint8_t, 3> bytes{};
  uint8_t size = 0;
};

}  // namespace

struct Midi::Worker {
  Worker(std::shared_ptr<Room> the_room, Clock& the_clock, const MidiConfig& config, const AudioLatency& latency)
      : clock(the_clock), room(std::move(the_room), config, latency), queue(kMostMessages, 2, 0), token(queue) {
    if (config.input != "none")
      input.emplace(config.input, [this](std::span<const uint8_t> message) { receive(message); });
    if (config.output != "none") output.emplace(config.output);
    thread = std::jthread([this](std::stop_token stop) { run(stop); });
  }

  // RtMidi's thread.
  void receive(std::span<const uint8_t> message) {
    if (message.size() > 3) return;  // nothing longer means anything here
    Arrived arrived{clock.now(), {}, static_cast<uint8_t>(message.size())};
    std::ranges::copy(message, arrived.bytes.begin());
    queue.try_enqueue(token, arrived);
  }

  void run(std::stop_token stop) {
    std::vector<MidiMessage> out;
    while (!stop.stop_requested()) {
      {
        const std::scoped_lock lock(mutex);
        if (fresh) room.reload(*std::exchange(fresh, std::nullopt));
      }
      Arrived arrived;
      while (queue.try_dequeue(arrived)) room.receive(arrived.when, std::span(arrived.bytes).first(arrived.size));
      room.step(clock.now(), out);
      send(out);
      clock.sleep_for(kPoll);
    }
    room.stop(out);
    send(out);
  }

  void send(std::vector<MidiMessage>& messages) {
    if (output && failure().empty()) {
      try {
        for (const MidiMessage& message : messages) output->send(message);
      } catch (const Error& error) {
        const std::scoped_lock lock(mutex);
        failed = error.what();
      }
    }
    messages.clear();
  }

  std::string failure() {
    const std::scoped_lock lock(mutex);
    return failed;
  }

  Clock& clock;
  MidiRoom room;
  moodycamel::ConcurrentQueue<Arrived> queue;
  moodycamel::ProducerToken token;
  std::mutex mutex;  // of the next two
  std::optional<MidiConfig> fresh;
  std::string failed;
  std::optional<MidiOutput> output;
  std::optional<MidiInput> input;
  std::jthread thread;
};

Midi::Midi(Engine& engine, Clock& clock, const Config& config, const AudioDevice* device)
    : engine_(engine), clock_(clock), config_(config), device_(device) {}
Midi::~Midi() { stop(); }

std::string Midi::start() {
  const MidiConfig& midi = config_.midi;
  if (midi.input == "none" && midi.output == "none") return "no MIDI port is configured";
  worker_ = std::make_unique<Worker>(engine_.open_room(kStageRoom, room_settings(config_)), clock_, midi,
                                     device_ ? device_->latency() : AudioLatency{});
  std::string text = "MIDI";
  if (worker_->input) text.append(" listens to \"").append(worker_->input->name()).append("\"");
  if (worker_->output) text.append(" plays to \"").append(worker_->output->name()).append("\"");
  return text;
}

void Midi::stop() {
  if (!worker_) return;
  worker_->input.reset();
  worker_->thread.request_stop();
  worker_->thread.join();
  clock_.sleep_for(20ms);  // JACK sends in its next period what it was given
  worker_.reset();
}

void Midi::reload(const Config& config) {
  if (!worker_) return;
  const std::scoped_lock lock(worker_->mutex);
  worker_->fresh = config.midi;
}

std::string Midi::failure() const { return worker_ ? worker_->failure() : std::string(); }

}  // namespace fastsag::daemon
