"""What train and evaluate share."""

import argparse
from pathlib import Path

import pytest
from small import dots_dataset, narrow_config

from modelscope_handkp.cli import trainer


def test_defaults_and_choices_of_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    trainer.add_options(parser, "validation", "where the data is")
    arguments = parser.parse_args(["--data", "x"])
    assert (arguments.model, arguments.data, arguments.split, arguments.work_dir) == (
        None,
        "x",
        "validation",
        "work_dir",
    )
    assert (arguments.batch_size, arguments.workers, arguments.device, arguments.skip_bad_images) == (
        None,
        None,
        None,
        False,
    )
    with pytest.raises(SystemExit):
        parser.parse_args([])
    assert "--data" in capsys.readouterr().err
    assert "where the data is" in parser.format_help()


def test_a_folder_has_the_parts_whose_annotations_are_there(tmp_path: Path) -> None:
    config, folder = narrow_config(), dots_dataset(tmp_path, train=1, val=1)
    assert trainer.has_annotations(str(folder), config, "val")
    (folder / "annotations" / "coco_wholebody_val_v1.0.json").unlink()
    assert not trainer.has_annotations(str(folder), config, "val")
    assert trainer.has_annotations(str(folder), config, "train")
    assert trainer.has_annotations("owner/name", config, "val")


def test_only_the_loader_options_that_are_given() -> None:
    given = argparse.Namespace(batch_size=0, workers=None)
    assert trainer.loader_options(given) == {
        "train.dataloader.batch_size_per_gpu": 0,
        "evaluation.dataloader.batch_size_per_gpu": 0,
    }


def test_numbers_are_rounded_and_those_that_are_missing_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    trainer.print_numbers({"EPE": 4.38991, "PCK": 0.81612, "hands": 7, "PCK_wrist": 1.0})
    assert capsys.readouterr().out == "PCK 0.8161, EPE 4.3899 (7 hands)\n"
