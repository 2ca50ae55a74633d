"""The configuration that a run reads, and the one that it publishes."""

import copy
from pathlib import Path
from typing import Any

import pytest
from modelscope.utils.config import Config
from small import narrow_config

from modelscope_handkp.errors import ConfigError, InputError
from modelscope_handkp.plugin.training.run_config import merge_options, prepare_config, published_config


def config(**train: Any) -> Any:
    made = narrow_config()
    made["train"].update(train)
    return Config(made)


def test_options_have_the_last_word_and_tuples_are_lists(tmp_path: Path) -> None:
    cfg = config(size={"__class__": "tuple", "__value__": [1, 2]})
    assert prepare_config(cfg, str(tmp_path), {"train.max_epochs": 3}) is cfg
    assert cfg.train.max_epochs == 3
    assert cfg.train["size"] == [1, 2]


def test_a_block_replaces_null(tmp_path: Path) -> None:
    options = {"grad_clip": None, "cumulative_iters": 2}
    cfg = config(optimizer={"type": "SGD", "lr": 1.0, "options": options})
    prepare_config(cfg, str(tmp_path), {"train.optimizer.options.grad_clip.max_norm": 1.0})
    assert cfg.train.optimizer.options.to_dict() == {"grad_clip": {"max_norm": 1.0}, "cumulative_iters": 2}


SGD = {"type": "SGD", "lr": 0.1, "momentum": 0.9, "nesterov": True, "options": {"grad_clip": {"max_norm": 1.0}}}
STEP = {"policy": "step", "step": [170, 200], "warmup": "linear", "warmup_iters": 500}
A, B, C = ({"type": name, "size": size, "keep": 1} for name, size in (("A", 1), ("B", 2), ("C", 3)))


@pytest.mark.parametrize(
    ("options", "merged"),
    [
        # a block of another kind replaces the inherited one as a whole
        ({"block": {"type": "AdamW", "lr": 1e-4}}, {"type": "AdamW", "lr": 1e-4}),
        ({"block": {"type": "AdamW"}, "block.lr": 1e-4}, {"type": "AdamW", "lr": 1e-4}),
        ({"block": {"policy": "step", "step": [1]}}, {"policy": "step", "step": [1]}),
        # one of the same kind, or of none, is merged; so is a key into the block
        ({"block": {"type": "SGD", "lr": 1}}, {**SGD, "lr": 1}),
        ({"block": {"lr": 1, "options": {"x": 2}}}, {**SGD, "lr": 1, "options": {**SGD["options"], "x": 2}}),
        ({"block.lr": 1}, {**SGD, "lr": 1}),
        ({"block.type": "AdamW"}, {**SGD, "type": "AdamW"}),
        ({"block.options.grad_clip.max_norm": 5}, {**SGD, "options": {"grad_clip": {"max_norm": 5}}}),
    ],
    ids=str,
)
def test_a_block_replaces_one_of_another_kind(options: dict[str, Any], merged: dict[str, Any]) -> None:
    before = copy.deepcopy(options)
    for above, prefix in (
        ({"block": SGD}, ""),
        ({"train": {"block": SGD}}, "train."),
        ({"a": [0, {"block": SGD}]}, "a.1."),
    ):
        cfg = Config(copy.deepcopy(above))
        merge_options(cfg, {prefix + key: value for key, value in options.items()})
        found = cfg.to_dict()
        for part in ["block"] if not prefix else [*prefix.strip(".").split("."), "block"]:
            found = found[int(part) if isinstance(found, list) else part]
        assert found == merged
    assert options == before


@pytest.mark.parametrize(
    "schedule",
    [{"policy": "CosineAnnealing", "min_lr": 0}, {"type": "StepLR", "step_size": 2}, {"policy": "fixed"}],
    ids=str,
)
def test_a_schedule_replaces_one_of_another_policy(schedule: dict[str, Any]) -> None:
    for options in ({"train.lr_scheduler": schedule}, {"train": {"lr_scheduler": schedule}}):
        cfg = Config({"train": {"lr_scheduler": STEP, "max_epochs": 3}})
        merge_options(cfg, options)
        assert cfg.train.to_dict() == {"lr_scheduler": schedule, "max_epochs": 3}


def test_a_list_in_which_order_counts_replaces_one_of_other_kinds() -> None:
    def merged(inherited: list[Any], given: list[Any], key: str = "pipeline") -> Any:
        cfg = Config(copy.deepcopy({"dataset": {key: inherited}}))
        merge_options(cfg, {f"dataset.{key}": given})
        return cfg.to_dict()["dataset"][key]

    new = {"type": "A", "size": 9}
    assert merged([A, B, C], [C, new]) == [C, new]
    assert merged([A, B, C], [B, new, C]) == [B, new, C]
    assert merged([A, B], [new, {"type": "B"}]) == [{**A, "size": 9}, B]
    assert merged([A, A], [new, {"type": "A", "size": 8}]) == [new, {"type": "A", "size": 8}]
    assert merged([1, 2], [3]) == [3]
    assert merged([A, B], []) == []
    hooks = merged([A, B], [C, new], "hooks")
    assert sorted(hooks, key=lambda hook: hook["type"]) == [{**A, "size": 9}, B, C]


def test_a_block_in_a_list_replaces_one_of_another_kind() -> None:
    cfg = Config(copy.deepcopy({"pipeline": [A, B]}))
    merge_options(cfg, {"pipeline.1": {"type": "C"}, "pipeline.0": {"size": 5}})
    assert cfg.to_dict()["pipeline"] == [{**A, "size": 5}, {"type": "C"}]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"train.max_epochs.deep": 1}, r"train\.max_epochs\.deep"),
        ({"train.lr_scheduler.step": {"0": {"x": 1}}}, r"train\.lr_scheduler\.step"),
        ({"train.lr_scheduler.step.7": {"x": 1}}, r"step\.7"),
        ({"train.max_epochs": [1]}, r"train\.max_epochs"),
        ({7: 1}, "dotted keys .* got 7"),
    ],
    ids=str,
)
def test_options_that_fit_nowhere_are_one_error(options: dict[Any, Any], named: str) -> None:
    cfg = Config(copy.deepcopy({"train": {"max_epochs": 3, "lr_scheduler": STEP}}))
    with pytest.raises(ConfigError, match=named):
        merge_options(cfg, options)


def test_the_work_dir_is_the_callers_else_the_configurations_else_one_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    named = config(work_dir=str(tmp_path / "named"))
    assert prepare_config(named, "mine", {}).train.work_dir == "mine"
    assert (tmp_path / "mine").is_dir() and not (tmp_path / "named").exists()
    assert prepare_config(config(work_dir=str(tmp_path / "named")), None, {}).train.work_dir == str(tmp_path / "named")
    option = {"train.work_dir": str(tmp_path / "deep" / "option")}
    assert prepare_config(config(), None, option).train.work_dir == str(tmp_path / "deep" / "option")
    assert prepare_config(config(), None, {}).train.work_dir == "work_dir"
    assert not list((tmp_path / "work_dir").iterdir())


def test_a_work_dir_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"work_dir .*file/work cannot be written: Not a directory"):
        prepare_config(config(), str(tmp_path / "file" / "work"), {})


def test_what_is_published_names_this_package_and_no_path_of_this_machine() -> None:
    hub = {"push_to_hub": True, "hub_repo_id": "me/hands", "hub_token": "5ecret", "private_hub": False,
           "hub_revision": "v1", "upload_strategy": "wait"}  # fmt: skip
    saving = {"type": "CheckpointHook", "save_dir": "/here", **hub}
    hooks = [{"type": "DDPHook", "launcher": "pytorch"}, {"type": "IterTimerHook"}, saving]
    logging = {"interval": 5, "out_dir": "/here"}
    checkpoint = {"period": {"interval": 1, "save_dir": "/here", "output_dir": "/here"}, "best": {"save_dir": "/here"}}
    checkpoint["period"].update(hub)
    cfg = config(work_dir="/here", hooks=hooks, logging=logging, checkpoint=checkpoint)
    before = cfg.to_dict()
    published = published_config(cfg)
    assert published["plugins"] == ["modelscope-handkp"]
    assert "/here" not in str(published)
    train = published["train"]
    assert train["hooks"] == [{"type": "IterTimerHook"}, {"type": "CheckpointHook"}]
    assert (train["logging"], train["checkpoint"]) == ({"interval": 5}, {"period": {"interval": 1}, "best": {}})
    assert train["work_dir"] is None and published["model"] == before["model"]
    assert cfg.to_dict() == before
    other = Config({"plugins": ["zoo", "pai-easycv", "modelscope-handkp"], "train": {}})
    assert published_config(other)["plugins"] == ["modelscope-handkp", "zoo"]
