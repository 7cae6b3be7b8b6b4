"""Clips with a true accompaniment and one to be judged, and what score.py says of them: score_clips.json.

  python tests/integration/score_clips.py ../shared      # with a Python as in tests/dsp/make_score_golden.py

Ten are made by a formula alone, voice and all, and stand beside the controls. Ten are of people singing, of recordings in
SHARED that are no part of the repository. test_eval.py makes the same and asks `fastsag eval`.
"""
import json
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "dsp"))
import make_score_golden as made
import soundfile

GOLDEN = HERE / "score_clips.json"
FIGURES = ("cons3_x", "triad_x", "dbl", "ch_cor", "beatF", "flat", "peak", "silent", "lufs")
SECONDS = 6
SUNG = [("vocadito_1", 0, 8), ("vocadito_1", 8, 8), ("vocadito_1", 16, 8), ("vocadito_1", 24, 8), ("vocadito_10", 0, 9),
        ("vocadito_14", 0, 6), ("vocadito_14", 6, 6), ("singing-female", 0, 6), ("vignesh", 0, 3), ("carnatic", 0, 3)]


def write(folder: pathlib.Path, name: str, number: int, seconds: int, voice=None, rate: int = made.RATE) -> tuple:
    """voice, truth, ours as files; the voice sings the truth's chords where none is given."""
    made.SECONDS = seconds
    beat, detuning = 0.4 + 0.03 * number, 0.05 * number - 0.2
    truth = made.accompaniment(beat, detuning, 0.002, number, seconds)
    ours = 0.6 * made.accompaniment(beat, detuning, 0.01, number + 3 * (number % 3), seconds) + 0.4 * truth
    waves = ((made.voice(beat, detuning + number), rate) if voice is None else (voice, rate), (truth, made.RATE),
             (ours, made.RATE))
    files = [folder / f"{name}_{part}.wav" for part in ("vocals", "no_vocals", "ours")]
    for file, (wave, its_rate) in zip(files, waves):
        soundfile.write(file, wave, its_rate, subtype="PCM_24")
    return tuple(str(file) for file in files)


def write_made(folder: pathlib.Path) -> list[tuple]:
    return [write(folder, f"made.{number}@0", number, SECONDS) for number in range(10)]


def write_sung(folder: pathlib.Path, recordings: pathlib.Path) -> list[tuple]:
    clips = []
    for number, (name, begin, seconds) in enumerate(SUNG):
        voice, rate = soundfile.read(recordings / f"{name}.flac", start=begin * 44100, frames=seconds * 44100)
        clips.append(write(folder, f"{name}.{number}@{begin}", number, seconds, voice, rate))
    return clips


def row_of(row: dict) -> dict:
    figures = {name: None if row.get(name) is None or row[name] != row[name] else round(float(row[name]), 5)
               for name in FIGURES}
    return {"system": row["system"], "clip": row["clip"].removesuffix("_vocals.wav"), **figures}


if __name__ == "__main__":
    SHARED = pathlib.Path(sys.argv[1])
    sys.path.insert(0, str(SHARED / "score"))
    import score

    result = {}
    with tempfile.TemporaryDirectory() as folder:
        clips = {"made": write_made(pathlib.Path(folder)),
                 "sung": write_sung(pathlib.Path(folder), SHARED / "data" / "singing")}
        for what, files in clips.items():
            items = [(voice, ours, truth, "ours", "clips") for voice, truth, ours in files]
            rows, _ = score.score_all(items, score.Store(None, None), controls=what == "made", use_embed=False)
            result[what] = [row_of(row) for row in rows if row["system"] != "noise"]
    lines = {what: ",\n".join("  " + json.dumps(row) for row in rows) for what, rows in result.items()}
    GOLDEN.write_text("{\n" + ",\n".join(f' "{what}": [\n{rows}\n ]' for what, rows in lines.items()) + "\n}\n")
