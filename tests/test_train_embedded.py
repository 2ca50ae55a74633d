"""The scripts that made the embedded weights: a run repeats, the losses, the data, false boxes as windows."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import modelscope_handkp
from modelscope_handkp.detection.base import as_detector
from modelscope_handkp.errors import CheckpointError, InputError
from modelscope_handkp.model_dir.checkpoint import load_weights, read_state_dict
from modelscope_handkp.model_dir.config import read_configuration
from modelscope_handkp.model_dir.settings import NetworkSettings
from modelscope_handkp.networks.topdown import build_topdown

ROOT = Path(__file__).parent.parent
EMBEDDED = Path(modelscope_handkp.__file__).parent / "embedded"
BATCH = 32


@pytest.fixture
def scripts(monkeypatch):
    """The folder of the training script, whose modules import one another by name."""
    monkeypatch.syspath_prepend(ROOT / "examples" / "embedded")


def train(what: str, samples: int, cache: Path, out: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / "embedded" / "train.py"), what, "--samples", str(samples)]
    command += ["--cache", str(cache), "--out", str(out)]
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.one_stack
def test_same_seed_same_keypoint_weights(tmp_path):
    states = []
    for name in ("first", "second"):
        train("keypoints", 3 * BATCH, tmp_path / f"cache {name}", tmp_path / name)
        states.append(read_state_dict(tmp_path / name / "pytorch_model.pt"))
    network = build_topdown(NetworkSettings.parse(read_configuration(EMBEDDED)["model"]))
    load_weights(network, states[0], "first")
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.slow
@pytest.mark.one_stack
def test_detector_weights_are_written(tmp_path):
    train("detector", 16, tmp_path / "cache", tmp_path / "out")
    state = read_state_dict(tmp_path / "out" / "detection" / "detection_model.pth")
    assert state.keys() == read_state_dict(EMBEDDED / "detection" / "detection_model.pth").keys()


def test_heatmaps_fall_where_there_is_no_hand_and_only_there(scripts):
    from keypoints import heatmap_losses

    target, weight = torch.zeros(2, 21, 24, 24), torch.zeros(2, 21, 1)
    target[0, :, 12, 12], weight[0] = 1, 1
    heatmaps = torch.full((2, 21, 24, 24), 0.0)
    heatmaps[:, :, 12, 12] = 0.5
    heatmaps.requires_grad_()
    heatmap_losses(heatmaps, target, weight, 10.0).backward()
    assert (heatmaps.grad[0, :, 12, 12] < 0).all() and (heatmaps.grad[1, :, 12, 12] > 0).all()


@pytest.mark.one_stack
def test_bfloat16_gives_nearly_the_same_loss(scripts, tmp_path):
    """The network may compute in bfloat16, the loss does not."""
    from images import CROPS, crops
    from keypoints import LABELS, KeypointTask
    from store import Store

    config = read_configuration(EMBEDDED)
    config["data_cfg"]["image_size"] = [64, 64]
    store = Store(tmp_path / "crops", CROPS, 64, LABELS)
    store.add(*crops(3, 1, 64))
    task = KeypointTask(config, store)
    load_weights(task.network, read_state_dict(EMBEDDED / "pytorch_model.pt"), "embedded")
    losses = []
    for bfloat16 in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16), torch.no_grad():
            losses.append(task.loss(np.arange(4), 1.0, np.random.default_rng(0)))
    assert losses[1].dtype == torch.float32 and losses[1] != losses[0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.02)


def test_restated_batch_norms_leave_the_outputs_with_averages_and_with_a_batch(scripts):
    from loop import restate_batch_norms

    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Conv2d(5, 4, 3), nn.BatchNorm2d(4))
    for norm in (network[1], network[4]):
        for values in (norm.weight, norm.running_var):
            nn.init.uniform_(values, 0.5, 2.0)
        for values in (norm.bias, norm.running_mean):
            nn.init.normal_(values)
    images = torch.randn(8, 3, 12, 12)
    before = network.eval()(images)
    restate_batch_norms(network, lambda: network(images))
    torch.testing.assert_close(network(images), before, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(network.train()(images), before, rtol=1e-3, atol=1e-4)


def test_some_crops_are_beside_the_hands(scripts):
    from images import crops

    chunks = [crops(3, chunk, 32) for chunk in range(7, 12)]
    assert all(images.shape == (32, 3, 32, 32) and keypoints.shape == (32, 21, 3) for images, keypoints in chunks)
    empty = [not keypoints[..., 2].any() for _, keypoints in chunks]
    assert any(empty) and np.mean(empty) < 0.5


def test_one_extreme_image_does_not_decide_the_whole_step(scripts):
    from keypoints import heatmap_losses

    target = torch.rand(2, 21, 24, 24, generator=torch.Generator().manual_seed(0))
    weight = torch.ones(2, 21, 1)
    slopes = {}
    for scale in (1.0, 1000.0):
        heatmaps = torch.stack([target[1], -target[1] * scale]).requires_grad_()
        heatmap_losses(heatmaps, target, weight, 10.0).backward()
        slopes[scale] = [float(heatmaps.grad[index].norm()) for index in (0, 1)]
    assert slopes[1.0][0] == slopes[1000.0][0] > 0
    assert 0 < slopes[1000.0][1] < slopes[1.0][1]


def test_blur_keeps_places_and_is_as_wide_as_it_says(scripts, monkeypatch):
    import images as module

    monkeypatch.setattr(module, "BLURRED", 1.0)
    size = 97
    points = torch.zeros(200, 3, size, size)
    points[:, :, 48, 30] = 1
    images = module.blurred(np.random.default_rng(0), points.clone()).mean(1).double().numpy()
    y, x = np.mgrid[:size, :size]
    np.testing.assert_allclose(images.sum((1, 2)), 1, atol=1e-4)
    np.testing.assert_allclose((images * x).sum((1, 2)), 30, atol=0.05)
    np.testing.assert_allclose((images * y).sum((1, 2)), 48, atol=0.05)
    spread = [
        np.linalg.eigvalsh(np.cov([x.ravel(), y.ravel()], aweights=np.maximum(im, 0).ravel(), ddof=0)) for im in images
    ]
    narrow, wide = np.sqrt(np.maximum(np.transpose(spread), 0))
    assert 0.027 * size < narrow.max() < 0.033 * size
    assert wide.max() < 0.042 * size
    assert ((wide > 1.5) & (narrow < 0.8)).mean() > 0.25  # streaks


def test_hands_that_do_not_show_have_no_joints_to_learn(scripts, monkeypatch):
    import images as module

    hidden = {"shown": torch.tensor([0.1, 0.5])}
    rendered = type(
        "Rendered", (), {"images": torch.zeros(2, 3, 8, 8), "keypoints": torch.full((2, 21, 3), 2.0), **hidden}
    )
    monkeypatch.setattr(module, "render_crops", lambda *_, **__: rendered)
    monkeypatch.setattr(module, "EMPTY", 0.0)
    _, keypoints = module.crops(1, 0, 8)
    assert (keypoints[0, :, 2] == 0).all() and (keypoints[1, :, 2] == 2).all()


def test_false_boxes_show_no_hand_and_are_not_too_small(scripts):
    from mine import false_boxes

    hands = np.array([[0, 0, 100, 100]], np.float32)
    found = np.array([[10, 10, 90, 90], [200, 0, 300, 100], [95, 0, 195, 100], [300, 0, 319, 10]])
    assert false_boxes(found.astype(np.float32), hands).tolist() == found[1:3].tolist()
    assert len(false_boxes(found[[1]].repeat(20, 0).astype(np.float32), hands[:0])) == 6


def test_windows_are_crops_of_what_the_detector_took_for_a_hand(scripts):
    from mine import windows

    image = np.zeros((100, 200, 3), np.uint8)
    image[40:60, 140:160] = [255, 0, 0]  # BGR
    boxes = np.array([[[0, 0, 50, 50], [np.nan] * 4]], np.float32)
    detector = as_detector(lambda _: (np.array([[0, 0, 40, 40], [140, 40, 160, 60]], np.float32), [0.9, 0.8]))
    seen = windows(detector, image[None], boxes, 25)
    assert len(seen) == 1 and seen[0].shape == (3, 25, 25)
    assert (seen[0][2, 3:22, 3:22] == 255).all() and not seen[0][:2].any()
    assert (seen[0][2, [0, -1]] == 0).all()  # the crop is a quarter larger than the box


def test_windows_take_the_place_of_some_crops(scripts):
    import keypoints

    class Crops:
        images, labels = np.full((8, 3, 64, 64), 9, np.uint8), np.full((8, 21, 3), 2.0, np.float32)

    config = read_configuration(EMBEDDED)
    config["data_cfg"].update(image_size=[64, 64], heatmap_size=[16, 16])
    rng = np.random.default_rng(0)
    shares = []
    for windows in (None, np.zeros((3, 3, 64, 64), np.uint8)):
        task = keypoints.KeypointTask(config, Crops(), windows)
        drawn = [task.stored(place % 8, rng) for place in range(400)]
        assert all((crop == 0).all() == (joints[:, 2] == 0).all() for crop, joints in drawn)
        shares.append(np.mean([not crop.any() for crop, _ in drawn]))
    assert shares[0] == 0 and 0.06 < shares[1] < 0.15


class Sum:
    """Learns the sum of a line; counts its steps."""

    def __init__(self):
        torch.manual_seed(0)
        self.network, self.steps = nn.Linear(4, 1), 0

    def plain(self, places):
        return None

    def loss(self, places, progress, rng):
        self.steps += 1
        inputs = torch.from_numpy(rng.random((8, 4))).float()
        return (self.network(inputs)[:, 0] - inputs.sum(1)).square().mean()


def run_of(folder, task, samples=40, lr=0.1, **options):
    from loop import Training

    return Training(task, lambda rng, done: np.arange(8), samples=samples, batch=8, lr=lr, seed=1,
                    state_file=folder / "state.pt", options=options)  # fmt: skip


def test_a_run_that_is_stopped_and_resumed_repeats_the_whole_one(scripts, tmp_path):
    whole, stopped, resumed = Sum(), Sum(), Sum()
    for folder in ("whole", "stopped"):
        (tmp_path / folder).mkdir()
    run_of(tmp_path / "whole", whole).run()
    first = run_of(tmp_path / "stopped", stopped)
    first.task.loss = lambda *given: first.save() or Sum.loss(stopped, *given) if stopped.steps < 3 else 1 / 0
    with pytest.raises(ZeroDivisionError):
        first.run()
    second = run_of(tmp_path / "stopped", resumed)
    second.resume()
    second.run()
    assert 0 < resumed.steps < whole.steps == 5
    assert all(torch.equal(*pair) for pair in zip(whole.network.parameters(), resumed.network.parameters()))


@pytest.mark.parametrize("change", [{"samples": 80}, {"lr": 0.2}, {"photographs": "b"}, {"windows": "w.npy"}])
def test_the_state_of_another_run_is_not_resumed(scripts, tmp_path, change):
    """It would be written as the weights of this one, perhaps without a step."""
    run_of(tmp_path, Sum(), photographs="a").run()
    run_of(tmp_path, Sum(), photographs="a").resume()
    other = run_of(tmp_path, Sum(), **{"photographs": "a", **change})
    before = [weights.clone() for weights in other.network.parameters()]
    (name, value) = next(iter(change.items()))
    with pytest.raises(InputError, match=rf"state\.pt is of a run with .*{name}.*, not .*{name} {value}: .*--cache"):
        other.resume()
    assert all(torch.equal(*pair) for pair in zip(before, other.network.parameters()))


def test_a_store_of_other_images_is_named(scripts, tmp_path):
    from store import Store

    Store(tmp_path / "ring", 8, 16, (2, 4)).add(torch.ones(1, 3, 16, 16), torch.ones(1, 2, 4))
    assert Store(tmp_path / "ring", 8, 16, (2, 4)).images[0].min() == 255
    for changed in ((9, 16, (2, 4)), (8, 17, (2, 4)), (8, 16, (3, 4))):
        with pytest.raises(InputError, match=r"\.npy holds .*--cache"):
            Store(tmp_path / "ring", *changed)


@pytest.mark.slow
def test_training_ends_when_rendering_does(scripts, tmp_path):
    from store import Store, start_rendering

    store = Store(tmp_path / "ring", 8, 16, (2, 4))
    start_rendering(print, store, 1)  # gives no images
    with pytest.raises(RuntimeError, match="renders has ended"):
        store.draw(np.random.default_rng(0), 2, 4, 4)


def test_keypoints_do_not_start_from_another_network(scripts):
    from keypoints import KeypointTask

    config = read_configuration(EMBEDDED)
    state = read_state_dict(EMBEDDED / "pytorch_model.pt")
    task = KeypointTask(config, None)
    task.start_from(state)
    assert torch.equal(task.network.state_dict()["keypoint_head.final_layer.weight"],
                       state.pop("keypoint_head.final_layer.weight"))  # fmt: skip
    with pytest.raises(CheckpointError, match="final_layer"):
        task.start_from(state)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--samples", "-32"], "--samples must be at least 32"),
        (["--samples", "8"], "--samples must be at least 32"),
        (["--lr", "nan"], "--lr"),
        (["--lr", "0"], "--lr"),
        (["--threads", "0"], "--threads"),
        (["--seed", "-1"], "--seed"),
        (["--windows", "nothing.npy"], "nothing.npy"),
        (["--windows", __file__], "no array"),
        (["--photographs", "nothing"], "nothing holds no train.jsonl"),
    ],
)
def test_options_that_make_no_run_end_in_a_sentence(scripts, tmp_path, monkeypatch, capsys, options, named):
    import train

    folders = ["--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["train.py", "keypoints", *options, *folders])
    with pytest.raises(SystemExit):
        train.main()
    assert named in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    "script", ["train.py detector --start-from", "mine.py w.npy --model", "yolox_from_onnx.py x o"]
)
def test_what_is_missing_ends_in_a_sentence(tmp_path, script):
    name, *arguments = script.split()
    command = [sys.executable, str(ROOT / "examples" / "embedded" / name), *arguments, "nothing"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300,
                          check=False)  # fmt: skip
    assert done.returncode != 0
    assert "does not exist" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
