"""Hands keep their identities through a video, and the detector runs no more than it must."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelscope_handkp import HandEstimator, HandTracker
from modelscope_handkp.errors import InputError, MissingPackageError
from modelscope_handkp.geometry.boxes import iou
from modelscope_handkp.hands import Hands
from modelscope_handkp.pose.refine import around
from modelscope_handkp.sources.video import open_video

WIDTH, HEIGHT, RATE = 640, 480, 30.0
SHAPE = np.random.default_rng(3).uniform(-50, 50, (21, 2)).astype(np.float32)
Path_ = Callable[[int], "tuple[float, float] | None"]  # frame -> the middle of a hand; None: not to be seen


class World:
    """Hands that move on given paths, and an estimator that sees them, with noise.

    detections, looks: how often the detector ran, and how many boxes were looked into.
    """

    hand_threshold, keypoint_threshold = 0.3, 0.0

    def __init__(self, *paths: Path_, noise: float = 0.0) -> None:
        self.paths, self.noise, self.frame = paths, noise, 0
        self.detections, self.looks = 0, 0
        self.ghosts: list[list[float]] = []

    def keypoints(self) -> np.ndarray:
        middles = [place for path in self.paths if (place := path(self.frame)) is not None]
        noise = np.random.default_rng(self.frame).normal(0, self.noise, (len(middles), 21, 2))
        points = np.array(middles).reshape(-1, 1, 2) + SHAPE + noise
        return np.concatenate([points, np.full((len(middles), 21, 1), 0.8)], axis=2).astype(np.float32)

    def detect(self, images: Any) -> list[tuple[np.ndarray, np.ndarray]]:
        self.detections += len(images)
        boxes = np.concatenate([around(self.keypoints(), WIDTH, HEIGHT), np.array(self.ghosts).reshape(-1, 4)])
        return [(boxes.astype(np.float32), np.full(len(boxes), 0.9, np.float32)) for _ in images]

    def __call__(self, image: Any, boxes: np.ndarray) -> Hands:
        """In each box the hand that fills it best, or unlikely keypoints."""
        self.looks += len(boxes)
        hands, found = self.keypoints(), np.zeros((len(boxes), 21, 3), np.float32)
        overlap = iou(boxes, around(hands, WIDTH, HEIGHT)) if len(hands) else np.zeros((len(boxes), 1))
        for row, best in enumerate(overlap.argmax(axis=1)):
            if overlap[row, best] > 0.2:
                found[row] = hands[best]
            else:
                found[row] = np.concatenate([boxes[row, :2] + 10 + SHAPE / 10, np.full((21, 1), 0.05)], axis=1)
        return Hands(found, boxes, np.ones(len(boxes)))

    def follow(self, tracker: HandTracker, frames: int) -> list[Hands]:
        image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        found = []
        for self.frame in range(frames):
            found.append(tracker.update(image, self.frame / RATE))
        return found


def tracker_of(world: Any, **arguments: Any) -> HandTracker:
    return HandTracker(world, **arguments)


def ids(hands: Hands) -> list[int]:
    assert hands.ids is not None or not len(hands)
    return [] if hands.ids is None else sorted(hands.ids.tolist())


def right(speed: float, y: float = 200.0, start: float = 80.0) -> Path_:
    return lambda frame: (start + speed * frame, y)


def test_one_hand_keeps_its_id_and_is_detected_now_and_then() -> None:
    world = World(right(4))
    found = world.follow(tracker_of(world), 100)
    assert [ids(hands) for hands in found] == [[1]] * 100
    assert world.detections == 10
    assert world.looks == 100


def test_the_detector_runs_as_often_as_told() -> None:
    world = World(right(4))
    world.follow(tracker_of(world, detect_every=1), 50)
    assert world.detections == 50


def test_keypoints_without_smoothing_are_those_of_the_estimator() -> None:
    world = World(right(5), noise=2)
    for frame, hands in enumerate(world.follow(tracker_of(world, smoothing=None), 20)):
        world.frame = frame
        np.testing.assert_array_equal(hands.keypoints, world.keypoints())
        np.testing.assert_allclose(hands.boxes, around(hands.keypoints, WIDTH, HEIGHT))


def test_smoothed_keypoints_are_steadier_and_in_place() -> None:
    world = World(right(3), noise=2)
    shakes = []
    for smoothing in ({}, {"smoothing": None}):
        found = np.array([hands.keypoints[0, :, :2] for hands in world.follow(tracker_of(world, **smoothing), 60)])
        shakes.append(np.abs(np.diff(found, 2, axis=0)).mean())
        middle = found[30:].mean(axis=1)
        true = np.array([right(3)(frame) for frame in range(30, 60)]) + SHAPE.mean(axis=0)
        assert np.linalg.norm(middle - true, axis=1).mean() < 3  # a frame's way
    assert shakes[0] < 0.6 * shakes[1]


def test_hands_that_cross_keep_their_ids() -> None:
    world = World(right(5, 200), lambda frame: (580 - 5 * frame, 240))
    found = world.follow(tracker_of(world), 100)
    assert all(ids(hands) == [1, 2] for hands in found)
    first = [dict(zip(hands.ids.tolist(), hands.keypoints[:, :, 0].mean(axis=1))) for hands in found]
    steps = np.array([[later[i] - earlier[i] for i in (1, 2)] for earlier, later in itertools.pairwise(first)])
    assert (np.sign(steps[5:]) == np.sign(steps[10])).all()


def test_a_hand_that_is_hidden_for_a_moment_keeps_its_id() -> None:
    world = World(lambda frame: None if 30 <= frame < 45 else (100 + 2 * frame, 200))
    found = world.follow(tracker_of(world), 80)
    assert [ids(hands) for hands in found] == [[1]] * 30 + [[]] * 15 + [[1]] * 35


def test_a_hand_that_is_hidden_for_long_is_another() -> None:
    world = World(lambda frame: None if 10 <= frame < 80 else (100, 200))
    found = world.follow(tracker_of(world, keep_seconds=1), 90)
    assert ids(found[-1]) == [2]


def test_a_new_hand_is_found_in_time_and_has_a_new_id() -> None:
    world = World(right(1), lambda frame: None if frame < 25 else (500, 300))
    found = world.follow(tracker_of(world, detect_every=10), 60)
    assert ids(found[24]) == [1]
    assert ids(found[35]) == [1, 2]


def test_a_hand_that_leaves_the_image_is_no_longer_there() -> None:
    world = World(lambda frame: (500 + 10 * frame, 200) if frame < 25 else None)
    found = world.follow(tracker_of(world), 40)
    assert ids(found[0]) == [1]
    assert all(not len(hands) for hands in found[26:])
    assert all(hands.image_size == (WIDTH, HEIGHT) for hands in found)


def test_boxes_without_a_hand_are_no_hands() -> None:
    world = World(right(1))
    world.ghosts = [[400, 100, 500, 200]]
    assert all(ids(hands) == [1] for hands in world.follow(tracker_of(world), 30))


def test_a_hand_is_not_counted_twice() -> None:
    world = World(right(1))
    tracker = tracker_of(world, detect_every=1)
    world.ghosts = [[60, 160, 140, 300]]  # an offset box of the same hand
    assert all(len(hands) == 1 for hands in world.follow(tracker, 20))


@pytest.mark.parametrize("close", [1e-5, 1e-45, 1e-9])
def test_frames_that_come_in_bursts_change_no_id(close: float) -> None:
    """Cameras and streams stamp some frames almost alike."""
    world = World(right(4), noise=1)
    tracker = tracker_of(world)
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    time = 0.0
    for world.frame in range(60):
        time = np.nextafter(time, 9) if world.frame % 10 == 5 else time + 1 / RATE
        time = time + close if world.frame % 10 == 7 else time
        hands = tracker.update(image, float(time))
        assert ids(hands) == [1]
        assert np.isfinite(hands.keypoints).all()


def test_no_threshold_keeps_every_box() -> None:
    world = World(right(1))
    world.hand_threshold = 0.0  # type: ignore[misc]
    world.ghosts = [[400.0, 100.0, 500.0, 200.0]]
    assert len(world.follow(tracker_of(world), 1)[0]) == 2


def test_streams_start_anew() -> None:
    world = World(right(1))
    tracker = tracker_of(world)
    world.follow(tracker, 5)
    tracker.reset()
    assert ids(world.follow(tracker, 5)[-1]) == [1]


def test_a_tracker_follows_one_stream_at_a_time(tmp_path: Path) -> None:
    import cv2

    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((48, 64, 3), np.uint8))
    tracker = tracker_of(World())
    first, second = tracker.stream(tmp_path), tracker.stream(tmp_path)
    next(first), next(second)
    with pytest.raises(InputError, match="this tracker follows another stream since then"):
        next(first)
    assert len(list(second)) == 2


@pytest.mark.parametrize("time", [0.5, 0.4, float("nan"), float("inf")])
def test_times_must_rise(time: float) -> None:
    tracker = tracker_of(World(right(1)))
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    tracker.update(image, 0.5)
    with pytest.raises(InputError, match="frames must come in the order of their times"):
        tracker.update(image, time)


@pytest.mark.parametrize("wrong", [{"detect_every": 0}, {"detect_every": 1.5}, {"keep_seconds": -1.0},
                                   {"keep_seconds": float("nan")}, {"keep_seconds": "2"}])  # fmt: skip
def test_numbers_out_of_range_are_refused_by_name(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(InputError, match=name):
        tracker_of(World(), **wrong)


@pytest.mark.parametrize("smoothing", [True, False, "strong", 1.5])
def test_a_smoothing_that_is_none_is_refused(smoothing: Any) -> None:
    with pytest.raises(InputError, match="smoothing must be a OneEuro or None"):
        tracker_of(World(), smoothing=smoothing)


@pytest.mark.parametrize("estimator", ["v.mp4", None, HandEstimator])
def test_what_is_no_estimator_is_refused(estimator: Any) -> None:
    with pytest.raises(InputError, match="estimator must be a HandEstimator"):
        HandTracker(estimator)


@pytest.mark.parametrize("part", [{"start": 1.0}, {"end": 2.0}, {"every": 2}])
def test_a_part_of_an_open_video_is_chosen_where_it_is_opened(tmp_path: Path, part: dict[str, Any]) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((48, 64, 3), np.uint8))
    with open_video(tmp_path) as video:
        with pytest.raises(InputError, match="is open: pass start, end and every to open_video"):
            tracker_of(World()).stream(video, **part)
        assert len(list(tracker_of(World()).stream(video))) == 1


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.float32), np.zeros((0, 9, 3), np.uint8), "v.mp4", None])
def test_what_is_no_frame_is_refused(image: Any) -> None:
    with pytest.raises(InputError, match="a frame is an array"):
        tracker_of(World(right(1))).update(image, 0.0)


def test_without_scipy_its_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "scipy.optimize", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'modelscope-handkp\[video\]'"):
        tracker_of(World())


def test_a_folder_of_frames_with_the_real_estimator(tmp_path: Path, tiny_dir: Callable[..., Path]) -> None:
    import cv2

    for number in range(3):
        cv2.imwrite(str(tmp_path / f"frame{number}.png"), np.full((48, 64, 3), 40 * number, np.uint8))
    estimator = HandEstimator.from_pretrained(tiny_dir(), "cpu", hand_threshold=1e-6)
    frames = list(HandTracker(estimator).stream(tmp_path, every=2))
    assert [frame.index for frame in frames] == [0, 2]
    assert all(ids(frame.hands) == [1] for frame in frames)
    assert frames[1].image.mean() == 80
