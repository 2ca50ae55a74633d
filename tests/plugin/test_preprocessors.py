"""The transforms through ModelScope's registry give what the core gives."""

from typing import Any

import numpy as np
import pytest
from modelscope.preprocessors import build_preprocessor
from modelscope.preprocessors.common import Compose
from modelscope.utils.constant import Fields

import modelscope_handkp  # noqa: F401
from modelscope_handkp.errors import ConfigError, InputError
from modelscope_handkp.pose.transforms import build_transforms

CROP = 256
TENSOR_MEAN, TENSOR_MAX = 0.002, 0.12  # preprocess.npz: OpenCV's warp differs between its versions at edges


def sample(arrays: dict[str, np.ndarray], i: int) -> dict[str, Any]:
    return {
        "img": arrays[f"image_{i}"],
        "center": arrays["center"][i],
        "scale": arrays["scale"][i],
        "rotation": arrays["rotation"][i],
        "ann_info": {"image_size": np.array([CROP, CROP])},
        "image_file": "a.jpg",
        "image_id": 1,
        "flip_pairs": [],
    }


@pytest.mark.parametrize("i", range(6))
def test_the_configured_chain_gives_the_golden_tensor(golden: Any, i: int) -> None:
    arrays = golden("preprocess.npz")
    chain = Compose(golden("hosted/configuration.json")["test_pipeline"], Fields.cv)
    output = chain(sample(arrays, i))
    difference = np.abs(output["img"].numpy() - arrays["tensor"][i])
    assert difference.mean() < TENSOR_MEAN
    assert difference.max() < TENSOR_MAX
    assert output["img_metas"].keys() >= {"image_file", "image_id", "center", "scale", "rotation", "flip_pairs"}


def test_one_by_one_is_the_core(golden: Any) -> None:
    arrays, steps = golden("preprocess.npz"), golden("hosted/configuration.json")["test_pipeline"]
    expected = build_transforms(steps)(sample(arrays, 0))
    data = sample(arrays, 0)
    for step in steps:
        data = build_preprocessor(dict(step), Fields.cv)(data)
    np.testing.assert_array_equal(data["img"].numpy(), expected["img"].numpy())
    assert data["img_metas"].keys() == expected["img_metas"].keys()


def test_the_samples_stay_as_they_are(golden: Any) -> None:
    data = sample(golden("preprocess.npz"), 0)
    before = {key: np.array(value, copy=True) for key, value in data.items() if isinstance(value, np.ndarray)}
    build_preprocessor({"type": "TopDownAffine"}, Fields.cv)(data)
    for key, value in before.items():
        np.testing.assert_array_equal(data[key], value)


def test_what_modelscope_passes_to_every_preprocessor_is_taken() -> None:
    built = build_preprocessor({"type": "MMToTensor", "model_dir": "somewhere", "mode": "eval"}, Fields.cv)
    assert built.mode == "eval"


def test_errors_arrive_as_they_are() -> None:
    with pytest.raises(TypeError, match="no_such_option"):
        build_preprocessor({"type": "TopDownAffine", "no_such_option": 1}, Fields.cv)
    with pytest.raises(ConfigError, match="positive"):
        build_preprocessor({"type": "NormalizeTensor", "mean": [0, 0, 0], "std": [0, 0, 0]}, Fields.cv)
    with pytest.raises(InputError, match="center"):
        build_preprocessor({"type": "TopDownAffine"}, Fields.cv)({"img": np.zeros((4, 4, 3), np.uint8)})
