"""Makes the pinned packages of tools/requirements-PURPOSE.txt importable, whatever Python has installed."""

import os
import pathlib
import subprocess
import sys

TOOLS = pathlib.Path(__file__).resolve().parent.parent


def provide(purpose: str = "corpus") -> None:
    """Puts a virtual environment with the pins in front of sys.path; made the first time (seconds, needs PyPI)."""
    pins = TOOLS / f"requirements-{purpose}.txt"
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one worker process a core: threads inside them only get in the way
    user_cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    cache = pathlib.Path(os.environ.get("FASTSAG_CACHE") or pathlib.Path(user_cache) / "fastsag")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    venv = cache / f"{purpose}-python{version}"
    packages = venv / "lib" / f"python{version}" / "site-packages"
    installed = venv / "pins.txt"
    if not installed.exists() or installed.read_text() != pins.read_text():
        print(f"fastsag: installing {pins.name} into {venv}", file=sys.stderr)
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True, stdout=sys.stderr)
            pip = [venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, "-r", pins], check=True, stdout=sys.stderr)
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"fastsag: cannot install {pins} into {venv} ({error}): install Debian's python3-venv and "
                     "check that PyPI is reachable, then run again")
        installed.write_text(pins.read_text())
    sys.path.insert(0, str(packages))
