"""Reads a MIDI file: the notes of each track in seconds, and what maps ticks to seconds and bars.

Errors: song.Unusable where a file is no MIDI file.
"""

import bisect
import dataclasses
import io

import mido

from corpus.song import Unusable


@dataclasses.dataclass
class Track:
    name: str
    program: int | None  # General MIDI, counted from 0, as the last change on the channel of its notes says
    notes: list  # [onset_s, end_s, pitch, velocity] in order of onset


class Midi:
    def __init__(self, content: bytes):
        try:
            file = mido.MidiFile(file=io.BytesIO(content), clip=True)
        except Exception as error:  # mido lets through whatever a broken byte leads to
            raise Unusable(f"is no whole MIDI file ({type(error).__name__}: {error})") from error
        self.ticks_per_quarter = file.ticks_per_beat
        messages = [list(with_ticks(track)) for track in file.tracks]
        everything = sorted((event for track in messages for event in track), key=lambda event: event[0])
        self.last_tick = everything[-1][0] if everything else 0
        self.signatures = [(tick, message.numerator, message.denominator)
                           for tick, message in everything if message.type == "time_signature"]
        self.keys = [(tick, message.key) for tick, message in everything if message.type == "key_signature"]
        self.anchors = [(0, 0.0, 500000)]  # tick, seconds, microseconds a quarter from there on
        tempi = sorted((tick, message.tempo) for tick, message in everything if message.type == "set_tempo")
        for tick, tempo in tempi:
            self.anchors.append((tick, self.seconds(tick), tempo))
        programs = {message.channel: message.program for _, message in everything if message.type == "program_change"}
        self.tracks = [self.track(track.name, events, programs) for track, events in zip(file.tracks, messages)]

    def seconds(self, tick: int) -> float:
        at, seconds, tempo = self.anchors[bisect.bisect_right(self.anchors, tick, key=lambda anchor: anchor[0]) - 1]
        return seconds + (tick - at) * tempo * 1e-6 / self.ticks_per_quarter

    def track(self, name: str, events: list, programs: dict) -> Track:
        sounding, notes, channel = {}, [], None
        for tick, message in events:
            if message.type not in ("note_on", "note_off"):
                continue
            channel = message.channel if channel is None else channel
            now = self.seconds(tick)
            if message.note in sounding:
                onset, velocity = sounding.pop(message.note)
                notes.append([onset, now, message.note, velocity])
            if message.type == "note_on" and message.velocity > 0:
                sounding[message.note] = (now, message.velocity)
        return Track(name, programs.get(channel), sorted(notes))


def with_ticks(track):
    tick = 0
    for message in track:
        tick += message.time
        yield tick, message
