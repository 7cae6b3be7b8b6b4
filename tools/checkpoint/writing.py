"""Our weights files: safetensors, written one tensor after the other, so that memory never holds more than one."""

import contextlib
import json
import pathlib
import struct

from checkpoint.fitting import Fit


@contextlib.contextmanager
def written_together():
    """Yields a function path -> the path to write instead; all are renamed at the end, or none is left."""
    parts = {}

    def beside(path: pathlib.Path) -> pathlib.Path:
        parts[path] = path.with_name(f".{path.name}.part")
        return parts[path]

    try:
        yield beside
        for path, part in parts.items():
            part.replace(path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def write_weights(path: pathlib.Path, fit: Fit, metadata: dict[str, str]) -> int:
    """The number of values."""
    kept = [tensor for tensor in fit.model.tensors if tensor.name in fit.found]
    header, end = {"__metadata__": metadata}, 0
    for tensor in kept:
        begin, size = end, 4
        for dimension in tensor.shape:
            size *= dimension
        end += size
        header[tensor.name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for name, weight in fit.weights():
            if not weight.sum(dtype=weight.double().dtype).isfinite():
                raise RuntimeError(f"{name} is not finite after folding its weight norm")
            stream.write(memoryview(weight.numpy()).cast("B"))
    return end // 4
