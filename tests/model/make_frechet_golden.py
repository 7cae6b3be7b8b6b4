"""Frechet distances as SciPy computes them, of features that a formula makes: frechet_scipy.json beside this.

  python3 -m venv /tmp/v && /tmp/v/bin/pip install numpy==2.4.6 scipy==1.17.1
  /tmp/v/bin/python tests/model/make_frechet_golden.py > tests/model/frechet_scipy.json

Frame i of set s is A_s^T z_i + s / 10, where z_i is the i-th row of normal numbers "frechet.<dims>.<s>" and A_s a
matrix of uniform ones "frechet.<dims>.<s>.mix" (model/formula.h), all of it in double.
"""

import json

import numpy as np
import scipy.linalg

MASK = (1 << 64) - 1
SIZES = ((4, 50), (32, 200), (128, 1000), (768, 3000))  # dimensions, frames


def hashes(name: str, count: int) -> np.ndarray:
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = (key ^ byte) * 0x100000001B3 & MASK
    with np.errstate(over="ignore"):
        z = np.uint64(key) + np.arange(count, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return (z ^ z >> np.uint64(31)) >> np.uint64(11)


def uniform(name: str, shape: tuple) -> np.ndarray:
    values = hashes("input:" + name, int(np.prod(shape))).astype(np.float64) * 2.0 ** -52 - 1
    return values.astype(np.float32).astype(np.float64).reshape(shape)


def normal(name: str, shape: tuple) -> np.ndarray:
    h = hashes("input:" + name, 2 * int(np.prod(shape))).astype(np.float64)
    values = np.sqrt(-2 * np.log((h[0::2] + 1) * 2.0 ** -53)) * np.cos(2 * np.pi * h[1::2] * 2.0 ** -53)
    return values.astype(np.float32).astype(np.float64).reshape(shape)


def features(dims: int, frames: int, number: int) -> np.ndarray:
    name = f"frechet.{dims}.{number}"
    return normal(name, (frames, dims)) @ uniform(name + ".mix", (dims, dims)) + number / 10


def distance(a: np.ndarray, b: np.ndarray) -> float:
    ca, cb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(ca @ cb)
    assert np.abs(np.imag(root)).max() < 1e-6 * np.abs(root).max()
    return float(np.square(a.mean(0) - b.mean(0)).sum() + np.trace(ca) + np.trace(cb) - 2 * np.trace(np.real(root)))


if __name__ == "__main__":
    print(json.dumps([{"dims": dims, "frames": frames,
                       "distance": distance(features(dims, frames, 1), features(dims, frames, 2))}
                      for dims, frames in SIZES], indent=1))
