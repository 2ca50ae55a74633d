"""Evaluating and predicting with the trainer, and the example images that it draws."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from modelscope.trainers.hooks.hook import Hook
from small import BACKGROUND, assert_equal_weights, weights

from modelscope_handkp.errors import ConfigError, DatasetError, InputError
from modelscope_handkp.plugin.training.evaluation import is_empty

Build = Callable[..., Any]


class Stream(torch.utils.data.IterableDataset):  # type: ignore[type-arg]
    """A data set without a length."""

    def __iter__(self) -> Any:
        return iter([])


@pytest.fixture(scope="module")
def evaluator(finished: Any) -> Any:
    """The trainer of a finished run."""
    return finished.trainer


def test_evaluate_gives_the_numbers_of_the_present_or_of_other_weights(finished: Any, build: Build) -> None:
    values = finished.trainer.evaluate()
    assert {"PCK", "AUC", "EPE", "NME", "PCK_wrist", "PCK_medium", "hands"} <= values.keys()
    assert values["NME"] == values["EPE"] and values["hands"] == 6
    assert json.loads((finished.work / "output" / "eval_result.txt").read_text()) == pytest.approx(values)
    evaluator = build(train_dataset=None)
    assert evaluator.evaluate(checkpoint_path=str(finished.work / "epoch_2.pth")) == values
    assert evaluator.evaluate(str(finished.work / "epoch_1.pth")) != values
    assert evaluator.evaluate(str(finished.work / "output")) == values
    assert_equal_weights(weights(evaluator), weights(finished.trainer))


def test_a_batch_is_evaluated_without_gradients_and_in_evaluation_mode(evaluator: Any) -> None:
    seen: list[tuple[bool, bool]] = []
    handle = evaluator.model.keypoint_head.register_forward_hook(
        lambda module, given, out: seen.append((module.training, torch.is_grad_enabled()))
    )
    batches: list[Any] = []
    evaluator.evaluate(saving_fn=lambda inputs, outputs: batches.append(outputs))
    handle.remove()
    assert set(seen) == {(False, False)}
    assert [len(outputs["keypoints"]) for outputs in batches] == [4, 2]  # six samples in batches of four


def test_hooks_learn_of_an_evaluation(build: Build) -> None:
    class Listener(Hook):
        def __init__(self) -> None:
            self.stages: list[str] = []

        def before_val(self, trainer: Any) -> None:
            self.stages.append("before")

        def after_val(self, trainer: Any) -> None:
            self.stages.append("after")

    listener = Listener()
    build(train_dataset=None, callbacks=[listener]).evaluate()
    assert listener.stages == ["before", "after"]


def test_predictions_are_written_as_coco_results(evaluator: Any, tmp_path: Path) -> None:
    path = tmp_path / "new" / "predictions.json"
    evaluator.predict(saving_fn=path)
    entries = json.loads(path.read_text())
    assert [entry["image_id"] for entry in entries] == list(range(6))
    assert [entry["is_left"] for entry in entries] == [True, False] * 3
    assert all(len(entry["keypoints"]) == 63 and entry["bbox"] == [40, 20, 80, 80] for entry in entries)
    batches: list[Any] = []
    evaluator.predict(evaluator.eval_dataset, lambda inputs, outputs: batches.append(outputs["keypoints"]))
    np.testing.assert_allclose(np.concatenate(batches)[0].ravel(), entries[0]["keypoints"], atol=1e-3)


def test_another_data_set_and_other_weights_are_predicted(
    build: Build, finished: Any, tmp_path: Path, evaluator: Any
) -> None:
    two = torch.utils.data.Subset(evaluator.eval_dataset, [4, 1])
    untrained = build(train_dataset=None, eval_dataset=None)
    untrained.predict(two, str(tmp_path / "a.json"), checkpoint_path=str(finished.work / "epoch_2.pth"))
    evaluator.predict(two, str(tmp_path / "b.json"))
    a, b = (json.loads((tmp_path / name).read_text()) for name in ("a.json", "b.json"))
    assert [entry["image_id"] for entry in a] == [1, 4]
    assert a == b


def test_only_the_first_process_writes(evaluator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from modelscope_handkp.plugin.training import evaluation

    monkeypatch.setattr(evaluation, "is_master", lambda: False)
    evaluator.predict(saving_fn=tmp_path / "predictions.json")
    assert not (tmp_path / "predictions.json").exists()


def test_what_is_needed_is_asked_for_before_the_work(evaluator: Any, build: Build, tmp_path: Path) -> None:
    alone = build(eval_dataset=None, train_dataset=None)
    with pytest.raises(ConfigError, match="pass eval_dataset"):
        alone.evaluate()
    with pytest.raises(ConfigError, match="predict needs a data set"):
        alone.predict(saving_fn=tmp_path / "a.json")
    with pytest.raises(ConfigError, match="predict needs a data set"):
        evaluator.predict()
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        evaluator.predict(saving_fn=tmp_path / "file" / "a.json")


def test_an_empty_data_set_is_refused(build: Build) -> None:
    trainer = build(eval_dataset=torch.utils.data.TensorDataset(torch.zeros(0, 1)))
    with pytest.raises(DatasetError, match="the evaluation data set is empty"):
        trainer.evaluate()
    assert is_empty([]) and not is_empty([1]) and not is_empty(Stream())


def test_example_images_are_drawn_on_the_first_hands_of_the_last_batch(build: Build) -> None:
    trainer = build({"evaluation.dataloader.batch_size_per_gpu": 6}, train_dataset=None)
    trainer.evaluate()
    examples = trainer.example_images()
    assert examples["filenames"] == [f"{i:012d}.png_{i}" for i in range(4)]
    for image in examples["images"]:
        assert image.shape == (120, 160, 3) and image.dtype == np.uint8 and image.flags["C_CONTIGUOUS"]
        assert tuple(image[0, 0]) == BACKGROUND[::-1]  # RGB
        assert (image[:, 40] != np.array(BACKGROUND[::-1])).any(axis=1).sum() > 50  # the box's left side


def test_samples_without_a_file_have_no_example_images(evaluator: Any, build: Build) -> None:
    class Bare(torch.utils.data.Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> Any:
            item = evaluator.eval_dataset[index]
            keys = ("center", "scale", "bbox_id", "ground_truth")
            return {**item, "img_metas": {key: item["img_metas"][key] for key in keys}}

    trainer = build(train_dataset=None, eval_dataset=Bare())
    assert trainer.evaluate()["hands"] == 1
    assert trainer.example_images() is None


def test_a_work_dir_that_cannot_be_written_is_refused(build: Build, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        build(work_dir=str(tmp_path / "file" / "work"))
