"""The card of a published model."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelscope_handkp.errors import ConfigError
from modelscope_handkp.model_dir.hub import EMBEDDED_MODEL_DIR
from modelscope_handkp.plugin.publishing.card import make_card

ID = "me/hands"


def front(text: str) -> dict[str, Any]:
    assert text.startswith("---\n")
    return yaml.safe_load(text[4 : text.index("\n---\n", 4)])


def page(text: str) -> str:
    return text[text.index("\n---\n", 4) + 5 :]


def write(model_dir: Path, text: str) -> Path:
    (model_dir / "README.md").write_text(text)
    return model_dir


def test_a_new_card_has_what_the_hub_reads(model_dir: Path) -> None:
    card = make_card(model_dir, ID)
    assert (card.existed, card.has_new_page, card.changed) == (False, True, True)
    found = front(card.text)
    assert found["tasks"] == ["hand-2d-keypoints"]
    assert found["frameworks"] == ["pytorch"]
    assert found["license"] == "Apache License 2.0"
    assert found["metrics"] == ["PCK", "AUC", "EPE"]
    assert set(card.added) == set(found)
    assert card.licence == "Apache License 2.0"


def test_a_new_page_says_how_the_model_is_run_and_how_it_was_trained(model_dir: Path) -> None:
    text = make_card(model_dir, ID).text
    assert "pipeline(Tasks.hand_2d_keypoints, model='me/hands', trust_remote_code=True)" in text
    assert "modelscope-handkp predict image.jpg --model me/hands" in text
    for row in ("| epochs | 210 |", "| optimizer | Adam |", "| learning rate | 0.0005 |", "| crop (px) | 64x64 |"):
        assert row in text
    assert text.index("使用") < text.index("In English")
    assert "AUC |" not in text


@pytest.mark.parametrize("owner", ["damo", "iic"])
def test_owners_whom_modelscope_trusts_need_no_trust(model_dir: Path, owner: str) -> None:
    assert "trust_remote_code" not in make_card(model_dir, f"{owner}/hands").text


def test_the_numbers_of_the_last_evaluation_are_shown(model_dir: Path) -> None:
    values = {"PCK": 0.81612, "AUC": 0.5, "EPE": 4.39, "hands": 7, "PCK_wrist": 1.0, "text": "no"}
    (model_dir / "eval_result.txt").write_text(json.dumps(values))
    text = make_card(model_dir, ID).text
    assert "| PCK@0.2 | AUC | EPE (px) | hands |\n| --- | --- | --- | --- |\n| 0.8161 | 0.5000 | 4.3900 | 7 |" in text


@pytest.mark.parametrize("content", ["", "no json", "[1]", '{"PCK": "a|b\\n# x", "AUC": NaN}', "[" * 100_000])
def test_numbers_that_are_none_are_not_shown(model_dir: Path, content: str) -> None:
    (model_dir / "eval_result.txt").write_text(content)
    assert "评测" not in make_card(model_dir, ID).text


def test_what_the_configuration_says_cannot_break_the_page(model_dir: Path) -> None:
    file = model_dir / "configuration.json"
    config = json.loads(file.read_text())
    config["train"]["optimizer"]["type"] = "Adam |\n<script>"
    file.write_text(json.dumps(config))
    text = make_card(model_dir, ID).text
    assert "<script>" not in text
    assert "| epochs | 210 |" in text


def test_keys_are_added_and_those_that_are_there_stay(model_dir: Path) -> None:
    written = "---\n# mine\nlicense:   MIT License  # chosen\ntags: [x]\n---\n# My hands\n\nText.\n"
    card = make_card(write(model_dir, written), ID)
    assert card.text.startswith("---\n# mine\nlicense:   MIT License  # chosen\ntags: [x]\n")
    assert page(card.text) == "# My hands\n\nText.\n"
    found = front(card.text)
    assert (found["license"], found["tags"], found["tasks"]) == ("MIT License", ["x"], ["hand-2d-keypoints"])
    assert not {"license", "tags"} & set(card.added)
    assert card.licence == ""
    assert (card.existed, card.has_new_page, card.changed) == (True, False, True)


def test_a_page_without_front_matter_gets_one(model_dir: Path) -> None:
    written = "# My hands\n\n---\n\nA line above.\n"
    card = make_card(write(model_dir, written), ID)
    assert page(card.text) == written
    assert front(card.text)["tasks"] == ["hand-2d-keypoints"]


def test_a_whole_card_stays_as_it_is(model_dir: Path) -> None:
    first = make_card(model_dir, ID)
    second = make_card(write(model_dir, first.text.replace("# hands", "# My hands")), ID)
    assert (second.text, second.added, second.changed) == (first.text.replace("# hands", "# My hands"), (), False)


def test_a_page_written_here_follows_the_model_until_it_is_edited(model_dir: Path) -> None:
    write(model_dir, make_card(model_dir, ID).text)
    assert not make_card(model_dir, ID).changed
    (model_dir / "eval_result.txt").write_text('{"PCK": 0.25}')
    newer = make_card(model_dir, ID)
    assert newer.has_new_page
    assert "| 0.2500 |" in newer.text
    assert "model='me/other'" in make_card(model_dir, "me/other").text
    edited = newer.text.replace("## 使用", "## 我的使用")
    (model_dir / "eval_result.txt").write_text('{"PCK": 0.75}')
    assert make_card(write(model_dir, edited), ID).text == edited


def test_numbers_stay_where_the_directory_has_none_of_its_own(model_dir: Path) -> None:
    (model_dir / "eval_result.txt").write_text('{"PCK": 0.25}')
    write(model_dir, make_card(model_dir, ID).text)
    (model_dir / "eval_result.txt").unlink()
    assert not make_card(model_dir, ID).changed


def test_the_card_of_the_embedded_model_is_not_that_of_one_fine_tuned_from_it(model_dir: Path) -> None:
    shutil.copy(EMBEDDED_MODEL_DIR / "README.md", model_dir)
    card = make_card(model_dir, ID)
    assert card.has_new_page
    assert "The embedded hand model" not in card.text
    assert "Fine-tuned from the model that ships with modelscope-handkp" in card.text
    (model_dir / "eval_result.txt").write_text('{"PCK": 0.25}')
    assert "Fine-tuned" in make_card(write(model_dir, card.text), ID).text
    assert "The embedded hand model" in make_card(EMBEDDED_MODEL_DIR, ID).text


def test_the_licence_of_the_embedded_model_is_that_of_its_card_and_of_models_fine_tuned_from_it(
    model_dir: Path,
) -> None:
    """It was trained on images with terms of their own, so that a card must not say that it is free for all uses."""
    card = make_card(EMBEDDED_MODEL_DIR, ID)
    assert front(card.text)["license"] == "other"
    assert ("license" in card.added, card.licence, card.has_new_page) == (False, "", False)
    shutil.copy(EMBEDDED_MODEL_DIR / "README.md", model_dir)
    card = make_card(model_dir, ID)
    assert front(card.text)["license"] == card.licence == "other"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"---\ntasks: [\n---\n", "no YAML"),
        (b"---\na: !!python/object/apply:os.system [id]\n---\n", "no YAML"),
        (b"---\njust text\n---\n", "keys and values"),
        (b"---\n- a list\n---\n", "keys and values"),
        (b"---\n{license: MIT}\n---\n", "front matter of README.md"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"x" * 2_000_000, "larger than"),
    ],
)
def test_a_card_that_cannot_be_completed_is_said(model_dir: Path, content: bytes, said: str) -> None:
    (model_dir / "README.md").write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        make_card(model_dir, ID)
