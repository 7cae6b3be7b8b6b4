#pragma once
// The sound card: a singer on stage, heard and answered through PortAudio, in the room "stage".
//
// One full-duplex stream where input and output are of one host API; else two, which only the room's timeline joins (no
// dry monitor then). The room runs at the stream's rate: the configured one, or the device's own where it has no other.
//
// Threads: the control thread calls every member; PortAudio brings the callback's (AudioLoop).
// Errors: start() throws fastsag::Error for a device that is not there or does not open; one that vanishes later is a
// failure().
#include <memory>

#include "daemon/audio_loop.h"
#include "daemon/service.h"

namespace fastsag::daemon {

inline constexpr const char* kStageRoom = "stage";

struct AudioLatency {
  double input_s = 0;   // sung until the room has it
  double output_s = 0;  // out of the room until it is heard
};

class AudioDevice final : public Service {
 public:
  // The engine outlives it.
  AudioDevice(Engine& engine, const Config& config);
  ~AudioDevice() override;

  std::string start() override;
  void stop() override;
  void reload(const Config& config) override;
  std::string failure() const override;

  // After start(); zeros without a device.
  AudioStatus status() const;
  AudioLatency latency() const;

 private:
  struct Streams;
  Engine& engine_;
  Config config_;
  std::unique_ptr<Streams> streams_;
};

}  // namespace fastsag::daemon
