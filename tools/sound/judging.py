"""How near a plan and a sound are to what a song's annotations say: chords, tempo, beats."""

import math
import pathlib

import numpy as np

from sound import spectra
from sound.songs import WINDOW_S, Clip, holding, planned_triad

MULTIPLES = {"x2": 2, "x1/2": 1 / 2, "x3/2": 3 / 2, "x2/3": 2 / 3, "x3": 3, "x1/3": 1 / 3, "x4/3": 4 / 3, "x3/4": 3 / 4}
TEMPO_SHARE, BEAT_WINDOW_S = .04, .070
TOGETHER_S = .030  # onsets nearer than this are one chord's


def of_plan(plan: dict, clip: Clip) -> dict:
    """Of a plan whose times are those of the song; nothing of what plays without one."""
    if not plan["chords"] and not plan["beats"]:
        return {}
    wanted = [(sum(span) / 2, triad) for span, triad in clip.song.triads(clip.begin, clip.end) if triad]
    right = [planned_triad(holding(plan["chords"], middle)) == triad for middle, triad in wanted]
    beats = np.array([beat for beat in plan["beats"] if clip.begin <= beat < clip.end])
    return {"chord": mean(right), **pulse(beats, clip.song.beats(clip.begin, clip.end))}


def of_score(chords: list, notes: list, clip: Clip) -> dict:
    """How busy and how loud: of chords as plans have them and of the piano's notes, a beat of the annotation."""
    beats = max(1, len(clip.song.beats(clip.begin, clip.end)))
    triads = [(at, planned_triad(name)) for at, name, *_ in chords]
    changes = [at for (_, before), (at, triad) in zip(triads, triads[1:]) if triad != before]
    piano = sorted((onset, velocity) for onset, _, _, velocity, *channel in notes
                   if clip.begin <= onset < clip.end and not any(channel))
    struck = np.diff([onset for onset, _ in piano], prepend=-math.inf) > TOGETHER_S
    return {"onsets": float(struck.sum()) / beats,
            "changes": sum(clip.begin <= at < clip.end for at in changes) / beats,
            "velocity": mean(velocity for _, velocity in piano)}


def pulse(beats: np.ndarray, true: np.ndarray) -> dict:
    """What is to be said of beats against the annotated ones."""
    if len(beats) < 3 or len(true) < 3:
        return {"planF": f_measure(beats, true), "tempo": 0., **dict.fromkeys(MULTIPLES, 0.)}
    period, true_period = (float(np.median(np.diff(ticks))) for ticks in (beats, true))
    times = true_period / period  # as fast as the annotated
    figures = {"planF": f_measure(beats, true), "bpm": 60 / period, "true_bpm": 60 / true_period,
               "steady": float(np.mean(np.abs(np.diff(beats) / period - 1) <= TEMPO_SHARE))}
    for name, multiple in {"tempo": 1, **MULTIPLES}.items():
        figures[name] = float(abs(times / multiple - 1) <= TEMPO_SHARE)
    if figures["tempo"]:
        off = np.abs(beats[:, None] - true[None]).min(axis=1)
        figures["phase"] = float(np.median(off) <= BEAT_WINDOW_S)
    return figures


def f_measure(beats: np.ndarray, true: np.ndarray) -> float:
    """2 hits / (beats + true beats); each beat hits one at most. Both ascend."""
    hits, i, j = 0, 0, 0
    while i < len(beats) and j < len(true):
        off = beats[i] - true[j]
        hits += abs(off) <= BEAT_WINDOW_S
        i, j = i + (off <= BEAT_WINDOW_S), j + (off >= -BEAT_WINDOW_S)
    return 2 * hits / (len(beats) + len(true)) if len(beats) + len(true) else math.nan


def sounding(path: pathlib.Path, clip: Clip) -> float:
    """Share of the annotated beats in which the sound's own triad is the annotated one."""
    sound, rate = spectra.read(path)
    chroma = spectra.chroma(sound, rate)
    per_second = chroma.shape[1] / WINDOW_S
    right = []
    for (first, last), triad in clip.song.triads(clip.begin, clip.end):
        if triad:
            part = chroma[:, int((first - clip.begin) * per_second):int((last - clip.begin) * per_second) + 1]
            right.append(spectra.best_triad(part.sum(axis=1)) == triad)
    return mean(right)


def mean(values) -> float:
    """Of those that are known; NaN where none is."""
    values = [value for value in values if value is not None and not math.isnan(value)]
    return float(np.mean(values)) if values else math.nan
