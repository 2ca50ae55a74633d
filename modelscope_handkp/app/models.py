"""The models that a page offers, each built once."""

import copy
import importlib.util
import threading
from collections.abc import Sequence

from ..checks import check_threshold
from ..engines import AUTO, EAGER, GRAPH_ENGINES, fastest
from ..engines.device import pick_device
from ..errors import InputError
from ..estimator import HandEstimator
from ..model_dir.exported import ExportedModel
from ..model_dir.hub import find_model_dir
from ..tracking import HandTracker

EMBEDDED = "embedded"
ALL_VIEWS, ONE_VIEW = "full", "none"  # of a crop: images take the time, videos do not
BATCH_SIZE = 8  # crops at once, which bounds memory


class Models:
    """Estimators by model and engine; threads may share one.

    Args:
        model_dirs: folders or hub ids, offered beside the embedded model, before it.
        engine: the one that is offered first; None: the fastest that is installed.
        device: as in `HandEstimator.from_pretrained`.
    Attributes:
        names: of the models, engines: that are offered; the first is the default. fastest: of those engines.
    Raises:
        HandkpError: the first model cannot be read, the engine is not possible here, or a package is missing.
    """

    def __init__(self, model_dirs: Sequence[str] = (), engine: str | None = None, device: str | None = None) -> None:
        self.names = tuple(dict.fromkeys([*map(str, model_dirs), EMBEDDED]))
        self._device = pick_device(device)
        self.fastest = fastest(self._device, EAGER)
        first = self.fastest if engine in (None, AUTO) else str(engine)
        self.engines = tuple(dict.fromkeys([first, EAGER, *filter(_is_installed, GRAPH_ENGINES)]))
        self._built: dict[tuple[str, str, str], HandEstimator] = {}
        self._lock = threading.Lock()
        self.get(self.names[0], first, 0, 0, ALL_VIEWS)
        HandTracker(self.get(self.names[0], first, 0, 0, ONE_VIEW))  # says now what is missing for videos

    def get(
        self, name: str, engine: str, hand_threshold: float, keypoint_threshold: float, views: str
    ) -> HandEstimator:
        """An estimator with these thresholds.

        Args:
            name, engine: of those that are offered.
            hand_threshold: the least confidence of a hand; 0 or None: the model's own.
            keypoint_threshold: the least score of a keypoint; None: 0.
            views: `ALL_VIEWS` or `ONE_VIEW` of each crop.
        Raises:
            InputError: what is not offered, or a threshold beyond 0 to 1. Other HandkpErrors: the model cannot be read
                or does not run in this engine.
        """
        if name not in self.names:
            raise InputError(f"the model {name!r:.80} is not offered; {', '.join(self.names)} are.")
        if engine not in self.engines:
            raise InputError(f"the engine {engine!r:.80} is not offered; {', '.join(self.engines)} are.")
        check_threshold("hand_threshold", hand_threshold)
        check_threshold("keypoint_threshold", keypoint_threshold)
        estimator = copy.copy(self._shared(name, engine, views))
        estimator.hand_threshold = hand_threshold or estimator.hand_threshold
        estimator.keypoint_threshold = float(keypoint_threshold or 0)
        return estimator

    def _shared(self, name: str, engine: str, views: str) -> HandEstimator:
        key = name, engine, views
        if key not in self._built:  # those that are there do not wait for one that is built
            with self._lock:
                if key not in self._built:
                    self._built[key] = self._build(*key)
        return self._built[key]

    def _build(self, name: str, engine: str, views: str) -> HandEstimator:
        folder = find_model_dir(None if name == EMBEDDED else name)
        exported = ExportedModel.find(folder)
        if exported is not None and exported.decoded:
            views = ALL_VIEWS  # its graph has them
        return HandEstimator.from_pretrained(folder, self._device, BATCH_SIZE, engine=engine, tta=views)


def _is_installed(engine: str) -> bool:
    return all(importlib.util.find_spec(package) is not None for package in (engine, "onnx"))
