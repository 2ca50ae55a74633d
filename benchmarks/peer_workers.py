"""The processes that benchmarks/peers.py asks: ``python peer_workers.py NAME OPTIONS``, in the Python of that library.

NAME is one of `PEERS`, OPTIONS a JSON object, the arguments of its class. The first line that a worker prints says what
it is, or why it cannot run here. Then it reads requests on stdin, a JSON object a line, and answers each with the
seconds that it took and the hands found. All libraries run on the same `THREADS` cores, on `THREADS` threads as far as
they can be told. Nothing is downloaded: without weights on this machine a network runs with random ones.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

import numpy as np

THREADS = 2
RANDOM = "random weights: the number of hands means nothing"


class Peer:
    """A library at work.

    packages: whose versions are told. answers: what it can be asked, "image", "keypoints" and names of networks.
    remark: what a reader of its numbers must know.
    """

    packages: tuple[str, ...] = ()
    answers: tuple[str, ...] = ("image",)
    remark = ""

    def image(self, image: Any, boxes: Any) -> int:
        """The number of hands found in an image (H, W, 3) uint8 BGR; true boxes (N, 4) xyxy for who needs them."""
        raise NotImplementedError

    def keypoints(self, image: Any, most: int) -> list[Any]:
        """Those of the hands of the next frame of a video."""
        raise NotImplementedError

    def network(self, name: str) -> None:
        """Run a keypoint network on one crop."""
        raise NotImplementedError


class Handkp(Peer):
    """This package. Networks: the hosted one with random weights, and that of ``model``, in the views of ``tta``."""

    packages = ("modelscope-handkp", "torch", "onnxruntime", "openvino")
    answers = ("hosted", "embedded", "image")

    def __init__(self, model: str, hosted: str, engine: str, precision: str, tta: str) -> None:
        import torch

        from modelscope_handkp import HandEstimator
        from modelscope_handkp.engines import fastest

        torch.set_num_threads(THREADS)
        self.folders = {"hosted": hosted, "embedded": model}
        self.engine, self.precision, self.tta = engine, precision, tta
        self.estimator = HandEstimator.from_pretrained(model, device="cpu", engine=engine, precision=precision, tta=tta)
        self.remark = f"auto takes {fastest(torch.device('cpu'), 'eager')}" if engine == "auto" else ""
        self.networks: dict[str, Callable[[], object]] = {}

    def image(self, image: Any, boxes: Any) -> int:
        return len(self.estimator(image))

    def network(self, name: str) -> None:
        if name not in self.networks:
            self.networks[name] = self.build(Path(self.folders[name]), name == "hosted")
        self.networks[name]()

    def build(self, folder: Path, random: bool) -> Callable[[], object]:
        """What runs the keypoint network of a model directory on a random crop."""
        import torch

        from modelscope_handkp.engines import build_engine
        from modelscope_handkp.model_dir.config import read_configuration
        from modelscope_handkp.model_dir.settings import ModelSettings
        from modelscope_handkp.networks.topdown import build_topdown, load_topdown
        from modelscope_handkp.pose.views import MultiView

        torch.manual_seed(0)
        settings = ModelSettings.parse(read_configuration(folder))
        network = build_topdown(settings.network).eval() if random else load_topdown(folder, settings.network)
        size = settings.crop_size
        engine = build_engine(self.engine, network, torch.device("cpu"), precision=self.precision, size=size)
        views, crop = MultiView(engine, settings.views.limited(self.tta)), torch.rand(1, 3, size[1], size[0])
        return lambda: views(crop)


class MediaPipe(Peer):
    """``mp.solutions.hands``; ``tracking`` has a tracker for each number of hands, which is told that number."""

    packages = ("mediapipe",)
    answers = ("image", "keypoints")

    def __init__(self, tracking: bool) -> None:
        import mediapipe

        self.hands, self.tracking, self.trackers = mediapipe.solutions.hands.Hands, tracking, {}

    def image(self, image: Any, boxes: Any) -> int:
        return len(self.keypoints(image, len(boxes)))

    def keypoints(self, image: Any, most: int) -> list[Any]:
        """(N, 21, 2) in image pixels, of at most so many hands when tracking."""
        import cv2

        most = most if self.tracking else 8
        if most not in self.trackers:
            self.trackers[most] = self.hands(static_image_mode=not self.tracking, max_num_hands=most)
        found = self.trackers[most].process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        height, width = image.shape[:2]
        return [
            [(point.x * width, point.y * height) for point in hand.landmark]
            for hand in found.multi_hand_landmarks or ()
        ]


class RTMLib(Peer):
    """``rtmlib.Hand``: RTMDet-nano and RTMPose-m in ONNX Runtime, on as many threads as it sees cores."""

    packages = ("rtmlib", "onnxruntime")

    def __init__(self) -> None:
        from rtmlib import Hand

        cache = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "rtmlib")
        folder = Path(cache, "hub", "checkpoints").expanduser()
        for part in ("det", "pose"):
            file = folder / Path(Hand.MODE["lightweight"][part]).with_suffix(".onnx").name
            if not file.is_file():
                raise FileNotFoundError(f"its weights {file.name} are not on this machine; rtmlib.Hand() fetches them")
        self.hand = Hand(backend="onnxruntime", device="cpu")

    def image(self, image: Any, boxes: Any) -> int:
        found = self.hand.det_model(image)
        if len(found):
            self.hand.pose_model(image, bboxes=found)
        return len(found)


class Ultralytics(Peer):
    """YOLO11n-pose at 640 pixels."""

    packages = ("ultralytics", "torch")
    remark = f"YOLO11n-pose, {RANDOM}"

    def __init__(self) -> None:
        os.environ.update(YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false", YOLO_CONFIG_DIR=str(Path.cwd()))
        import torch
        from ultralytics import YOLO

        torch.set_num_threads(THREADS)
        torch.manual_seed(0)
        self.model = YOLO("yolo11n-pose.yaml")

    def image(self, image: Any, boxes: Any) -> int:
        return len(self.model.predict(image, imgsz=640, device="cpu", verbose=False)[0])


class MMPose(Peer):
    """A model of mmpose's own configurations for hands of COCO-WholeBody."""

    packages = ("mmpose", "torch")
    remark = "boxes given, random weights"

    def __init__(self, config: str) -> None:
        import mmpose
        import torch
        from mmengine import Config
        from mmpose.apis import init_model

        torch.set_num_threads(THREADS)
        folder = Path(mmpose.__file__).parent / ".mim" / "configs" / "hand_2d_keypoint"
        (file,) = folder.glob(f"*/coco_wholebody_hand/{config}*.py")
        settings = Config.fromfile(str(file))
        settings.model.backbone.init_cfg = None  # it would download weights
        self.model = with_random_weights(init_model(settings, device="cpu"))

    def image(self, image: Any, boxes: Any) -> int:
        from mmpose.apis import inference_topdown

        return len(inference_topdown(self.model, image, np.array(boxes, np.float32)))


class EasyCV(Peer):
    """EasyCV's own network of the hosted configuration, with its flip test and its decoding."""

    packages = ("pai-easycv", "torch")
    answers = ("hosted",)
    remark = "with decoding, random weights"

    def __init__(self, hosted: str) -> None:
        import torch
        from easycv.models import build_model
        from mmcv import Config

        torch.set_num_threads(THREADS)
        block = json.loads(Path(hosted, "configuration.json").read_text(encoding="utf-8"))["model"]
        block = {key: value for key, value in block.items() if key != "__easycv_arch__"}
        self.model = with_random_weights(build_model(Config({**block, "type": "TopDown", "pretrained": None})))
        self.crop = torch.rand(1, 3, 256, 256)

    def network(self, name: str) -> None:
        import torch

        place = {"center": [128.0, 128.0], "scale": [1.28, 1.28], "image_id": 0, "bbox_id": 0, "flip_pairs": []}
        with torch.no_grad():
            self.model(self.crop, mode="test", img_metas=[place])


PEERS: dict[str, Callable[..., Peer]] = {
    "handkp": Handkp, "mediapipe": MediaPipe, "rtmlib": RTMLib, "ultralytics": Ultralytics, "mmpose": MMPose,
    "easycv": EasyCV,
}  # fmt: skip


def with_random_weights(network: Any) -> Any:
    """In evaluation mode and with torch's own first weights, as ours; much smaller ones make denormals, which take a
    hundred times as long."""
    for module in network.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    return network.eval()


def serve(build: Callable[[], Peer], requests: Iterable[str], replies: TextIO) -> None:
    """Answer each line of requests with a line of replies; what fails is answered with the error."""

    def reply(make: Callable[[], dict[str, Any]]) -> None:
        try:
            made = make()
        except Exception as error:  # of whatever library
            made = {"error": " ".join(f"{type(error).__name__}: {error}".split())[:200]}
        replies.write(json.dumps(made) + "\n")
        replies.flush()

    peers = []

    def start() -> dict[str, Any]:
        peers.append(build())
        return {"versions": versions(peers[0].packages), "answers": peers[0].answers, "remark": peers[0].remark}

    reply(start)
    for line in requests if peers else ():
        reply(lambda line=line: answer(peers[0], **json.loads(line)))


def answer(peer: Peer, what: str, image: str = "", boxes: Any = (), warm: int = 0) -> dict[str, Any]:
    """``what`` is "memory", "image", "keypoints" or the name of a network; ``image`` a file of numpy's; ``warm``: so
    often before it counts."""
    if what == "memory":
        return {"mebibytes": peak_memory()}
    pixels = np.load(image) if image else None
    for _ in range(warm + 1):
        start = time.perf_counter()
        if what == "keypoints":
            found = peer.keypoints(pixels, len(boxes))
            return {"seconds": time.perf_counter() - start, "keypoints": found}
        hands = peer.image(pixels, boxes) if what == "image" else peer.network(what)
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "hands": hands}


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Of those that are installed."""
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def peak_memory() -> float:
    """Of this process, MiB."""
    status = Path("/proc/self/status")
    if status.is_file():  # ru_maxrss counts the process that started this one, too
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def main() -> None:
    """One worker, until its stdin ends."""
    sys.path.pop(0)  # this folder has names that a library may have
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print, too
    name, options = sys.argv[1], json.loads(sys.argv[2])

    def build() -> Peer:
        try:
            import cv2
        except ImportError:
            return PEERS[name](**options)
        cv2.setNumThreads(THREADS)
        return PEERS[name](**options)

    serve(build, sys.stdin, replies)


if __name__ == "__main__":
    main()
