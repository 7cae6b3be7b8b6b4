"""Tests of tools/gpu_pack: what it packs of programs that are built already, and its scripts without a GPU."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("FASTSAG_BIN", ROOT / "build/release/bin"))
PROGRAMS = ("fastsag", "fastsagd", "fastsag_train", "test_gpu")
# Of glibc, of the compiler, of the driver: on every machine that has a GPU and runs Python's torch.
BASE = re.compile(r"(ld-linux-x86-64|lib(c|m|dl|rt|util|pthread|gcc_s|stdc\+\+|cuda))\.so\.\d+")


def needed(file):
    out = subprocess.run(["readelf", "-d", file], capture_output=True, text=True, check=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.*)\]", out)


def why_not():
    for program in PROGRAMS:
        if not (BIN / program).exists():
            return f"no program {BIN / program}; build it: tools/build release {program}"
    if "libtorch_cuda.so" not in needed(BIN / "test_gpu"):
        return "built without CUDA (no nvcc): there is nothing to pack"
    return None


class GpuPack(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if why := why_not():
            raise unittest.SkipTest(why)
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = pathlib.Path(scratch.name)
        cls.pack = cls.folder / "pack"
        cls.made = cls.run_tool(cls.pack)
        where = subprocess.run(["bash", "-c", "source tools/environment; echo $FASTSAG_TORCH"], cwd=ROOT,
                               capture_output=True, text=True, check=True)
        cls.wheels = pathlib.Path(where.stdout.strip())

    @staticmethod
    def run_tool(*arguments):
        return subprocess.run([ROOT / "tools/gpu_pack", *arguments], capture_output=True, text=True,
                              env={**os.environ, "FASTSAG_BIN": str(BIN)})

    def run_script(self, name, *arguments, **variables):
        """As on a bare machine: nothing of this one's environment."""
        return subprocess.run([self.pack / name, *arguments], capture_output=True, text=True, cwd=self.folder,
                              env={"PATH": os.environ["PATH"], **variables})

    def torch(self):
        return {"TORCH_LIB": str(self.wheels / "torch/lib")}

    def test_is_small_and_says_so(self):
        self.assertEqual(self.made.returncode, 0, self.made.stderr)
        size = sum(file.stat().st_size for file in self.pack.rglob("*") if file.is_file())
        self.assertLess(size, 60e6)
        said = int(re.search(r": (\d+) MB, 4 programs", self.made.stdout).group(1))
        self.assertAlmostEqual(said, size / 1e6, delta=1.5)
        again = self.run_tool(self.pack)
        self.assertEqual((again.returncode, again.stdout), (0, self.made.stdout), "a pack is replaced")

    def test_has_every_library_that_is_not_torchs_or_the_machines(self):
        here = {file.name for file in (self.pack / "lib").iterdir()}
        wheels = {file.name for folder in (self.wheels / "torch/lib", *self.wheels.glob("nvidia/*/lib"))
                  for file in folder.iterdir()}
        self.assertIn("libsndfile.so.1", here)
        self.assertFalse(here & wheels, "twice, and of two versions perhaps")
        for file in [*(self.pack / "lib").iterdir(), *(self.pack / "bin" / name for name in PROGRAMS)]:
            for library in needed(file):
                self.assertTrue(library in here or library in wheels or BASE.fullmatch(library), f"{file.name}: {library}")

    def test_has_no_path_of_this_machine(self):
        for name in PROGRAMS:
            out = subprocess.run(["readelf", "-d", self.pack / "bin" / name], capture_output=True, text=True).stdout
            self.assertNotRegex(out, r"\((RUNPATH|RPATH)\)", name)

    def test_the_tests_run_from_it(self):
        for variables in (self.torch(), {"PYTHONPATH": str(self.wheels)}):
            done = self.run_script("run_gpu_tests", **variables)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertRegex(done.stdout, r"\[==========\] \d+ tests? from .* ran")
            if not pathlib.Path("/dev/nvidiactl").exists():
                self.assertRegex(done.stdout, r"fastsag: \d+ tests skipped: no CUDA device here\n$")

    def fails(self, words, name, *arguments, **variables):
        done = self.run_script(name, *arguments, **variables)
        self.assertNotEqual(done.returncode, 0, words)
        self.assertRegex(done.stderr, words)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("fastsag: "), done.stderr)

    def test_what_is_missing_is_said_in_a_line(self):
        for script in ("run_gpu_tests", "run_gpu_bench", "run_gpu_train"):
            self.fails(r"has no torch; pip install torch==2\.11\.0, or set TORCH_LIB", script)
        self.fails("no libtorch_cpu.so in /nowhere", "run_gpu_tests", TORCH_LIB="/nowhere")
        other = self.folder / "other/torch"
        (other / "lib").mkdir(parents=True)
        for name in ("libtorch_cpu.so", "libtorch_cuda.so"):
            (other / "lib" / name).touch()
        (other / "version.py").write_text("__version__ = '2.10.0+cu128'\n")
        self.fails(r"is 2\.10\.0\+cu128; expected 2\.11\.0", "run_gpu_tests", TORCH_LIB=str(other / "lib"))
        (other / "version.py").unlink()
        self.fails("there is missing: .*libtorch_cpu.so: file too short", "run_gpu_tests", TORCH_LIB=str(other / "lib"))
        (other / "lib/libtorch_cuda.so").unlink()
        self.fails("built without CUDA", "run_gpu_tests", PYTHONPATH=str(self.folder / "other"),
                   TORCH_LIB=str(other / "lib"))

    def test_arguments_of_bench_and_train(self):
        self.fails("no preset litee in the pack; it has lite paper", "run_gpu_bench", "litee", **self.torch())
        self.fails("expected ./run_gpu_train CORPUS OUT", "run_gpu_train", **self.torch())
        self.fails("no folder none; make one of scores", "run_gpu_train", "none", "x.safetensors", **self.torch())
        corpus = self.folder / "corpus"
        corpus.mkdir()
        self.fails("no songs", "run_gpu_train", "corpus", "x.safetensors", **self.torch())
        (corpus / "001.json").write_text("{}")
        self.fails('".5" minutes; expected a number', "run_gpu_train", "corpus", "x.safetensors", ".5", **self.torch())

    def test_the_presets_are_found_beside_the_programs(self):
        done = self.run_script("run_gpu_bench", "lite", OUT="figures", **self.torch())
        self.assertEqual(done.returncode, 0, done.stderr)
        for end in ("json", "md"):
            self.assertGreater((self.folder / "figures" / f"lite.{end}").stat().st_size, 1000)

    def test_a_folder_of_something_else_stays(self):
        other = self.folder / "mine"
        other.mkdir()
        (other / "file").write_text("x")
        done = self.run_tool(other)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is no pack", done.stderr)
        self.assertEqual((other / "file").read_text(), "x")


if __name__ == "__main__":
    unittest.main()
