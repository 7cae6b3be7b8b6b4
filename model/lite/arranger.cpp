#include "model/lite/arranger.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <tuple>

#include "model/lite/chance.h"

namespace fastsag::model {
namespace {

enum Drum : int {
  kKick = 36,
  kStick = 37,
  kSnare = 38,
  kHat = 42,
  kFloorTom = 43,
  kLowTom = 45,
  kHighTom = 48,
  kCrash = 49,
  kShaker = 70
};
constexpr int kSteps = 4;                       // a beat
constexpr int64_t kRing = 5 * kSampleRate / 2;  // a drum rings on until it is struck again
constexpr int64_t kGap = kSampleRate / 100;     // between two notes of a bass
constexpr int kLowestBass = 31;                 // G1: lower ones are felt more than heard
constexpr int kHeldBeats = 4;                   // strings and a bass on its own, at most
constexpr int kFillBars = 4;
constexpr float kLoudest = 16;  // velocities at loudness 1, beside a piano's that was asked for as many

// What a choice is for.
enum : uint64_t { kGroove = 0xba4d, kVoicing, kApproach, kFifth, kTouch, kFill };

// 16ths of a bar of four that are struck.
struct Groove {
  std::array<int, 4> kick;  // -1: none
  int backbeat;             // the drum of it
  std::array<int, 2> back;
};
constexpr std::array kBallads = {Groove{{0, 8, -1, -1}, kStick, {4, 12}}, Groove{{0, 6, 8, -1}, kStick, {4, 12}},
                                 Groove{{0, 10, -1, -1}, kSnare, {4, 12}}};
constexpr std::array kPops = {Groove{{0, 6, 8, -1}, kSnare, {4, 12}}, Groove{{0, 8, 10, -1}, kSnare, {4, 12}},
                              Groove{{0, 7, 10, -1}, kSnare, {4, 12}}};
constexpr std::array kHalfTimes = {Groove{{0, 10, -1, -1}, kSnare, {8, -1}}, Groove{{0, 6, -1, -1}, kStick, {8, -1}}};
constexpr double kSlow = 84, kFast = 112;  // bpm

Groove groove_of(uint64_t seed, double bpm) {
  Chance chance{seed, kGroove};
  const auto pick = [&](const auto& grooves) {
    return grooves[static_cast<size_t>(chance.below(static_cast<int>(grooves.size())))];
  };
  return bpm < kSlow ? pick(kBallads) : bpm < kFast ? pick(kPops) : pick(kHalfTimes);
}

// The plan as the band reads it, by 16ths counted from the pulse's origin.
class Score {
 public:
  explicit Score(const Plan& plan) : plan_(plan), pulse_(plan.pulse), step_(plan.pulse.period / kSteps) {}

  double step() const { return step_; }
  int64_t position(int64_t step) const { return std::llround(pulse_.origin + static_cast<double>(step) * step_); }
  int64_t first_from(int64_t position) const {
    return static_cast<int64_t>(std::ceil((static_cast<double>(position) - pulse_.origin) / step_ - 1e-6));
  }
  static int64_t beat_of(int64_t step) { return step >= 0 ? step / kSteps : -((-step + kSteps - 1) / kSteps); }

  // Of the beat, and nothing where everybody rests.
  const Chord* chord(int64_t beat) const {
    const int64_t middle = std::llround(pulse_.origin + (static_cast<double>(beat) + .5) * pulse_.period);
    const auto next = std::ranges::upper_bound(plan_.chords, middle, {}, &Chord::from);
    if (next == plan_.chords.begin() || std::prev(next)->quality == Quality::none) return nullptr;
    return &*std::prev(next);
  }
  bool same(int64_t beat, int64_t other) const {
    const Chord *a = chord(beat), *b = chord(other);
    return a && b ? a->root == b->root && a->quality == b->quality : a == b;
  }
  bool changes(int64_t beat) const { return chord(beat) && !same(beat, beat - 1); }

  bool sure() const { return pulse_.confidence >= kSurePulse; }
  bool bars() const { return sure() && pulse_.beats_per_bar > 0; }
  int bar_steps() const { return pulse_.beats_per_bar * kSteps; }
  int in_bar(int64_t step) const {  // where bars are known
    const int64_t place = (step - pulse_.downbeat * kSteps) % bar_steps();
    return static_cast<int>(place < 0 ? place + bar_steps() : place);
  }
  // Where a held note is struck anew: a change, a bar, or where bars are not known every kHeldBeats of a chord.
  bool renews(int64_t beat) const {
    if (!chord(beat)) return false;
    if (changes(beat)) return true;
    if (bars()) return in_bar(beat * kSteps) == 0;
    const double since = static_cast<double>(position(beat * kSteps) - chord(beat)->from) / pulse_.period;
    return std::llround(since) % kHeldBeats == 0;
  }
  // The first beat after `beat` where a note held from there has to end.
  int64_t held_until(int64_t beat) const {
    int64_t end = beat + 1;
    while (end < beat + kHeldBeats && same(end, beat) && !renews(end)) ++end;
    return end;
  }

 private:
  const Plan& plan_;
  const Pulse& pulse_;
  double step_;
};

int nearest_key(int pitch_class, int key) { return key + ((pitch_class - key + 6) % 12 + 12) % 12 - 6; }

class Band {
 public:
  Band(Plan& plan, const Arrangement& how)
      : plan_(plan), how_(how), score_(plan), groove_(groove_of(how.seed, plan.pulse.tempo_bpm())) {}

  void play() {
    end_at_changes();
    for (int64_t step = score_.first_from(how_.known_end) - 1; score_.position(step) < how_.write_end; ++step) {
      if (!score_.chord(Score::beat_of(step))) continue;
      if (plays(how_.ensemble, kBassChannel)) bass(step);
      if (plays(how_.ensemble, kStringsChannel)) strings(step);
      if (plays(how_.ensemble, kDrumsChannel)) drums(step);
    }
    // Not stable_sort(), which asks the heap for room.
    std::ranges::sort(plan_.notes, {}, [](const Note& note) {
      return std::tuple(note.onset, note.pitch, note.channel, note.release, note.velocity);
    });
  }

 private:
  Chance chance(uint64_t purpose, int64_t step) const {
    return Chance{how_.seed, purpose, static_cast<uint64_t>(score_.position(step) / 256)};
  }

  // What was played and would sound into a chord that is not its own any more.
  void end_at_changes() {
    const int64_t first = Score::beat_of(score_.first_from(how_.known_end));
    for (Note& note : plan_.notes) {
      if (note.channel != kBassChannel && note.channel != kStringsChannel) continue;
      if (note.onset >= how_.known_end || note.release <= how_.known_end) continue;
      for (int64_t beat = first; score_.position(beat * kSteps) < note.release; ++beat) {
        const int64_t begin = score_.position(beat * kSteps);
        if (begin < how_.known_end || score_.same(beat, beat - 1)) continue;
        note.release = std::max(begin, note.onset + kGap);
        break;
      }
    }
  }

  // The grid may have moved a little since the last window: a stroke that was played is not played again, and one that
  // fell between the two is played at once.
  void strike(int64_t step, int64_t release, int channel, int pitch, int velocity) {
    const int64_t position = score_.position(step), onset = std::max(position, how_.known_end);
    const auto near = static_cast<int64_t>(score_.step() / 2);
    bool playing = false;
    for (const Note& note : plan_.notes) {
      if (note.channel != channel || note.onset >= how_.known_end) continue;
      playing |= position - note.onset < 8 * near;
      if (position - note.onset < near && (channel == kBassChannel || note.pitch == pitch)) return;
    }
    if (position < how_.known_end && (!playing || how_.known_end - position > near)) return;
    const int touch = velocity + static_cast<int>(std::lround(kLoudest * how_.loudness)) +
                      chance(kTouch + static_cast<uint64_t>(pitch), step).below(9) - 4;
    plan_.notes.push_back({onset, std::max(release, onset + 3 * kGap), pitch, std::clamp(touch, 1, 127), channel});
  }

  bool kicks(int64_t step) const {
    const int place = score_.in_bar(step);
    if (score_.bar_steps() != 16) return place == 0;
    return std::ranges::find(groove_.kick, place) != groove_.kick.end();
  }
  int bass_root(const Chord& chord) const {
    const int root = nearest_key(chord.root, 37);
    return root < kLowestBass ? root + 12 : root;
  }
  // A step towards the chord that comes, on the last 8th before it.
  std::optional<int> approach(int64_t step) const {
    const int64_t beat = Score::beat_of(step);
    if (step != beat * kSteps + 2 || !score_.sure() || !score_.changes(beat + 1)) return std::nullopt;
    if (!chance(kApproach, step).maybe(.45)) return std::nullopt;
    const int root = bass_root(*score_.chord(beat)), next = nearest_key(score_.chord(beat + 1)->root, root);
    const int from_below = chance(kApproach + 1, step).maybe(.6) ? -2 : -1;
    const int pitch = next > root ? next + from_below : next < root ? next + 2 : next - 5;
    return pitch < kLowestBass || pitch == root ? std::nullopt : std::optional(pitch);
  }
  // What the bass begins on a step.
  std::optional<int> bass_key(int64_t step) const {
    const int64_t beat = Score::beat_of(step);
    if (!score_.chord(beat)) return std::nullopt;
    if (const auto pitch = approach(step)) return pitch;
    const bool on_beat = step == beat * kSteps, change = on_beat && score_.changes(beat);
    const bool goes =
        score_.bars() ? kicks(step) : on_beat && (score_.renews(beat) || (score_.sure() && score_.renews(beat - 2)));
    if (!change && !goes) return std::nullopt;
    const int root = bass_root(*score_.chord(beat));
    const bool on_root = change || (score_.bars() && score_.in_bar(step) == 0);
    if (on_root || !chance(kFifth, step).maybe(.35)) return root;
    return root - 5 >= kLowestBass ? root - 5 : root + 7;
  }

  void bass(int64_t step) {
    const auto pitch = bass_key(step);
    if (!pitch) return;
    int64_t next = step + 1;
    while (next < step + 2 * kSteps && !bass_key(next) && score_.chord(Score::beat_of(next))) ++next;
    strike(step, score_.position(next) - kGap, kBassChannel, *pitch, 82);
  }

  void strings(int64_t step) {
    const int64_t beat = Score::beat_of(step);
    if (step != beat * kSteps || !score_.renews(beat)) return;
    const Chord& chord = *score_.chord(beat);
    const int centre = 61 + Chance{how_.seed, kVoicing}.below(6);
    const int64_t release = score_.position(score_.held_until(beat) * kSteps);
    // Each tone where it lies nearest to the middle: chords that share a tone share its key, others move by steps.
    for (const int interval : {0, chord.quality == Quality::minor ? 3 : 4, 7})
      strike(step, release, kStringsChannel, nearest_key((chord.root + interval) % 12, centre), 62);
    strike(step, release, kStringsChannel, nearest_key(chord.root, 46), 60);
  }

  void drums(int64_t step) {
    if (!score_.sure()) return;
    const int64_t beat = Score::beat_of(step);
    const auto hit = [&](Drum drum, int velocity) {
      strike(step, score_.position(step) + kRing, kDrumsChannel, drum, velocity);
    };
    const auto in_beat = static_cast<int>(step - beat * kSteps);
    if (!score_.bars()) {
      if (in_beat % 2 == 0) hit(kShaker, in_beat == 0 ? 58 : 46);
      if (in_beat == 0 && score_.changes(beat)) hit(kKick, 62);
      return;
    }
    const int place = score_.in_bar(step);
    const int64_t bar = step - place;
    const bool crash = place == 0 && bars_since_crash(bar) >= kFillBars;
    if (crash) hit(kCrash, 74);
    const bool fills = bars_since_crash(bar) == kFillBars - 1 && place >= score_.bar_steps() - 4;
    if (fills) {
      static constexpr std::array<std::array<Drum, 4>, 3> kFills = {
          std::array{kSnare, kSnare, kLowTom, kFloorTom}, std::array{kSnare, kHighTom, kLowTom, kFloorTom},
          std::array{kHighTom, kHighTom, kFloorTom, kFloorTom}};
      const auto which = static_cast<size_t>(chance(kFill, bar).below(static_cast<int>(kFills.size())));
      return hit(kFills[which][static_cast<size_t>(place % 4)], 72 + 4 * (place % 4));
    }
    const int every = how_.density > .4f ? 1 : how_.density < -.4f ? 4 : 2;
    if (place % every == 0 && !crash) hit(kHat, place % 4 == 0 ? 64 : place % 2 == 0 ? 52 : 40);
    if (kicks(step)) hit(kKick, place == 0 ? 88 : 78);
    if (score_.bar_steps() == 16 && std::ranges::find(groove_.back, place) != groove_.back.end())
      hit(static_cast<Drum>(groove_.backbeat), groove_.backbeat == kStick ? 84 : 80);
    if (score_.bar_steps() != 16 && place > 0 && in_beat == 0) hit(kStick, 66);
  }

  // Since the last crash before `bar`; as if one were due where none was heard for long.
  int bars_since_crash(int64_t bar) const {
    const int64_t begin = score_.position(bar) - static_cast<int64_t>(score_.step());
    int64_t last = -1;
    for (const Note& note : plan_.notes)
      if (note.channel == kDrumsChannel && note.pitch == kCrash && note.onset < begin) last = note.onset;
    if (last < 0) return kFillBars;
    const double bars = static_cast<double>(score_.position(bar) - last) / (score_.step() * score_.bar_steps());
    return std::min(static_cast<int>(std::lround(bars)), kFillBars);
  }

  Plan& plan_;
  const Arrangement& how_;
  const Score score_;
  const Groove groove_;
};

}  // namespace

void arrange(Plan& plan, const Arrangement& how) {
  if (how.ensemble != Ensemble::piano && plan.pulse.period > 0) Band(plan, how).play();
}

}  // namespace fastsag::model
