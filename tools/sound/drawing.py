"""Tracks of a picture on one time axis: spectrograms, pitch classes, chords by name, beats, notes."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patheffects

from sound import spectra
from sound.songs import NOTE_NAMES, root_and_rest

HOP_S = .010
PARTS = {0: "#3b6fb6", 1: "#7a4b9d", 2: "#c2452d", 9: "#888888"}  # channels: piano, bass, strings, drums
KEYS = (33, 91)  # of a roll
DARK, LIGHT = "#222222", "white"


def figure(heights: list[float], width: float = 11):
    """Rows of these heights, one above the other on one time axis."""
    made, rows = plt.subplots(len(heights), 1, figsize=(width, sum(heights)), sharex=True, squeeze=False,
                              gridspec_kw={"height_ratios": heights})
    return made, list(rows[:, 0])


def spectrogram(row, sound: np.ndarray, rate: int, begin: float, title: str) -> None:
    decibels, hertz = spectra.spectrogram(sound, rate, HOP_S)
    times = begin + HOP_S * np.arange(decibels.shape[1])
    row.pcolormesh(times, hertz, decibels, vmin=-65, vmax=0, cmap="magma", shading="nearest", rasterized=True)
    row.set_yscale("log")
    row.set_yticks((100, 200, 500, 1000, 2000, 5000), ("100", "200", "500", "1k", "2k", "5k"), fontsize=8)
    row.minorticks_off()
    row.set_ylabel("Hz")
    row.set_title(title, loc="left", fontsize=10)


def fundamental(row, voice: np.ndarray, rate: int, begin: float) -> None:
    hertz = spectra.fundamental(voice, rate, HOP_S)
    row.plot(begin + HOP_S * np.arange(len(hertz)), hertz, color="#35e0ff", lw=1.5,
             path_effects=[patheffects.withStroke(linewidth=3, foreground="black")])


def chord_lines(row, chords: list, begin: float, end: float) -> None:
    """Names over a spectrogram, where chords change."""
    for seconds, name, *_ in chords:
        if begin <= seconds < end - .2:
            row.axvline(seconds, color=LIGHT, lw=.5, alpha=.6)
            row.text(seconds + .04, spectra.HIGHEST_HZ * .72, name, color=LIGHT, fontsize=9)


def chroma(row, sound: np.ndarray, rate: int, begin: float, title: str) -> None:
    hop_s = .0425
    pitch_classes = spectra.chroma(sound, rate, hop_s)
    loudest = max(1e-9, np.quantile(pitch_classes, .995))
    row.imshow(pitch_classes / loudest, origin="lower", aspect="auto", cmap="Greys", vmin=0, vmax=1,
               interpolation="nearest", extent=(begin, begin + hop_s * pitch_classes.shape[1], -.5, 11.5))
    row.set_yticks(range(0, 12, 2), NOTE_NAMES[::2], fontsize=7)
    row.set_title(title, loc="left", fontsize=10)


def chord_colour(name: str):
    """A hue by the root on the circle of fifths, minor darker: near colours are near chords. Grey: none."""
    found = root_and_rest(name)
    if not found:
        return "#e6e6e6"
    minor = found[1].lstrip(":").startswith("m") and not found[1].lstrip(":").startswith("maj")
    return matplotlib.colors.hsv_to_rgb((found[0] * 7 % 12 / 12, .45, .72 if minor else .95))


def tracks(row, lines: list[tuple[str, list, list]], begin: float, end: float) -> None:
    """Each line: who, chords [[from_s, name, ...], ...], beats [[time_s, downbeat], ...]; chords above their beats."""
    row.set_title("chords and beats", loc="left", fontsize=10)
    for number, (_, chords, beats) in enumerate(lines):
        top = -2 * number
        spans = [(at, following, name) for (at, name, *_), following in
                 zip(chords, [chord[0] for chord in chords[1:]] + [end]) if following > begin and at < end]
        for at, following, name in spans:
            left, right = max(at, begin), min(following, end)
            row.add_patch(plt.Rectangle((left, top - 1), right - left, .9, fc=chord_colour(name), ec="white"))
            if right - left > .012 * len(name) * (end - begin):
                row.text((left + right) / 2, top - .55, name, ha="center", va="center", fontsize=8.5, color=DARK,
                         clip_on=True)
        for at, downbeat in beats:
            if begin <= at < end:
                row.plot([at, at], [top - 1.85, top - (1.15 if downbeat else 1.45)], color=DARK,
                         lw=1.6 if downbeat else 1)
    row.set_ylim(-2 * len(lines), 0)
    ticks = [(-2 * number - part, f"{what}, {who}") for number, (who, *_) in enumerate(lines)
             for part, what in ((.55, "chords"), (1.6, "beats"))]
    row.set_yticks([place for place, _ in ticks], [name for _, name in ticks], fontsize=8)
    row.tick_params(length=0)
    for side in ("top", "right", "left", "bottom"):
        row.spines[side].set_visible(False)


def roll(row, notes: list, begin: float, end: float, title: str) -> None:
    """Notes [[onset_s, duration_s, key, velocity, channel], ...], louder ones darker."""
    for onset, duration, key, velocity, *channel in notes:
        if onset < end and onset + duration > begin:
            part = channel[0] if channel else 0
            left, right = max(onset, begin), min(onset + (.05 if part == 9 else max(duration, .04)), end)
            row.add_patch(plt.Rectangle((left, key - .7), right - left, 1.4, facecolor=PARTS.get(part, "#2a8a57"),
                                        alpha=.4 + .6 * min(1, velocity / 100), lw=0))
    row.set_ylim(*KEYS)
    row.set_yticks((36, 48, 60, 72, 84), ("C2", "C3", "C4", "C5", "C6"), fontsize=8)
    row.grid(axis="y", color="#dddddd", lw=.5)
    row.set_axisbelow(True)
    row.set_title(title, loc="left", fontsize=10)


def sung_line(row, voice: np.ndarray, rate: int, begin: float) -> None:
    hertz = spectra.fundamental(voice, rate, HOP_S)
    row.plot(begin + HOP_S * np.arange(len(hertz)), 69 + 12 * np.log2(hertz / 440), color="#e8871e", lw=1.3)


def save(made, path, begin: float, end: float, dpi: int) -> None:
    """Beside, then in place: nobody sees half a picture. The format is the name's."""
    made.axes[-1].set_xlim(begin, end)
    made.axes[-1].set_xlabel("seconds")
    made.tight_layout(h_pad=.4)
    beside = path.with_name(f".{path.stem}.part{path.suffix}")
    made.savefig(beside, dpi=dpi, **({"pil_kwargs": {"quality": 82, "method": 6}} if path.suffix == ".webp" else {}))
    plt.close(made)
    beside.replace(path)
