"""Annotations that cannot be what somebody annotated."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coco_files import annotation, write_coco

from modelscope_handkp.data.annotations import read_annotations
from modelscope_handkp.data.plausible import are_reversed


def read(folder: Path, **changes: Any) -> None:
    path = write_coco(folder, [annotation(0), annotation(1, **changes)])
    text = path.read_text().replace('"1.png"', '"1.png", "width": 32, "height": 24')
    path.write_text(text)
    read_annotations(path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lefthand_kpts": [0.2, 0.3, 1.0] * 21, "lefthand_box": [100.0, 100.0, 20.0, 20.0]}, "no marked keypoint in"),
        ({"lefthand_kpts": [60.0, 7.0, 1.0] * 21}, "no marked keypoint in or near their box"),
        ({"lefthand_kpts": [5.0, 7.0, 1.0] * 20 + [900.0, 7.0, 0.0]}, None),
        ({"lefthand_kpts": [30.0, 20.0, 1.0] * 21}, None),
        ({"lefthand_box": [0.1, 0.2, 0.5, 0.4], "lefthand_kpts": [0.3, 0.3, 1.0] * 21}, "a box smaller than a pixel"),
        ({"lefthand_box": [4.0, 6.0, 200.0, 100.0]}, "a box that lies mostly outside their image"),
        ({"lefthand_box": [-4.0, 6.0, 20.0, 10.0]}, None),
    ],
)
def test_doubtful_hands_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, changes: dict[str, Any], reason: str | None
) -> None:
    read(tmp_path, **changes)
    if reason is None:
        assert not caplog.text
    else:
        assert f"1 of 2 hands have {reason}" in caplog.text and "in 1.png for one" in caplog.text


def test_an_image_of_which_no_size_is_stated_holds_any_box(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read_annotations(write_coco(tmp_path, [annotation(0, lefthand_box=[4.0, 6.0, 200.0, 100.0])]))
    assert not caplog.text


def test_fingers_that_run_from_the_tip_to_the_palm() -> None:
    rng = np.random.default_rng(0)
    joints = np.concatenate([np.zeros((30, 1, 2)), rng.normal(0, 1, (30, 20, 2))], axis=1)
    joints[:, 1:] = np.tile([10.0, 20.0, 30.0, 40.0], 5)[:, None] + rng.normal(0, 1, (30, 20, 2))
    hands = np.concatenate([joints, np.ones((30, 21, 1))], axis=2)
    backwards = hands.copy()
    backwards[:, 1:] = hands[:, 1:].reshape(30, 5, 4, 3)[:, :, ::-1].reshape(30, 20, 3)
    assert are_reversed(backwards) and not are_reversed(hands)
    assert not are_reversed(np.concatenate([backwards[:26], hands[:4]]))  # some fists
    assert not are_reversed(backwards[:19])  # too few to say
    backwards[:, 3, 2] = 0
    assert not are_reversed(backwards)
