"""What the fake microphone sings: a real recording where there is one, else a synthetic tune."""
import os
import pathlib

import numpy as np
import soundfile

RATE = 48000


def tune(seconds=30.0):
    """A plain melody with vibrato, breath and rests, so that the test also runs without recordings."""
    rng = np.random.default_rng(1)
    sound, phase = [], 0.0
    for pitch in [60, 62, 64, 65, 67, 67, 69, 67, 65, 64, 62, 60] * 8:
        n = int(0.45 * RATE)
        t = np.arange(n) / RATE
        f = 440 * 2 ** ((pitch - 69 + 0.3 * np.sin(2 * np.pi * 5.5 * t) * (t > 0.15)) / 12)
        angle = phase + 2 * np.pi * np.cumsum(f) / RATE
        phase = angle[-1]
        tone = sum(np.sin(k * angle) / k ** 1.5 for k in range(1, 12))
        envelope = np.minimum(1, t / 0.03) * np.minimum(1, (0.45 - t) / 0.05)
        sound += [0.12 * tone * envelope + 0.001 * rng.standard_normal(n), np.zeros(int(0.05 * RATE))]
    return np.concatenate(sound)[: int(seconds * RATE)]


def voice():
    """Mono float at 48 kHz, and where it is from."""
    recording = pathlib.Path(os.environ.get("FASTSAG_SHARED", "")) / "data/singing/vocadito_1.flac"
    if not recording.exists():
        return tune(), "a synthetic tune"
    samples, rate = soundfile.read(recording)
    positions = np.arange(0, len(samples) - 1, rate / RATE)
    return np.interp(positions, np.arange(len(samples)), samples), recording.name


def write_microphone(path, lead_s=0.5):
    samples, name = voice()
    samples = np.concatenate([np.zeros(int(lead_s * RATE)), samples * 0.5 / np.abs(samples).max()])
    soundfile.write(path, samples, RATE, subtype="PCM_16")
    return name
