"""Tests of tools/convert_checkpoint on files as they are published, made here: full size in shape, cheap in bytes."""

import contextlib
import hashlib
import importlib.machinery
import importlib.util
import io
import json
import os
import pathlib
import pickle
import struct
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PARITY = ROOT.parent / "shared" / "parity"
sys.path.insert(0, str(ROOT / "tools"))
from checkpoint.dependencies import provide_torch

provide_torch()

import torch
from safetensors.torch import load_file, save_file

from checkpoint import architecture, fitting
from checkpoint.architecture import BIGVGAN_V1, BIGVGAN_V2, FASTSAG, MERT, SPELLINGS

loader = importlib.machinery.SourceFileLoader("convert_checkpoint", str(ROOT / "tools" / "convert_checkpoint"))
PROGRAM = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
sys.dont_write_bytecode = True
loader.exec_module(PROGRAM)

PAIR, PARAMETRIZED = SPELLINGS
FOLDED = fitting.FOLDED


def published(model, spelling=PAIR) -> dict:
    """The state dict of a published file. Every tensor is one number seen through its whole shape, so that hundreds
    of megabytes are kilobytes in the file; a layer with weight norm has g = 2, thus weights 2 / sqrt(size of v's row)."""
    tensors = {}
    for number, tensor in enumerate(model.tensors):
        value = torch.tensor([0.01 * (number % 90 + 1)]).expand(tensor.shape) if tensor.shape else torch.tensor(1.)
        if tensor.values:
            value = torch.tensor(tensor.values).reshape(tensor.shape)
        if tensor.norm_dim is None or spelling == FOLDED:
            tensors[tensor.name] = value
        else:
            base, (g, v) = tensor.name.removesuffix("weight"), SPELLINGS[spelling]
            tensors |= {base + g: torch.tensor([2.]).expand(tensor.norm_shape()), base + v: value}
    return tensors


def inside(prefix: str, tensors: dict) -> dict:
    return {prefix + name: value for name, value in tensors.items()}


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.base = pathlib.Path(folder.name)
        self.out = self.base / "out"

    def file(self, name: str, content) -> pathlib.Path:
        path = self.base / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path)
        return path

    def convert(self, *files, expect=0) -> str:
        """In this process: a new one reads torch for seconds first."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = PROGRAM.main([*map(str, files), "--out", str(self.out)])
        self.assertEqual(code, expect, said.getvalue())
        if expect:
            self.assertFalse(self.out.exists())  # nothing was written, nor half of it
        return said.getvalue()

    def header(self, name: str) -> dict:
        with (self.out / name).open("rb") as stream:
            return json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))


class Architecture(unittest.TestCase):
    def test_equals_the_lists_of_the_published_files(self):
        if not PARITY.is_dir():
            self.skipTest(f"needs {PARITY}, which is not part of the repository")
        for model, values in ((FASTSAG, 182464979), (BIGVGAN_V1, 112448906), (BIGVGAN_V2, 112448905), (MERT, 94371712)):
            listed = json.loads((PARITY / f"manifest_{model.key}.json").read_text())
            self.assertEqual({name: list(value.shape) for name, value in published(model).items()},
                             {row["key"]: row["shape"] for row in listed["tensors"]})
            self.assertEqual(listed["values"], values)

    def test_the_filter_is_a_low_pass_of_unit_gain(self):
        taps = architecture.kaiser_sinc()
        self.assertAlmostEqual(sum(taps), 1, places=12)
        self.assertEqual([round(tap, 6) for tap in taps[:6]],  # as BigVGAN computes them, in float32
                         [0.002029, 0.009389, -0.025543, -0.057657, 0.128573, 0.44321])


class Folding(unittest.TestCase):
    def test_equals_torchs_weight_norm_over_the_same_dimension(self):
        generator = torch.Generator().manual_seed(1)
        for shape, dim in (((8, 5, 7), 0), ((6, 4, 9), 2)):
            v = torch.randn(shape, generator=generator)
            g = torch.rand([size if at == dim else 1 for at, size in enumerate(shape)], generator=generator)
            ours, theirs = fitting.fold(v, g, dim), torch._weight_norm(v, g, dim)
            self.assertLess((ours - theirs).abs().max(), 2e-7)  # a few float32 roundings of values below 1
            self.assertGreater(ours.std(), 0.05)


class Published(Folder):
    def test_fastsag_bare_and_wrapped_give_the_same_weights(self):
        tensors = published(FASTSAG)
        kept = []
        for name, content in (("grad_10.pt", tensors), ("m.pt", {"model": tensors, "epoch": 3}),
                              ("s.pt", {"state_dict": tensors})):
            self.convert(self.file(name, content))
            header = self.header("fastsag.safetensors")
            self.assertEqual(header.pop("__metadata__")["source"], name)
            kept.append(header)
        self.assertEqual(kept[0], kept[1])
        self.assertEqual(kept[0], kept[2])
        self.assertEqual({key: row["shape"] for key, row in kept[0].items()},
                         {key: list(value.shape) for key, value in tensors.items()})
        self.assertEqual(sum(value.numel() for value in tensors.values()), 182464979)  # as the manifest says

    def test_every_spelling_of_weight_norm_gives_the_same_weights(self):
        # values as published, less the g of all layers and what is dropped: of MERT the mask and a layer
        for model, name, values in ((BIGVGAN_V1, "bigvgan", 112448906 - 31777),
                                    (MERT, "mert", 94371712 - 128 - 768 - 7087872)):
            weights = []
            for spelling in (PAIR, PARAMETRIZED, FOLDED):
                tensors = published(model, spelling)
                if spelling == FOLDED:  # what the others fold to: a row of equal numbers becomes 2 / sqrt(its length)
                    for tensor in model.tensors:
                        if tensor.norm_dim is not None:
                            row = torch.Size(tensor.shape).numel() // tensor.shape[tensor.norm_dim]
                            tensors[tensor.name] = torch.tensor([2 / row ** 0.5]).expand(tensor.shape)
                self.convert(self.file("file.pt", {"generator": tensors} if name == "bigvgan" else tensors))
                header = self.header(f"{name}.safetensors")
                self.assertIn(spelling, header["__metadata__"]["weight_norm"])
                weights.append(load_file(self.out / f"{name}.safetensors"))
                self.assertEqual(set(weights[-1]), {tensor.name for tensor in model.tensors if not tensor.dead})
                for tensor in model.tensors:
                    if tensor.norm_dim is not None:
                        self.assertLess((weights[-1][tensor.name] - weights[0][tensor.name]).abs().max(), 1e-6)
            self.assertEqual(sum(value.numel() for value in weights[0].values()), values)

    def test_versions_of_bigvgan_are_told_apart_and_float16_becomes_float32(self):
        half = {name: value.half() for name, value in published(BIGVGAN_V2).items()}
        self.assertIn("version 2", self.convert(self.file("g.pt", {"generator": half})))
        header = self.header("bigvgan.safetensors")
        self.assertNotIn("conv_post.bias", header)
        self.assertEqual({row["dtype"] for name, row in header.items() if name != "__metadata__"}, {"F32"})
        self.assertEqual(header["__metadata__"]["source_types"], "float16")

    def test_vocoder_and_mert_inside_a_checkpoint_are_written_unless_they_have_files_of_their_own(self):
        whole = self.file("grad_1.pt", published(FASTSAG) | inside("vocoder.generator.", published(BIGVGAN_V1))
                          | inside("wav2vec.hubert.", published(MERT, PARAMETRIZED)))
        said = self.convert(whole)
        self.assertEqual({path.name for path in self.out.iterdir()},
                         {"fastsag.safetensors", "bigvgan.safetensors", "mert.safetensors"})
        self.assertEqual(self.header("mert.safetensors")["__metadata__"]["source_part"], "wav2vec.hubert.*")
        self.assertIn("dropped: masked_spec_embed", said)
        self.assertIn("encoder.layers.11.* (16 tensors", said)
        own = self.file("bigvgan_generator.pt", {"generator": published(BIGVGAN_V2)})
        said = self.convert(own, whole)
        self.assertIn("left out: vocoder.generator.*", said)
        self.assertEqual(self.header("bigvgan.safetensors")["__metadata__"]["source"], "bigvgan_generator.pt")
        self.assertEqual(self.header("mert.safetensors")["__metadata__"]["source"], "grad_1.pt")

    def test_safetensors_are_read_and_the_source_is_named_by_its_sha256(self):
        tensors = {name: value.contiguous() for name, value in published(MERT, PARAMETRIZED).items()}
        source = self.base / "model.safetensors"
        save_file(tensors, source, {"format": "pt"})
        self.convert(source)
        metadata = self.header("mert.safetensors")["__metadata__"]
        self.assertEqual(metadata["source_sha256"], hashlib.sha256(source.read_bytes()).hexdigest())
        self.assertIn("NC", metadata["licence"])
        again = self.base / "mert.safetensors"  # what was converted converts to itself
        (self.out / "mert.safetensors").rename(again)
        self.convert(again)
        before, after = load_file(again), load_file(self.out / "mert.safetensors")
        self.assertTrue(all(torch.equal(before[name], after[name]) for name in before | after))


class Refused(Folder):
    def test_all_differences_are_said_at_once_and_nothing_is_written(self):
        tensors = published(BIGVGAN_V1)
        for name in ("conv_pre.weight_g", "resblocks.3.convs1.0.bias", "ups.1.0.weight_g", "ups.1.0.weight_v"):
            del tensors[name]
        tensors["conv_pre.bias"] = torch.zeros(512)
        tensors["resblocks.0.activations.0.act.alpha"] = torch.full([768], float("nan"))
        tensors["resblocks.0.activations.0.act.beta"] = torch.tensor([float("inf")] + [0.] * 767)
        tensors["resblocks.1.convs1.0.weight_v"] = torch.zeros(1).expand(768, 768, 7)
        tensors["ups.0.0.bias"] = torch.zeros(768, dtype=torch.int64)
        tensors["activation_post.upsample.filter"] = torch.full((1, 1, 12), 1 / 12)
        tensors["conv_post.parametrizations.weight.original1"] = tensors["conv_post.weight_v"]
        tensors["resblocks.2.convs1.0.bias"] = "a text"
        tensors["mpd.weight"] = torch.zeros(3)
        said = self.convert(self.file("g.pt", {"generator": tensors}), expect=1)
        for part in ("12 differences",
                     "conv_pre.weight_g: missing, expected [1536, 1, 1]",
                     "resblocks.3.convs1.0.bias: missing, expected [384]",
                     "ups.1.0.weight: missing, expected [768, 384, 8]",
                     "conv_pre.bias: shape [512], expected [1536]",
                     "act.alpha: 768 of 768 values are NaN or infinite",
                     "act.beta: 1 of 768 values are NaN or infinite",
                     "resblocks.1.convs1.0.weight_v: a direction of length zero",
                     "ups.0.0.bias: type int64",
                     "activation_post.upsample.filter: off by",
                     "conv_post.weight: in two spellings",
                     "resblocks.2.convs1.0.bias: str, expected a tensor [768]",
                     "mpd.weight: float32 [3], no part of this model"):
            self.assertIn(part, said)

    def test_faults_of_several_files_are_one_error(self):
        vocoder, mert = published(BIGVGAN_V1), published(MERT)
        del vocoder["conv_pre.bias"], mert["encoder.layer_norm.bias"]
        said = self.convert(self.file("g.pt", vocoder), self.file("m.bin", mert), expect=1)
        self.assertIn("conv_pre.bias", said)
        self.assertIn("encoder.layer_norm.bias", said)

    def test_code_in_a_pickle_is_not_run(self):
        ran = self.base / "ran"

        class Payload:
            def __reduce__(self):
                return os.system, (f"touch {ran}",)

        legacy = io.BytesIO()
        torch.save({"a": Payload()}, legacy, _use_new_zipfile_serialization=False)
        for name, content in (("zip.pt", {"generator": {"conv_pre.bias": Payload()}}), ("legacy.pt", legacy.getvalue()),
                              ("bare.pt", pickle.dumps(Payload()))):
            said = self.convert(self.file(name, content), expect=1)
            self.assertFalse(ran.exists())
            self.assertIn("it could run code, and nothing of it was run", said)
            self.assertNotIn("weights_only", said)  # torch's advice to load it anyway
        command = [sys.executable, ROOT / "tools" / "convert_checkpoint", self.base / "zip.pt", "--out", self.out]
        done = subprocess.run(command, capture_output=True, text=True)  # as a person starts it
        self.assertEqual((done.returncode, done.stdout, ran.exists()), (1, "", False), done.stderr)
        self.assertIn("nothing was written", done.stderr)
        self.assertIn("(posix.system)", done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def test_broken_and_foreign_files_say_what_they_are(self):
        whole = self.file("whole.pt", published(BIGVGAN_V1)).read_bytes()
        cases = {"empty.pt": (b"", "is empty"),
                 "cut.pt": (whole[:len(whole) * 2 // 3], "zip archive that is cut short or damaged"),
                 "text.pt": (b"<!DOCTYPE html><title>Not found</title>", "no file of torch.save or safetensors"),
                 "cut.safetensors": (struct.pack("<Q", 1000) + b'{"a":', "is no valid safetensors file"),
                 "list.pt": ([1, 2], "holds list, expected tensors by name"),
                 "other.pt": ({"fc.weight": torch.zeros(3)}, "holds 1 entries (fc.weight), expected a FastSAG"),
                 "nothing.pt": ({}, "holds 0 entries")}
        for name, (content, words) in cases.items():
            with self.subTest(name):
                self.assertIn(words, self.convert(self.file(name, content), expect=1))

    def test_a_tensor_that_claims_a_huge_shape_costs_nothing(self):
        tensors = published(BIGVGAN_V1)
        tensors["conv_pre.bias"] = torch.zeros(1).expand(10 ** 12)
        self.assertIn("shape [1000000000000], expected [1536]", self.convert(self.file("g.pt", tensors), expect=1))

    def test_wrong_requests(self):
        self.assertIn("no such file", self.convert(self.base / "absent.pt", expect=2))
        one, two = self.file("1.pt", published(BIGVGAN_V1)), self.file("2.pt", published(BIGVGAN_V2))
        self.assertIn("of the same kind (bigvgan): give one", self.convert(one, two, expect=1))


if __name__ == "__main__":
    unittest.main()
