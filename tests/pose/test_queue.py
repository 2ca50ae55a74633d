"""Images on their way through the line: reading in groups, first and second looks."""

import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from modelscope_handkp.errors import InputError
from modelscope_handkp.hands import Result
from modelscope_handkp.pose.crop import to_rgb
from modelscope_handkp.pose.queue import Look, QueuedImage, check_sources, read_groups

BOXES = np.array([[100, 100, 200, 200], [300, 100, 400, 200]], np.float32)


def image(height: int = 400, width: int = 600, value: int = 0) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def hand(box: Any, mean: float = 0.5) -> np.ndarray:
    """Keypoints (21, 3) that fill a box, of the same score each."""
    x1, y1, x2, y2 = box
    share = np.linspace(0, 1, 21)
    return np.column_stack([x1 + share * (x2 - x1), y2 + share * (y1 - y2), np.full(21, mean)]).astype(np.float32)


def queued(boxes: Any = BOXES) -> tuple[QueuedImage, list[Look]]:
    waiting = QueuedImage("a.png", image(), None)
    waiting.put_boxes(np.array(boxes, np.float32), np.ones(len(boxes), np.float32))
    return waiting, waiting.looks()


# --- looks


def test_the_first_looks_are_at_every_box() -> None:
    waiting, looks = queued()
    assert waiting.size == (600, 400)
    assert [look.hand for look in looks] == [0, 1]
    assert all(look.image is waiting for look in looks)
    np.testing.assert_array_equal([look.box for look in looks], BOXES)
    assert waiting.keypoints.shape == (2, 21, 3)


def test_each_hand_gets_its_keypoints_and_keeps_a_box_that_fits() -> None:
    waiting, looks = queued()
    for look in reversed(looks):
        waiting.take(look, hand(look.box, look.hand / 10 - 0.05))  # a network may go a little below 0
    np.testing.assert_allclose(waiting.keypoints, [hand(BOXES[0], -0.05), hand(BOXES[1], 0.05)])
    assert waiting.second_looks() == []
    np.testing.assert_array_equal(waiting.boxes, BOXES)


def test_a_poorly_localised_box_gets_a_second_look() -> None:
    waiting, looks = queued()
    beside = BOXES[0] + 50
    waiting.take(looks[0], hand(beside))
    waiting.take(looks[1], hand(BOXES[1]))
    (second,) = waiting.second_looks()
    assert (second.image, second.hand) == (waiting, 0)
    assert (second.box[:2] < beside[:2]).all() and (second.box[2:] > beside[2:]).all()


@pytest.mark.parametrize(("mean", "better"), [(0.6, True), (0.5, False), (0.4, False)])
def test_a_second_look_counts_if_its_keypoints_are_surer(mean: float, better: bool) -> None:
    waiting, looks = queued(BOXES[:1])
    beside = BOXES[0] + 50
    waiting.take(looks[0], hand(beside, 0.5))
    (second,) = waiting.second_looks()
    found = hand(beside + 3, mean)
    waiting.take(second, found)
    np.testing.assert_array_equal(waiting.keypoints[0], found if better else hand(beside, 0.5))
    np.testing.assert_array_equal(waiting.boxes[0], second.box if better else BOXES[0])


def test_boxes_that_are_put_anew_have_no_keypoints_as_yet() -> None:
    waiting, looks = queued()
    for look in looks:
        waiting.take(look, hand(look.box, 0.9))
    waiting.put_boxes(waiting.boxes[1:], waiting.scores[1:])
    (look,) = waiting.looks()
    waiting.take(look, hand(look.box, 0.3))
    np.testing.assert_array_equal(waiting.keypoints, [hand(BOXES[1], 0.3)])


def test_a_box_is_compared_as_far_as_it_lies_in_the_image() -> None:
    """Its keypoints fill the half of it that the image shows."""
    waiting, looks = queued([[-100, 100, 100, 300]])
    waiting.take(looks[0], hand([2, 102, 98, 298]))
    assert waiting.second_looks() == []


def test_a_second_look_ends_with_the_image() -> None:
    waiting, looks = queued([[450, 250, 550, 350]])
    waiting.take(looks[0], hand([500, 300, 640, 440]))
    (second,) = waiting.second_looks()
    assert second.box[2:].tolist() == [600, 400]


def test_the_callers_boxes_are_left_alone() -> None:
    boxes = BOXES.copy()
    waiting = QueuedImage("a.png", image(), boxes)
    waiting.put_boxes(boxes, np.ones(2, np.float32))
    for look in waiting.looks():
        waiting.take(look, hand(look.box + 50))
    for look in waiting.second_looks():
        waiting.take(look, hand(look.box, 0.9))
    assert (waiting.boxes != BOXES).any()
    np.testing.assert_array_equal(boxes, BOXES)


def test_the_image_in_rgb_is_made_once_and_held_until_it_is_forgotten() -> None:
    waiting = QueuedImage("a.png", np.full((400, 600, 3), (1, 2, 3), np.uint8), None)
    held = weakref.ref(waiting.prepared(to_rgb))
    assert waiting.prepared(to_rgb) is held() and waiting.prepared(to_rgb)[0, 0].tolist() == [3, 2, 1]
    waiting.forget()
    assert held() is None


# --- reading


def sizes(groups: Iterator[list[QueuedImage | Result]]) -> list[int]:
    return [len(group) for group in groups]


def test_images_come_in_groups_in_their_order() -> None:
    sources = [image(2, 3, value) for value in range(5)]
    groups = list(read_groups(sources, None, 2))
    assert sizes(iter(groups)) == [2, 2, 1]
    read = [one for group in groups for one in group]
    assert all(one.source is source for one, source in zip(read, sources, strict=True))
    assert all(isinstance(one, QueuedImage) and one.given is None for one in read)
    assert list(read_groups([], None, 2)) == []


def test_a_group_is_read_when_it_is_asked_for() -> None:
    read: list[int] = []

    def counted() -> Iterator[np.ndarray]:
        for value in range(6):
            read.append(value)
            yield image(2, 3)

    groups = read_groups(counted(), None, 2)
    assert read == []
    next(groups)
    assert read == [0, 1]


def test_images_of_32_million_pixels_close_their_group() -> None:
    large, small = image(2000, 8000), image(2, 2)  # two large ones are 32 million
    assert sizes(read_groups([large, "missing.png", large, large, large, small], None, 10)) == [3, 2, 1]
    assert sizes(read_groups([large[:1999], large, small, large, small], None, 10)) == [4, 1]


def test_each_image_has_its_boxes() -> None:
    given = [[0, 0, 1, 1], None, [[0, 0, 1, 1], [0, 1, 2, 3]]]
    ((one, none, two),) = read_groups([image(4, 4)] * 3, given, 3)
    assert (one.given.tolist(), none.given, len(two.given)) == ([[0, 0, 1, 1]], None, 2)


def test_what_cannot_be_read_is_a_result_with_its_error() -> None:
    sources, boxes = ["missing.png", image(4, 4), image(4, 4)], [None, [[3, 3, 1, 1]], None]
    ((missing, reversed_box, good),) = read_groups(sources, boxes, 3)
    for broken, source, named in ((missing, sources[0], "missing.png"), (reversed_box, sources[1], "reversed")):
        assert isinstance(broken, Result)
        assert broken.source is source
        assert (broken.image, broken.hands) == (None, None)
        assert named in str(broken.error)
    assert isinstance(good, QueuedImage)


@pytest.mark.parametrize(
    ("count", "boxes", "named"),
    [(2, 1, "more images than the 1 boxes"), (1, 2, "more boxes than the 1 images"), (3, 0, "the 0 boxes")],
)
def test_another_number_of_boxes_is_found_while_reading(count: int, boxes: int, named: str) -> None:
    groups = read_groups(iter([image(2, 2)] * count), iter([None] * boxes), 1)
    with pytest.raises(InputError, match=named):
        list(groups)


@pytest.mark.parametrize("boxes", [5, "all", [None], [None] * 3])
def test_another_number_of_boxes_is_found_before_reading_where_it_is_known(boxes: Any) -> None:
    with pytest.raises(InputError, match="boxes"):
        check_sources([1, 2], boxes)


def test_numbers_that_agree_or_are_not_known_pass() -> None:
    for boxes in (None, [None, None], iter([None]), np.zeros((2, 1, 4))):
        check_sources([1, 2], boxes)
    check_sources(iter([1]), [None, None])


# --- which image an error means, and the range of a batch


def errors(sources: Any, boxes: Any = None) -> list[str | None]:
    read = [entry for group in read_groups(sources, boxes, 2) for entry in group]
    return [str(entry.error) if isinstance(entry, Result) else None for entry in read]


def test_an_image_without_a_name_is_named_by_its_number() -> None:
    bad = np.full((2, 2), np.nan)
    for sources in ([image(), None, b"text"], (image(), bad, "data:image/png;base64,AAAA")):
        good, second, third = errors(sources)
        assert good is None
        assert second is not None and second.startswith("image 2 of 3: ")
        assert third is not None and third.startswith("image 3 of 3: ")
    assert [str(error)[:9] for error in errors(iter([bad, bad]))] == ["image 1: ", "image 2: "]
    assert str(errors([bad])[0]).startswith("an image array")
    batch = np.full((3, 2, 2, 3), 0.5)
    batch[1] = np.nan
    first, second, third = errors(batch)
    assert first is None and third is None and str(second).startswith("image 2 of 3: ")


def test_an_image_with_a_name_is_named_by_it() -> None:
    assert str(errors(["no.png", image()])[0]).startswith("no.png does not exist")


def test_boxes_that_cannot_be_used_are_named_by_their_image(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "a.png"), image())
    first, second = errors([tmp_path / "a.png", image()], [[1, 2], [1, 2]])
    assert str(first).startswith(f"{tmp_path / 'a.png'}: ")
    assert str(second).startswith("image 2 of 2: ")


@pytest.mark.parametrize("as_tensor", [False, True])
def test_a_nearly_black_image_of_a_batch_stays_black(as_tensor: bool) -> None:
    frames = np.stack([np.linspace(0, 255, 300), np.linspace(0, 1.4, 300)]).reshape(2, 10, 10, 3).astype(np.float32)
    batch = torch.from_numpy(frames).permute(0, 3, 1, 2) if as_tensor else frames
    ((bright, dark),) = read_groups(batch, None, 8)
    assert isinstance(bright, QueuedImage) and isinstance(dark, QueuedImage)
    assert (bright.image.max(), dark.image.max()) == (255, 1)
    assert dark.source.shape == batch.shape[1:] and dark.source.dtype == batch.dtype


def test_a_batch_of_no_clear_range_is_refused_as_a_whole() -> None:
    with pytest.raises(InputError, match="black in 16 bits"):
        next(read_groups(np.full((2, 4, 4, 3), 4095, np.uint16), None, 8))
