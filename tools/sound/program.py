"""The built `fastsag`, called as a person would."""

import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build" / "release" / "bin" / "fastsag"


class Failed(Exception):
    """What it said, for a person."""


def call(program: pathlib.Path, *arguments) -> str:
    command = [str(program), *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise Failed(f"cannot start {program} ({error.strerror}): build it with tools/build release fastsag") from None
    if done.returncode:
        raise Failed(f"{' '.join(command)}: {done.stderr.strip() or f'exit {done.returncode}'}")
    return done.stdout


def render(program: pathlib.Path, voice: pathlib.Path, out: pathlib.Path, arguments=()) -> tuple[dict, dict]:
    """Writes the accompaniment to `out`; its plan, and what render says of it."""
    plan, mix = out.with_suffix(".plan.json"), out.with_suffix(".mix.wav")
    said = call(program, "render", voice, "-o", mix, "--accompaniment", out, "--plan", plan, "--json", *arguments)
    mix.unlink()
    return json.loads(plan.read_text()), json.loads(said)
