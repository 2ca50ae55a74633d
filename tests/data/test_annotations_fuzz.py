"""Annotation files with missing, doubled, mistyped and out-of-range values: read as documented, or named."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelscope_handkp.data.annotations import read_annotations
from modelscope_handkp.errors import HandkpError

pytestmark = pytest.mark.slow

IDS = st.sampled_from([0, 1, 2, 3, "1", "2", "a", "b", "01", 2.0, 3.0, -1, 1 << 40, 1 << 70, str(1 << 70)])
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.integers(), st.floats(), st.text(max_size=3), IDS,
    st.sampled_from(["false", "TRUE", "0", "1", "no", 1e300, -1e12, 10**400, {}, [], [1], [[1, 2]], [None] * 63]),
    st.lists(st.floats(-10, 900), min_size=2, max_size=5), st.just([1.0] * 63), st.just([0.0] * 63),
    st.just([1.0] * 62 + ["x"]), st.just([float("nan")] * 63),
)  # fmt: skip


def wholebody(number: int, image_id: Any) -> dict[str, Any]:
    """A person whose left hand's box begins at ``number``."""
    box, points = [float(number), 2.0, 30.0, 40.0], [float(number), 3.0, 1.0] * 21
    return {"id": number, "image_id": image_id, "iscrowd": 0, "category_id": 1, "lefthand_valid": True,
            "lefthand_box": box, "lefthand_kpts": points, "righthand_valid": False}  # fmt: skip


def plain(number: int, image_id: Any) -> dict[str, Any]:
    """A hand whose box begins at ``number``."""
    box, points = [float(number), 2.0, 30.0, 40.0], [float(number), 3.0, 1.0] * 21
    return {"id": number, "image_id": image_id, "iscrowd": 0, "category_id": 1, "bbox": box, "keypoints": points}


@st.composite
def files(draw: Any) -> tuple[dict[str, Any], set[int], list[str]]:
    """The content of a file, the numbers of the hands that nothing was done to, and the keys that were changed."""
    ids = draw(st.lists(IDS, min_size=1, max_size=4, unique_by=meaning))
    layouts = draw(st.lists(st.sampled_from([wholebody, plain]), min_size=1, max_size=5))
    originals = {100 + i: layout(100 + i, draw(st.sampled_from(ids))) for i, layout in enumerate(layouts)}
    content: dict[str, Any] = {
        "images": [{"id": name, "file_name": f"{k}.jpg", "width": 640, "height": 480} for k, name in enumerate(ids)],
        "annotations": list(originals.values()),
        "categories": [{"id": 1, "name": "hand"}, {"id": 2, "name": "left"}],
    }
    keys = []
    for _ in range(draw(st.integers(0, 4))):
        entries = content[draw(st.sampled_from(list(content)))]
        place = draw(st.integers(0, len(entries) - 1))
        change, double = draw(st.sampled_from([(True, False), (False, True), (True, True)]))
        entry = dict(entries[place])
        if change and entry:
            keys.append(draw(st.sampled_from(sorted(entry))))
            entry.pop(keys[-1])
            if draw(st.booleans()):
                entry[keys[-1]] = draw(JUNK)
        entries[place : place + (not double)] = [entry]
    named = [(number_of(entry), entry) for entry in content["annotations"]]
    whole = {n for n, one in originals.items() if all(entry == one for number, entry in named if number == n)}
    whole &= {number for number, _ in named}
    return {key: content[key] for key in draw(st.permutations(list(content)))}, whole, keys


def number_of(entry: Any) -> int:
    """The number of the hand of an annotation; 0 where it is no longer one."""
    box = entry.get("bbox", entry.get("lefthand_box")) if isinstance(entry, dict) else None
    is_box = isinstance(box, list) and box and isinstance(box[0], float) and box[0] == box[0]
    return int(box[0]) if is_box and abs(box[0]) < 1e6 else 0


def meaning(value: Any) -> Any:
    """What ids that mean the same have in common."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return object()
    if isinstance(value, float):
        return int(value) if abs(value) < 1e300 and value == int(value) else object()
    if (
        isinstance(value, str)
        and value.lstrip("-").isascii()
        and value.lstrip("-").isdigit()
        and str(int(value)) == value
    ):
        return int(value)
    return value


@pytest.mark.one_stack
@settings(max_examples=2000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(file=files())
def test_read_as_documented_or_named(file: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    content, whole, keys = file
    path = tmp_path_factory.getbasetemp() / "fuzz.json"
    path.write_text(json.dumps(content))
    try:
        hands = read_annotations(path)
    except HandkpError as error:
        assert "fuzz.json" in str(error) and len(str(error)) < 1000
        if "cannot be used" in str(error):
            if any(key.endswith("_valid") for key in keys):  # a hand that became valid needs its box and keypoints
                keys = [*keys, *(f"{side}hand_{key}" for side in ("left", "right") for key in ("box", "kpts"))]
            reasons = [f"'{key}'" for key in keys] + ["its id stands for", "it is not an object"]
            assert any(reason in str(error) for reason in reasons), str(error)
        else:
            assert "has no valid hand" in str(error) or "it does not list" in str(error)
        return
    read = [int(box[0]) for box in hands.boxes_xywh]
    assert all(read.count(number) == 1 for number in whole)
    for number, image in zip(read, (hands.images[index] for index in hands.image_index)):
        stated = {meaning(entry["image_id"]) for entry in content["annotations"] if number_of(entry) == number}
        named = {entry["file_name"] for entry in content["images"] if meaning(entry.get("id")) in stated}
        if number in whole:
            assert named == {image.file}
        else:
            assert image.file in named
