"""What is seen and read of a sound: decibels for the eye, pitch classes and triads for the harmony."""

import numpy as np
import soundfile

LOWEST_HZ, HIGHEST_HZ = 60, 5000  # of pictures
SILENT_DB = -20  # a full-scale tone has +54: what is fainter than that is not made bright
CHROMA_KEYS = np.arange(36, 96)  # C2 .. B6
TRIADS = [(root, minor) for minor in (False, True) for root in range(12)]
_MEMBERS = np.array([[(key - root) % 12 in (0, 3 if minor else 4, 7) for key in range(12)] for root, minor in TRIADS])


def read(path, begin: float = 0, seconds: float | None = None) -> tuple[np.ndarray, int]:
    """Mono samples from there on, and their rate."""
    with soundfile.SoundFile(path) as file:
        rate = file.samplerate
        file.seek(min(max(0, round(begin * rate)), file.frames))
        count = -1 if seconds is None else round(seconds * rate)
        return file.read(count, always_2d=True).mean(axis=1), rate


def magnitudes(sound: np.ndarray, rate: int, window_s: float, hop_s: float) -> tuple[np.ndarray, np.ndarray]:
    """[bins][frames], frame k centred on k hops, and the frequencies of the bins."""
    size, hop = int(window_s * rate), int(hop_s * rate)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(sound, size // 2), size)[::hop]
    return np.abs(np.fft.rfft(frames * np.hanning(size), axis=1)).T, np.fft.rfftfreq(size, 1 / rate)


def spectrogram(sound: np.ndarray, rate: int, hop_s: float = .010) -> tuple[np.ndarray, np.ndarray]:
    """Decibels below the loudest, [bins][frames], and the frequencies of the bins: for a picture."""
    magnitude, hertz = magnitudes(sound, rate, .085, hop_s)
    seen = (hertz >= LOWEST_HZ) & (hertz <= HIGHEST_HZ)
    decibels = 20 * np.log10(magnitude[seen] + 1e-6)
    return decibels - max(SILENT_DB, decibels.max()), hertz[seen]


def chroma(sound: np.ndarray, rate: int, hop_s: float = .0425) -> np.ndarray:
    """[12][frames] from C: what stands out of its seven semitones in each key's band, log-compressed, over octaves."""
    magnitude, hertz = magnitudes(sound, rate, .17, hop_s)
    with np.errstate(divide="ignore"):
        keys = 69 + 12 * np.log2(hertz / 440)
    width = np.maximum(.6, .75 * 12 / np.log(2) * (hertz[1] / (440 * 2 ** ((CHROMA_KEYS - 69) / 12))))  # semitones
    bands = np.maximum(0, 1 - np.abs(keys[None] - CHROMA_KEYS[:, None]) / width[:, None]) @ magnitude
    bands = .5 * np.log10(1 + 10 * bands / max(1e-9, np.quantile(bands, .99)))
    around = np.apply_along_axis(np.convolve, 0, bands, np.full(7, 1 / 7), "same")
    middle = np.exp(-.5 * ((CHROMA_KEYS - 57) / 12)**2)[:, None]  # around A3: higher up are mostly partials
    return (np.maximum(0, bands - around) * middle).reshape(-1, 12, bands.shape[1]).sum(axis=0)


def best_triad(pitch_classes: np.ndarray) -> tuple[int, bool] | None:
    """(root, minor) of the triad that holds most of it; None of silence."""
    return TRIADS[int(np.argmax(_MEMBERS @ pitch_classes))] if pitch_classes.sum() > 1e-9 else None


def fundamental(voice: np.ndarray, rate: int, hop_s: float = .010) -> np.ndarray:
    """Hz every hop, NaN where nobody sings: YIN (de Cheveigne and Kawahara 2002, eq. 6-8), a median of five over time.
    For pictures; what the model hears by is dsp/f0.h."""
    lags = int(rate / 60)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(voice, lags), 2 * lags)[::int(hop_s * rate)]
    spectrum = np.fft.rfft(frames, 3 * lags)
    product = np.fft.irfft(spectrum * np.conj(np.fft.rfft(frames[:, :lags], 3 * lags)), 3 * lags)[:, :lags]
    energy = np.pad(np.cumsum(frames**2, axis=1), ((0, 0), (1, 0)))
    difference = energy[:, [lags]] + energy[:, lags:2 * lags] - energy[:, :lags] - 2 * product
    running = np.cumsum(difference, axis=1) / np.maximum(1, np.arange(lags))
    difference = np.where(np.arange(lags) > 0, difference / np.maximum(running, 1e-12), 1)
    level = np.sqrt(energy[:, -1] / (2 * lags))
    hertz = np.full(len(frames), np.nan)
    shortest = int(rate / 1100)
    for k in np.flatnonzero(level > level.max() / 56):  # 35 dB below the loudest
        row = difference[k]
        dips = np.flatnonzero((row[shortest:-1] < .3) & (row[shortest:-1] <= row[shortest + 1:])
                              & (row[shortest:-1] < row[shortest - 1:-2])) + shortest
        good = dips[row[dips] < row[dips].min() + .1] if len(dips) else dips
        if len(good):
            hertz[k] = rate / good[0]
    padded = np.lib.stride_tricks.sliding_window_view(np.pad(hertz, 2, constant_values=np.nan), 5)
    known = (~np.isnan(padded)).sum(axis=1) >= 3
    smooth = np.full(len(hertz), np.nan)
    smooth[known] = np.nanmedian(padded[known], axis=1)
    smooth[1:][np.abs(np.diff(smooth)) > .2 * smooth[1:]] = np.nan  # no line from one octave to another
    return smooth
