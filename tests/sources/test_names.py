"""How errors, logs and reports call a source."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from modelscope_handkp.sources.names import has_name, source_name

DATA_URL = "data:image/jpeg;base64," + "A" * 1_000_000


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("a.jpg", "a.jpg"),
        (Path("b/a.jpg"), "b/a.jpg"),
        ("https://a/b.jpg?c=d", "https://a/b.jpg?c=d"),
        ("data:,A", "data:,A"),
        (b"12345", "<5 bytes>"),
        (bytearray(3), "<3 bytes>"),
        (memoryview(np.zeros(3, np.uint16)), "<6 bytes>"),
        (np.zeros((4, 6, 3), np.uint8), "<array (4, 6, 3) uint8>"),
        (torch.zeros(3, 4, 6), "<tensor (3, 4, 6) torch.float32>"),
        (PIL.Image.new("L", (6, 4)), "<PIL image 6 x 4>"),
        (io.BytesIO(), "<BytesIO>"),
        (5, "5"),
        (None, "None"),
    ],
)
def test_names(source: Any, name: str) -> None:
    assert source_name(source) == name


def test_a_data_url_is_shortened() -> None:
    name = source_name(DATA_URL)
    assert name.startswith("data:image/jpeg;base64,AAAA")
    assert str(len(DATA_URL)) in name
    assert len(name) < 100


def test_images_and_files_that_have_a_path_are_named_by_it(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    PIL.Image.new("L", (6, 4)).save(path)
    with PIL.Image.open(path) as image:
        assert source_name(image) == f"<PIL image {path}>"
    with path.open("rb") as file:
        assert source_name(file) == str(path)


def test_long_values_are_short() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    for source in (list(range(100_000)), {"a": "b" * 100_000}, Broken()):
        assert len(source_name(source)) < 200


def test_what_tells_a_source_from_others(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    PIL.Image.new("RGB", (2, 2)).save(path)
    with path.open("rb") as file, PIL.Image.open(path) as opened:
        assert all(map(has_name, ("a.png", path, "http://a/b.png", file, opened)))
    for source in ("data:image/png;base64,AA", b"", io.BytesIO(), PIL.Image.new("L", (1, 1)), np.zeros((2, 2)), None):
        assert not has_name(source)
