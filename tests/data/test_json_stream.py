"""Arrays of a JSON file, element by element, whatever the window's size."""

import json
import tracemalloc
from pathlib import Path

import pytest

from modelscope_handkp.data.json_stream import iterate_arrays
from modelscope_handkp.errors import DatasetError, MissingFileError

DOCUMENT = {
    "info": {"text": 'quotes " and \\ and ü', "nested": [[1, [2]], {}]},
    "images": [{"id": 12345, "file_name": "a.jpg"}, {"id": 2, "file_name": "b ] } , .jpg"}],
    "number": 1234567,
    "licenses": [],
    "annotations": [{"kpts": [0.5, -1e-7, 3], "valid": True}, {"kpts": [], "valid": None}],
}


@pytest.mark.parametrize("chunk", [1, 2, 7, 64, 1 << 20])
@pytest.mark.parametrize("indent", [None, 2])
def test_elements_are_those_of_json_load(tmp_path: Path, chunk: int, indent: int | None) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(DOCUMENT, indent=indent))
    expected = [(key, entry) for key in ("images", "annotations") for entry in DOCUMENT[key]]  # type: ignore[attr-defined]
    assert list(iterate_arrays(path, ("images", "annotations"), chunk)) == expected


@pytest.mark.parametrize("chunk", [3, 1 << 20])
def test_every_truncation_is_an_error(tmp_path: Path, chunk: int) -> None:
    text = json.dumps(DOCUMENT)
    path = tmp_path / "cut.json"
    for length in range(0, len(text), 5):
        path.write_text(text[:length])
        with pytest.raises(DatasetError, match=r"cut.json"):
            list(iterate_arrays(path, ("images", "annotations"), chunk))


@pytest.mark.parametrize(
    "text", ["[1]", "null", '{"images": {}}', '{"images": [1,]}', '{"a": 1,}', '{"images": [1 2]}', "\x00"]
)
def test_what_is_no_coco_object_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DatasetError, match="not a COCO annotation file"):
        list(iterate_arrays(tmp_path / "a.json", ("images",)))


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "empty: download"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer.*git lfs pull"),
        (b"<!DOCTYPE html><html>", "an HTML page.*a server"),
        (b"\x1f\x8b\x08\0", "a gzip archive: unpack it and name the annotation file"),
        (b"PK\x03\x04", "a zip archive: unpack"),
        ("{}".encode("utf-16"), "UTF-16 text.*save it as UTF-8"),
        ('{"a": 1}'.encode("utf-16-be"), "UTF-16 text.*save it as UTF-8"),
        (b"image,xmin\n", "text that begins with 'image,xmin': name the annotation file"),
        (b"\xff\xd8\xff\xe0", "a JPEG image: name the annotation file"),
    ],
)
def test_another_kind_of_file_is_called_what_it_is(tmp_path: Path, content: bytes, named: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DatasetError, match=rf"a\.json is not a COCO annotation file: it is {named}"):
        list(iterate_arrays(tmp_path / "a.json", ("images",)))


def test_blanks_and_words_of_other_formats_before_the_first_array(tmp_path: Path) -> None:
    for text in (" " * 5000 + '{"images": [1]}', '{"a":"' + "ustar" * 80 + '", "images": [1]}'):
        (tmp_path / "a.json").write_text(text)
        assert list(iterate_arrays(tmp_path / "a.json", ("images",))) == [("images", 1)]


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"nothing.json"):
        list(iterate_arrays(tmp_path / "nothing.json", ()))


def test_a_mistake_at_the_start_does_not_read_the_rest(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"images": [{"id": 1}, {"id": 2,, }' + ', {"id": 3}' * 10_000 + "]}")
    read = []

    def read_through() -> None:
        for key, _ in iterate_arrays(tmp_path / "a.json", ("images",), chunk=64):
            read.append(key)

    tracemalloc.start()
    with pytest.raises(DatasetError, match=r"a.json is not a COCO annotation file: .* near character"):
        read_through()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(read) == 1 and peak < 60_000  # the file has 110,000 characters


def test_a_file_that_is_cut_off_is_called_that(tmp_path: Path) -> None:
    whole = '{"images": [{"id": 1, "file_name": "a"}]}'
    for length in range(14, len(whole) - 3):
        (tmp_path / "a.json").write_text(whole[:length])
        with pytest.raises(DatasetError, match=r"the file ends"):
            list(iterate_arrays(tmp_path / "a.json", ("images",)))


def test_a_folder_and_a_name_that_no_system_has(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="is a folder, not an annotation file"):
        list(iterate_arrays(tmp_path, ()))
    with pytest.raises(MissingFileError, match="x does not exist"):
        list(iterate_arrays(tmp_path / ("x" * 5000), ()))


def test_text_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes('{"images": [], "annotations": [], "手": "手"}'.encode("gbk"))
    with pytest.raises(DatasetError, match="UTF-8"):
        list(iterate_arrays(tmp_path / "a.json", ("images",)))
