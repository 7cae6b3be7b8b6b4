#pragma once
// The plan of a whole song, put together from the windows' plans, as a JSON file: what `fastsag render --plan` writes,
// and --notes plays.
//
// {"key": "C", "tempo_bpm": 120.0, "beat_s": 0.25, "beats": [from_s, ...], "places": [0, 1, 2, 3, 0, ..., null, ...],
//  "chords": [[from_s, "Am", confidence], ...],
//  "notes": [[onset_s, duration_s, pitch, velocity, channel], ...], "sung": [[onset_s, duration_s, pitch], ...]}
// Tempo and beat are those of the last window, beats those that each window played by, places theirs in the bar (null:
// bars are not known); sung is what was heard.
#include <filesystem>
#include <optional>
#include <vector>

#include "daemon/room.h"

namespace fastsag::daemon {

class PlanCollector {
 public:
  void add(const WindowEvent& event);
  const model::Plan& plan() const { return plan_; }
  void write(const std::filesystem::path& file) const;

 private:
  struct Beat {
    double at;                 // position
    std::optional<int> place;  // in its bar
  };
  void add_beats(const WindowEvent& event);

  model::Plan plan_;
  std::vector<Beat> beats_;  // ascending
};

// A whole song's, to be played: notes, and chords, key and tempo where the file has them. Only "notes" must be there;
// all else in it is ignored.
// Errors: fastsag::Error for what cannot be played, which note or chord, and what was expected.
model::Plan load_plan(const std::filesystem::path& file);

}  // namespace fastsag::daemon
