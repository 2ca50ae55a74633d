"""A smoke test of the installed ModelScope, in a process of its own: ``python smoke.py``.

pipeline(), Model.from_pretrained(), the Exporter, one epoch of build_trainer() and evaluation, on the embedded model
and on images of dots. `make versions` runs it on several releases. Prints a line a step; the exit code is not 0 where
a step fails.
"""

import importlib.util
import json
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
sys.path[:0] = [str(ROOT), str(TESTS)]
EMBEDDED = ROOT / "modelscope_handkp" / "embedded"
IMAGE = ROOT / "examples" / "hands.jpg"
PLUGINS = ["pai-easycv", "modelscope-handkp"]


class Warnings(logging.Handler):
    """Lists what is logged as a warning or worse."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def check_import() -> None:
    """The import registers the names, and says nothing."""
    import modelscope_handkp.plugin

    assert modelscope_handkp.plugin.register()
    from modelscope.metainfo import CustomDatasets, Metrics, Models, Trainers

    found = (
        Trainers.easycv,
        Models.hand_2d_keypoints,
        CustomDatasets.HandCocoWholeBodyDataset,
        Metrics.EasyCVMetric,
    )
    assert found == ("easycv", "HRNet-Hand2D-Keypoints", "HandCocoWholeBodyDataset", "EasyCVMetric"), found


def check_inference(folder: Path) -> None:
    """pipeline() and Model.from_pretrained() find the hands that HandEstimator finds, without pip and without trust."""
    from modelscope.models import Model
    from modelscope.pipelines import pipeline
    from modelscope.utils.constant import Tasks

    from modelscope_handkp import HandEstimator

    directory = shutil.copytree(EMBEDDED, folder / "model")
    file = directory / "configuration.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "plugins": PLUGINS}))
    expected = HandEstimator.from_pretrained(EMBEDDED, device="cpu")(IMAGE)
    assert len(expected) == 3, len(expected)
    for model in (str(directory), Model.from_pretrained(str(directory))):
        result = pipeline(Tasks.hand_2d_keypoints, model=model, device="cpu")(str(IMAGE))
        np.testing.assert_allclose(result["keypoints"], expected.keypoints, atol=0.5)
        np.testing.assert_allclose(result["boxes"], expected.boxes, atol=0.5)


def check_export(folder: Path) -> None:
    """The Exporter writes the model of `check_inference`, which finds as many hands where ONNX Runtime runs it."""
    from modelscope.exporters import Exporter

    from modelscope_handkp import HandEstimator

    files = Exporter.from_model(str(folder / "model")).export_onnx(output_dir=str(folder / "exported"))
    assert files.keys() == {"model", "detector", "export"}, files
    assert all(Path(file).is_file() for file in files.values()), files
    hands = HandEstimator.from_pretrained(folder / "exported", device="cpu")(IMAGE)
    assert len(hands) == 3, len(hands)


def check_training(folder: Path) -> None:
    """One epoch of build_trainer() with evaluation and checkpoints; its model is a model of pipeline()."""
    from modelscope.pipelines import pipeline
    from modelscope.trainers import build_trainer
    from small import HOOKS, dots_dataset, narrow_dir

    model, data = narrow_dir(folder / "narrow", plugins=PLUGINS), dots_dataset(folder / "data")
    shutil.rmtree(model / "detection", ignore_errors=True)
    given = {"model": str(model), "work_dir": str(folder / "work"), "device": "cpu"}
    given |= {"train_dataset": str(data), "eval_dataset": str(data)}
    options: dict[str, Any] = {"train.max_epochs": 1, "train.hooks": HOOKS}
    trainer = build_trainer("easycv", {**given, "cfg_options": options})
    trainer.train()
    assert (trainer.epoch, trainer.iter) == (1, 2), (trainer.epoch, trainer.iter)
    assert {"epoch_1.pth", "best_PCK.pth"} <= {file.name for file in (folder / "work").iterdir()}
    assert trainer.evaluate()["hands"] == 6
    options["train.max_epochs"] = 2
    more = build_trainer("easycv", {**given, "cfg_options": options})
    more.train(checkpoint_path=str(folder / "work"))
    assert (more.epoch, more.iter) == (2, 4), (more.epoch, more.iter)
    image, detector = data / "val2017" / "000000000000.png", lambda image: ([[40, 20, 120, 100]], [1.0])
    result = pipeline("hand-2d-keypoints", model=str(folder / "work" / "output"), detector=detector)(str(image))
    assert result["keypoints"].shape == (1, 21, 3), result["keypoints"].shape


def step(name: str, check: Callable[..., None], *arguments: Any) -> None:
    started = time.monotonic()
    check(*arguments)
    print(f"  {name}: {time.monotonic() - started:.1f} s", flush=True)


def main() -> int:
    import modelscope

    ours, started = Warnings(), []
    logging.getLogger("modelscope_handkp").addHandler(ours)
    sys.addaudithook(lambda event, values: started.append(values[1]) if event == "subprocess.Popen" else None)
    print(f"ModelScope {modelscope.__version__} in {Path(modelscope.__file__).parents[1]}", flush=True)
    step("import", check_import)
    assert ours.messages == [], ours.messages
    with tempfile.TemporaryDirectory() as folder:
        step("inference", check_inference, Path(folder))
        if importlib.util.find_spec("onnxruntime"):
            step("export", check_export, Path(folder))
        step("training", check_training, Path(folder))
    pips = [command for command in started if "pip" in map(str, command)]
    assert pips == [] and "pip._internal" not in sys.modules, pips  # old releases run pip in this process
    return 0


if __name__ == "__main__":
    sys.exit(main())
