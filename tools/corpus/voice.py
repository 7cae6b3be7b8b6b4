"""Melody -> something that is sung: the simplest synthesis that has what a pitch and beat tracker must cope with.

A singer (formants, tilt, vibrato, portamento, intonation, breath, loudness, noise floor) is drawn once a song; every
note gets a vowel, i.e. one period of a wave made from harmonics under four formants, read at the pace of a pitch curve
that is continuous over the whole song. On top: breath, consonants, breathing in, scoops, slow drift of the pitch.
Notes are not in time: their onsets are off by a normal error of `timing_sd_s`.
24 kHz mono float. All randomness comes from the generator that is passed in.
"""

import dataclasses

import numpy as np

SAMPLE_RATE = 24000
CONTROL_STEP = 24  # samples; pitch and loudness curves are made at 1 kHz
CONTROL_RATE = SAMPLE_RATE // CONTROL_STEP
TABLE = 2048
HIGHEST_HARMONIC_HZ = 11000
LEGATO_S = 0.06  # a shorter rest is sung through
VOWELS_HZ = np.array([[750, 1200, 2500, 3500], [480, 1800, 2550, 3600], [300, 2250, 3000, 3700], [480, 900, 2500, 3400],
                      [340, 750, 2400, 3300], [560, 1450, 2450, 3500], [320, 1750, 2300, 3400]], float)
BANDWIDTHS_HZ = np.array([90, 110, 170, 250], float)
FORMANT_LEVELS = np.array([1, .6, .35, .25])
HUM_HZ, HUM_LEVELS = np.array([[260, 1050, 2200, 3300]], float), np.array([1, .06, .03, .02])  # the mouth is closed


@dataclasses.dataclass
class Singer:
    formant_scale: float
    tilt: float  # harmonic h has h^-tilt of the source's level
    vibrato_hz: float
    vibrato_depth: float  # semitones
    portamento_s: float
    intonation: float  # semitones, the whole song
    detune: float  # semitones, standard deviation a note
    breath: float  # gain relative to the tone
    level: float  # RMS where there is singing
    floor: float  # RMS of the noise floor
    phases: np.ndarray  # of the harmonics; the same for all vowels, so that they blend without beating
    scoop: float = 1.2  # semitones below a phrase's first note, at most
    drift: float = .05  # semitones, standard deviation, five times a second


@dataclasses.dataclass
class SungNote:
    begin: float  # s, as sung
    end: float
    pitch: float
    gain: float
    legato: bool  # no rest before it
    consonant: bool


def draw_singer(rng: np.random.Generator) -> Singer:
    return Singer(
        formant_scale=rng.uniform(.85, 1.2), tilt=rng.uniform(.8, 1.7),
        vibrato_hz=rng.uniform(4.8, 6.5), vibrato_depth=rng.uniform(.1, .6), portamento_s=rng.uniform(.02, .08),
        intonation=float(np.clip(rng.normal(0, .1), -.3, .3)), detune=.1,
        breath=decibel(rng.uniform(-45, -28)), level=decibel(rng.uniform(-28, -16)),
        floor=decibel(rng.uniform(-75, -50)),
        phases=rng.normal(0, .6, TABLE // 2 + 1))


def sing(melody: list, seconds: int, timing_sd_s: float, rng: np.random.Generator) -> np.ndarray:
    """[onset_s, duration_s, pitch, velocity] in order, without overlaps -> seconds * SAMPLE_RATE samples within +-1."""
    singer = draw_singer(rng)
    return render(perform(melody, singer, timing_sd_s, rng), singer, seconds * SAMPLE_RATE, rng)


def render(notes: list[SungNote], singer: Singer, samples: int, rng: np.random.Generator,
           humming: bool = False) -> np.ndarray:
    loudness = loudness_curve(notes, samples, rng)
    pitch = pitch_curve(notes, singer, samples, rng)

    hz = 440 * np.exp2((upsample(pitch, samples) - 69) / 12)
    place = np.cumsum(hz / SAMPLE_RATE)
    place = ((place - np.floor(place)) * TABLE).astype(np.float32)
    tone = np.zeros(samples, np.float32)
    for index, note in enumerate(notes):
        follows = index + 1 < len(notes) and notes[index + 1].legato
        add_vowel(tone, place, note, follows, vowel_table(note.pitch, singer, rng, humming))

    breath = rng.standard_normal(samples + 1, np.float32)
    breath = breath[1:] - .7 * breath[:-1]
    tone = (tone + singer.breath * breath) * upsample(loudness, samples).astype(np.float32)
    for note in notes:
        if note.consonant:
            add_consonant(tone, note, rng)
        if not note.legato and rng.random() < .3:
            add_breathing_in(tone, note, singer, rng)
    return levelled(tone, loudness > .2, singer, rng)


def levelled(tone: np.ndarray, sung: np.ndarray, singer: Singer, rng: np.random.Generator) -> np.ndarray:
    """At the singer's level where there is singing (a flag a CONTROL_STEP), on the noise floor, within +-.97."""
    samples = tone.size
    active = tone[:sung.size * CONTROL_STEP].reshape(-1, CONTROL_STEP)[sung[:samples // CONTROL_STEP]]
    rms = float(np.sqrt(np.mean(np.square(active)))) if active.size else 0.
    voice = tone * (singer.level / rms if rms > 0 else 0.) + singer.floor * rng.standard_normal(samples, np.float32)
    return voice * min(1., .97 / max(float(np.abs(voice).max()), 1e-9))


def perform(melody: list, singer: Singer, timing_sd_s: float, rng: np.random.Generator) -> list[SungNote]:
    """The score as this singer sings it: late or early, a little out of tune, tied or apart."""
    notes = []
    for onset, duration, pitch, velocity in melody:
        begin = onset + float(np.clip(rng.normal(0, timing_sd_s), -2.5 * timing_sd_s, 2.5 * timing_sd_s))
        end = onset + duration + rng.normal(0, timing_sd_s)
        begin = max(begin, notes[-1].begin + .06 if notes else 0.)
        end = max(end, begin + .05)
        legato = bool(notes) and begin - notes[-1].end < LEGATO_S
        if legato:
            notes[-1].end = begin
        notes.append(SungNote(begin, end, pitch + singer.intonation + rng.normal(0, singer.detune),
                              decibel(.12 * (velocity - 80) + rng.normal(0, 1.5)), legato, bool(rng.random() < .5)))
    return notes


def pitch_curve(notes: list[SungNote], singer: Singer, samples: int, rng: np.random.Generator) -> np.ndarray:
    """MIDI pitch at CONTROL_RATE, also through the rests (where nothing sounds)."""
    steps = samples // CONTROL_STEP + 1
    time = np.arange(steps) / CONTROL_RATE
    knots = np.arange(0, time[-1] + .25, .2)
    drift = np.interp(time, knots, rng.normal(0, singer.drift, knots.size))
    curve = np.full(steps, notes[0].pitch if notes else 60.) + drift
    base = notes[0].pitch if notes else 60.
    for before, note in zip([None, *notes], notes):
        step = note.pitch - (before.pitch if before else base)
        begin = control_index(note.begin - .6 * singer.portamento_s, steps)
        curve[begin:] += step
        if note.legato:
            glide = max(1, int(singer.portamento_s * CONTROL_RATE))
            ramp = .5 + .5 * np.cos(np.pi * np.arange(glide) / glide)
            curve[begin:begin + glide] -= step * ramp[:max(0, steps - begin)]
        else:
            scoop = rng.uniform(0, singer.scoop) * np.exp(-np.arange(200) / rng.uniform(20, 60))
            curve[begin:begin + 200] -= scoop[:max(0, steps - begin)]
        first, last = control_index(note.begin + .2, steps), control_index(note.end, steps)
        if last - first > 100:
            since = np.arange(last - first) / CONTROL_RATE
            depth = singer.vibrato_depth * np.minimum(1, since / .25) * np.minimum(1, since[::-1] / .05)
            curve[first:last] += depth * np.sin(2 * np.pi * singer.vibrato_hz * rng.uniform(.95, 1.05) * since)
    return curve


def loudness_curve(notes: list[SungNote], samples: int, rng: np.random.Generator) -> np.ndarray:
    """Gain at CONTROL_RATE: attack, slow decay, release; a dip where a note is articulated without a rest."""
    steps = samples // CONTROL_STEP + 1
    curve = np.zeros(steps)
    for index, note in enumerate(notes):
        follows = index + 1 < len(notes) and notes[index + 1].legato
        attack = rng.uniform(.015, .03) if note.consonant else rng.uniform(.02, .06)
        release = .02 if follows else rng.uniform(.04, .12)
        first, last = control_index(note.begin - .005, steps), control_index(note.end + release, steps)
        since = np.arange(last - first) / CONTROL_RATE
        from_gain = 0. if not note.legato else rng.uniform(0, .15) if note.consonant else rng.uniform(.45, .9)
        rise = from_gain + (1 - from_gain) * np.minimum(1, since / attack)
        fall = np.clip(since[::-1] / release, 0, 1) if not follows else 1.
        shape = note.gain * rise * fall * np.exp(-.25 * since)
        curve[first:last] = shape if note.legato else np.maximum(curve[first:last], shape)
        if note.legato and note.consonant:  # the mouth closes before the consonant
            closing = control_index(note.begin - rng.uniform(.03, .06), steps)
            curve[closing:first] *= np.linspace(1, from_gain, first - closing)
    kernel = np.hanning(13)
    return np.convolve(curve, kernel / kernel.sum(), "same")


def vowel_table(pitch: float, singer: Singer, rng: np.random.Generator, humming: bool) -> np.ndarray:
    """One period, RMS 1, with its first sample repeated at the end."""
    hz = 440 * 2 ** ((pitch - 69) / 12)
    harmonics = np.arange(1, max(2, min(TABLE // 2, int(HIGHEST_HARMONIC_HZ / (hz * 1.06)))))
    vowels, levels = (HUM_HZ, HUM_LEVELS) if humming else (VOWELS_HZ, FORMANT_LEVELS)
    formants = vowels[rng.integers(len(vowels))] * singer.formant_scale * rng.uniform(.92, 1.08, 4)
    distance = (harmonics[:, None] * hz - formants) / BANDWIDTHS_HZ
    gain = (.002 if humming else .02) + (levels / np.sqrt(1 + 4 * distance ** 2)).sum(axis=1)
    spectrum = np.zeros(TABLE // 2 + 1, complex)
    spectrum[harmonics] = gain * harmonics ** -singer.tilt * np.exp(1j * singer.phases[harmonics])
    table = np.fft.irfft(spectrum)
    table /= np.sqrt(np.mean(np.square(table)))
    return np.append(table, table[0]).astype(np.float32)


def add_vowel(tone: np.ndarray, place: np.ndarray, note: SungNote, follows: bool, table: np.ndarray) -> None:
    """Reads the table over the note; tied notes blend over 30 ms around their boundary."""
    blend = .015
    begin = max(0, int((note.begin - (blend if note.legato else .03)) * SAMPLE_RATE))
    end = min(tone.size, int((note.end + (blend if follows else .2)) * SAMPLE_RATE))
    where = place[begin:end]
    whole = np.minimum(where.astype(np.int32), TABLE - 1)
    wave = table[whole]
    wave += (where - whole) * (table[whole + 1] - wave)
    ramp = np.linspace(0, 1, int(2 * blend * SAMPLE_RATE), dtype=np.float32)[:wave.size]
    if note.legato:
        wave[:ramp.size] *= ramp
    wave[wave.size - ramp.size:] *= ramp[::-1]
    tone[begin:end] += wave


def add_consonant(tone: np.ndarray, note: SungNote, rng: np.random.Generator) -> None:
    """A hiss (fricative) or a short burst (plosive) that ends shortly after the onset."""
    hiss = rng.random() < .5
    length = int(SAMPLE_RATE * (rng.uniform(.05, .12) if hiss else rng.uniform(.01, .03)))
    centre_hz, octaves = (rng.uniform(3500, 8000), .5) if hiss else (rng.uniform(800, 4000), 1.2)
    noise = coloured_noise(length, centre_hz, octaves, rng)
    shape = np.hanning(length) if hiss else np.exp(-4 * np.arange(length) / length)
    gain = note.gain * decibel(rng.uniform(-24, -8))
    begin = int((note.begin + (.01 if hiss else .005)) * SAMPLE_RATE) - length
    add_at(tone, begin, gain * noise * shape)


def add_breathing_in(tone: np.ndarray, note: SungNote, singer: Singer, rng: np.random.Generator) -> None:
    length = int(SAMPLE_RATE * rng.uniform(.15, .35))
    noise = coloured_noise(length, rng.uniform(1500, 3500), 1., rng)
    gain = min(2 * singer.breath, decibel(-26)) * rng.uniform(.5, 1.5)
    add_at(tone, int((note.begin - .06) * SAMPLE_RATE) - length, gain * noise * np.hanning(length))


def coloured_noise(length: int, centre_hz: float, octaves: float, rng: np.random.Generator) -> np.ndarray:
    """Noise, RMS 1, whose level falls off as a bell over octaves around the centre."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    hz = np.maximum(np.fft.rfftfreq(length, 1 / SAMPLE_RATE), 20)
    noise = np.fft.irfft(spectrum * np.exp(-.5 * (np.log2(hz / centre_hz) / octaves) ** 2), length)
    return noise / max(np.sqrt(np.mean(np.square(noise))), 1e-9)


def add_at(tone: np.ndarray, begin: int, piece: np.ndarray) -> None:
    piece = piece[max(0, -begin):]
    begin = max(0, begin)
    end = min(tone.size, begin + piece.size)
    if end > begin:
        tone[begin:end] += piece[:end - begin].astype(np.float32)


def upsample(curve: np.ndarray, samples: int) -> np.ndarray:
    return np.interp(np.arange(samples), np.arange(curve.size) * CONTROL_STEP, curve)


def control_index(seconds: float, steps: int) -> int:
    return min(max(0, round(seconds * CONTROL_RATE)), steps)


def decibel(value: float) -> float:
    return float(10 ** (value / 20))
