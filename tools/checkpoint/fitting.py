"""Tensors of a published file, held against a model: what differs, and the folded weights of what fits."""

import dataclasses

import torch

from checkpoint.architecture import SPELLINGS, Model, Tensor

FOLDED = "already folded"


@dataclasses.dataclass
class Fit:
    """One model's tensors of one file. Usable where `differences` is empty."""

    model: Model
    differences: list[str] = dataclasses.field(default_factory=list)
    found: dict = dataclasses.field(default_factory=dict)  # our name -> (tensor, g or None): weight = fold(tensor, g)
    dropped: dict = dataclasses.field(default_factory=dict)  # name -> why
    spellings: set = dataclasses.field(default_factory=set)  # of weight norm
    dtypes: set = dataclasses.field(default_factory=set)

    def weights(self):
        """(name, float32 tensor) one after the other, folded when asked for."""
        for tensor in self.model.tensors:
            if tensor.name in self.found:
                value, g = self.found[tensor.name]
                yield tensor.name, (value.float() if g is None else fold(value, g, tensor.norm_dim)).contiguous()


def fold(v: torch.Tensor, g: torch.Tensor, norm_dim: int) -> torch.Tensor:
    """g * v / |v|, the norm over all dimensions but one; one rounding at the end."""
    return (v.double() * (g.double() / norms(v, norm_dim))).float()


def norms(v: torch.Tensor, norm_dim: int) -> torch.Tensor:
    others = [dim for dim in range(v.dim()) if dim != norm_dim]
    return torch.linalg.vector_norm(v, dim=others, keepdim=True, dtype=torch.float64)


def fit(model: Model, tensors: dict[str, torch.Tensor]) -> Fit:
    result, rest = Fit(model), dict(tensors)
    for tensor in model.tensors:
        if tensor.norm_dim is not None:
            take_normed(result, rest, tensor)
        elif tensor.name in rest:
            take(result, tensor, rest.pop(tensor.name))
        elif not tensor.dead:
            result.differences.append(f"{tensor.name}: missing, expected {list(tensor.shape)}")
    result.differences += [f"{name}: {described(value)}, no part of this model" for name, value in rest.items()]
    return result


def take(result: Fit, tensor: Tensor, value) -> None:
    fault = fault_of(value, tensor.shape, finite=not tensor.dead)
    if not fault and tensor.values:
        off = (value.double().flatten() - torch.tensor(tensor.values, dtype=torch.float64)).abs().max().item()
        if off > 1e-6 + torch.finfo(value.dtype).eps:
            fault = f"off by {off:.2g} from the constant that this model has there"
    if fault:
        result.differences.append(f"{tensor.name}: {fault}")
    elif tensor.dead:
        result.dropped[tensor.name] = tensor.dead
    else:
        result.dtypes.add(value.dtype)
        result.found[tensor.name] = (value, None)


def take_normed(result: Fit, rest: dict, tensor: Tensor) -> None:
    base = tensor.name.removesuffix("weight")
    pairs = {spelling: (base + g, base + v) for spelling, (g, v) in SPELLINGS.items()}
    present = [pair for pair in pairs.values() if pair[0] in rest or pair[1] in rest]
    if tensor.name in rest:
        take(result, tensor, rest.pop(tensor.name))  # a pair beside it is left over, and said to be
        result.spellings.add(FOLDED)
        return
    if len(present) != 1:
        what = "in two spellings" if present else "missing"
        for name in (name for pair in present for name in pair):
            rest.pop(name, None)
        names = " or ".join(" and ".join(pair) for pair in pairs.values())
        result.differences.append(f"{tensor.name}: {what}, expected {list(tensor.shape)}, as {names}")
        return
    faults, values = [], []
    for name, shape in zip(present[0], (tensor.norm_shape(), tensor.shape)):
        values.append(rest.pop(name, None))
        fault = fault_of(values[-1], shape) if values[-1] is not None else f"missing, expected {list(shape)}"
        faults += [f"{name}: {fault}"] if fault else []
    g, v = values
    if not faults and not norms(v, tensor.norm_dim).all():
        faults = [f"{present[0][1]}: a direction of length zero, by which weight norm would divide"]
    result.differences += faults
    if not faults:
        result.spellings.add(next(spelling for spelling, pair in pairs.items() if pair == present[0]))
        result.dtypes.update((g.dtype, v.dtype))
        result.found[tensor.name] = (v, g)


def fault_of(value, shape: tuple, finite: bool = True) -> str:
    """What is wrong with it, or nothing. The shape comes first: behind a claimed one there may be any size."""
    if not isinstance(value, torch.Tensor):
        return f"{type(value).__name__}, expected a tensor {list(shape)}"
    if tuple(value.shape) != shape:
        return f"shape {list(value.shape)}, expected {list(shape)}"
    if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
        return f"{described(value)}, expected plain numbers"
    if not value.is_floating_point():
        return f"type {str(value.dtype).removeprefix('torch.')}, expected float32"
    # In float64 no sum of float32 values overflows, so it is finite exactly where they all are.
    if finite and not value.float().sum(dtype=torch.float64).isfinite():
        bad = int((~value.float().isfinite()).sum())
        return f"{bad} of {value.numel()} values are NaN or infinite"
    return ""


def described(value) -> str:
    if not isinstance(value, torch.Tensor):
        return type(value).__name__
    kind = "" if value.layout == torch.strided and value.device.type == "cpu" else f" ({value.layout}, {value.device})"
    return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}{kind}"


def published_names(model: Model) -> set[str]:
    """In every spelling."""
    names = {tensor.name for tensor in model.tensors}
    for tensor in model.tensors:
        if tensor.norm_dim is not None:
            names.update(tensor.name.removesuffix("weight") + name for pair in SPELLINGS.values() for name in pair)
    return names
