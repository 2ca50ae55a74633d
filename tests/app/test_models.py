from collections.abc import Callable
from pathlib import Path

import pytest

from modelscope_handkp.app import Models
from modelscope_handkp.errors import HandkpError, InputError


def test_the_models_given_come_before_the_embedded_one(tiny_models: Models) -> None:
    assert len(tiny_models.names) == 2 and tiny_models.names[1] == "embedded"
    assert tiny_models.engines[0] == "eager" and len(set(tiny_models.engines)) == len(tiny_models.engines)


def test_thresholds_are_of_one_request_and_the_network_is_shared(models: Models) -> None:
    own = models.get("embedded", "eager", 0, 0, "full")
    strict = models.get("embedded", "eager", 0.9, 0.5, "full")
    assert (strict.hand_threshold, strict.keypoint_threshold) == (0.9, 0.5)
    assert own.hand_threshold not in (None, 0, 0.9) and own.keypoint_threshold == 0
    assert strict.detector is own.detector


def test_videos_take_one_view_of_each_crop(models: Models, hands_image: Path) -> None:
    full, one = (models.get("embedded", "eager", 0, 0, views)(str(hands_image)) for views in ("full", "none"))
    assert len(full) == len(one) == 3
    assert (full.keypoints != one.keypoints).any()


@pytest.mark.parametrize(
    ("chosen", "named"),
    [
        (("/etc", "eager", 0, 0), "'/etc' is not offered"),
        (("embedded", "compile", 0, 0), "'compile' is not offered"),
        (("embedded", "eager", 2, 0), "hand_threshold"),
        (("embedded", "eager", 0, float("nan")), "keypoint_threshold"),
        (("embedded", "eager", None, None), None),
        ((["embedded"], "eager", 0, 0), "is not offered"),
        (("embedded", None, 0, 0), "is not offered"),
        (("embedded", "eager", "0.5", 0), "hand_threshold"),
        (("embedded", "eager", 0, [0]), "keypoint_threshold"),
    ],
)
def test_what_is_not_offered_is_refused(models: Models, chosen: tuple, named: str | None) -> None:
    if named is None:
        assert models.get(*chosen, "full").hand_threshold
        return
    with pytest.raises(InputError, match=named):
        models.get(*chosen, "full")


def test_a_model_that_cannot_be_read_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(HandkpError):
        Models([str(tmp_path)], "eager", "cpu")


@pytest.mark.slow
def test_an_exported_model_with_its_views_in_the_graph_serves_videos_too(
    tiny_dir: Callable[..., Path], tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from modelscope_handkp.export.writer import export_model

    folder = tmp_path / "exported"
    export_model(str(tiny_dir()), folder)
    offered = Models([str(folder)], "onnxruntime", "cpu")
    assert offered.get(str(folder), "onnxruntime", 0, 0, "none") is not None
