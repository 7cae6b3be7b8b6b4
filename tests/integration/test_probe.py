"""`fastsag probe` as a person uses it to compare with their own: a golden file goes in as it is, numbers come out."""
import array
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

BIN = pathlib.Path(os.environ["FASTSAG_BIN"])
PARITY = pathlib.Path(os.environ.get("FASTSAG_SHARED", "")) / "parity"


def read_tensor(path, name):
    data = pathlib.Path(path).read_bytes()
    length = int.from_bytes(data[:8], "little")
    entry = json.loads(data[8:8 + length])[name]
    begin, end = entry["data_offsets"]
    return entry["shape"], array.array("f", data[8 + length:][begin:end])


def write_tensor(path, name, shape, values):
    data = array.array("f", values).tobytes()
    header = json.dumps({name: {"dtype": "F32", "shape": shape, "data_offsets": [0, len(data)]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)


class Probe(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        self.addCleanup(self.folder.cleanup)

    def probe(self, *arguments):
        return subprocess.run([BIN / "fastsag", "probe", *map(str, arguments)], capture_output=True, text=True, timeout=120)

    def test_golden_files_go_in_as_they_are(self):
        if not PARITY.exists():
            self.skipTest(f"needs {PARITY}, which is not part of the repository")
        tolerances = json.loads((PARITY / "tolerances.json").read_text())
        cases = [("mixed_encoder", "mixed_encoder", "y", "y"), ("bigvgan", "bigvgan_24khz_100band", "audio", "wav")]
        for block, file, ours, golden in cases:
            with self.subTest(block):
                done = self.probe(block, PARITY / f"{file}.safetensors", self.path / "out", "--weights", "formula")
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                shape, values = read_tensor(self.path / "out", ours)
                wanted_shape, wanted = read_tensor(PARITY / f"{file}.safetensors", golden)
                self.assertEqual(shape, wanted_shape)
                worst = max(abs(a - b) for a, b in zip(values, wanted))
                self.assertLessEqual(worst, tolerances[file][golden]["atol"])

    def test_an_option_does_not_eat_the_files(self):
        write_tensor(self.path / "in", "x", [1], [0])
        done = self.probe("condition", "--option", "path=bilinear", self.path / "in", self.path / "out")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no tensor semantic", done.stderr)

    def test_mistakes_are_told_in_one_line(self):
        write_tensor(self.path / "in", "x", [1, 100, 4], [0] * 400)
        (self.path / "text").write_text("no tensors at all")
        formula = ("--weights", "formula")
        cases = {"unknown block": (2, ("net", self.path / "in", self.path / "out"), "mixed_encoder"),
                 "no input": (2, ("mixed_encoder", self.path / "none", self.path / "out", *formula), "none"),
                 "no safetensors": (2, ("mixed_encoder", self.path / "text", self.path / "out", *formula), "text"),
                 "no key=value": (2, ("mixed_encoder", self.path / "in", self.path / "out", "--option", "a"), "key=value"),
                 "other weights": (1, ("mixed_encoder", self.path / "in", self.path / "out", "--weights", self.path / "in"), "missing"),
                 "no folder": (1, ("mixed_encoder", self.path / "in", self.path / "none" / "out", *formula), "none/out")}
        for name, (code, arguments, said) in cases.items():
            with self.subTest(name):
                done = self.probe(*arguments)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(said, done.stderr)
                self.assertFalse((self.path / "out").exists())
                if name != "other weights":  # that lists all differences
                    self.assertEqual(done.stderr.count("\n"), 1, done.stderr)


if __name__ == "__main__":
    unittest.main()
