"""The hooks of training: schedule, gradients, logs, and the names that configurations know them by."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import HOOKS, assert_equal_weights, weights

from modelscope_handkp.errors import ConfigError

pytest.importorskip("modelscope.trainers")

Trained = Callable[..., Any]


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


def test_the_gpus_loss_scaling_trains_the_same_where_it_has_nothing_to_scale(build: Trained, tmp_path: Path) -> None:
    from modelscope_handkp.plugin.training.hooks import MixedPrecisionHook

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


def test_tensorboard_scalars_and_pictures(build: Trained, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    build({"train.hooks": [*HOOKS, {"type": "TensorboardHook", "interval": 1}]}).train()
    events = EventAccumulator(str(tmp_path / "work" / "tensorboard_output")).Reload()
    assert {"loss", "lr", "evaluation/PCK"} <= set(events.Tags()["scalars"])
    assert len(events.Tags()["images"]) == 2
