"""Reads OpenScore Lieder (art songs for voice and piano, converted to MIDI) into songs (song.py).

The voice is the first track of General MIDI programme 68 or 52 (counted from 0) that sings at least half as much as
any other; the piano are all tracks of programme 0; other instruments and singers are left out, as are files without
voice or piano. Repeats are written out, tempi are the notated ones. Chords are estimated (harmony.py); the key is the
signature that holds longest, of the major and the minor key that have it the one whose tonic triad sounds longer.

Beats: of the time signature, so that a grid of four steps a beat holds what is written: 6/8 has 8ths, not dotted
quarters. Where they are faster than the pulse that is listened for live (dsp/pulse: 54 to 142 a minute) two of them are
a beat if bars are even, where slower half of one is. A bar that is shorter than its neighbours is an upbeat or one
half of a bar that a repeat cuts: its beats are theirs, and only what begins a whole bar is a downbeat.
"""

import collections
import dataclasses
import itertools
import pathlib
import re
import statistics

from corpus import harmony
from corpus.midi import Midi
from corpus.song import (CHORD_ROOTS, KEY_ROOTS, Unusable, files_below, one_sound_a_key, one_voice, pitch_class_of,
                         whole_seconds)

WANTED = re.compile(r"(?:^|/)(lc\d+)\.mid$")
EXPECTED = "lcNNNNNNN.mid"
RENDERED = {"validate": 0, "test": 0, "train": 0}  # songs, where nobody says otherwise
VOICES, PIANO = (52, 68), 0  # programmes
SLOWEST, FASTEST = 54, 142  # beats a minute
FEWEST_BEATS = 8


def read_files(source: pathlib.Path) -> dict[str, dict[str, bytes]]:
    """Song name -> file name -> content, from the archive or from an unpacked folder."""
    songs = {match[1]: {f"{match[1]}.mid": read()}
             for path, read in files_below(source) if (match := WANTED.search(path))}
    return dict(sorted(songs.items()))


def split_of(name: str) -> str:
    return {0: "test", 1: "validate"}.get(int(name.strip("lc")) % 20, "train")


def read_song(name: str, files: dict[str, bytes]) -> dict:
    """The song as it is written."""
    midi = Midi(files[f"{name}.mid"])
    melody = one_voice(sung_by(midi))
    played = sorted(note for track in midi.tracks if track.program == PIANO for note in track.notes)
    if not melody:
        raise Unusable("has no voice (General MIDI programme 68 or 52, counted from 0)")
    if not played:
        raise Unusable("has no piano (General MIDI programme 0)")
    notes = one_sound_a_key(played)
    beats = beats_of(midi, max(onset + duration for onset, duration, *_ in notes + melody))
    if len(beats) < FEWEST_BEATS:
        raise Unusable(f"has {len(beats)} beats, fewer than {FEWEST_BEATS}")
    chords = harmony.chords_of(notes + melody, beats)
    return {
        "name": name,
        "split": split_of(name),
        "seconds": whole_seconds(notes, melody),
        "transpose": 0,
        "key": key_of(midi, chords),
        "melody": melody,
        "notes": [[*note, 0] for note in notes],
        "beats": beats,
        "chords": chords,
    }


def sung_by(midi: Midi) -> list:
    voices = [track.notes for track in midi.tracks if track.program in VOICES and track.notes]
    lengths = [sum(end - onset for onset, end, *_ in notes) for notes in voices]
    return next((notes for notes, length in zip(voices, lengths) if length >= max(lengths) / 2), [])


@dataclasses.dataclass(frozen=True)
class Bar:
    begin: int  # ticks
    length: int
    signature: tuple[int, int]


def beats_of(midi: Midi, end_s: float) -> list:
    """[time_s, downbeat] up to the first beat at or after the end."""
    bars = bars_of(midi)
    units = {signature: beat_length(midi, [bar for bar in bars if bar.signature == signature])
             for signature in {bar.signature for bar in bars}}
    beats = []
    for number, bar in enumerate(bars):
        whole, unit = bar_length(midi, bar.signature), units[bar.signature]
        end = bar.begin + bar.length
        if number == 0 and bar.length < whole:  # an upbeat: counted from its end
            beats += [(tick, 0) for tick in range(end - bar.length // unit * unit, end, unit)]
        else:
            beats += [(tick, int(tick == bar.begin)) for tick in range(bar.begin, end, unit)]
    beats.append((bars[-1].begin + bars[-1].length, 1))
    timed = [[round(midi.seconds(tick), 4), downbeat] for tick, downbeat in beats]
    last = next((number for number, (time, _) in enumerate(timed) if time >= end_s), len(timed) - 1)
    return timed[:last + 1]


def bars_of(midi: Midi) -> list[Bar]:
    """All bars, those that were cut in two joined again, a short first or last one with its neighbour's signature."""
    changes = dict(sorted(({0: (4, 4)} | {tick: (upper, lower) for tick, upper, lower in midi.signatures}).items()))
    bars = []
    for (begin, signature), until in zip(changes.items(), [*list(changes)[1:], midi.last_tick]):
        whole = bar_length(midi, signature)
        bars += [Bar(tick, min(whole, until - tick), signature) for tick in range(begin, until, whole)]
    bars = halves_joined(midi, bars)
    for edge, neighbour in ((0, 1), (-1, -2)):
        if len(bars) > 1 and bars[edge].length < bar_length(midi, bars[neighbour].signature):
            bars[edge] = dataclasses.replace(bars[edge], signature=bars[neighbour].signature)
    return bars


def halves_joined(midi: Midi, bars: list[Bar]) -> list[Bar]:
    """Two bars that are together as long as each of those around them are one."""
    joined, number = [], 0
    while number < len(bars):
        bar, second = bars[number], bars[number + 1:number + 2]
        around = joined[-1:] + bars[number + 2:number + 3]
        if second and around and {bar.length + second[0].length} == {other.length for other in around}:
            joined.append(Bar(bar.begin, bar.length + second[0].length, around[0].signature))
            number += 2
        else:
            joined.append(bar)
            number += 1
    return joined


def bar_length(midi: Midi, signature: tuple[int, int]) -> int:
    return signature[0] * midi.ticks_per_quarter * 4 // signature[1]


def beat_length(midi: Midi, bars: list[Bar]) -> int:
    """Ticks a beat in bars of one signature."""
    signature = bars[0].signature
    beat = midi.ticks_per_quarter * 4 // signature[1]
    rate = statistics.median(60 / (midi.seconds(bar.begin + beat) - midi.seconds(bar.begin)) for bar in bars)
    while rate > FASTEST and bar_length(midi, signature) % (2 * beat) == 0:
        beat, rate = 2 * beat, rate / 2
    while rate < SLOWEST and beat % 2 == 0:
        beat, rate = beat // 2, rate * 2
    return beat


def key_of(midi: Midi, chords: list) -> str:
    lengths = collections.Counter({"C": 0})
    for (tick, key), (until, _) in itertools.pairwise([*midi.keys, (midi.last_tick, "")]):
        lengths[key] += until - tick
    signature = lengths.most_common(1)[0][0]
    major = (pitch_class_of(signature.rstrip("m")) + (3 if signature.endswith("m") else 0)) % 12
    sounds = collections.Counter()
    for begin, end, name in chords:
        sounds[name] += end - begin
    minor = (major + 9) % 12
    if sounds[f"{CHORD_ROOTS[minor]}:min"] > sounds[f"{CHORD_ROOTS[major]}:maj"]:
        return f"{KEY_ROOTS[minor]}:min"
    return f"{KEY_ROOTS[major]}:maj"
