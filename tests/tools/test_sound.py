"""Tests of tools/sound, and of tools/score_songs and tools/sound_page on a song that is written here."""

import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from corpus.dependencies import provide

provide("picture")

import numpy as np
import soundfile

from sound import Failed, judging, program, retrieval, songs, spectra

RATE = 24000
BEAT_S, SECONDS = .5, 32
CHORDS = [("C:maj", (48, 52, 55)), ("A:min7/b3", (45, 48, 52)), ("F:maj", (41, 45, 48)), ("G:7", (43, 47, 50))]


def tone(key: float, seconds: float) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    hertz = 440 * 2**((key - 69) / 12)
    return sum(np.sin(2 * np.pi * hertz * h * time) / h for h in range(1, 6)) * np.minimum(1, (seconds - time) * 20)


def write_song(folder: pathlib.Path, name: str) -> songs.Song:
    """A chord every two seconds; two notes of it sung in each."""
    voice, accompaniment = np.zeros(SECONDS * RATE), np.zeros(SECONDS * RATE)
    data = {"name": name, "seconds": SECONDS, "melody": [], "notes": [], "chords": [],
            "beats": [[i * BEAT_S, int(i % 4 == 0)] for i in range(int(SECONDS / BEAT_S))]}
    for number, at in enumerate(range(0, SECONDS, 2)):
        chord, keys = CHORDS[number % 4]
        data["chords"].append([at, at + 2, chord])
        for key in keys:
            data["notes"].append([at, 1.9, key, 80, 0])
            accompaniment[at * RATE:][:int(1.9 * RATE)] += .05 * tone(key, 1.9)
        for half, key in enumerate(keys[:2]):
            data["melody"].append([at + half, .9, key + 12, 90])
            voice[(at + half) * RATE:][:int(.9 * RATE)] += .1 * tone(key + 12, .9)
    (folder / f"{name}.json").write_text(json.dumps(data))
    soundfile.write(folder / f"{name}_vocals.flac", voice, RATE)
    soundfile.write(folder / f"{name}_no_vocals.flac", accompaniment, RATE)
    return songs.Song(folder, name)


class WithSong(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.song = write_song(self.folder, "881")


class Songs(WithSong):
    def test_chords_by_either_spelling_are_triads(self):
        for name, triad in (("C:maj", (0, False)), ("Eb:min7/b3", (3, True)), ("C#:7/b7", (1, False)), ("N", None),
                            ("F:sus4(b7)", None), ("B:dim", None), ("Cb:maj", (11, False))):
            self.assertEqual(songs.annotated_triad(name), triad, name)
        for name, triad in (("F#m", (6, True)), ("Bb", (10, False)), ("B", (11, False)), ("Dm7", (2, True)),
                            ("Gmaj7", (7, False)), ("N", None)):
            self.assertEqual(songs.planned_triad(name), triad, name)

    def test_windows_are_sung_and_do_not_overlap(self):
        self.assertEqual(self.song.windows(2), [10., 20.])  # all are sung alike; none in the first 10 s
        self.song.data["melody"] = self.song.data["melody"][8:-4]  # 8 to 28 s: what begins at 18 s is all sung
        self.assertEqual(self.song.windows(2), [10., 20.])
        self.song.data["melody"] = self.song.data["melody"][6:]  # from 14 s on
        self.assertEqual(self.song.windows(2), [14.])
        self.song.data["melody"] = []
        self.assertEqual(self.song.windows(2), [])

    def test_every_whole_beat_has_the_triad_that_holds_there(self):
        triads = self.song.triads(10, 20)
        self.assertEqual(len(triads), 19)  # 20 beats begin there, the last one's end is not seen
        self.assertEqual([triad for _, triad in triads[:5]], 4 * [(9, True)] + [(5, False)])  # Am since 10, F since 12

    def test_the_grid_is_the_annotated_tempo(self):
        grid = self.song.grid(10, 20)
        self.assertAlmostEqual(grid.period, BEAT_S, places=6)
        self.assertLess(grid.off, 1e-6)
        self.assertAlmostEqual(grid.at_or_before(10.3), 10, places=6)
        self.assertAlmostEqual(songs.Grid(.4, .5, 0).at_or_before(.1), .4, places=6)  # -.1 s is no place to cut
        self.song.data["beats"] = [[i * .5 + .04 * (i % 2), 0] for i in range(60)]
        self.assertAlmostEqual(self.song.grid(10, 20).off, .02, delta=.003)

    def test_a_broken_description_is_named(self):
        (self.folder / "882.json").write_text("{")
        with self.assertRaisesRegex(Failed, "882.json is no JSON"):
            songs.Song(self.folder, "882").windows(1)


class Judging(WithSong):
    def test_the_truth_itself_is_right_in_everything(self):
        clip = self.song.clips(1)[0]
        plan = {"chords": self.song.chords(), "beats": [time for time, _ in self.song.data["beats"]]}
        figures = judging.of_plan(plan, clip)
        self.assertEqual({name: figures[name] for name in ("chord", "planF", "tempo", "phase", "x2")},
                         {"chord": 1, "planF": 1, "tempo": 1, "phase": 1, "x2": 0})
        self.assertEqual(judging.of_plan({"chords": [], "beats": []}, clip), {})
        late = judging.of_plan({"chords": [(0, "C")], "beats": [beat + .1 for beat in plan["beats"]]}, clip)
        self.assertEqual((late["tempo"], late["phase"], late["planF"]), (1, 0, 0))
        self.assertAlmostEqual(late["chord"], 4 / 19)  # of 16 s; that of 24 s would be the next

    def test_tempi_are_told_by_their_multiple(self):
        true = np.arange(0, 10, .6)
        for name, multiple in judging.MULTIPLES.items():
            figures = judging.pulse(np.arange(0, 10, .6 / multiple), true)
            self.assertEqual([other for other in ("tempo", *judging.MULTIPLES) if figures[other]], [name])
            self.assertNotIn("phase", figures)
        self.assertEqual(judging.pulse(np.array([]), true)["planF"], 0)
        moved = np.concatenate([true[:8], true[8:] + .2])  # one interval of 16 is longer
        self.assertEqual(judging.pulse(moved, true)["steady"], 15 / 16)

    def test_a_score_is_as_busy_and_as_loud_as_it_is_written(self):
        clip = self.song.clips(1)[0]  # 10 s, 20 beats: 5 chords of three notes
        figures = judging.of_score(self.song.chords(), self.song.data["notes"], clip)
        self.assertEqual(figures, {"onsets": 5 / 20, "changes": 5 / 20, "velocity": 80})
        notes = [[11, 1, 60, 100, 0], [11.02, 1, 64, 50, 0], [11.1, 1, 67, 60, 0], [12, 1, 36, 127, 9], [30, 1, 60, 1, 0]]
        figures = judging.of_score([[0, "C", .5], [11, "C7", .5], [12, "Am", .5], [25, "F", .5]], notes, clip)
        self.assertEqual(figures, {"onsets": 2 / 20, "changes": 1 / 20, "velocity": 70})
        self.assertTrue(math.isnan(judging.of_score([], [], clip)["velocity"]))

    def test_the_sound_of_a_chord_is_that_chord(self):
        clip = self.song.clips(1)[0]
        sound = spectra.read(self.song.truth, clip.begin, songs.WINDOW_S)
        soundfile.write(self.folder / "window.wav", *sound)
        self.assertGreater(judging.sounding(self.folder / "window.wav", clip), .9)


class Retrieval(WithSong):
    def setUp(self):
        super().setUp()
        self.song.data["split"] = "train"
        (self.folder / "881.json").write_text(json.dumps(self.song.data))
        retrieval.library.cache_clear()
        nearest = unittest.mock.patch.object(retrieval, "NEAREST", 1)  # no chance
        nearest.start()
        self.addCleanup(nearest.stop)

    def plan(self, moved: int, minor: bool = False) -> dict:
        """The song's own first 16 s, so many semitones higher; its major chords minor where that is asked for."""
        chords = []
        for at, name in self.song.chords():
            root, was_minor = songs.planned_triad(name)
            chords.append([at, songs.NOTE_NAMES[(root + moved) % 12] + "m" * (was_minor or minor)])
        return {"beats": [i * BEAT_S for i in range(33)], "chords": chords,
                "sung": [[onset, length, key + moved] for onset, length, key, _ in self.song.data["melody"]]}

    def test_a_song_finds_its_own_notes_in_another_key(self):
        own = [note[:4] for note in self.song.data["notes"] if note[0] < 16]
        for moved in (0, 3, 10):
            notes = retrieval.retrieve(self.folder, self.plan(moved), 1)
            self.assertEqual(len(notes), len(own))
            for note, (onset, length, key, velocity) in zip(sorted(notes), own):
                self.assertAlmostEqual(note[0], onset)
                self.assertAlmostEqual(note[1], length)
                self.assertEqual([note[2] % 12, *note[3:]], [(key + moved) % 12, velocity, 0])
                self.assertLess(abs(note[2] - key), 12)

    def test_thirds_follow_the_mode_and_where_no_chord_is_nothing_is(self):
        notes = retrieval.retrieve(self.folder, self.plan(0, minor=True), 1)
        self.assertEqual({key % 12 for onset, _, key, *_ in notes if onset < 2}, {0, 3, 7})
        self.assertEqual({key % 12 for onset, _, key, *_ in notes if 2 <= onset < 4}, {9, 0, 4}, "A minor was minor")
        plan = self.plan(0)
        plan["chords"] = [[at, "N" if at == 4 else name] for at, name in plan["chords"]]
        self.assertEqual([note for note in retrieval.retrieve(self.folder, plan, 1) if 4 <= note[0] < 5.9], [])
        self.assertEqual(retrieval.retrieve(self.folder, plan | {"beats": [0, .5]}, 1), [])

    def test_times_follow_the_beats(self):
        plan = self.plan(0)
        for what in ("beats", "chords", "sung"):
            plan[what] = [1.5 * at + 2 if what == "beats" else [1.5 * at[0] + 2, *at[1:]] for at in plan[what]]
        notes = retrieval.retrieve(self.folder, plan, 1)
        self.assertEqual(sorted({round(note[0], 3) for note in notes}), [2 + 3 * bar for bar in range(8)])
        self.assertAlmostEqual(notes[0][1], 1.5 * 1.9)

    def test_a_corpus_without_songs_to_learn_from_is_named(self):
        (self.folder / "881.json").write_text(json.dumps(self.song.data | {"split": "test"}))
        with self.assertRaisesRegex(Failed, "has no songs to take notes from"):
            retrieval.retrieve(self.folder, self.plan(0), 1)


class Spectra(unittest.TestCase):
    def test_fundamental_is_what_is_sung(self):
        for key in (45, 60, 76):
            hertz = spectra.fundamental(np.concatenate([.2 * tone(key, 1), np.zeros(RATE)]), RATE)
            np.testing.assert_allclose(hertz[10:90], 440 * 2**((key - 69) / 12), rtol=.02)
            self.assertTrue(np.isnan(hertz[110:]).all())

    def test_silence_is_dark(self):
        decibels, _ = spectra.spectrogram(np.zeros(RATE), RATE)
        self.assertLess(decibels.max(), -90)


class Commands(WithSong):
    def run_tool(self, tool: str, *arguments) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, ROOT / "tools" / tool, *map(str, arguments)], text=True,
                              capture_output=True, cwd=self.folder, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})

    def needs_program(self):
        if not program.PROGRAM.exists():
            self.skipTest(f"{program.PROGRAM} is not built")

    def test_score_songs_prints_a_row_and_its_controls(self):
        self.needs_program()
        done = self.run_tool("score_songs", self.folder, "--row", "cold beat", "-o", "table.md", "-o", "table.json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, (self.folder / "table.md").read_text())
        report = json.loads((self.folder / "table.json").read_text())
        self.assertEqual([row["row"] for row in report["rows"]],
                         ["cold beat", "the true accompaniment", "another song's"])
        ours, true, _ = (row["figures"] for row in report["rows"])
        self.assertEqual(ours["planF"]["mean"], 1)  # the beat was given
        self.assertGreater(true["chord_snd"]["mean"], .9)
        self.assertGreater(true["ch_cor"]["mean"], .99)
        self.assertEqual(true["velocity"]["mean"], 80)
        self.assertLess(true["lufs"]["mean"], 0)
        self.assertGreater(ours["onsets"]["mean"], 0)

    def test_score_songs_judges_given_notes(self):
        self.needs_program()
        (self.folder / "001.json").write_text(json.dumps(self.song.data | {"split": "train"}))
        out = self.folder / "out"
        out.mkdir()
        (out / "table.md").write_text("words\n<!-- figures -->\nold\n<!-- end of figures -->\nmore words\n")
        done = self.run_tool("score_songs", self.folder, "--row", "cold true-notes", "--row", "cold retrieval",
                             "--windows", 1, "-o", out / "table.md", "-o", out / "table.json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((out / "table.md").read_text(),
                         f"words\n<!-- figures -->\n{done.stdout}<!-- end of figures -->\nmore words\n")
        rows = {row["row"]: row["figures"] for row in json.loads((out / "table.json").read_text())["rows"]}
        self.assertEqual(rows["cold true-notes"]["chord"]["mean"], 1)
        self.assertGreater(rows["cold true-notes"]["ch_cor"]["mean"], .8)  # the song's sound is sines
        self.assertGreater(rows["cold true-notes"]["chord_snd"]["mean"], .5)  # chance is .04
        self.assertGreater(rows["cold retrieval"]["chord"]["songs"], 0)

    def test_sound_page_shows_songs_and_recordings(self):
        self.needs_program()
        voice, rate = soundfile.read(self.song.vocals)
        soundfile.write(self.folder / "hum.wav", voice[:3 * rate], rate)
        out = self.folder / "page"
        done = self.run_tool("sound_page", self.folder, "--songs", "881", self.folder / "hum.wav", "--out", out,
                             "--audio")
        self.assertEqual(done.returncode, 0, done.stderr)
        page = (out / "index.html").read_text()
        for file in ("881.webp", "hum.webp", "881_ours.flac", "881_truth.flac", "hum_voice.flac"):
            self.assertIn(file, page)
            self.assertGreater((out / file).stat().st_size, 10000)
        self.assertEqual(sorted(path.suffix for path in out.iterdir() if path.name.startswith(".")), [])

    def test_what_cannot_be_done_is_said(self):
        for tool, arguments, words in (
                ("score_songs", (self.folder, "--songs", "900"), "has none of the songs"),
                ("score_songs", (self.folder, "-o", "table.txt"), "table.txt is no output"),
                ("score_songs", (self.folder, "--program", "nothing"), "cannot start nothing"),
                ("sound_page", (self.folder, "--songs", "900"), "has no song 900"),
                ("sound_page", (self.folder, "--songs", "881", "--audio", "--out", ROOT / "docs"), "licences"),
                ("sound_page", (self.folder, "--songs", "881", "--program", "nothing"), "cannot start nothing")):
            done = self.run_tool(tool, *arguments)
            self.assertIn(done.returncode, (1, 2), words)
            self.assertIn(words, done.stderr)
            self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main()
