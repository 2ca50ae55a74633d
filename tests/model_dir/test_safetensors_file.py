"""Files of safetensors: read whatever their names, in memory of their own, and never further than they reach."""

import importlib.util
import json
import logging
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save

from modelscope_handkp.errors import CheckpointError, HandkpError, MissingFileError, MissingPackageError
from modelscope_handkp.model_dir import checkpoint as module
from modelscope_handkp.model_dir.checkpoint import find_weights, read_checkpoint, read_state_dict
from modelscope_handkp.model_dir.safetensors_file import to_safetensors


@pytest.fixture()
def without_safetensors(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "safetensors" else find(name, *a))


def file_of(header: Any, memory: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + memory


def entry(dtype: str = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.pt", "epoch_3.pth", "weights"])
def test_content_decides_what_a_file_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(save({"module.a": torch.arange(3.0)}, metadata={"format": "pt"}))
    assert read_state_dict(tmp_path / name)["a"].tolist() == [0, 1, 2]


def test_a_torch_file_under_the_name_of_safetensors(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.ones(2)}}, tmp_path / "model.safetensors")
    assert read_state_dict(tmp_path / "model.safetensors")["a"].tolist() == [1, 1]


@pytest.mark.parametrize("beginning", [b"\x1f\x8b", b"\x08\x03\x12", b"\x80\x02", b"BZh"])
def test_a_header_as_long_as_another_format_begins(tmp_path: Path, beginning: bytes) -> None:
    header = json.dumps({"a": entry()}).encode()
    padded = header + b" " * (int.from_bytes(beginning, "little") - len(header))
    (tmp_path / "a.pt").write_bytes(content := file_of(padded, bytes(8)))
    assert content.startswith(beginning)
    assert read_state_dict(tmp_path / "a.pt")["a"].tolist() == [0, 0]


@pytest.mark.parametrize("dtype", ["F4", "F6_E2M3", "F8_E4M3", "F8_E5M2", "F8_E8M0", "U16", "U64", "I8"])
def test_rare_types_are_read_or_refused(tmp_path: Path, dtype: str) -> None:
    memory = 6 if dtype.startswith("F6") else 8
    bits = {"F4": 4, "F6_E2M3": 6, "U16": 16, "U64": 64}.get(dtype, 8)
    (tmp_path / "a.pt").write_bytes(
        file_of({"a": entry(dtype, shape=(memory * 8 // bits,), offsets=(0, memory))}, bytes(memory))
    )
    try:
        assert not read_state_dict(tmp_path / "a.pt")["a"].bool().any()
    except CheckpointError as error:
        assert str(tmp_path / "a.pt") in str(error)


def test_types_are_widened_as_those_of_torch_files(tmp_path: Path) -> None:
    state = {
        "half": torch.tensor([1.5, -2]).half(), "bf16": torch.tensor([1.5, -2]).bfloat16(),
        "double": torch.ones(2).double(), "single": torch.ones(2, 3), "none": torch.empty(0, 3),
        "long": torch.tensor(3), "bool": torch.tensor([True]),
    }  # fmt: skip
    (tmp_path / "a.safetensors").write_bytes(save(state))
    read, plain = read_state_dict(tmp_path / "a.safetensors"), read_checkpoint(tmp_path / "a.safetensors")
    for name, value in state.items():
        assert plain[name].dtype == value.dtype
        assert read[name].dtype == (torch.float32 if value.is_floating_point() else value.dtype)
        assert read[name].shape == value.shape and torch.equal(read[name], value.to(read[name].dtype))


def test_the_file_is_not_written_to_and_may_go(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content := save({"a": torch.zeros(10_000)}))
    read = read_state_dict(path)
    read["a"].add_(5)
    assert path.read_bytes() == content
    os.truncate(path, 0)  # mapped memory would end the process
    assert float(read["a"].sum()) == 50_000


LIES: dict[str, bytes] = {
    "more than the file": file_of({"a": entry(shape=(2**40,), offsets=(0, 2**42))}, b"\0" * 8),
    "shape beyond its memory": file_of({"a": entry(shape=(2**40,))}, b"\0" * 8),
    "shape that overflows": file_of({"a": entry(shape=(2**62, 2**62))}, b"\0" * 8),
    "offsets backwards": file_of({"a": entry(offsets=(8, 0))}, b"\0" * 8),
    "overlap": file_of({"a": entry(), "b": entry()}, b"\0" * 8),
    "a hole": file_of({"a": entry(), "b": entry(offsets=(16, 24))}, b"\0" * 24),
    "negative": file_of({"a": entry(shape=(-2,))}, b"\0" * 8),
    "unknown type": file_of({"a": entry("F33")}, b"\0" * 8),
    "appended": file_of({"a": entry()}, b"\0" * 9),
    "no JSON": file_of(b"{not json}"),
    "not an entry": file_of({"a": 5}),
    "deep": file_of(b'{"a":' * 50_000),
    "header beyond the file": struct.pack("<Q", 90_000_000) + b'{"a":',
    "header of an exabyte": struct.pack("<Q", 2**60) + b'{"a":',
}


@pytest.mark.parametrize("lie", LIES)
def test_headers_that_lie_are_refused(tmp_path: Path, lie: str) -> None:
    (tmp_path / "a.safetensors").write_bytes(LIES[lie])
    with pytest.raises(CheckpointError, match=r"a\.safetensors is refused"):
        read_state_dict(tmp_path / "a.safetensors")


def test_files_cut_off_are_called_that(tmp_path: Path) -> None:
    content = save({"a": torch.ones(100), "b": torch.ones(100)})
    for length in (9, 30, len(content) - 500, len(content) - 1):
        (tmp_path / "a.pt").write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=r"safetensors file that is broken or cut off.*download it again"):
            read_state_dict(tmp_path / "a.pt")


def test_no_tensors(tmp_path: Path) -> None:
    for header in (b"{}", b'{"__metadata__":{"format":"pt"}}'):
        (tmp_path / "a.safetensors").write_bytes(file_of(header))
        with pytest.raises(CheckpointError, match="holds no state dict with tensors"):
            read_state_dict(tmp_path / "a.safetensors")


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.safetensors"
    with path.open("wb") as file:  # sparse
        file.write(file_of({"a": entry(shape=(805306368,), offsets=(0, 3 * 2**30))}))
        file.truncate(3 * 2**30)
    with pytest.raises(CheckpointError, match=r"it takes 3221225472 bytes, more than 2147483648"):
        read_state_dict(path)
    path.write_bytes(save({"a": torch.ones(1000).half()}))
    monkeypatch.setattr(module, "MAX_CHECKPOINT_BYTES", 3000)  # the file fits, the widened tensors do not
    with pytest.raises(CheckpointError, match="more than 3000 bytes"):
        read_state_dict(path)


def test_flipped_bytes_raise_nothing_else(tmp_path: Path) -> None:
    content = save({"backbone.a": torch.ones(3), "b": torch.ones(2, 2).half()})
    rng, path = np.random.default_rng(0), tmp_path / "a.pt"
    for _ in range(200):
        broken = bytearray(content[: rng.integers(1, len(content) + 1)] if rng.random() < 0.3 else content)
        for _ in range(rng.integers(0, 6)):
            broken[rng.integers(len(broken))] = rng.integers(256)
        path.write_bytes(broken)
        try:
            read_state_dict(path)
        except HandkpError as error:
            assert str(path) in str(error)


def test_what_is_written_is_read_and_says_that_it_is_pytorchs(tmp_path: Path) -> None:
    """Also tensors that share memory or are strided, which the library itself refuses."""
    base = torch.arange(24.0).reshape(1, 2, 3, 4)
    state = {"a": base, "same": base, "row": base[0, 0, 1], "t": base.permute(0, 3, 1, 2), "n": torch.tensor(3)}
    state["last"] = base.to(memory_format=torch.channels_last)
    (tmp_path / "a.safetensors").write_bytes(content := to_safetensors(state))
    read = read_state_dict(tmp_path / "a.safetensors")
    assert set(read) == set(state) and all(torch.equal(read[name], value) for name, value in state.items())
    assert b'"format":"pt"' in content  # without it Transformers refuses a file


def test_reading_without_the_package(tmp_path: Path, without_safetensors: None) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(save({"a": torch.ones(1)}))
    with pytest.raises(MissingPackageError, match=r"a\.safetensors cannot be read: .*pip install safetensors"):
        read_state_dict(path)
    with pytest.raises(MissingPackageError, match="pip install safetensors"):
        to_safetensors({"a": torch.ones(1)})


# --- which file of a model directory


def test_the_order_of_a_model_directorys_files(tmp_path: Path) -> None:
    for name in ("pytorch_model.bin", "pytorch_model.pt", "model.safetensors"):
        (tmp_path / name).touch()
        assert find_weights(tmp_path) == find_weights(str(tmp_path)) == tmp_path / name


def test_without_the_package_the_other_file_is_read(
    tmp_path: Path, without_safetensors: None, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "model.safetensors").touch()
    assert find_weights(tmp_path).name == "model.safetensors"
    (tmp_path / "pytorch_model.bin").touch()
    with caplog.at_level(logging.WARNING):
        assert find_weights(tmp_path).name == "pytorch_model.bin"
    assert "pytorch_model.bin is read in place of model.safetensors: safetensors is not installed" in caplog.text


def test_weights_under_another_name_are_pointed_at(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no model\.safetensors, pytorch_model\.pt or pytorch_model\.bin\.$"):
        find_weights(tmp_path)
    (tmp_path / "hrnetv2_w18.pth").touch()
    with pytest.raises(MissingFileError, match=r"rename hrnetv2_w18\.pth if these are the weights"):
        find_weights(tmp_path)
