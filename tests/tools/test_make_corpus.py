"""Tests of tools/make_corpus on a song that is written here: python3 -m unittest discover tests/tools."""

import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOUNDFONT = pathlib.Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
sys.path.insert(0, str(ROOT / "tools"))
from corpus import dependencies

dependencies.provide()

import mido
import numpy as np
import soundfile

from corpus import band, midi, pop909, song as songs, voice, voice_syllables

TICKS = 480
SAMPLE_RATE = 24000
FIELDS = {"name", "split", "seconds", "transpose", "key", "melody", "notes", "beats", "chords"}


def midi_file(path: pathlib.Path, tracks: dict[str, list], tempi=((0, 500000),)) -> None:
    """tracks: name -> [onset, end, pitch, velocity] in quarters."""
    file = mido.MidiFile(ticks_per_beat=TICKS)
    events = {"": [(round(at * TICKS), mido.MetaMessage("set_tempo", tempo=tempo)) for at, tempo in tempi]}
    for name, notes in tracks.items():
        events[name] = [(0, mido.MetaMessage("track_name", name=name))]
        for onset, end, pitch, velocity in notes:
            events[name].append((round(onset * TICKS), mido.Message("note_on", note=pitch, velocity=velocity)))
            events[name].append((round(end * TICKS), mido.Message("note_off", note=pitch)))
    for name in events:
        track, now = file.add_track(), 0
        for tick, message in sorted(events[name], key=lambda event: event[0]):
            track.append(message.copy(time=tick - now))
            now = tick
    file.save(path)


def write_song(folder: pathlib.Path, name: str) -> None:
    """Eight quarters at 120 a minute, C major and A minor, sung C E G A."""
    song = folder / name
    song.mkdir(parents=True)
    tracks = {"MELODY": [(2 * i, 2 * i + 1.9, pitch, 90) for i, pitch in enumerate((60, 64, 67, 69))],
              "BRIDGE": [(0, 8, 84, 100)],
              "PIANO": [(i, i + 1, pitch, 110) for i in range(8)
                        for pitch in ((48, 55, 64) if i < 4 else (45, 52, 60))]}
    midi_file(song / f"{name}.mid", tracks)
    (song / "beat_midi.txt").write_text("".join(f"{i / 2} {1 - i % 2:.1f} {float(i % 4 == 0)}\n" for i in range(8)))
    (song / "chord_midi.txt").write_text("0.0\t2.0\tC:maj\n2.0\t4.0\tA:min/b3\n4.0\t5.0\tN\n")
    (song / "key_audio.txt").write_text("0.0\t1.0\tGb:maj\n1.0\t4.0\tC:maj\n")


class Band(unittest.TestCase):
    SONG = {"seconds": 130, "beats": [[i / 2, int(i % 4 == 0)] for i in range(256)],
            "chords": [[2 * i, 2 * i + 2, ("C:maj", "A:min7", "N", "F:maj/3", "G:sus4", "Bb:maj")[i % 6]]
                       for i in range(64)]}

    def parts(self, seed=1):
        return band.parts_of(self.SONG, np.random.default_rng(seed))

    def test_the_same_seed_the_same_notes(self):
        self.assertEqual(self.parts(), self.parts())
        self.assertNotEqual(self.parts()["drums"], self.parts(2)["drums"])

    def test_notes_are_what_their_instruments_have(self):
        for seed in range(5):
            for name, notes in self.parts(seed).items():
                self.assertGreater(len(notes), 50, name)
                low, high = {"bass": band.BASS_KEYS, "strings": band.STRING_KEYS, "drums": (35, 81)}[name]
                self.assertTrue(all(low <= pitch <= high and 1 <= velocity <= 127 for _, _, pitch, velocity in notes))
                ends = {}
                for onset, length, pitch, _ in notes:
                    self.assertGreaterEqual(onset, ends.get(pitch, 0), f"{name}: a key sounds twice")
                    self.assertLess(onset + length, self.SONG["seconds"])
                    ends[pitch] = onset + length

    def test_strings_rest_where_there_is_no_chord(self):
        for onset, length, pitch, _ in self.parts()["strings"]:
            number = int((onset + .05) // 2)
            self.assertNotEqual(self.SONG["chords"][number][2], "N")
            root, tones = band.triad_of(self.SONG["chords"][number][2])
            self.assertIn((pitch - root) % 12, tones)

    def test_a_song_without_beats_has_no_parts(self):
        parts = band.parts_of(self.SONG | {"beats": []}, np.random.default_rng(1))
        self.assertEqual(parts, {"bass": [], "strings": [], "drums": []})


class Reading(unittest.TestCase):
    def read(self, **tracks):
        with tempfile.TemporaryDirectory() as folder:
            tempi = tracks.pop("tempi", ((0, 500000),))
            midi_file(pathlib.Path(folder) / "song.mid", tracks, tempi)
            content = (pathlib.Path(folder) / "song.mid").read_bytes()
            return {track.name: track.notes for track in midi.Midi(content).tracks}

    def test_times_follow_every_change_of_tempo(self):
        # Four quarters at .5 s, then 1 s a quarter: quarter 6 is at 2 + 2 s.
        notes = self.read(PIANO=[(0, 1, 60, 80), (6, 7, 62, 70)], tempi=((0, 500000), (4, 1000000)))["PIANO"]
        np.testing.assert_allclose(notes, [[0, .5, 60, 80], [4, 5, 62, 70]], atol=1e-9)

    def test_a_key_never_sounds_twice(self):
        draw = random.Random(5)
        for _ in range(50):
            raw = sorted([onset := draw.uniform(0, 5), onset + draw.uniform(.001, 2), draw.choice((60, 61)), 80]
                         for _ in range(40))
            notes = songs.one_sound_a_key(raw)
            for pitch in (60, 61):
                key = [note for note in notes if note[2] == pitch]
                for (onset, length, *_), following in zip(key, key[1:]):
                    self.assertLessEqual(onset + length, following[0] - songs.RESTRIKE_GAP_S + 2e-4)
            self.assertGreaterEqual(min(note[1] for note in notes), songs.SHORTEST_S)

    def test_a_singer_sings_the_highest_of_notes_that_begin_together_and_one_at_a_time(self):
        notes = songs.one_voice([[0, 2, 60, 80], [0.01, 2, 72, 80], [1, 1.5, 64, 80]])
        self.assertEqual(notes, [[0, 1, 72, 80], [1, .5, 64, 80]])

    def test_downbeats_of_bars_of_four_and_of_three(self):
        four = "".join(f"{i} {1 - i % 2} {int(i % 4 == 0)}\n" for i in range(16)).encode()
        three = "".join(f"{i} {int(i % 3 == 0)} {int(i % 6 == 0)}\n" for i in range(18)).encode()
        self.assertEqual([beat for beat, down in pop909.read_beats(four) if down], [0, 4, 8, 12])
        self.assertEqual([beat for beat, down in pop909.read_beats(three) if down], [0, 3, 6, 9, 12, 15])

    def test_names_are_transposed_with_their_spelling(self):
        chord = lambda name, semitones: songs.transpose_name(name, semitones, songs.CHORD_ROOTS)
        self.assertEqual(chord("Bb:min7/b3", 2), "C:min7/b3")
        self.assertEqual(chord("C:sus4(b7)", 1), "C#:sus4(b7)")
        self.assertEqual(chord("N", 5), "N")
        self.assertEqual(songs.transpose_name("Db:maj", 5, songs.KEY_ROOTS), "Gb:maj")

    def test_twelve_semitones_up_and_down_is_the_same_song(self):
        with tempfile.TemporaryDirectory() as folder:
            write_song(pathlib.Path(folder), "001")
            song = pop909.read_song("001", pop909.read_files(pathlib.Path(folder))["001"])
        for semitones in range(-5, 7):
            moved = songs.transposed(song, semitones)
            self.assertEqual(songs.transposed(moved, -semitones), song)
            self.assertEqual({note[2] - semitones for note in moved["notes"]}, {note[2] for note in song["notes"]})


    def test_melodies_nobody_can_sing_move_by_octaves(self):
        song = {"key": "C:maj", "transpose": 3, "notes": [[0, 1, 40, 80, 0]], "chords": []}
        for median, sung in {30: 54, 47: 59, 48: 48, 60: 60, 76: 76, 77: 65, 100: 76}.items():
            melody = [[0, 1, median - 9, 80], [1, 1, median, 80], [2, 1, median + 5, 80]]
            moved = songs.within_voice(song | {"melody": melody})
            self.assertEqual([note[2] for note in moved["melody"]], [sung - 9, sung, sung + 5])
            self.assertEqual((moved["notes"], moved["transpose"]), (song["notes"], 3))


class Voice(unittest.TestCase):
    melody = [[.5, .9, 57, 90], [1.5, .4, 60, 70], [2.0, .45, 64, 100], [2.45, .5, 62, 80]]

    def test_it_sings_the_written_pitch(self):
        # Drawn intonation (sd .1), detune (.1) and vibrato (<= .6) stay within 1 semitone of the note.
        for seed in range(8):
            sung = voice.sing(self.melody, 4, .01, np.random.default_rng(seed))
            for onset, length, pitch, _ in self.melody:
                begin = int((onset + .15) * SAMPLE_RATE)
                piece = sung[begin:begin + 4096].astype(float)
                correlation = np.fft.irfft(np.abs(np.fft.rfft(piece, 16384)) ** 2)[:500]
                correlation /= 4096 - np.arange(500)
                hz = 440 * 2 ** ((pitch - 69) / 12)
                low, high = (int(SAMPLE_RATE / (hz * 2 ** (step / 12))) for step in (5, -5))
                found = SAMPLE_RATE / (low + np.argmax(correlation[low:high]))
                self.assertLess(abs(12 * np.log2(found / hz)), 1., f"seed {seed}, pitch {pitch}")

    def test_onsets_are_off_by_the_asked_error(self):
        melody = [[i * .5, .4, 60, 80] for i in range(1, 801)]
        for asked in (.01, .02):
            rng = np.random.default_rng(7)
            notes = voice.perform(melody, voice.draw_singer(rng), asked, rng)
            errors = [note.begin - onset for note, (onset, *_) in zip(notes, melody)]
            self.assertAlmostEqual(np.std(errors), asked, delta=.1 * asked)  # 800 draws: 2.5 % standard error
            self.assertLessEqual(np.abs(errors).max(), 2.5 * asked + 1e-9)

    def test_level_and_floor_are_as_drawn_and_rests_are_quiet(self):
        for seed in range(8):
            sung = voice.sing(self.melody, 6, .01, np.random.default_rng(seed))
            self.assertLessEqual(np.abs(sung).max(), .98)
            decibels = 20 * np.log10(np.sqrt(np.mean(np.square([sung[36000:45000], sung[-36000:-27000]]), axis=1)))
            self.assertTrue(-34 < decibels[0] < -10, decibels)  # drawn: -28..-16 dB RMS of the song
            self.assertTrue(-76 < decibels[1] < -49, decibels)  # drawn: -75..-50 dB

    def test_no_melody_is_only_noise_floor(self):
        silence = voice.sing([], 2, .01, np.random.default_rng(1))
        self.assertLess(np.sqrt(np.mean(np.square(silence))), voice.decibel(-49))


@unittest.skipUnless(SOUNDFONT.is_file(), f"{SOUNDFONT} is not installed (Debian: fluid-soundfont-gm)")
class Program(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.base = pathlib.Path(cls.folder.name)
        for name in ("001", "002", "851", "881", "882"):
            write_song(cls.base / "in", name)
        cls.out = cls.base / "out"
        cls.report = cls.make(cls.out)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def make(cls, out, *more, train=1, seed=3, source=None, expect=0):
        command = [ROOT / "tools" / "make_corpus", source or cls.base / "in", "--out", out,
                   "--render-train", str(train), "--render-validate", "0", "--render-test", "2",
                   "--seed", str(seed), *more]
        done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True)
        assert done.returncode == expect, done.stderr
        return done.stdout + done.stderr

    def song(self, name):
        return json.loads((self.out / f"{name}.json").read_text())

    def rendered(self):
        return {path.name[:3] for path in self.out.glob("*_no_vocals.flac")}

    def test_every_song_has_the_fields_of_the_contract(self):
        for name, split in {"001": "train", "002": "train", "851": "validate", "881": "test", "882": "test"}.items():
            song = self.song(name)
            self.assertEqual(set(song), FIELDS)
            self.assertEqual((song["name"], song["split"]), (name, split))
            self.assertEqual(len(song["melody"]), 4)
            self.assertEqual(len(song["notes"]), 24)  # the BRIDGE's note is not among them
            self.assertEqual(song["notes"][0][:2], [0, .495])  # a quarter at 120, less 5 ms: the key is struck again
            self.assertEqual(song["beats"][4], [2.0, 1])
            self.assertEqual(song["seconds"], 6)  # 4 s of notes, a second of tail, whole seconds

    def test_only_rendered_train_songs_are_transposed_and_all_fields_with_them(self):
        for name in ("001", "002", "851", "881", "882"):
            song = self.song(name)
            semitones = song["transpose"]
            self.assertTrue(-5 <= semitones <= 6)
            if name in self.rendered() and song["split"] == "train":
                self.assertNotEqual(semitones, 0)  # as seed 3 draws it; else this test would prove nothing
            else:
                self.assertEqual(semitones, 0)
            self.assertEqual(min(note[2] for note in song["notes"]), 45 + semitones)
            self.assertIn(song["melody"][0][2] - 60 - semitones, (0, -12))
            self.assertEqual(song["key"], songs.KEY_ROOTS[semitones % 12] + ":maj")
            self.assertEqual(song["chords"][1], [2.0, 4.0, songs.CHORD_ROOTS[(9 + semitones) % 12] + ":min/b3"])
            self.assertEqual(song["chords"][2][2], "N")

    def test_audio_is_24_khz_mono_of_the_written_length_unclipped_and_in_the_written_key(self):
        self.assertEqual(len(self.rendered()), 3)
        for name in self.rendered():
            song = self.song(name)
            for kind in ("vocals", "no_vocals"):
                info = soundfile.info(self.out / f"{name}_{kind}.flac")
                self.assertEqual((info.samplerate, info.channels, info.frames, info.subtype),
                                 (SAMPLE_RATE, 1, song["seconds"] * SAMPLE_RATE, "PCM_16"))
            piano, _ = soundfile.read(self.out / f"{name}_no_vocals.flac")
            self.assertLess(np.abs(piano).max(), 1)
            spectrum = np.abs(np.fft.rfft(piano[:2 * SAMPLE_RATE] * np.hanning(2 * SAMPLE_RATE)))  # bins of .5 Hz
            root = 2 * 440 * 2 ** ((48 + song["transpose"] - 69) / 12)
            near = lambda bins: spectrum[round(bins) - 2:round(bins) + 3].max()
            self.assertGreater(near(root), 4 * near(root * 2 ** (1 / 12)))  # 12 dB; attacks smear some of it
            self.assertLess(np.abs(piano[-SAMPLE_RATE // 2:]).max(), 1e-3)  # the keys were released 1.5 s before

    def test_the_same_command_gives_the_same_bytes_alone_or_among_others(self):
        again = self.base / "again"
        self.make(again, "--only", "882")
        for name in ("882.json", "882_vocals.flac", "882_no_vocals.flac"):
            self.assertEqual((again / name).read_bytes(), (self.out / name).read_bytes(), name)
        self.assertEqual(sorted(path.name[:3] for path in again.glob("*.flac")), ["882", "882"])
        self.make(self.base / "other", "--only", "882", seed=4)
        self.assertNotEqual((self.base / "other" / "882_vocals.flac").read_bytes(),
                            (self.out / "882_vocals.flac").read_bytes())

    @unittest.skipUnless(voice_syllables.is_installed(), "espeak-ng is not installed (Debian: espeak-ng)")
    def test_real_voices_are_described_and_the_rest_is_as_with_plain_ones(self):
        out, again = self.base / "real", self.base / "real_again"
        for folder in (out, again):
            self.make(folder, "--voices", "real", "--only", "882")
        real, plain = json.loads((out / "882.json").read_text()), self.song("882")
        self.assertEqual({name: real[name] for name in plain}, plain)
        self.assertEqual(set(real["voice"]), {"method", "timing_sd_s", "conditions", "sung"})
        for kind in ("882.json", "882_vocals.flac", "882_no_vocals.flac"):
            self.assertEqual((out / kind).read_bytes(), (again / kind).read_bytes(), kind)
        self.assertEqual((out / "882_no_vocals.flac").read_bytes(), (self.out / "882_no_vocals.flac").read_bytes())
        self.assertNotEqual((out / "882_vocals.flac").read_bytes(), (self.out / "882_vocals.flac").read_bytes())
        self.assertIn("use another --out", self.make(out, "--voices", "plain", expect=2))

    def test_a_stopped_run_goes_on_and_leaves_what_is_finished(self):
        out = self.base / "stopped"
        self.make(out)
        kept, lost = out / "881_no_vocals.flac", out / "882_no_vocals.flac"
        lost_bytes = lost.read_bytes()
        lost.unlink()
        os.utime(kept, (1, 1))
        self.assertIn("1/1 songs rendered", self.make(out))
        self.assertEqual(kept.stat().st_mtime, 1)
        self.assertEqual(lost.read_bytes(), lost_bytes)
        self.assertEqual([path.name for path in out.glob(".*")], [])

    def test_more_songs_are_added_to_those_that_are_there(self):
        out = self.base / "more"
        self.make(out, train=1)
        first = set(out.glob("*_no_vocals.flac"))
        self.make(out, train=2)
        both = set(out.glob("*_no_vocals.flac"))
        self.assertTrue(first < both)
        self.assertEqual(len(both - first), 1)
        described = {path: path.read_bytes() for path in out.glob("*.json")}
        self.make(out, train=0)  # asked for less, what is there stays, and what describes it
        self.assertEqual(described, {path: path.read_bytes() for path in out.glob("*.json")})
        self.assertTrue(all(json.loads(described[out / f"{name}.json"])["transpose"] for name in ("001", "002")))

    def test_songs_that_cannot_be_read_are_named_and_the_others_used(self):
        source, out = self.base / "broken", self.base / "from_broken"
        for name in ("001", "002", "003", "004"):
            write_song(source, name)
        (source / "004" / "chord_midi.txt").unlink()
        midi_file(source / "002" / "002.mid", {"PIANO": [(0, 1, 60, 80)]})
        (source / "003" / "beat_midi.txt").write_text("0.0 one two\n")
        told = self.make(out, source=source)
        self.assertIn("left out: 002 has nothing in the track MELODY", told)
        self.assertIn("left out: 003 has annotations that are not as expected", told)
        self.assertIn("left out: 004 has no chord_midi.txt", told)
        self.assertEqual([path.name for path in out.glob("*.json")], ["001.json"])

    def test_wrong_requests_are_refused_with_what_to_do(self):
        self.assertIn("use another --out", self.make(self.out, seed=9, expect=2))
        self.assertIn("does not exist", self.make(self.base / "x", source=self.base / "nothing", expect=2))
        (self.base / "empty").mkdir()
        self.assertIn("holds no song", self.make(self.base / "x", source=self.base / "empty", expect=2))


if __name__ == "__main__":
    unittest.main()
