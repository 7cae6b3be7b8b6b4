#include "daemon/audio_device.h"

#include <portaudio.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <optional>
#include <thread>

#include "daemon/audio_catalog.h"
#include "daemon/room_state.h"
#include "dsp/error.h"

namespace fastsag::daemon {
namespace {

using namespace std::chrono_literals;

constexpr auto kFadePatience = 300ms;
constexpr auto kStandstill = 3s;  // a card that asks for nothing for so long is gone
constexpr double kLongestLatency_s = 0.5;
constexpr int kMaxOutputs = 2;  // the same in both

int64_t now_ns() { return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// JACK, asked about a circle of clients, adds its latency up without end.
double believable(double latency_s, int block, int rate) {
  return latency_s >= 0 && latency_s <= kLongestLatency_s ? latency_s : 2.0 * block / rate;
}

// One PortAudio stream, of one direction or both.
struct Stream {
  std::optional<AudioDeviceInfo> input, output;
  AudioLoop* loop = nullptr;
  int channels = 0;  // of the output
  PaStream* stream = nullptr;
  std::atomic<int64_t> called_ns{0};

  ~Stream() {
    if (stream) Pa_CloseStream(stream);
  }

  static int callback(const void* in, void* out, unsigned long frames, const PaStreamCallbackTimeInfo* time,
                      PaStreamCallbackFlags flags, void* user) {
    return static_cast<Stream*>(user)->process(static_cast<const float*>(in), static_cast<float*>(out), frames, *time,
                                               flags);
  }

  int process(const float* in, float* out, size_t frames, const PaStreamCallbackTimeInfo& time,
              PaStreamCallbackFlags flags) {
    AudioBlock block;
    if (in) block.input = {in, frames};
    if (out) block.output = {out, frames * static_cast<size_t>(channels)};
    block.channels = std::max(channels, 1);
    block.input_lost = (flags & (paInputOverflow | paInputUnderflow)) != 0;
    block.output_lost = (flags & (paOutputUnderflow | paOutputOverflow)) != 0;
    if (time.inputBufferAdcTime > 0) block.input_time_s = time.inputBufferAdcTime;
    loop->process(block);
    called_ns.store(now_ns(), std::memory_order_relaxed);
    return loop->faded_out() ? paComplete : paContinue;
  }

  // What PortAudio calls them; a person's block is what the callback gets, the card's own may differ.
  std::optional<PaStreamParameters> input_parameters(int rate, int block) const {
    if (!input) return std::nullopt;
    const double low_s = Pa_GetDeviceInfo(input->index)->defaultLowInputLatency;
    return PaStreamParameters{input->index, 1, paFloat32, std::max(low_s, 2.0 * block / rate), nullptr};
  }
  std::optional<PaStreamParameters> output_parameters(int rate, int block) const {
    if (!output) return std::nullopt;
    const double low_s = Pa_GetDeviceInfo(output->index)->defaultLowOutputLatency;
    return PaStreamParameters{output->index, std::min(output->outputs, kMaxOutputs), paFloat32,
                              std::max(low_s, 2.0 * block / rate), nullptr};
  }

  bool supports(int rate, int block) const {
    const QuietStderr quiet;
    const auto in = input_parameters(rate, block), out = output_parameters(rate, block);
    return Pa_IsFormatSupported(in ? &*in : nullptr, out ? &*out : nullptr, rate) == paFormatIsSupported;
  }

  void open(int rate, int block) {
    const auto in = input_parameters(rate, block), out = output_parameters(rate, block);
    channels = out ? out->channelCount : 0;
    PaError error;
    {
      const QuietStderr quiet;
      error = Pa_OpenStream(&stream, in ? &*in : nullptr, out ? &*out : nullptr, rate,
                            static_cast<unsigned long>(block), paNoFlag, callback, this);
    }
    if (error != paNoError) throw Error(failed("does not open", error));
  }

  void begin() {
    called_ns = now_ns();
    if (const PaError error = Pa_StartStream(stream); error != paNoError) throw Error(failed("does not start", error));
  }

  std::string failed(const std::string& what, PaError error) const {
    std::string why = Pa_GetErrorText(error);
    if (error == paUnanticipatedHostError) why.append(" (").append(Pa_GetLastHostErrorInfo()->errorText).append(")");
    return "the sound device " + names() + " " + what + ": " + why +
           "; is another program using it? `fastsag devices` lists what there is";
  }

  std::string names() const {
    if (input && output && input->name != output->name) return "\"" + input->name + "\" with \"" + output->name + "\"";
    return "\"" + (input ? input->name : output->name) + "\"";
  }
};

}  // namespace

struct AudioDevice::Streams {
  PortAudio audio;
  std::shared_ptr<Room> room;
  std::unique_ptr<AudioLoop> loop;
  std::array<Stream, 2> streams;  // one full-duplex, or one each; closed before what their callbacks use
  size_t count = 0;
  int rate = 0;
  AudioLatency latency;

  explicit Streams(const AudioConfig& config) {
    const auto devices = audio.devices();
    const auto input = choose_device(devices, config.input, Direction::input);
    const auto output = choose_device(devices, config.output, Direction::output);
    if (input && output && input->host != output->host) {
      streams[0].input = input;
      streams[1].output = output;
      count = 2;
    } else {
      streams[0].input = input;
      streams[0].output = output;
      count = 1;
    }
    rate = choose_rate(config);
    for (auto& stream : used()) stream.open(rate, config.block);
    for (auto& stream : used()) {
      const PaStreamInfo& info = *Pa_GetStreamInfo(stream.stream);
      if (stream.input) latency.input_s = believable(info.inputLatency, config.block, rate);
      if (stream.output)
        latency.output_s = believable(info.outputLatency, config.block, rate) +
                           static_cast<double>(AudioLoop::latency_samples(rate)) / rate;
    }
  }

  std::span<Stream> used() { return std::span(streams).first(count); }
  bool plays() const { return streams[count - 1].output.has_value(); }

  // The person's rate where the devices have it; else their own.
  int choose_rate(const AudioConfig& config) {
    std::vector<int> rates{config.rate};
    for (const auto& stream : used())
      for (const auto& device : {stream.output, stream.input})
        if (device) rates.push_back(static_cast<int>(std::lround(device->rate)));
    for (const int candidate : rates) {
      const bool valid = candidate >= 8000 && candidate <= 192000 && candidate % RoomState::kGridHz == 0;
      if (valid &&
          std::ranges::all_of(used(), [&](const Stream& stream) { return stream.supports(candidate, config.block); }))
        return candidate;
    }
    std::string tried;
    for (const int candidate : rates) tried.append(tried.empty() ? "" : ", ").append(std::to_string(candidate));
    throw Error("the sound device " + streams[0].names() + " takes none of the rates " + tried +
                " Hz; is another program using it? Set [audio] rate to one that it has");
  }

  void begin(Engine& engine, const Config& config) {
    RoomSettings settings = room_settings(config);
    settings.sample_rate = rate;
    room = engine.open_room(kStageRoom, settings);
    // Sung now is heard by the room input_s later, and what leaves it is heard output_s later.
    const int64_t ahead = std::llround((latency.input_s + latency.output_s) * rate);
    loop = std::make_unique<AudioLoop>(room->voice(), plays() ? room->open_output({.ahead = ahead}) : nullptr, rate,
                                       config.audio.monitor_db);
    for (auto& stream : used()) stream.loop = loop.get();
    for (auto& stream : used()) stream.begin();
  }

  std::string describe(const AudioConfig& config) const {
    std::string text;
    if (streams[0].input) text.append("sings in through \"").append(streams[0].input->name).append("\", ");
    if (plays()) text.append("plays to \"").append(streams[count - 1].output->name).append("\", ");
    text.append("at ").append(std::to_string(rate)).append(" Hz");
    if (rate != config.rate) text.append(" (it has no ").append(std::to_string(config.rate)).append(" Hz)");
    const int round_trip_ms = static_cast<int>(std::lround(1000 * (latency.input_s + latency.output_s)));
    return text.append(", ").append(std::to_string(round_trip_ms)).append(" ms there and back");
  }
};

AudioDevice::AudioDevice(Engine& engine, const Config& config) : engine_(engine), config_(config) {}
AudioDevice::~AudioDevice() { stop(); }

std::string AudioDevice::start() {
  const AudioConfig& audio = config_.audio;
  if (audio.input == "none" && audio.output == "none") return "no sound device is configured";
  auto streams = std::make_unique<Streams>(audio);
  streams->begin(engine_, config_);
  if (streams->count == 2 && audio.monitor_db > AudioConfig::kOffDb)
    spdlog::warn("no dry monitor: input and output are of different sound systems, \"{}\" and \"{}\"",
                 streams->streams[0].input->host, streams->streams[1].output->host);
  streams_ = std::move(streams);
  return "the stage " + streams_->describe(audio);
}

void AudioDevice::stop() {
  if (!streams_) return;
  streams_->loop->fade_out();
  const auto until = std::chrono::steady_clock::now() + kFadePatience;
  while (streams_->plays() && !streams_->loop->faded_out() && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(5ms);
  for (auto& stream : streams_->used()) Pa_StopStream(stream.stream);
  const AudioStatus status = streams_->loop->status();
  const RoomStatus room = streams_->room->status();
  spdlog::info(
      "the stage ends: {} blocks, {} xruns, longest block {:.3f} ms; {} windows, {} dropped, {} gaps, {} of {} samples "
      "stale",
      status.blocks, status.xruns, status.longest_block_ms, room.windows, room.dropped, room.gaps, room.stale_samples,
      room.played_samples);
  streams_.reset();
}

void AudioDevice::reload(const Config& config) {
  config_.audio.monitor_db = config.audio.monitor_db;
  if (streams_) streams_->loop->set_monitor_db(config.audio.monitor_db);
}

std::string AudioDevice::failure() const {
  if (!streams_) return {};
  for (const auto& stream : streams_->used()) {
    if (Pa_IsStreamActive(stream.stream) != 1) return "the sound device " + stream.names() + " is gone";
    if (now_ns() - stream.called_ns > std::chrono::nanoseconds(kStandstill).count())
      return "the sound device " + stream.names() + " stands still";
  }
  return {};
}

AudioStatus AudioDevice::status() const { return streams_ ? streams_->loop->status() : AudioStatus{}; }
AudioLatency AudioDevice::latency() const { return streams_ ? streams_->latency : AudioLatency{}; }

}  // namespace fastsag::daemon
