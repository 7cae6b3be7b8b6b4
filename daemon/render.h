#pragma once
// A recording through the daemon's own engine, on a clock that the voice drives: what `fastsag render` does.
//
// Threads: one. Repeatable: the same voice and options give the same bytes, however fast the machine is.
// Errors: fastsag::Error for files that cannot be read or written.
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/join_meter.h"
#include "daemon/room.h"
#include "model/accompanist.h"

namespace fastsag::daemon {

struct RenderOptions {
  std::filesystem::path voice;
  std::filesystem::path mix;                            // voice and accompaniment, sample-aligned
  std::filesystem::path accompaniment;                  // empty: not written
  std::filesystem::path plan;                           // chords and notes as JSON; empty: not written
  RoomSettings room;                                    // its sample_rate is ignored: the recording's, or 48 kHz
  std::optional<float> temperature, density, loudness;  // model::Controls
  std::optional<model::Chord> key;
  std::shared_ptr<const model::Chart> chart;
  model::Ensemble style = model::Ensemble::piano;
  std::optional<double> bpm;                  // beats at a steady tempo from the beginning
  std::function<void(double done)> progress;  // 0..1
};

struct RenderReport {
  double voice_s = 0, wall_s = 0;
  std::vector<double> window_s;  // what each window took
  RoomStatus room;
  double voice_lufs = 0, accompaniment_lufs = 0;
  JoinFigure joins;
  std::vector<double> join_s;  // where windows meet, seconds of the voice
};

RenderReport render(model::Accompanist& accompanist, const RenderOptions& options);

}  // namespace fastsag::daemon
