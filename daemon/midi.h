#pragma once
// MIDI on stage: controllers, clock or tap in, the accompaniment's notes out, for the room "stage".
//
// Threads: the control thread calls every member. RtMidi's thread only hands messages on; one thread of our own reads
// them, follows the room and sends.
// Errors: start() throws fastsag::Error for a port that is not there.
#include <memory>

#include "daemon/audio_device.h"
#include "daemon/clock.h"
#include "daemon/service.h"

namespace fastsag::daemon {

class Midi final : public Service {
 public:
  // Engine, clock and device outlive it; start() the device first. `device` may be null.
  Midi(Engine& engine, Clock& clock, const Config& config, const AudioDevice* device = nullptr);
  ~Midi() override;

  std::string start() override;
  void stop() override;
  void reload(const Config& config) override;
  std::string failure() const override;

 private:
  struct Worker;
  Engine& engine_;
  Clock& clock_;
  Config config_;
  const AudioDevice* device_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace fastsag::daemon
