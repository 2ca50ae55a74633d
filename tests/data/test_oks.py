"""OKS average precision against pycocotools."""

import contextlib
import io
from typing import Any

import numpy as np
import pytest

from modelscope_handkp.data.oks import average_precision, oks

SIGMAS = [.029, .022, .035, .037, .047, .026, .025, .024, .035, .018, .024, .022, .026, .017, .021, .021, .032, .02,
          .019, .022, .031]  # fmt: skip


def some_hands(seed: int, count: int = 60, images: int = 20, categories: int = 2) -> dict[str, Any]:
    """Hands with predictions that are near, far or swapped; some keypoints are not annotated, some scores are equal."""
    rng = np.random.default_rng(seed)
    joints = rng.uniform(0, 60, (count, 21, 2)) + rng.uniform(0, 30, (count, 1, 2))
    predictions = joints + rng.normal(0, 1, joints.shape) * rng.choice([0.1, 1, 2, 6], (count, 1, 1))
    predictions[::7] = predictions[rng.permutation(len(predictions[::7])) * 7]
    return {
        "predictions": predictions,
        "scores": rng.uniform(0, 1, count).round(1),
        "joints": joints,
        "visible": rng.random((count, 21)) < 0.8,
        "areas": rng.uniform(1000, 9000, count),
        "image_ids": rng.integers(0, images, count).tolist(),
        "category_ids": rng.integers(1, 1 + categories, count).tolist(),
    }


def with_pycocotools(hands: dict[str, Any]) -> list[float]:
    """AP, AP50, AP75 and AR of the same hands as files."""
    coco, cocoeval = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    truth, found = coco.COCO(), []
    annotations = []
    for number, joints in enumerate(hands["joints"]):
        visible = hands["visible"][number]
        common = {"image_id": hands["image_ids"][number], "category_id": hands["category_ids"][number]}
        points = np.column_stack([joints, 2 * visible]).ravel().tolist()
        annotations.append({
            **common, "id": number + 1, "iscrowd": 0, "area": hands["areas"][number], "bbox": [0, 0, 60, 60],
            "keypoints": points, "num_keypoints": int(visible.sum()),
        })  # fmt: skip
        points = np.column_stack([hands["predictions"][number], np.ones(21)]).ravel().tolist()
        found.append({**common, "keypoints": points, "score": float(hands["scores"][number])})
    with contextlib.redirect_stdout(io.StringIO()):
        truth.dataset = {
            "images": [{"id": number} for number in set(hands["image_ids"])],
            "annotations": annotations,
            "categories": [{"id": number, "name": str(number)} for number in set(hands["category_ids"])],
        }
        truth.createIndex()
        evaluation = cocoeval.COCOeval(truth, truth.loadRes(found), "keypoints")
        evaluation.params.kpt_oks_sigmas = np.array(SIGMAS)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(evaluation.stats[index]) for index in (0, 1, 2, 5)]


@pytest.mark.parametrize("seed", range(6))
def test_the_numbers_are_those_of_pycocotools(seed: int) -> None:
    hands = some_hands(seed, images=(20, 1, 60)[seed % 3], categories=1 + seed % 2)
    assert 0.05 < average_precision(**hands)["AP"] < 0.95
    assert list(average_precision(**hands).values()) == pytest.approx(with_pycocotools(hands), abs=1e-9)


def test_a_hand_without_a_keypoint_does_not_count() -> None:
    hands = some_hands(0)
    before = average_precision(**hands)
    more = {key: np.concatenate([value, value[:1]]) for key, value in hands.items()}
    more["visible"][-1] = False
    assert average_precision(**more) == before
    more["visible"][:] = False
    assert set(average_precision(**more).values()) == {0.0}


def test_images_may_have_texts_as_ids() -> None:
    hands = some_hands(1)
    named = {**hands, "image_ids": [f"{number:02d}" for number in hands["image_ids"]]}
    assert average_precision(**named) == average_precision(**hands)


def test_similarity_of_one_keypoint_off_by_a_known_distance() -> None:
    joints, visible = np.zeros((1, 21, 2)), np.zeros((1, 21), bool)
    visible[0, 4] = True
    moved = joints.copy()
    moved[0, 4], moved[0, 5] = (3, 4), (99, 99)
    assert oks(moved, joints, visible, [400.0])[0, 0] == pytest.approx(np.exp(-25 / (2 * 0.047) ** 2 / 400 / 2))
