"""A camera gives its newest frame each time."""

import threading
import time
from typing import Any

import cv2
import numpy as np
import pytest
from video_files import number_of, numbered

from modelscope_handkp.errors import InputError
from modelscope_handkp.sources.video import open_video

SECONDS = 0.01  # between two frames


class FakeCamera:
    """Stands for cv2.VideoCapture: gives numbered images as time passes."""

    opened: list["FakeCamera"]
    count = 4000
    is_there = True
    rate = 100.0
    gate: threading.Semaphore | None = None  # each image waits for it

    def __init__(self, number: int) -> None:
        self.number, self.given, self.is_open = number, 0, self.is_there
        type(self).opened.append(self)

    def isOpened(self) -> bool:
        return self.is_open

    def get(self, key: int) -> float:
        return self.rate if key == cv2.CAP_PROP_FPS else 0.0

    def read(self) -> tuple[bool, Any]:
        assert self.is_open
        if self.gate:
            self.gate.acquire(timeout=10)
        else:
            time.sleep(SECONDS)
        if self.given >= self.count:
            return False, None
        self.given += 1
        return True, numbered(self.given - 1)

    def release(self) -> None:
        self.is_open = False


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> type[FakeCamera]:
    made = type("MadeCamera", (FakeCamera,), {"opened": []})
    monkeypatch.setattr(cv2, "VideoCapture", made)
    return made


def test_a_camera_is_opened_by_its_number(camera: type[FakeCamera]) -> None:
    with open_video(2) as video:
        assert (video.source, video.name, video.size, video.rate) == (2, "camera 2", (64, 48), 100.0)
        assert (video.is_live, video.frame_count, video.duration) == (True, None, None)
        first = next(video)
        assert (first.index, first.time, number_of(first.image)) == (0, 0.0, 0)
    assert camera.opened[0].number == 2
    assert open_video(np.int64(1)).name == "camera 1"


def test_the_newest_frame_is_given_and_the_others_are_counted(camera: type[FakeCamera]) -> None:
    frames = []
    with open_video(0) as video:
        for frame in video:
            frames.append(frame)
            assert number_of(frame.image) == frame.index
            time.sleep(0.1)
            if len(frames) == 4:
                break
    behind = np.diff([frame.index for frame in frames])
    assert behind.min() >= 2
    times = np.diff([frame.time for frame in frames])
    assert times.min() > 0.05
    assert times.max() < 1


def test_a_fast_reader_gets_every_frame(camera: type[FakeCamera]) -> None:
    camera.gate = threading.Semaphore(1)
    with open_video(0) as video:
        for index in range(10):
            assert next(video).index == index
            camera.gate.release()


def test_every_and_end_hold_for_cameras(camera: type[FakeCamera]) -> None:
    with open_video(0, end=0.3, every=3) as video:
        indices = [frame.index for frame in video]
    assert indices == list(range(0, 3 * len(indices), 3))
    assert 3 <= len(indices) <= 10
    assert not camera.opened[0].is_open


def test_a_camera_that_ends_gives_its_last_frame_and_an_error(camera: type[FakeCamera]) -> None:
    camera.count = 5
    indices = []
    with pytest.raises(InputError, match=r"camera 0 gives no image after frame 4, at 0\.\d+ s"):
        for frame in open_video(0):
            indices.append(frame.index)
    assert indices[-1] == 4
    assert not camera.opened[0].is_open


def test_the_camera_is_released(camera: type[FakeCamera]) -> None:
    open_video(0).close()
    with open_video(0) as video:
        next(video)
    for _ in open_video(0):
        break
    deadline = time.monotonic() + 5
    while any(each.is_open for each in camera.opened) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [each.is_open for each in camera.opened] == [False] * 3
    assert not [thread for thread in threading.enumerate() if thread.name == "newest frame"]


@pytest.mark.parametrize("number", [0, 7, 99])
def test_a_camera_that_is_not_there_is_named(camera: type[FakeCamera], number: int) -> None:
    camera.is_there = False
    with pytest.raises(InputError, match=rf"^camera {number} is not there or cannot be opened"):
        open_video(number)


def test_a_camera_without_an_image_is_named(camera: type[FakeCamera]) -> None:
    camera.count = 0
    with pytest.raises(InputError, match="camera 0 gives no image: another program may use it"):
        open_video(0)
    assert not camera.opened[0].is_open


def test_a_number_beyond_all_is_no_camera() -> None:
    with pytest.raises(InputError, match=f"camera {10**20} is not there"):
        open_video(10**20)


def test_a_negative_number_is_no_camera() -> None:
    with pytest.raises(InputError, match=r"camera -1 .* numbered from 0"):
        open_video(-1)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), 1e9])
def test_a_rate_that_the_driver_does_not_know_is_none(camera: type[FakeCamera], rate: float) -> None:
    camera.rate = rate
    with open_video(0) as video:
        assert video.rate is None


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_images_of_other_channels_become_bgr(
    camera: type[FakeCamera], channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(self: FakeCamera) -> tuple[bool, Any]:
        image = numbered(77)
        made = {1: image[..., :1], 2: image[..., 0], 4: np.dstack([image, image[..., :1]])}
        return True, made[channels]

    monkeypatch.setattr(camera, "read", read)
    with open_video(0) as video:
        np.testing.assert_array_equal(next(video).image, numbered(77))
