#pragma once
// What fastsagd runs beside the engine: the network server, the sound card, MIDI.
//
// Threads: the control thread calls every member; a service brings its own threads.
#include <memory>
#include <string>
#include <vector>

#include "daemon/config.h"
#include "daemon/engine.h"

namespace fastsag::daemon {

class Service {
 public:
  virtual ~Service() = default;
  // Opens ports and devices. Throws fastsag::Error with a message for a person; returns a line for the log
  // ("open http://127.0.0.1:8765").
  virtual std::string start() = 0;
  // Orderly: what was promised is sent, then closed. Called once, before the engine stops.
  virtual void stop() = 0;
  // A SIGHUP's new configuration: takes what it can.
  virtual void reload(const Config&) {}
  // Empty while it works; else what is wrong, for the log and a restart by the supervisor.
  virtual std::string failure() const { return {}; }
};

}  // namespace fastsag::daemon
