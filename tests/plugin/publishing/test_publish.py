"""Checks before anything is sent, and what a publication is."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hub import Hub
from publishing_hub import ID
from safetensors.torch import save_file

from modelscope_handkp.errors import HandkpError, InputError, MissingFileError, UploadError
from modelscope_handkp.model_dir.checkpoint import read_checkpoint
from modelscope_handkp.model_dir.hub import EMBEDDED_MODEL_DIR
from modelscope_handkp.plugin.publishing.publish import check_id, prepare, publish

ROOT = Path(__file__).parents[3]


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = folder / "configuration.json"
    config = json.loads(file.read_text())
    change(config)
    file.write_text(json.dumps(config))


def problems(folder: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        prepare(folder, ID)
    head, *listed = str(caught.value).split("\n- ")
    assert head == f"{folder} cannot be published:"
    return listed


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["hands", "/hands", "me/", "me/ha nds", "me/hands/x", "../hands", "me/手", "-me/hands",
                                  "me/hands\n", "", None, 7, "me/" + "x" * 200, "https://host/me/hands"])  # fmt: skip
def test_what_is_no_id_is_refused(name: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="OWNER/NAME"):
        check_id(name)
    with pytest.raises(InputError, match="OWNER/NAME"):
        prepare(tmp_path, name)


@pytest.mark.parametrize("name", ["OWNER/NAME", "me/NAME", "OWNER/hands"])
def test_the_words_of_an_example_are_no_id(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"^{name} only shows where an id stands: write your name"):
        prepare(tmp_path, name)


@pytest.mark.parametrize("name", ["me/hands", "my-org/hands_v1.2", "A1/0", "owner/name"])
def test_ids(name: str) -> None:
    check_id(name)


def test_a_directory_that_is_none_of_a_model(tmp_path: Path, model_dir: Path) -> None:
    with pytest.raises(MissingFileError, match="nothing is no directory"):
        prepare(tmp_path / "nothing", ID)
    with pytest.raises(MissingFileError, match=r"no configuration\.json"):
        prepare(tmp_path, ID)
    model_dir.rename(tmp_path / "output")
    with pytest.raises(MissingFileError, match=rf"did you mean {tmp_path / 'output'}\?"):
        prepare(tmp_path, ID)


def test_a_model_that_can_be_published(model_dir: Path) -> None:
    (model_dir / "epoch_1.pth").write_text("x")
    before = contents(model_dir)
    publication = prepare(model_dir, ID)
    assert list(publication.files) == ["README.md", "configuration.json", "pytorch_model.pt"]
    assert publication.files["README.md"] == len(publication.card.text.encode())
    assert publication.left_out == ("epoch_1.pth",)
    assert publication.hands == 1
    assert contents(model_dir) == before


def test_everything_that_is_wrong_is_named_at_once(model_dir: Path) -> None:
    def spoil(config: dict[str, Any]) -> None:
        config["plugins"] = ["pai-easycv", "something-else"]
        config["dataset"]["train"]["data_source"]["ann_file"] = str(model_dir.parent / "train.json")

    edit(model_dir, spoil)
    weights = read_checkpoint(model_dir / "pytorch_model.pt")
    torch.save({**weights, "optimizer": {"state": {}}, "lr_scheduler": {}}, model_dir / "pytorch_model.pt")
    save_file({name: value + 1 for name, value in weights["state_dict"].items() if value.ndim == 4},
              model_dir / "model.safetensors")  # fmt: skip
    (model_dir / "README.md").write_text(f"# Hands\n\nSee {model_dir}/notes.txt and ~/ or and/or https://host/a/b.\n")
    (model_dir.parent / "train.json").write_text("{}")
    found = "\n".join(problems(model_dir))
    for said in (
        "does not name this package",
        "pai-easycv, something-else",
        "pytorch_model.pt holds the state of a training (lr_scheduler, optimizer)",
        "model.safetensors and pytorch_model.pt hold different weights",
        "train.json (dataset.train.data_source.ann_file)",
        f"README.md names paths of this machine: {model_dir}",
    ):
        assert said in found, said
    assert len(problems(model_dir)) == 6


@pytest.mark.parametrize("change", [{"plugins": ["modelscope-handkp", "no-such-package-at-all"]},
                                    {"allow_remote": True}])  # fmt: skip
def test_a_model_that_brings_other_code_is_not_loaded(
    model_dir: Path, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import modelscope.pipelines

    monkeypatch.setattr(modelscope.pipelines, "pipeline", lambda *_, **__: pytest.fail("it was loaded"))
    edit(model_dir, lambda config: config.update(change))
    (problem,) = problems(model_dir)
    assert problem.endswith("remove it")


@pytest.mark.parametrize("plugins", [None, [], "modelscope-handkp", {"a": 1}, ["modelscope"], ["modelscope_handkp"]])
def test_a_configuration_that_does_not_name_this_package(model_dir: Path, plugins: Any) -> None:
    edit(model_dir, lambda config: config.update(plugins=plugins))
    assert any("does not name this package" in problem for problem in problems(model_dir))


def test_weights_that_are_the_same_in_both_files(model_dir: Path) -> None:
    state = read_checkpoint(model_dir / "pytorch_model.pt")["state_dict"]
    save_file({name: value.contiguous() for name, value in state.items()}, model_dir / "model.safetensors")
    assert "model.safetensors" in prepare(model_dir, ID).files
    name = next(iter(state))
    state[name] = state[name] + 1e-3
    save_file({name: value.contiguous() for name, value in state.items()}, model_dir / "model.safetensors")
    assert problems(model_dir) == [
        "model.safetensors and pytorch_model.pt hold different weights: keep the one that you mean"
    ]


@pytest.mark.parametrize("spoil", ["cut", "gone", "other"])
def test_a_model_that_does_not_run(model_dir: Path, spoil: str) -> None:
    file = model_dir / "pytorch_model.pt"
    if spoil == "cut":
        file.write_bytes(file.read_bytes()[:1000])
    elif spoil == "gone":
        file.unlink()
    else:
        edit(model_dir, lambda config: config["model"].update(type="another"))
    assert any("does not load and run" in problem for problem in problems(model_dir))


@pytest.mark.parametrize(
    "value", ["/nowhere/at/all/train.json", "${data_root}/train.json", "https://host/tmp/a", "a/b"]
)
def test_paths_that_are_not_of_this_machine(model_dir: Path, value: str) -> None:
    edit(model_dir, lambda config: config["dataset"]["train"]["data_source"].update(ann_file=value))
    (model_dir / "README.md").write_text(f"# Hands\n\n`{value}`, /usr/bin/env, </details>, 1/2, /a\n")
    prepare(model_dir, ID)


def test_paths_below_the_home_folder_need_not_exist(model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    edit(model_dir, lambda config: config["train"].update(work_dir="/home/somebody/work"))
    weights = read_checkpoint(model_dir / "pytorch_model.pt")
    torch.save({**weights, "meta": {"config": "work_dir = '/home/somebody/work'"}}, model_dir / "pytorch_model.pt")
    found = problems(model_dir)
    assert len(found) == 2
    assert "pytorch_model.pt names paths of this machine in its meta: /home/somebody/work" in found[0]
    assert "/home/somebody/work (train.work_dir)" in found[1]


# --- what users publish


@pytest.mark.slow
def test_the_hosted_model_can_be_published_when_it_names_this_package(
    hosted_dir: Callable[..., Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(hosted_dir(tuples=True, plugins=["pai-easycv"]), tmp_path / "hosted")
    found = problems(folder)
    assert len(found) == 2
    assert all('"plugins"' in problem for problem in found)
    shutil.copy(ROOT / "configuration.json", folder)  # what examples/publish.md tells its owner to do
    (folder / "README.md").write_text("---\ntasks:\n- hand-2d-keypoints\nlicense: Apache License 2.0\n---\n# Hands\n")
    publication = prepare(folder, "damo/hands")
    assert list(publication.files) == ["README.md", "configuration.json", "detection/config.py",
                                       "detection/detection_model.pth", "pytorch_model.pt"]  # fmt: skip
    assert publication.card.text.endswith("---\n# Hands\n")


def test_the_embedded_model_can_be_published() -> None:
    publication = prepare(EMBEDDED_MODEL_DIR, ID)
    assert list(publication.files) == ["README.md", "configuration.json", "detection/config.py",
                                       "detection/detection_model.pth", "pytorch_model.pt"]  # fmt: skip
    assert publication.hands == 1


@pytest.mark.slow
def test_an_exported_model_can_be_published(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from modelscope_handkp.export.writer import export_model

    export_model(EMBEDDED_MODEL_DIR, tmp_path / "exported")
    edit(tmp_path / "exported", lambda config: config.update(plugins=["modelscope-handkp"]))
    publication = prepare(tmp_path / "exported", ID)
    assert list(publication.files) == ["README.md", "configuration.json", "detector.onnx", "export.json",
                                       "keypoints.onnx"]  # fmt: skip
    assert "HandEstimator.from_pretrained('me/hands')" in publication.card.text
    assert "pipeline(" not in publication.card.text
    assert publication.hands == 1


# --- sending


def test_what_is_published_is_what_the_hub_serves(model_dir: Path, hub: Hub, tmp_path: Path) -> None:
    from modelscope import snapshot_download

    (model_dir / "epoch_1.pth").write_text("x")
    page = publish(model_dir, ID)
    assert page == f"{hub.endpoint}/models/{ID}"
    expected = {name: content for name, content in contents(model_dir).items() if name != "epoch_1.pth"}
    assert contents(hub.models[ID]) == expected
    assert "README.md" in expected
    downloaded = Path(snapshot_download(ID, cache_dir=str(tmp_path / "fresh")))
    found = contents(downloaded)
    assert {name: found[name] for name in expected} == expected
    assert list(prepare(downloaded, "me/again").files) == sorted(expected)
    assert not [path.name for path in model_dir.iterdir() if path.name.startswith(".")]


def test_a_second_version_sends_what_is_new(model_dir: Path, hub: Hub) -> None:
    publish(model_dir, ID)
    assert len(hub.uploads.blobs_sent) == 1
    publish(model_dir, ID)
    assert len(hub.uploads.blobs_sent) == 1
    weights = read_checkpoint(model_dir / "pytorch_model.pt")
    weights["meta"] = {"epoch": 2}
    torch.save(weights, model_dir / "pytorch_model.pt")
    publish(model_dir, ID)
    assert len(hub.uploads.blobs_sent) == 2
    assert (hub.models[ID] / "pytorch_model.pt").read_bytes() == (model_dir / "pytorch_model.pt").read_bytes()


@pytest.mark.parametrize(("private", "level"), [(True, 1), (False, 5)])
def test_who_sees_a_model_that_is_created(
    model_dir: Path, hub: Hub, private: bool, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    publish(model_dir, ID, private=private)
    publish(model_dir, ID, private=not private)  # it is there, and stays as it is
    assert hub.uploads.visibility[ID] == level
    assert len(hub.uploads.commits) == 2
    assert ("whether it is public stays as it is" in caplog.text) == (not private)


def test_a_directory_that_is_wrong_sends_nothing(model_dir: Path, hub: Hub) -> None:
    edit(model_dir, lambda config: config.pop("plugins"))
    before = contents(model_dir)
    with pytest.raises(InputError, match="does not name this package"):
        publish(model_dir, ID)
    assert (hub.requests, contents(model_dir)) == ([], before)


def test_what_is_wrong_with_a_directory_is_told_without_a_token(
    model_dir: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", "")
    with pytest.raises(InputError, match="there is no token"):
        publish(model_dir, ID)
    edit(model_dir, lambda config: config.pop("plugins"))
    with pytest.raises(InputError, match="does not name this package"):
        publish(model_dir, ID)
    assert hub.requests == []


def test_a_card_that_cannot_be_written_sends_nothing(
    model_dir: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "the disk is full")

    before = contents(model_dir)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UploadError, match=r"README\.md cannot be written \(the disk is full\); nothing was sent"):
        publish(model_dir, ID)
    assert (hub.requests, contents(model_dir)) == ([], before)


def test_errors_are_ours(tmp_path: Path) -> None:
    with pytest.raises(HandkpError):
        publish(tmp_path, ID, token="x")
