"""Ten clips of people singing, each with a true accompaniment and one to be judged, and what score.py says of them.

  python score_clips.py SHARED OUT      writes OUT/all/NAME_{vocals,no_vocals,ours}.wav, four of them again in
                                        OUT/few, and OUT/score.json: figures of `ours`; of the few also the controls

Run by test_eval.py, with a Python that has what score.py needs.
"""
import json
import pathlib
import sys

SHARED, OUT = (pathlib.Path(argument) for argument in sys.argv[1:3])
sys.path[:0] = [str(SHARED / "score"), str(pathlib.Path(__file__).resolve().parents[1] / "dsp")]
import make_score_golden as made
import score
import soundfile

CLIPS = [("vocadito_1", 0, 8), ("vocadito_1", 8, 8), ("vocadito_1", 16, 8), ("vocadito_1", 24, 8), ("vocadito_10", 0, 9),
         ("vocadito_14", 0, 6), ("vocadito_14", 6, 6), ("singing-female", 0, 6), ("vignesh", 0, 3), ("carnatic", 0, 3)]


def write_clip(number: int, folder: pathlib.Path) -> tuple:
    name, begin, seconds = CLIPS[number]
    voice, rate = soundfile.read(SHARED / "data/singing" / f"{name}.flac", start=begin * 44100, frames=seconds * 44100)
    made.SECONDS = seconds
    beat, detuning = 0.4 + 0.03 * number, 0.05 * number - 0.2
    truth = made.accompaniment(beat, detuning, 0.002, number, seconds)
    ours = 0.6 * made.accompaniment(beat, detuning, 0.01, number + 3 * (number % 3), seconds) + 0.4 * truth
    files = [folder / f"{name}.{number}@{begin}_{part}.wav" for part in ("vocals", "no_vocals", "ours")]
    for file, wave, its_rate in zip(files, (voice, truth, ours), (rate, made.RATE, made.RATE)):
        soundfile.write(file, wave, its_rate, subtype="PCM_24")
    return tuple(str(file) for file in files)


if __name__ == "__main__":
    result = {}
    for folder, numbers in (("all", range(10)), ("few", (0, 4, 7, 8))):
        (OUT / folder).mkdir(parents=True, exist_ok=True)
        items = [(voice, ours, truth, "ours", "clips")
                 for voice, truth, ours in (write_clip(number, OUT / folder) for number in numbers)]
        rows, _ = score.score_all(items, score.Store(None, None), controls=folder == "few", use_embed=False)
        result[folder] = [{key: None if value != value else value for key, value in row.items()} for row in rows]
    (OUT / "score.json").write_text(json.dumps(result, indent=1, default=float))
