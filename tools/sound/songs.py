"""Songs of a corpus of tools/make_corpus as they are judged by: windows with much singing, their beats and triads."""

import dataclasses
import functools
import json
import pathlib

import numpy as np

from sound import Failed

WINDOW_S = 10
MAJOR = {"maj", "maj6", "maj7", "maj9", "7", "9"}
MINOR = {"min", "min6", "min7", "min9"}
NOTE_NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SIGNS = {"#": 1, "b": -1}

Triad = tuple[int, bool]  # root as a pitch class, minor


def root_and_rest(name: str) -> tuple[int, str] | None:
    """"Ebm" is 3 and "m"; None for what begins with no note, such as "N"."""
    if not name or name[0] not in _LETTERS or name.startswith("N"):
        return None
    signs = len(name[1:]) - len(name[1:].lstrip("#b"))
    return (_LETTERS[name[0]] + sum(_SIGNS[sign] for sign in name[1:1 + signs])) % 12, name[1 + signs:]


def annotated_triad(name: str) -> Triad | None:
    """Of "Eb:min7/b3"; None for N and for what is neither major nor minor."""
    found = root_and_rest(name)
    quality = found and found[1].removeprefix(":").split("/")[0].split("(")[0]
    return (found[0], quality in MINOR) if quality in MAJOR | MINOR else None


def planned_triad(name: str) -> Triad | None:
    """Of "Ebm" as plans name chords; None for N."""
    found = root_and_rest(name)
    return found and (found[0], found[1].startswith("m") and not found[1].startswith("maj"))


def holding(changes: list, seconds: float) -> str:
    """The name that holds at that time, of [[from_s, name, ...], ...] in ascending order."""
    held = [name for begin, name, *_ in changes if begin <= seconds]
    return held[-1] if held else "N"


@dataclasses.dataclass(frozen=True)
class Grid:
    """Beats at a steady tempo, and how far the annotated ones are from it at most."""
    origin: float
    period: float
    off: float

    def at_or_before(self, seconds: float) -> float:
        """A beat; the first one after 0 where the one before lies before the song."""
        beat = self.origin + np.floor((seconds - self.origin) / self.period + 1e-6) * self.period
        return float(beat if beat >= 0 else beat + self.period)


@dataclasses.dataclass(frozen=True)
class Song:
    folder: pathlib.Path
    name: str

    @functools.cached_property
    def data(self) -> dict:
        path = self.folder / f"{self.name}.json"
        try:
            data = json.loads(path.read_text())
        except ValueError as error:
            raise Failed(f"{path} is no JSON ({error}): write it again with tools/make_corpus") from None
        if missing := [what for what in ("seconds", "melody", "notes", "beats", "chords") if what not in data]:
            raise Failed(f"{path} has no {', '.join(missing)}: expected a song as tools/make_corpus writes it")
        return data

    @property
    def vocals(self) -> pathlib.Path:
        return self.folder / f"{self.name}_vocals.flac"

    @property
    def truth(self) -> pathlib.Path:
        return self.folder / f"{self.name}_no_vocals.flac"

    def is_rendered(self) -> bool:
        return all(path.exists() for path in (self.vocals, self.truth, self.folder / f"{self.name}.json"))

    def windows(self, count: int) -> list[float]:
        """Where the most sung windows begin that do not overlap and have an annotated triad, the most sung first."""
        melody = np.array([note[:2] for note in self.data["melody"]])
        if not len(melody):
            return []
        begins, ends = melody[:, 0], melody[:, 0] + melody[:, 1]

        def sung(begin):
            return np.maximum(0, np.minimum(ends, begin + WINDOW_S) - np.maximum(begins, begin)).sum()

        places = np.arange(WINDOW_S, self.data["seconds"] - WINDOW_S - 1, 1.)
        chosen = []
        for begin in sorted(places, key=lambda begin: (-round(sung(begin), 3), begin)):
            if len(chosen) < count and sung(begin) > 0 and all(abs(begin - other) >= WINDOW_S for other in chosen):
                if any(triad for _, triad in self.triads(begin, begin + WINDOW_S)):
                    chosen.append(float(begin))
        return chosen

    def clips(self, count: int) -> list["Clip"]:
        return [Clip(self, number + 1, begin) for number, begin in enumerate(self.windows(count))]

    def beats(self, begin: float, end: float) -> np.ndarray:
        return np.array([time for time, _ in self.data["beats"] if begin <= time < end])

    def chords(self) -> list[tuple[float, str]]:
        """As plans have them: where they change, triads by short names."""
        changes = []
        for at, _, name in self.data["chords"]:
            triad = annotated_triad(name)
            short = NOTE_NAMES[triad[0]] + "m" * triad[1] if triad else name.replace(":", "")
            if not changes or changes[-1][1] != short:
                changes.append((at, short))
        return changes

    def triads(self, begin: float, end: float) -> list[tuple[tuple[float, float], Triad | None]]:
        """((from, to), triad) of every annotated beat that lies wholly within; the triad of its middle."""
        beats = self.beats(begin, end)
        chords = [(chord[0], chord[2]) for chord in self.data["chords"]]
        return [((first, last), annotated_triad(holding(chords, (first + last) / 2)))
                for first, last in zip(beats[:-1], beats[1:])]

    def grid(self, begin: float, end: float) -> Grid:
        """The steady tempo nearest to the annotated beats between them."""
        beats = self.beats(begin, end)
        steps = np.round(np.diff(beats) / np.median(np.diff(beats)))
        numbers = np.concatenate([[0], np.cumsum(np.maximum(1, steps))])
        period, origin = np.polyfit(numbers, beats, 1)
        return Grid(float(origin), float(period), float(np.abs(origin + period * numbers - beats).max()))


@dataclasses.dataclass(frozen=True)
class Clip:
    """One of a song's windows."""
    song: Song
    number: int
    begin: float

    @property
    def name(self) -> str:
        return f"{self.song.name}@{self.number}"

    @property
    def end(self) -> float:
        return self.begin + WINDOW_S


def number_ranges(text: str) -> list[int]:
    """"12,881-900": the numbers, in that order."""
    numbers = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers
