"""Notes -> piano (and the parts of a band), by FluidSynth's library: 24 kHz mono float, no reverb, no chorus, one gain
for all songs and parts.

The library rather than the program: the sound font (140 MB) is loaded once, and the peak is seen before it is cut.
FluidSynth acts on notes every 64 samples (2.7 ms); they are rounded to the nearest.
"""

import ctypes
import ctypes.util
import pathlib

import numpy as np

from corpus import band

SAMPLE_RATE = 24000
BLOCK = 64
GAIN = 1.4


class Piano:
    """General MIDI programme 0 of a sound font on channel 0, the band's on theirs. A second song on the same synthesiser differs in the third digit
    from the same song on a fresh one: for repeatable bytes render each in a fork of a Piano that has not played."""

    def __init__(self, soundfont: pathlib.Path):
        name = ctypes.util.find_library("fluidsynth")
        if name is None:
            raise RuntimeError("libfluidsynth was not found: install it (Debian: apt-get install libfluidsynth3)")
        self.lib = ctypes.CDLL(name)
        for function in ("new_fluid_settings", "new_fluid_synth"):
            getattr(self.lib, function).restype = ctypes.c_void_p
        self.settings = ctypes.c_void_p(self.lib.new_fluid_settings())
        for key, value in {"synth.sample-rate": float(SAMPLE_RATE), "synth.gain": GAIN}.items():
            self.lib.fluid_settings_setnum(self.settings, key.encode(), ctypes.c_double(value))
        for key, value in {"synth.reverb.active": 0, "synth.chorus.active": 0, "synth.polyphony": 256}.items():
            self.lib.fluid_settings_setint(self.settings, key.encode(), value)
        self.synth = ctypes.c_void_p(self.lib.new_fluid_synth(self.settings))
        font = self.lib.fluid_synth_sfload(self.synth, str(soundfont).encode(), 1)
        if font < 0:
            raise RuntimeError(f"{soundfont} could not be loaded as a sound font: give another one by --soundfont")
        for channel, bank, programme in ((0, 0, 0), *band.PARTS.values()):
            self.lib.fluid_synth_program_select(self.synth, channel, font, bank, programme)

    def render(self, notes: list, seconds: int, channel: int = 0) -> np.ndarray:
        """[onset_s, duration_s, pitch, velocity, ...] -> seconds * SAMPLE_RATE samples; may exceed 1."""
        events = []
        for onset, duration, pitch, velocity, *_ in notes:
            start = round(onset * SAMPLE_RATE / BLOCK)
            stop = max(start + 1, round((onset + duration) * SAMPLE_RATE / BLOCK))
            events += [(start, 1, pitch, velocity), (stop, 0, pitch, 0)]  # an end comes before a start
        stereo = np.zeros((seconds * SAMPLE_RATE, 2), np.float32)
        done = 0
        for block, begins, pitch, velocity in sorted(events):
            done = self._advance(stereo, done, min(block * BLOCK, len(stereo)))
            if begins:
                self.lib.fluid_synth_noteon(self.synth, channel, pitch, velocity)
            else:
                self.lib.fluid_synth_noteoff(self.synth, channel, pitch)
        self._advance(stereo, done, len(stereo))
        return stereo.mean(axis=1)

    def _advance(self, stereo: np.ndarray, begin: int, end: int) -> int:
        if end > begin:
            out = ctypes.c_void_p(stereo.ctypes.data)
            self.lib.fluid_synth_write_float(self.synth, end - begin, out, 2 * begin, 2, out, 2 * begin + 1, 2)
        return max(begin, end)
