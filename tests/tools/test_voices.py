"""Tests of the voices of tools/make_corpus: python3 -m unittest discover tests/tools."""

import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from corpus import dependencies

dependencies.provide()

import numpy as np

from corpus import voice, voice_conditions, voice_performance, voice_real, voice_syllables
from corpus.voice import SAMPLE_RATE, decibel

MELODY = [[.5, .9, 57, 90], [1.5, .4, 60, 70], [2.0, .45, 64, 100], [2.45, .5, 62, 80], [4, .5, 60, 80],
          [4.5, .5, 57, 80]]
SECONDS = 6


def pitch_near(samples: np.ndarray, pitch: float) -> float:
    """The most periodic pitch within 5 semitones."""
    correlation = np.fft.irfft(np.abs(np.fft.rfft(samples.astype(float), 4 * samples.size)) ** 2)[:samples.size]
    correlation /= samples.size - np.arange(samples.size)
    shortest, longest = (int(SAMPLE_RATE / (440 * 2 ** ((pitch + by - 69) / 12))) for by in (5, -5))
    return 69 + 12 * np.log2(SAMPLE_RATE / (shortest + np.argmax(correlation[shortest:longest])) / 440)


def power_db(samples: np.ndarray, low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2
    hz = np.fft.rfftfreq(samples.size, 1 / SAMPLE_RATE)
    return 10 * np.log10(power[(hz >= low_hz) & (hz < high_hz)].sum() / samples.size ** 2 + 1e-20)


class Conditions(unittest.TestCase):
    """Each does what its numbers say, to a tone of 2 s in 6 s."""

    def setUp(self):
        time = np.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE
        self.sung = (time >= 1) & (time < 3)
        self.tone = np.where(self.sung, .1 * sum(np.sin(2 * np.pi * 220 * k * time) / k for k in range(1, 20)), 0)
        other = .3 * sum(np.sin(2 * np.pi * hz * time) for hz in (130.8, 329.6, 1318.5))
        self.scene = voice_conditions.Scene(other, lambda semitones: other, lambda samples: other[:samples],
                                            np.random.default_rng(1))
        self.level = voice_conditions.active_rms(self.tone)

    def apply(self, **condition):
        return voice_conditions.apply(self.tone, [condition], self.scene)

    def rest_db(self, samples, begin=4, end=6):
        """Of a rest, relative to where there is singing."""
        at = slice(begin * SAMPLE_RATE, end * SAMPLE_RATE)
        rms = lambda piece: np.sqrt(np.mean(np.square(piece)))
        return 20 * np.log10(rms(samples[at]) / rms(samples[self.sung]) + 1e-9)

    def test_all_keep_length_and_level_and_do_not_clip(self):
        for seed in range(30):
            for condition in voice_conditions.draw(np.random.default_rng(seed)):
                heard = self.apply(**condition)
                self.assertEqual(heard.shape, self.tone.shape)
                self.assertLessEqual(np.abs(heard).max(), .971, condition)
                self.assertFalse(np.array_equal(heard, self.tone.astype(np.float32)), condition)
                if np.abs(heard).max() < .969:
                    self.assertAlmostEqual(voice_conditions.active_rms(heard) / self.level, 1, delta=.02)

    def test_added_sounds_are_as_loud_as_written(self):
        # Singing holds the sound too: its own level rises a little, by .4 dB at -10 dB.
        for name, more in {"hiss": {}, "hum": {"mains_hz": 50.}, "babble": {}, "backing": {"semitones": 0},
                           "bleed": {"cut_hz": 8000.}}.items():
            for level in (-30., -10.):
                self.assertAlmostEqual(self.rest_db(self.apply(name=name, level_db=level, **more)), level, delta=1.5,
                                       msg=f"{name} at {level} dB")

    def test_a_room_dies_away_in_the_time_that_is_written(self):
        for decay in (.5, 1.5):
            heard = self.apply(name="room", decay_s=decay, direct_db=0.)
            frames = 20 * np.log10(voice_conditions.loudness(heard)[150:] + 1e-9)  # of 20 ms, from the end of the tone
            early, late = .1, .1 + .4 * decay
            fall = frames[int(early / .02)] - frames[int(late / .02)]
            self.assertAlmostEqual(fall, 60 * .4, delta=7)  # noise: 3 dB a frame

    def test_a_phone_cuts_bass_and_treble_and_presses_levels_together(self):
        heard = self.apply(name="phone", low_hz=300., high_hz=3400., ratio=3., clip_db=12.)
        cut = lambda low, high: power_db(heard, low, high) - power_db(self.tone, low, high)
        self.assertLess(cut(0, 250), cut(600, 2000) - 3)  # 300 Hz, 12 dB an octave: 5 dB at 220 Hz
        soft = np.where(np.arange(self.tone.size) < 2 * SAMPLE_RATE, self.tone, .1 * self.tone)
        pressed = voice_conditions.phone(soft, self.scene, 20., 11000., 3., 20.)
        rms = lambda samples, begin: np.sqrt(np.mean(np.square(samples[begin * SAMPLE_RATE:(begin + 1) * SAMPLE_RATE])))
        ratio_db = 20 * np.log10(rms(pressed, 1) / rms(pressed, 2))
        self.assertAlmostEqual(ratio_db, 20 / 3, delta=1.5)

    def test_clipping_is_where_it_is_written(self):
        heard = voice_conditions.phone(self.tone, self.scene, 80., 8000., 1., 3.)
        self.assertAlmostEqual(20 * np.log10(np.abs(heard).max() / voice_conditions.active_rms(self.tone)), 3, delta=1)
        self.assertGreater(np.mean(np.abs(heard[self.sung]) > .999 * np.abs(heard).max()), .01)

    def test_a_stage_microphone_is_warm_and_rumbles(self):
        heard = self.apply(name="stage", near_db=9., rumble_db=-20.)
        self.assertGreater(self.rest_db(heard), -34)  # steps come and go
        self.assertLess(self.rest_db(heard), -12)
        tilt = lambda samples: power_db(samples[self.sung], 200, 240) - power_db(samples[self.sung], 1000, 2000)
        self.assertGreater(tilt(heard), tilt(self.tone) + 3)

    def test_separation_leaves_a_little_of_the_rest_and_most_of_the_voice(self):
        for leak in (-30., -15.):
            heard = self.apply(name="separation", voice_db=0., error_db=4., leak_db=leak, smear_frames=2, holes=.03)
            self.assertAlmostEqual(self.rest_db(heard), leak, delta=4)
            overlap = np.dot(heard[self.sung], self.tone[self.sung]) / (
                np.linalg.norm(heard[self.sung]) * np.linalg.norm(self.tone[self.sung]))
            self.assertGreater(overlap, .8)

    def test_spectrum_and_back_is_the_same(self):
        noise = np.random.default_rng(1).standard_normal(50001)
        back = voice_conditions.from_spectrum(voice_conditions.spectrum(noise, 2048, 512), 2048, 512, noise.size)
        self.assertLess(np.abs(back - noise).max(), 1e-4)

    def test_silence_stays_silence(self):
        silent = np.zeros(SAMPLE_RATE)
        for condition in voice_conditions.draw(np.random.default_rng(1)):
            self.assertEqual(np.abs(voice_conditions.apply(silent, [condition], self.scene)).max(), 0)


class Performance(unittest.TestCase):
    def setUp(self):
        self.rng = np.random.default_rng(3)
        self.singer = voice.draw_singer(self.rng)
        melody = [[i * .5 + 2 * (i // 4), .4, 60 + i % 4, 80] for i in range(400)]  # phrases of 4 notes
        self.notes = voice.perform(melody, self.singer, .01, self.rng)

    def performed(self, **change):
        return voice_performance.perform(self.notes, self.singer, [change], self.rng)

    def test_notes_stay_in_order_and_apart(self):
        for seed in range(40):
            changes = voice_performance.draw(np.random.default_rng(seed))
            notes = voice_performance.perform(self.notes, self.singer, changes, np.random.default_rng(seed))
            for note, after in zip(notes, notes[1:]):
                self.assertLess(note.begin, note.end)
                self.assertLessEqual(note.end, after.begin + 1e-9)

    def test_rests_leave_out_about_the_share_that_is_written(self):
        shares = [1 - len(self.performed(name="rests", share=.4)) / len(self.notes) for _ in range(20)]
        self.assertAlmostEqual(np.mean(shares), .4, delta=.06)

    def test_octaves_are_wrong_about_as_often_as_written(self):
        off = [np.round(after.pitch - note.pitch) for _ in range(20)
               for note, after in zip(self.notes, self.performed(name="octaves", share=.2))]
        self.assertEqual(set(np.abs(off)), {0, 12})
        self.assertAlmostEqual(np.mean(np.abs(off) > 0), .2 * (.8 + .2 / 4), delta=.05)

    def test_phrases_lag_as_a_whole(self):
        late = np.array([after.begin - note.begin for note, after in zip(self.notes, self.performed(name="lag",
                                                                                                   phrase_sd_s=.06))])
        self.assertLess(np.abs(late.reshape(-1, 4) - late.reshape(-1, 4).mean(axis=1, keepdims=True)).max(), .005)
        self.assertAlmostEqual(late.std(), .06, delta=.02)  # 100 phrases

    def test_intonation_is_as_bad_as_written(self):
        notes = self.performed(name="intonation", note_sd=.3, drift_sd=.1)
        off = [note.pitch - 60 - index % 4 for index, note in enumerate(notes)]
        self.assertAlmostEqual(np.std(off), .3, delta=.04)
        self.assertEqual(self.singer.drift, .1)

    def test_humming_has_no_consonants(self):
        self.assertFalse(any(note.consonant for note in self.performed(name="humming")))


class Methods(unittest.TestCase):
    def sounds_right(self, sung, notes):
        for note in notes:
            begin = int((note[0] + .1) * SAMPLE_RATE)
            found = pitch_near(sung[begin:begin + 4096], note[2])
            self.assertLess(abs(found - note[2]), 1, note)

    def test_a_hum_has_little_above_a_kilohertz(self):
        tilt = {}
        for humming in (False, True):
            rng = np.random.default_rng(5)
            singer = voice.draw_singer(rng)
            sung = voice.render(voice.perform(MELODY, singer, .01, rng), singer, SECONDS * SAMPLE_RATE, rng, humming)
            tilt[humming] = power_db(sung, 1000, 4000) - power_db(sung, 80, 600)
        self.assertLess(tilt[True], tilt[False] - 8)

    @unittest.skipUnless(voice_syllables.is_installed(), "espeak-ng is not installed (Debian: espeak-ng)")
    def test_syllables_sing_the_written_pitch_the_same_each_time(self):
        dependencies.provide("voices")
        for seed in range(4):
            rng = lambda: np.random.default_rng(seed)
            sung = voice_syllables.sing(MELODY, SECONDS, .01, rng())
            self.assertEqual(sung.shape, (SECONDS * SAMPLE_RATE,))
            self.assertLessEqual(np.abs(sung).max(), .98)
            self.sounds_right(sung, MELODY)
            self.assertTrue(np.array_equal(sung, voice_syllables.sing(MELODY, SECONDS, .01, rng())))

    @unittest.skipUnless(voice_syllables.is_installed(), "espeak-ng is not installed (Debian: espeak-ng)")
    def test_what_was_sung_is_written_down(self):
        dependencies.provide("voices")
        accompaniment = np.random.default_rng(1).normal(0, .05, SECONDS * SAMPLE_RATE)
        sung = voice_real.sing_as(MELODY, SECONDS, accompaniment, "syllables", .02, [{"name": "humming"}],
                                  [{"name": "babble", "level_db": -25.}, {"name": "backing", "semitones": 12,
                                                                        "level_db": -20.}], np.random.default_rng(2))
        self.assertEqual([one["name"] for one in sung.description["conditions"]], ["humming", "babble", "backing"])
        self.assertEqual(sung.description["method"], "syllables")
        self.sounds_right(sung.samples, sung.description["sung"])

    def test_songs_differ_and_every_condition_turns_up(self):
        rng = np.random.default_rng
        drawn = [voice_performance.draw(rng(seed)) + voice_conditions.draw(rng(seed)) for seed in range(300)]
        self.assertEqual({one["name"] for song in drawn for one in song},
                         {*voice_performance.CHANGES, *voice_conditions.CONDITIONS})
        self.assertAlmostEqual(np.mean([any(one["name"] == "separation" for one in song) for song in drawn]), .5,
                               delta=.09)


if __name__ == "__main__":
    unittest.main()
