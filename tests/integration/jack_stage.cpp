#include "tests/integration/jack_stage.h"

#include <fcntl.h>
#include <jack/midiport.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <stdexcept>
#include <thread>

namespace fastsag::test {
namespace {

using namespace std::chrono_literals;

constexpr auto kStartPatience = 20s;
constexpr uint8_t kTick = 0xf8, kStart = 0xfa;
constexpr size_t kMostEvents = 100000;

jack_client_t* connect(const char* name) {
  jack_status_t status;
  return jack_client_open(name, JackNoStartServer, &status);
}

void silence(const char*) {}

}  // namespace

JackServer::JackServer() {
  static int count = 0;
  const std::string name = "fastsag_" + std::to_string(getpid()) + "_" + std::to_string(count++);
  setenv("JACK_DEFAULT_SERVER", name.c_str(), 1);
  setenv("JACK_NO_AUDIO_RESERVATION", "1", 1);
  jack_set_error_function(silence);
  jack_set_info_function(silence);
  const std::string rate = std::to_string(kRate), block = std::to_string(kBlock);
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int nowhere = open("/dev/null", O_RDWR);
    for (const int fd : {0, 1, 2}) dup2(nowhere, fd);
    // Where it may, it keeps its pace on a busy machine too; its clients' threads follow it.
    const sched_param urgent{.sched_priority = 10};
    const bool may = sched_setscheduler(0, SCHED_FIFO, &urgent) == 0;
    execlp("jackd", "jackd", may ? "--realtime" : "--no-realtime", "-n", name.c_str(), "-d", "dummy", "-r",
           rate.c_str(), "-p", block.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  const auto until = std::chrono::steady_clock::now() + kStartPatience;
  while (std::chrono::steady_clock::now() < until) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      const bool absent = WIFEXITED(status) && WEXITSTATUS(status) == 127;
      problem_ = absent ? "jackd is not installed (package jackd2)" : "jackd does not start here";
      return;
    }
    if (jack_client_t* client = connect("probe")) {
      jack_client_close(client);
      return;
    }
    std::this_thread::sleep_for(100ms);
  }
  problem_ = "jackd did not answer within 20 s";
}

JackServer::~JackServer() {
  if (pid_ <= 0) return;
  kill(pid_, SIGTERM);
  for (int i = 0; i < 50 && waitpid(pid_, nullptr, WNOHANG) == 0; ++i) std::this_thread::sleep_for(100ms);
  if (waitpid(pid_, nullptr, WNOHANG) == 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

JackSinger::JackSinger(std::vector<float> song, double seconds_at_most, double clock_bpm)
    : song_(std::move(song)),
      heard_(static_cast<size_t>(seconds_at_most * JackServer::kRate)),
      events_(kMostEvents),
      tick_frames_(clock_bpm > 0 ? JackServer::kRate * 60 / clock_bpm / 24 : 0),
      next_tick_(JackServer::kRate) {
  client_ = connect(kName);
  if (!client_) throw std::runtime_error("no JACK client");
  voice_ = jack_port_register(client_, "voice", JACK_DEFAULT_AUDIO_TYPE, JackPortIsOutput, 0);
  ears_ = jack_port_register(client_, "ears", JACK_DEFAULT_AUDIO_TYPE, JackPortIsInput, 0);
  clock_ = jack_port_register(client_, "clock", JACK_DEFAULT_MIDI_TYPE, JackPortIsOutput, 0);
  notes_ = jack_port_register(client_, "notes", JACK_DEFAULT_MIDI_TYPE, JackPortIsInput, 0);
  jack_set_process_callback(
      client_, [](jack_nframes_t frames, void* self) { return static_cast<JackSinger*>(self)->process(frames); }, this);
  jack_set_xrun_callback(
      client_, [](void* self) { return ++static_cast<JackSinger*>(self)->xruns_, 0; }, this);
  jack_activate(client_);
}

JackSinger::~JackSinger() { jack_client_close(client_); }

int JackSinger::process(jack_nframes_t frames) {
  const int64_t begin = frames_;
  auto* out = static_cast<float*>(jack_port_get_buffer(voice_, frames));
  const auto* in = static_cast<const float*>(jack_port_get_buffer(ears_, frames));
  const int64_t room = std::max<int64_t>(0, std::ssize(heard_) - begin);
  for (int64_t i = 0; i < frames; ++i) out[i] = sung(begin + i);
  std::copy_n(in, std::min<int64_t>(frames, room), heard_.begin() + std::min<int64_t>(begin, std::ssize(heard_)));
  void* cable = jack_port_get_buffer(clock_, frames);
  jack_midi_clear_buffer(cable);
  if (tick_frames_ > 0) send_clock(cable, begin, frames);
  void* notes = jack_port_get_buffer(notes_, frames);
  for (uint32_t i = 0; i < jack_midi_get_event_count(notes); ++i) {
    jack_midi_event_t event;
    const size_t count = event_count_;
    if (jack_midi_event_get(&event, notes, i) != 0 || event.size != 3 || count == events_.size()) continue;
    events_[count] = {begin + event.time, {event.buffer[0], event.buffer[1], event.buffer[2]}};
    event_count_ = count + 1;
  }
  frames_ = std::min<int64_t>(begin + frames, std::ssize(heard_));
  return 0;
}

void JackSinger::send_clock(void* buffer, int64_t begin, jack_nframes_t frames) {
  for (; next_tick_ < static_cast<double>(begin + frames); next_tick_ += tick_frames_) {
    const auto at = static_cast<jack_nframes_t>(std::max<int64_t>(0, static_cast<int64_t>(next_tick_) - begin));
    if (!clock_started_) jack_midi_event_write(buffer, at, &kStart, 1);
    clock_started_ = true;
    jack_midi_event_write(buffer, at, &kTick, 1);
  }
}

std::vector<JackSinger::MidiEvent> JackSinger::midi() const {
  return {events_.begin(), events_.begin() + static_cast<std::ptrdiff_t>(event_count_.load())};
}

bool JackSinger::someone_listens() const { return jack_port_connected(voice_) > 0 && jack_port_connected(ears_) > 0; }

bool JackSinger::wait_until(int64_t frame, std::chrono::seconds patience) const {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (frames_ < frame && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(50ms);
  return frames_ >= frame;
}

void hold_pace() {
  const sched_param urgent{.sched_priority = 1};
  sched_setscheduler(0, SCHED_FIFO, &urgent);
}

std::vector<float> sung_tone(int sample_rate, double seconds) {
  std::vector<float> voice(static_cast<size_t>(seconds * sample_rate));
  double phase = 0;
  for (size_t i = 0; i < voice.size(); ++i) {
    const double t = static_cast<double>(i) / sample_rate;
    const double note = 57 + 5 * std::sin(0.61 * t) + 3 * std::sin(1.37 * t * (1 + 0.01 * t));
    phase += 440 * std::exp2((note + 0.3 * std::sin(2 * std::numbers::pi * 5.5 * t) - 69) / 12) / sample_rate;
    double sample = 0;
    for (int harmonic = 1; harmonic <= 6; ++harmonic)
      sample += std::sin(2 * std::numbers::pi * harmonic * phase) / (harmonic * harmonic);
    voice[i] = static_cast<float>(0.15 * (0.7 + 0.3 * std::sin(2.3 * t)) * sample);
  }
  return voice;
}

}  // namespace fastsag::test
