#pragma once
// The best way through the chords: the net's opinion of every beat against the cost of a change. Chords that were
// already played are held where they were.
//
// Source: Viterbi 1967; constants from a sweep on songs that were not trained on (flat around these).
#include <cstdint>
#include <span>

#include "dsp/pool.h"

namespace fastsag::model {

struct ChordPathOptions {
  float evidence = 2;                 // times the logarithm of what a triad is expected to be worth
  float relative = 0.35f;             // worth of a triad where one that shares two of its notes is right (itself: 1)
  float change = 1;                   // cost of another chord than in the beat before
  uint32_t allowed = (1u << 24) - 1;  // a bit for each triad that a free beat may have
  std::span<const float> daring;      // [beats][24], nats that a free beat's triads are likelier; empty: none
};

struct ChordPath {
  dsp::Pooled<int> triads;        // one a beat, see steps.h
  dsp::Pooled<float> confidence;  // its probability in that beat
};

// probabilities: [beats][24]. held: a triad a beat, -1 where it is free.
ChordPath chord_path(std::span<const float> probabilities, std::span<const int> held,
                     const ChordPathOptions& options = {});

}  // namespace fastsag::model
