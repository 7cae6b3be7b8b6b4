"""A song as the corpus holds it, and what can be done to it: plain dictionaries with the fields of the corpus JSON.

Pitches are MIDI keys, times are seconds, rounded to .1 ms (the audio is rendered from the rounded ones).
"""

import math
import pathlib
import statistics
import tarfile

LOWEST_MEDIAN, HIGHEST_MEDIAN = 48, 76  # of a melody that people can sing
CHORD_ROOTS = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]  # as POP909 spells chords
KEY_ROOTS = ["C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B"]  # and keys
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SHORTEST_S, RESTRIKE_GAP_S, SHORTEST_SUNG_S, TAIL_S = 0.030, 0.005, 0.040, 1.0


class Unusable(Exception):
    """Why a song is left out, to follow its name: "has no piano (...)"."""


def files_below(source: pathlib.Path):
    """(path, how to read it) of every file of an archive or of an unpacked folder."""
    if source.is_dir():
        for path in source.rglob("*"):
            if path.is_file():
                yield path.as_posix(), path.read_bytes
        return
    with tarfile.open(source) as archive:
        for member in archive:
            if member.isfile():
                yield member.name, lambda: archive.extractfile(member).read()


def transposed(song: dict, semitones: int, voice_octaves: int = 0) -> dict:
    """The song in another key; the sung line may move by octaves as well, which changes no chord."""
    return song | {
        "transpose": song["transpose"] + semitones,
        "key": transpose_name(song["key"], semitones, KEY_ROOTS),
        "melody": [[on, length, pitch + semitones + 12 * voice_octaves, velocity]
                   for on, length, pitch, velocity in song["melody"]],
        "notes": [[on, length, pitch + semitones, velocity, channel]
                  for on, length, pitch, velocity, channel in song["notes"]],
        "chords": [[begin, end, transpose_name(chord, semitones, CHORD_ROOTS)] for begin, end, chord in song["chords"]],
    }


def within_voice(song: dict) -> dict:
    """The song with its melody moved by octaves to where somebody can sing it; POP909 writes some far too high."""
    median = statistics.median(note[2] for note in song["melody"])
    up = math.ceil(max(0, LOWEST_MEDIAN - median) / 12)
    down = math.ceil(max(0, median - HIGHEST_MEDIAN) / 12)
    return transposed(song, 0, up - down)


def transpose_name(name: str, semitones: int, spelling: list[str]) -> str:
    """"Bb:min7/b3" up 2 -> "C:min7/b3": the root moves, the rest is relative to it. "N" (no chord) stays."""
    root, colon, rest = name.partition(":")
    if root not in spelling + KEY_ROOTS + CHORD_ROOTS:
        return name
    return spelling[(pitch_class_of(root) + semitones) % 12] + colon + rest


def pitch_class_of(root: str) -> int:
    return (SEMITONES[root[0]] + root.count("#") - root.count("b")) % 12


def one_sound_a_key(notes: list) -> list:
    """[onset, end, pitch, velocity] -> [onset, duration, pitch, velocity], no two notes of a key at the same time."""
    out, last = [], {}
    for onset, end, pitch, velocity in notes:
        before = last.get(pitch)
        if before is not None and onset - before[0] < SHORTEST_S + RESTRIKE_GAP_S:  # the same stroke, written twice
            before[1], before[3] = max(before[1], end), max(before[3], velocity)
            continue
        if before is not None:
            before[1] = min(before[1], onset - RESTRIKE_GAP_S)
        last[pitch] = [onset, end, pitch, velocity]
        out.append(last[pitch])
    return [[round(onset, 4), round(max(end - onset, SHORTEST_S), 4), pitch, velocity]
            for onset, end, pitch, velocity in out]


def one_voice(notes: list) -> list:
    """A singer has one voice: a note ends where the next begins; of notes that begin together the highest stays."""
    kept = []
    for onset, end, pitch, velocity in notes:
        if kept and onset - kept[-1][0] < SHORTEST_SUNG_S:
            kept[-1] = max(kept[-1], [kept[-1][0], end, pitch, velocity], key=lambda note: note[2])
            continue
        if kept:
            kept[-1][1] = min(kept[-1][1], onset)
        kept.append([onset, end, pitch, velocity])
    return [[round(onset, 4), round(end - onset, 4), pitch, velocity]
            for onset, end, pitch, velocity in kept if end - onset >= SHORTEST_SUNG_S]


def whole_seconds(*parts: list) -> int:
    """How long the audio of these notes is."""
    return int(max(onset + duration for notes in parts for onset, duration, *_ in notes) + TAIL_S) + 1
