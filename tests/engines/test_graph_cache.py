"""Networks that were exported once are kept, and made anew when the file is not what it should be."""

import logging
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from modelscope_handkp.engines import build_engine, graph_cache
from modelscope_handkp.engines.graph_cache import cache_dir
from modelscope_handkp.errors import CheckpointError

pytest.importorskip("onnx", reason="ONNX files need the extra onnx")
pytest.importorskip("onnxruntime", reason="the engine onnxruntime needs the extra onnx")
CPU, SIZE = torch.device("cpu"), (16, 16)
IMAGES = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "modelscope_handkp"


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with every export."""
    made: list[int] = []
    export = graph_cache.export_onnx

    def counted(*arguments: Any) -> bytes:
        made.append(len(made))
        return export(*arguments)

    monkeypatch.setattr(graph_cache, "export_onnx", counted)
    return made


def network(seed: int = 0, width: int = 4) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, 2, 1)).eval()


def outputs(net: nn.Module, size: Any = SIZE) -> np.ndarray:
    return np.asarray(build_engine("onnxruntime", net, CPU, size=size)(IMAGES)[0])


def expected(net: nn.Module) -> np.ndarray:
    with torch.no_grad():
        return net(IMAGES).numpy()


def only_file(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


def test_a_network_is_exported_once(folder: Path, exports: list[int], caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        np.testing.assert_allclose(outputs(network()), expected(network()), atol=1e-5)
    assert len(exports) == 1
    assert only_file(folder).suffix == ".onnx"
    assert not caplog.records


@pytest.mark.parametrize(
    "other",
    [
        lambda patch: (network(1), SIZE),
        lambda patch: (network(0, 5), SIZE),
        lambda patch: (network(), (16, 24)),
        lambda patch: (network(), None),
        lambda patch: (patch.setattr(torch, "__version__", "9.9"), (network(), SIZE))[1],
    ],
)
def test_other_weights_layers_sizes_and_versions_have_files_of_their_own(
    folder: Path, exports: list[int], other: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs(network())
    net, size = other(monkeypatch)
    build_engine("onnxruntime", net, CPU, size=size)
    assert len(exports) == len(list(folder.iterdir())) == 2


def damaged(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[60:90] = bytes(30)
    file.write_bytes(content)


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def of_another_network(file: Path) -> None:
    file.write_bytes(graph_cache.export_onnx(network(7), SIZE))


def of_other_outputs(file: Path) -> None:
    file.write_bytes(graph_cache.export_onnx(nn.Conv2d(3, 5, 3), SIZE))


def of_another_input(file: Path) -> None:
    file.write_bytes(graph_cache.export_onnx(nn.Conv2d(3, 2, 7, stride=9), (300, 300)))


def hostile(file: Path) -> None:
    import onnx

    big = onnx.numpy_helper.from_array(np.array([3 << 28]), "shape")
    given = [onnx.helper.make_tensor_value_info("images", 1, ["n", 3, 16, 16])]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("ConstantOfShape", ["shape"], ["out"])],
        "graph",
        given,
        [onnx.helper.make_tensor_value_info("out", 1, None)],
        [big],
    )
    onnx.save(onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)]), file)


@pytest.mark.parametrize(
    "harm", [damaged, truncated, empty, of_another_network, of_other_outputs, of_another_input, hostile]
)
def test_a_file_that_is_not_the_network_is_made_anew(
    folder: Path, exports: list[int], harm: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    outputs(network())
    file = only_file(folder)
    whole = file.read_bytes()
    harm(file)
    exports.clear()
    np.testing.assert_allclose(outputs(network()), expected(network()), atol=1e-5)
    assert len(exports) == 1
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"the cached network {file} is made anew: " in record.getMessage()
    assert file.read_bytes() == whole
    exports.clear()
    outputs(network())
    assert not exports


def test_a_link_or_folder_in_its_place_is_no_error(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    outputs(network())
    file = only_file(folder)
    file.unlink()
    file.mkdir()
    np.testing.assert_allclose(outputs(network()), expected(network()), atol=1e-5)
    assert "is not cached" in caplog.text


@pytest.mark.parametrize("place", ["/dev/null", "/proc/nothing", "x" * 300])
def test_without_a_folder_to_write_to_nothing_is_cached(
    place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", place)
    np.testing.assert_allclose(outputs(network()), expected(network()), atol=1e-5)
    assert "the exported network is not cached: " in caplog.text
    assert not list(tmp_path.iterdir())


def test_the_folder_is_the_users_own_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    for unset in (lambda: monkeypatch.delenv("XDG_CACHE_HOME"), lambda: monkeypatch.setenv("XDG_CACHE_HOME", "")):
        unset()
        assert cache_dir() == Path("/home/someone/.cache/modelscope_handkp")
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert cache_dir() == Path("/elsewhere/modelscope_handkp")


def test_the_cache_is_bounded_and_the_oldest_go_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs(network())
    size = only_file(folder).stat().st_size
    monkeypatch.setattr(graph_cache, "MAX_CACHE_BYTES", int(3.5 * size))
    first, oldest, partial = only_file(folder), folder / "oldest.onnx", folder / ".killed.onnx.7.partial"
    for file, age in ((oldest, 300), (partial, 200)):
        file.write_bytes(bytes(size))
        os.utime(file, (1e9 - age, 1e9 - age))
    os.utime(first, (1e9 - 400, 1e9 - 400))
    outputs(network())  # used, and so the newest
    outputs(network(1))
    assert not oldest.exists()
    assert first.exists() and partial.exists()
    outputs(network(2))
    assert not partial.exists()
    assert len(list(folder.iterdir())) == 3
    assert first.exists()


def test_a_network_that_gives_no_numbers_is_refused(folder: Path) -> None:
    """Also where only one of several outputs does."""

    class Second(nn.Module):
        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return images + 1, (images - 9).sqrt()

    with pytest.raises(CheckpointError, match="differs from its network by nan"):
        build_engine("onnxruntime", Second(), CPU, size=SIZE)
    assert not folder.exists()


def test_a_network_that_cannot_be_exported_is_named(folder: Path) -> None:
    class Odd(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.special.bessel_j0(images)

    with pytest.raises(CheckpointError, match="torch cannot export the network: "):
        build_engine("onnxruntime", Odd(), CPU, size=SIZE)


def test_a_network_in_half_precision_is_run_in_float32(folder: Path) -> None:
    kept = network().half()
    np.testing.assert_allclose(outputs(kept), expected(network()), atol=1e-3)
    assert next(kept.parameters()).dtype == torch.float16


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.slow  # two processes
def test_processes_and_threads_that_build_at_once_leave_one_whole_file(folder: Path) -> None:
    torch.set_num_threads(1)
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    children = [context.Process(target=build_in_process, args=(str(folder.parent), results)) for _ in range(2)]
    for child in children:
        child.start()
    with ThreadPoolExecutor(2) as pool:
        here = list(pool.map(outputs, [network(), network()]))  # built here: a seed is set for all threads
    for child in children:
        child.join(120)
    assert [child.exitcode for child in children] == [0, 0]
    for found in [*here, results.get(), results.get()]:
        np.testing.assert_allclose(found, expected(network()), atol=1e-5)
    assert only_file(folder).suffix == ".onnx"


def build_in_process(home: str, results: Any) -> None:
    os.environ["XDG_CACHE_HOME"] = home
    torch.set_num_threads(1)
    results.put(outputs(network()))
