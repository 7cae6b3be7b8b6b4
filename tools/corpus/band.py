"""Notes of further parts for a song of POP909, which has none: bass, strings and drums on its chords and beats.

The renderers of these parts learn from them how an instrument sounds, so they are more varied than anybody would play:
every key, length and loudness that the arranger (model/lite/arranger.h) may ask for turns up, and more. What the parts
play when somebody sings is the arranger's business alone.

A part: [[onset_s, duration_s, pitch, velocity], ...] in order, no key twice at the same time.
"""

import numpy as np

from corpus import song as songs

# Part -> its MIDI channel, General MIDI bank and programme, as model/plan.h has them.
PARTS = {"bass": (1, 0, 33), "strings": (2, 0, 48), "drums": (9, 128, 0)}
BASS_KEYS, STRING_KEYS = (26, 55), (40, 88)
KICK, STICK, SNARE, CLAP, PEDAL, HAT, OPEN, CRASH, RIDE, SHAKER = 36, 37, 38, 39, 44, 42, 46, 49, 51, 70
TOMS = (41, 43, 45, 47, 48, 50)
EIGHTHS, SIXTEENTHS = range(0, 16, 2), range(16)
# 16ths of a bar of four on which a drum may be struck: one line of each kind makes a groove.
CYMBALS = [(HAT, EIGHTHS), (HAT, SIXTEENTHS), (HAT, range(0, 16, 4)), (RIDE, EIGHTHS), (RIDE, range(0, 16, 4)),
           (SHAKER, SIXTEENTHS), (SHAKER, EIGHTHS), (PEDAL, range(2, 16, 4)), (OPEN, range(2, 16, 4)), (HAT, ())]
BACKBEATS = [(SNARE, (4, 12)), (STICK, (4, 12)), (SNARE, (8,)), (STICK, (8,)), (SNARE, (4, 7, 12)), (CLAP, (4, 12)),
             (SNARE, ())]
KICKS = [(0, 8), (0, 6, 8), (0, 10), (0, 7, 8, 10), (0, 4, 8, 12), (0,), ()]
JITTER_S = .008  # normal error of a stroke
RING_S = 2.5  # a drum rings on until it is struck again
QUALITIES = {"maj": (0, 4, 7), "min": (0, 3, 7), "dim": (0, 3, 6), "aug": (0, 4, 8), "sus2": (0, 2, 7),
             "sus4": (0, 5, 7)}


def parts_of(song: dict, rng: np.random.Generator) -> dict[str, list]:
    beats = [time for time, _ in song["beats"]]
    if len(beats) < 8:
        return {name: [] for name in PARTS}
    made = {"bass": bass(song, beats, rng), "strings": strings(song, rng), "drums": drums(song, beats, rng)}
    return {name: tidy(notes, song["seconds"]) for name, notes in made.items()}


def tidy(notes: list, seconds: float) -> list:
    inside = [[max(on, 0.), min(off, seconds - .5), int(pitch), int(np.clip(velocity, 1, 127))]
              for on, off, pitch, velocity in notes if on < seconds - 1]
    return songs.one_sound_a_key(sorted(inside))


def triad_of(name: str) -> tuple[int, tuple[int, ...]] | None:
    root, _, kind = name.partition(":")
    if root[0] not in songs.SEMITONES:
        return None
    pitch_class = songs.pitch_class_of(root)
    kind = kind.split("/")[0]
    for quality in ("sus2", "sus4", "min", "dim", "aug"):
        if kind.startswith(quality):
            return pitch_class, QUALITIES[quality]
    return pitch_class, QUALITIES["dim" if kind.startswith("hdim") else "maj"]


def chord_at(song: dict, time: float):
    for begin, end, name in song["chords"]:
        if begin - .02 <= time < end - .02:
            return triad_of(name)
    return None


def near(pitch_class: int, key: float) -> int:
    """The key of that pitch class that is nearest."""
    return int(round((key - pitch_class) / 12)) * 12 + pitch_class


def phrases(rng: np.random.Generator, count: int, low: int = 6, high: int = 20):
    """[begin, end) of stretches that keep one way of playing."""
    begin = 0
    while begin < count:
        end = min(count, begin + int(rng.integers(low, high)))
        yield begin, end
        begin = end


def bass(song: dict, beats: list, rng: np.random.Generator) -> list:
    notes = []
    for begin, end in phrases(rng, len(beats) - 1):
        centre, loud = rng.uniform(30, 48), rng.uniform(45, 112)
        division = int(rng.choice([1, 1, 2, 2, 4]))  # strokes a beat
        dense, length = rng.uniform(.25, 1), rng.uniform(.3, 1.3)
        if rng.random() < .12:
            continue  # rests
        for beat in range(begin, end):
            step = (beats[beat + 1] - beats[beat]) / division
            for part in range(division):
                on = beats[beat] + part * step + rng.normal(0, JITTER_S)
                chord = chord_at(song, on + .02)
                if chord is None or rng.random() > dense:
                    continue
                root = near(chord[0], centre)
                move = rng.choice([0, 0, 0, 0, chord[1][2], 12, -12, chord[1][1], int(rng.integers(-3, 4))])
                pitch = int(np.clip(root + move, *BASS_KEYS))
                held = step * length * rng.choice([1, 1, 1, 2, 4])
                notes.append([on, on + max(held, .06), pitch, loud + rng.normal(0, 8)])
    notes.sort()
    for note, following in zip(notes, notes[1:]):  # a bass has one voice, more or less
        note[1] = min(note[1], following[0] + .01)
    return notes


def strings(song: dict, rng: np.random.Generator) -> list:
    notes = []
    loud, centre = 70., 62.
    for begin, end, name in song["chords"]:
        chord = triad_of(name)
        if rng.random() < .15:
            loud, centre = rng.uniform(30, 105), rng.uniform(52, 76)
        if chord is None or rng.random() < .06:
            continue
        voices = int(rng.integers(1, 6))
        keys = sorted({near((chord[0] + chord[1][i % 3]) % 12, centre + rng.normal(0, 5) + (i - voices / 2) * 5)
                       for i in range(voices)})
        pieces = int(rng.choice([1, 1, 1, 2, 2, 4]))
        legato = rng.uniform(.7, 1.03) if rng.random() < .5 else 1
        for piece in range(pieces):
            on = begin + (end - begin) * piece / pieces
            off = on + (end - begin) / pieces * legato
            for key in keys:
                if STRING_KEYS[0] <= key <= STRING_KEYS[1]:
                    notes.append([on + rng.normal(0, JITTER_S), off, key, loud + rng.normal(0, 5)])
    return notes


def drums(song: dict, beats: list, rng: np.random.Generator) -> list:
    notes = []

    def strike(at: float, key: int, velocity: float) -> None:
        on = at + rng.normal(0, JITTER_S)
        notes.append([on, on + RING_S, key, velocity])

    downs = [index for index, (_, down) in enumerate(song["beats"]) if down] or [0]
    bars = [(a, b) for a, b in zip(downs, downs[1:]) if 2 <= b - a <= 8]
    for begin, end in phrases(rng, len(bars), 3, 9):
        cymbal, backbeat = CYMBALS[rng.integers(len(CYMBALS))], BACKBEATS[rng.integers(len(BACKBEATS))]
        kick, loud = KICKS[rng.integers(len(KICKS))], rng.uniform(45, 112)
        if rng.random() < .1:
            continue
        if rng.random() < .4:
            strike(beats[bars[begin][0]], CRASH, loud + rng.normal(8, 10))
        for bar in range(begin, end):
            first, last = bars[bar]
            times = [beats[beat] + (beats[min(beat + 1, len(beats) - 1)] - beats[beat]) * part / 4
                     for beat in range(first, last) for part in range(4)][:16]
            fill = bar == end - 1 and rng.random() < .7
            for step, at in enumerate(times):
                if fill and step >= len(times) - 8:
                    if rng.random() < .7:
                        strike(at, int(rng.choice((SNARE, *TOMS))), loud + rng.normal(0, 14))
                    continue
                if step in cymbal[1]:
                    open_hat = cymbal[0] == HAT and rng.random() < .04
                    strike(at, OPEN if open_hat else cymbal[0], loud - 12 + 10 * (step % 4 == 0) + rng.normal(0, 8))
                if step in backbeat[1]:
                    strike(at, backbeat[0], loud + rng.normal(0, 8))
                if step in kick:
                    strike(at, KICK, loud + rng.normal(0, 8))
                if rng.random() < .02:
                    strike(at, int(rng.choice((SNARE, STICK, *TOMS, OPEN, RIDE))), rng.uniform(20, 110))
    return notes
