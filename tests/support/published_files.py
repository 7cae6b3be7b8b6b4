"""Files of the form in which FastSAG, BigVGAN and MERT are published, with weights of a formula (model/formula.h): for
trying the whole way from downloaded files to sound where the real ones cannot be had.

  tests/support/published_files.py DIR [fastsag] [bigvgan] [bigvgan_v2] [mert]     (all: 1.6 GB, a minute)

DIR/grad_0.pt, DIR/bigvgan_generator.pt, DIR/bigvgan_v2_generator.pt, DIR/pytorch_model.bin.
"""

import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from checkpoint.dependencies import provide_torch

provide_torch()

import numpy as np
import torch

from checkpoint.architecture import BIGVGAN_V1, BIGVGAN_V2, FASTSAG, MERT, Model

FILES = {"fastsag": (FASTSAG, "grad_0.pt"), "bigvgan": (BIGVGAN_V1, "bigvgan_generator.pt"),
         "bigvgan_v2": (BIGVGAN_V2, "bigvgan_v2_generator.pt"), "mert": (MERT, "pytorch_model.bin")}
BLOCK = 1 << 20  # values at a time: they stay in the cache
GAINS = (".fn.g", (0.5, 0.1)), ((".alpha", ".beta"), (0, 0.3)), ((".latents", ".queries"), (0, math.sqrt(3)))


def hashes(name: str, count: int) -> np.ndarray:
    """53 random bits of (name, index), as whole numbers."""
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = (key ^ byte) * 0x100000001B3 % 2 ** 64
    values = np.empty(count)
    for begin in range(0, count, BLOCK):
        start = np.uint64((key + 0x9E3779B97F4A7C15) % 2 ** 64)
        z = np.arange(begin, min(begin + BLOCK, count), dtype=np.uint64) + start
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            z ^= z >> np.uint64(shift)
            z *= np.uint64(factor)
        z ^= z >> np.uint64(31)
        values[begin:begin + BLOCK] = z >> np.uint64(11)
    return values


def uniform(name: str, count: int) -> np.ndarray:
    """In [-1, 1)."""
    return hashes(name, count) * 2.0 ** -52 - 1


def normal(name: str, count: int) -> np.ndarray:
    h = hashes(name, 2 * count) * 2.0 ** -53
    return np.sqrt(-2 * np.log(h[::2] + 2.0 ** -53)) * np.cos(2 * np.pi * h[1::2])


def offset_and_scale(key: str, shape: tuple, model: Model) -> tuple[float, float]:
    for endings, gain in GAINS:
        if key.endswith(endings):
            return gain
    if key.endswith("weight_g"):
        by_place = {"resblocks": (0.5, 0.05), "conv_pre": (0.25, 0.025), "encoder": (2, 0.2)}
        return by_place.get(key.split(".")[0], (1, 0.1))
    if key.endswith("weight_v") or key == "masked_spec_embed":
        return 0, 1
    if len(shape) == 1:
        return (1, 0.1) if key.endswith(".weight") else (0, 0.05)
    gain = 3.
    if model is MERT and key.startswith("feature_extractor."):
        gain = 6
    elif key in ("mixed_encoder.final_conv.weight", "semantic_encoder.0.final_conv.weight"):
        gain = 0.046875
    elif key.endswith("fn.fn.to_qkv.weight"):
        gain = 0.25
    return 0, math.sqrt(gain / math.prod(shape[1:]))


def state_dict(model: Model) -> dict[str, torch.Tensor]:
    tensors = {}
    for tensor in model.tensors:
        pairs = [(tensor.name, tensor.shape)]
        if tensor.norm_dim is not None:
            pairs = [(f"{tensor.name}_g", tensor.norm_shape()), (f"{tensor.name}_v", tensor.shape)]
        for key, shape in pairs:
            offset, scale = offset_and_scale(key, shape, model)
            values = np.asarray(tensor.values) if tensor.values else offset + scale * uniform(key, math.prod(shape))
            tensors[key] = torch.from_numpy(values.astype(np.float32).reshape(shape))
    return tensors


def write(folder: pathlib.Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        model, file = FILES[name]
        tensors = state_dict(model)
        torch.save({"generator": tensors} if name.startswith("bigvgan") else tensors, folder / file)


if __name__ == "__main__":
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set(FILES):
        sys.exit(__doc__)
    write(pathlib.Path(sys.argv[1]), sys.argv[2:] or list(FILES))
