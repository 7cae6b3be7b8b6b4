#pragma once
// What a person can set in a TOML file or with --set. The defaults serve browsers on loopback.
//
// Errors: load_config() finds every error before it throws one fastsag::Error that lists them all, a line each:
// "stage.toml:12: [engine] hop: no such key; did you mean hop_s?".
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/mode.h"
#include "daemon/room.h"

namespace fastsag::daemon {

struct ServerConfig {
  std::string host = "127.0.0.1";    // anything but loopback needs a token
  int port = 8765;                   // 0: the system chooses one
  std::string token;                 // empty: none asked for
  std::vector<std::string> origins;  // pages allowed beside our own: "https://stage.example"
  int max_connections = 64;
  std::string web;  // folder of the page; empty: beside the program, then the source tree
};

struct AudioConfig {
  std::string input = "none";  // a device's name or the beginning of it, "default", or "none"
  std::string output = "none";
  int rate = 48000;           // Hz; the device's own is used where it has no other
  int block = 256;            // frames a callback
  float monitor_db = kOffDb;  // the dry voice, past the model; -120 is off
  static constexpr float kOffDb = -120;
};

// A note or controller that stands for a command: "note 60", "control 7", "channel 10 note 36".
struct MidiTrigger {
  enum class Kind { note, control } kind = Kind::note;
  int number = 0;
  std::optional<int> channel;  // 1..16; none: any
  bool operator==(const MidiTrigger&) const = default;
};

struct MidiMap {
  std::optional<MidiTrigger> mute, level, next_seed, tap, mode;
  bool operator==(const MidiMap&) const = default;
};

struct MidiConfig {
  std::string input = "none";  // a port's name or the beginning of it, or "none"
  std::string output = "none";
  bool clock = false;  // take the beat from MIDI clock
  MidiMap map;         // [midi.map]
};

struct EngineConfig {
  Mode mode = Mode::delayed;
  double hop_s = 1.0;
  double context_s = 0.9;  // voice after a slice that `delayed` waits for
  double reserve_s = 1.5;  // written beyond a slice, plays when the next one is late; hop_s + .5 where not given
  double idle_s = 15;      // a room without voice for so long stops making windows
  int max_rooms = 8;
  float accompaniment_gain_db = 0;
};

struct ModelConfig {
  std::string preset = "lite";  // a name under configs/presets, or a path to a .toml
  std::string preset_dir;       // where named presets lie; empty: beside the program, then the source tree
  std::string device = "cpu";   // "cpu", "cuda", "cuda:1"
  uint64_t seed = 1;
  model::Ensemble style = model::Ensemble::piano;
  float temperature = model::Controls{}.temperature;  // of the choice of notes: 0.5 plain .. 1.2 adventurous
  float density = 0;                                  // fewer or more notes than usual, -1..1
  float loudness = 0;                                 // softer or louder played than usual, -1..1
  std::optional<model::Chord> key;                    // locked
  std::string chart_file;                             // empty: none
  std::shared_ptr<const model::Chart> chart;          // what the file says
  int steps = 0;                                      // EDM evaluations; 0: the preset's
  int threads = 1;  // CPU threads of the model; lite: rooms whose windows are made side by side
};

struct Config {
  ServerConfig server;
  AudioConfig audio;
  MidiConfig midi;
  EngineConfig engine;
  ModelConfig model;
};

// `file` may be empty: the defaults. `overrides` are "section.key=value", the value as in TOML or a bare string.
Config load_config(const std::filesystem::path& file, std::span<const std::string> overrides = {});
// The same for text in memory; `name` stands in messages.
Config parse_config(std::string_view text, std::string_view name, std::span<const std::string> overrides = {});

// Keys ("server.port") that differ and take effect only after a restart; the others follow a SIGHUP.
std::vector<std::string> needs_restart(const Config& running, const Config& fresh);

RoomSettings room_settings(const Config& config);

}  // namespace fastsag::daemon
