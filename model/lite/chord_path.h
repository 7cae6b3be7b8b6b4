#pragma once
// The likeliest way through the chords: the net's opinion of every step, summed up by beats, against the cost of a
// change. Chords that were already played are held where they were.
//
// Source: Viterbi 1967; constants from a sweep on songs that were not trained on (flat around these).
#include <cstdint>
#include <span>
#include <vector>

namespace fastsag::model {

struct ChordPathOptions {
  float evidence = 2;                 // times the mean log-probability of a beat's steps
  float change = 1;                   // cost of another chord than in the beat before
  uint32_t allowed = (1u << 24) - 1;  // a bit for each triad that a free beat may have
  std::span<const float> daring;      // [beats][24], nats that a free beat's triads are likelier; empty: none
};

struct ChordPath {
  std::vector<int> triads;        // one a beat, see steps.h
  std::vector<float> confidence;  // the net's mean probability of it in that beat
};

// log_probabilities: [beats * steps_per_beat][24]. held: a triad a beat, -1 where it is free.
ChordPath chord_path(std::span<const float> log_probabilities, int steps_per_beat, std::span<const int> held,
                     const ChordPathOptions& options = {});

}  // namespace fastsag::model
