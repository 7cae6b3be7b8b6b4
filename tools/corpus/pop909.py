"""Reads POP909 (Wang et al., ISMIR 2020) into songs: plain dictionaries with the fields of the corpus JSON.

Pitches are MIDI keys, times are seconds, rounded to .1 ms (the audio is rendered from the rounded ones).

A piano note is what one key does: pedal and other controllers are left out, a key struck again ends its earlier note
5 ms before, no note is shorter than 30 ms. The audio is therefore a function of the notes alone. BRIDGE (a second
melody) is left out of the accompaniment.
"""

import collections
import io
import math
import pathlib
import re
import statistics
import tarfile

import mido

LOWEST_MEDIAN, HIGHEST_MEDIAN = 48, 76  # of a melody that people can sing
WANTED = re.compile(r"(?:^|/)(\d{3})/(\1\.mid|beat_midi\.txt|chord_midi\.txt|key_audio\.txt)$")
FILES_PER_SONG = 4
CHORD_ROOTS = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]  # as chord_midi.txt spells them
KEY_ROOTS = ["C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B"]  # as key_audio.txt spells them
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SHORTEST_S, RESTRIKE_GAP_S, SHORTEST_SUNG_S, TAIL_S = 0.030, 0.005, 0.040, 1.0


def read_files(source: pathlib.Path) -> dict[str, dict[str, bytes]]:
    """Song name -> file name -> content, from the archive or from an unpacked folder; incomplete songs are left out."""
    songs = collections.defaultdict(dict)
    if source.is_dir():
        for path in source.rglob("*"):
            if match := WANTED.search(path.as_posix()):
                songs[match[1]][match[2]] = path.read_bytes()
    else:
        with tarfile.open(source) as archive:
            for member in archive:
                if member.isfile() and (match := WANTED.search(member.name)):
                    songs[match[1]][match[2]] = archive.extractfile(member).read()
    return {name: files for name, files in sorted(songs.items()) if len(files) == FILES_PER_SONG}


def split_of(name: str) -> str:
    number = int(name)
    return "train" if number <= 850 else "validate" if number <= 880 else "test"


def read_song(name: str, files: dict[str, bytes]) -> dict:
    """The song as POP909 has it, in its own key."""
    tracks = read_tracks(files[f"{name}.mid"])
    notes = one_sound_a_key(tracks["PIANO"])
    melody = one_voice(tracks["MELODY"])
    end = max(onset + duration for onset, duration, *_ in notes + melody)
    return {
        "name": name,
        "split": split_of(name),
        "seconds": int(end + TAIL_S) + 1,
        "transpose": 0,
        "key": longest_key(files["key_audio.txt"]),
        "melody": melody,
        "notes": [[*note, 0] for note in notes],
        "beats": read_beats(files["beat_midi.txt"]),
        "chords": [[round(float(begin), 4), round(float(end), 4), chord]
                   for begin, end, chord in lines_of(files["chord_midi.txt"])],
    }


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
    pitch_class = SEMITONES[root[0]] + root.count("#") - root.count("b")
    return spelling[(pitch_class + semitones) % 12] + colon + rest


def read_tracks(midi: bytes) -> dict[str, list]:
    """Track name -> [onset_s, end_s, pitch, velocity] in order of onset."""
    file = mido.MidiFile(file=io.BytesIO(midi), clip=True)
    tempi = sorted((tick, message.tempo) for track in file.tracks for tick, message in with_ticks(track)
                   if message.type == "set_tempo")
    anchors = [(0, 0.0, 500000)]  # tick, seconds, microseconds a quarter from there on
    for tick, tempo in tempi:
        at, seconds, before = anchors[-1]
        anchors.append((tick, seconds + (tick - at) * before * 1e-6 / file.ticks_per_beat, tempo))

    tracks = {}
    for track in file.tracks:
        anchor, sounding, notes = 0, {}, []
        for tick, message in with_ticks(track):
            if message.type not in ("note_on", "note_off"):
                continue
            while anchor + 1 < len(anchors) and anchors[anchor + 1][0] <= tick:
                anchor += 1
            at, seconds, tempo = anchors[anchor]
            now = seconds + (tick - at) * tempo * 1e-6 / file.ticks_per_beat
            if message.note in sounding:
                onset, velocity = sounding.pop(message.note)
                notes.append([onset, now, message.note, velocity])
            if message.type == "note_on" and message.velocity > 0:
                sounding[message.note] = (now, message.velocity)
        tracks[track.name] = sorted(notes)
    return tracks


def with_ticks(track):
    tick = 0
    for message in track:
        tick += message.time
        yield tick, message


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


def read_beats(text: bytes) -> list:
    """[time, downbeat]. Of the file's two flags the second marks bars of four (838 of 880 songs change chords there
    most often), the first bars of three (29 songs; there the second marks every other bar)."""
    rows = [[float(field) for field in line] for line in lines_of(text)]
    marked = [index for index, row in enumerate(rows) if row[1] > 0]
    gaps = collections.Counter(b - a for a, b in zip(marked, marked[1:]))
    flag = 1 if gaps and gaps.most_common(1)[0][0] == 3 else 2
    return [[round(row[0], 4), int(row[flag] > 0)] for row in rows]


def longest_key(text: bytes) -> str:
    lengths = collections.Counter()
    for begin, end, key in lines_of(text):
        lengths[key] += float(end) - float(begin)
    return lengths.most_common(1)[0][0]


def lines_of(text: bytes) -> list[list[str]]:
    return [line.split() for line in text.decode().splitlines() if line.strip()]
