#include "daemon/audio_catalog.h"

#include <fcntl.h>
#include <portaudio.h>
#include <unistd.h>

#include <cstdio>
#if __has_include(<pa_jack.h>)
#include <pa_jack.h>
#endif

#include "dsp/error.h"

namespace fastsag::daemon {
namespace {

int channels(const AudioDeviceInfo& device, Direction direction) {
  return direction == Direction::input ? device.inputs : device.outputs;
}

}  // namespace

std::optional<AudioDeviceInfo> choose_device(std::span<const AudioDeviceInfo> devices, std::string_view name,
                                             Direction direction) {
  if (name == "none") return std::nullopt;
  const std::string what = direction == Direction::input ? "input" : "output";
  std::string known;
  const AudioDeviceInfo* beginning = nullptr;
  for (const auto& device : devices) {
    if (channels(device, direction) == 0) continue;
    if (device.name == name) return device;
    if (name == "default" && (direction == Direction::input ? device.default_input : device.default_output))
      return device;
    if (!beginning && device.name.starts_with(name)) beginning = &device;
    known.append(known.empty() ? "\"" : ", \"").append(device.name).append("\"");
  }
  if (beginning) return *beginning;
  throw Error(std::string("[audio] ").append(what).append(" = \"").append(name).append("\": no such device; ") +
              (known.empty() ? "this machine has none: use \"none\"" : "there are " + known + "; or \"none\""));
}

QuietStderr::QuietStderr() {
  std::fflush(stderr);
  saved_ = dup(STDERR_FILENO);
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere < 0) return;
  dup2(nowhere, STDERR_FILENO);
  close(nowhere);
}

QuietStderr::~QuietStderr() {
  std::fflush(stderr);
  if (saved_ < 0) return;
  dup2(saved_, STDERR_FILENO);
  close(saved_);
}

PortAudio::PortAudio() {
  const QuietStderr quiet;
#ifdef PA_JACK_H
  PaJack_SetClientName("fastsag");
#endif
  if (const PaError error = Pa_Initialize(); error != paNoError)
    throw Error(std::string("the sound system does not start: ").append(Pa_GetErrorText(error)));
}

PortAudio::~PortAudio() {
  const QuietStderr quiet;
  Pa_Terminate();
}

std::vector<AudioDeviceInfo> PortAudio::devices() const {
  std::vector<AudioDeviceInfo> devices;
  for (int i = 0; i < Pa_GetDeviceCount(); ++i) {
    const PaDeviceInfo& info = *Pa_GetDeviceInfo(i);
    devices.push_back({i, info.name, Pa_GetHostApiInfo(info.hostApi)->name, info.maxInputChannels,
                       info.maxOutputChannels, info.defaultSampleRate, i == Pa_GetDefaultInputDevice(),
                       i == Pa_GetDefaultOutputDevice()});
  }
  return devices;
}

}  // namespace fastsag::daemon
