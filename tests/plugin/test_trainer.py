"""build_trainer('easycv') on a narrow network and pictures of dots: what a user sees, and that a run repeats."""

import errno
import inspect
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import datasets, dots_dataset, narrow_dir

from modelscope_handkp.errors import CheckpointError, ConfigError, DatasetError, InputError, MissingFileError
from modelscope_handkp.plugin import checkpoints, names

modelscope_trainers = pytest.importorskip("modelscope.trainers")

HOOKS = [
    {"type": "CheckpointHook", "interval": 1},
    {"type": "EvaluationHook", "interval": 1},
    {"type": "TextLoggerHook"},
]
Trained = Callable[..., Any]


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return narrow_dir(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dots_dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture
def build(model_dir: Path, data_dir: Path, tmp_path: Path) -> Trained:
    """build(options={...}, **arguments) -> a trainer on the dots; work_dir is tmp_path/work."""

    def make(options: dict[str, Any] | None = None, **arguments: Any) -> Any:
        train, val = datasets(data_dir, model_dir)
        options = {"train.max_epochs": 2, "train.hooks": HOOKS, **(options or {})}
        given = {
            "model": str(model_dir),
            "train_dataset": train,
            "eval_dataset": val,
            "work_dir": str(tmp_path / "work"),
        }
        return modelscope_trainers.build_trainer(names.TRAINER, {**given, "cfg_options": options, **arguments})

    return make


def weights(trainer: Any) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in trainer.model.state_dict().items()}


def assert_equal_weights(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    different = [key for key in a if not torch.equal(a[key], b[key])]
    assert not different, f"{len(different)} of {len(a)} tensors differ, {different[:3]}"


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


@pytest.mark.parametrize("workers", [0, 2])
def test_two_and_resume_and_two_is_four(build: Trained, tmp_path: Path, workers: int) -> None:
    options = {"train.max_epochs": 4, "train.dataloader.workers_per_gpu": workers}
    through = build(options, work_dir=str(tmp_path / "through"))
    through.train()
    first = build({**options, "train.max_epochs": 2})
    first.train()
    second = build(options)
    second.train(checkpoint_path=str(tmp_path / "work" / "epoch_2.pth"))
    assert_equal_weights(weights(through), weights(second))
    assert (second.epoch, second.iter) == (4, 8)
    a, b = (checkpoints.read_checkpoint(tmp_path / name / "epoch_4.pth") for name in ("through", "work"))
    assert a["optimizer"]["param_groups"] == b["optimizer"]["param_groups"]
    assert all(
        torch.equal(a["optimizer"]["state"][i]["exp_avg"], b["optimizer"]["state"][i]["exp_avg"]) for i in range(9)
    )
    assert torch.equal(a["meta"]["rng_state"]["cpu"], b["meta"]["rng_state"]["cpu"])


@pytest.mark.parametrize("name", ["epoch_2.pth", "best_PCK.pth"])
def test_a_torch_style_scheduler_resumes_too(build: Trained, tmp_path: Path, name: str) -> None:
    def halve(cfg: Any) -> Any:
        cfg.train.lr_scheduler = {"type": "StepLR", "step_size": 1, "gamma": 0.5}
        return cfg

    through = build({"train.max_epochs": 3}, cfg_modify_fn=halve, work_dir=str(tmp_path / "through"))
    through.train()
    assert through.optimizer.param_groups[0]["lr"] == pytest.approx(5e-4 / 8)
    build(cfg_modify_fn=halve).train()
    again = build({"train.max_epochs": 3}, cfg_modify_fn=halve)
    again.train(checkpoint_path=str(tmp_path / "work" / name))
    assert_equal_weights(weights(through), weights(again))


def test_resume_within_an_epoch(build: Trained, tmp_path: Path) -> None:
    hooks = [{"type": "CheckpointHook", "interval": 3, "by_epoch": False, "save_last": False}]
    options = {"train.max_epochs": 3, "train.hooks": hooks}
    through = build(options)
    through.train()
    again = build(options, work_dir=str(tmp_path / "again"))
    again.train(checkpoint_path=str(tmp_path / "work" / "iter_3.pth"))
    assert_equal_weights(weights(through), weights(again))


def test_resume_from_the_work_dir_and_by_prefix(build: Trained, tmp_path: Path) -> None:
    build().train()
    done = build()
    done.train(checkpoint_path=str(tmp_path / "work"))
    assert done.epoch == 2
    one_more = build({"train.max_epochs": 3})
    one_more.train(checkpoint_path=str(tmp_path / "work" / "epoch_2"))
    assert one_more.iter == 6


def test_the_schedule_goes_on_after_a_resume(build: Trained, tmp_path: Path) -> None:
    options = {"train.lr_scheduler.warmup_iters": 6, "train.max_epochs": 4}

    def rates(trainer: Any, **arguments: Any) -> list[float]:
        seen: list[float] = []
        step = trainer.train_step
        trainer.train_step = lambda *given: (seen.append(trainer.optimizer.param_groups[0]["lr"]), step(*given))[1]
        trainer.train(**arguments)
        return seen

    through = rates(build(options))
    rest = rates(build(options), checkpoint_path=str(tmp_path / "work" / "epoch_2.pth"))
    assert rest == through[4:]


def test_golden_schedule_at_every_iteration(build: Trained, golden: Callable[[str], Any]) -> None:
    trainer = build(
        {
            "train.max_epochs": 10,
            "train.hooks": [],
            "train.dataloader.batch_size_per_gpu": 1,
            "train.lr_scheduler.step": [4, 8],
            "train.lr_scheduler.warmup_iters": 50,
            "train.lr_scheduler.warmup_ratio": 0.1,
        },
        eval_dataset=None,
        train_dataset=torch.utils.data.TensorDataset(torch.zeros(20, 1)),
        data_collator=lambda items: {"x": torch.zeros(1)},
    )
    seen = []
    trainer.train_step = lambda model, batch: (
        seen.append(trainer.optimizer.param_groups[0]["lr"]),
        setattr(trainer, "train_outputs", {"loss": next(iter(model.parameters())).sum() * 0}),
    )
    trainer.train()
    np.testing.assert_allclose(seen, golden("lr_schedule.npz")["short"], rtol=0, atol=1e-9)


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


def test_the_best_checkpoint_is_the_best_evaluation(build: Trained, tmp_path: Path) -> None:
    trainer = build({"train.max_epochs": 4, "train.optimizer.lr": 0.01})
    seen = []
    evaluate = trainer.evaluate
    trainer.evaluate = lambda *given: seen.append(evaluate(*given)) or seen[-1]
    trainer.train()
    best = max(value["PCK"] for value in seen)
    assert build(train_dataset=None).evaluate(str(tmp_path / "work" / "best_PCK.pth"))["PCK"] == best
    assert json.loads((tmp_path / "work" / "output_best" / "eval_result.txt").read_text())["PCK"] == best


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


def test_the_gpus_loss_scaling_trains_the_same_where_it_has_nothing_to_scale(build: Trained, tmp_path: Path) -> None:
    from modelscope_handkp.plugin.hooks import MixedPrecisionHook

    plain, scaled = build({"train.max_epochs": 1}, work_dir=str(tmp_path / "plain")), build({"train.max_epochs": 1})
    scaled.register_hook(MixedPrecisionHook())  # without a GPU its scaler is disabled
    plain.train()
    scaled.train()
    assert_equal_weights(weights(plain), weights(scaled))


def test_gradients_are_clipped(build: Trained) -> None:
    trainer = build({"train.optimizer": {"type": "SGD", "lr": 1.0},
                     "train.optimizer.options.grad_clip.max_norm": 1e-3, "train.lr_scheduler.warmup_iters": 0,
                     "train.max_epochs": 1, "train.dataloader.batch_size_per_gpu": 8})  # fmt: skip
    before = dict(trainer.model.named_parameters())
    before = {key: value.detach().clone() for key, value in before.items()}
    trainer.train()
    moved = sum(((value - before[key]) ** 2).sum() for key, value in trainer.model.named_parameters()).sqrt()
    assert float(moved) == pytest.approx(1e-3, rel=0.05)


def test_all_hooks_of_the_converter_resolve_and_an_unknown_is_refused(build: Trained) -> None:
    converter = [
        "CheckpointHook",
        "EvaluationHook",
        "AddLrLogHook",
        "IterTimerHook",
        "TextLoggerHook",
        "TensorboardHook",
    ]
    build({"train.hooks": [{"type": name} for name in converter]}).train()
    with pytest.raises(ConfigError, match=r"'EMAHook', which is not known; known are .*AddLrLogHook.*TensorboardHook"):
        build({"train.hooks": [{"type": "EMAHook"}]})


def test_only_the_newest_checkpoints_stay(build: Trained, tmp_path: Path) -> None:
    hooks = [{"type": "CheckpointHook", "interval": 1, "max_checkpoint_num": 2}]
    build({"train.hooks": hooks, "train.max_epochs": 2}).train()
    build({"train.hooks": hooks, "train.max_epochs": 4}).train(checkpoint_path=str(tmp_path / "work"))
    assert sorted(file.name for file in (tmp_path / "work").glob("epoch_*")) == ["epoch_3.pth", "epoch_4.pth"]


def test_a_new_run_in_an_old_work_dir_keeps_its_own_checkpoints(build: Trained, tmp_path: Path) -> None:
    hooks = [{"type": "CheckpointHook", "interval": 1, "max_checkpoint_num": 1}]
    build({"train.hooks": hooks, "train.max_epochs": 2}).train()
    build({"train.hooks": hooks, "train.max_epochs": 1}).train()
    assert [file.name for file in (tmp_path / "work").glob("epoch_*")] == ["epoch_1.pth"]
    assert checkpoints.find_checkpoint(tmp_path / "work").name == "epoch_1.pth"


def test_the_best_weights_are_restored_if_asked(build: Trained, tmp_path: Path) -> None:
    best = {"type": "BestCkptSaverHook", "metric_key": "EPE", "rule": "max", "restore_best": True}
    trainer = build({"train.hooks": [*HOOKS, best], "train.max_epochs": 3, "train.optimizer.lr": 0.01})
    trainer.train()
    assert_equal_weights(weights(trainer), checkpoints.read_state_dict(tmp_path / "work" / "best_EPE.pth"))


def test_metrics_without_pck_train_without_a_best(build: Trained, tmp_path: Path) -> None:
    evaluators = [{"type": "KeyPointEvaluator", "metric_names": ["EPE"]}]
    build({"evaluation.metrics.evaluators": evaluators}).train()
    assert not list((tmp_path / "work").glob("best_*"))


def test_the_schedule_counts_iterations_of_training_after_an_evaluation(build: Trained) -> None:
    def cosine_by_iteration(cfg: Any) -> Any:
        cfg.train.lr_scheduler = {"policy": "CosineAnnealing", "min_lr": 0.0, "by_epoch": False}
        return cfg

    trainer = build({"evaluation.dataloader.batch_size_per_gpu": 1}, cfg_modify_fn=cosine_by_iteration)
    seen: list[float] = []
    step = trainer.train_step
    trainer.train_step = lambda *given: (seen.append(trainer.optimizer.param_groups[0]["lr"]), step(*given))[1]
    trainer.train()
    cosine = 0.5 * 5e-4 * (np.cos(np.pi * np.arange(4) / 4) + 1)
    np.testing.assert_allclose(seen, cosine, rtol=1e-9)


def test_tensorboard_scalars_and_pictures(build: Trained, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    build({"train.hooks": [*HOOKS, {"type": "TensorboardHook", "interval": 1}]}).train()
    events = EventAccumulator(str(tmp_path / "work" / "tensorboard_output")).Reload()
    assert {"loss", "lr", "evaluation/PCK"} <= set(events.Tags()["scalars"])
    assert len(events.Tags()["images"]) == 2


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
    train.on_bad_picture = "skip"
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
    train.on_bad_picture = val.on_bad_picture = "skip"
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


def test_full_disk_leaves_the_last_checkpoint_whole(
    build: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = build({"train.max_epochs": 2})
    calls, fsync = [], os.fsync

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if trainer.epoch >= 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="cannot be written: No space left"):
        trainer.train()
    monkeypatch.undo()
    work = tmp_path / "work"
    assert not list(work.rglob(".*")) and not (work / "epoch_2.pth").exists()
    resumed = build()
    resumed.train(checkpoint_path=str(work))
    assert resumed.epoch == 2


def test_no_room_for_a_model_directory(build: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = build()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="cannot be written: No space left"):
        trainer.train()
    assert not list((tmp_path / "work").rglob("*.pth")) and not list((tmp_path / "work").rglob(".*"))


@pytest.mark.parametrize("last", ["epoch_2.pth", "output/pytorch_model.pt"])
def test_a_kill_between_the_files_of_the_last_epoch_leaves_no_old_output(
    build: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    class Killed(BaseException):
        pass

    def write(path: Path, content: bytes) -> None:
        if trainer.epoch == 1 and path == tmp_path / "work" / last:
            raise Killed
        whole(path, content)

    whole, trainer = checkpoints.write_atomically, build()
    monkeypatch.setattr(checkpoints, "write_atomically", write)
    with pytest.raises(Killed):
        trainer.train()
    monkeypatch.undo()
    resumed = build()
    resumed.train(checkpoint_path=str(tmp_path / "work"))
    output = checkpoints.read_state_dict(tmp_path / "work" / "output" / "pytorch_model.pt")
    assert_equal_weights(output, weights(resumed))


def test_checkpoints_that_do_not_fit(build: Trained, tmp_path: Path, model_dir: Path) -> None:
    with pytest.raises(MissingFileError, match="epoch_9"):
        build().train(checkpoint_path=str(tmp_path / "epoch_9.pth"))
    with pytest.raises(CheckpointError, match="no state to resume from"):
        build().train(checkpoint_path=str(model_dir / "pytorch_model.pt"))
    trainer = build()
    foreign = {"meta": {"epoch": 3, "iter": 7}, "state_dict": weights(trainer), "optimizer": {}}
    torch.save(foreign, str(tmp_path / "foreign.pth"))
    with pytest.raises(CheckpointError, match=r"foreign.pth was written by another trainer.*load_all_state=False"):
        trainer.train(checkpoint_path=str(tmp_path / "foreign.pth"))
    other = narrow_dir(tmp_path / "wide", channels=4)
    with pytest.raises(CheckpointError, match="does not fit"):
        build().evaluate(str(other))
    (tmp_path / "cut.pth").write_bytes((model_dir / "pytorch_model.pt").read_bytes()[:5000])
    with pytest.raises(CheckpointError, match=r"cut.pth"):
        build().train(checkpoint_path=str(tmp_path / "cut.pth"))


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
