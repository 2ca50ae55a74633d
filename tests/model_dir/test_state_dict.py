"""Where tools put the weights in a checkpoint, and under which names: all of them are found."""

import argparse
import datetime
import decimal
import fractions
import io
import json
import pathlib
import sys
import types
import uuid
import zoneinfo
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import GOLDEN
from pickles import Calls, dumped, write_archive
from torch import Tensor, nn

from modelscope_handkp.errors import CheckpointError
from modelscope_handkp.model_dir.checkpoint import load_weights, read_checkpoint, read_state_dict

NAMES = ("backbone.conv1.weight", "backbone.bn1.running_mean", "backbone.bn1.num_batches_tracked", "keypoint_head.a")


def weights(value: float = 1, prefix: str = "") -> dict[str, Tensor]:
    return {f"{prefix}{name}": torch.full((2,), float(value)) for name in NAMES}


def read(folder: Path, content: Any) -> dict[str, Tensor]:
    torch.save(content, folder / "a.pth")
    return read_state_dict(folder / "a.pth")


def value(folder: Path, content: Any) -> float:
    state = read(folder, content)
    assert set(state) == set(NAMES)
    (found,) = {float(number) for tensor in state.values() for number in tensor}
    return found


# --- containers


@pytest.mark.parametrize(
    "key",
    ["state_dict", "model", "model_state_dict", "model_state", "net", "network", "weights", "params", "module",
     "net_state_dict", "network_state_dict", "model_weights", "state_dict_ema", "ema_state_dict", "model_ema", "ema",
     "ema_model", "model_ema_state_dict", "model_state_dict_ema", "params_ema", "averaged_model", "swa_state_dict",
     "parameters", "average_model", "avg_model", "shadow", "Model_State_Dict",
     "stateDict", "modelStateDict", "netWeights", "statedict", "model-state-dict", "state dict", "weight", "param",
     "parameter", "best_state_dict", "best_model", "bestWeights", "emaStateDict", "best_ema_state_dict"],
)  # fmt: skip
def test_the_weights_under_any_usual_key(tmp_path: Path, key: str) -> None:
    assert value(tmp_path, {"epoch": 3, key: weights(7), "optimizer": {"state": {0: weights(1)}, "lr": 0.1}}) == 7


@pytest.mark.parametrize(
    "content",
    [
        {"model": {"state_dict": weights(7)}},
        {"ema": {"module": weights(7)}},
        {"state": {"model": {"params": weights(7)}}},
        {"model": weights(7), "loss": torch.tensor(3.0)},
        {"model": {"name": "hrnet"}, "weights": weights(7)},
        {"model": None, "net": weights(7)},
        {"ema": None, "model": weights(7)},
        {"ema": 0.999, "state_dict": weights(7)},
        {"module": weights(7), "optimizer": None, "ds_version": "0.9"},
        {"best_model": {"x": torch.ones(1)}, "state_dict": weights(7)},
        {"model": weights(3), "state_dict": weights(7)},
        {"net": weights(7), "model": {}},
        {"best_state_dict": weights(3), "model": weights(7)},
        {"model": weights(3), "stateDict": weights(7)},
        {"best_state_dict": {"loss": 0.1}, "x" * 10**6: weights(3), "weight": weights(7)},
    ],
    ids=range(15),
)
def test_keys_beside_the_weights_do_not_matter(tmp_path: Path, content: Any) -> None:
    assert value(tmp_path, content) == 7


@pytest.mark.parametrize(
    ("plain", "averaged"),
    [("state_dict", "state_dict_ema"), ("model", "model_ema"), ("model", "ema"), ("state_dict", "ema_state_dict"),
     ("params", "params_ema"), ("model_state_dict", "ema_model_state_dict")],
)  # fmt: skip
def test_averaged_weights_go_before_plain_ones(tmp_path: Path, plain: str, averaged: str) -> None:
    """As timm, torchvision, ultralytics and BasicSR read their files, whatever the order."""
    assert value(tmp_path, {plain: weights(1), averaged: weights(2, "module.")}) == 2
    assert value(tmp_path, {averaged: weights(2), plain: weights(1, "module.")}) == 2


def test_averages_of_the_parameters_alone_do_not_replace_the_statistics(tmp_path: Path) -> None:
    shadow = {name: tensor for name, tensor in weights(2).items() if "bn1" not in name}
    assert value(tmp_path, {"model": weights(1), "ema": {"decay": 0.9, "shadow": shadow}}) == 1
    without_counter = {name: tensor for name, tensor in weights(2).items() if "num_batches" not in name}
    assert set(read(tmp_path, {"model": weights(1), "ema": without_counter})) == set(without_counter)


@pytest.mark.parametrize("mark", [{"meta": {"mmengine_version": "0.10.4", "epoch": 9}}, {"message_hub": {}}])
def test_mmengine_swaps_the_two_when_it_saves(tmp_path: Path, mark: dict[str, Any]) -> None:
    """mmengine/hooks/ema_hook.py: "the original model parameters are actually saved in ema field"."""
    both = {"state_dict": weights(2), "ema_state_dict": {**weights(1, "module."), "steps": torch.tensor(5)}}
    assert value(tmp_path, {**mark, **both}) == 2
    assert value(tmp_path, {**mark, "ema_state_dict": both["ema_state_dict"]}) == 1


def test_no_weights_name_what_is_there(tmp_path: Path) -> None:
    for content, named in (
        ({"generator": weights(), "epoch": 1}, "its keys are 'generator', 'epoch'"),
        ([1], "it is a list"),
        ({"optimizer": {"state": {0: weights()}}}, "its keys are 'optimizer'"),
        ({str(number): number for number in range(9)}, "'4' and 4 more"),
    ):
        with pytest.raises(CheckpointError, match=f"holds no state dict with tensors: .*{named}"):
            read(tmp_path, content)


def test_containers_in_containers_end(tmp_path: Path) -> None:
    recursive: dict[str, Any] = {}
    recursive.update(model=recursive, state_dict={"net": recursive}, ema=[recursive])
    for content in (recursive, {"model": {"model": {"model": {"model": {"model": weights()}}}}}):
        with pytest.raises(CheckpointError, match="holds no state dict"):
            read(tmp_path, content)
    chain = b"}(" + b"U\x05model}(" * 3000 + b"u" * 3000 + b"u."  # deeper than Python's pickler can write
    with pytest.raises(CheckpointError, match="holds no state dict"):
        read_state_dict(write_archive(tmp_path / "b.pth", chain))


# --- wrappers' names


@pytest.mark.parametrize(
    "prefix",
    ["module.", "_orig_mod.", "model.", "module._orig_mod.", "_orig_mod.module.", "model._orig_mod.", "model.model.",
     "module.model._orig_mod.", "_fsdp_wrapped_module.", "module.module."],
)  # fmt: skip
def test_names_of_wrappers_are_taken_off(tmp_path: Path, prefix: str) -> None:
    assert value(tmp_path, {"state_dict": weights(7, prefix)}) == 7
    assert value(tmp_path, weights(7, prefix)) == 7


def small() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))


def check_wrapper(folder: Path, module: nn.Module) -> None:
    net = small()
    state = read(folder, {"model_ema": module.state_dict()})
    assert set(state) == set(net.state_dict())
    load_weights(net, state, "file")


def test_torchs_wrappers(tmp_path: Path) -> None:
    averaged = torch.optim.swa_utils.AveragedModel(small())
    for module in (nn.DataParallel(small()), averaged, nn.DataParallel(averaged)):
        check_wrapper(tmp_path, module)


@pytest.mark.slow  # torch.compile's import
@pytest.mark.skipif(not hasattr(torch, "compile"), reason="older than torch.compile")
def test_torchs_compiler(tmp_path: Path) -> None:
    part = small()
    part[0] = torch.compile(part[0])  # type: ignore[assignment]
    compiled = torch.compile(nn.DataParallel(torch.compile(small())))
    for module in (part, torch.compile(small()), compiled, torch.optim.swa_utils.AveragedModel(compiled)):
        check_wrapper(tmp_path, module)


def test_checkpointed_parts(tmp_path: Path) -> None:
    """Activation checkpointing wraps parts, and FSDP those."""
    wrapped = "_fsdp_wrapped_module._checkpoint_wrapped_module."
    state = {name.replace("backbone.", f"backbone.{wrapped}"): tensor for name, tensor in weights(7).items()}
    assert value(tmp_path, state) == 7


def test_a_wrapper_of_a_part(tmp_path: Path) -> None:
    state = {name.replace("backbone.", "backbone.module."): tensor for name, tensor in weights(7).items()}
    assert value(tmp_path, state) == 7


def test_names_that_are_the_networks_own_stay(tmp_path: Path) -> None:
    for names in (
        {"module.a", "module.b", "c"},
        {"model.a", "head_of_model.b"},
        {"model"},
        {"steps", "a.b"},
        {"stage.module", "stage.other"},
        {"modules.a"},
        {"net.a"},
    ):
        assert set(read(tmp_path, {name: torch.ones(1) for name in names})) == names


# --- mmpose 1.x and mmengine


def mmpose_1(state: dict[str, Tensor], final: str) -> dict[str, Tensor]:
    """The names of a state dict of mmpose 1.x, from EasyCV's; ``final`` is the last layer's number."""
    renamed = OrderedDict()
    for name, tensor in state.items():
        theirs = name.replace(f"keypoint_head.final_layer.{final}.", "head.final_layer.")
        renamed[theirs.replace("keypoint_head.final_layer.", "head.conv_layers.")] = tensor
    return renamed


@pytest.mark.parametrize("convolutions", [1, 2, 4])
def test_mmpose_1s_head(tmp_path: Path, convolutions: int) -> None:
    numbers = [3 * layer + part for layer in range(convolutions) for part in (0, 1)] + [3 * convolutions]
    state = {f"keypoint_head.final_layer.{number}.{kind}": torch.full((1,), float(number))
             for number in numbers for kind in ("weight", "bias")}  # fmt: skip
    theirs = {**mmpose_1(state, str(3 * convolutions)), "backbone.a": torch.ones(1)}
    assert "head.final_layer.bias" in theirs and "head.conv_layers.0.weight" in theirs
    found = read(tmp_path, {"state_dict": {**theirs, "data_preprocessor.mean": torch.ones(3, 1, 1)}})
    assert set(found) == {*state, "backbone.a"}
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())


def test_mmpose_1s_head_without_convolutions_and_with_deconvolutions(tmp_path: Path) -> None:
    theirs = {name: torch.ones(1) for name in ("head.final_layer.weight", "head.deconv_layers.0.weight", "backbone.a")}
    assert set(read(tmp_path, theirs)) == {
        "keypoint_head.final_layer.weight", "keypoint_head.deconv_layers.0.weight", "backbone.a"
    }  # fmt: skip


def test_heads_of_other_networks_keep_their_names(tmp_path: Path) -> None:
    """YOLOX's, RTMPose's."""
    for other in ("head.cls_preds.0.weight", "head.cls_x.weight"):
        names = {"head.final_layer.weight", other, "backbone.a"}
        assert set(read(tmp_path, {name: torch.ones(1) for name in names})) == names


def test_mmpose_0s_names_are_easycvs_and_a_second_head_stays(tmp_path: Path) -> None:
    names = {"keypoint_head.final_layer.0.weight", "keypoint_head.final_layer.3.bias", "head.fc.weight", "backbone.a"}
    assert set(read(tmp_path, {name: torch.ones(1) for name in names})) == names
    odd = {"head.conv_layers.x.weight", "head.conv_layers." + "9" * 5000 + ".weight", "head.conv_layers."}
    assert len(read(tmp_path, {name: torch.ones(1) for name in odd})) == len(odd)


class HistoryBuffer:
    """Pickles as mmengine.logging.history_buffer's does: state, and methods under their qualified names."""

    def __init__(self) -> None:
        self.__dict__.update(max_length=10, _log_history=np.arange(3.0), _count_history=np.ones(3, np.int64))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "statistics_methods": {"min": HistoryBuffer.min, "mean": HistoryBuffer.mean}}

    def min(self) -> None: ...

    def mean(self) -> None: ...


@pytest.fixture()
def history() -> Iterator[HistoryBuffer]:
    name = "mmengine.logging.history_buffer"
    module = types.ModuleType(name)
    module.HistoryBuffer = HistoryBuffer  # type: ignore[attr-defined]
    before = HistoryBuffer.__module__
    HistoryBuffer.__module__ = name
    sys.modules.update({"mmengine": module, "mmengine.logging": module, name: module})
    yield HistoryBuffer()
    HistoryBuffer.__module__ = before
    for key in ("mmengine", "mmengine.logging", name):
        del sys.modules[key]


@pytest.mark.parametrize("archive", [True, False])
def test_mmengines_training_checkpoints(tmp_path: Path, history: HistoryBuffer, archive: bool) -> None:
    """``epoch_210.pth``: beside the weights the history of every logged number, of a class of mmengine's."""
    hub = {"log_scalars": OrderedDict([("train/lr", history)]), "runtime_info": {"epoch": 209}, "resumed_keys": {}}
    content = {"meta": {"mmengine_version": "0.10.4"}, "state_dict": weights(7), "message_hub": hub}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=archive)
    assert set(read_state_dict(tmp_path / "a.pth")) == set(NAMES)
    assert read_checkpoint(tmp_path / "a.pth")["message_hub"]["runtime_info"] == {"epoch": 209}


def test_options_and_paths_beside_the_weights(tmp_path: Path) -> None:
    """As torchvision's, DETR's and MAE's training scripts save them."""
    options = argparse.Namespace(lr=0.1, output=pathlib.PurePosixPath("/tmp/a"), device=torch.device("cpu"))
    content = {"model": weights(7), "args": options, "at": [tmp_path, pathlib.PureWindowsPath("c:\\a")], "epoch": 3}
    assert value(tmp_path, content) == 7
    assert read_checkpoint(tmp_path / "a.pth")["epoch"] == 3


NEIGHBOURS: dict[str, Any] = {
    "times": [datetime.datetime(2024, 1, 2, 3, tzinfo=datetime.timezone.utc), datetime.date(2024, 1, 2),
              datetime.time(3), datetime.timedelta(4)],
    "zone": zoneinfo.ZoneInfo("UTC"),
    "ranges": [range(5), slice(1), bytearray(b"ab"), bytearray(), b"", b"ab"],
    "namespace": types.SimpleNamespace(lr=0.1, inner=types.SimpleNamespace(a=[1])),
    "default dicts": [defaultdict(kind, a=1) for kind in (float, int, str, bool, tuple, bytes, list, set, object)],
    "types": [float, int, str, range, datetime.datetime],
    "numbers": [decimal.Decimal("1.5"), fractions.Fraction(1, 3), uuid.UUID(int=5)],
    "generators": [np.random.RandomState(0), np.random.default_rng(0), np.random.get_state()],
    "torch's": [torch.__version__, torch.strided, torch.get_rng_state()],
    "arrays": [np.arange(6).reshape(2, 3), np.asfortranarray(np.ones((2, 3))), np.array(["a"]), np.float64(1)],
    "as a key": {datetime.date(2024, 1, 2): range(3), uuid.UUID(int=5): 1},
    "in a set": {datetime.date(2024, 1, 2), range(3)},
}  # fmt: skip


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize("kind", NEIGHBOURS)
def test_plain_values_of_python_beside_the_weights(tmp_path: Path, kind: str, protocol: int) -> None:
    content = {"made": NEIGHBOURS[kind], "model": weights(7), "epoch": 3}
    torch.save(content, tmp_path / "b.pth", pickle_protocol=protocol)
    assert set(read_state_dict(tmp_path / "b.pth")) == set(NAMES)
    assert read_checkpoint(tmp_path / "b.pth")["epoch"] == 3


def test_default_dicts_keep_what_is_in_them(tmp_path: Path) -> None:
    torch.save({"a": defaultdict(float, b=1.5), "state_dict": defaultdict(int, weights(7))}, tmp_path / "a.pth")
    assert read_checkpoint(tmp_path / "a.pth")["a"] == {"b": 1.5}
    assert set(read_state_dict(tmp_path / "a.pth")) == set(NAMES)


UNUSUAL = {
    "sparse": (lambda: torch.eye(2).to_sparse(), "as a sparse tensor"),
    "compressed sparse": (lambda: torch.eye(2).to_sparse_csr(), "as a sparse tensor"),
    "without values": (lambda: torch.ones(2, 2, device="meta"), "without values"),
    "float8": (lambda: torch.ones(2, 2).to(torch.float8_e4m3fn), "as float8_e4m3fn"),
    "unsigned": (lambda: torch.ones(2, 2, dtype=torch.uint16), "as uint16"),
    "quantised": (lambda: torch.quantize_per_tensor(torch.ones(2, 2), 0.5, 0, torch.qint8), "as int8"),
    "quantised by channel": (
        lambda: torch.quantize_per_channel(torch.ones(2, 2), torch.ones(2), torch.zeros(2), 0, torch.qint8), "as int8",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", UNUSUAL)
@pytest.mark.filterwarnings("ignore:.*")  # torch's about its own sparse and quantised tensors
def test_unusual_tensors_beside_the_weights_do_not_matter_and_as_weights_are_named(tmp_path: Path, kind: str) -> None:
    make, named = UNUSUAL[kind]
    try:
        unusual = make()
    except (AttributeError, TypeError):
        pytest.skip("this torch has no such tensors")
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    load_weights(net, read(tmp_path, {"state_dict": {**net.state_dict(), "mask": unusual}, "more": unusual}), "a")
    state = read(tmp_path, {"state_dict": {**net.state_dict(), "0.weight": unusual}})
    with pytest.raises(CheckpointError, match=rf"has 0\.weight {named}"):
        load_weights(net, state, "a")


def test_types_of_a_later_torch(tmp_path: Path) -> None:
    """As torch 2.1 and later write a tensor of a type that older ones lack."""
    raw = (
        b"}(S'state_dict'\n}S'a'\nctorch._utils\n_rebuild_tensor_v3\n((S'storage'\nctorch.storage\nUntypedStorage\n"
        b"S'0'\nS'cpu'\nI16\ntQI0\n(I16\nt(I1\ntI00\nNctorch\nfloat8_e99m9\ntRsu."
    )
    state = read_state_dict(write_archive(tmp_path / "a.pt", raw))
    assert state["a"].shape == (16,) and not state["a"].is_floating_point()


def test_large_tensors_without_memory_are_no_large_checkpoint(tmp_path: Path) -> None:
    net = nn.Linear(2, 2)
    huge = {"a": torch.ones(2**20, 2**20, device="meta"), "b": torch.sparse_coo_tensor(size=(2**20, 2**20))}
    load_weights(net, read(tmp_path, {**net.state_dict(), **huge}), "a")


@pytest.mark.parametrize(
    "name",
    ["mmcv.utils.config ConfigDict", "mmengine.config.config ConfigDict", "addict.addict Dict", "easydict EasyDict",
     "yacs.config CfgNode", "pytorch_lightning.utilities.parsing AttributeDict",
     "argparse Namespace", "pathlib WindowsPath", "pathlib PosixPath", "pathlib._local PosixPath",
     "pathlib._local PureWindowsPath", "pathlib Path"],
)  # fmt: skip
def test_configurations_beside_the_weights_are_left_out(tmp_path: Path, name: str) -> None:
    """As an object that is made, filled as a dict, and given attributes."""
    made = "c" + name.replace(" ", "\n") + "\n"
    raw = f"}}(S'cfg'\n{made}(S'a'\nt\x81(S'lr'\nI1\nu}}S'b'\nI2\nsbS'epoch'\nI3\nu."
    assert read_checkpoint(write_archive(tmp_path / "a.pt", raw.encode("latin1")))["epoch"] == 3


def test_parameters_with_attributes(tmp_path: Path) -> None:
    parameter = nn.Parameter(torch.full((2,), 7.0))
    parameter.tag = "mine"  # type: ignore[attr-defined]
    assert value(tmp_path, dict.fromkeys(NAMES, parameter)) == 7


@pytest.mark.parametrize(
    "raw",
    [
        b"c__builtin__\ngetattr\n(cargparse\nNamespace\nS'__subclasses__'\ntR(tR.",
        b"c__builtin__\ngetattr\n(ccollections\nOrderedDict\nS'fromkeys'\ntR.",
        b"c__builtin__\ngetattr\n(c__builtin__\ngetattr\nS'function'\ntR.",
        b"cargparse\nNamespace\n(N}S'__setstate__'\nNstb.",
        b"cargparse\nNamespace\n}S'a'\nI1\nsb.",
        b"cargparse\nNamespace.__class__\n(tR.",
        b"cargparse\nArgumentParser\n(tR.",
    ],
)
def test_what_is_left_out_opens_no_door(tmp_path: Path, raw: bytes) -> None:
    """Attributes are not given out, and what a pickle does to a left-out class is gone with its reader."""
    with pytest.raises(CheckpointError):
        read_state_dict(write_archive(tmp_path / "a.pt", raw))
    test_options_and_paths_beside_the_weights(tmp_path)


def test_left_out_objects_keep_nothing(tmp_path: Path) -> None:
    state = {"a": 5, "__class__": complex}
    path = write_archive(tmp_path / "a.pt", dumped([Calls(argparse.Namespace, 1, state=state)]))
    (found,) = read_checkpoint(path)
    assert not hasattr(found, "a") and found.__class__ is not complex


# --- a network


def test_the_golden_files_names_through_all_of_it(tmp_path: Path) -> None:
    """An averaged, compiled model of mmpose 1.x in DataParallel, saved by a training script of one's own."""
    shapes = json.loads((GOLDEN / "state_dict_shapes.json").read_text())
    state = {name: torch.zeros(shape) for name, shape in shapes.items()}
    theirs = {f"module._orig_mod.{name}": tensor for name, tensor in mmpose_1(state, "3").items()}
    buffer = io.BytesIO()
    torch.save({"net": {}, "ema": {"model": {**theirs, "n_averaged": torch.tensor(3)}}}, buffer)
    (tmp_path / "a.ckpt").write_bytes(buffer.getvalue())
    found = read_state_dict(tmp_path / "a.ckpt")
    assert {name: list(tensor.shape) for name, tensor in found.items()} == shapes
