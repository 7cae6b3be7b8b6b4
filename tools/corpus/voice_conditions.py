"""What happens to a voice between a mouth and the program: backing voices, rooms, other sounds, microphones, and what
is left of it when it has been separated from a song.

Each is a function of (voice, Scene, its plain numbers); `draw` picks those of a song, `apply` does them one after the
other. Voices are 24 kHz mono float; levels in dB are relative to the voice's RMS where there is singing, so that the
numbers in a song's JSON say how hard it is.
"""

import dataclasses

import numpy as np

from corpus.voice import SAMPLE_RATE, decibel

FRAME = 480  # samples a loudness value: 20 ms


@dataclasses.dataclass
class Scene:
    accompaniment: np.ndarray  # what sounds beside the singer, as long as the voice
    backing: object  # semitones -> another voice that sings the same, as long as the voice; called where it is needed
    crowd: object  # seconds -> people talking, that many samples
    rng: np.random.Generator


def draw(rng: np.random.Generator) -> list[dict]:
    """Half of the songs are singers recorded somewhere, half were separated from a song. Numbers of what is not chosen
    are drawn too: streams stay in step."""
    recorded = [
        (.55, one_of(rng, {"name": "room", "decay_s": rng.uniform(.15, .6), "direct_db": rng.uniform(0, 14)},
                     {"name": "room", "decay_s": rng.uniform(.8, 2.5), "direct_db": rng.uniform(-2, 12)})),
        (.4, {"name": "bleed", "level_db": rng.uniform(-25, -8), "cut_hz": rng.uniform(1500, 8000)}),
        (.35, one_of(rng, {"name": "hiss", "level_db": rng.uniform(-45, -18)},
                     {"name": "hum", "level_db": rng.uniform(-45, -18), "mains_hz": float(rng.choice([50, 60]))})),
        (.2, one_of(rng, {"name": "babble", "level_db": rng.uniform(-30, -12)},
                    {"name": "applause", "level_db": rng.uniform(-20, -3)})),
        (.7, one_of(rng, {"name": "phone", "low_hz": rng.uniform(80, 300), "high_hz": rng.uniform(3300, 8000),
                          "ratio": rng.uniform(1.5, 4), "clip_db": rng.uniform(3, 12)},
                    {"name": "stage", "near_db": rng.uniform(2, 9), "rumble_db": rng.uniform(-40, -20)})),
    ]
    separated = [
        (.35, {"name": "backing", "semitones": int(rng.choice([0, 0, 12, -12, 4, -5, 7])),
               "level_db": rng.uniform(-24, -8)}),
        (.7, {"name": "room", "decay_s": rng.uniform(.4, 2.2), "direct_db": rng.uniform(3, 14)}),
        (1., {"name": "separation", "voice_db": rng.uniform(-6, 6), "error_db": rng.uniform(2, 8),
              "leak_db": rng.uniform(-36, -14), "smear_frames": int(rng.integers(1, 6)),
              "holes": rng.uniform(0, .06)}),
    ]
    chosen = separated if rng.random() < .5 else recorded
    return [condition for probability, condition in chosen if rng.random() < probability]


def one_of(rng: np.random.Generator, *conditions: dict) -> dict:
    return conditions[rng.integers(len(conditions))]


def apply(voice: np.ndarray, conditions: list[dict], scene: Scene) -> np.ndarray:
    """As long and as loud as the voice was, within +-.97."""
    level = active_rms(voice)
    if level == 0:
        return voice
    out = voice.astype(np.float32)
    for condition in conditions:
        numbers = {key: condition[key] for key in condition if key != "name"}
        out = CONDITIONS[condition["name"]](out, scene, **numbers).astype(np.float32)
    out *= level / max(active_rms(out), 1e-9)
    return out * min(1., .97 / max(float(np.abs(out).max()), 1e-9))


def room(voice, scene, decay_s, direct_db):
    """Direct sound, a few early reflections, and noise that dies away: 60 dB in decay_s, what is high in half of it."""
    rng, length = scene.rng, int(1.2 * decay_s * SAMPLE_RATE)
    time = np.arange(length) / SAMPLE_RATE
    dull = filtered(rng.standard_normal(length), high_hz=2500)
    bright = rng.standard_normal(length)
    tail = (dull / max(np.std(dull), 1e-9) + .5 * bright * 10 ** (-3 * time / decay_s)) * 10 ** (-3 * time / decay_s)
    begin = int((.004 + .02 * min(decay_s, 1)) * SAMPLE_RATE)
    tail[:begin] = 0
    for _ in range(8):
        late = int(rng.uniform(.002, .01 + .04 * min(decay_s, 1)) * SAMPLE_RATE)
        tail[late] += rng.choice([-1, 1]) * rng.uniform(2, 8)
    tail *= decibel(-direct_db) / max(np.sqrt(np.sum(tail ** 2)), 1e-9)
    tail[0] += 1
    return convolved(voice, tail)


def backing(voice, scene, semitones, level_db):
    other = scene.backing(semitones)
    return mixed(voice, np.roll(other, int(scene.rng.uniform(0, .03) * SAMPLE_RATE)), level_db)


def bleed(voice, scene, level_db, cut_hz):
    """The accompaniment out of a loudspeaker, from some way off."""
    far = filtered(scene.accompaniment, low_hz=60, high_hz=cut_hz)
    return mixed(voice, room(far, scene, .5, 0), level_db)


def hiss(voice, scene, level_db):
    noise = scene.rng.standard_normal(voice.size)
    return mixed(voice, filtered(noise, high_hz=scene.rng.uniform(1000, 11000)), level_db)


def hum(voice, scene, level_db, mains_hz):
    time = np.arange(voice.size) / SAMPLE_RATE
    partials = sum(scene.rng.uniform(.1, 1) / k * np.sin(2 * np.pi * (k * mains_hz * time + scene.rng.random()))
                   for k in (1, 2, 3, 4, 6))
    return mixed(voice, partials, level_db)


def babble(voice, scene, level_db):
    return mixed(voice, scene.crowd(voice.size), level_db)


def applause(voice, scene, level_db):
    """Claps, hundreds a second, for some seconds at a time."""
    rng, claps = scene.rng, np.zeros(voice.size)
    begin = 0
    while begin < voice.size:
        begin += int(rng.exponential(15) * SAMPLE_RATE)
        length = min(int(rng.uniform(2, 8) * SAMPLE_RATE), voice.size - begin)
        if length < SAMPLE_RATE:
            break
        at = rng.integers(0, length, int(rng.uniform(100, 500) * length / SAMPLE_RATE))
        np.add.at(claps, begin + at, rng.normal(0, 1, at.size) * np.sin(np.pi * at / length))
        begin += length
    clap = rng.standard_normal(300) * np.exp(-np.arange(300) / 60)
    return mixed(voice, filtered(convolved(claps, clap), low_hz=700, high_hz=5000), level_db)


def phone(voice, scene, low_hz, high_hz, ratio, clip_db):
    """A narrow band, levels pressed together, and clipped clip_db above the RMS."""
    narrow = filtered(voice, low_hz=low_hz, high_hz=high_hz)
    level = np.maximum(loudness(narrow), .01 * active_rms(narrow))
    gain = (level / active_rms(narrow)) ** (1 / ratio - 1)
    gain = np.interp(np.arange(voice.size), (np.arange(gain.size) + .5) * FRAME, gain)
    pressed = narrow * gain
    limit = active_rms(pressed) * decibel(clip_db)
    return np.clip(pressed, -limit, limit)


def stage(voice, scene, near_db, rumble_db):
    """Close to the mouth: more of what is low. And steps on the boards."""
    warm = voice + (decibel(near_db) - 1) * filtered(voice, high_hz=220)
    steps = filtered(scene.rng.standard_normal(voice.size), low_hz=15, high_hz=90)
    seconds = np.arange(0, voice.size + SAMPLE_RATE, SAMPLE_RATE)
    slow = np.interp(np.arange(voice.size), seconds, scene.rng.exponential(1, seconds.size))
    return mixed(warm, steps * slow, rumble_db)


def separation(voice, scene, voice_db, error_db, leak_db, smear_frames, holes):
    """Voice and accompaniment mixed (the voice voice_db louder), then parted by a soft mask that errs as nets do: its
    idea of the accompaniment is off by error_db in patches, it is smeared over time, leaks leak_db of all there is, and
    has holes (a share of patches)."""
    size, hop = 2048, 512
    other = scene.accompaniment * (active_rms(voice) / max(active_rms(scene.accompaniment), 1e-9) * decibel(-voice_db))
    ours, theirs = spectrum(voice, size, hop), spectrum(other, size, hop)
    frames, bins = ours.shape
    patches = lambda sd: smooth_field(frames, bins, sd, scene.rng)
    heard = np.abs(theirs) ** 2 * 10 ** (patches(error_db) / 10)
    mine = np.abs(ours) ** 2
    mask = mine / (mine + heard + 1e-12)
    for _ in range(smear_frames):
        mask[1:-1] = (mask[:-2] + mask[1:-1] + mask[2:]) / 3
        mask[:, 1:-1] = .1 * mask[:, :-2] + .8 * mask[:, 1:-1] + .1 * mask[:, 2:]
    field = patches(1.)
    if holes > 0:
        mask[field > np.quantile(field[::7, ::7], 1 - holes)] *= .1
    return from_spectrum(np.maximum(mask, decibel(leak_db)) * (ours + theirs), size, hop, voice.size)


CONDITIONS = {"room": room, "backing": backing, "bleed": bleed, "hiss": hiss, "hum": hum, "babble": babble,
              "applause": applause, "phone": phone, "stage": stage, "separation": separation}


def mixed(voice: np.ndarray, other: np.ndarray, level_db: float) -> np.ndarray:
    return voice + other * (decibel(level_db) * active_rms(voice) / max(active_rms(other), 1e-9))


def loudness(samples: np.ndarray) -> np.ndarray:
    """RMS of every FRAME."""
    padded = np.pad(samples, (0, -samples.size % FRAME))
    return np.sqrt(np.mean(np.square(padded.reshape(-1, FRAME)), axis=1))


def active_rms(samples: np.ndarray) -> float:
    """RMS of the frames that are not 30 dB quieter than the loud ones."""
    frames = loudness(samples)
    active = frames[frames > decibel(-30) * np.quantile(frames, .98)] if frames.size else frames
    return float(np.sqrt(np.mean(np.square(active)))) if active.size else 0.


def filtered(samples: np.ndarray, low_hz: float = 0, high_hz: float = 12000) -> np.ndarray:
    """Between the two, with slopes of 12 dB an octave."""
    size = fft_size(samples.size)
    hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    gain = 1 / np.sqrt(1 + (hz / high_hz) ** 4)
    if low_hz > 0:
        gain *= np.minimum(1, (hz / low_hz) ** 2)
    return np.fft.irfft(np.fft.rfft(samples, size) * gain, size)[:samples.size]


def convolved(samples: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    size = fft_size(samples.size + kernel.size)
    return np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(kernel, size), size)[:samples.size]


def fft_size(samples: int) -> int:
    """At least that many, of factors that are quick."""
    power = 1 << max(0, (samples - 1).bit_length())
    return next(size for size in (9 * power // 16, 5 * power // 8, 3 * power // 4, power) if size >= samples)


def spectrum(samples: np.ndarray, size: int, hop: int) -> np.ndarray:
    padded = np.pad(samples, (size, size + -samples.size % hop)).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    return np.fft.rfft(frames * np.hanning(size + 1)[:-1].astype(np.float32), axis=1).astype(np.complex64)


def from_spectrum(frames: np.ndarray, size: int, hop: int, samples: int) -> np.ndarray:
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    pieces = np.fft.irfft(frames, size, axis=1).astype(np.float32) * window
    out = np.zeros((len(frames) + size // hop) * hop, np.float32)
    for part in range(size // hop):  # every frame in `hop` pieces
        piece = pieces[:, part * hop:(part + 1) * hop].reshape(-1)
        out[part * hop:part * hop + piece.size] += piece
    return out[size:size + samples] / (1.5 * size / hop / 4)


def smooth_field(frames: int, bins: int, sd: float, rng: np.random.Generator) -> np.ndarray:
    """Normal numbers that change over some 8 frames and a third of an octave."""
    bands = 24
    coarse = rng.normal(0, sd, (frames // 8 + 2, bands))
    times = np.arange(frames) / 8
    before = times.astype(int)
    over_time = coarse[before] + (times - before)[:, None] * (coarse[before + 1] - coarse[before])
    place = np.clip(np.log2(np.maximum(np.arange(bins), 4) / 4) / np.log2(bins / 4) * (bands - 1.001), 0, bands - 1.001)
    low = place.astype(int)
    return (over_time[:, low] + (place - low) * (over_time[:, low + 1] - over_time[:, low])).astype(np.float32)
