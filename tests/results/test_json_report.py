"""One JSON file for many images."""

import json
from pathlib import Path

import numpy as np
import pytest

from modelscope_handkp import KEYPOINT_NAMES, Hands
from modelscope_handkp.errors import InputError
from modelscope_handkp.hands import Result
from modelscope_handkp.results.json_report import entry_of, json_report


def test_entries_of_images_and_errors() -> None:
    hands = Hands(np.zeros((1, 21, 3)), np.zeros((1, 4)), np.ones(1))
    entry = entry_of(Result(Path("a.png"), np.zeros((4, 6, 3), np.uint8), hands))
    assert entry == {"source": "a.png", "width": 6, "height": 4, "hands": hands.to_list()}
    broken = entry_of(Result("b.png", error=InputError("b.png is broken.")))
    assert broken == {"source": "b.png", "error": "b.png is broken."}


def test_a_source_without_a_name_is_described() -> None:
    image, hands = np.zeros((4, 6, 3), np.uint8), Hands.empty()
    for source, name in ((image, "<array (4, 6, 3) uint8>"), (b"12345", "<5 bytes>")):
        assert entry_of(Result(source, image, hands))["source"] == name
        assert entry_of(Result(source, error=InputError("broken")))["source"] == name
    assert len(entry_of(Result("data:image/png;base64," + "A" * 100_000, image, hands))["source"]) < 100


def test_the_file_is_json_with_names_and_entries(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for entries in ([], [{"source": "a"}], [{"source": "手"}, {"source": "b", "hands": []}]):
        with json_report(path) as add:
            for entry in entries:
                add(entry)
        content = json.loads(path.read_text(encoding="utf-8"))
        assert content == {"keypoint_names": list(KEYPOINT_NAMES), "images": entries}


def test_an_entry_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(TypeError, match="serializable"), json_report(path) as add:
        add({"source": "a", "hands": []})
        add({"source": "b", "hands": object()})
    assert [entry["source"] for entry in json.loads(path.read_text())["images"]] == ["a"]


def test_what_ends_the_block_keeps_the_entries_before(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), json_report(tmp_path / "a.json") as add:
        add({"source": "a"})
        raise KeyboardInterrupt
    assert json.loads((tmp_path / "a.json").read_text())["images"] == [{"source": "a"}]
