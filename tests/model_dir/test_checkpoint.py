"""Checkpoints: ordinary ones load, hostile ones are refused before anything runs."""

import builtins
import collections
import functools
import logging
import operator
import os
import resource
import struct
import subprocess
import tarfile
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pickles import Calls, dumped, tensor, write_archive, write_legacy
from torch import nn

from modelscope_handkp.errors import CheckpointError, MissingFileError
from modelscope_handkp.model_dir import checkpoint as module
from modelscope_handkp.model_dir.checkpoint import load_weights, read_checkpoint, read_state_dict

FORMATS = {"archive": True, "legacy": False}


def save(content: Any, path: Path, kind: str = "archive") -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=FORMATS[kind])
    return path


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


# --- ordinary checkpoints


@pytest.mark.parametrize("kind", FORMATS)
def test_easycvs_checkpoints_load(tmp_path: Path, kind: str) -> None:
    """With meta, optimizer state, numpy scalars and arrays, as mmcv writes them."""
    net = network()
    content = {
        "meta": {"epoch": 210, "lr": np.float64(5e-4), "hist": np.asfortranarray(np.arange(6).reshape(2, 3)),
                 "CLASSES": ("hand",), "when": np.str_("now"), "bytes": b"\xff\0", "kind": np.array(["a", "bc"])},
        "state_dict": net.state_dict(),
        "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 5e-4, "params": [0]}]},
        "lr_scheduler": {"milestones": collections.Counter([170, 200]), "gamma": 0.1},
        "more": [torch.Size([1]), torch.float16, torch.device("cpu"), {1}, slice(2), 1j, collections.deque([1])],
    }  # fmt: skip
    path = save(content, tmp_path / "a.pth", kind)
    read = read_checkpoint(path)
    assert read["meta"]["lr"] == 5e-4
    np.testing.assert_array_equal(read["meta"]["hist"], content["meta"]["hist"])
    np.testing.assert_array_equal(read["meta"]["kind"], ["a", "bc"])
    assert {key: read["meta"][key] for key in ("epoch", "CLASSES", "bytes")} == {
        "epoch": 210, "CLASSES": ("hand",), "bytes": b"\xff\0"
    }  # fmt: skip
    assert all(read[key] == content[key] for key in ("more", "optimizer", "lr_scheduler"))
    state = read_state_dict(path)
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())


@pytest.mark.slow  # what torch's optimizers import
@pytest.mark.parametrize("kind", FORMATS)
def test_optimizers_and_schedulers_go_on(tmp_path: Path, kind: str) -> None:
    net = network()
    optimizer = torch.optim.Adam(net.parameters(), lr=float(np.float64(5e-4)))
    net(torch.ones(1, 3, 5, 5)).sum().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [170, 200])
    content = {"optimizer": optimizer.state_dict(), "lr_scheduler": scheduler.state_dict()}
    read = read_checkpoint(save(content, tmp_path / "a.pth", kind))
    optimizer.load_state_dict(read["optimizer"])
    scheduler.load_state_dict(read["lr_scheduler"])
    moments = [state["exp_avg"] for state in read["optimizer"]["state"].values()]
    assert moments and all(map(torch.equal, moments, (state["exp_avg"] for state in optimizer.state.values())))


@pytest.mark.parametrize("kind", FORMATS)
def test_views_strides_and_types(tmp_path: Path, kind: str) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    content = {
        "base": base, "row": base[1], "t": base.t(), "half": torch.ones(2).half(), "bf16": torch.ones(2).bfloat16(),
        "double": torch.ones(2).double(), "long": torch.arange(3), "bool": torch.tensor([True]),
        "none": torch.empty(0, 3), "scalar": torch.tensor(2.5), "parameter": nn.Parameter(torch.ones(1)),
    }  # fmt: skip
    read = read_checkpoint(save(content, tmp_path / "a.pt", kind))
    for name, value in content.items():
        assert read[name].dtype == value.dtype
        assert torch.equal(read[name], value.detach())
    read["base"][1, 0] = 99
    assert read["row"][0] == 99  # one memory, as it was
    widened = read_state_dict(tmp_path / "a.pt")
    assert {widened[name].dtype for name in ("half", "bf16", "double", "base")} == {torch.float32}
    assert widened["long"].dtype == torch.int64


def test_plain_state_dicts_and_data_parallel(tmp_path: Path) -> None:
    state = {"module.a": torch.ones(1), "module.b": torch.ones(2)}
    assert set(read_state_dict(save(state, tmp_path / "a.pt"))) == {"a", "b"}
    assert set(read_state_dict(save({"state_dict": {**state, "c": state["module.a"]}}, tmp_path / "b.pt"))) == {
        "module.a", "module.b", "c"
    }  # fmt: skip


# --- weights into a network


def test_weights_that_do_not_fit_are_named_and_nothing_changes(caplog: pytest.LogCaptureFixture) -> None:
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = {name: value + 1 for name, value in before.items()}
    del state["0.bias"], state["1.num_batches_tracked"]
    state["0.weight"] = torch.ones(4, 3, 1, 1)
    state["1.weight"][0] = float("nan")
    with pytest.raises(CheckpointError, match=r"file\.pt") as caught:
        load_weights(net, state, "file.pt")
    for named in ("lacks 0.bias", "0.weight (4, 3, 1, 1) instead of (4, 3, 3, 3)", "1.weight with NaN"):
        assert named in str(caught.value)
    assert "num_batches" not in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    many = nn.ModuleList(nn.Linear(1, 1) for _ in range(50))
    with pytest.raises(CheckpointError, match="and 95 more"):
        load_weights(many, {}, "x")


def test_weights_that_fit_are_loaded_and_extra_ones_said(caplog: pytest.LogCaptureFixture) -> None:
    net = network()
    state = {name: value + 1 for name, value in net.state_dict().items()}
    with caplog.at_level(logging.WARNING):
        load_weights(net, {**state, "spare": torch.ones(1)}, "file.pt")
    assert "spare" in caplog.text
    assert torch.equal(net[0].weight, state["0.weight"])


# --- hostile pickles

MARK = "touched"  # what a call that gets through would leave behind


def _touch(mark: str) -> dict[str, Any]:
    """Contents whose pickles run something."""
    command = f"touch {mark}"
    code = f"open({mark!r}, 'w')"
    return {
        "os.system": Calls(os.system, command),
        "eval": Calls(builtins.eval, code),
        "exec": Calls(builtins.exec, code),
        "open": Calls(builtins.open, mark, "w"),
        "subprocess": Calls(subprocess.call, ["touch", mark]),
        "getattr": Calls(getattr, "", "upper"),
        "partial": Calls(functools.partial, os.system, command),
        "attrgetter": Calls(operator.attrgetter, "system"),
        "methodcaller": Calls(operator.methodcaller, "system", command),
        "import": Calls(builtins.__import__, "os"),
        "torch.hub": Calls(torch.hub.load, "a/b", "c"),
        "torch.load": Calls(torch.load, mark),
        "torch.save": Calls(torch.save, {}, mark),
        "from_file": Calls(torch.from_file, mark, True, 4),
        "np.fromfile": Calls(np.fromfile, mark),
        "np.load": Calls(np.load, mark),
        "numpy testing": Calls(np.testing.measure, code),
        "map": Calls(map, os.system, [command]),
        "type": Calls(type, "x", (), {}),
        "print": Calls(print, "x"),
        "module": nn.Linear(1, 1),
        "rebuild_from_type": Calls(torch._tensor._rebuild_from_type_v2, os.system, str, (command,), {}),
        "parameter class": Calls(nn.Parameter, torch.ones(1)),
        "object array": Calls(np.array, [Calls(os.system, command)], object),
        "encode": Calls(__import__("_codecs").encode, "a", "rot13"),
    }


PLACES = {
    "alone": lambda evil: evil,
    "in the state": lambda evil: {"state_dict": {"a": torch.ones(1), "b": evil}},
    "in the optimizer": lambda evil: {
        "state_dict": {"a": torch.ones(1)},
        "optimizer": {"state": {0: [{"step": evil}]}},
    },
    "as a key": lambda evil: {"state_dict": {"a": torch.ones(1)}, (1, evil): 2},
    "as a state": lambda evil: Calls(OrderedDict, state=evil),
}


def refused(path: Path, match: str | None = None) -> str:
    with pytest.raises(CheckpointError, match=match) as caught:
        read_state_dict(path)
    assert str(caught.value).count(str(path)) == 1
    return str(caught.value)


@pytest.mark.parametrize("kind", _touch("x"))
@pytest.mark.parametrize("container", FORMATS)
def test_a_pickle_that_calls_anything_is_refused(tmp_path: Path, kind: str, container: str) -> None:
    mark = tmp_path / MARK
    for place in PLACES.values():
        save(place(_touch(str(mark))[kind]), tmp_path / "a.pt", container)
        message = refused(tmp_path / "a.pt")
        assert "is refused: its pickle" in message
        assert not mark.exists()


RAW = {  # pickles by hand: what no pickler writes
    "os.system": b"cos\nsystem\n(S'touch MARK'\ntR.",
    "posix": b"cposix\nsystem\n(S'touch MARK'\ntR.",
    "instance": b"(S'touch MARK'\nios\nsystem\n.",
    "object": b"(cos\nsystem\nS'touch MARK'\no.",
    "dotted": b"\x80\x04\x8c\x05torch\x8c\x09os.system\x93\x8c\nxtouch MARK\x85R.",
    "extension": b"\x82\x01.",
    "builtin of python 2": b"c__builtin__\neval\n(S'1'\ntR.",
    "storage called": b"ctorch\nFloatStorage\n(I10\ntR.",
    "ndarray called": b"cnumpy\nndarray\n(I4\ntR.",
    "attribute of OrderedDict": b"ccollections\nOrderedDict\n(N}S'items'\nNstb.",
    "attribute of dict": b"cbuiltins\ndict\n(N}S'get'\nNstb.",
    "attribute of a function": b"ctorch._utils\n_rebuild_tensor_v2\n(N}S'__code__'\nNstb.",
    "attribute of a dtype": b"ctorch\nfloat32\n}S'a'\nI1\nsb.",
    "attribute of Size": b"ctorch\nSize\n(N}S'numel'\nNstb.",
    "no storage": b"ctorch._utils\n_rebuild_tensor_v2\n(NI0\n(I1\ntt(I1\nttR.",
    "unknown storage": b"(S'storage'\nctorch\nFloatStorage\nS'7'\nS'cpu'\nI4\ntQ.",
    "type of another size": b"ctorch._utils\n_rebuild_tensor_v3\n((S'storage'\nctorch.storage\nUntypedStorage\nS'0'\n"
    b"S'cpu'\nI16\ntQI0\n(I100\nt(I1\ntI00\nNctorch\nfloat32\ntR.",
    "a range of exabytes": b"cbuiltins\nset\n(c__builtin__\nxrange\n(I1000000000000000000\ntRtR.",
    "a byte array of exabytes": b"c__builtin__\nbytearray\n(I1000000000000000\ntR.",
    "path as storage": b"(S'storage'\nctorch\nFloatStorage\nS'../data.pkl'\nS'cpu'\nI4\ntQ.",
    "no end": b"}",
    "empty": b"",
    "garbage": b"\xff\xfe\x00",
    "a lie about a length": b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"x.",
    "a memo of gigabytes": b"\x80\x02}r" + struct.pack("<I", 300_000_000) + b".",
    "a memo of more": b"\x80\x02}r" + struct.pack("<I", 2**32 - 2) + b".",
    "a lie about a byte array": b"\x80\x05\x96" + struct.pack("<Q", 6 * 2**30) + b"x.",
    "a frame of exabytes": b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"}.",
    "a long number": b"\x8b" + struct.pack("<i", -5) + b".",
    "recursive": b"}q\x00S'state_dict'\nh\x00s.",
}


@pytest.mark.parametrize("kind", RAW)
@pytest.mark.parametrize("write", [write_archive, write_legacy], ids=["archive", "legacy"])
def test_pickles_written_by_hand(tmp_path: Path, kind: str, write: Any) -> None:
    mark, before = tmp_path / MARK, (dict(vars(OrderedDict)), dict(vars(dict)))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(write(tmp_path / "a.pt", RAW[kind].replace(b"MARK", str(mark).encode())))
    assert not mark.exists()
    assert (dict(vars(OrderedDict)), dict(vars(dict))) == before
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most < 1024**2  # kilobytes


def test_attributes_that_hide_a_dicts_methods_do_not_matter(tmp_path: Path) -> None:
    state = Calls(OrderedDict, [("a", tensor(4))], state={"items": 5, "get": 5, "keys": 5})
    path = write_archive(tmp_path / "a.pt", dumped(Calls(OrderedDict, [("state_dict", state)], state={"get": 5})))
    assert set(read_state_dict(path)) == {"a"}


def test_a_later_checkpoint_is_read_as_before(tmp_path: Path) -> None:
    """Setting attributes of what a pickle may call changes that pickle's own face of it only."""
    plain = write_archive(tmp_path / "b.pt", b"c_codecs\nencode\n(Vhand\ntR.")  # as protocol 2 writes bytes
    before = read_checkpoint(plain)
    for name in (b"function", b"__defaults__"):
        spoil = b"c_codecs\nencode\n(N}S'" + name + b"'\nNstb."
        with pytest.raises(CheckpointError):
            read_state_dict(write_archive(tmp_path / "a.pt", spoil))
    assert read_checkpoint(plain) == before == b"hand"
    assert torch.equal(read_state_dict(save({"a": torch.ones(2)}, tmp_path / "c.pt"))["a"], torch.ones(2))


POINTERS = b"\x41" * 8
DTYPE_CODES = ["O8", "V8", "O", [("a", "O")], "i8,O", "M8", "(2,)i8"]


@pytest.mark.parametrize("code", DTYPE_CODES, ids=str)
def test_numpy_values_of_objects_are_refused(tmp_path: Path, code: Any) -> None:
    dtype = Calls(np.dtype, code, False, True, state=(3, "|", None, None, None, -1, -1, 0))
    scalar = Calls(np.core.multiarray.scalar if hasattr(np, "core") else np._core.multiarray.scalar, dtype, POINTERS)
    refused(write_archive(tmp_path / "a.pt", dumped({"a": tensor(4), "b": scalar})), "numpy|subarray|TypeError")


def test_numpy_arrays_of_protocol_5(tmp_path: Path) -> None:
    for array in (np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3))):
        torch.save({"a": array}, tmp_path / "a.pt", pickle_protocol=5)
        np.testing.assert_array_equal(read_checkpoint(tmp_path / "a.pt")["a"], array)


def test_numpy_arrays_cannot_lie_about_their_type(tmp_path: Path) -> None:
    rebuild, _, _ = np.zeros(1).__reduce__()
    for dtype, memory in ((np.dtype("f8"), b"1234"), (None, POINTERS), (np.dtype("f8"), [1])):
        array = Calls(rebuild, np.ndarray, (0,), b"b", state=(1, (1,), dtype, False, memory))
        refused(write_archive(tmp_path / "a.pt", dumped({"a": tensor(4), "b": array})))


# --- hostile containers and sizes


@pytest.mark.parametrize(
    "lie",
    [
        tensor(10**8, size=(10**8,)),
        tensor(4, size=(10**8,)),
        tensor(4, offset=1),
        tensor(4, offset=-1),
        tensor(4, stride=(-1,)),
        tensor(4, size=(-4,)),
        tensor(4, size=(2**62, 4)),
        tensor(10**15, size=(1,), offset=10**14),
    ],
    ids=range(8),
)
@pytest.mark.parametrize("write", [write_archive, write_legacy], ids=["archive", "legacy"])
def test_tensors_reach_no_further_than_their_storage(tmp_path: Path, lie: Any, write: Any) -> None:
    refused(write(tmp_path / "a.pt", dumped({"a": lie})))


def test_tensors_larger_than_their_memory_are_bounded(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "a.pt", dumped({"a": tensor(4, size=(2**40,), stride=(0,))}))
    refused(path, "more than")


@pytest.mark.parametrize("memory", [b"", (5).to_bytes(8, "little") + b"\0" * 20, (4).to_bytes(8, "little") + b"\0" * 3])
def test_legacy_memory_that_is_not_as_said(tmp_path: Path, memory: bytes) -> None:
    refused(write_legacy(tmp_path / "a.pt", dumped({"a": tensor(4)}), memory=memory))


def test_legacy_keys_that_are_not_there(tmp_path: Path) -> None:
    refused(write_legacy(tmp_path / "a.pt", dumped({"a": tensor(4)}), keys=["1"]))


def test_zip_bombs_are_refused_by_the_size_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CHECKPOINT_BYTES", 10**6)
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", dumped({"a": tensor(4)}))
        archive.writestr("archive/data/0", b"\0" * 2 * 10**6)
    assert path.stat().st_size < 10**5
    refused(path, "2000")


def test_files_over_the_limit_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save({"a": torch.ones(1000)}, tmp_path / "a.pt")
    monkeypatch.setattr(module, "MAX_CHECKPOINT_BYTES", 1000)
    refused(path, "more than 1000")
    refused(write_legacy(tmp_path / "b.pt", dumped({"a": tensor(10**6, size=(1,))})), "4000000")


@pytest.mark.slow  # what torch.jit imports; test_foreign.py has the names of such an archive
def test_torchscript_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's about its own
        torch.jit.trace(nn.Linear(1, 1), torch.ones(1, 1)).save(str(path))
    refused(path, r"TorchScript.*state_dict\(\)")


def test_big_endian_and_tar_are_refused(tmp_path: Path) -> None:
    refused(write_archive(tmp_path / "a.pt", dumped({"a": tensor(4)}), byteorder=b"big"), "big-endian")
    with tarfile.open(tmp_path / "b.pt", "w") as tar:  # torch's oldest format; torch.load would unpack it
        link = tarfile.TarInfo("storages")
        link.type = tarfile.FIFOTYPE
        tar.addfile(link)
    refused(tmp_path / "b.pt")


@pytest.mark.parametrize("kind", FORMATS)
def test_truncated_files_are_refused(tmp_path: Path, kind: str) -> None:
    content = save({"a": torch.ones(100), "b": {"c": 1}}, tmp_path / "a.pt", kind).read_bytes()
    for length in [*range(0, len(content), 211), len(content) - 1]:
        (tmp_path / "b.pt").write_bytes(content[:length])
        refused(tmp_path / "b.pt")


@pytest.mark.parametrize("kind", FORMATS)
def test_flipped_bytes_raise_nothing_else(tmp_path: Path, kind: str) -> None:
    content = save({"state_dict": {"a": torch.ones(3)}, "meta": np.float64(1)}, tmp_path / "a.pt", kind).read_bytes()
    rng, path = np.random.default_rng(0), tmp_path / "b.pt"
    for _ in range(150):
        broken = bytearray(content)
        for _ in range(rng.integers(1, 6)):
            broken[rng.integers(len(broken))] = rng.integers(256)
        path.write_bytes(broken)
        try:
            read_state_dict(path)
        except CheckpointError as error:
            assert str(path) in str(error)


@pytest.mark.parametrize(
    "content", [[torch.ones(1)], 5, {"a": 1}, {"state_dict": [1]}, {"state_dict": {1: torch.ones(1)}}]
)
def test_no_tensors_to_find(tmp_path: Path, content: Any) -> None:
    refused(save(content, tmp_path / "a.pt"), "holds no")


def test_missing_and_text_files(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.pt", tmp_path, tmp_path / ("x" * 5000)):
        with pytest.raises(MissingFileError, match=str(path)[:60]):
            read_state_dict(path)
    for text in ("", "hello", "<html>not here</html>", "version https://git-lfs.github.com/spec/v1\n"):
        (tmp_path / "a.pt").write_text(text)
        refused(tmp_path / "a.pt")
