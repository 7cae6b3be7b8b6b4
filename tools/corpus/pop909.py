"""Reads POP909 (Wang et al., ISMIR 2020) into songs (song.py).

A piano note is what one key does: pedal and other controllers are left out, a key struck again ends its earlier note
5 ms before, no note is shorter than 30 ms. The audio is therefore a function of the notes alone. BRIDGE (a second
melody) is left out of the accompaniment.
"""

import collections
import pathlib
import re

from corpus.midi import Midi
from corpus.song import Unusable, files_below, one_sound_a_key, one_voice, whole_seconds

WANTED = re.compile(r"(?:^|/)(\d{3})/(\1\.mid|beat_midi\.txt|chord_midi\.txt|key_audio\.txt)$")
EXPECTED = "NNN/NNN.mid, beat_midi.txt, chord_midi.txt, key_audio.txt"
RENDERED = {"validate": 10, "test": 29, "train": 200}  # songs, where nobody says otherwise


def read_files(source: pathlib.Path) -> dict[str, dict[str, bytes]]:
    """Song name -> file name -> content, from the archive or from an unpacked folder."""
    songs = collections.defaultdict(dict)
    for path, read in files_below(source):
        if match := WANTED.search(path):
            songs[match[1]][match[2]] = read()
    return dict(sorted(songs.items()))


def split_of(name: str) -> str:
    number = int(name)
    return "train" if number <= 850 else "validate" if number <= 880 else "test"


def read_song(name: str, files: dict[str, bytes]) -> dict:
    """The song as POP909 has it, in its own key."""
    wanted = (f"{name}.mid", "beat_midi.txt", "chord_midi.txt", "key_audio.txt")
    if missing := [file for file in wanted if file not in files]:
        raise Unusable(f"has no {' and no '.join(missing)}")
    try:
        return song_of(name, files)
    except (ValueError, IndexError) as error:
        raise Unusable(f"has annotations that are not as expected ({error})") from error


def song_of(name: str, files: dict[str, bytes]) -> dict:
    tracks = {track.name: track.notes for track in Midi(files[f"{name}.mid"]).tracks}
    if missing := [wanted for wanted in ("MELODY", "PIANO") if not tracks.get(wanted)]:
        raise Unusable(f"has nothing in the track {' and '.join(missing)}")
    notes = one_sound_a_key(tracks["PIANO"])
    melody = one_voice(tracks["MELODY"])
    return {
        "name": name,
        "split": split_of(name),
        "seconds": whole_seconds(notes, melody),
        "transpose": 0,
        "key": longest_key(files["key_audio.txt"]),
        "melody": melody,
        "notes": [[*note, 0] for note in notes],
        "beats": read_beats(files["beat_midi.txt"]),
        "chords": [[round(float(begin), 4), round(float(end), 4), chord]
                   for begin, end, chord in lines_of(files["chord_midi.txt"])],
    }


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
