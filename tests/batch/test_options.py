"""Settings of a job are checked by their names, and differences between two jobs are said in words."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from modelscope_handkp import HandEstimator
from modelscope_handkp.batch.options import differences, job_settings, whole_options
from modelscope_handkp.errors import InputError


def settings(source: str = "/in", column: str | None = None, track: bool = False, **options: Any) -> dict[str, Any]:
    return job_settings(source, column, track, whole_options(options))


@pytest.mark.parametrize("name", ["modle", "model", "images", "self", "cls"])
def test_an_option_that_is_not_known_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=rf"no option '{name}'; its options are model_dir, device, .*tta\.$"):
        whole_options({name: "x"})


def test_options_are_those_of_the_estimator_and_the_fastest_engine() -> None:
    whole = whole_options({"tta": "none"})
    assert (whole["tta"], whole["engine"], whole["precision"], whole["model_dir"]) == ("none", "auto", "float32", None)
    assert whole_options({"engine": "eager"})["engine"] == "eager"
    assert HandEstimator.from_pretrained(**whole_options({"tta": "none", "engine": "eager"})).batch_size == 32


def test_paths_are_absolute_and_hub_ids_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker has another working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "hands.onnx").touch()
    for model in ("model", Path("model"), "./model/"):
        assert whole_options({"model_dir": model})["model_dir"] == str(tmp_path / "model")
    assert whole_options({"detector": "hands.onnx"})["detector"] == str(tmp_path / "hands.onnx")
    assert whole_options({"model_dir": "owner/name", "detector": os.getpid})["model_dir"] == "owner/name"


def test_the_same_settings_do_not_differ() -> None:
    """Neither for a default that is given, nor for a type that stands for a text."""
    assert differences(settings(), settings()) == ""
    assert differences(settings(), settings(tta="full", engine="auto", hand_threshold=None)) == ""
    assert differences(settings(device="cpu"), settings(device=torch.device("cpu"))) == ""
    assert differences({**settings(), "options": {}}, settings()) == ""


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ({"tta": "full"}, {"tta": "none"}, "tta full, now tta none"),
        ({"track": True}, {}, "track, now no track"),
        ({}, {"column": "image"}, "the default column, now column image"),
        ({"hand_threshold": 0.5}, {}, "hand_threshold 0.5, now the default hand_threshold"),
        ({"source": "/a"}, {"source": "/b", "tta": "flip"}, "source /a and tta full, now source /b and tta flip"),
        ({}, {"engine": "eager", "precision": "bfloat16"},
         "engine auto and precision float32, now engine eager and precision bfloat16"),
    ],
)  # fmt: skip
def test_differences_are_said_in_words(before: dict[str, Any], now: dict[str, Any], said: str) -> None:
    assert differences(settings(**before), settings(**now)) == said


@pytest.mark.parametrize("content", [{}, {"options": None}, {"options": [1]}, {"options": {"tta": {"a": [1]}}}])
def test_settings_of_something_else_differ(content: dict[str, Any]) -> None:
    assert "now source /in" in differences(content, settings())
