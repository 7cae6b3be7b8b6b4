"""A voice as it may reach the program: one of two methods, a way of singing, a place, a microphone; drawn once a song.

One song in PLAIN_SHARE is left as voice.py sings it. What was drawn is written down in plain numbers:
{"method": "harmonics" | "syllables", "timing_sd_s": s, "conditions": [{"name": ..., numbers}, ...],
 "sung": [[onset_s, duration_s, pitch], ...]}: `sung` is what was really sung (late, out of tune, in a wrong octave, or
not at all), while the song's melody stays what is written in the score.
"""

import dataclasses

import numpy as np

from corpus import voice, voice_conditions, voice_performance, voice_syllables
from corpus.voice import SAMPLE_RATE

VERSION = 1  # changes when the same seed gives other audio
PLAIN_SHARE = .2
METHODS = {"harmonics": voice, "syllables": voice_syllables}
TALKERS = 6
TALK_S = 12
TALK = "la casa non era lontana e poi tutti andavano a vedere il mare prima di sera {} con gli amici di sempre"


@dataclasses.dataclass
class Sung:
    samples: np.ndarray
    description: dict


def sing(melody: list, seconds: int, accompaniment: np.ndarray, rng: np.random.Generator) -> Sung:
    """[onset_s, duration_s, pitch, velocity] in order, without overlaps -> seconds * SAMPLE_RATE samples within +-1."""
    method = ("harmonics", "syllables")[int(rng.random() < .6)]
    timing_sd_s = rng.uniform(.01, .04)
    changes, conditions = voice_performance.draw(rng), voice_conditions.draw(rng)
    return sing_as(melody, seconds, accompaniment, method, timing_sd_s, changes, conditions, rng)


def sing_as(melody: list, seconds: int, accompaniment: np.ndarray, method: str, timing_sd_s: float,
            changes: list[dict], conditions: list[dict], rng: np.random.Generator) -> Sung:
    samples = seconds * SAMPLE_RATE
    singer = voice.draw_singer(rng)
    singer.level = voice.decibel(rng.uniform(-30, -16))
    notes = voice.perform(melody, singer, timing_sd_s, rng)
    notes = voice_performance.perform(notes, singer, changes, rng)
    humming = any(change["name"] == "humming" for change in changes)
    alone = METHODS[method].render(notes, singer, samples, rng, humming)

    def backing(semitones: int) -> np.ndarray:
        others = [dataclasses.replace(note, pitch=note.pitch + semitones + rng.normal(0, .08),
                                      begin=note.begin + rng.normal(0, .01)) for note in notes]
        for before, note in zip(others, others[1:]):
            before.end = min(before.end, note.begin)
        others = [note for note in others if note.end > note.begin + .05]
        return METHODS[method].render(others, voice.draw_singer(rng), samples, rng)

    scene = voice_conditions.Scene(accompaniment, backing, lambda wanted: crowd(wanted, rng), rng)
    heard = voice_conditions.apply(alone, conditions, scene)
    return Sung(heard, {"method": method, "timing_sd_s": round(timing_sd_s, 4),
                        "conditions": [rounded(condition) for condition in changes + conditions],
                        "sung": [[round(note.begin, 3), round(note.end - note.begin, 3), round(note.pitch, 2)]
                                 for note in notes]})


def crowd(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Several people talking at once; the same seconds again and again, begun elsewhere."""
    talk = np.zeros(TALK_S * SAMPLE_RATE)
    for talker in range(TALKERS):
        voices = voice_syllables.VOICES
        name = f"{voice_syllables.LANGUAGES[talker]}+{voices[rng.integers(len(voices))]}"
        said = voice_syllables.say(name, TALK.format(int(rng.integers(1000))), "-s", str(rng.integers(120, 200)),
                                   "-p", str(rng.integers(20, 80)))
        at = np.arange(int(said.size * SAMPLE_RATE / voice_syllables.SPOKEN_RATE))
        said = np.interp(at * voice_syllables.SPOKEN_RATE / SAMPLE_RATE, np.arange(said.size), said)
        said = np.resize(said, talk.size) * rng.uniform(.4, 1)
        talk += np.roll(said, int(rng.integers(talk.size)))
    return np.resize(np.roll(talk, int(rng.integers(talk.size))), samples)


def rounded(condition: dict) -> dict:
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in condition.items()}
