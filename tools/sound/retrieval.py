"""Notes without a note generator: for every two bars of a plan those that a song of a corpus has where its chords change
and its tune strikes alike, moved to the plan's chords. The rival that a generator has to beat."""

import functools
import pathlib

import numpy as np

from sound import Failed, songs

BEATS, STEPS = 8, 4  # of a segment; of a beat
# Of squared differences: chord changes and minor chords a beat, onsets of the tune a step.
CHANGE, MINOR, ONSET = 1.0, .4, .35
NEAREST = 8  # one of them is taken, by chance
ROOTS = (-6, 5)  # semitones that notes may move


def features(roots: np.ndarray, minors: np.ndarray, onsets: np.ndarray) -> np.ndarray:
    """Of beats' triads and of onsets a step: [beats - BEATS + 1][BEATS * (2 + STEPS)], a segment from each beat on."""
    change = np.diff(roots, prepend=roots[:1]) != 0
    of_beats = np.column_stack([CHANGE**.5 * change, MINOR**.5 * minors, ONSET**.5 * onsets.reshape(-1, STEPS)])
    windows = np.lib.stride_tricks.sliding_window_view(of_beats, BEATS, axis=0)
    return np.ascontiguousarray(windows.reshape(len(windows), -1), dtype=np.float32)


def struck_steps(beats: np.ndarray, onsets: np.ndarray) -> np.ndarray:
    """Whether one of the onsets is at a step, of all steps but those of the last beat."""
    struck = np.zeros((len(beats) - 1) * STEPS)
    steps = np.round(np.interp(onsets, beats, np.arange(len(beats)) * STEPS, left=-1, right=-1)).astype(int)
    struck[steps[(steps >= 0) & (steps < len(struck))]] = 1
    return struck


class Library:
    """Every segment of the songs of a corpus that are there to be learnt from."""

    def __init__(self, corpus: pathlib.Path):
        self.songs, rows, self.places = [], [], []
        for path in sorted(corpus.glob("*.json")):
            song = songs.Song(corpus, path.stem)
            if song.data.get("split") == "train" and len(song.data["beats"]) > BEATS:
                rows += self.add(song)
        if not rows:
            raise Failed(f"{corpus} has no songs to take notes from: expected some whose \"split\" is \"train\", as "
                         "tools/make_corpus writes them")
        self.rows = np.concatenate(rows)
        self.squares = (self.rows**2).sum(axis=1)

    def add(self, song: songs.Song) -> list[np.ndarray]:
        beats = np.array([time for time, _ in song.data["beats"]])
        triads = triads_of(beats, [(begin, songs.annotated_triad(name)) for begin, _, name in song.data["chords"]])
        known = np.array([triad is not None for triad in triads])
        roots, minors = (np.array([triad[i] if triad else 0 for triad in triads]) for i in (0, 1))
        onsets = struck_steps(beats, np.array([note[0] for note in song.data["melody"]]))
        whole = np.lib.stride_tricks.sliding_window_view(known, BEATS).all(axis=1)
        self.places += [(len(self.songs), first) for first in np.flatnonzero(whole)]
        self.songs.append((beats, roots, minors, sorted(song.data["notes"])))
        return [features(roots, minors, onsets)[whole]]

    def notes(self, beats: np.ndarray, triads: list[songs.Triad | None], onsets: np.ndarray,
              chance: np.random.Generator) -> list:
        """[[onset_s, duration_s, key, velocity, 0], ...] for the plan's beats; nothing where it has no chord."""
        roots, minors = (np.array([triad[i] if triad else 0 for triad in triads]) for i in (0, 1))
        rows = features(roots, minors, struck_steps(beats, onsets)) if len(triads) >= BEATS else []
        made = []
        for first in range(0, len(triads), BEATS):
            row = min(first, len(triads) - BEATS)  # the last one's beginning was played already
            if row < 0:
                break
            away = self.squares - 2 * self.rows @ rows[row]
            number, begin = self.places[chance.choice(np.argpartition(away, NEAREST)[:NEAREST])]
            made += [note for note in self.moved(number, begin, beats[row:row + BEATS + 1], triads[row:row + BEATS])
                     if note[0] >= beats[first] - .05]
        return made

    def moved(self, number: int, first: int, beats: np.ndarray, triads: list) -> list:
        source, roots, minors, notes = self.songs[number]
        span = source[first:first + BEATS + 1]
        made = []
        for onset, duration, key, velocity, *_ in notes:
            beat = np.searchsorted(span, onset + .03, side="right") - 1  # a hand is early at times
            if not 0 <= beat < BEATS or triads[beat] is None:
                continue
            root, minor = triads[beat]
            from_root, was_minor = roots[first + beat], minors[first + beat]
            third = (key - from_root) % 12 == (3 if was_minor else 4)
            low = ROOTS[0]
            key += (root - from_root - low) % 12 + low + (int(was_minor) - int(minor)) * third
            rate = (beats[beat + 1] - beats[beat]) / (span[beat + 1] - span[beat])
            made.append([float(beats[beat] + (onset - span[beat]) * rate), float(duration * rate), int(key),
                         int(velocity), 0])
        return made


def triads_of(beats: np.ndarray, changes: list[tuple[float, songs.Triad | None]]) -> list:
    """Of every beat but the last, in its middle."""
    times = [time for time, _ in changes]
    held = np.searchsorted(times, (beats[:-1] + beats[1:]) / 2, side="right") - 1
    return [changes[index][1] if index >= 0 else None for index in held]


@functools.cache
def library(corpus: pathlib.Path) -> Library:
    return Library(corpus)


def retrieve(corpus: pathlib.Path, plan: dict, seed: int) -> list:
    """Notes for the beats, the chords and the tune of a plan as `fastsag render --plan` writes it."""
    beats = np.array(plan["beats"])
    if len(beats) < 2:
        return []
    triads = triads_of(beats, [(begin, songs.planned_triad(name)) for begin, name, *_ in plan["chords"]])
    onsets = np.array([note[0] for note in plan["sung"]])
    return library(corpus).notes(beats, triads, onsets, np.random.default_rng(seed))

