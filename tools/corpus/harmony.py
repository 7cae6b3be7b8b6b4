"""Chords of a song that has none written: a major or minor triad for every beat, none where nothing sounds.

Every beat has a profile: how long each pitch class sounds in it, its lowest note counted twice. A triad explains
profiles by a fixed share for its root, third and fifth; the likeliest path through the beats is taken, where a change
costs less on a downbeat. On POP909 it agrees with the annotation in 9 beats of 10 (tools/check_chords).
"""

import bisect

import numpy as np

from corpus import song as songs

SHARES = {"maj": {0: 8, 4: 6, 7: 7}, "min": {0: 8, 3: 6, 7: 7}}  # of a pitch class above the root; of every other 1
EVIDENCE = 8  # how many draws of a pitch class a beat counts for
QUIET = .5  # beats of sound; what is less counts for less
CHANGE, CHANGE_ON_DOWNBEAT = 3, 1.5  # nats
BASS_LASTS = .1  # of a beat at least
LONGEST_REST = 4  # beats without a sound that keep their chord
KINDS = [(root, kind) for root in range(12) for kind in SHARES]


def chords_of(notes: list, beats: list) -> list:
    """[[begin_s, end_s, "C:maj"], ...] of notes [onset_s, duration_s, pitch, ...] on beats [time_s, downbeat]; at least
    two beats. From the first beat to one beat after the last."""
    times = [time for time, _ in beats]
    edges = times + [2 * times[-1] - times[-2]]
    profile = profiles(notes, edges)
    path = likeliest(profile / np.maximum(profile.sum(1, keepdims=True), QUIET), [down for _, down in beats])
    names = [f"{songs.CHORD_ROOTS[KINDS[kind][0]]}:{KINDS[kind][1]}" for kind in path]
    for first, last in runs(profile.sum(1) == 0):
        if last - first > LONGEST_REST:
            names[first:last] = ["N"] * (last - first)
    return [[round(edges[first], 4), round(edges[last], 4), names[first]]
            for first, last in zip(starts(names), starts(names)[1:] + [len(names)])]


def profiles(notes: list, edges: list) -> np.ndarray:
    """[beat][pitch class] beats that it sounds."""
    count = len(edges) - 1
    profile, lowest, of_lowest = np.zeros((count, 12)), [128] * count, [0.] * count
    for onset, duration, pitch, *_ in notes:
        beat = max(0, bisect.bisect_right(edges, onset) - 1)
        while beat < count and edges[beat] < onset + duration:
            begin, end = edges[beat], edges[beat + 1]
            sounds = max(0., min(onset + duration, end) - max(onset, begin)) / (end - begin)
            profile[beat, pitch % 12] += sounds
            if sounds >= BASS_LASTS and pitch <= lowest[beat]:
                of_lowest[beat] = sounds + (of_lowest[beat] if pitch == lowest[beat] else 0)
                lowest[beat] = pitch
            beat += 1
    profile[range(count), np.array(lowest) % 12] += of_lowest
    return profile


def likeliest(profile: np.ndarray, downbeats: list) -> list[int]:
    """Index into KINDS for every beat (Viterbi)."""
    shares = np.array([[SHARES[kind].get((pitch_class - root) % 12, 1) for root, kind in KINDS]
                       for pitch_class in range(12)], float)
    evidence = EVIDENCE * profile @ np.log(shares / shares.sum(0))
    best, came_from = evidence[0], []
    for explained, downbeat in zip(evidence[1:], downbeats[1:]):
        changed = best.max() - (CHANGE_ON_DOWNBEAT if downbeat else CHANGE)
        came_from.append(np.where(best >= changed, np.arange(len(KINDS)), best.argmax()))
        best = np.maximum(best, changed) + explained
    path = [int(best.argmax())]
    for before in reversed(came_from):
        path.append(int(before[path[-1]]))
    return path[::-1]


def starts(values: list) -> list[int]:
    return [i for i, value in enumerate(values) if i == 0 or value != values[i - 1]]


def runs(flags: np.ndarray):
    """[first, last) of stretches that are true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return edges.reshape(-1, 2).tolist()
