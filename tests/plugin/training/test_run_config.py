"""The configuration that a run reads, and the one that it publishes."""

from pathlib import Path
from typing import Any

import pytest
from modelscope.utils.config import Config
from small import narrow_config

from modelscope_handkp.errors import InputError
from modelscope_handkp.plugin.training.run_config import prepare_config, published_config


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
    hooks = [{"type": "DDPHook", "launcher": "pytorch"}, {"type": "IterTimerHook"}]
    logging = {"interval": 5, "out_dir": "/here"}
    checkpoint = {"period": {"interval": 1, "save_dir": "/here", "output_dir": "/here"}, "best": {"save_dir": "/here"}}
    cfg = config(work_dir="/here", hooks=hooks, logging=logging, checkpoint=checkpoint)
    before = cfg.to_dict()
    published = published_config(cfg)
    assert published["plugins"] == ["modelscope-handkp"]
    assert "/here" not in str(published)
    train = published["train"]
    assert train["hooks"] == [{"type": "IterTimerHook"}]
    assert (train["logging"], train["checkpoint"]) == ({"interval": 5}, {"period": {"interval": 1}, "best": {}})
    assert train["work_dir"] is None and published["model"] == before["model"]
    assert cfg.to_dict() == before
    other = Config({"plugins": ["zoo", "modelscope-handkp"], "train": {}})
    assert published_config(other)["plugins"] == ["modelscope-handkp", "zoo"]
