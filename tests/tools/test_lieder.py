"""Tests of the Lieder that tools/make_corpus reads, on songs written here: python3 -m unittest discover tests/tools."""

import json
import pathlib
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
import soundfile

from corpus import harmony, lieder, song as songs

TICKS = 480
VOICE, CHOIR, PIANO, FLUTE = 68, 52, 0, 73
FIELDS = {"name", "split", "seconds", "transpose", "key", "melody", "notes", "beats", "chords"}


def midi_bytes(tracks: list, signatures=((0, 4, 4),), tempi=((0, 500000),), key="C") -> bytes:
    """tracks: (programme, [(onset, end, pitch), ...]), times in quarters."""
    file = mido.MidiFile(ticks_per_beat=TICKS)
    events = [[(at, mido.MetaMessage("time_signature", numerator=upper, denominator=lower))
               for at, upper, lower in signatures]
              + [(at, mido.MetaMessage("set_tempo", tempo=tempo)) for at, tempo in tempi]
              + [(0, mido.MetaMessage("key_signature", key=key))]]
    for channel, (program, notes) in enumerate(tracks):
        events.append([(0, mido.Message("program_change", channel=channel, program=program))])
        for onset, end, pitch in notes:
            events[-1].append((onset, mido.Message("note_on", channel=channel, note=pitch, velocity=80)))
            events[-1].append((end, mido.Message("note_on", channel=channel, note=pitch, velocity=0)))
    for messages in events:
        track, now = file.add_track(), 0
        for at, message in sorted(messages, key=lambda event: event[0]):
            track.append(message.copy(time=round(at * TICKS) - now))
            now = round(at * TICKS)
    with tempfile.TemporaryFile() as content:
        file.save(file=content)
        content.seek(0)
        return content.read()


def song(*more, quarters=16, voice=None, **score) -> bytes:
    """C, A minor, F and G for a bar of four each, sung on their roots; quarters at 120 a minute."""
    played = []
    for at in range(quarters):
        played += [(at, at + 1, pitch) for pitch in ((48, 64, 67), (45, 60, 64), (41, 57, 60), (43, 59, 62))[at // 4 % 4]]
    return midi_bytes([(VOICE, voice or [(at, at + .9, 60) for at in range(quarters)]), (PIANO, played), *more], **score)


def read(content: bytes, name="lc22") -> dict:
    return lieder.read_song(name, {f"{name}.mid": content})


class Beats(unittest.TestCase):
    def beats(self, quarters, **score):
        return read(song(quarters=quarters, **score))["beats"]

    def places(self, *more, **score):
        return [place for place, (_, down) in enumerate(self.beats(*more, **score)) if down]

    def test_an_upbeat_is_no_downbeat_and_the_beats_run_through(self):
        beats = self.beats(13, signatures=((0, 1, 4), (1, 4, 4)))
        self.assertEqual(beats, [[i / 2, int(i % 4 == 1)] for i in range(14)])

    def test_an_upbeat_shorter_than_a_beat_shifts_the_first_beat(self):
        self.assertEqual(self.beats(12, signatures=((0, 1, 8), (.5, 2, 4)))[:3], [[.25, 1], [.75, 0], [1.25, 1]])

    def test_a_bar_that_a_repeat_cuts_is_one_bar(self):
        cut = ((0, 4, 4), (8, 3, 4), (11, 1, 4), (12, 4, 4))
        self.assertEqual(self.places(20, signatures=cut), [0, 4, 8, 12, 16, 20])
        changed = ((0, 4, 4), (8, 2, 4), (10, 4, 4))  # a bar of two of its own right
        self.assertEqual(self.places(18, signatures=changed), [0, 4, 8, 10, 14, 18])

    def test_six_eighths_are_eighths_or_pairs_of_them_where_they_are_fast(self):
        slow = self.beats(12, signatures=((0, 6, 8),), tempi=((0, 1000000),))  # 8ths at 120 a minute
        self.assertEqual(slow[:8], [[i / 2, int(i % 6 == 0)] for i in range(8)])
        fast = self.beats(12, signatures=((0, 6, 8),), tempi=((0, 500000),))  # at 240
        self.assertEqual(fast[:5], [[i / 2, int(i % 3 == 0)] for i in range(5)])

    def test_halves_slower_than_a_pulse_are_quarters(self):
        beats = self.beats(12, signatures=((0, 2, 2),), tempi=((0, 600000),))  # halves at 50 a minute
        self.assertEqual([round(b - a, 4) for (a, _), (b, _) in zip(beats, beats[1:])], [.6] * 12)

    def test_beats_follow_the_tempo(self):
        beats = self.beats(12, tempi=((0, 500000), (4, 750000)))
        self.assertEqual([time for time, _ in beats[3:7]], [1.5, 2, 2.75, 3.5])

    def test_a_file_without_signatures_has_bars_of_four(self):
        self.assertEqual(self.places(16, signatures=()), [0, 4, 8, 12, 16])


class Chords(unittest.TestCase):
    def test_what_is_played_is_found_and_belongs_to_the_key(self):
        found = read(song())
        self.assertEqual(found["chords"], [[0, 2, "C:maj"], [2, 4, "A:min"], [4, 6, "F:maj"], [6, 8.5, "G:maj"]])
        self.assertEqual(found["key"], "C:maj")

    def test_the_minor_key_of_a_signature_is_told_by_its_tonic(self):
        minor = midi_bytes([(VOICE, [(0, 12, 69)]), (PIANO, [(0, 12, pitch) for pitch in (45, 60, 64)])], key="C")
        self.assertEqual(read(minor)["key"], "A:min")

    def test_a_short_rest_keeps_the_chord_and_a_long_one_has_none(self):
        beats = [[i, int(i % 4 == 0)] for i in range(220)]
        triad = lambda begin, end: [[begin, end - begin, pitch] for pitch in (48, 64, 67)]
        self.assertEqual(harmony.chords_of(triad(0, 2) + triad(5, 8), beats[:8]), [[0, 8, "C:maj"]])
        self.assertEqual(harmony.chords_of(triad(0, 2) + triad(202, 220), beats),
                         [[0, 2, "C:maj"], [2, 202, "N"], [202, 220, "C:maj"]])

    def test_a_passing_note_changes_no_chord(self):
        beats = [[i, int(i % 4 == 0)] for i in range(8)]
        chord = [[0, 8, pitch] for pitch in (48, 64, 67)]
        self.assertEqual(harmony.chords_of(chord + [[3, .5, 65], [5, 1, 69]], beats), [[0, 8, "C:maj"]])


class Voices(unittest.TestCase):
    def test_of_a_chord_that_is_sung_the_top_stays_and_no_note_overlaps(self):
        found = read(song(voice=[(0, 4, 60), (0, 4, 67), (2, 6, 64), (8, 9, 62)]))["melody"]
        self.assertEqual(found, [[0, 1, 67, 80], [1, 2, 64, 80], [4, .5, 62, 80]])

    def test_the_first_singer_who_sings_much_and_no_other_instrument(self):
        found = read(song((FLUTE, [(0, 16, 90)]), (CHOIR, [(0, 16, 72)]), voice=[(0, 1, 65)]))
        self.assertEqual({pitch for *_, pitch, _ in found["melody"]}, {72})
        self.assertNotIn(90, {note[2] for note in found["notes"]})

    def test_songs_that_cannot_be_used_say_why(self):
        for content, why in ((midi_bytes([(PIANO, [(0, 16, 60)])]), "no voice"),
                             (midi_bytes([(VOICE, [(0, 16, 60)])]), "no piano"),
                             (song(quarters=4), "fewer than 8"),
                             (song()[:99], "no whole MIDI file"), (b"", "no whole MIDI file")):
            with self.assertRaisesRegex(songs.Unusable, why):
                read(content)


class Program(unittest.TestCase):
    @unittest.skipUnless(SOUNDFONT.is_file(), f"{SOUNDFONT} is not installed (Debian: fluid-soundfont-gm)")
    def test_a_folder_becomes_a_corpus_and_what_is_broken_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            source, out = pathlib.Path(folder) / "in", pathlib.Path(folder) / "out"
            source.mkdir()
            for name in ("lc120", "lc121", "lc122"):
                (source / f"{name}.mid").write_bytes(song())
            (source / "lc123.mid").write_bytes(song()[:99])
            (source / "lc124.mid").write_bytes(midi_bytes([(PIANO, [(0, 16, 60)])]))
            command = [sys.executable, str(ROOT / "tools" / "make_corpus"), str(source), "--out", str(out),
                       "--voices", "plain"]
            plain = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(plain.returncode, 0, plain.stderr)
            self.assertIn("left out: lc123 is no whole MIDI file", plain.stderr)
            self.assertIn("left out: lc124 has no voice", plain.stderr)
            splits = {path.stem: json.loads(path.read_text())["split"] for path in out.glob("*.json")}
            self.assertEqual(splits, {"lc120": "test", "lc121": "validate", "lc122": "train"})
            self.assertEqual(list(out.glob("*.flac")), [])
            self.assertEqual(set(json.loads((out / "lc120.json").read_text())), FIELDS)

            asked = subprocess.run([*command, "--only", "120", "--render-test", "1"], capture_output=True, text=True)
            self.assertEqual(asked.returncode, 0, asked.stderr)
            self.assertEqual(soundfile.info(out / "lc120_vocals.flac").frames, 10 * 24000)  # 8 s, a tail, whole seconds

            (source / "lc122.mid").unlink()
            broken = subprocess.run([*command, "--only", "123-124"], capture_output=True, text=True)
            self.assertEqual(broken.returncode, 1)
            self.assertIn("holds no song that can be used", broken.stderr)

    def test_what_is_no_archive_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "scores.tar.xz"
            path.write_bytes(b"no archive")
            done = subprocess.run([sys.executable, str(ROOT / "tools" / "make_corpus"), str(path), "--out", folder,
                                   "--soundfont", __file__], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn("is no whole archive", done.stderr)


if __name__ == "__main__":
    unittest.main()
