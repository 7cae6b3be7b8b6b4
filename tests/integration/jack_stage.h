#pragma once
// A stage without hardware: a JACK server with a dummy driver of its own, and a singer who is another client of it.
//
// Threads: JACK's calls process(); everything else from the test's.
#include <jack/jack.h>
#include <sys/types.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace fastsag::test {

// `jackd -d dummy` under a name that nobody else has, which every JACK client of this process and its children then
// talks to. Gone with the object.
class JackServer {
 public:
  static constexpr int kRate = 48000, kBlock = 256;

  JackServer();
  ~JackServer();
  JackServer(const JackServer&) = delete;
  // Empty, or why there is none.
  const std::string& problem() const { return problem_; }

 private:
  pid_t pid_ = -1;
  std::string problem_;
};

// Sings a recording, over and over, and writes down what it hears; with a MIDI cable each way.
class JackSinger {
 public:
  struct MidiEvent {
    int64_t frame;
    std::array<uint8_t, 3> bytes;
  };

  // `clock_bpm`: 0 for no MIDI clock.
  JackSinger(std::vector<float> song, double seconds_at_most, double clock_bpm = 0);
  ~JackSinger();
  JackSinger(const JackSinger&) = delete;

  static constexpr const char* kName = "singer";
  int64_t frames() const { return frames_.load(); }  // sung and heard so far
  int xruns() const { return xruns_.load(); }        // of the server, whoever's fault
  float sung(int64_t frame) const { return song_[static_cast<size_t>(frame) % song_.size()]; }
  const std::vector<float>& heard() const { return heard_; }  // the first frames() of it
  std::vector<MidiEvent> midi() const;
  bool someone_listens() const;  // are both audio ports connected?
  // False: it has not come so far in that time.
  bool wait_until(int64_t frame, std::chrono::seconds patience) const;

 private:
  int process(jack_nframes_t frames);
  void send_clock(void* buffer, int64_t begin, jack_nframes_t frames);

  std::vector<float> song_, heard_;
  std::vector<MidiEvent> events_;
  std::atomic<int64_t> frames_{0};
  std::atomic<size_t> event_count_{0};
  std::atomic<int> xruns_{0};
  double tick_frames_, next_tick_;
  bool clock_started_ = false;
  jack_client_t* client_ = nullptr;
  jack_port_t *voice_ = nullptr, *ears_ = nullptr, *clock_ = nullptr, *notes_ = nullptr;
};

// Where it may, this thread and those that it starts from now on keep their pace on a busy machine: what is tested is
// our code, not what else runs here. For little work only.
void hold_pace();

// Half a minute of a voice that glides and swells and never repeats itself, so that it is found again at one lag only.
std::vector<float> sung_tone(int sample_rate, double seconds = 30);

}  // namespace fastsag::test
