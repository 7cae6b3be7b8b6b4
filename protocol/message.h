#pragma once
// The text messages of the wire: JSON objects with a `type`. PROTOCOL.md is the reference.
//
// Threads: pure functions. Errors: parse_client() never throws; what it cannot read comes back as a Fault with the code
// and the sentence that the server sends in its `error` message.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/frame.h"
#include "protocol/mode.h"

namespace fastsag::protocol {

inline constexpr std::string_view kSubprotocol = "fastsag.v1";

inline constexpr size_t kMaxKeyBytes = 16, kMaxChartBytes = 32 * 1024;

// Who plays.
inline constexpr std::array<std::string_view, 3> kStyles = {"piano", "band", "strings"};

// Client -> server.
struct Start {
  Codec codec = Codec::pcm_s16;
  uint32_t sample_rate = 48000;
  std::optional<Mode> mode;
  std::optional<uint64_t> seed;
};
struct Set {
  std::optional<Mode> mode;
  std::optional<uint64_t> seed;
  std::optional<double> accompaniment_gain_db;  // -60..12
  std::optional<bool> mute;
  std::optional<double> tempo_bpm;     // 40..240; 0 gives the pulse back to the model
  std::optional<int64_t> beat_sample;  // position of one beat, in samples of the room's rate
  std::optional<double> temperature;   // 0.2..1.5
  std::optional<double> density;       // -1..1
  std::optional<double> loudness;      // -1..1
  std::optional<std::string> key;      // "F#m"; "" (null on the wire) gives it back to the model
  std::optional<std::string> chart;    // ChordPro text; "" (null) gives the chords back
  std::optional<std::string> style;    // one of kStyles
};
struct Stop {};
struct Ping {
  int64_t id = 0;
};
using ClientMessage = std::variant<Start, Set, Stop, Ping>;

struct Fault {
  std::string code;  // "bad_message", "unknown_type", "bad_value", "bad_frame", ...
  std::string message;
  bool fatal = false;
};
std::variant<ClientMessage, Fault> parse_client(std::string_view text);

// Server -> client.
struct Hello {
  std::string room;
  Mode mode = Mode::delayed;
  uint32_t sample_rate = 48000;
  double window_s = 10, hop_s = 1;
  std::string preset;
  std::vector<std::string> styles;  // that the preset can play
  std::string style = "piano";      // that is played now
};
struct Status {
  Mode mode = Mode::delayed;
  double lead_ms = 0, delay_ms = 0, generate_p95_ms = 0;
  int64_t windows = 0, stale = 0, gaps = 0, dropped = 0, lost_frames = 0;
  double level_db = -120, accompaniment_level_db = -120;
  int listeners = 0;
  int64_t voice_sample = 0;  // end of the voice heard so far
  // Who plays where: batches that ran without CUDA graphs, times that the device failed; for a person, what is not as
  // it was asked for, "" where all is.
  std::string preset, device = "cpu";
  int64_t eager = 0, fallbacks = 0;
  std::string notice;
};
struct PlanChord {
  int64_t from_sample = 0;
  std::string name;
  double confidence = 0;
};
struct PlanNote {
  int64_t from_sample = 0, samples = 0;
  int pitch = 0, velocity = 0, channel = 0;
};
struct PlanMessage {
  std::vector<PlanChord> chords;
  std::vector<PlanNote> notes;
  std::string key;  // "" while unknown
  double tempo_bpm = 0;
  int64_t beat_sample = 0;
};

std::string to_json(const Hello& hello);
std::string to_json(const Status& status);
std::string to_json(const PlanMessage& plan);
std::string to_json(const Fault& fault);
std::string pong(int64_t id);

}  // namespace fastsag::protocol
