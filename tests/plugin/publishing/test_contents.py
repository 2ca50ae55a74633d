"""Which files of a directory are published."""

import json
from pathlib import Path

import pytest

from modelscope_handkp.plugin.publishing.contents import find_contents


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


def edit(folder: Path, **blocks: object) -> None:
    file = folder / "configuration.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **blocks}))


def test_a_model_is_its_configuration_and_its_weights(model_dir: Path) -> None:
    contents = find_contents(model_dir, "")
    assert contents.files == {name: (model_dir / name).stat().st_size for name in ("configuration.json",
                                                                                   "pytorch_model.pt")}  # fmt: skip
    assert (contents.left_out, contents.problems) == ([], [])


def test_what_training_leaves_behind_is_left_out(model_dir: Path) -> None:
    fill(model_dir, "epoch_3.pth", "best_PCK.pth", "20260101.log", "20260101.log.json", "tensorboard_output/events",
         "eval_result.txt", ".ms_upload_cache", ".hidden/a", "data.mspkl", "model.safetensors")  # fmt: skip
    contents = find_contents(model_dir, "")
    assert sorted(contents.files) == ["configuration.json", "model.safetensors", "pytorch_model.pt"]
    assert contents.left_out == sorted([
        "epoch_3.pth", "best_PCK.pth", "20260101.log", "20260101.log.json", "tensorboard_output/", "eval_result.txt",
        ".ms_upload_cache", ".hidden/", "data.mspkl",
    ])  # fmt: skip


def test_of_a_detector_the_files_that_the_configuration_names_are_sent(model_dir: Path) -> None:
    edit(model_dir, DETECTION={"config_file": "detection/config.py", "model_path": "detection/model.pth"})
    fill(model_dir, "detection/config.py", "detection/model.pth", "detection/old.pth")
    contents = find_contents(model_dir, "")
    assert sorted(contents.files) == ["configuration.json", "detection/config.py", "detection/model.pth",
                                      "pytorch_model.pt"]  # fmt: skip
    assert contents.left_out == ["detection/old.pth"]


@pytest.mark.parametrize("name", ["LICENSE", "LICENCE.txt", "license.md", "NOTICE", "LICENSE-CODE"])
def test_a_licence_is_sent(model_dir: Path, name: str) -> None:
    fill(model_dir, name)
    assert name in find_contents(model_dir, "").files


def test_images_are_sent_that_the_card_shows(model_dir: Path) -> None:
    fill(model_dir, "a.png", "assets/b c.jpg", "assets/d.gif", "not-shown.png", "notes.txt")
    card = (
        '![A](a.png "title")\n<img width="3" src="assets/d.gif"> ![T](notes.txt) ![gone](gone.png) [l](not-shown.png)'
    )
    contents = find_contents(model_dir, card)
    assert sorted({*contents.files} - {"configuration.json", "pytorch_model.pt"}) == ["a.png", "assets/d.gif"]
    assert contents.problems == []


@pytest.mark.parametrize("name", ["../secret.png", "x/../../secret.png", "/secret.png", ".hidden/a.png", "https://host/a.png",
                                  "link.png", "folder/a.png"])  # fmt: skip
def test_a_card_reaches_no_image_outside_the_directory(model_dir: Path, tmp_path: Path, name: str) -> None:
    fill(tmp_path, "secret.png", "secrets/a.png")
    fill(model_dir, ".hidden/a.png")
    (model_dir / "link.png").symlink_to(tmp_path / "secret.png")
    (model_dir / "folder").symlink_to(tmp_path / "secrets")
    contents = find_contents(model_dir, f"![image]({name})")
    assert sorted(contents.files) == ["configuration.json", "pytorch_model.pt"]
    assert contents.problems == []


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "", "a/" * 200])
def test_names_that_no_file_can_have(model_dir: Path, name: str) -> None:
    edit(model_dir, DETECTION={"config_file": name, "model_path": name + ".pth"})
    contents = find_contents(model_dir, f"![image]({name}.png)")
    assert sorted(contents.files) == ["configuration.json", "pytorch_model.pt"]
    assert contents.problems == []


def test_a_detour_is_no_other_name(model_dir: Path) -> None:
    fill(model_dir, "detection/model.pth")
    edit(model_dir, DETECTION={"config_file": "./c.py", "model_path": "./detection/../detection//model.pth"})
    assert "detection/model.pth" in find_contents(model_dir, "").files


@pytest.mark.parametrize("name", ["pytorch_model.bin", "detection/model.pth"])
def test_a_file_of_the_model_that_is_a_link_out_of_it_is_a_problem(model_dir: Path, tmp_path: Path, name: str) -> None:
    edit(model_dir, DETECTION={"config_file": "c.py", "model_path": "detection/model.pth"})
    fill(tmp_path, "elsewhere/weights")
    (model_dir / name).parent.mkdir(exist_ok=True)
    (model_dir / name).symlink_to(tmp_path / "elsewhere" / "weights")
    contents = find_contents(model_dir, "")
    assert name not in contents.files
    assert len(contents.problems) == 1
    assert contents.problems[0].startswith(f"{name} leads out of the directory")


@pytest.mark.parametrize("path", ["../outside.pth", ".hidden/model.pth"])
def test_a_detector_outside_the_directory_or_hidden_is_a_problem(model_dir: Path, tmp_path: Path, path: str) -> None:
    fill(tmp_path, "outside.pth")
    fill(model_dir, ".hidden/model.pth")
    edit(model_dir, DETECTION={"config_file": "c.py", "model_path": path})
    contents = find_contents(model_dir, "")
    assert len(contents.problems) == 1
    assert contents.problems[0].startswith(path)
    assert path not in contents.files


def test_a_link_within_the_directory_is_a_file_of_it(model_dir: Path) -> None:
    (model_dir / "weights").mkdir()
    (model_dir / "pytorch_model.pt").rename(model_dir / "weights" / "w.pt")
    (model_dir / "pytorch_model.pt").symlink_to("weights/w.pt")
    assert "pytorch_model.pt" in find_contents(model_dir, "").files
