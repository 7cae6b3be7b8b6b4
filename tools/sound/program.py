"""The built `fastsag`, called as a person would."""

import json
import pathlib
import subprocess

import numpy as np
import soundfile

from sound import Failed, spectra

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build" / "release" / "bin" / "fastsag"


def call(program: pathlib.Path, *arguments) -> str:
    command = [str(program), *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise Failed(f"cannot start {program} ({error.strerror}): build it with tools/build release fastsag") from None
    if done.returncode:
        raise Failed(f"{' '.join(command)}: {done.stderr.strip() or f'exit {done.returncode}'}")
    return done.stdout


def accompany(program: pathlib.Path, voice: pathlib.Path, heard_from: float, begin: float, end: float,
              beside: pathlib.Path, arguments=()) -> tuple[np.ndarray, int, dict]:
    """What it makes of the voice from heard_from to end: the sound from begin on, its rate, and the plan, whose times
    are the recording's. Works in files whose names begin with `beside`, and removes them."""
    heard, made, mix, planned = (beside.with_name(f"{beside.name}.{what}")
                                 for what in ("heard.wav", "made.wav", "mix.wav", "plan.json"))
    sound, rate = spectra.read(voice, heard_from, end - heard_from)
    soundfile.write(heard, sound, rate, subtype="PCM_16")
    call(program, "render", heard, "-o", mix, "--accompaniment", made, "--plan", planned, *arguments)
    accompaniment, made_rate = spectra.read(made, begin - heard_from)
    plan = json.loads(planned.read_text())
    for path in (heard, made, mix, planned):
        path.unlink()
    plan["beats"] = [beat + heard_from for beat in plan["beats"]]
    for what in ("chords", "notes", "sung"):
        plan[what] = [[at + heard_from, *rest] for at, *rest in plan[what]]
    return accompaniment, made_rate, plan
