#include "daemon/midi_score.h"

#include <algorithm>

namespace fastsag::daemon {
namespace {

constexpr int kNoteOff = 0x80, kNoteOn = 0x90;

MidiMessage message(int kind, const model::Note& note, int velocity) {
  return {static_cast<uint8_t>(kind | (note.channel & 0x0f)), static_cast<uint8_t>(note.pitch),
          static_cast<uint8_t>(velocity)};
}

}  // namespace

void MidiScore::plan(const model::Plan& plan, int64_t from) {
  std::erase_if(pending_, [from](const model::Note& note) { return note.onset >= from; });
  for (const model::Note& note : plan.notes)
    if (note.onset >= from && note.release > note.onset && note.pitch >= 0 && note.pitch <= 127)
      pending_.push_back(note);
  std::ranges::stable_sort(pending_, {}, &model::Note::onset);
}

void MidiScore::release(size_t index, std::vector<MidiMessage>& out) {
  out.push_back(message(kNoteOff, sounding_[index], 0));
  sounding_.erase(sounding_.begin() + static_cast<std::ptrdiff_t>(index));
}

void MidiScore::play(int64_t position, bool muted, std::vector<MidiMessage>& out) {
  for (size_t i = sounding_.size(); i-- > 0;)
    if (muted || sounding_[i].release <= position) release(i, out);
  size_t taken = 0;
  for (; taken < pending_.size() && pending_[taken].onset <= position; ++taken) {
    const model::Note& note = pending_[taken];
    if (muted || position - note.onset > kTooLate || note.release <= position) continue;
    // A key has to come up before it is struck again.
    for (size_t i = sounding_.size(); i-- > 0;)
      if (sounding_[i].pitch == note.pitch && sounding_[i].channel == note.channel) release(i, out);
    out.push_back(message(kNoteOn, note, std::clamp(note.velocity, 1, 127)));
    sounding_.push_back(note);
  }
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(taken));
}

void MidiScore::stop(std::vector<MidiMessage>& out) {
  while (!sounding_.empty()) release(sounding_.size() - 1, out);
  pending_.clear();
}

}  // namespace fastsag::daemon
