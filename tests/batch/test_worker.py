"""A worker gives a row for each image, in order, with the hands that `HandEstimator` finds."""

import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip("av", reason="PyAV is not installed")
pytest.importorskip("scipy", reason="SciPy is not installed")
from small import narrow_dir
from video_files import write_video

from modelscope_handkp import HandEstimator
from modelscope_handkp.batch.inputs import IMAGE, VIDEO, Item, list_items
from modelscope_handkp.batch.worker import Annotator
from modelscope_handkp.sources.video import open_video
from modelscope_handkp.synthetic import render_clip, render_image

OPTIONS = {"tta": "none", "engine": "eager", "device": "cpu", "batch_size": 3}
GOOD, FRAMES = 6, 5


@pytest.fixture(scope="module", autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Options of a narrow network, to which each image is a hand."""
    return {**OPTIONS, "model_dir": str(narrow_dir(tmp_path_factory.mktemp("narrow")))}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of one or two hands, and files that are none."""
    folder = tmp_path_factory.mktemp("images")
    for number in range(GOOD):
        cv2.imwrite(str(folder / f"{number}.png"), render_image(number, (160, 160), 1 + number % 2, "easy")[0])
    for number in range(4):
        (folder / f"broken{number}.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = [frame.image for frame in render_clip(3, FRAMES, (160, 160), level="easy")]
    return write_video(tmp_path_factory.mktemp("clip") / "a.mp4", images=frames, size=(160, 160))


@pytest.fixture(scope="module")
def annotator(narrow: dict[str, Any]) -> Annotator:
    return Annotator(narrow, None, False, 1)


@pytest.fixture(scope="module")
def follower() -> Annotator:
    return Annotator(OPTIONS, None, True, 1)


def item(path: Path) -> Item:
    return Item(IMAGE, os.fsencode(path), count=1)


def assert_equal(row: dict[str, Any], hands: Any) -> None:
    assert row.get("error") is None
    assert len(row["hands"]) == len(hands)
    for found, hand in zip(row["hands"], hands):
        np.testing.assert_allclose(found["keypoints"], hand.keypoints, rtol=0, atol=1e-3)
        np.testing.assert_allclose(found["box"], hand.box, rtol=0, atol=1e-3)
        assert (found["score"], found["confidence"]) == pytest.approx((hand.score, hand.confidence), abs=1e-5)


@pytest.mark.parametrize(
    "order", ["", "0", "x", "xxx", "012345", "xx01x2xxx345x", "x0", "0x", "000x", "xxxxxxxxxx0", "0123xxxxxxxx"]
)
def test_rows_are_in_the_order_of_items(order: str, images: Path, annotator: Annotator, narrow: dict[str, Any]) -> None:
    """Each x is a file that is no image."""
    names = [f"broken{place % 4}.png" if kind == "x" else f"{kind}.png" for place, kind in enumerate(order)]
    rows = list(annotator.rows(item(images / name) for name in names))
    assert [row["path"] for row in rows] == [str(images / name) for name in names]
    estimator = HandEstimator.from_pretrained(**narrow)
    for kind, row in zip(order, rows):
        assert (row["frame"], row["time"]) == (None, None)
        if kind == "x":
            assert "broken" in row["error"] and "hands" not in row
        else:
            assert_equal(row, estimator(str(images / f"{kind}.png")))
            assert (row["width"], row["height"]) == (160, 160)


@pytest.mark.slow
def test_the_embedded_model_finds_the_same_hands(images: Path, clip: Path) -> None:
    """In images and in the frames of a video that is read in parts."""
    annotator, estimator = Annotator(OPTIONS, None, False, 1), HandEstimator.from_pretrained(**OPTIONS)
    rows = list(annotator.rows([item(images / f"{number}.png") for number in range(GOOD)]))
    for number, row in enumerate(rows):
        assert_equal(row, estimator(str(images / f"{number}.png")))
    assert sum(len(row["hands"]) for row in rows) >= GOOD
    rows = list(annotator.rows(list_items(str(clip), at_once=3)))
    assert [row["frame"] for row in rows] == list(range(FRAMES))
    assert [row["time"] for row in rows] == pytest.approx([number / 25 for number in range(FRAMES)])
    assert all("id" not in hand for row in rows for hand in row["hands"])
    for row, frame in zip(rows, open_video(clip)):
        assert_equal(row, estimator(frame.image))


def test_hands_of_a_video_that_is_followed_have_ids(clip: Path, images: Path, follower: Annotator) -> None:
    """The order stays that of the items, and each video begins anew."""
    items = [
        item(images / "0.png"),
        *list_items(str(clip), track=True),
        item(images / "broken0.png"),
        item(images / "1.png"),
        *list_items(str(clip), track=True),
    ]
    rows = list(follower.rows(items))
    runs = [(Path(path).name, len(list(some))) for path, some in groupby(rows, key=lambda row: row["path"])]
    assert runs == [("0.png", 1), ("a.mp4", FRAMES), ("broken0.png", 1), ("1.png", 1), ("a.mp4", FRAMES)]
    first, second = rows[1 : 1 + FRAMES], rows[3 + FRAMES :]
    assert [row["frame"] for row in first] == list(range(FRAMES))
    ids = {hand["id"] for row in first for hand in row["hands"]}
    assert len(ids) == 1
    assert [row["hands"] for row in first] == [row["hands"] for row in second]
    assert all("id" not in hand for hand in rows[0]["hands"])


def test_a_video_that_is_followed_and_broken_has_an_error(tmp_path: Path, follower: Annotator) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    (row,) = follower.rows([Item(VIDEO, os.fsencode(tmp_path / "a.mp4"))])
    assert "a.mp4" in row["error"] and "hands" not in row


def test_few_images_are_in_memory(tmp_path: Path, annotator: Annotator) -> None:
    """Rows are given while items are still to come."""
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((50, 50, 3), np.uint8))
    taken: list[int] = []

    def items() -> Iterator[Item]:
        for number in range(40):
            taken.append(number)
            yield item(tmp_path / "a.png")

    most = 0
    for count, _ in enumerate(annotator.rows(items()), 1):
        most = max(most, len(taken) - count)
    assert count == 40
    assert most <= 8


def test_threads_are_those_of_the_networks(narrow: dict[str, Any]) -> None:
    for threads in (2, 1):
        Annotator(narrow, None, False, threads)
        assert torch.get_num_threads() == threads
