"""build_trainer('easycv') on a narrow network and pictures of dots: what a user sees, and that a run repeats."""

import inspect
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import HOOKS, assert_equal_weights, datasets, weights

from modelscope_handkp.errors import ConfigError, DatasetError, InputError, MissingFileError
from modelscope_handkp.plugin import names
from modelscope_handkp.plugin.training import checkpoints

pytest.importorskip("modelscope.trainers")

Trained = Callable[..., Any]


def test_the_name_is_there_again() -> None:
    from modelscope.metainfo import Trainers

    assert Trainers.easycv == names.TRAINER


def test_train_writes_checkpoints_logs_and_a_model_directory(build: Trained, tmp_path: Path, model_dir: Path) -> None:
    trainer = build()
    before = weights(trainer)
    trainer.train()
    work = tmp_path / "work"
    assert {"epoch_1.pth", "epoch_2.pth", "best_PCK.pth"} <= {file.name for file in work.iterdir()}
    assert not list(work.rglob(".*"))
    assert any(not torch.equal(before[key], value) for key, value in weights(trainer).items())

    [log] = work.glob("*.log.json")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"epoch", "iter", "lr", "loss", "acc_pose", "mode"} <= lines[0].keys()
    assert "evaluation/PCK" in lines[-1]

    safely = {"weights_only": True} if "weights_only" in inspect.signature(torch.load).parameters else {}
    content = torch.load(str(work / "epoch_2.pth"), **safely)
    assert set(content) == {"meta", "state_dict", "optimizer"}
    assert (content["meta"]["epoch"], content["meta"]["iter"]) == (2, 4)
    original = json.loads((model_dir / "configuration.json").read_text())
    written = json.loads((work / "output" / "configuration.json").read_text())
    assert written["model"] == original["model"]
    assert written["plugins"] == [names.DISTRIBUTION]
    assert str(tmp_path) not in json.dumps(written)


def test_the_output_is_a_model_directory(build: Trained, tmp_path: Path, data_dir: Path) -> None:
    from modelscope.pipelines import pipeline

    trainer = build()
    trainer.train()
    assert_equal_weights(
        checkpoints.read_state_dict(tmp_path / "work" / "output" / "pytorch_model.pt"), weights(trainer)
    )
    answer = pipeline("hand-2d-keypoints", model=str(tmp_path / "work" / "output"))(
        str(data_dir / "val2017/000000000000.png")
    )
    assert np.asarray(answer["keypoints"]).shape == (1, 21, 3)


def test_evaluate_gives_the_numbers(build: Trained, tmp_path: Path) -> None:
    trainer = build()
    trainer.train()
    values = trainer.evaluate()
    assert {"PCK", "AUC", "EPE", "NME", "PCK_wrist", "PCK_medium", "hands"} <= values.keys()
    assert values["NME"] == values["EPE"] and values["hands"] == 6
    evaluator = build(train_dataset=None)
    assert evaluator.evaluate(checkpoint_path=str(tmp_path / "work" / "epoch_2.pth")) == values
    assert evaluator.evaluate(str(tmp_path / "work" / "output")) == values
    assert evaluator.evaluate(str(tmp_path / "work" / "epoch_1.pth")) != values


def test_predictions_as_coco_json(build: Trained, tmp_path: Path) -> None:
    trainer = build(train_dataset=None)
    trainer.predict(saving_fn=str(tmp_path / "predictions.json"))
    entries = json.loads((tmp_path / "predictions.json").read_text())
    assert [entry["image_id"] for entry in entries] == list(range(6))
    assert all(len(entry["keypoints"]) == 63 and len(entry["bbox"]) == 4 for entry in entries)
    batches: list[Any] = []
    trainer.predict(trainer.eval_dataset, lambda inputs, outputs: batches.append(outputs["keypoints"]))
    np.testing.assert_allclose(np.concatenate(batches)[0].ravel(), entries[0]["keypoints"], atol=1e-3)


def test_a_model_object_and_plain_torch_datasets(build: Trained, model_dir: Path) -> None:
    from modelscope.models import Model

    model = Model.from_pretrained(str(model_dir))
    trainer = build(model=model)
    subset = torch.utils.data.Subset(trainer.train_dataset, [0, 1, 2, 3])
    both = torch.utils.data.ConcatDataset([trainer.eval_dataset, subset])
    trainer = build(
        model=model, train_dataset=subset, eval_dataset=both, cfg_file=str(model_dir / "configuration.json")
    )
    trainer.train()
    assert trainer.model is model
    assert trainer.iter == 2
    assert trainer.evaluate()["hands"] == 10


class Bare(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """A data set with what `HandKeypointsTrainer` asks for and no more."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __len__(self) -> int:
        return len(self.inner)

    def __getitem__(self, index: int) -> Any:
        item = self.inner[index]
        metas = {key: item["img_metas"][key] for key in ("center", "scale", "bbox_id", "ground_truth")}
        return {**item, "img_metas": metas}


class Stream(torch.utils.data.IterableDataset):  # type: ignore[type-arg]
    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __iter__(self) -> Any:
        return (self.inner[index] for index in range(len(self.inner)))


def test_data_sets_that_say_no_more_than_they_must(build: Trained) -> None:
    trainer = build()
    hooks = [*HOOKS, {"type": "TensorboardHook"}]
    bare = build(
        {"train.hooks": hooks}, train_dataset=Bare(trainer.train_dataset), eval_dataset=Bare(trainer.eval_dataset)
    )
    bare.train()
    assert bare.metric_values["hands"] == 6


def test_a_data_set_without_length_trains_and_resumes(build: Trained, tmp_path: Path) -> None:
    stream = Stream(build().train_dataset)
    with pytest.raises(ConfigError, match="train_iters_per_epoch"):
        build(train_dataset=stream).train()
    options = {"train.train_iters_per_epoch": 2}
    build(options, train_dataset=stream).train()
    more = build({**options, "train.max_epochs": 3}, train_dataset=stream)
    more.train(checkpoint_path=str(tmp_path / "work"))
    assert more.iter == 6


def test_augmentation_differs_by_epoch_and_repeats(build: Trained) -> None:
    def pictures(seed: int) -> list[torch.Tensor]:
        trainer = build(seed=seed)
        seen: list[torch.Tensor] = []
        step = trainer.train_step
        trainer.train_step = lambda model, batch: (seen.append(batch["img"].clone()), step(model, batch))[1]
        trainer.train()
        return seen

    first, again, other = pictures(1), pictures(1), pictures(2)
    assert all(torch.equal(a, b) for a, b in zip(first, again))
    assert not any(torch.equal(a, b) for a, b in zip(first, other))
    assert not torch.equal(torch.cat(first[:2]).sort()[0], torch.cat(first[2:]).sort()[0])


@pytest.mark.parametrize("option", [{"use_fp16": True}, {"options": {"train.use_fp16": True}}])
def test_mixed_precision_on_the_cpu_is_bfloat16(build: Trained, option: dict[str, Any]) -> None:
    trainer = build(**option)
    kinds = set()
    trainer.model.keypoint_head.register_forward_hook(lambda module, given, out: kinds.add(out.dtype))
    trainer.train()
    assert torch.bfloat16 in kinds
    assert all(value.dtype == torch.float32 for value in trainer.model.parameters())
    assert all(torch.isfinite(value).all() for value in trainer.model.parameters())


def test_metrics_without_pck_train_without_a_best(build: Trained, tmp_path: Path) -> None:
    evaluators = [{"type": "KeyPointEvaluator", "metric_names": ["EPE"]}]
    build({"evaluation.metrics.evaluators": evaluators}).train()
    assert not list((tmp_path / "work").glob("best_*"))


# bad input: one clear error, nothing half-written


def test_nothing_to_train_or_evaluate_on(build: Trained) -> None:
    with pytest.raises(ConfigError, match="train_dataset"):
        build(train_dataset=None).train()
    with pytest.raises(ConfigError, match="eval_dataset"):
        build(eval_dataset=None).evaluate()
    build(eval_dataset=None).train()


def test_dataset_errors_are_raised(model_dir: Path, data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="coco_wholebody_train"):
        datasets(tmp_path, model_dir)
    broken = shutil.copytree(data_dir, tmp_path / "broken")
    annotations = broken / "annotations" / "coco_wholebody_train_v1.0.json"
    annotations.write_text(annotations.read_text()[:1000])
    with pytest.raises(DatasetError, match="coco_wholebody_train"):
        datasets(broken, model_dir)


def test_a_broken_picture_is_named_or_left_out(build: Trained, data_dir: Path, model_dir: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(data_dir, tmp_path / "broken")
    (broken / "train2017" / "000000000003.png").write_bytes(b"x")
    train, _ = datasets(broken, model_dir)
    with pytest.raises(DatasetError, match=r"000000000003\.png is not a picture"):
        build(train_dataset=train).train()
    train.on_bad_image = "skip"
    trainer, told = build(train_dataset=train), []
    trainer.logger.warning = told.append
    trainer.train()
    assert train.skipped == 2  # once an epoch
    assert "2 training samples were left out so far, since their pictures are broken" in told


def test_a_batch_of_broken_pictures_is_left_out(
    build: Trained, data_dir: Path, model_dir: Path, tmp_path: Path
) -> None:
    broken = shutil.copytree(data_dir, tmp_path / "broken")
    for name in ("train2017/000000000006.png", "val2017/000000000004.png", "val2017/000000000005.png"):
        (broken / name).write_bytes(b"x")
    train, val = datasets(broken, model_dir)
    train.on_bad_image = val.on_bad_image = "skip"
    trainer = build({"train.dataloader.batch_size_per_gpu": 1}, train_dataset=train, eval_dataset=val)
    trainer.train()
    assert (trainer.epoch, trainer.iter) == (2, 14)
    assert trainer.metric_values["hands"] == 4
    for picture in (broken / "train2017").iterdir():
        picture.write_bytes(b"x")
    with pytest.raises(DatasetError, match="no picture of the training data set can be read"):
        build(train_dataset=train).train()


def test_work_dir_that_cannot_be_written(build: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"work_dir .*file/work cannot be written"):
        build(work_dir=str(tmp_path / "file" / "work"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"work_dir .*file/work cannot be written"):
        build({"train.work_dir": str(tmp_path / "file" / "work")}, work_dir=None)
    build({"train.work_dir": str(tmp_path / "mine")}, work_dir=None)
    assert (tmp_path / "mine").is_dir() and not (tmp_path / "work_dir").exists()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"train.lr_scheduler": {"policy": "cyclic"}}, "cyclic"),
        ({"train.optimizer.type": "Adamm"}, "train.optimizer .*Adamm"),
        ({"train.optimizer.paramwise_options": {}}, "paramwise_options"),
        ({"train.hooks": [{"type": "EvaluationHook", "interval": 0}]}, "EvaluationHook"),
        ({"train.max_epochs": 0}, "train.max_epochs .* got 0"),
        ({"train.dataloader.batch_size_per_gpu": 0}, "train.dataloader .*batch_size"),
        ({"train.dataloader.wokers": 1}, "train.dataloader .*wokers"),
    ],
)
def test_configurations_that_say_nonsense(build: Trained, options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        build(options).train()


def test_an_unknown_metric_is_refused_before_training(build: Trained) -> None:
    with pytest.raises(ConfigError, match="PCKh"):
        build({"evaluation.metrics.evaluators": [{"type": "KeyPointEvaluator", "metric_names": ["PCKh"]}]})


def test_more_processes_than_gpus(build: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    torchrun = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    for name, value in torchrun.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="process 1 has no GPU of its own, this machine has 1"):
        build(launcher="pytorch")


def test_launcher_without_torchrun(build: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(ConfigError, match="torchrun"):
        build(launcher="pytorch")
    with pytest.raises(ConfigError, match="'mpi'"):
        build(launcher="mpi")
