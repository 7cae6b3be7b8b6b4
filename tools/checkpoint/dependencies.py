"""Makes torch and safetensors importable: the torch that the build downloaded where it is a whole one."""

import os
import pathlib
import sys

from corpus.dependencies import provide


def provide_torch() -> None:
    """The build's own LibTorch is PyPI's torch. Without the CUDA toolkit it comes without most of the libraries that
    Python's half wants, and then torch is installed once more, whole (minutes, 5 GB)."""
    provide("convert")
    user_cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    cache = pathlib.Path(os.environ.get("FASTSAG_CACHE") or pathlib.Path(user_cache) / "fastsag")
    version = f"cpython-{sys.version_info.major}{sys.version_info.minor}-"
    whole = cache / "libtorch-2.11.0-cuda"
    if (whole / "sympy").is_dir() and any((whole / "torch").glob(f"_C.{version}*")):
        sys.path.append(str(whole))
    else:
        provide("torch")
