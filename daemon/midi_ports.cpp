#include "daemon/midi_ports.h"

#include <RtMidi.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "dsp/error.h"

namespace fastsag::daemon {
namespace {

constexpr const char* kClient = "fastsag";

// A sound system that is not running has no ports, which is no error.
template <typename Port>
std::unique_ptr<Port> connect(RtMidi::Api api) {
  try {
    const QuietStderr quiet;
    if constexpr (std::is_same_v<Port, RtMidiIn>)
      return std::make_unique<RtMidiIn>(api, kClient);
    else
      return std::make_unique<RtMidiOut>(api, kClient);
  } catch (const RtMidiError&) {
    return nullptr;
  }
}

template <typename Port>
void list(RtMidi::Api api, Direction direction, std::vector<MidiPortInfo>& ports) {
  const auto port = connect<Port>(api);
  if (!port) return;
  const QuietStderr quiet;
  const unsigned count = port->getPortCount();
  for (unsigned i = 0; i < count; ++i)
    if (std::string name = port->getPortName(i); !name.empty() && !name.starts_with(kClient))
      ports.push_back({std::move(name), RtMidi::getApiDisplayName(api), direction, api, i});
}

void log_error(RtMidiError::Type type, const std::string& text, void*) {
  if (type != RtMidiError::DEBUG_WARNING) spdlog::warn("MIDI: {}", text);
}

template <typename Port>
std::unique_ptr<Port> open(const MidiPortInfo& info) {
  auto port = connect<Port>(static_cast<RtMidi::Api>(info.api));
  if (!port) throw Error("the MIDI port \"" + info.name + "\" does not open: " + info.host + " has stopped");
  try {
    port->openPort(info.index, info.direction == Direction::input ? "in" : "out");
  } catch (const RtMidiError& error) {
    throw Error("the MIDI port \"" + info.name + "\" does not open: " + error.getMessage());
  }
  port->setErrorCallback(log_error);
  return port;
}

}  // namespace

std::vector<MidiPortInfo> midi_ports() {
  std::vector<RtMidi::Api> apis;
  RtMidi::getCompiledApi(apis);
  std::vector<MidiPortInfo> ports;
  for (const RtMidi::Api api : apis) {
    if (api == RtMidi::RTMIDI_DUMMY) continue;
    list<RtMidiIn>(api, Direction::input, ports);
    list<RtMidiOut>(api, Direction::output, ports);
  }
  return ports;
}

const MidiPortInfo& choose_port(std::span<const MidiPortInfo> ports, std::string_view name, Direction direction) {
  std::string known;
  const MidiPortInfo* beginning = nullptr;
  for (const auto& port : ports) {
    if (port.direction != direction) continue;
    if (port.name == name) return port;
    if (!beginning && port.name.starts_with(name)) beginning = &port;
    known.append(known.empty() ? "\"" : ", \"").append(port.name).append("\"");
  }
  if (beginning) return *beginning;
  throw Error(std::string("[midi] ")
                  .append(direction == Direction::input ? "input" : "output")
                  .append(" = \"")
                  .append(name)
                  .append("\": no such port; ") +
              (known.empty() ? "this machine has none: use \"none\"" : "there are " + known + "; or \"none\""));
}

MidiInput::MidiInput(std::string_view name, MidiListener listener) : listener_(std::move(listener)) {
  const auto ports = midi_ports();
  const MidiPortInfo& info = choose_port(ports, name, Direction::input);
  name_ = info.name;
  port_ = open<RtMidiIn>(info);
  port_->ignoreTypes(true, false, true);  // the clock is what we are here for
  port_->setCallback(
      [](double, std::vector<unsigned char>* message, void* self) {
        if (message && !message->empty()) static_cast<MidiInput*>(self)->listener_(*message);
      },
      this);
}

MidiInput::~MidiInput() {
  const QuietStderr quiet;
  port_->cancelCallback();
  port_.reset();
}

MidiOutput::MidiOutput(std::string_view name) {
  const auto ports = midi_ports();
  const MidiPortInfo& info = choose_port(ports, name, Direction::output);
  name_ = info.name;
  port_ = open<RtMidiOut>(info);
}

MidiOutput::~MidiOutput() {
  const QuietStderr quiet;
  port_.reset();
}

void MidiOutput::send(std::span<const uint8_t> message) {
  try {
    port_->sendMessage(message.data(), message.size());
  } catch (const RtMidiError& error) {
    throw Error("the MIDI port \"" + name_ + "\" is gone: " + error.getMessage());
  }
}

}  // namespace fastsag::daemon
