"""What score.py (the yardstick that development is judged by) says of sounds made by a formula: score_figures.json.

  python3 -m venv /tmp/v && /tmp/v/bin/pip install numpy==2.4.6 scipy==1.17.1 librosa==0.11.0 soundfile==0.14.0 \\
      pyloudnorm==0.2.0 mir_eval==0.8.2 onnxruntime==1.32.0 torch==2.11.0 pandas resampy
  /tmp/v/bin/pip install --no-deps torchcrepe==0.0.24 basic-pitch==0.4.0
  /tmp/v/bin/python tests/dsp/make_score_golden.py ../shared/score > tests/dsp/score_figures.json

A sound is chords of four-partial strings struck on every beat, with white noise; a voice sings one member of each
chord, and its F0 is given, so that no F0 tracker is judged. tests/dsp/test_accompaniment_figures.cpp makes the same.
"""

import json
import sys

import numpy as np

SECONDS = 8
RATE = 22050
CHORDS = ((48, 52, 55), (45, 48, 52), (41, 45, 48), (43, 47, 50))
MELODY = (0, 2, 1, 2)  # the member that is sung, by beat of the chord, an octave higher

# beat (s), detuning (semitones), noise, transposition, silent from (s)
CLIPS = {
    "plain": (0.5, 0.0, 0.0, 0, 8),
    "detuned and noisy": (0.43, 0.31, 0.02, 0, 8),
    "flat, slow and cut off": (0.72, -0.42, 0.001, 0, 5),
    "out of key": (0.5, 0.0, 0.0, 6, 8),
}


def noise(count: int) -> np.ndarray:
    with np.errstate(over="ignore"):
        z = np.arange(count, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return ((z ^ z >> np.uint64(31)) >> np.uint64(11)).astype(np.float64) * 2.0 ** -52 - 1


def chord(beat_number: np.ndarray) -> np.ndarray:
    return beat_number // 4 % 4


def accompaniment(beat: float, detuning: float, level: float, transposition: int, until: float) -> np.ndarray:
    t = np.arange(SECONDS * RATE) / RATE
    number = np.floor(t / beat).astype(int)
    since = t - number * beat
    wave = level * noise(len(t))
    for member in range(3):
        key = np.array(CHORDS)[chord(number), member] + detuning + transposition
        hz = 440 * 2 ** ((key - 69) / 12)
        for partial in range(1, 5):
            wave += 0.05 / partial * np.exp(-3 * since) * np.sin(2 * np.pi * partial * hz * since)
    wave[t >= until] = 0
    return wave.astype(np.float32)


def sung_keys(t: np.ndarray, beat: float, detuning: float) -> tuple:
    number = np.floor(t / beat).astype(int)
    key = np.array(CHORDS)[chord(number), np.array(MELODY)[number % 4]] + 12 + detuning
    return key, t - number * beat < 0.8 * beat


def voice(beat: float, detuning: float) -> np.ndarray:
    t = np.arange(SECONDS * RATE) / RATE
    key, on = sung_keys(t, beat, detuning)
    since = t - np.floor(t / beat) * beat
    hz = 440 * 2 ** ((key - 69) / 12)
    wave = sum(0.1 / h * np.sin(2 * np.pi * h * hz * since) for h in range(1, 6))
    return (wave * on * np.minimum(1, since / 0.02)).astype(np.float32)


def figures(score, clip: tuple, reference: tuple) -> dict:
    store = score.Store(None, None)
    y, truth, sung = accompaniment(*clip), accompaniment(*reference), voice(*reference[:2])
    features, truth_features = score.features(y), score.features(truth)
    t = np.arange(SECONDS * 50) * 0.02
    key, on = sung_keys(t, *reference[:2])
    beats = store._beats(y)
    reference_beats = store._beats(score.at_lufs(sung, -20.0) * 0.7 + score.at_lufs(truth, -20.0))
    harmony = score.harmony(features, 440 * 2 ** ((key - 69) / 12), on)
    rolled, rolled_beats = score.roll_feats(features, beats, SECONDS)
    return {**{name: float(features[name]) for name in ("tuning", "silent", "lufs", "flat", "peak")},
            **{name: harmony[name] for name in ("cons1", "cons1_x", "cons3", "cons3_x", "triad", "triad_x", "dbl")},
            "ch_cor": score.chroma_match(features, truth_features)["ch_cor"],
            "beats": [float(beat) for beat in beats],
            "reference_beats": [float(beat) for beat in reference_beats],
            "beatF": score.beat_f(beats, reference_beats),
            "rolled": {"beatF": score.beat_f(rolled_beats, reference_beats),
                       "ch_cor": score.chroma_match(rolled, truth_features)["ch_cor"],
                       "cons3_x": score.harmony(rolled, 440 * 2 ** ((key - 69) / 12), on)["cons3_x"]}}


def rounded(value):
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else round(value, 5)


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    import score

    clips = []
    for name, clip in CLIPS.items():
        for truth in ("plain", name) if name != "plain" else ("plain",):
            clips.append({"name": name, "truth": truth, "beat": clip[0], "detuning": clip[1], "noise": clip[2],
                          "transposition": clip[3], "until": clip[4], "truth_values": CLIPS[truth],
                          "figures": rounded(figures(score, clip, CLIPS[truth]))})
    print(json.dumps(clips, indent=1))
