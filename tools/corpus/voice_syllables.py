"""Melody -> something that is sung, the second way: syllables that a speech synthesiser (eSpeak NG) says, taken apart
into pitch, envelope and breath by WORLD (Morise et al. 2016), stretched to the notes and given voice.py's pitch curve.

So there are real consonants, formants that move, diphthongs, voiced and voiceless sounds, which voice.py has not. A
singer is a language and a voice of the synthesiser with a tract of another length, a tilt and a breath of their own,
and two dozen syllables; some notes go on with the vowel of the last. 24 kHz mono float, 15 or more times faster than
real time. All randomness comes from the generator that is passed in.
"""

import dataclasses
import shutil
import subprocess

import numpy as np

from corpus import voice
from corpus.voice import SAMPLE_RATE, Singer, SungNote

SPOKEN_RATE = 22050  # what eSpeak NG writes
FFT = 1024
FRAME_S = .005
FRAME = round(FRAME_S * SAMPLE_RATE)
SYLLABLES = 24  # a singer
LANGUAGES = ("it", "es", "pt", "fi", "ro", "id", "de", "pl")
VOICES = ("f1", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "klatt2", "klatt3", "linda",
          "steph", "belinda", "adam", "ed")
ONSETS = ("", "", "p", "t", "k", "b", "d", "g", "m", "n", "l", "r", "s", "f", "v", "z", "st", "tr", "br", "pl", "sk")
VOWELS = ("a", "e", "i", "o", "u", "ai", "ei", "au", "ia")
CODAS = ("", "", "", "", "n", "l", "s", "r", "m", "t")
LONGEST_CONSONANT_S = .13
MISSING = ("espeak-ng was not found: install it (Debian: apt-get install espeak-ng) for voices that sing syllables, or "
           "ask for --voices plain")


@dataclasses.dataclass
class Syllable:
    envelope: np.ndarray  # [frames][FFT / 2 + 1], power, 1 in the vowel
    aperiodicity: np.ndarray  # the same shape
    voiced: np.ndarray  # [frames]
    vowel: tuple[int, int]  # frames; before it the consonant, after it the coda


def is_installed() -> bool:
    return shutil.which("espeak-ng") is not None


def sing(melody: list, seconds: int, timing_sd_s: float, rng: np.random.Generator) -> np.ndarray:
    """[onset_s, duration_s, pitch, velocity] in order, without overlaps -> seconds * SAMPLE_RATE samples within +-1."""
    singer = voice.draw_singer(rng)
    return render(voice.perform(melody, singer, timing_sd_s, rng), singer, seconds * SAMPLE_RATE, rng)


def render(notes: list[SungNote], singer: Singer, samples: int, rng: np.random.Generator,
           humming: bool = False) -> np.ndarray:
    syllables = inventory(singer, rng, humming)
    pitch = voice.pitch_curve(notes, singer, samples, rng)
    pitch += flutter(pitch.size, rng)
    tone = np.zeros(samples, np.float32)
    sung = np.zeros(samples // voice.CONTROL_STEP + 1, bool)
    for phrase in phrases_of(notes):
        begin = max(0., phrase[0].begin - LONGEST_CONSONANT_S - .03)
        frames = int((phrase[-1].end + .15 - begin) / FRAME_S)
        sound = render_phrase(phrase, begin, frames, pitch, syllables, rng)
        voice.add_at(tone, int(begin * SAMPLE_RATE), sound)
        sung[int(phrase[0].begin * voice.CONTROL_RATE):int(phrase[-1].end * voice.CONTROL_RATE)] = True
        if rng.random() < .4:
            voice.add_breathing_in(tone, phrase[0], singer, rng)
    return voice.levelled(tone, sung, singer, rng)


def say(name: str, words: str, *options: str) -> np.ndarray:
    """Speech at SPOKEN_RATE."""
    try:
        said = subprocess.run(["espeak-ng", "-v", name, *options, "--stdout", words], capture_output=True, check=True)
    except FileNotFoundError:
        raise RuntimeError(MISSING) from None
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"espeak-ng cannot say '{words}' as {name}: {error.stderr.decode().strip()}") from None
    return np.frombuffer(said.stdout[44:len(said.stdout) & ~1], np.int16) / 32768


def inventory(singer: Singer, rng: np.random.Generator, humming: bool) -> list[Syllable]:
    name = f"{LANGUAGES[rng.integers(len(LANGUAGES))]}+{VOICES[rng.integers(len(VOICES))]}"
    tilt_db = rng.uniform(-3.5, 2.5)  # an octave, above 500 Hz
    breath = rng.uniform(0, .35)
    pick = lambda sounds: sounds[rng.integers(len(sounds))]
    words = ["mama", "nana"] if humming else [pick(ONSETS) + pick(VOWELS) + pick(CODAS) for _ in range(SYLLABLES)]
    made = (analysed(say(name, word), singer.formant_scale, tilt_db, breath) for word in words)
    syllables = [syllable for syllable in made if syllable is not None]
    if not syllables:
        raise RuntimeError(f"espeak-ng says nothing that is voiced as {name}: is its data installed (espeak-ng-data)?")
    return [hummed(syllable) for syllable in syllables] if humming else syllables


def analysed(spoken: np.ndarray, formant_scale: float, tilt_db: float, breath: float) -> Syllable | None:
    import pyworld  # of an environment of its own: see make_corpus

    spoken = np.ascontiguousarray(spoken, float) + 1e-5 * np.sin(np.arange(spoken.size) ** 2)  # no digital silence
    f0, times = pyworld.dio(spoken, SPOKEN_RATE, 55, 450, frame_period=1000 * FRAME_S)
    envelope = pyworld.cheaptrick(spoken, f0, times, SPOKEN_RATE, fft_size=FFT)
    aperiodicity = pyworld.d4c(spoken, f0, times, SPOKEN_RATE, fft_size=FFT)
    power = envelope.mean(axis=1)
    voiced = f0 > 0
    if voiced.sum() < 10:
        return None
    loud = voiced & (power > 10 ** -.6 * power[voiced].max())
    first, last = np.flatnonzero(loud)[[0, -1]]
    audible = np.flatnonzero(power > 10 ** -4.5 * power.max())
    begin = max(audible[0], first - round(LONGEST_CONSONANT_S / FRAME_S))
    end = min(audible[-1], last + round(LONGEST_CONSONANT_S / FRAME_S)) + 1
    if last - first < 8:
        return None
    # Other bins, for the rate is another and the tract has another length.
    hz = np.arange(FFT // 2 + 1) * SAMPLE_RATE / FFT
    bins = hz / formant_scale * FFT / SPOKEN_RATE
    low = np.minimum(bins.astype(int), FFT // 2 - 1)
    part = np.clip(bins - low, 0, 1)
    warp = lambda table: table[begin:end, low] * (1 - part) + table[begin:end, low + 1] * part
    gain = 10 ** (tilt_db / 10 * np.log2(np.maximum(hz, 500) / 500)) * np.where(bins > FFT // 2, .1, 1)
    envelope = warp(envelope) * gain
    envelope /= envelope[first - begin:last - begin].mean() + 1e-12
    aperiodicity = np.clip(1 - (1 - warp(aperiodicity)) * (1 - breath * np.minimum(1, hz / 4000)), .001, 1)
    return Syllable(envelope, aperiodicity, voiced[begin:end], (int(first - begin), int(last - begin) + 1))


def hummed(syllable: Syllable) -> Syllable:
    """Through a closed mouth: the lowest formant of a nasal, little else, no consonant."""
    begin, end = syllable.vowel
    hz = np.arange(FFT // 2 + 1) * SAMPLE_RATE / FFT
    formant = lambda centre, width: 1 / (1 + ((hz - centre) / width) ** 2)
    nose = formant(250, 120) + .004 * formant(1050, 200) + .001 * formant(2200, 300)
    envelope = syllable.envelope[begin:end] / syllable.envelope[begin:end].mean(axis=1, keepdims=True) * .1 + 1
    envelope = envelope * nose
    return Syllable(envelope / envelope.mean(), syllable.aperiodicity[begin:end], np.ones(end - begin, bool),
                    (0, end - begin))


def phrases_of(notes: list[SungNote]) -> list[list[SungNote]]:
    phrases = []
    for note in notes:
        if note.legato and phrases:
            phrases[-1].append(note)
        else:
            phrases.append([note])
    return phrases


def render_phrase(notes: list[SungNote], begin: float, frames: int, pitch: np.ndarray, syllables: list[Syllable],
                  rng: np.random.Generator) -> np.ndarray:
    """The samples from `begin` s on."""
    import pyworld

    envelope = np.full((frames, FFT // 2 + 1), 1e-9)
    aperiodicity = np.ones((frames, FFT // 2 + 1))
    voiced = np.zeros(frames, bool)
    at = lambda seconds: min(max(0, round((seconds - begin) / FRAME_S)), frames)
    syllable = None
    for index, note in enumerate(notes):
        first, last = at(note.begin), at(note.end)
        goes_on = syllable is not None and rng.random() < .2
        if not goes_on:
            syllable = syllables[rng.integers(len(syllables))]
        vowel_begin, vowel_end = syllable.vowel
        gain = note.gain ** 2 * np.exp(-.5 * FRAME_S * np.arange(last - first))
        where = stretched(last - first, vowel_begin, vowel_end, goes_on, rng)
        envelope[first:last] = syllable.envelope[where] * gain[:, None]
        aperiodicity[first:last] = syllable.aperiodicity[where]
        voiced[first:last] = True
        if not goes_on:  # the consonant ends where the note begins, at the cost of the note before
            room = .5 * (notes[index - 1].end - notes[index - 1].begin) / FRAME_S if index else first
            place(syllable, max(0, vowel_begin - int(room)), vowel_begin, first, note.gain,
                  envelope, aperiodicity, voiced)
        if index + 1 == len(notes):  # dies away, on the coda
            coda = min(len(syllable.voiced) - vowel_end, frames - last)
            place(syllable, vowel_end, vowel_end + coda, last + coda, note.gain, envelope, aperiodicity, voiced)
            fade = min(round(rng.uniform(.05, .3) / FRAME_S), 2 * (last - first) // 3)
            envelope[last - fade:last + coda] *= np.minimum(np.linspace(1, .1, fade + coda), 1)[:, None] ** 2
    envelope[1:-1] = .25 * envelope[:-2] + .5 * envelope[1:-1] + .25 * envelope[2:]  # joints
    attack = at(notes[0].begin) + np.arange(round(rng.uniform(.01, .05) / FRAME_S))
    envelope[attack[attack < frames]] *= np.linspace(.1, 1, attack.size)[attack < frames, None]
    knots = np.arange(0, frames + 40, 40)
    envelope *= 10 ** (.1 * np.interp(np.arange(frames), knots, rng.normal(0, 2, knots.size)))[:, None]  # swells, dB
    steps = np.minimum(((begin + FRAME_S * np.arange(frames)) * voice.CONTROL_RATE).astype(int), pitch.size - 1)
    f0 = np.where(voiced, 440 * np.exp2((pitch[steps] - 69) / 12), 0.)
    return pyworld.synthesize(f0, envelope, aperiodicity, SAMPLE_RATE, 1000 * FRAME_S)


def stretched(frames: int, begin: int, end: int, goes_on: bool, rng: np.random.Generator) -> np.ndarray:
    """Frames of a vowel for a note: its beginning as said, then to its end at the note's pace, wandering a little."""
    length = end - begin
    attack = 0 if goes_on else min(length // 4, frames // 2)
    rest = frames - attack
    wander = np.interp(np.arange(rest), np.arange(0, rest + 20, 20), rng.normal(0, .06, len(range(0, rest + 20, 20))))
    place_in = np.linspace(.35 if goes_on else attack / length, .95, rest) + wander
    return np.concatenate([begin + np.arange(attack), begin + np.clip(place_in * length, 0, length - 1).astype(int)])


def place(syllable: Syllable, begin: int, end: int, at_end: int, gain: float, envelope: np.ndarray,
          aperiodicity: np.ndarray, voiced: np.ndarray) -> None:
    """Frames [begin, end) of the syllable as they were said, so that they end at frame at_end."""
    begin = max(begin, end - at_end)
    if begin >= end:
        return
    target = slice(at_end - (end - begin), at_end)
    envelope[target] = syllable.envelope[begin:end] * gain ** 2
    aperiodicity[target] = syllable.aperiodicity[begin:end]
    voiced[target] = syllable.voiced[begin:end]


def flutter(steps: int, rng: np.random.Generator) -> np.ndarray:
    """No voice is steady: a few hundredths of a semitone at some 10 Hz."""
    knots = np.arange(0, steps + 60, 60)
    return np.interp(np.arange(steps), knots, rng.normal(0, rng.uniform(.02, .08), knots.size))
