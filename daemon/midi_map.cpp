#include "daemon/midi_map.h"

#include <cmath>
#include <utility>

namespace fastsag::daemon {
namespace {

constexpr uint8_t kNoteOn = 0x90, kController = 0xb0;
constexpr uint8_t kPressed = 64;
constexpr float kSilence_db = -120;

bool means(const std::optional<MidiTrigger>& trigger, MidiTrigger::Kind kind, int channel, int number) {
  return trigger && trigger->kind == kind && trigger->number == number && trigger->channel.value_or(channel) == channel;
}

}  // namespace

std::vector<MidiPress> MidiMapper::presses(std::span<const uint8_t> message) {
  if (message.size() != 3 || message[1] > 127 || message[2] > 127) return {};
  const int kind = message[0] & 0xf0, channel = (message[0] & 0x0f) + 1;
  const uint8_t number = message[1], value = message[2];
  bool pressed = kind == kNoteOn && value > 0;
  if (!pressed && kind != kController) return {};
  if (kind == kController) {
    uint8_t& last = controllers_[static_cast<size_t>(channel - 1) * 128 + number];
    pressed = last < kPressed && value >= kPressed;
    last = value;
  }
  const auto trigger_kind = kind == kController ? MidiTrigger::Kind::control : MidiTrigger::Kind::note;
  std::vector<MidiPress> presses;
  for (const auto& [trigger, action] : {std::pair{map_.mute, MidiAction::mute},
                                        {map_.level, MidiAction::level},
                                        {map_.next_seed, MidiAction::next_seed},
                                        {map_.tap, MidiAction::tap},
                                        {map_.mode, MidiAction::mode}})
    if (means(trigger, trigger_kind, channel, number) && (pressed || action == MidiAction::level))
      presses.push_back({action, value});
  return presses;
}

float level_db(int value) { return value <= 0 ? kSilence_db : 40 * std::log10(static_cast<float>(value) / 100); }

}  // namespace fastsag::daemon
