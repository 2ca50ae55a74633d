"""Hands as objects of other packages."""

import sys

import numpy as np
import pytest

from modelscope_handkp import KEYPOINT_NAMES, Hands
from modelscope_handkp.errors import MissingPackageError


def two() -> Hands:
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(0, 100, (2, 21, 3))
    keypoints[..., 2] = np.linspace(0.1, 1, 21)
    keypoints[1, 4, 2] = 0
    return Hands(keypoints, [[0, 1, 2, 3], [4, 5, 6, 7]], [0.9, 0.8], [0.5, 0.4], ids=[3, 9], is_left=[True, False])


def test_a_row_a_hand() -> None:
    pytest.importorskip("pandas")
    hands = two()
    table = hands.to_dataframe()
    assert len(table) == 2
    assert list(table.columns[:8]) == ["id", "is_left", "score", "confidence", "x1", "y1", "x2", "y2"]
    assert list(table.columns[8:11]) == ["wrist_x", "wrist_y", "wrist_score"]
    assert len(table.columns) == 8 + 3 * 21
    assert table["id"].tolist() == [3, 9]
    assert table["is_left"].tolist() == [True, False]
    np.testing.assert_allclose(table[["x1", "y1", "x2", "y2"]], hands.boxes)
    for index, name in enumerate(KEYPOINT_NAMES):
        columns = [f"{name}_x", f"{name}_y", f"{name}_score"]
        np.testing.assert_allclose(table.loc[0, columns].astype(float), hands.keypoints[0, index])
    assert table.loc[1, ["thumb4_x", "thumb4_y"]].isna().all() and table.loc[1, "thumb4_score"] == 0
    assert int(table.isna().to_numpy().sum()) == 2
    assert len(Hands.empty().to_dataframe()) == 0


def test_supervision_keypoints() -> None:
    supervision = pytest.importorskip("supervision")
    hands = two()
    points = hands.to_supervision()
    assert isinstance(points, supervision.KeyPoints)
    np.testing.assert_allclose(points.xy[0], hands.keypoints[0, :, :2])
    np.testing.assert_allclose(points.xy[1, 5], hands.keypoints[1, 5, :2])
    assert points.xy[1, 4].tolist() == [0, 0]
    scores = points.keypoint_confidence if hasattr(points, "keypoint_confidence") else points.confidence
    np.testing.assert_array_equal(scores, hands.keypoints[..., 2])
    scores[0, 0] = points.xy[0, 0, 0] = 7  # its own memory
    assert points.class_id.tolist() == [0, 0]
    detections = points.as_detections()
    detections.tracker_id = detections.data["id"]
    assert detections[1:].tracker_id.tolist() == [9]
    assert len(Hands.empty().to_supervision()) == 0
    image = np.zeros((120, 120, 3), np.uint8)
    assert supervision.VertexAnnotator(radius=2).annotate(image.copy(), points).any()


@pytest.mark.parametrize("package", ["pandas", "supervision"])
def test_a_package_that_is_not_installed_is_named_with_the_command(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    method = {"pandas": two().to_dataframe, "supervision": two().to_supervision}[package]
    with pytest.raises(MissingPackageError, match=rf"{package}: pip install 'modelscope-handkp\["):
        method()
