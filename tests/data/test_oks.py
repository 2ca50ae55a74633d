"""OKS average precision against pycocotools."""

import contextlib
import io

import numpy as np
import pytest

from modelscope_handkp.data.oks import Annotated, Predicted, average_precision, oks

SIGMAS = [.029, .022, .035, .037, .047, .026, .025, .024, .035, .018, .024, .022, .026, .017, .021, .021, .032, .02,
          .019, .022, .031]  # fmt: skip


def some_hands(seed: int, count: int = 60, images: int = 20, categories: int = 2) -> tuple[Predicted, Annotated]:
    """Hands with predictions that are near, far or swapped; some keypoints are not annotated, some scores are equal."""
    rng = np.random.default_rng(seed)
    joints = rng.uniform(0, 60, (count, 21, 2)) + rng.uniform(0, 30, (count, 1, 2))
    found = joints + rng.normal(0, 1, joints.shape) * rng.choice([0.1, 1, 2, 6], (count, 1, 1))
    found[::7] = found[rng.permutation(len(found[::7])) * 7]
    keypoints = np.concatenate([joints, rng.random((count, 21, 1)) < 0.8], axis=2)
    image_ids, category_ids = rng.integers(0, images, count).tolist(), rng.integers(1, 1 + categories, count).tolist()
    boxes = np.concatenate([joints.min(1), np.ptp(joints, axis=1)], axis=1)
    nothing = np.zeros(count, bool)
    annotated = Annotated(keypoints, rng.uniform(1000, 9000, count), boxes, image_ids, category_ids, nothing, nothing)
    return Predicted(found, rng.uniform(0, 1, count).round(1), image_ids, category_ids), annotated


def with_pycocotools(predicted: Predicted, annotated: Annotated) -> list[float]:
    """AP, AP50, AP75 and AR of the same hands as files."""
    coco, cocoeval = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    annotations = [
        {
            "id": number + 1, "image_id": annotated.image_ids[number], "category_id": annotated.category_ids[number],
            "area": annotated.areas[number], "bbox": annotated.boxes_xywh[number].tolist(),
            "keypoints": (keypoints * [1, 1, 2]).ravel().tolist(), "iscrowd": int(annotated.crowd[number]),
            "num_keypoints": 0 if annotated.ignored[number] else int(keypoints[:, 2].sum()),
        }
        for number, keypoints in enumerate(annotated.keypoints)
    ]  # fmt: skip
    found = [
        {
            "image_id": predicted.image_ids[number], "category_id": predicted.category_ids[number],
            "keypoints": np.column_stack([keypoints, np.ones(21)]).ravel().tolist(),
            "score": float(predicted.scores[number]),
        }
        for number, keypoints in enumerate(predicted.keypoints)
    ]  # fmt: skip
    truth = coco.COCO()
    with contextlib.redirect_stdout(io.StringIO()):
        truth.dataset = {
            "images": [{"id": number} for number in set(annotated.image_ids)],
            "annotations": annotations,
            "categories": [{"id": number, "name": str(number)} for number in set(annotated.category_ids)],
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
    predicted, annotated = some_hands(seed, images=(20, 1, 60)[seed % 3], categories=1 + seed % 2)
    values = average_precision(predicted, annotated)
    assert 0.05 < values["AP"] < 0.95
    assert list(values.values()) == pytest.approx(with_pycocotools(predicted, annotated), abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_ignored_hands_and_crowds_are_those_of_pycocotools(seed: int) -> None:
    predicted, annotated = some_hands(seed, images=6, categories=1 + seed % 2)
    rng = np.random.default_rng(seed)
    ignored, crowd = rng.random(60) < 0.4, rng.random(60) < 0.2
    keypoints, boxes = annotated.keypoints.copy(), annotated.boxes_xywh.copy()
    keypoints[rng.random(60) < 0.2, :, 2] = 0
    boxes[::5, 2:] *= 0.3
    annotated = annotated._replace(keypoints=keypoints, boxes_xywh=boxes, ignored=ignored | crowd, crowd=crowd)
    few = average_precision(predicted, annotated._replace(ignored=np.zeros(60, bool), crowd=np.zeros(60, bool)))
    values = average_precision(predicted, annotated)
    assert values != few
    assert list(values.values()) == pytest.approx(with_pycocotools(predicted, annotated), abs=1e-9)


def test_a_hand_without_a_keypoint_need_not_be_found() -> None:
    predicted, annotated = some_hands(0)
    keypoints = annotated.keypoints.copy()
    keypoints[..., 2] = 0
    assert set(average_precision(predicted, annotated._replace(keypoints=keypoints)).values()) == {0.0}


def test_images_may_have_texts_as_ids() -> None:
    predicted, annotated = some_hands(1)
    named = [f"{number:02d}" for number in predicted.image_ids]
    values = average_precision(predicted._replace(image_ids=named), annotated._replace(image_ids=named))
    assert values == average_precision(predicted, annotated)


def test_similarity_of_one_keypoint_off_by_a_known_distance() -> None:
    keypoints = np.zeros((1, 21, 3))
    keypoints[0, 4, 2] = 1
    moved = keypoints[..., :2].copy()
    moved[0, 4], moved[0, 5] = (3, 4), (99, 99)
    similarity = oks(moved, keypoints, [400.0], [[0, 0, 20, 20]])[0, 0]
    assert similarity == pytest.approx(np.exp(-25 / (2 * 0.047) ** 2 / 400 / 2))
