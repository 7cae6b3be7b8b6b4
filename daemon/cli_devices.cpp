// fastsag devices: the sound cards and MIDI ports of this machine, by the names that the configuration takes.
#include <cmath>
#include <cstdio>

#include "daemon/audio_catalog.h"
#include "daemon/cli.h"
#include "daemon/midi_ports.h"

namespace fastsag::daemon {
namespace {

void print_audio() {
  const PortAudio audio;
  const auto devices = audio.devices();
  std::puts(devices.empty() ? "Sound devices: none; browsers are served all the same" : "Sound devices:");
  for (const auto& device : devices) {
    std::string use;
    if (device.inputs > 0) use.append(device.default_input ? "input (default)" : "input");
    if (device.outputs > 0)
      use.append(use.empty() ? "" : ", ").append(device.default_output ? "output (default)" : "output");
    std::printf("  \"%s\"  %s, %ld Hz, %s\n", device.name.c_str(), use.c_str(), std::lround(device.rate),
                device.host.c_str());
  }
}

void print_midi() {
  const auto ports = midi_ports();
  std::puts(ports.empty() ? "MIDI ports: none" : "MIDI ports:");
  for (const auto& port : ports)
    std::printf("  \"%s\"  %s, %s\n", port.name.c_str(), port.direction == Direction::input ? "input" : "output",
                port.host.c_str());
}

void print_example() {
  std::puts(
      "\nIn the configuration a name, or the beginning of one:\n"
      "  [audio]\n  input = \"default\"\n  output = \"default\"\n"
      "  [midi]\n  input = \"none\"\n  output = \"none\"");
}

}  // namespace

void add_devices(CLI::App& app) {
  app.add_subcommand("devices", "Sound devices and MIDI ports, and how to name them in the configuration")
      ->callback([] {
        print_audio();
        print_midi();
        print_example();
      });
}

}  // namespace fastsag::daemon
