#pragma once
// The sound cards of this machine, and the one that a person means by a name.
//
// Threads: the control thread. PortAudio is initialised as long as a PortAudio object lives.
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fastsag::daemon {

struct AudioDeviceInfo {
  int index = 0;  // PortAudio's
  std::string name;
  std::string host;             // host API: "ALSA", "JACK Audio Connection Kit"
  int inputs = 0, outputs = 0;  // channels
  double rate = 0;              // its own, Hz
  bool default_input = false, default_output = false;
};

enum class Direction { input, output };

// "default", a whole name, or the beginning of one; empty for "none". Throws fastsag::Error that lists what there is.
std::optional<AudioDeviceInfo> choose_device(std::span<const AudioDeviceInfo> devices, std::string_view name,
                                             Direction direction);

class PortAudio {
 public:
  PortAudio();
  ~PortAudio();
  PortAudio(const PortAudio&) = delete;
  std::vector<AudioDeviceInfo> devices() const;
};

// Sound libraries tell the terminal about everything that they tried and did not find; nobody needs to read it.
class QuietStderr {
 public:
  QuietStderr();
  ~QuietStderr();
  QuietStderr(const QuietStderr&) = delete;

 private:
  int saved_;
};

}  // namespace fastsag::daemon
