"""Configurations: parsed, never executed, bounded."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import GOLDEN

from modelscope_handkp.errors import ConfigError, MissingFileError
from modelscope_handkp.model_dir import config as module
from modelscope_handkp.model_dir.config import (
    block,
    check_weights,
    read_configuration,
    read_python_config,
    require,
    require_number,
)

DETECTOR = GOLDEN / "hosted" / "detection" / "config.py"


def written(folder: Path, text: str | bytes, name: str = "configuration.json") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_tuples_and_lists_read_alike(tmp_path: Path) -> None:
    hosted = read_configuration(GOLDEN / "hosted")
    written(tmp_path, json.dumps(hosted))
    assert read_configuration(tmp_path) == hosted
    assert require(hosted, "model.backbone.extra.stage3.num_channels") == [18, 36, 72]
    assert '"__class__"' not in json.dumps(hosted)
    assert module.plain({"a": ({"__class__": "tuple", "__value__": [(1, 2)]},)}) == {"a": [[[1, 2]]]}


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "is empty: download it again"),
        (b"hello", "JSON"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer.*git lfs pull"),
        (b"<!DOCTYPE html><html>", "HTML page"),
        (b"\x89PNG\r\n", "PNG image: restore the model's own file"),
        ('{"a": 1}'.encode("utf-16-le"), "UTF-16 text.*save it as UTF-8"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b"{", "JSON"),
        (b"[1, 2]", "list"),
        (b"null", "NoneType"),
        (b'{"__class__": "tuple", "__value__": [1]}', "list"),
        (b"\xff\xfe{}", "UTF-8"),
        (b"[" * 200_000, "JSON"),
        (b'{"a": ' * 20_000 + b"1" + b"}" * 20_000, "JSON"),
        (b" " * (4 * 1024**2 + 1), "larger"),
    ],
    ids=range(15),
)
def test_bad_configurations_are_refused_once(tmp_path: Path, content: bytes, named: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(ConfigError, match=named) as caught:
        read_configuration(tmp_path)
    assert str(caught.value).count(str(path)) == 1


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    written(tmp_path, b'\xef\xbb\xbf{"a": 1}')
    assert read_configuration(tmp_path) == {"a": 1}


@pytest.mark.parametrize("name", ["nothing", "x" * 5000])
def test_missing_files_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(MissingFileError, match=name[:20]):
        read_configuration(tmp_path / name)
    with pytest.raises(MissingFileError, match=name[:20]):
        read_python_config(tmp_path / name)


def test_the_hosted_detector_reads_as_if_it_were_run() -> None:
    names: dict[str, Any] = {}
    exec(DETECTOR.read_text(), names)
    expected = {name: module.plain(value) for name, value in names.items() if not name.startswith("__")}
    assert read_python_config(DETECTOR) == expected


def test_a_page_in_place_of_a_python_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.py is an HTML page"):
        read_python_config(written(tmp_path, "<html>", "config.py"))


def test_what_a_python_configuration_may_say(tmp_path: Path) -> None:
    text = '"""Words."""\na = -1\nb = (1, +2.5, None, True, "x")\n'
    text += 'c = dict(a=a, **dict(b=b))\nd = {"c": c, **c, 1: [a]}\na = 2\n'
    values = read_python_config(written(tmp_path, text))
    listed = [1, 2.5, None, True, "x"]
    assert values == {
        "a": 2,
        "b": listed,
        "c": {"a": -1, "b": listed},
        "d": {"c": {"a": -1, "b": listed}, "a": -1, "b": listed, 1: [-1]},
    }


REFUSED = {
    "import": "import os",
    "from": "from os import system",
    "call": "x = print(1)",
    "system": "x = __import__('os').system('touch {mark}')",
    "open": "x = open({mark!r}, 'w')",
    "method": "x = 'a'.upper()",
    "attribute": "x = ().__class__",
    "comprehension": "x = [i for i in (1, 2)]",
    "dict comprehension": "x = {i: i for i in (1, 2)}",
    "generator": "x = dict(a=(i for i in (1,)))",
    "f-string": "x = f'{1}'",
    "walrus": "x = [(y := 1)]",
    "lambda": "x = lambda: 1",
    "conditional": "x = 1 if True else 2",
    "arithmetic": "x = 9 ** 9 ** 9",
    "multiplied": "x = [0] * 10 ** 9",
    "minus a list": "x = -[1]",
    "subscript": "x = (1, 2)[0]",
    "starred": "x = [*(1, 2)]",
    "set": "x = {1, 2}",
    "unknown name": "x = y",
    "own name": "x = [x]",
    "dict of pairs": "x = dict([(1, 2)])",
    "spread list": "a = [1]\nx = dict(**a)",
    "list as key": "x = {(1,): 2}",
    "unpacking": "x, y = 1, 2",
    "two names": "x = y = 1",
    "annotated": "x: int = 1",
    "augmented": "x = 1\nx += 1",
    "attribute target": "a = dict()\na.b = 1",
    "del": "x = 1\ndel x",
    "def": "def x(): pass",
    "class": "class x: pass",
    "if": "if True: x = 1",
    "with": "with open('a') as f: x = 1",
    "assert": "assert True",
    "bare call": "dict()",
    "decorated": "@print\ndef x(): pass",
    "await": "async def f(): await 1",
    "not python": "x = = 1",
    "null": "x = '\0'",
    "not text": b"x = '\xff'",
    "huge integer": "x = " + "9" * 10_000,
    "deep list": "x = " + "[" * 90 + "1" + "]" * 90,
    "deep dict": "x = " + "dict(a=" * 80 + "1" + ")" * 80,
    "deeper than Python": "x = " + "[" * 2000 + "]" * 2000,
    "signs": "x = " + "-" * 30_000 + "1",
    "chain": "x = a" + ".a" * 30_000,
    "sum": "x = " + "1+" * 30_000 + "1",
    "deep through names": "a = [1]\n" + "a = [a]\n" * 100,
    "doubling": "a = [1, 1]\n" + "a = [a, a]\n" * 50,
    "doubling dicts": "a = dict(a=1)\n" + "a = dict(a=a, b=a)\n" * 50,
    "too large": "x = [" + "1," * 40_000 + "]",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_python_configuration_that_does_more_is_refused(tmp_path: Path, kind: str) -> None:
    mark, text = tmp_path / "mark", REFUSED[kind]
    if isinstance(text, str) and "{mark" in text:
        text = text.format(mark=str(mark))
    path = written(tmp_path, text, "config.py")
    with pytest.raises(ConfigError) as caught:
        read_python_config(path)
    assert str(caught.value).count(str(path)) == 1
    assert len(str(caught.value)) < 1000
    assert not mark.exists()


def test_required_keys_are_named_whole() -> None:
    config = {"model": {"backbone": {"type": "HRNet"}, "list": [1]}}
    assert require(config, "model.backbone.type") == "HRNet"
    for key in ("model.head", "model.backbone.type.name", "model.list.0", "data.x"):
        with pytest.raises(ConfigError, match=key):
            require(config, key)
    for nothing in (None, [], "text", 5):
        with pytest.raises(ConfigError, match="model"):
            require(nothing, "model")


def test_blocks() -> None:
    assert block({"a": {"b": {"c": 1}}}, "a.b") == {"c": 1}
    assert block({"a": {"b": None}}, "a.b") == block({}, "a.b") == block({"a": 5}, "a.b") == {}
    with pytest.raises(ConfigError, match=r"a\.b.*\[1\]"):
        block({"a": {"b": [1]}}, "a.b")


@pytest.mark.parametrize("value", ["0.5", None, float("nan"), -1, 2, [0.5], 10**400, True])
def test_numbers_that_are_none(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"a\.b"):
        require_number({"a": {"b": value}}, "a.b", 0, 1)


def test_numbers_and_sizes() -> None:
    assert require_number({"a": 0.5}, "a", 0, 1) == 0.5
    check_weights(10**6, "it")
    with pytest.raises(ConfigError, match="it would have"):
        check_weights(10**30, "it")


NEEDED = ["model", "model.backbone", "model.backbone.type", "model.backbone.extra", "model.backbone.extra.stage3",
          "model.backbone.extra.stage2.num_channels", "model.keypoint_head", "model.keypoint_head.type",
          "model.keypoint_head.out_channels", "data_cfg", "data_cfg.image_size", "data_cfg.heatmap_size",
          "test_pipeline"]  # fmt: skip


@pytest.fixture(scope="module")
def whole(tiny_dir: Callable[..., Path]) -> Path:
    """A model directory, not to be written to."""
    return tiny_dir()


@pytest.mark.parametrize("key", NEEDED)
def test_a_configuration_without_a_needed_key_names_it(whole: Path, tmp_path: Path, key: str) -> None:
    from modelscope_handkp import HandEstimator

    config = json.loads((whole / "configuration.json").read_text())
    *parents, last = key.split(".")
    node = config
    for part in parents:
        node = node[part]
    del node[last]
    (tmp_path / "configuration.json").write_text(json.dumps(config))
    (tmp_path / "pytorch_model.pt").symlink_to(whole / "pytorch_model.pt")
    with pytest.raises(ConfigError, match=re.escape(key).rpartition("extra\\.")[2]):
        HandEstimator.from_pretrained(tmp_path, device="cpu")
