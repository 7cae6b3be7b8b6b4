#include "daemon/midi_clock.h"

#include <cmath>
#include <span>

namespace fastsag::daemon {
namespace {

constexpr double kRate = model::kSampleRate;
constexpr double kLost_s = 1;             // no tick for so long: the clock is gone
constexpr double kTempoChange_s = 0.005;  // the short line's end has left the long one's by so much
constexpr double kSlowest_bpm = 20, kFastest_bpm = 320;
constexpr double kHear_s = 0.004, kHearFar_s = 0.010;  // a beat moved by so much; ten seconds off

template <typename Arrivals>
std::optional<Line> line_through(const Arrivals& arrivals, size_t count) {
  if (arrivals.size() < count || count < 2) return std::nullopt;
  const size_t first = arrivals.size() - count;
  const Arrival& anchor = arrivals.back();  // keeps the sums small
  double number = 0, position = 0;
  for (size_t i = first; i < arrivals.size(); ++i) {
    number += static_cast<double>(arrivals[i].number - anchor.number);
    position += arrivals[i].position - anchor.position;
  }
  number /= static_cast<double>(count);
  position /= static_cast<double>(count);
  double covariance = 0, variance = 0;
  for (size_t i = first; i < arrivals.size(); ++i) {
    const double n = static_cast<double>(arrivals[i].number - anchor.number) - number;
    covariance += n * (arrivals[i].position - anchor.position - position);
    variance += n * n;
  }
  const double slope = covariance / variance;
  return Line{anchor.position + position - slope * (number + static_cast<double>(anchor.number)), slope};
}

std::optional<model::Pulse> pulse_of(double period, double origin, int64_t number) {
  const double bpm = 60 * kRate / period;
  if (!(bpm >= kSlowest_bpm && bpm <= kFastest_bpm)) return std::nullopt;
  return model::Pulse{.period = period, .origin = origin, .confidence = 1, .number = number};
}

int64_t beat_before(int64_t tick, int64_t beat) {
  const int64_t into = ((tick - beat) % MidiClock::kTicksPerBeat + MidiClock::kTicksPerBeat) % MidiClock::kTicksPerBeat;
  return tick - into;
}

}  // namespace

std::optional<Line> MidiClock::fit(size_t count) const { return line_through(ticks_, count); }

void MidiClock::tick(double position) {
  if (!ticks_.empty() && (position - ticks_.back().position > kLost_s * kRate || position < ticks_.back().position))
    ticks_.clear();
  ticks_.push_back({next_++, position});
  if (ticks_.size() > kLongTicks) ticks_.pop_front();
  if (ticks_.size() < 2 * kShortTicks) return;
  const auto last = static_cast<double>(ticks_.back().number);
  if (std::abs((*fit(kShortTicks))(last) - (*fit(ticks_.size()))(last)) > kTempoChange_s * kRate)
    ticks_.erase(ticks_.begin(), ticks_.end() - kShortTicks);
}

void MidiClock::start() {
  beat_ = next_;
  running_ = true;
}

void MidiClock::stop() {
  if (running_) paused_at_ = next_ - beat_;
  running_ = false;
}

void MidiClock::resume() {
  if (!running_) beat_ = next_ - paused_at_;
  running_ = true;
}

void MidiClock::song_position(int sixteenths) { paused_at_ = int64_t{sixteenths} * kTicksPerBeat / 4; }

void MidiClock::align(double position) {
  const auto line = fit(std::min<size_t>(ticks_.size(), kShortTicks));
  if (!line || line->slope <= 0) return;
  beat_ = ticks_.back().number +
          std::llround((position - (*line)(static_cast<double>(ticks_.back().number))) / line->slope);
  running_ = true;
}

std::optional<model::Pulse> MidiClock::pulse(double now) const {
  if (!running_ || ticks_.size() < kShortTicks || now - ticks_.back().position > kLost_s * kRate) return std::nullopt;
  const auto line = fit(ticks_.size());
  const int64_t tick = beat_before(ticks_.back().number, beat_);
  return pulse_of(kTicksPerBeat * line->slope, (*line)(static_cast<double>(tick)), (tick - beat_) / kTicksPerBeat);
}

void TapTempo::tap(double position) {
  if (!taps_.empty()) {
    const double since = position - taps_.back().position;
    if (since > kLongestBeat_s * kRate || since <= 0) taps_.clear();
    // A beat of another length than those before: another tempo, from the last beat on.
    if (taps_.size() >= 2) {
      const double beat = (taps_.back().position - taps_.front().position) / static_cast<double>(taps_.size() - 1);
      if (std::abs(since / beat - 1) > 0.3) taps_.erase(taps_.begin(), taps_.end() - 1);
    }
  }
  taps_.push_back({taps_.empty() ? 0 : taps_.back().number + 1, position});
  if (taps_.size() > kMost) taps_.pop_front();
}

std::optional<model::Pulse> TapTempo::pulse() const {
  if (taps_.size() < kEnough) return std::nullopt;
  const auto line = line_through(taps_, taps_.size());
  const int64_t last = taps_.back().number;
  return pulse_of(line->slope, (*line)(static_cast<double>(last)), last);
}

bool differ(const model::Pulse& a, const model::Pulse& b, double now) {
  if (a.period <= 0 || b.period <= 0) return a.period > 0 || b.period > 0;
  const auto apart = [&](double seconds) {
    const double beat = a.origin + a.period * std::round((now + seconds * kRate - a.origin) / a.period);
    return std::abs(std::remainder(beat - b.origin, b.period)) / kRate;
  };
  const auto number = [&](const model::Pulse& pulse) {
    const double beat = a.origin + a.period * std::round((now - a.origin) / a.period);
    return *pulse.number + std::llround((beat - pulse.origin) / pulse.period);
  };
  if (a.number.has_value() != b.number.has_value() || (a.number && number(a) != number(b))) return true;
  return apart(0) > kHear_s || apart(-10) > kHearFar_s || apart(10) > kHearFar_s;
}

}  // namespace fastsag::daemon
