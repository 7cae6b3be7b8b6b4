"""Files that others made, into tensors by name. Nothing in a file is run: pickles go through torch's loader of weights
only, which knows tensors and plain containers and refuses everything else."""

import hashlib
import pathlib
import pickle
import re
import warnings

import torch
from safetensors import SafetensorError, safe_open

WRAPPERS = ("generator", "model", "state_dict")  # {'generator': tensors by name} and the like


class Unreadable(Exception):
    """What was found, where, what was expected."""


def read_tensors(file: pathlib.Path) -> dict[str, torch.Tensor]:
    """The state dict of a .pt, .bin, .zip or .safetensors file; tensors stay in the file where it can be mapped."""
    with file.open("rb") as stream:
        start = stream.read(9)
    if not start:
        raise Unreadable(f"{file} is empty: the download never came or was cut off; fetch it again")
    if start[8:] == b"{":
        return read_safetensors(file)
    mapped = start.startswith(b"PK\x03\x04")
    warnings.simplefilter("ignore")  # torch's, to those who wrote the file
    try:
        found = torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise Unreadable(f"{file} {refused(str(error))}") from None
    except Exception as error:  # torch throws what its parsers happen to throw: of a broken file all are the same
        what = "a zip archive that is cut short or damaged" if mapped else "no file of torch.save or safetensors"
        raise Unreadable(f"{file} is {what} ({first_line(error)}): fetch it again") from None
    return unwrapped(file, found)


def read_safetensors(file: pathlib.Path) -> dict[str, torch.Tensor]:
    try:
        with safe_open(file, framework="pt") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}
    except SafetensorError as error:
        raise Unreadable(f"{file} is no valid safetensors file ({first_line(error)}): fetch it again") from None


def refused(message: str) -> str:
    """torch's own words recommend to load it anyway; ours do not."""
    wants = re.search(r"(?:GLOBAL|class|function) ([\w.]+\.[\w.]+)", message)
    named = f" ({wants[1]})" if wants else ""
    return (f"holds more than names and tensors{named}: it could run code, and nothing of it was run; or it is no file "
            "of torch.save or safetensors. Get it from its publisher")


def unwrapped(file: pathlib.Path, found) -> dict[str, torch.Tensor]:
    for wrapper in WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
            break
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise Unreadable(f"{file} holds {type(found).__name__}, expected tensors by name, alone or as "
                         + " or ".join(repr(wrapper) for wrapper in WRAPPERS))
    return dict(found)


def sha256(file: pathlib.Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def first_line(error) -> str:
    return str(error).strip().split("\n")[0][:200] or type(error).__name__
