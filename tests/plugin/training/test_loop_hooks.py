"""The hooks of the training loop: schedule, gradients, random numbers of an epoch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import assert_equal_weights, weights

from modelscope_handkp.model_dir.checkpoint import read_checkpoint
from modelscope_handkp.plugin.training.loop_hooks import AddLrLogHook, MixedPrecisionHook, ProcessGroupHook

Build = Callable[..., Any]

SGD = {
    "train.optimizer": {"type": "SGD", "lr": 1.0},
    "train.lr_scheduler.warmup_iters": 0,
    "train.max_epochs": 1,
}


def step_by_step(trainer: Any, look: Callable[[], Any], **arguments: Any) -> list[Any]:
    """Train; what ``look`` gives in each iteration."""
    seen, step = [], trainer.train_step
    trainer.train_step = lambda *given: (seen.append(look()), step(*given))[1]
    trainer.train(**arguments)
    return seen


def rates(trainer: Any, **arguments: Any) -> list[float]:
    """The learning rate of each iteration."""
    return step_by_step(trainer, lambda: trainer.optimizer.param_groups[0]["lr"], **arguments)


# learning rate


def test_golden_schedule_at_every_iteration(build: Build, golden: Callable[[str], Any]) -> None:
    trainer = build(
        {
            "train.max_epochs": 10,
            "train.dataloader.batch_size_per_gpu": 1,
            "train.lr_scheduler.step": [4, 8],
            "train.lr_scheduler.warmup_iters": 50,
            "train.lr_scheduler.warmup_ratio": 0.1,
        },
        eval_dataset=None,
        train_dataset=torch.utils.data.TensorDataset(torch.zeros(20, 1)),
        data_collator=lambda items: {"x": torch.zeros(1)},
    )
    trainer.train_step = lambda model, batch: setattr(
        trainer, "train_outputs", {"loss": next(iter(model.parameters())).sum() * 0}
    )
    np.testing.assert_allclose(rates(trainer), golden("lr_schedule.npz")["short"], rtol=0, atol=1e-9)


def test_the_schedule_counts_iterations_of_training_after_an_evaluation(build: Build) -> None:
    def cosine_by_iteration(cfg: Any) -> Any:
        cfg.train.lr_scheduler = {"policy": "CosineAnnealing", "min_lr": 0.0, "by_epoch": False}
        return cfg

    hooks = [{"type": "EvaluationHook"}]
    options = {"evaluation.dataloader.batch_size_per_gpu": 1, "train.hooks": hooks}
    cosine = 0.5 * 5e-4 * (np.cos(np.pi * np.arange(4) / 4) + 1)
    np.testing.assert_allclose(rates(build(options, cfg_modify_fn=cosine_by_iteration)), cosine, rtol=1e-9)


@pytest.mark.parametrize(
    "schedule",
    [
        {"policy": "step", "step": [3], "warmup": "linear", "warmup_iters": 6, "warmup_ratio": 0.1},
        {"type": "ExponentialLR", "gamma": 0.5},
    ],
    ids=["mmcv", "torch"],
)
def test_the_schedule_resumes_where_it_was(build: Build, tmp_path: Path, schedule: dict[str, Any]) -> None:
    def with_schedule(cfg: Any) -> Any:
        cfg.train.lr_scheduler = schedule
        return cfg

    options = {"train.max_epochs": 4, "train.hooks": [{"type": "CheckpointHook", "interval": 2}]}
    through = rates(build(options, cfg_modify_fn=with_schedule))
    resumed = build(options, cfg_modify_fn=with_schedule)
    assert rates(resumed, checkpoint_path=str(tmp_path / "work" / "epoch_2.pth")) == through[4:]
    assert len({*through}) >= 4
    if "type" in schedule:
        assert resumed.lr_scheduler.last_epoch == 4


def test_each_parameter_group_has_its_own_rate(build: Build) -> None:
    trainer = build({"train.max_epochs": 1, "train.lr_scheduler": {"policy": "step", "step": [0], "gamma": 0.1}})
    first, *others = trainer.model.parameters()
    groups = [{"params": [first], "lr": 0.5}, {"params": others, "lr": 0.25}]
    trainer.optimizers = (torch.optim.SGD(groups), None)
    trainer.cfg.train.lr_scheduler = {"policy": "fixed", "warmup": "constant", "warmup_iters": 9, "warmup_ratio": 0.1}
    seen = step_by_step(trainer, lambda: [group["lr"] for group in trainer.optimizer.param_groups])
    assert seen == [[pytest.approx(0.05), pytest.approx(0.025)]] * 2


def test_the_rate_is_logged_also_with_a_scheduler_of_torch(build: Build) -> None:
    def halve(cfg: Any) -> Any:
        cfg.train.lr_scheduler = {"type": "StepLR", "step_size": 1, "gamma": 0.5}
        return cfg

    trainer = build({"train.hooks": [{"type": "AddLrLogHook"}]}, cfg_modify_fn=halve)
    [hook] = trainer.get_hook(AddLrLogHook)
    logged, after = [], hook.after_train_iter
    hook.after_train_iter = lambda trainer: (after(trainer), logged.append(trainer.log_buffer.output["lr"]))
    assert rates(trainer) == logged == [5e-4, 5e-4, 2.5e-4, 2.5e-4]


# gradients


def moved(trainer: Any) -> float:
    """How far training moves the weights, as one vector."""
    before = {key: value.detach().clone() for key, value in trainer.model.named_parameters()}
    trainer.train()
    squares = [((value.detach() - before[key]) ** 2).sum() for key, value in trainer.model.named_parameters()]
    return float(torch.stack(squares).sum().sqrt())


def scale_the_loss(trainer: Any, **options: Any) -> MixedPrecisionHook:
    """What use_fp16 does on a GPU, in float32 on the CPU."""
    if not hasattr(torch.amp, "GradScaler"):
        pytest.skip("this torch scales gradients on GPUs only")
    hook = MixedPrecisionHook()
    hook.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, **options)
    trainer.register_hook(hook)
    return hook


@pytest.mark.parametrize("scaled", [False, True])
def test_gradients_are_clipped_at_their_true_size(build: Build, scaled: bool) -> None:
    clip = {"train.optimizer.options.grad_clip.max_norm": 1e-3}
    trainer = build({**SGD, **clip, "train.dataloader.batch_size_per_gpu": 8})
    if scaled:
        scale_the_loss(trainer)
    assert moved(trainer) == pytest.approx(1e-3, rel=0.05)


@pytest.mark.parametrize("cumulative", [1, 2])
def test_a_scaled_loss_trains_the_same(build: Build, tmp_path: Path, cumulative: int) -> None:
    options = {"train.optimizer": {"type": "SGD", "lr": 0.1}, "train.optimizer.options.cumulative_iters": cumulative}
    unscaled, scaled = build(options, work_dir=str(tmp_path / "unscaled")), build(options)
    hook = scale_the_loss(scaled, growth_interval=1)
    unscaled.train()
    scaled.train()
    a, b = weights(unscaled), weights(scaled)
    for key in a:
        np.testing.assert_allclose(b[key], a[key], rtol=1e-4, atol=1e-6, err_msg=key)
    assert hook.scaler.get_scale() == 1024 * 2 ** (4 // cumulative)  # grown at each step


def test_without_a_gpu_the_scaler_of_the_hook_is_disabled(build: Build, tmp_path: Path) -> None:
    once = {"train.max_epochs": 1}
    unscaled, scaled = build(once, work_dir=str(tmp_path / "unscaled")), build(once)
    scaled.register_hook(MixedPrecisionHook())
    unscaled.train()
    scaled.train()
    assert_equal_weights(weights(unscaled), weights(scaled))


def test_the_scale_is_part_of_the_checkpoint(build: Build, tmp_path: Path) -> None:
    options = {"train.hooks": [{"type": "CheckpointHook"}], "train.max_epochs": 1}
    trainer = build(options)
    scale_the_loss(trainer, growth_interval=1)
    trainer.train()
    path = tmp_path / "work" / "epoch_1.pth"
    assert read_checkpoint(path)["meta"]["hooks"]["MixedPrecisionHook"]["scale"] == 4096
    resumed = build(options)
    hook = scale_the_loss(resumed)
    resumed.train(checkpoint_path=str(path))
    assert hook.scaler.state_dict()["scale"] == 4096


# epochs and processes


def test_an_epoch_knows_whether_it_runs(build: Build) -> None:
    trainer = build({"train.max_epochs": 1})
    assert not trainer.in_epoch
    assert step_by_step(trainer, lambda: trainer.in_epoch) == [True, True]
    assert not trainer.in_epoch


def test_the_process_group_hook_joins_and_wraps_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from modelscope_handkp.plugin.training import loop_hooks

    class Wrapped(torch.nn.Module):
        pass

    class Trainer:
        device = "cuda"
        model: torch.nn.Module = torch.nn.Linear(1, 1)
        parallel_groups: dict[str, Any] = {}  # noqa: RUF012

        def to_parallel(self, model: torch.nn.Module) -> torch.nn.Module:
            return Wrapped()

    joined: list[bool] = []
    monkeypatch.setattr(loop_hooks, "check_launcher", lambda launcher: None)
    monkeypatch.setattr(
        loop_hooks, "join_process_group", lambda on_gpu: (joined.append(on_gpu), torch.device("cpu"))[1]
    )
    monkeypatch.setattr(loop_hooks, "DistributedDataParallel", Wrapped)
    hook, trainer = ProcessGroupHook("pytorch"), Trainer()
    hook.after_init(trainer)
    trainer.device = "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    hook.after_init(trainer)
    assert joined == [False, True]
    assert str(trainer.device) == "cpu" and list(trainer.parallel_groups.values()) == [None]
    hook.after_init(trainer)
    assert joined[-1] is False  # the user has asked for the CPU
    hook.before_run(trainer)
    wrapped = trainer.model
    hook.before_run(trainer)
    assert isinstance(wrapped, Wrapped) and trainer.model is wrapped
