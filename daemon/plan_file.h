#pragma once
// The plan of a whole song, put together from the windows' plans, as a JSON file: what `fastsag render --plan` writes.
//
// {"key": "C", "tempo_bpm": 120.0, "beat_s": 0.25, "beats": [from_s, ...], "chords": [[from_s, "Am", confidence], ...],
//  "notes": [[onset_s, duration_s, pitch, velocity, channel], ...]}
// Tempo and beat are those of the last window, beats those that each window played by.
#include <filesystem>
#include <vector>

#include "daemon/room.h"

namespace fastsag::daemon {

class PlanCollector {
 public:
  void add(const WindowEvent& event);
  const model::Plan& plan() const { return plan_; }
  void write(const std::filesystem::path& file) const;

 private:
  void add_beats(const WindowEvent& event);

  model::Plan plan_;
  std::vector<double> beats_;  // ascending positions
};

}  // namespace fastsag::daemon
