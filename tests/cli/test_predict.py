"""The command line: predict over good and bad files."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from modelscope_handkp import cli
from modelscope_handkp.cli.exit_codes import INTERRUPTED, OK, REFUSED, SOME_FAILED
from modelscope_handkp.errors import HandkpError
from modelscope_handkp.estimator import HandEstimator
from modelscope_handkp.hands import Hands
from modelscope_handkp.pose import queue
from modelscope_handkp.skeleton import KEYPOINT_NAMES
from modelscope_handkp.synthetic import render_image


def noise(seed: int) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return cv2.resize(small, (64, 48))


def write(folder: Path, *names: str) -> None:
    for seed, name in enumerate(names):
        assert cv2.imwrite(str(folder / name), noise(seed))


def predict(model: str, *arguments: Any) -> int:
    return cli.main(["predict", "--model", model, "--device", "cpu", *map(str, arguments)])


def report(path: str = "hands/hands.json") -> list[dict[str, Any]]:
    content = json.loads(Path(path).read_text())
    assert tuple(content["keypoint_names"]) == KEYPOINT_NAMES
    images: list[dict[str, Any]] = content["images"]
    return images


def test_a_folder_of_good_and_bad_files(folder: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, "a.png", "b.jpg", "c.bmp")
    (folder / "text.jpg").write_text("not an image")
    (folder / "cut.png").write_bytes((folder / "a.png").read_bytes()[:100])
    (folder / "notes.txt").write_text("left alone")
    assert predict(model, folder, "missing.jpg") == SOME_FAILED
    entries = {Path(entry["source"]).name: entry for entry in report()}
    assert list(entries) == ["a.png", "b.jpg", "c.bmp", "cut.png", "text.jpg", "missing.jpg"]
    for name in ("a.png", "b.jpg", "c.bmp"):
        entry = entries[name]
        assert (entry["width"], entry["height"], len(entry["hands"])) == (64, 48, 1)
        assert entry["hands"][0]["box"] == [0, 0, 64, 48]
        assert np.shape(entry["hands"][0]["keypoints"]) == (21, 3)
        assert cv2.imread(entry["drawn"]).shape == (48, 64, 3)
    err = capsys.readouterr().err
    for name in ("cut.png", "text.jpg", "missing.jpg"):
        assert name in entries[name]["error"]
        assert "hands" not in entries[name]
        assert f"failed: {entries[name]['error']}" in err
    assert "6/6" in err  # the progress bar


def test_what_phones_write_is_found_and_what_is_left_out_is_named(
    folder: Path, model: str, caplog: pytest.LogCaptureFixture
) -> None:
    import pillow_heif

    image = Image.fromarray(noise(0))
    for name in ("a.avif", "b.jp2", "c.jfif", "e.ppm"):
        image.save(folder / name)
    pillow_heif.from_pillow(image).save(folder / "d.heic")
    for name in ("f.psd", "g.mp3", ".DS_Store", "Thumbs.db", "._a.avif"):
        (folder / name).touch()
    (folder / "deeper").mkdir()
    image.save(folder / "deeper" / "h.png")
    assert predict(model, folder) == OK
    assert [Path(entry["source"]).name for entry in report()] == ["a.avif", "b.jp2", "c.jfif", "d.heic", "e.ppm"]
    files, folders = (message for message in caplog.messages if "left out" in message)
    assert "2 files ('f.psd', 'g.mp3')" in files
    assert "1 folder of images ('deeper')" in folders


def test_heic_without_its_package_fails_by_name(folder: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import pillow_heif

    write(folder, "a.png")
    pillow_heif.from_pillow(Image.fromarray(noise(0))).save(folder / "b.heic")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert predict(model, folder) == SOME_FAILED
    good, bad = report()
    assert "error" not in good
    assert "b.heic" in bad["error"] and "pip install" in bad["error"]


def test_a_data_url_is_drawn_and_stays_out_of_the_report(
    folder: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "data:image/png;base64," + base64.b64encode(cv2.imencode(".png", noise(0))[1].tobytes()).decode()
    assert predict(model, url, url[:-400]) == SOME_FAILED
    good, bad = report()
    assert good["drawn"] == "hands/image.jpg" and len(good["hands"]) == 1
    for text in (good["source"], bad["source"], bad["error"], capsys.readouterr().err):
        assert url[100:200] not in text


def test_one_image_without_failure(folder: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, "a.png")
    assert predict(model, folder / "a.png") == OK
    out, err = capsys.readouterr()
    assert "1 hands in 1 images" in out
    assert "it/s" not in err
    assert "image/s" not in err


def test_hands_are_the_estimators(folder: Path, model: str) -> None:
    write(folder, *(f"{i}.png" for i in range(5)))
    assert predict(model, folder, "--batch-size", 2) == OK
    estimator = HandEstimator.from_pretrained(model, "cpu")
    for entry in report():
        expected = estimator(entry["source"])
        ours = [hand["keypoints"] for hand in entry["hands"]]
        np.testing.assert_allclose(ours, expected.keypoints, atol=1e-2)


def test_names_that_collide_get_files_of_their_own(folder: Path, model: str) -> None:
    (folder / "deeper").mkdir()
    write(folder, "a.png", "a.jpg", "deeper/a.png", "a-2.png")
    assert predict(model, folder, folder / "deeper", folder / "a.png") == OK
    drawn = [entry["drawn"] for entry in report()]
    assert len(set(drawn)) == len(drawn) == 5
    assert all(Path(path).is_file() for path in drawn)


def test_sources_are_never_overwritten(folder: Path, model: str) -> None:
    write(folder, "a.jpg", "b.jpg", "c.png")
    (folder / "c.jpg").symlink_to(folder / "b.jpg")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for _ in range(2):  # again, where the first run's drawings are sources too
        assert predict(model, folder, "--out", folder) == OK
        for name, content in before.items():
            assert (folder / name).read_bytes() == content
    assert predict(model, folder / "a.jpg", "--out", folder, "--json", folder / "a.jpg") == REFUSED
    assert (folder / "a.jpg").read_bytes() == before["a.jpg"]


def test_json_elsewhere_and_not_under_a_drawing(folder: Path, model: str) -> None:
    write(folder, "a.png")
    assert predict(model, folder / "a.png", "--json", "x/y/all.json", "--out", "drawn") == OK
    assert report("x/y/all.json")[0]["drawn"] == "drawn/a.jpg"
    assert [path.name for path in Path("drawn").iterdir()] == ["a.jpg"]
    assert predict(model, folder / "a.png", "--json", "drawn/a.jpg", "--out", "drawn") == OK
    assert report("drawn/a.jpg")[0]["drawn"] == "drawn/a-2.jpg"


@pytest.mark.parametrize("option", ["--out", "--json"])
def test_where_nothing_can_be_written(
    folder: Path, model: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, "a.png")
    Path("file").write_text("in the way")
    assert predict(model, folder / "a.png", option, "file/x") == REFUSED
    assert "file" in capsys.readouterr().err
    assert Path("file").read_text() == "in the way"


def test_a_drawing_that_cannot_be_written_fails_alone(folder: Path, model: str) -> None:
    write(folder, "a.png", "b.png")
    Path("hands/a.jpg").mkdir(parents=True)
    assert predict(model, folder) == SOME_FAILED
    first, second = report()
    assert "a.jpg" in first["error"]
    assert len(first["hands"]) == 1
    assert "error" not in second


def test_an_image_whose_name_is_as_long_as_a_name_can_be(folder: Path, model: str) -> None:
    write(folder, "a.png")
    long = (folder / "a.png").rename(folder / ("n" * 251 + ".png"))
    assert predict(model, long) == OK
    (entry,) = report()
    assert Path(entry["drawn"]).is_file() and set(Path(entry["drawn"]).stem) == {"n"}


def test_an_empty_folder_and_a_pattern_without_match_are_named(folder: Path, model: str) -> None:
    assert predict(model, folder, "no*.jpg", "x" * 5000) == SOME_FAILED
    assert [entry["error"].split(" does")[0][:50] for entry in report()] == [str(folder)[:50], "no*.jpg", "x" * 50]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--batch-size", "0"], "batch_size"),
        (["--score-threshold", "2"], "score_threshold"),
        (["--score-threshold", "nan"], "score_threshold"),
        (["--hand-threshold", "-1"], "hand_threshold"),
        (["--max-candidates", "0"], "max_candidates"),
        (["--keypoint-threshold", "2"], "keypoint_threshold"),
        (["--device", "abacus"], "abacus"),
        (["--model", "nothing_such"], "nothing_such"),
    ],
)
def test_what_cannot_begin_says_why(
    folder: Path, model: str, arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, "a.png")
    assert predict(model, folder, *arguments) == REFUSED
    assert named in capsys.readouterr().err
    assert not Path("hands").exists()


@pytest.mark.slow
def test_thresholds_are_the_estimators(folder: Path) -> None:
    hands = HandEstimator.from_pretrained(device="cpu")
    image = render_image(7_300_001, hands=2, level="easy")[0]
    cv2.imwrite(str(folder / "b.png"), image)

    def found(*options: str) -> int:
        assert cli.main(["predict", str(folder / "b.png"), "--device", "cpu", *options]) == OK
        return len(report()[0]["hands"])

    assert found() == len(hands(image)) > 0
    assert found("--hand-threshold", "1") == found("--score-threshold", "1") == 0


def test_keypoints_below_the_threshold_are_not_drawn(folder: Path, model: str) -> None:
    write(folder, "a.png")
    assert predict(model, folder / "a.png", "--out", "all") == OK
    assert predict(model, folder / "a.png", "--out", "none", "--keypoint-threshold", "1") == OK
    drawn = [cv2.imread(f"{name}/a.jpg").astype(int) for name in ("all", "none")]
    assert np.abs(drawn[0] - drawn[1]).max() > 50


def test_an_interruption_keeps_what_was_found(
    folder: Path, model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, "a.png", "b.png", "c.png")
    load = queue.load_image

    def interrupted(source: Any) -> Any:
        if str(source).endswith("c.png"):
            raise KeyboardInterrupt
        return load(source)

    monkeypatch.setattr(queue, "load_image", interrupted)
    assert predict(model, folder, "--batch-size", 1) == INTERRUPTED
    assert "interrupted" in capsys.readouterr().err
    assert [Path(entry["source"]).name for entry in report()] == ["a.png", "b.png"]


def test_an_image_that_fails_later_fails_alone(folder: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, "a.png", "b.png")
    drawn: list[int] = []

    def failing(hands: Hands, path: Path, *rest: Any) -> None:
        drawn.append(1)
        if len(drawn) == 1:
            raise HandkpError("no ink")

    monkeypatch.setattr(Hands, "save", failing)
    assert predict(model, folder) == SOME_FAILED
    assert [entry.get("error") for entry in report()] == ["no ink", None]


def test_as_a_program(folder: Path, model: str) -> None:
    write(folder, "a.png")
    command = [sys.executable, "-m", "modelscope_handkp", "predict", "a.png", "nothing.png", "--model", model]
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == SOME_FAILED
    assert "Traceback" not in done.stderr
    assert "nothing.png" in done.stderr
    assert (folder / "hands" / "a.jpg").is_file()


def test_errors_stand_in_the_order_of_the_sources(folder: Path, model: str) -> None:
    write(folder, "a.png", "b.png", "c.png")
    sources = [folder / "a.png", "no1", "no2", folder / "b.png", "no3", folder / "c.png", "no4"]
    for batch_size in (1, 2, 8):
        assert predict(model, *sources, "--batch-size", batch_size) == SOME_FAILED
        assert [entry["source"] for entry in report()] == [str(source) for source in sources]
        assert [entry.get("hands") is None for entry in report()] == [False, True, True, False, True, False, True]


def test_a_report_cut_short_by_a_kill_leaves_the_old_one(folder: Path, model: str) -> None:
    write(folder, "a.png", "b.png")
    assert predict(model, folder / "a.png") == OK
    code = f"""
import os
from modelscope_handkp import cli
from modelscope_handkp.pose import queue
load = queue.load_image
queue.load_image = lambda source: os._exit(9) if source.endswith("b.png") else load(source)
cli.main(["predict", "in", "--model", {model!r}, "--device", "cpu", "--batch-size", "1"])
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], check=False, env=environment, capture_output=True)
    assert done.returncode == 9
    assert [Path(entry["source"]).name for entry in report()] == ["a.png"]


@pytest.mark.parametrize("name", ["a_folder", "a_pipe"])
def test_a_report_takes_no_other_things_place(folder: Path, model: str, name: str, capsys: Any) -> None:
    write(folder, "a.png")
    Path("a_folder").mkdir()
    os.mkfifo("a_pipe")  # as a device would be, /dev/null for one
    assert predict(model, folder / "a.png", "--json", name) == REFUSED
    assert name in capsys.readouterr().err
    assert not Path(name).is_file()


def test_links_that_go_in_circles_fail_alone(folder: Path, model: str) -> None:
    write(folder, "a.png")
    (folder / "b.png").symlink_to("b.png")
    assert predict(model, folder) == SOME_FAILED
    assert ["error" in entry for entry in report()] == [False, True]
