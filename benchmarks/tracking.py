"""Follow hands through rendered clips, and measure it against the same estimator frame by frame.

    python benchmarks/tracking.py [--model DIR] [--engine auto] [--tta none] [--clips 40] [--frames 100]
                                  [--level medium] [--seed 9000000] [--mediapipe PYTHON] [--json FILE]

Needs motmetrics for identities: pip install motmetrics. A clip has one, two or three hands in turn. PYTHON has
MediaPipe installed, which then runs in its tracking mode on the same frames.

Printed: IDF1 and identity switches (motmetrics, IoU of boxes at least 0.5); recall and false boxes; PCK@0.2, where the
keypoints of a hand that was not found count as wrong; jitter, the mean difference of acceleration from the truth, in
thousandths of a hand's longer side a frame squared; lag, by how many frames the truth must be delayed to fit best; and
milliseconds a frame, in turn with the other methods on the same frames.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch
from embedded import FOUND_IOU, HELD_OUT_SEED, matched
from numpy.typing import NDArray
from peers import Row, Worker
from tqdm import tqdm

from modelscope_handkp import HandEstimator, Hands
from modelscope_handkp.data.metrics import distances, pck
from modelscope_handkp.errors import HandkpError
from modelscope_handkp.geometry.boxes import iou, xyxy_to_xywh
from modelscope_handkp.model_dir.settings import TTA_LEVELS
from modelscope_handkp.pose.refine import around
from modelscope_handkp.synthetic import ClipFrame, render_clip
from modelscope_handkp.tracking import HandTracker

Array = NDArray[np.float32]

HANDS = (1, 2, 3)
DELAYS = np.arange(-1, 3.01, 0.05)  # frames, which are tried for the lag
PER_MILLE = 1000
LEAST_FRAMES = 10


class Found(NamedTuple):
    """What a method finds in one frame, and the frame's truth: as in `ClipFrame`."""

    truth: ClipFrame
    hands: Hands


class FrameByFrame:
    """The estimator, asked anew for each frame."""

    def __init__(self, estimator: HandEstimator) -> None:
        self.estimator = estimator

    def begin(self, hands: int) -> None:
        """The next clip begins."""

    def __call__(self, frame: ClipFrame) -> Hands:
        return self.estimator(frame.image)


class Tracked:
    """The tracker."""

    def __init__(self, tracker: HandTracker) -> None:
        self.tracker = tracker

    def begin(self, hands: int) -> None:
        self.tracker.reset()

    def __call__(self, frame: ClipFrame) -> Hands:
        return self.tracker.update(frame.image, frame.time)


class MediaPipe:
    """MediaPipe Hands in its tracking mode, in a process of its own for each clip; it gives no identities."""

    def __init__(self, python: str, folder: Path) -> None:
        self.row = Row("MediaPipe Hands", "mediapipe", {"tracking": True}, python)
        self.folder, self.frame = folder, folder / "frame.npy"
        self.worker: Worker | None = None

    def begin(self, hands: int) -> None:
        self.close()
        self.worker, self.hands = Worker(self.row, self.folder), hands
        self.worker.hello()

    def __call__(self, frame: ClipFrame) -> Hands:
        np.save(self.frame, frame.image)
        assert self.worker
        answer = self.worker.ask(what="keypoints", image=str(self.frame), boxes=[[0, 0, 1, 1]] * self.hands)
        self.seconds = answer["seconds"]
        points = np.array(answer["keypoints"], np.float32).reshape(-1, 21, 2)
        keypoints = np.concatenate([points, np.ones((*points.shape[:2], 1), np.float32)], axis=2)
        return Hands(keypoints, around(keypoints, *frame.image.shape[1::-1]), np.ones(len(points)))

    def close(self) -> None:
        """End the process."""
        if self.worker:
            self.worker.close()


def identities(clip: list[Found]) -> Any:
    """A motmetrics accumulator of one clip."""
    import motmetrics

    counted = motmetrics.MOTAccumulator(auto_id=True)
    for truth, hands in clip:
        far = 1 - iou(truth.boxes, hands.boxes)
        far[far > 1 - FOUND_IOU] = np.nan
        counted.update(truth.ids, np.arange(len(hands)) if hands.ids is None else hands.ids, far)
    return counted


def identity_numbers(clips: list[list[Found]]) -> dict[str, float]:
    """IDF1 (Ristani et al. 2016) and identity switches over all clips, each matched by motmetrics on its own."""
    import motmetrics

    names = ["idtp", "idfp", "idfn", "num_switches", "num_frames"]
    table = motmetrics.metrics.create().compute_many([identities(clip) for clip in clips], metrics=names)
    true, false, missed, switches, frames = (float(table[name].sum()) for name in names)
    return {
        "idf1": 2 * true / (2 * true + false + missed),
        "identity switches in 200 frames": switches * 200 / frames,
    }


def paths(clip: list[Found]) -> Iterator[tuple[Array, Array, Array]]:
    """Of each true hand: true keypoints (T, 21, 3) and found ones (T, 21, 2), NaN where there are none, and the longer
    sides (T,) of its boxes."""
    for name in sorted({int(one) for truth, _ in clip for one in truth.ids}):
        true, found = np.full((len(clip), 21, 3), np.nan), np.full((len(clip), 21, 2), np.nan)
        sides = np.full(len(clip), np.nan)
        for row, (truth, hands) in enumerate(clip):
            (here,) = np.nonzero(truth.ids == name)
            if not len(here):
                continue
            true[row] = truth.keypoints[here[0]]
            box = truth.boxes[here[0]]
            sides[row] = (box[2:] - box[:2]).max()
            overlap = iou(box[None], hands.boxes)[0]
            if len(overlap) and overlap.max() > FOUND_IOU:
                found[row] = hands.keypoints[overlap.argmax(), :, :2]
        yield true, found, sides


def jitter(clip: list[Found]) -> Array:
    """Differences of acceleration from the truth, each a thousandth of the hand's side a frame squared."""
    errors = []
    for true, found, sides in paths(clip):
        difference = (found - true[..., :2]) / sides[:, None, None]
        change = np.linalg.norm(difference[2:] - 2 * difference[1:-1] + difference[:-2], axis=-1)
        seen = true[..., 2] == 2
        errors.append(change[seen[2:] & seen[1:-1] & seen[:-2] & np.isfinite(change)])
    return np.concatenate(errors) * PER_MILLE if errors else np.zeros(0)


def lag(clips: list[list[Found]]) -> float:
    """Frames by which the truth, delayed, fits best."""
    total = np.zeros(len(DELAYS))
    for true, found, sides in (path for clip in clips for path in paths(clip)):
        length = len(true)
        for number, delay in enumerate(DELAYS):
            at = np.clip(np.arange(length) - delay, 0, length - 1)
            low = np.floor(at).astype(int)
            high, share = np.minimum(low + 1, length - 1), (at - low)[:, None, None]
            delayed = true[low, :, :2] * (1 - share) + true[high, :, :2] * share
            off = np.linalg.norm(found - delayed, axis=-1) / sides[:, None]
            inner = off[3:-3][(true[3:-3, :, 2] == 2)]
            total[number] += np.nansum(np.minimum(inner, 0.2))
    return float(DELAYS[total.argmin()])


def numbers(clips: list[list[Found]], has_ids: bool) -> dict[str, float]:
    """The figures of one method over all clips, by name."""
    frames = [found for clip in clips for found in clip]
    boxes = np.concatenate([truth.boxes for truth, _ in frames])
    keypoints = np.concatenate([truth.keypoints for truth, _ in frames])
    overlaps = [iou(truth.boxes, hands.boxes) for truth, hands in frames]
    found = [
        matched(hands.keypoints[..., :2], overlap) for (_, hands), overlap in zip(frames, overlaps) if len(overlap)
    ]
    result: dict[str, float] = {"frames": len(frames), "hands": len(boxes)}
    if has_ids:
        result |= identity_numbers(clips)
    result["recall@0.5"] = float(np.mean(np.concatenate([o.max(axis=1, initial=0) > FOUND_IOU for o in overlaps])))
    result["false boxes a frame"] = float(np.mean([(o.max(axis=0, initial=0) <= FOUND_IOU).sum() for o in overlaps]))
    far = distances(np.concatenate(found), keypoints, keypoints[..., 2])
    result["pck@0.2"] = pck(far, xyxy_to_xywh(boxes))
    result["jitter"] = float(np.concatenate([jitter(clip) for clip in clips]).mean())
    result["lag, frames"] = lag(clips)
    return result


def rendered(clip: Iterator[ClipFrame]) -> Iterator[ClipFrame]:
    """The frames of a clip, rendered on one thread, which is fastest."""
    threads = torch.get_num_threads()
    while True:
        torch.set_num_threads(1)
        frame = next(clip, None)
        torch.set_num_threads(threads)
        if frame is None:
            return
        yield frame


def run(methods: dict[str, Any], clips: Iterator[tuple[int, Iterator[ClipFrame]]], total: int) -> tuple[Any, Any]:
    """What each method finds in each clip, and its milliseconds a frame, all methods in turn on each frame."""
    found: dict[str, list[list[Found]]] = {name: [] for name in methods}
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    for hands, clip in tqdm(clips, total=total, unit="clip"):
        for name, method in methods.items():
            method.begin(hands)
            found[name].append([])
        for frame in rendered(clip):
            for name, method in methods.items():
                started = time.perf_counter()
                seen = method(frame)
                seconds[name].append(getattr(method, "seconds", time.perf_counter() - started))
                found[name][-1].append(Found(frame._replace(image=None), seen))
    return found, {name: 1000 * float(np.mean(each)) for name, each in seconds.items()}


def main() -> None:
    """Render, follow, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="model directory (default: the embedded one)")
    parser.add_argument("--tta", default="none", choices=TTA_LEVELS)
    parser.add_argument("--engine", default="auto", help="what runs the networks (default: auto)")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--frames", type=int, default=100, help="of each clip")
    parser.add_argument("--level", default="medium")
    parser.add_argument("--hands", type=int, nargs="+", default=HANDS, help="in the clips, in turn")
    parser.add_argument("--seed", type=int, default=HELD_OUT_SEED)
    parser.add_argument("--mediapipe", metavar="PYTHON", help="a Python that has MediaPipe")
    parser.add_argument("--json", type=Path, help="write the numbers here, too")
    args = parser.parse_args()
    if args.frames < LEAST_FRAMES:
        parser.error(f"--frames must be at least {LEAST_FRAMES}: the lag is measured away from a clip's ends")
    estimator = HandEstimator.from_pretrained(args.model, tta=args.tta, engine=args.engine)
    methods: dict[str, Any] = {"tracked": Tracked(HandTracker(estimator)), "frame by frame": FrameByFrame(estimator)}
    with ExitStack() as opened:
        if args.mediapipe:
            folder = opened.enter_context(TemporaryDirectory())
            methods["MediaPipe, tracking"] = opened.enter_context(closing(MediaPipe(args.mediapipe, Path(folder))))
        results = measure(methods, args)
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n")


def measure(methods: dict[str, Any], args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """The figures of each method, which are printed, too."""
    counts = [args.hands[index % len(args.hands)] for index in range(args.clips)]
    clips = (
        (hands, render_clip(args.seed + index, args.frames, hands=hands, level=args.level))
        for index, hands in enumerate(counts)
    )
    found, milliseconds = run(methods, clips, args.clips)
    results = {}
    for name, frames in found.items():
        results[name] = {**numbers(frames, name == "tracked"), "milliseconds a frame": milliseconds[name]}
        print(f"\n{name}")
        for what, value in results[name].items():
            print(f"  {what:34s}{value:10.3f}")
    return results


if __name__ == "__main__":
    try:
        main()
    except HandkpError as error:
        raise SystemExit(f"error: {error}") from None
