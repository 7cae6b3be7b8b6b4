"""From files of the published form to the published program's numbers: convert_checkpoint, then fastsag probe with the
converted weights on the golden inputs. The weights are the formula's, so the goldens hold for them."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import wave

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ["FASTSAG_BIN"])
PARITY = pathlib.Path(os.environ["FASTSAG_SHARED"]) / "parity"
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tools")]
import published_files

import numpy as np
from safetensors.numpy import load_file, save_file

SIGMA_05 = np.float32(np.log(0.5) / 4)


@unittest.skipUnless(PARITY.is_dir(), f"needs {PARITY}, which is not part of the repository")
class Published(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.base = pathlib.Path(cls.folder.name)
        cls.tolerances = json.loads((PARITY / "tolerances.json").read_text())

    def convert(self, name: str) -> pathlib.Path:
        model, file = published_files.FILES[name]
        published_files.write(self.base, [name])
        command = [sys.executable, ROOT / "tools" / "convert_checkpoint", self.base / file, "--out", self.base / "out"]
        done = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        (self.base / file).unlink()  # hundreds of megabytes
        return self.base / "out" / model.file

    def probe(self, block: str, weights: pathlib.Path, **inputs) -> dict:
        save_file({name: np.ascontiguousarray(value, np.float32) for name, value in inputs.items()}, self.base / "in")
        command = [BIN / "fastsag", "probe", block, self.base / "in", self.base / "out.safetensors"]
        command += ["--weights", weights]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return load_file(self.base / "out.safetensors")

    def expect_close(self, case: str, name: str, ours: np.ndarray):
        golden, tolerance = load_file(PARITY / f"{case}.safetensors")[name], self.tolerances[case][name]
        self.assertEqual(ours.shape, golden.shape)
        difference = ours.astype(np.float64) - golden
        self.assertLessEqual(np.abs(difference).max(), tolerance["atol"], f"{case} {name}")
        self.assertLessEqual(np.sqrt(np.square(difference).mean()), tolerance["rms_atol"], f"{case} {name}")

    def test_fastsag(self):
        weights = self.convert("fastsag")
        for case in ("semantic_wavenet", "mixed_encoder"):
            given = load_file(PARITY / f"{case}.safetensors")
            self.expect_close(case, "y", self.probe(case, weights, x=given["x"])["y"])
        shape = (1, 100, 1024)
        x = published_files.normal("input:unet.x", 102400).reshape(shape)
        mu = published_files.uniform("input:unet.mu", 102400).reshape(shape)
        ours = self.probe("unet", weights, x=x, mu=mu, frames=np.array([937.]), c_noise=np.array([SIGMA_05]))
        self.expect_close("unet", "y_sigma0.5", ours["y"])
        said = subprocess.run([str(BIN / "fastsag"), "info", str(weights)], capture_output=True, text=True).stdout
        for words in ("FastSAG, the accompanist", "182.46 M parameters", "semantic_encoder.1  Perceiver-IO: ",
                      "decoder             denoiser: U-Net: ", "source = grad_0.pt", "licence = ", "source_sha256 = "):
            self.assertIn(words, said)

    def test_bigvgan_of_both_versions(self):
        for name in ("bigvgan", "bigvgan_v2"):
            case = published_files.FILES[name][0].key
            given = load_file(PARITY / f"{case}.safetensors")
            self.expect_close(case, "wav", self.probe(name, self.convert(name), mel=given["mel"])["audio"])

    def test_mert(self):
        audio = load_file(PARITY / "mert_v1_95m.safetensors")["3s.audio_i16"].astype(np.float64) / 32768
        scaled = -0.8 + 1.6 * (audio - audio.min()) / (audio.max() - audio.min())
        weights = self.convert("mert")
        self.expect_close("mert_v1_95m", "3s.hidden7", self.probe("mert", weights, audio=scaled[None])["hidden7"])
        self.evaluate(weights)

    def evaluate(self, weights: pathlib.Path):
        """fastsag eval as a person starts it: the truth itself is at distance 0, something else is not."""
        pairs = self.base / "pairs"
        pairs.mkdir()
        for number in range(2):
            for part, seed in (("vocals", 1), ("no_vocals", 2), ("ours", 2)):
                noise = np.random.default_rng([number, seed]).normal(0, 2000, 36000).astype("<i2")
                with wave.open(str(pairs / f"song{number}_{part}.wav"), "wb") as file:
                    file.setnchannels(1), file.setsampwidth(2), file.setframerate(24000)
                    file.writeframes(noise.tobytes())
        command = [BIN / "fastsag", "eval", pairs, "--mert", weights, "--json", "--bootstrap", "2"]
        command += ["-o", self.base / "eval.md"]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = json.loads(done.stdout)["rows"]
        names = [f"MERT {which}" for which in ("layer 4", "layer 7", "layer 11", "mean")]
        self.assertEqual([(row["sound"], row["features"]) for row in rows],
                         [(sound, name) for sound in ("accompaniment", "mix") for name in names])
        for row in rows:
            self.assertEqual(row["frames"], 2 * 111)  # 36000 samples, 320 a frame, less one at the edge
            self.assertLess(abs(row["ours"]["distance"]), 1e-3)
            if row["sound"] == "mix":
                self.assertGreater(row["random_song"]["distance"], 1e-2)
        self.assertIn("| mix | MERT mean | ", (self.base / "eval.md").read_text())


if __name__ == "__main__":
    unittest.main()
