"""Which models a person's files hold, and from which file each is taken."""

import dataclasses
import os
import pathlib

from checkpoint import architecture
from checkpoint.fitting import Fit, fit, published_names
from checkpoint.reading import Unreadable, read_tensors

# By what the file is called here; of several models with one such name the one that differs least is meant.
FAMILIES = {
    "fastsag": (architecture.FASTSAG,),
    "bigvgan": (architecture.BIGVGAN_V1, architecture.BIGVGAN_V2),
    "mert": (architecture.MERT,),
}


@dataclasses.dataclass
class Piece:
    file: pathlib.Path
    family: str
    tensors: dict
    prefix: str = ""  # in the file
    left_out: tuple = ()  # prefixes whose tensors come from files of their own
    fit: Fit | None = None

    def metadata(self) -> dict[str, str]:
        model = self.fit.model
        found = {"about": model.about, "model": model.key, "source": self.file.name, "licence": model.licence}
        if self.prefix:
            found["source_part"] = f"{self.prefix}*"
        if self.fit.spellings:
            found["weight_norm"] = f"folded; in the source: {', '.join(sorted(self.fit.spellings))}"
        other = sorted(str(dtype).removeprefix("torch.") for dtype in self.fit.dtypes)
        if other != ["float32"]:
            found["source_types"] = ", ".join(other)
        if self.fit.dropped:
            found["dropped"] = dropped_text(self.fit.dropped)
        return found | {f"part.{name}": words for name, words in model.parts.items()}

    def report(self, values: int, path: pathlib.Path) -> list[str]:
        part = f", {self.prefix}*" if self.prefix else ""
        lines = [f"{self.file}{part}: {self.fit.model.about}"]
        lines += [f"  left out: {prefix}*, given in a file of its own" for prefix in self.left_out]
        lines += [f"  dropped: {dropped_text(self.fit.dropped)}"] if self.fit.dropped else []
        return lines + [f"  {path}: {values / 1e6:.2f} M values"]


def dropped_text(dropped: dict[str, str]) -> str:
    """Names by reason; many as what they begin with."""
    groups: dict[str, list] = {}
    for name, why in dropped.items():
        groups.setdefault(why, []).append(name)
    texts = []
    for why, names in groups.items():
        what = f"{names[0]} (" if len(names) == 1 else f"{os.path.commonprefix(names)}* ({len(names)} tensors: "
        texts.append(f"{what}{why})")
    return "; ".join(texts)


def find_pieces(files: list[pathlib.Path], inside: dict[str, str]) -> tuple[list[Piece], list[str]]:
    """The pieces, fitted, and everything that is wrong with any file."""
    pieces, errors = [], []
    for file in files:
        try:
            pieces.append(recognised(file, read_tensors(file), inside))
        except Unreadable as error:
            errors.append(str(error))
    for family in FAMILIES:
        same = [piece for piece in pieces if piece.family == family]
        if len(same) > 1:
            names = " and ".join(str(piece.file) for piece in same)
            errors.append(f"{names} are of the same kind ({family}): give one")
    for whole in [piece for piece in pieces if piece.family == "fastsag"]:
        own = {piece.family for piece in pieces}
        for prefix, family in inside.items():
            names = [name for name in whole.tensors if name.startswith(prefix)]
            inner = {name.removeprefix(prefix): whole.tensors.pop(name) for name in names}
            if inner and family in own:
                whole.left_out += (prefix,)
            elif inner:
                pieces.append(Piece(whole.file, family, inner, prefix))
    for piece in pieces:
        piece.fit = min((fit(model, piece.tensors) for model in FAMILIES[piece.family]),
                        key=lambda result: len(result.differences))
        if differences := piece.fit.differences:
            what = f"{piece.file}{', ' + piece.prefix + '*' if piece.prefix else ''}"
            errors.append(f"{what} is not as published ({piece.fit.model.about}), {len(differences)} differences:")
            errors += [f"  {difference}" for difference in differences]
    return pieces, errors


def recognised(file: pathlib.Path, tensors: dict, inside: dict[str, str]) -> Piece:
    names = [name for name in tensors if not name.startswith(tuple(inside))]
    shares = {}
    for family, models in FAMILIES.items():
        known = published_names(models[0])
        shares[family] = sum(name in known for name in names) / len(models[0].tensors)
    best = max(shares, key=shares.get)
    if len(names) < len(tensors) and shares[best] < 0.1:
        best = "fastsag"  # nothing but what a FastSAG checkpoint holds inside
    elif shares[best] < 0.1:
        shown = ", ".join(list(tensors)[:3]) or "nothing"
        shown += ", ..." if len(tensors) > 3 else ""
        raise Unreadable(f"{file} holds {len(tensors)} entries ({shown}), expected a FastSAG checkpoint, "
                         "a BigVGAN 24 kHz 100 band generator or MERT-v1-95M")
    return Piece(file, best, dict(tensors))
