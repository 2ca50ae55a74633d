"""`HandTracker`: the frames of a video -> hands with identities and steady keypoints."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array, Image
from ..checks import check_count, is_number
from ..errors import InputError
from ..estimator import HandEstimator
from ..hands import Hands
from ..pose.refine import CONFIRMED_SHARE, around, confidence, kept_hands, mean_scores, poorly_localised
from ..sources.video import Video, open_video
from .association import assign, import_assignment
from .one_euro import OneEuro
from .places import Places, places
from .track import Observation, Track

DEFAULT_THRESHOLD = 0.3  # of the mean keypoint score, for a model that has no hand_threshold
DETECT_EVERY = 10
KEEP_SECONDS = 2.0
SMOOTHING = OneEuro()
SURE_SHARE = 1.5  # of the threshold, from which on one frame is enough for a hand to have an id
SURE_FRAMES = 5  # which are needed else
KEPT_SHARE = 0.7  # of the threshold, from which on a hand is followed further
DOUBTFUL_EVERY = 3  # frames from one detection to the next while a hand is lost or doubtful
DOUBT_SHARE = 1.3  # of the threshold, below which a followed hand is doubtful


class TrackedFrame(NamedTuple):
    """One frame of a video and its hands.

    index: of the frame in the video, from 0. time: in seconds since its first frame. image: (H, W, 3) uint8 BGR.
    hands: with ``ids``.
    """

    index: int  # type: ignore[assignment]  # a tuple has a method of that name
    time: float
    image: Image
    hands: Hands


class HandTracker:
    """Follows the hands of one video or camera; a tracker for each, which may share their estimator.

    A hand is looked for where its keypoints were in the frame before; the detector runs every so many frames, and when
    a hand is lost or doubtful. Each frame has its hands at once: there is no delay but what smoothing adds.

    Args:
        estimator: finds hands in images. Its first view of a crop is enough between frames: ``tta="none"`` is fast.
        detect_every: frames from one detection to the next while all hands are well seen.
        smoothing: of the keypoints; None: as the network sees them.
        keep_seconds: how long a hand that is not seen keeps its id.
    Raises:
        InputError: an argument of another kind, or a number that is out of range.
        MissingPackageError: scipy is not installed.
    """

    def __init__(
        self,
        estimator: HandEstimator,
        detect_every: int = DETECT_EVERY,
        smoothing: OneEuro | None = SMOOTHING,
        keep_seconds: float = KEEP_SECONDS,
    ) -> None:
        if isinstance(estimator, type) or not callable(getattr(estimator, "detect", None)):
            raise InputError(f"estimator must be a HandEstimator, got {estimator!r:.80}.")
        if not isinstance(smoothing, (OneEuro, type(None))):
            raise InputError(f"smoothing must be a OneEuro or None, got {smoothing!r:.80}.")
        self.estimator, self.smoothing = estimator, smoothing
        self.detect_every = check_count("detect_every", detect_every)
        if not is_number(keep_seconds) or keep_seconds < 0:
            raise InputError(f"keep_seconds must be a number of at least 0, got {keep_seconds!r:.80}.")
        self.keep_seconds = keep_seconds
        import_assignment()  # what is missing is said before any frame
        self.threshold = DEFAULT_THRESHOLD if estimator.hand_threshold is None else estimator.hand_threshold
        self._video: Video | None = None  # that is followed
        self.reset()

    def reset(self) -> None:
        """Forget all hands; ids begin at 1."""
        self._tracks: list[Track] = []
        self._next_id, self._since_detection, self._time = 1, 0, -np.inf

    def stream(
        self, source: Any, start: float | None = None, end: float | None = None, every: int = 1
    ) -> Iterator[TrackedFrame]:
        """The frames of a video with their hands, as they come; nothing is held but the newest.

        Args:
            source, start, end, every: as in `sources.video.open_video`; or a `Video` that is open, alone.
        Raises:
            InputError: no video, or one that breaks off, after the frames before; or another stream began meanwhile.
            MissingPackageError: PyAV is missing.
        """
        if isinstance(source, Video):
            if (start, end, every) != (None, None, 1):
                raise InputError(f"{source.name} is open: pass start, end and every to open_video.")
            return self._frames(source)
        return self._opened(open_video(source, start, end, every))

    def _opened(self, video: Video) -> Iterator[TrackedFrame]:
        with video:
            yield from self._frames(video)

    def _frames(self, video: Video) -> Iterator[TrackedFrame]:
        self.reset()
        self._video = video
        for index, time, image in video:
            if self._video is not video:
                raise InputError(f"{video.name}: this tracker follows another stream since then; make one for each.")
            yield TrackedFrame(index, time, image, self.update(image, time))

    def update(self, image: Image, time: float) -> Hands:
        """The hands of the next frame, best first, with ids.

        Args:
            image: (H, W, 3) uint8 BGR. time: in seconds, later than of the frame before.
        Raises:
            InputError: an image that cannot be used, or a time that is not later.
        """
        if not _is_frame(image):
            raise InputError(f"a frame is an array (H, W, 3) uint8 BGR with pixels, got {_kind(image)}.")
        if not is_number(time) or time <= self._time:
            raise InputError(f"frames must come in the order of their times: {time!r:.40} after {self._time:.3f} s.")
        size = image.shape[1], image.shape[0]
        followed = self._followed(time, *size)
        self._since_detection += 1
        detected: Any = ()
        if self._detection_is_due(len(followed[0])):
            self._since_detection = 0
            (detected,) = self.estimator.detect([image])
        self._match(self._observe(image, places(*followed, *detected)), time)
        self._time = time
        return self._hands(size)

    def _followed(self, time: float, width: int, height: int) -> tuple[Array, Array]:
        """Boxes (N, 4) and scores (N,) of the visible hands where they are expected, if that is in the image."""
        tracks = [track for track in self._tracks if track.visible]
        boxes = np.array([track.box(time, width, height) for track in tracks], np.float32).reshape(-1, 4)
        scores = np.array([track.seen.score for track in tracks], np.float32)
        solid = (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)
        return boxes[solid], scores[solid]

    def _detection_is_due(self, followed: int) -> bool:
        sure = DOUBT_SHARE * self.threshold
        clear = all(track.visible and track.seen.confidence >= sure for track in self._tracks)
        return not followed or self._since_detection >= (
            self.detect_every if clear else min(DOUBTFUL_EVERY, self.detect_every)
        )

    def _observe(self, image: Image, where: Places) -> list[Observation]:
        """The hands at these places, one for each real hand."""
        if not len(where.boxes):
            return []
        keypoints, boxes = self._look(image, where)
        confidences = confidence(keypoints, where.scores)
        share = np.full(len(boxes), CONFIRMED_SHARE, np.float32)
        share[: where.followed] = KEPT_SHARE
        kept = kept_hands(keypoints, boxes, confidences / share, self.threshold)
        height, width = image.shape[:2]
        return [
            Observation(keypoints[i], box, float(where.scores[i]), float(confidences[i]), color_at(image, keypoints[i]))
            for i, box in zip(kept, around(keypoints[kept], width, height))
            if (box[2:] > box[:2]).all()
        ]

    def _look(self, image: Image, where: Places) -> tuple[Array, Array]:
        """Keypoints (N, 21, 3) of the hands and their boxes (N, 4): the better of two, or moved to the hand."""
        count, boxes = len(where.boxes), where.boxes.copy()
        seen = self.estimator(image, np.concatenate([boxes, where.others])).keypoints
        keypoints = np.array(seen[:count])
        _take_better(keypoints, boxes, where.owners, seen[count:], where.others)
        poor, moved = poorly_localised(keypoints, boxes, image.shape[1], image.shape[0])
        if len(poor):
            _take_better(keypoints, boxes, poor, self.estimator(image, moved).keypoints, moved)
        return keypoints, boxes

    def _match(self, observed: list[Observation], time: float) -> None:
        """Give each observation to its track, or a new one; forget the tracks that were not seen for too long."""
        pairs = assign(self._tracks, observed, time)
        tracked, matched = {row for row, _ in pairs}, {column for _, column in pairs}
        for row, column in pairs:
            self._tracks[row].follow(observed[column], time)
        for row, track in enumerate(self._tracks):
            track.visible = row in tracked
        self._tracks = [
            track
            for track in self._tracks
            if track.visible or (track.id is not None and time - track.time <= self.keep_seconds)
        ]
        self._tracks += [Track(seen, time, self.smoothing) for i, seen in enumerate(observed) if i not in matched]
        for track in self._tracks:
            if track.id is None and self._is_sure(track):
                track.id, self._next_id = self._next_id, self._next_id + 1

    def _is_sure(self, track: Track) -> bool:
        """Whether it is a hand: clearly, or in several frames."""
        share = SURE_SHARE if track.count < SURE_FRAMES else 1.0
        return track.seen.confidence >= share * self.threshold

    def _hands(self, size: tuple[int, int]) -> Hands:
        shown = [track for track in self._tracks if track.visible and track.id is not None]
        if not shown:
            return Hands.empty(size, self.estimator.keypoint_threshold)
        shown.sort(key=lambda track: -track.seen.confidence)
        keypoints = np.array([track.keypoints for track in shown])
        boxes = around(keypoints, *size)
        solid = (boxes[:, 2:] > boxes[:, :2]).all(axis=1, keepdims=True)  # smoothed points may lie beside the image
        boxes = np.where(solid, boxes, np.array([track.seen.box for track in shown]))
        scores = [track.seen.score for track in shown]
        confidences = [track.seen.confidence for track in shown]
        ids = np.array([track.id for track in shown])
        threshold = self.estimator.keypoint_threshold
        return Hands(keypoints, boxes, np.array(scores), np.array(confidences), size, ids, keypoint_threshold=threshold)


def _take_better(keypoints: Array, boxes: Array, hands: NDArray[np.intp], others: Array, other_boxes: Array) -> None:
    """Put in place of the hands with these indices (M,) the others (M, 21, 3) that have a higher mean score."""
    for hand, other, box in zip(hands, others, other_boxes):
        if mean_scores(other) > mean_scores(keypoints[hand]):
            keypoints[hand], boxes[hand] = other, box


def color_at(image: Image, keypoints: Array) -> Array:
    """(3,) the median colour of an image (H, W, 3) at keypoints (21, 2 or more), those inside."""
    height, width = image.shape[:2]
    x = np.clip(keypoints[:, 0], 0, width - 1).astype(int)
    y = np.clip(keypoints[:, 1], 0, height - 1).astype(int)
    return np.asarray(np.median(image[y, x], axis=0), np.float32)


def _is_frame(image: Any) -> bool:
    is_image = isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
    return is_image and image.size > 0


def _kind(image: object) -> str:
    return f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else f"a {type(image).__name__}"
