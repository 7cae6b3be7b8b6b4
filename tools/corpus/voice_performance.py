"""How people sing who are no machines: changes to the notes before any sound is made.

Each is a function of (notes, singer, rng, its plain numbers), which draws what happens; `draw` picks those of a song.
Notes are voice.SungNote in order; what comes back is in order too and never overlaps.
"""

import dataclasses

import numpy as np

from corpus.voice import Singer, SungNote

PHRASE_REST_S = .25  # notes further apart belong to two phrases
SHORTEST_S = .06


def draw(rng: np.random.Generator) -> list[dict]:
    """Which changes, with their numbers, which are drawn also for those that are not there."""
    chosen = [
        (.35, {"name": "intonation", "note_sd": rng.uniform(.12, .3), "drift_sd": rng.uniform(.05, .15)}),
        (.4, {"name": "slides", "glide_s": rng.uniform(.08, .22), "scoop": rng.uniform(1.2, 3)}),
        (.3, {"name": "lag", "phrase_sd_s": rng.uniform(.03, .09)}),
        (.2, {"name": "octaves", "share": rng.uniform(.05, .2)}),
        (.3, {"name": "rests", "share": rng.uniform(.15, .5)}),
        (.1, {"name": "humming"}),
    ]
    return [change for probability, change in chosen if rng.random() < probability]


def perform(notes: list[SungNote], singer: Singer, changes: list[dict], rng: np.random.Generator) -> list[SungNote]:
    notes = [dataclasses.replace(note) for note in notes]
    for change in changes:
        notes = CHANGES[change["name"]](notes, singer, rng, **{key: change[key] for key in change if key != "name"})
    return notes


def intonation(notes, singer, rng, note_sd, drift_sd):
    """Worse in tune than perform() has it, a note and over time."""
    singer.drift = drift_sd
    extra = np.sqrt(max(0., note_sd ** 2 - singer.detune ** 2))
    return [dataclasses.replace(note, pitch=note.pitch + rng.normal(0, extra)) for note in notes]


def slides(notes, singer, rng, glide_s, scoop):
    singer.portamento_s, singer.scoop = glide_s, scoop
    return notes


def lag(notes, singer, rng, phrase_sd_s):
    """Every phrase late or early as a whole."""
    late = {id(phrase[0]): float(np.clip(rng.normal(0, phrase_sd_s), -.2, .2)) for phrase in phrases(notes)}
    by, before = 0., None
    for note in notes:
        by = late.get(id(note), by)
        note.begin, note.end = note.begin + by, note.end + by
        if before and note.begin < before.end:
            before.end = max(before.begin + SHORTEST_S, note.begin)
            note.begin = max(note.begin, before.end)
            note.end = max(note.end, note.begin + SHORTEST_S)
        before = note
    return notes


def octaves(notes, singer, rng, share):
    """Whole phrases, or one in five times a note, in the octave below or above: whichever is nearer to the middle."""
    middle = np.median([note.pitch for note in notes]) if notes else 60
    for phrase in phrases(notes):
        if rng.random() < share:
            part = phrase if rng.random() < .8 else [phrase[rng.integers(len(phrase))]]
            by = 12 if np.mean([note.pitch for note in part]) < middle else -12
            for note in part:
                note.pitch += by
    return notes


def rests(notes, singer, rng, share):
    """Phrases that are not sung, often several in a row."""
    left, silent = [], False
    for phrase in phrases(notes):
        silent = rng.random() < (.6 if silent else .4 * share / max(1 - share, .1))
        if not silent:
            left += phrase
    return left or notes


def humming(notes, singer, rng):
    """The mouth stays closed: no consonants. The methods make the sound."""
    return [dataclasses.replace(note, consonant=False) for note in notes]


CHANGES = {"intonation": intonation, "slides": slides, "lag": lag, "octaves": octaves, "rests": rests,
           "humming": humming}


def phrases(notes: list[SungNote]) -> list[list[SungNote]]:
    found = []
    for note in notes:
        if found and note.begin - found[-1][-1].end < PHRASE_REST_S:
            found[-1].append(note)
        else:
            found.append([note])
    return found
