"""Images through ModelScope's pipeline()."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hub import Hub
from modelscope.models import Model
from modelscope.outputs import OutputKeys
from modelscope.pipelines import pipeline
from modelscope.utils.constant import Tasks

import modelscope_handkp  # noqa: F401
from modelscope_handkp.errors import CheckpointError, ConfigError, HandkpError, InputError, MissingFileError

ROOT = Path(__file__).resolve().parents[2]
KEYPOINT_TOLERANCE = 0.5  # px, at 95 % of the joints: an argmax may flip between equal peaks of an untrained network
BOX_TOLERANCE = 0.05  # px
SIZE = 96


def noise(seed: int) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)
    return cv2.resize(small, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)


def detector(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As many hands as the image's first byte modulo 3 says, at places of its own."""
    count = int(image[0, 0, 0]) % 3
    boxes = np.array([[10 + 20 * i, 12, 50 + 20 * i, 60 + 10 * i] for i in range(count)], np.float32).reshape(-1, 4)
    return boxes, np.linspace(0.9, 0.6, count, dtype=np.float32)


def counted(count: int) -> np.ndarray:
    image = noise(count)
    image[0, 0, 0] = count
    return image


@pytest.fixture(scope="module")
def hands(tiny_dir: Callable[..., Path]) -> Any:
    return pipeline(Tasks.hand_2d_keypoints, model=str(tiny_dir()), detector=detector, device="cpu")


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for key, value in one.items():
        np.testing.assert_allclose(value, other[key], atol=1e-3)


# --- golden/pipeline.npz: EasyCV's network and detector, the right crop, RGB


def assert_golden(result: dict[str, Any], arrays: dict[str, np.ndarray], i: int) -> None:
    np.testing.assert_allclose(result[OutputKeys.BOXES], arrays[f"boxes_xyxy_{i}"], atol=BOX_TOLERANCE)
    np.testing.assert_allclose(result[OutputKeys.SCORES], arrays[f"scores_{i}"], rtol=1e-4)
    distance = np.linalg.norm(result[OutputKeys.KEYPOINTS][..., :2] - arrays[f"keypoints_{i}"][..., :2], axis=-1)
    assert (distance < KEYPOINT_TOLERANCE).mean() >= 0.95


def test_golden_with_lists_and_the_configurations_threshold(golden: Any, hosted_dir: Callable[..., Path]) -> None:
    arrays = golden("pipeline.npz")
    directory = hosted_dir(score_threshold=float(arrays["score_threshold_0"]))
    assert_golden(pipeline(Tasks.hand_2d_keypoints, model=str(directory))(arrays["image_0"]), arrays, 0)


@pytest.mark.slow
def test_golden_with_tuples_and_easycv_as_plugin(golden: Any, hosted_dir: Callable[..., Path]) -> None:
    arrays = golden("pipeline.npz")
    directory = hosted_dir(tuples=True, plugins=["pai-easycv"])
    ours = pipeline(Tasks.hand_2d_keypoints, model=str(directory), score_threshold=float(arrays["score_threshold_1"]))
    assert_golden(ours(arrays["image_1"]), arrays, 1)


@pytest.mark.slow
def test_golden_from_a_model_object_with_our_plugin(golden: Any, hosted_dir: Callable[..., Path]) -> None:
    arrays = golden("pipeline.npz")
    model = Model.from_pretrained(str(hosted_dir(plugins=["modelscope-handkp"])))
    ours = pipeline(Tasks.hand_2d_keypoints, model=model, score_threshold=float(arrays["score_threshold_2"]))
    assert_golden(ours(arrays["image_2"]), arrays, 2)


# --- results and inputs


@pytest.mark.parametrize("count", [0, 1, 2])
def test_every_hand_of_an_image(hands: Any, count: int) -> None:
    result = hands(counted(count))
    assert set(result) == {OutputKeys.KEYPOINTS, OutputKeys.BOXES, OutputKeys.SCORES}
    assert [result[key].shape for key in ("keypoints", "boxes", "scores")] == [(count, 21, 3), (count, 4), (count,)]
    assert all(isinstance(value, np.ndarray) and value.dtype == np.float32 for value in result.values())


def test_the_result_is_the_callers_own(hands: Any) -> None:
    result = hands(counted(1))
    result[OutputKeys.BOXES][0] = 0
    assert_same(hands(counted(1)), {**result, OutputKeys.BOXES: detector(counted(1))[0]})


@pytest.mark.parametrize("batch_size", [None, 1, 2, 10])
@pytest.mark.parametrize("kind", [list, tuple])
def test_lists_and_tuples_give_what_single_images_give(hands: Any, kind: type, batch_size: int | None) -> None:
    images = [counted(count) for count in (2, 0, 1)]
    results = hands(kind(images), batch_size=batch_size)
    assert isinstance(results, list)
    assert [len(result["scores"]) for result in results] == [2, 0, 1]
    for image, result in zip(images, results, strict=True):
        assert_same(result, hands(image))


def test_an_empty_list_gives_an_empty_list(hands: Any) -> None:
    assert hands([]) == hands([], batch_size=4) == hands(()) == []


def frames(counts: Sequence[int], taken: list[int]) -> Iterator[np.ndarray]:
    for count in counts:
        taken.append(count)
        yield counted(count)


@pytest.mark.parametrize(("batch_size", "first"), [(1, [1]), (2, [1, 0]), (None, [1, 0, 2, 1])])
def test_an_iterator_goes_through_in_batches(hands: Any, batch_size: int | None, first: list[int]) -> None:
    taken: list[int] = []
    results = hands(frames([1, 0, 2, 1], taken), batch_size=batch_size)
    assert_same(next(results), hands(counted(1)))
    assert taken == first
    assert [len(result["scores"]) for result in results] == [0, 2, 1]


def test_a_dataset_goes_through(hands: Any, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    from modelscope.msdatasets import MsDataset

    paths = [str(tmp_path / f"{count}.png") for count in (2, 0)]
    for path, count in zip(paths, (2, 0), strict=True):
        cv2.imwrite(path, counted(count))
    dataset = MsDataset.from_hf_dataset(datasets.Dataset.from_dict({"image": paths}), target="image")
    assert [len(result["scores"]) for result in hands(dataset)] == [2, 0]


def test_path_and_image_agree(hands: Any, tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "hand.png"
    cv2.imwrite(str(path), counted(2))
    for source in (str(path), path, Image.open(path)):
        assert_same(hands(source), hands(counted(2)))


def test_encoded_images_and_tensors_are_one_image(hands: Any) -> None:
    content = cv2.imencode(".png", counted(2))[1].tobytes()
    tensor = torch.from_numpy(np.ascontiguousarray(counted(2)[..., ::-1])).permute(2, 0, 1)
    for source in (content, io.BytesIO(content), io.BufferedReader(io.BytesIO(content)), tensor):  # type: ignore[arg-type]
        assert_same(hands(source), hands(counted(2)))


def test_a_batch_gives_a_list(hands: Any) -> None:
    batch = np.stack([counted(count) for count in (2, 0, 1)])
    for several in (batch, torch.from_numpy(np.ascontiguousarray(batch[..., ::-1])).permute(0, 3, 1, 2)):
        results = hands(several)
        assert isinstance(results, list)
        for image, result in zip(batch, results, strict=True):
            assert_same(result, hands(image))


def test_the_image_is_left_alone(hands: Any) -> None:
    image = counted(2)
    hands(image)
    np.testing.assert_array_equal(image, counted(2))


def test_an_unknown_option_of_a_call_is_refused(hands: Any) -> None:
    for source, options in ((counted(1), {}), ([counted(1)], {"batch_size": 1})):
        with pytest.raises(TypeError, match="no_such_option"):
            hands(source, no_such_option=1, **options)


# --- options and errors


def test_batch_size_bounds_the_crops_of_a_pass(tiny_dir: Callable[..., Path]) -> None:
    ours = pipeline(Tasks.hand_2d_keypoints, model=str(tiny_dir()), detector=detector, batch_size=1)
    assert ours.estimator.batch_size == 1
    assert len(ours(counted(2))["scores"]) == 2


def test_thresholds_are_the_estimators(tiny_dir: Callable[..., Path], hands: Any) -> None:
    def with_(**thresholds: float) -> dict[str, Any]:
        options = {"detector": detector, "device": "cpu", **thresholds}
        result: dict[str, Any] = pipeline(Tasks.hand_2d_keypoints, model=str(tiny_dir()), **options)(counted(2))
        return result

    scores = hands(counted(2))["keypoints"][..., 2]
    middle = float(np.median(scores))
    assert len(with_(hand_threshold=1.0)["scores"]) == 0
    seen = with_(keypoint_threshold=middle)["keypoints"][..., 2]
    np.testing.assert_allclose(seen, scores * (scores > middle), atol=1e-5)
    for name in ("hand_threshold", "keypoint_threshold"):
        with pytest.raises(InputError, match=f"{name}.*7"):
            with_(**{name: 7})
    with pytest.raises(InputError, match=r"score_threshold.*7"):
        pipeline(Tasks.hand_2d_keypoints, model=str(tiny_dir()), score_threshold=7)


def test_a_list_of_one_model_is_that_model(tiny_dir: Callable[..., Path], hands: Any) -> None:
    ours = pipeline(Tasks.hand_2d_keypoints, model=[str(tiny_dir())], detector=detector, device="cpu")
    assert_same(ours(counted(2)), hands(counted(2)))
    with pytest.raises(InputError, match="list of 2"):
        pipeline(Tasks.hand_2d_keypoints, model=[str(tiny_dir())] * 2, device="cpu")


def test_the_weights_exist_once(tiny_dir: Callable[..., Path], hands: Any) -> None:
    """The pipeline's model and what infers are one network; a model that the caller has stays as it is."""

    def follows(model: Any) -> bool:
        before = ours(counted(1))["keypoints"]
        with torch.no_grad():
            model.keypoint_head.final_layer[-1].weight.mul_(0.5)
        return bool(np.abs(ours(counted(1))["keypoints"] - before).max() > 1e-3)

    ours = pipeline(Tasks.hand_2d_keypoints, model=str(tiny_dir()), detector=detector, device="cpu")
    with pytest.raises(InputError, match="belongs to a pipeline"):
        ours.model.train()
    with pytest.raises(InputError, match="belongs to a pipeline"):
        ours.model.state_dict()
    assert follows(ours.model)
    model = Model.from_pretrained(str(tiny_dir()))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    ours = pipeline(Tasks.hand_2d_keypoints, model=model, detector=detector, device="cpu")
    assert_same(ours(counted(2)), hands(counted(2)))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.train().training
    assert_same(ours(counted(2)), hands(counted(2)))
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert follows(model)


def test_compile_compiles_what_infers(
    tiny_dir: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, hands: Any
) -> None:
    compiled: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda network, **options: compiled.append(network) or network, raising=False)
    ours = pipeline(Tasks.hand_2d_keypoints, model=str(tiny_dir()), detector=detector, device="cpu", compile=True)
    assert_same(ours(counted(2)), hands(counted(2)))
    assert compiled == [ours.model.network]
    with pytest.raises(InputError, match="compile_options"):
        pipeline(Tasks.hand_2d_keypoints, model=str(tiny_dir()), compile=True, compile_options={"mode": "max-autotune"})
    monkeypatch.delattr(torch, "compile")
    with pytest.raises(InputError, match="cannot compile"):
        pipeline(Tasks.hand_2d_keypoints, model=str(tiny_dir()), compile=True)


def test_a_missing_image_is_named(hands: Any, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no-such\.jpg"):
        hands(str(tmp_path / "no-such.jpg"))


def test_a_value_that_is_no_image_is_refused(hands: Any) -> None:
    with pytest.raises(InputError):
        hands({"image": 1})


def test_a_missing_checkpoint_is_named(tiny_dir: Callable[..., Path]) -> None:
    directory = tiny_dir(edit=lambda config: None)
    (directory / "pytorch_model.pt").unlink()
    with pytest.raises(MissingFileError, match=r"pytorch_model\.pt"):
        pipeline(Tasks.hand_2d_keypoints, model=str(directory))


def test_a_checkpoint_of_another_network_is_refused_by_name(tiny_dir: Callable[..., Path]) -> None:
    directory = tiny_dir(edit=lambda config: None)
    config = json.loads((directory / "configuration.json").read_text())
    config["model"]["backbone"]["extra"]["stage2"]["num_channels"] = [4, 6]
    (directory / "configuration.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="transition1"):
        pipeline(Tasks.hand_2d_keypoints, model=str(directory))


@pytest.mark.parametrize("key", ["backbone", "keypoint_head"])
def test_a_missing_key_is_named(tiny_dir: Callable[..., Path], key: str) -> None:
    directory = tiny_dir(edit=lambda config: config["model"].pop(key))
    with pytest.raises(ConfigError, match=key):
        pipeline(Tasks.hand_2d_keypoints, model=str(directory))


def test_a_configuration_without_model_is_refused(tiny_dir: Callable[..., Path]) -> None:
    directory = tiny_dir(edit=lambda config: config.pop("model"))
    with pytest.raises(ConfigError, match=r"model\.type"):
        pipeline(Tasks.hand_2d_keypoints, model=str(directory))


def test_building_a_pipeline_warns_of_nothing(tiny_dir: Callable[..., Path], caplog: pytest.LogCaptureFixture) -> None:
    directory = str(tiny_dir())
    logger = logging.getLogger("modelscope")
    logger.addHandler(caplog.handler)  # ModelScope's own does not propagate
    try:
        pipeline(Tasks.hand_2d_keypoints, model=directory, detector=detector, device="cpu")
    finally:
        logger.removeHandler(caplog.handler)
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert any(directory in record.message for record in caplog.records)


def test_a_preprocessor_is_refused(tiny_dir: Callable[..., Path]) -> None:
    with pytest.raises(HandkpError, match="no preprocessor"):
        pipeline(Tasks.hand_2d_keypoints, model=str(tiny_dir()), preprocessor=lambda data: data)


# --- the card's snippet, in a fresh process that may not start pip

SNIPPET = """
import sys
sys.addaudithook(lambda event, args: print("STARTED", args[1]) if event == "subprocess.Popen" else None)
import cv2
{imports}
hand_keypoint = pipeline(Tasks.hand_2d_keypoints, model=sys.argv[1])
outputs = hand_keypoint(cv2.imread(sys.argv[2]))
print("SHAPE", outputs["keypoints"].shape[1:])
"""
OURS = "import modelscope_handkp"
CARD = "from modelscope.utils.constant import Tasks\nfrom modelscope.pipelines import pipeline"


MODEL_ID = "damo/cv_hrnetw18_hand-pose-keypoints_coco-wholebody"


def run_snippet(imports: str, model: str, image: Path, **environment: str) -> str:
    """What the snippet prints, once it is clear that it worked, started no pip and found our classes in the index."""
    command = [sys.executable, "-c", SNIPPET.format(imports=imports), model, str(image)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "'pip'" not in answer.stdout
    assert "not found in ast index" not in answer.stderr
    return answer.stdout


@pytest.mark.slow
def test_the_cards_snippet_with_a_directory(hosted_dir: Callable[..., Path], tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "hand.png"), counted(1))
    directory = hosted_dir(plugins=["pai-easycv", "modelscope-handkp"])
    assert "SHAPE (21, 3)" in run_snippet(f"{CARD}\n{OURS}", str(directory), tmp_path / "hand.png")


@pytest.mark.slow
def test_the_cards_snippet_with_an_id_of_the_hub(tiny_dir: Callable[..., Path], tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "hand.png"), counted(1))
    with Hub({MODEL_ID: tiny_dir(plugins=["pai-easycv"])}) as hub:
        environment = hub.environment(tmp_path / "cache")
        printed = run_snippet(f"{OURS}\n{CARD}", MODEL_ID, tmp_path / "hand.png", **environment)
    assert "SHAPE (21, 3)" in printed


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_model_that_the_caller_keeps_is_not_changed_by_an_engine(tiny_dir: Callable[..., Path], engine: str) -> None:
    for package in ("onnx", engine):
        pytest.importorskip(package, reason=f"the engine {engine} needs {package}")
    model = Model.from_pretrained(str(tiny_dir()), device="cpu")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modules = [type(module) for module in model.modules()]
    options = {"device": "cpu", "detector": detector}
    expected = pipeline(Tasks.hand_2d_keypoints, model=str(tiny_dir()), **options)(counted(2))
    ours = pipeline(Tasks.hand_2d_keypoints, model=model, engine=engine, **options)
    np.testing.assert_allclose(ours(counted(2))["keypoints"], expected["keypoints"], atol=0.05)
    assert [type(module) for module in model.modules()] == modules
    assert before.keys() == model.state_dict().keys()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(("option", "value"), [("engine", "abacus"), ("precision", "float64"), ("tta", "all")])
def test_unknown_engines_precisions_and_views_are_named(tiny_dir: Callable[..., Path], option: str, value: str) -> None:
    with pytest.raises(InputError, match=f"{option} '{value}' is not known"):
        pipeline(Tasks.hand_2d_keypoints, model=str(tiny_dir()), device="cpu", **{option: value})
