"""Why a state dict does not fit a network, in words."""

import re
from collections.abc import Iterable
from itertools import islice

import torch
from torch import Tensor

from .state_dict import easycv_names, needed_names

MAX_LISTED = 5  # names in one error message
MAX_PREFIXES = 8  # under which the network is looked for
KEYPOINT_SETS = {
    16: "MPII's body", 17: "COCO's body", 26: "Halpe's body", 42: "two hands", 68: "a face", 98: "WFLW's face",
    106: "LaPa's face", 133: "COCO-WholeBody's whole body",
}  # fmt: skip
FINAL_LAYER = re.compile(r"keypoint_head\.final_layer\.(?:\d{1,3}\.)?weight")
FIRST_BRANCH = "backbone.stage2.0.branches.0.0.conv1.weight"  # HRNet's highest resolution, which names its width
CLASS_LAYER = "bbox_head.cls_convs.0.1.bias"  # SSD's: for each anchor a value of each class and of the background


def describe_mismatch(expected: dict[str, Tensor], state: dict[str, Tensor]) -> str | None:
    """What keeps ``state`` from being loaded into a network whose own state dict is ``expected``; None if nothing does.

    Tensors that are missing, of another shape, not finite or not of floating point; and where it can be told, what the
    state dict is of: another number of keypoints, another width, a backbone alone, names under another prefix.
    """
    needed = needed_names(expected)
    missing = [name for name in expected if name in needed and name not in state]
    unfit = [problem for name in expected if name in state and (problem := _unfit(name, expected[name], state[name]))]
    if not missing and not unfit:
        return None
    unknown = [name for name in state if name not in expected]
    found = (("lacks", missing), ("has", unfit), ("has the unknown", unknown if missing else []))
    lists = " and ".join(f"{verb} {listed(names)}" for verb, names in found if names)
    reasons = [
        *_other_network(expected, state),
        *([f"it is a part of a network, without a {part}"] if (part := _missing_part(expected, missing)) else []),
        f"it {lists}",
        *_prefix(expected, needed, state),
    ]
    return "; ".join(reasons)


def without_prefix(expected: dict[str, Tensor], state: dict[str, Tensor]) -> dict[str, Tensor]:
    """``state`` without the one prefix under which it has the network, if it has it under one.

    Of several those count under which everything fits (of ``student.`` and ``teacher.`` the one of the right size).
    Names beside the prefix stay.
    """
    needed = needed_names(expected)
    if needed <= state.keys():
        return state
    bare = {prefix: _under(prefix, state) for prefix in _prefixes(expected, state)}
    named = [prefix for prefix, part in bare.items() if needed <= part.keys()]
    fitting = [
        prefix for prefix in named if not any(_unfit(name, expected[name], bare[prefix][name]) for name in needed)
    ]
    found = fitting or named
    if len(found) != 1:
        return state
    return {name: value for name, value in state.items() if not name.startswith(found[0])} | bare[found[0]]


def is_hollow(tensor: Tensor) -> bool:
    """Whether a tensor takes no memory here: a sparse one, or one that was saved without its values."""
    return tensor.layout != torch.strided or tensor.device.type == "meta"


def _prefixes(expected: dict[str, Tensor], state: dict[str, Tensor]) -> list[str]:
    first = next(iter(expected))
    found = (key[: -len(first)] for key in state if key.endswith(f".{first}"))
    return list(islice(found, MAX_PREFIXES))


def _under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return easycv_names({name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)})


def listed(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(f"{name:.120}" for name in names[:MAX_LISTED]) + more


def _unfit(name: str, expected: Tensor, found: Tensor) -> str | None:
    if found.shape != expected.shape:
        return f"{name} {tuple(found.shape)} instead of {tuple(expected.shape)}"
    if found.layout != torch.strided:
        return f"{name} as a sparse tensor"
    if is_hollow(found):
        return f"{name} without values, as a meta tensor"
    if expected.is_floating_point() and (not found.is_floating_point() or found.element_size() == 1):
        return f"{name} as {str(found.dtype).removeprefix('torch.')}"  # such as quantised weights without their scales
    return None if bool(found.isfinite().all()) else f"{name} with NaN or infinity"


def _other_network(expected: dict[str, Tensor], state: dict[str, Tensor]) -> Iterable[str]:
    """Another number of keypoints, another width, other classes."""
    ours, theirs = (_channels(_final_layer(tensors)) for tensors in (expected, state))
    if ours and theirs and ours != theirs:
        known = f", those of {KEYPOINT_SETS[theirs]}" if theirs in KEYPOINT_SETS else ""
        yield f"it is of a model with {theirs} keypoints{known}, where {ours} are configured"
    ours, theirs = (_channels(tensors.get(FIRST_BRANCH)) for tensors in (expected, state))
    if ours and theirs and ours != theirs:
        yield f"it is of an HRNet of width {theirs}, where {ours} is configured"
    ours, theirs = (_channels(tensors.get(CLASS_LAYER)) for tensors in (expected, state))
    anchors = ours // 2  # a hand and the background
    if anchors and theirs and ours != theirs and theirs % anchors == 0:
        yield f"it is of a detector of {theirs // anchors - 1} classes, where one, the hand, is configured"


def _final_layer(state: dict[str, Tensor]) -> Tensor | None:
    """The weight of the last convolution of the heatmap head; in the others input and output are as wide."""
    layers = [name for name in state if FINAL_LAYER.fullmatch(name) and state[name].ndim == 4]
    return state[max(layers, key=lambda name: (len(name), name))] if layers else None


def _channels(tensor: Tensor | None) -> int:
    return 0 if tensor is None or tensor.ndim == 0 else tensor.shape[0]


def _missing_part(expected: dict[str, Tensor], missing: list[str]) -> str | None:
    """The parts of the network, its backbone or its head, of which nothing is there where all of another is."""
    there = needed_names(expected).difference(missing)
    lacking = [part for part in _parts(expected) if not any(name.startswith(f"{part}.") for name in there)]
    complete = [part for part in _parts(expected) if not any(name.startswith(f"{part}.") for name in missing)]
    return " and ".join(lacking) if lacking and complete else None


def _prefix(expected: dict[str, Tensor], needed: set[str], state: dict[str, Tensor]) -> Iterable[str]:
    """The prefixes that the names have too much, or too few."""

    def fits(name: str, key: str) -> bool:
        return key in state and _unfit(name, expected[name], state[key]) is None

    prefixes = _prefixes(expected, state)
    whole = [prefix for prefix in prefixes if all(fits(name, prefix + name) for name in needed)]
    if whole:
        yield f"every key would fit without one of the prefixes {listed(whole)}, so save the network of one of them"
    elif prefixes:
        yield f"some keys would be the network's without the prefix {prefixes[0]!r:.80}"
    for part in _parts(expected):
        inner = [name.removeprefix(f"{part}.") for name in needed if name.startswith(f"{part}.")]
        if inner and all(fits(f"{part}.{name}", name) for name in inner):
            yield f"it is the {part} alone under names without the prefix '{part}.'"


def _parts(expected: dict[str, Tensor]) -> list[str]:
    """The parts of a network, such as its backbone and its head."""
    return list(dict.fromkeys(name.split(".")[0] for name in expected))
