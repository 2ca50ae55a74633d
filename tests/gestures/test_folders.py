"""Folders of images to examples: the surest hand of each image, and a reason for each image that gives none."""

import numpy as np
import pytest

from modelscope_handkp import Hands
from modelscope_handkp.errors import InputError, MissingFileError
from modelscope_handkp.gestures import folders
from modelscope_handkp.gestures.folders import examples_from_images, gesture_images
from modelscope_handkp.hands import Result


class Estimator:
    """Finds what it is told in the images of each name."""

    def __init__(self, hands):
        self.hands = hands

    def stream(self, sources):
        for source in sources:
            found = self.hands.get(source)
            yield Result(source, hands=found) if found is not None else Result(source, error=InputError("no image."))


@pytest.fixture
def folder(tmp_path):
    """Folders wave, thumb and one without images, a hidden one and files beside them."""
    for name in ("wave/b.PNG", "wave/a.jpg", "wave/notes.txt", "thumb/c.webp", "empty/notes.txt", ".cache/d.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "e.jpg").write_bytes(b"")
    return tmp_path


def test_each_folder_of_images_is_a_gesture(folder):
    expected = {"thumb": [f"{folder}/thumb/c.webp"], "wave": [f"{folder}/wave/a.jpg", f"{folder}/wave/b.PNG"]}
    assert gesture_images(folder) == gesture_images(str(folder)) == expected


def test_folders_that_hold_no_gestures_are_refused(folder, tmp_path):
    with pytest.raises(MissingFileError, match="no such folder"):
        gesture_images(tmp_path / "nothing")
    with pytest.raises(MissingFileError):
        gesture_images(folder / "e.jpg")
    with pytest.raises(InputError, match="no folders with images"):
        gesture_images(folder / "wave")
    (folder / ("x" * 65)).mkdir()
    (folder / ("x" * 65) / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match="gesture's name"):
        gesture_images(folder)


def test_more_images_than_examples_are_refused_before_any_is_read(folder, monkeypatch):
    monkeypatch.setattr(folders, "images_in", lambda inner: [f"{inner}/{number}.png" for number in range(4_000)])
    with pytest.raises(InputError, match="holds 12000 images"):
        gesture_images(folder)


def test_the_surest_hand_of_each_image_is_the_example(keypoints_of):
    fist, ok, call = (keypoints_of(name)[0] for name in ("fist", "ok", "call"))
    boxes = np.zeros((2, 4))
    two = Hands(np.stack([fist, ok]), boxes, np.ones(2), confidence=[0.4, 0.9])
    one = Hands(call[None], boxes[:1], np.ones(1))
    estimator = Estimator({"1": two, "2": one, "3": Hands.empty()})
    examples, left_out = examples_from_images(estimator, {"mine": ["1", "broken", "3"], "yours": ["2"]})
    assert examples.names == ("mine", "yours")
    np.testing.assert_array_equal(examples.keypoints, np.stack([ok, call])[..., :2])
    assert left_out == {"broken": "no image.", "3": "no hand was found"}


def test_a_gesture_of_which_no_image_shows_a_hand_is_refused(hands_of):
    with pytest.raises(InputError, match="no image of the gesture 'yours'"):
        examples_from_images(Estimator({"1": hands_of("fist")}), {"mine": ["1"], "yours": ["2"]})
    with pytest.raises(InputError, match="gesture's name"):
        examples_from_images(Estimator({}), {"": ["1"]})
