"""The state dict in what a checkpoint holds, under the names of EasyCV's network."""

import re
from collections import defaultdict
from typing import Any

from torch import Tensor

# Keys of checkpoints are made of these words: "model", "model_state_dict", "netWeights" ...
PLAIN_WORDS = frozenset({
    "state", "dict", "statedict", "model", "net", "network", "module", "weight", "weights", "param", "params",
    "parameter", "parameters", "best",
})  # fmt: skip
AVERAGED_WORDS = frozenset({"ema", "swa", "averaged", "average", "avg", "shadow"})
WORD_BREAK = re.compile(r"[_\- ]|(?<=[a-z0-9])(?=[A-Z])")
MAX_KEY = 80  # characters of a key that is made of words
MAX_DEPTH = 4  # of a state dict in dicts
# Names that torch and what is built on it put before those of the network that they wrap
WRAPPERS = frozenset({"module", "model", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
WRAPPER_DEPTH = 6  # how deep in a name they are looked for
COUNTERS = frozenset({"n_averaged", "steps"})  # of torch's and mmengine's averaged models, beside the network
PREPROCESSOR = "data_preprocessor."  # mmengine's: mean and standard deviation, which the configuration has
MMPOSE_HEAD, HEAD = "head.", "keypoint_head."
MMPOSE_CONVOLUTIONS, MMPOSE_FINAL, FINAL = "head.conv_layers.", "head.final_layer.", "keypoint_head.final_layer."
MMPOSE_HEAD_LAYERS = (MMPOSE_CONVOLUTIONS, MMPOSE_FINAL, "head.deconv_layers.")  # all that its heatmap head has
TO_NEXT_CONVOLUTION = 2  # from the number of a batch norm, over a ReLU


def find_state_dict(content: Any) -> dict[str, Tensor]:
    """The state dict in a checkpoint, under EasyCV's names; empty where there is none.

    A state dict lies under a key such as ``state_dict``, ``model``, ``net``, ``weights``, ``params``, ``module`` or
    ``model_state_dict``, also in another such dict, or it is the checkpoint itself. ``state_dict`` goes before the
    other keys, those go by their order, and ``best_state_dict``, which may be of an earlier epoch, goes last.

    Of averaged weights (``state_dict_ema``, ``model_ema``, ``ema`` ...) and plain ones the averaged are taken, as timm,
    torchvision and ultralytics do, unless they lack some of the plain ones' names (an average of the parameters alone
    has no batch norm statistics). In mmengine's checkpoints ``state_dict`` holds the averaged weights and
    ``ema_state_dict`` the others, so there ``state_dict`` is taken.
    """
    return _find(content, MAX_DEPTH, set())


def _find(content: Any, depth: int, seen: set[int]) -> dict[str, Tensor]:
    # dict's own methods: a pickle can give an OrderedDict attributes that hide them
    if not isinstance(content, dict) or depth == 0 or id(content) in seen:
        return {}
    seen.add(id(content))
    averaged: dict[str, Tensor] = {}
    plain: dict[str, Tensor] = {}
    for key in sorted((key for key in dict.keys(content) if isinstance(key, str)), key=_rank):
        kind = _kind(key)
        if kind == "averaged":
            averaged = averaged or _find(dict.get(content, key), depth - 1, seen)
        elif kind == "plain":
            plain = plain or _find(dict.get(content, key), depth - 1, seen)
    if averaged and not (plain and (_is_mmengine(content) or needed_names(plain) - averaged.keys())):
        return averaged
    return plain or easycv_names(
        unwrapped({
            name: value for name, value in dict.items(content) if isinstance(name, str) and isinstance(value, Tensor)
        })
    )  # fmt: skip


def needed_names(state: dict[str, Tensor]) -> set[str]:
    """The names without batch norm's counters of steps, which inference has no use for and old checkpoints lack."""
    return {name for name in state if not name.endswith("num_batches_tracked")}


def _words(key: str) -> list[str]:
    """Of ``model_state_dict``, ``modelStateDict`` or ``model-state-dict``."""
    return [word.lower() for word in WORD_BREAK.split(key)] if len(key) <= MAX_KEY else []


def _rank(key: str) -> int:
    words = _words(key)
    return 0 if words == ["state", "dict"] else 2 if "best" in words else 1


def _kind(key: str) -> str | None:
    words = set(_words(key))
    if not words or not words <= PLAIN_WORDS | AVERAGED_WORDS:
        return None
    return "averaged" if words & AVERAGED_WORDS else "plain"


def _is_mmengine(content: dict[Any, Any]) -> bool:
    meta = dict.get(content, "meta")
    return "message_hub" in content or (isinstance(meta, dict) and "mmengine_version" in meta)


def unwrapped(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names without those of wrappers (``module.``, ``_orig_mod.``, ``model.`` ...), in any order and depth.

    A wrapper has one child, so its name goes only where nothing stands beside it but a counter of an averaged model,
    which goes, too.
    """
    paths = {name: name.split(".", WRAPPER_DEPTH) for name in state}
    children: dict[str, set[str]] = defaultdict(set)
    for path in paths.values():
        if not _is_counter(path):
            for depth, part in enumerate(path):
                children[".".join(path[:depth])].add(part)

    def is_wrapper(path: list[str]) -> bool:
        return path[-1] in WRAPPERS and len(children[".".join(path[:-1])]) == 1

    bare = {}
    for name, path in paths.items():
        if _is_counter(path) and children[".".join(path[:-1])] <= WRAPPERS:
            continue
        kept = [part for depth, part in enumerate(path[:-1]) if not is_wrapper(path[: depth + 1])]
        bare[".".join([*kept, path[-1]])] = state[name]
    return bare


def _is_counter(path: list[str]) -> bool:
    return path[-1] in COUNTERS and WRAPPERS.issuperset(path[:-1])


def easycv_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names of mmpose 1.x's heatmap head as EasyCV's, which are also mmpose 0.x's; others stay.

    ``head`` is EasyCV's ``keypoint_head``. mmpose 1.x has the head's convolutions as ``head.conv_layers.N`` and the
    last one as ``head.final_layer``; before, they were numbered together as ``keypoint_head.final_layer.N``
    (mmpose/models/heads/heatmap_heads/heatmap_head.py, ``_load_state_dict_pre_hook``).
    """
    state = {name: value for name, value in state.items() if not name.startswith(PREPROCESSOR)}
    head = [name for name in state if name.startswith(MMPOSE_HEAD)]
    if any(name.startswith(HEAD) for name in state) or not all(name.startswith(MMPOSE_HEAD_LAYERS) for name in head):
        return state  # EasyCV's own, or the head of another network
    numbers = [name[len(MMPOSE_CONVOLUTIONS) :].split(".")[0] for name in head if name.startswith(MMPOSE_CONVOLUTIONS)]
    last = max((int(number) for number in numbers if number.isdecimal() and len(number) < 4), default=None)
    final = FINAL if last is None else f"{FINAL}{last + TO_NEXT_CONVOLUTION}."

    def renamed(name: str) -> str:
        for theirs, ours in ((MMPOSE_CONVOLUTIONS, FINAL), (MMPOSE_FINAL, final), (MMPOSE_HEAD, HEAD)):
            if name.startswith(theirs):
                return ours + name[len(theirs) :]
        return name

    return {renamed(name): value for name, value in state.items()}
