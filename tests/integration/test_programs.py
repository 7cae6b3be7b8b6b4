"""The programs as a person starts them, with the shipped weights: rendering, bad input, configuration, health."""
import json
import math
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
import wave
import xml.etree.ElementTree

BIN = pathlib.Path(os.environ["FASTSAG_BIN"])
SHARED = pathlib.Path(os.environ.get("FASTSAG_SHARED", ""))
RECORDING = SHARED / "data/singing/vocadito_1.flac"


def run(*arguments, timeout=120):
    return subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=timeout)


def write_tone(path, seconds=6.0, rate=48000, channels=1, width=2, level=0.3):
    """A sung-like scale, so that there is something to accompany."""
    frames = bytearray()
    for i in range(int(seconds * rate)):
        note = [60, 62, 64, 65, 67][int(2 * i / rate) % 5]
        hertz = 440 * 2 ** ((note - 69) / 12)
        x = level * sum(math.sin(2 * math.pi * hertz * k * i / rate) / k for k in (1, 2, 3)) / 2
        sample = int(max(-1, min(1, x)) * (2 ** (8 * width - 1) - 1))
        frames += (sample + 128).to_bytes(1, "little") * channels if width == 1 else struct.pack("<h", sample) * channels
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels), file.setsampwidth(width), file.setframerate(rate)
        file.writeframes(bytes(frames))


def write_floats(path, values, rate=48000):
    data = struct.pack(f"<{len(values)}f", *values)
    path.write_bytes(b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " +
                     struct.pack("<IHHIIHH", 16, 3, 1, rate, rate * 4, 4, 32) + b"data" + struct.pack("<I", len(data)) + data)


class Render(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = pathlib.Path(cls.folder.name)
        cls.voice = cls.path / "voice.wav"
        write_tone(cls.voice)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def render(self, voice, *options, name="mix.wav"):
        return run(BIN / "fastsag", "render", voice, "-o", self.path / name, "--json", *options)

    def test_both_modes_work_and_repeat(self):
        for mode in ("delayed", "live"):
            answers = []
            for name in ("a", "b"):
                done = self.render(self.voice, "--mode", mode, "--accompaniment", self.path / f"{name}.acc.wav", name=f"{name}.wav")
                self.assertEqual(done.returncode, 0, done.stderr)
                answers.append(json.loads(done.stdout))
            self.assertEqual((self.path / "a.wav").read_bytes(), (self.path / "b.wav").read_bytes(), f"{mode} does not repeat")
            self.assertEqual((self.path / "a.acc.wav").read_bytes(), (self.path / "b.acc.wav").read_bytes())
            self.assertEqual((answers[0]["gaps"], answers[0]["stale"], answers[0]["dropped"]), (0, 0, 0))
            self.assertGreater(answers[0]["accompaniment_lufs"], -45, f"{mode} plays next to nothing")

    def test_a_real_recording_in_both_modes(self):
        if not RECORDING.exists():
            self.skipTest(f"needs {RECORDING}, which is not part of the repository")
        for mode in ("delayed", "live"):
            done = self.render(RECORDING, "--mode", mode)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertLess(json.loads(done.stdout)["real_time_factor"], 0.7)

    def test_another_seed_is_another_accompaniment(self):
        outputs = []
        for seed in (1, 2):
            self.render(self.voice, "--seed", seed, "--accompaniment", self.path / "seed.wav")
            outputs.append((self.path / "seed.wav").read_bytes())
        self.assertNotEqual(*outputs)

    def test_a_chart_and_a_key_are_played(self):
        chart, plan = self.path / "song.cho", self.path / "plan.json"
        chart.write_text("{title: Test}\n{time: 3/4}\n{start_of_grid}\n|: Eb . . | Cm7 . Ab :|\n{end_of_grid}\n")
        done = self.render(self.voice, "--bpm", 120, "--chart", chart, "--key", "Eb", "--plan", plan)
        self.assertEqual(done.returncode, 0, done.stderr)
        song = json.loads(plan.read_text())
        self.assertEqual(song["key"], "Eb")
        self.assertEqual([[round(begin * 2), name] for begin, name, _ in song["chords"]][:6],
                         [[0, "Eb"], [3, "Cm"], [5, "Ab"], [6, "Eb"], [9, "Cm"], [11, "Ab"]], "bar 1 at the beginning")
        self.assertGreater(len(song["notes"]), 10)
        self.assertLessEqual({pitch % 12 for _, _, pitch, _, _ in song["notes"]}, {3, 5, 7, 8, 10, 0, 2})

    def test_a_chart_or_key_that_is_none_is_refused_in_one_line(self):
        (self.path / "bars.cho").write_text("{title: x}\n[C]Twinkle [F]little\n")
        (self.path / "chord.cho").write_text("| C | Hm |\n")
        for options, said in ((("--chart", self.path / "bars.cho"), "bars.cho:2:1: chords over words, but no bars"),
                              (("--chart", self.path / "chord.cho"), 'chord.cho:1:7: "Hm" is no chord'),
                              (("--chart", self.path / "none.cho"), "cannot read the chart"),
                              (("--key", "H"), '--key "H" is no key'),
                              (("--key", "Am", "--preset", "small"), "preset small plays without a plan")):
            with self.subTest(said):
                done = self.render(self.voice, *options, name="never.wav")
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(said, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertFalse((self.path / "never.wav").exists())

    def test_given_notes_are_played(self):
        notes, plan = self.path / "notes.json", self.path / "plan.json"
        score = [[.5, 1.0, 60, 80, 0], [1.25, .5, 64, 90, 0], [1.25, .5, 36, 90, 9]]
        notes.write_text(json.dumps({"notes": score, "chords": [[0, "Am", 1]]}))
        done = self.render(self.voice, "--notes", notes, "--plan", plan)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertIn("style piano does not play 1 of the notes", done.stderr)
        self.assertEqual(json.loads(plan.read_text())["notes"], score[:2])
        self.assertEqual(json.loads(plan.read_text())["chords"], [[0, "Am", 1]])
        for text, options, said in (("[]", (), 'notes.json has no list "notes"'),
                                    ('{"notes": [[0, 1, 60, 200, 0]]}', (), 'number 1 of "notes" is [0,1,60,200,0]'),
                                    (json.dumps({"notes": score[:2]}), ("--preset", "small"), "plays without a plan")):
            notes.write_text(text)
            done = self.render(self.voice, "--notes", notes, *options, name="never.wav")
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(said, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertFalse((self.path / "never.wav").exists())

    def test_odd_files_are_rendered(self):
        odd = {"8-bit": dict(width=1), "192 kHz": dict(rate=192000, seconds=3), "20 channels": dict(channels=20, seconds=3),
               "clipped": dict(level=8.0, seconds=3), "silent": dict(level=0.0, seconds=3)}
        for name, how in odd.items():
            with self.subTest(name):
                write_tone(self.path / "odd.wav", **how)
                done = self.render(self.path / "odd.wav", "--accompaniment", self.path / "odd.acc.wav")
                self.assertEqual(done.returncode, 0, done.stderr)
                if name == "silent":
                    self.assertLess(json.loads(done.stdout)["accompaniment_lufs"], -60, "silence in, silence out")

    def test_bad_files_are_refused_in_one_line(self):
        (self.path / "empty.wav").write_bytes(b"")
        (self.path / "text.wav").write_text("no sound at all")
        (self.path / "header.wav").write_bytes(self.voice.read_bytes()[:30])
        for name in ("missing.wav", "empty.wav", "text.wav", "header.wav"):
            with self.subTest(name):
                output = self.path / "never.wav"
                done = self.render(self.path / name, name="never.wav")
                self.assertIn(done.returncode, (1, 2))
                self.assertIn(name, done.stderr)
                self.assertLessEqual(done.stderr.count("\n"), 2, done.stderr)
                self.assertFalse(output.exists(), "half a file was left")

    def test_numbers_that_are_none_do_no_harm(self):
        values = [0.2 * math.sin(i * 0.03) for i in range(3 * 48000)]
        values[5000:6000] = [float("nan")] * 500 + [float("inf")] * 500
        write_floats(self.path / "nan.wav", values)
        done = self.render(self.path / "nan.wav")
        self.assertIn(done.returncode, (0, 1))
        if done.returncode:
            self.assertIn("nan.wav", done.stderr)

    def test_wrong_weights_are_refused(self):
        presets = self.path / "presets"
        presets.mkdir(exist_ok=True)
        source = pathlib.Path(os.environ["FASTSAG_SOURCE"]) / "configs/presets"
        good = (source / "lite.safetensors").read_bytes()
        (presets / "broken.toml").write_text('form = "lite"\nweights = "broken.safetensors"\n')
        length = struct.unpack("<Q", good[:8])[0]
        header = json.loads(good[8:8 + length])
        cases = {"truncated": good[:-1000], "empty": b"", "absurd header": struct.pack("<Q", 2 ** 60) + good[8:]}
        name = next(k for k in sorted(header) if k != "__metadata__" and header[k]["dtype"] == "F16")
        begin, end = header[name]["data_offsets"]
        start = 8 + length + begin
        cases["NaN"] = good[:start] + b"\x00\x7e" * ((end - begin) // 2) + good[start + end - begin:]
        renamed = json.dumps({(k + "x" if k == name else k): v for k, v in header.items()}).encode()
        cases["misnamed"] = struct.pack("<Q", len(renamed)) + renamed + good[8 + length:]
        for what, content in cases.items():
            with self.subTest(what):
                (presets / "broken.safetensors").write_bytes(content)
                done = self.render(self.voice, "--preset", presets / "broken.toml", name="never.wav")
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn("broken.safetensors", done.stderr)
                if what in ("NaN", "misnamed"):
                    self.assertIn(name, done.stderr)
                self.assertFalse((self.path / "never.wav").exists())

    def test_info_tells_what_a_file_holds(self):
        done = run(BIN / "fastsag", "info", pathlib.Path(os.environ["FASTSAG_SOURCE"]) / "configs/presets/lite.safetensors")
        self.assertEqual(done.returncode, 0, done.stderr)
        for part in ("beat", "chord", "note", "prior", "diffusion", "magnitude"):
            self.assertIn(part, done.stdout)

    def bench(self, preset, *options):
        done = run(BIN / "fastsag", "bench", "--preset", preset, "--json", *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout)
        for row in found["rows"]:
            self.assertGreater(row["median_s"], 0, row)
            self.assertEqual(row["p95_s"] is not None, row["runs"] >= 20, row)
            self.assertEqual(row["p99_s"] is not None, row["runs"] >= 100, row)
            self.assertLessEqual(row["median_s"], row["p95_s"] or math.inf, row)
        return found, {(row["block"], row["way"]): row for row in found["rows"]}

    def test_bench_measures_every_block(self):
        found, rows = self.bench("lite", "--threads", "1", "--baseline", "--seconds", "2")
        ways = list(dict.fromkeys(way for _, way in rows))
        self.assertEqual(list(rows), [(block, way) for block in
                                      ("front end", "semantic", "prior", "denoiser", "vocoder", "window") for way in ways])
        self.assertGreaterEqual(found["speedup"][f"window {ways[1]}"], 1.5, "3.1 where nothing else runs; ways take turns")
        if ways == ["plain", "bf16"]:  # weights in two bytes, values in four
            bytes_of = [rows["semantic", way]["bytes"] for way in ways]
            self.assertTrue(bytes_of[0] / 2 < bytes_of[1] < bytes_of[0], bytes_of)
        found, rows = self.bench("small", "--steps", "1", "--baseline", "--seconds", "1")
        # The published U-Net is 4 times as wide: its 172 GFLOP are a little over 10 times as many (attention's are not 16).
        self.assertAlmostEqual(rows["U-Net step", "fp32"]["flop"] * 1e-9, 16.4, delta=.1)
        self.assertGreaterEqual(found["speedup"]["U-Net step fp32"], 2, "8.6 where nothing else runs")
        self.assertTrue(rows["window", "plain"]["summed"])
        step = next(part for part in found["device_work"] if part["part"] == "U-Net step")
        self.assertGreater(step["plain_operators"], 2 * step["kernels"])
        self.assertGreater(step["plain_bytes"], 1.5 * step["bytes"])
        loop = next(part for part in found["device_work"] if part["part"] == "loop")
        self.assertLess(loop["kernels"], step["kernels"] + 50, "one evaluation was asked for, and the tables it needs")
        if ("U-Net step", "bf16") in rows:
            self.assertEqual(rows["U-Net step", "bf16"]["bytes"], rows["U-Net step", "fp32"]["bytes"] / 2)
            self.assertGreater(rows["window", "bf16"]["bytes"], rows["window", "fp32"]["bytes"] / 2, "its condition is exact")
        if "bf16_snr_db" in found and found["bf16_snr_db"]:
            self.assertGreater(found["bf16_snr_db"]["mel"], 30)
        done = run(BIN / "fastsag", "bench", "--preset", "smal")
        self.assertEqual(done.returncode, 1)
        self.assertIn("did you mean small?", done.stderr)

    def test_bench_draws_how_cost_grows(self):
        picture = self.path / "growth.svg"
        found, _ = self.bench("lite", "--threads", "1", "--seconds", ".2", "--plot", picture)
        window = {of: [point["median_s"]["window"] for point in points] for of, points in found["growth"].items()}
        self.assertEqual([point["rooms"] for point in found["growth"]["rooms"]], [1, 2, 4, 8, 16])
        self.assertGreater(window["rooms"][-1], 4 * window["rooms"][0], "16 rooms on one core")
        self.assertGreater(window["steps"][-1], window["steps"][0])
        drawn = xml.etree.ElementTree.parse(picture).getroot()
        curves = drawn.findall("{http://www.w3.org/2000/svg}polyline")
        self.assertEqual(len(curves), 3 * 6, "rooms, steps, hop: the window and its five parts")
        for curve in curves:
            self.assertEqual(len(curve.get("points").split()), 5)


class DaemonProgram(unittest.TestCase):
    def start(self, *arguments):
        process = subprocess.Popen([str(BIN / "fastsagd"), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        for line in process.stdout:
            if found := re.search(r"http://[\w.:]+", line):
                return process, found.group()
        self.fail("fastsagd ended without an address")

    def test_is_healthy_soon_small_and_ends_in_order(self):
        begun = time.monotonic()
        process, address = self.start("--set", "server.port=0")
        with urllib.request.urlopen(address + "/healthz", timeout=5) as answer:
            self.assertEqual(answer.status, 200)
        took = time.monotonic() - begun
        memory = int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text()).group(1)) / 1024
        print(f"healthy after {took:.1f} s, {memory:.0f} MiB resident", file=sys.stderr)
        self.assertLess(memory, 1024)
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        self.assertIsNone(process.poll(), "SIGHUP ended it")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(15), 0)

    def test_a_port_in_use_is_said_and_ends_it(self):
        _, address = self.start("--set", "server.port=0")
        port = address.rsplit(":", 1)[1]
        done = run(BIN / "fastsagd", "--set", f"server.port={port}")
        self.assertEqual(done.returncode, 1)
        self.assertIn(port, done.stdout + done.stderr)

    def test_check_names_every_mistake(self):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write('[engine]\nmodee = "live"\nhop_s = "fast"\n[server]\nport = 99999999\n')
            file.flush()
            done = run(BIN / "fastsagd", "--config", file.name, "--check")
        self.assertEqual(done.returncode, 2)
        text = done.stdout + done.stderr
        for part in (":2:", "mode", ":3:", "hop_s", ":5:", "port"):
            self.assertIn(part, text)

    def test_the_shipped_example_is_valid(self):
        example = pathlib.Path(os.environ["FASTSAG_SOURCE"]) / "configs/stage.toml"
        done = run(BIN / "fastsagd", "--config", example, "--check")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
