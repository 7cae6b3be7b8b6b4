#pragma once
// The plan of a whole song, put together from the windows' plans, as a JSON file: what `fastsag render --plan` writes.
//
// {"key": "C", "tempo_bpm": 120.0, "beat_s": 0.25, "chords": [[from_s, "Am", confidence], ...],
//  "notes": [[onset_s, duration_s, pitch, velocity, channel], ...]}
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
  model::Plan plan_;
};

}  // namespace fastsag::daemon
