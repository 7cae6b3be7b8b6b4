#pragma once
// The beat, from a MIDI clock or from a finger: where it lies in the song.
//
// Ticks arrive some milliseconds early or late; a line through the last beats of them tells the tempo and where a beat
// is. A short line that has left the long one means that the tempo changed: the long one is then forgotten.
//
// Threads: one thread an object. Units: song positions at 24 kHz at which a tick or tap arrived.
// Source: MIDI 1.0 detailed specification, system real time messages (24 ticks a quarter note).
#include <cstdint>
#include <deque>
#include <optional>

#include "model/plan.h"

namespace fastsag::daemon {

// position = at + slope * number, by least squares.
struct Line {
  double at = 0, slope = 0;
  double operator()(double number) const { return at + slope * number; }
};
struct Arrival {
  int64_t number = 0;
  double position = 0;
};

class MidiClock {
 public:
  static constexpr int kTicksPerBeat = 24;
  static constexpr int kLongTicks = 192, kShortTicks = 24;

  void tick(double position);          // F8
  void start();                        // FA: the next tick is a beat
  void resume();                       // FB: goes on where it stopped, or at song_position()
  void stop();                         // FC: ticks may go on, the beat does not
  void song_position(int sixteenths);  // F2
  // Somebody says that a beat is here: all there is where nobody saw the clock start.
  void align(double position);
  // Positions before are of another song; the beat goes on.
  void forget_positions() { ticks_.clear(); }

  bool running() const { return running_; }
  // Beats are counted from the start (or the position) of the song. Once a beat of ticks is known; none when they
  // stopped coming a second before `now`.
  std::optional<model::Pulse> pulse(double now) const;

 private:
  std::optional<Line> fit(size_t count) const;

  std::deque<Arrival> ticks_;
  int64_t next_ = 0;       // number of the next tick
  int64_t beat_ = 0;       // number of a tick that is a beat
  int64_t paused_at_ = 0;  // ticks into the song where it stopped
  bool running_ = false;
};

class TapTempo {
 public:
  static constexpr int kEnough = 4, kMost = 16;
  static constexpr double kLongestBeat_s = 2;  // 30 beats a minute; a longer pause begins anew

  void tap(double position);
  void forget_positions() { taps_.clear(); }
  // From the fourth tap on; beats are counted from the first.
  std::optional<model::Pulse> pulse() const;

 private:
  std::deque<Arrival> taps_;
};

// Do two pulses put the beats around `now` elsewhere, as far as anybody hears (the last ten seconds and the next), or
// count them otherwise?
bool differ(const model::Pulse& a, const model::Pulse& b, double now);

}  // namespace fastsag::daemon
