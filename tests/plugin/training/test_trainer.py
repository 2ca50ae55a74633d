"""build_trainer('easycv') on a narrow network and images of dots: what a user sees, and that a run repeats."""

import inspect
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from modelscope.trainers.base import BaseTrainer
from modelscope.trainers.hooks.optimizer.base import OptimizerHook
from processes import TORCHRUN, in_two_processes
from small import HOOKS, assert_equal_weights, datasets, weights

from modelscope_handkp.data.dataset import collate
from modelscope_handkp.errors import ConfigError, DatasetError, MissingFileError
from modelscope_handkp.model_dir.checkpoint import read_state_dict
from modelscope_handkp.plugin import names
from modelscope_handkp.plugin.training.loop_hooks import MixedPrecisionHook

pytest.importorskip("modelscope.trainers")

Build = Callable[..., Any]


def test_the_name_is_there_again() -> None:
    from modelscope.metainfo import Trainers

    assert Trainers.easycv == names.TRAINER


def test_train_writes_checkpoints_logs_and_a_model_directory(finished: Any, model_dir: Path) -> None:
    work, trainer = finished.work, finished.trainer
    assert {"epoch_1.pth", "epoch_2.pth", "best_PCK.pth"} <= {file.name for file in work.iterdir()}
    assert not list(work.rglob(".*"))
    before = read_state_dict(model_dir / "pytorch_model.pt")
    assert any(not torch.equal(before[key], value) for key, value in weights(trainer).items())
    [log] = work.glob("*.log.json")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"epoch", "iter", "loss", "acc_pose", "mode"} <= lines[0].keys()
    assert "evaluation/PCK" in lines[-1]

    safely = {"weights_only": True} if "weights_only" in inspect.signature(torch.load).parameters else {}
    content = torch.load(str(work / "epoch_2.pth"), **safely)
    assert set(content) == {"meta", "state_dict", "optimizer"}
    assert (content["meta"]["epoch"], content["meta"]["iter"]) == (2, 4)
    original = json.loads((model_dir / "configuration.json").read_text())
    written = json.loads((work / "output" / "configuration.json").read_text())
    assert written["model"] == original["model"]
    assert written["plugins"] == [names.DISTRIBUTION]
    assert str(work) not in json.dumps(written)


def test_the_output_is_a_model_directory(finished: Any, data_dir: Path) -> None:
    from modelscope.pipelines import pipeline

    output = finished.work / "output"
    assert_equal_weights(read_state_dict(output / "pytorch_model.pt"), weights(finished.trainer))
    result = pipeline("hand-2d-keypoints", model=str(output))(str(data_dir / "val2017/000000000000.png"))
    assert np.asarray(result["keypoints"]).shape == (1, 21, 3)


def test_a_model_object_and_plain_torch_datasets(build: Build, model_dir: Path) -> None:
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
    del model.model_dir
    with pytest.raises(ConfigError, match="needs cfg_file"):
        build(model=model)


def test_a_folder_is_taken_as_it_is_and_a_model_id_is_fetched(
    build: Build, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []

    def fetch(trainer: Any, model: str, revision: Any = None, third_party: Any = None) -> str:
        fetched.append(model)
        return str(model_dir)

    monkeypatch.setattr(BaseTrainer, "get_or_download_model_dir", fetch)
    trainer = build()
    assert trainer.model_dir == str(model_dir) and fetched == []
    assert trainer.get_or_download_model_dir("owner/name") == str(model_dir)
    assert fetched == ["owner/name"]


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


def test_data_sets_that_say_no_more_than_they_must(build: Build) -> None:
    trainer = build()
    hooks = [{"type": "EvaluationHook"}, {"type": "TensorboardHook"}]
    bare = build(
        {"train.hooks": hooks, "train.max_epochs": 1},
        train_dataset=Bare(trainer.train_dataset),
        eval_dataset=Bare(trainer.eval_dataset),
    )
    bare.train()
    assert bare.metric_values["hands"] == 6


def test_a_data_set_without_length_trains_and_resumes(build: Build, tmp_path: Path) -> None:
    stream = Stream(build().train_dataset)
    with pytest.raises(ConfigError, match="train_iters_per_epoch"):
        build(train_dataset=stream).train()
    options = {"train.train_iters_per_epoch": 2, "train.hooks": [{"type": "CheckpointHook"}]}
    build({**options, "train.max_epochs": 1}, train_dataset=stream).train()
    more = build(options, train_dataset=stream)
    more.train(checkpoint_path=str(tmp_path / "work"))
    assert more.iter == 4


def test_augmentation_differs_by_epoch_and_repeats(build: Build) -> None:
    def images(seed: int) -> list[torch.Tensor]:
        trainer = build(seed=seed)
        seen: list[torch.Tensor] = []
        step = trainer.train_step
        trainer.train_step = lambda model, batch: (seen.append(batch["img"].clone()), step(model, batch))[1]
        trainer.train()
        return seen

    first, again, other = images(1), images(1), images(2)
    assert all(torch.equal(a, b) for a, b in zip(first, again))
    assert not any(torch.equal(a, b) for a, b in zip(first, other))
    assert not torch.equal(torch.cat(first[:2]).sort()[0], torch.cat(first[2:]).sort()[0])


@pytest.mark.parametrize("option", [{"use_fp16": True}, {"options": {"train.use_fp16": True}}])
def test_mixed_precision_on_the_cpu_is_bfloat16(build: Build, option: dict[str, Any]) -> None:
    option = {"options": {}, **option}
    trainer = build({"train.max_epochs": 1, **option.pop("options")}, **option)
    kinds = set()
    trainer.model.keypoint_head.register_forward_hook(lambda module, given, out: kinds.add(out.dtype))
    trainer.train()
    assert torch.bfloat16 in kinds
    assert all(value.dtype == torch.float32 for value in trainer.model.parameters())
    assert all(torch.isfinite(value).all() for value in trainer.model.parameters())


def test_only_a_gpu_needs_its_loss_scaled(build: Build) -> None:
    for kind, use_fp16, expected in (("cpu", True, 0), ("cuda", True, 1), ("cuda", False, 0)):
        trainer = build(use_fp16=use_fp16)
        trainer.device = torch.device(kind)
        trainer.register_optimizers_hook()
        trainer.register_optimizers_hook()  # as ModelScope does at every train()
        assert len(trainer.get_hook(MixedPrecisionHook)) == expected
        assert len(trainer.get_hook(OptimizerHook)) == 1


def test_metrics_without_pck_train_without_a_best(build: Build, tmp_path: Path) -> None:
    evaluators = [{"type": "KeyPointEvaluator", "metric_names": ["EPE"]}]
    options = {"train.hooks": [{"type": "EvaluationHook"}], "train.max_epochs": 1}
    build({**options, "evaluation.metrics.evaluators": evaluators}).train()
    assert not list((tmp_path / "work").glob("best_*"))
    build(options).train()
    assert (tmp_path / "work" / "best_PCK.pth").is_file()


# bad input: one clear error, nothing half-written


def test_nothing_to_train_or_evaluate_on(build: Build) -> None:
    with pytest.raises(ConfigError, match="train_dataset"):
        build(train_dataset=None).train()
    with pytest.raises(ConfigError, match="eval_dataset"):
        build(eval_dataset=None).evaluate()
    build({"train.max_epochs": 1, "train.hooks": HOOKS}, eval_dataset=None).train()
    with pytest.raises(DatasetError, match="the training data set is empty"):
        build(train_dataset=torch.utils.data.TensorDataset(torch.zeros(0, 1))).train()


def test_dataset_errors_are_raised(model_dir: Path, data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="coco_wholebody_train"):
        datasets(tmp_path, model_dir)
    broken = shutil.copytree(data_dir, tmp_path / "broken")
    annotations = broken / "annotations" / "coco_wholebody_train_v1.0.json"
    annotations.write_text(annotations.read_text()[:1000])
    with pytest.raises(DatasetError, match="coco_wholebody_train"):
        datasets(broken, model_dir)


def test_a_broken_image_is_named_or_left_out(
    build: Build, data_dir: Path, model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = shutil.copytree(data_dir, tmp_path / "broken")
    (broken / "train2017" / "000000000003.png").write_bytes(b"x")
    train, _ = datasets(broken, model_dir)
    with pytest.raises(DatasetError, match=r"000000000003\.png is "):
        build(train_dataset=train).train()
    train.on_bad_image = "skip"
    trainer, told = build(train_dataset=train), []
    monkeypatch.setattr(trainer.logger, "warning", told.append)
    trainer.train()
    assert train.skipped == 2  # once an epoch
    assert "2 training samples were left out so far, since their images are broken" in told


def test_a_batch_of_broken_images_is_left_out(build: Build, data_dir: Path, model_dir: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(data_dir, tmp_path / "broken")
    for name in ("train2017/000000000006.png", "val2017/000000000004.png", "val2017/000000000005.png"):
        (broken / name).write_bytes(b"x")
    train, val = datasets(broken, model_dir)
    train.on_bad_image = val.on_bad_image = "skip"
    options = {"train.dataloader.batch_size_per_gpu": 1, "train.max_epochs": 1}
    trainer = build(options, train_dataset=train, eval_dataset=val)
    trainer.train()
    assert (trainer.epoch, trainer.iter) == (1, 7)
    assert trainer.evaluate()["hands"] == 4
    for image in (broken / "train2017").iterdir():
        image.write_bytes(b"x")
    with pytest.raises(DatasetError, match="no image of the training data set can be read"):
        build(train_dataset=train).train()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"train.lr_scheduler": {"policy": "cyclic"}}, "cyclic"),
        ({"train.optimizer.type": "Adamm"}, "train.optimizer .*Adamm"),
        ({"train.optimizer.paramwise_options": {}}, "paramwise_options"),
        ({"train.max_epochs": 0}, "train.max_epochs .* got 0"),
        ({"train.dataloader.batch_size_per_gpu": 0}, "train.dataloader .*batch_size"),
        ({"train.dataloader.wokers": 1}, "train.dataloader .*wokers"),
    ],
)
def test_configurations_that_say_nonsense(build: Build, options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        build(options).train()


def test_a_schedule_and_an_optimizer_of_another_kind_train(build: Build) -> None:
    options = {"train.optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9}, "train.max_epochs": 1}
    schedule = {"policy": "CosineAnnealing", "min_lr": 0}
    given = {**options, "train.lr_scheduler": schedule}
    trainer = build(given)
    trainer.train()
    assert type(trainer.optimizer).__name__ == "SGD"
    assert trainer.published_config()["train"]["lr_scheduler"] == schedule
    assert given["train.lr_scheduler"] is schedule and schedule == {"policy": "CosineAnnealing", "min_lr": 0}


@pytest.mark.parametrize("outputs", [{"heatmaps": 1}, 1.0])
def test_a_model_without_a_loss_is_refused(build: Build, outputs: Any) -> None:
    with pytest.raises(ConfigError, match="must return a dict with 'loss'"):
        trainer = build()
        trainer.train_step(Returning(outputs), {})


class Returning(torch.nn.Module):
    def __init__(self, outputs: Any) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self) -> Any:
        return self.outputs


def test_an_unknown_metric_is_refused_before_training(build: Build) -> None:
    with pytest.raises(ConfigError, match="PCKh"):
        build({"evaluation.metrics.evaluators": [{"type": "KeyPointEvaluator", "metric_names": ["PCKh"]}]})


def test_processes_average_their_gradients_and_log_the_mean_loss(build: Build) -> None:
    trainer = build(eval_dataset=None)
    samples = [trainer.train_dataset[index] for index in range(2)]

    def work(rank: int) -> tuple[float, float, float]:
        parallel = trainer.to_parallel(trainer.model)
        trainer.train_step(parallel, collate([samples[rank]]))
        trainer.train_outputs["loss"].backward()
        gradient = sum(float(value.grad.abs().sum()) for value in trainer.model.parameters())
        return float(trainer.train_outputs["loss"].detach()), trainer.log_buffer.val_history["loss"][-1], gradient

    (own, logged, gradient), (other, logged_by_other, gradient_of_other) = in_two_processes(work)
    assert own != other
    assert logged == logged_by_other == pytest.approx((own + other) / 2)
    assert gradient == pytest.approx(gradient_of_other, rel=1e-6) and gradient > 0


def test_more_processes_than_gpus(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="process 1 has no GPU of its own, this machine has 1"):
        build(launcher="pytorch")


def test_launcher_without_torchrun(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(ConfigError, match="torchrun"):
        build(launcher="pytorch")
    with pytest.raises(ConfigError, match="'mpi'"):
        build(launcher="mpi")
