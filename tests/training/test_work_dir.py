"""Which checkpoint a path names."""

import os
from pathlib import Path

import pytest

from modelscope_handkp.errors import MissingFileError
from modelscope_handkp.training.work_dir import checkpoints_by_age, find_checkpoint


def touch(folder: Path, *names: str) -> None:
    """Files of these names, each a second younger than the one before."""
    folder.mkdir(exist_ok=True)
    for age, name in enumerate(names):
        (folder / name).touch()
        os.utime(folder / name, (1000 + age, 1000 + age))


def test_a_file_names_itself_with_or_without_its_ending(tmp_path: Path) -> None:
    touch(tmp_path, "epoch_2.pth", "weights.bin")
    assert find_checkpoint(tmp_path / "epoch_2.pth") == tmp_path / "epoch_2.pth"
    assert find_checkpoint(str(tmp_path / "epoch_2")) == tmp_path / "epoch_2.pth"
    assert find_checkpoint(tmp_path / "weights.bin") == tmp_path / "weights.bin"


def test_a_folder_names_its_newest_checkpoint(tmp_path: Path) -> None:
    touch(tmp_path, "epoch_9.pth", "iter_30.pth", "epoch_2.pth", "best_PCK.pth", "epoch_3.pth.partial", "epoch_x.pth")
    assert find_checkpoint(tmp_path) == tmp_path / "epoch_2.pth"
    assert [file.name for file in checkpoints_by_age(tmp_path)] == ["epoch_9.pth", "iter_30.pth", "epoch_2.pth"]


def test_of_files_of_one_age_the_highest_number_is_the_newest(tmp_path: Path) -> None:
    for name in ("epoch_10.pth", "epoch_9.pth", "iter_30.pth", "epoch_2.pth"):
        touch(tmp_path, name)
    assert [file.name for file in checkpoints_by_age(tmp_path)] == [
        "epoch_2.pth",
        "epoch_9.pth",
        "epoch_10.pth",
        "iter_30.pth",
    ]


def test_a_model_directory_names_its_weights_unless_it_has_checkpoints(tmp_path: Path) -> None:
    touch(tmp_path, "pytorch_model.pt")
    assert find_checkpoint(tmp_path) == tmp_path / "pytorch_model.pt"
    touch(tmp_path, "epoch_1.pth", "pytorch_model.pt")
    assert find_checkpoint(tmp_path) == tmp_path / "epoch_1.pth"


def test_a_model_directory_of_safetensors(tmp_path: Path) -> None:
    touch(tmp_path, "model.safetensors", "pytorch_model.pt")
    assert find_checkpoint(tmp_path) == tmp_path / "model.safetensors"
    touch(tmp_path, "epoch_1.pth")
    assert find_checkpoint(tmp_path) == tmp_path / "epoch_1.pth"


def test_nothing_there_is_an_error(tmp_path: Path) -> None:
    for name in ("epoch_3", "epoch_3" * 1000):
        with pytest.raises(MissingFileError, match=r"no checkpoint at .*epoch_3"):
            find_checkpoint(tmp_path / name)
    with pytest.raises(MissingFileError, match=r"no checkpoint at .*no model\.safetensors, pytorch_model\.pt or"):
        find_checkpoint(tmp_path)
