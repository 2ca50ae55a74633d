"""A folder, a pattern, a list or a Parquet file becomes items: each image and row once, in the same order each time."""

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed")
import pyarrow
import pyarrow.parquet

from modelscope_handkp.batch.inputs import IMAGE, ROWS, VIDEO, Item, list_items
from modelscope_handkp.errors import HandkpError, InputError, MissingFileError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def names(source: Any, folder: Path, **options: Any) -> list[str]:
    """The paths of the items of a source, in their order, relative to a folder."""
    return [os.path.relpath(os.fsdecode(item.path), folder) for item in list_items(str(source), **options)]


def table(path: Path, groups: int | None = None, /, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=groups)
    return path


# --- folders and patterns


def test_a_folder_is_read_with_the_folders_in_it(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg", "a.PNG", "z/c.webp", "z/y/d.jpg", "e/f.jpg")
    assert names(tmp_path, tmp_path) == ["a.PNG", "b.jpg", "e/f.jpg", "z/c.webp", "z/y/d.jpg"]
    assert names(f"{tmp_path}/", tmp_path) == names(f"file://{tmp_path}", tmp_path) == names(tmp_path, tmp_path)
    assert all(item == Item(IMAGE, item.path, count=1) for item in list_items(str(tmp_path)))


def test_hidden_and_system_files_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", ".b.jpg", ".cache/c.jpg", "@eaDir/d.jpg", "__MACOSX/e.jpg", "Thumbs.db")
    assert names(tmp_path, tmp_path) == ["a.jpg"]


def test_other_files_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Tables beside videos hold other things, such as the states of a robot."""
    touch(tmp_path, "videos/chunk-000/episode_0.mp4", "meta/info.json", "meta/tasks.jsonl")
    table(tmp_path / "data" / "chunk-000" / "episode_0.parquet", state=[[0.5, 1.0]], frame_index=[0])
    with caplog.at_level(logging.WARNING):
        assert names(tmp_path, tmp_path) == ["videos/chunk-000/episode_0.mp4"]
    named = "3 files ('meta/info.json', 'meta/tasks.jsonl', 'data/chunk-000/episode_0.parquet')"
    assert f"{tmp_path}: left out, since no image or video has such a name: {named}." in caplog.text


def test_of_many_other_files_a_few_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path, "0.jpg", "1.txt")
    assert names(tmp_path, tmp_path) == ["0.jpg"]
    assert "such a name: 1 file ('1.txt')." in caplog.text
    touch(tmp_path, *(f"{number}.txt" for number in range(2, 9)))
    assert names(tmp_path, tmp_path) == ["0.jpg"]
    assert "such a name: 8 files ('1.txt', '2.txt', '3.txt', '4.txt', '5.txt', ...)." in caplog.text


def test_odd_names(tmp_path: Path) -> None:
    odd = ["a b.jpg", "c\nd.jpg", "手.jpg", "50%.jpg", "[1].jpg", "*.jpg", "x" * 251 + ".jpg", "#.jpg", "~.jpg"]
    touch(tmp_path, *odd)
    gbk = "手套.jpg".encode("gbk")
    (tmp_path / os.fsdecode(gbk)).write_bytes(b"")
    found = [item.path for item in list_items(str(tmp_path))]
    assert sorted(found) == sorted(os.fsencode(tmp_path / name) for name in [*odd, os.fsdecode(gbk)])
    assert names(tmp_path / "[1].jpg", tmp_path) == ["[1].jpg"]
    assert names(tmp_path / "*.jpg", tmp_path) == ["*.jpg"]


def test_links(tmp_path: Path) -> None:
    """To a file it is one; one to a folder may lead back, and is left out; the source itself may be one."""
    touch(tmp_path, "in/a.jpg", "in/deep/b.jpg")
    (tmp_path / "in" / "deep" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "c.jpg").symlink_to(tmp_path / "in" / "a.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    assert names(tmp_path / "link", tmp_path / "link") == ["a.jpg", "c.jpg", "deep/b.jpg"]


@pytest.mark.parametrize("kind", ["empty", "nested", "others"])
def test_a_folder_without_images_is_refused(kind: str, tmp_path: Path) -> None:
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    if kind == "others":
        touch(tmp_path, "deep/a.txt", "b.docx")
    folder = tmp_path / "deep" / "deeper" if kind == "empty" else tmp_path
    with pytest.raises(MissingFileError, match=r"is a folder without images, videos or Parquet files\.$"):
        list(list_items(str(folder)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read any folder")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a/b.jpg")
    (tmp_path / "a").chmod(0)
    try:
        with pytest.raises(InputError, match="cannot be listed: Permission denied"):
            list(list_items(str(tmp_path)))
    finally:
        (tmp_path / "a").chmod(0o700)


def test_patterns(tmp_path: Path) -> None:
    touch(tmp_path, "a1.jpg", "a2.jpg", "b1.png", "deep/er/a3.jpg", "deep/x.txt")
    assert names(tmp_path / "a?.jpg", tmp_path) == ["a1.jpg", "a2.jpg"]
    assert names(tmp_path / "[!a]*.png", tmp_path) == ["b1.png"]
    assert names(tmp_path / "**" / "*.jpg", tmp_path) == ["a1.jpg", "a2.jpg", "deep/er/a3.jpg"]
    with pytest.raises(MissingFileError, match=r"nothing matches .*\.gif\.$"):
        list_items(str(tmp_path / "*.gif"))


IMAGE_BYTES = b"P6 2 2 255 " + bytes(12)


@pytest.mark.parametrize("name", ["list.csv", "list.CSV", "list.tsv", "list.json", "list.xlsx", "list", "list.npy"])
@pytest.mark.parametrize("content", [b"path,label\na.jpg,1\n", b"", b'["a.jpg"]', bytes(range(256))])
def test_a_file_that_is_no_image_video_or_list_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    """Before anything else is done with it. The name of a list tells that it is one."""
    (tmp_path / name).write_bytes(content)
    patterns = [f"*{Path(name).suffix}"] if "." in name else []
    for source in (name, *patterns):
        with pytest.raises(InputError, match=r"no list: lists of paths end in \.txt, \.lst .*or \.parquet") as caught:
            list_items(str(tmp_path / source))
        assert name in str(caught.value)


@pytest.mark.parametrize("name", ["image", "image.raw", "image.dat"])
def test_an_image_with_another_name_is_one_by_its_content(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(IMAGE_BYTES)
    assert list(list_items(str(tmp_path / name))) == [Item(IMAGE, os.fsencode(tmp_path / name), count=1)]
    assert names(tmp_path / f"i*{Path(name).suffix}", tmp_path) == [name]


def test_a_video_with_another_name_is_one_by_its_content(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    from video_files import write_video

    path = write_video(tmp_path / "a.mp4", count=3).rename(tmp_path / "a.dat")
    assert [item.kind for item in list_items(str(path))] == [VIDEO]


def test_a_pattern_that_takes_any_name_takes_each_file_as_an_image(tmp_path: Path) -> None:
    """A row with an error tells of the others."""
    touch(tmp_path, "a.csv", "b.jpg")
    assert names(tmp_path / "*", tmp_path) == ["a.csv", "b.jpg"]


def test_a_column_is_refused_where_no_parquet_file_is(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "list.txt").write_text("a.jpg\n")
    for source in (tmp_path, tmp_path / "a.jpg", tmp_path / "*.jpg", tmp_path / "list.txt"):
        with pytest.raises(InputError, match=r"has no Parquet file, of which 'x' would be a column: leave column"):
            list(list_items(str(source), column="x"))
    table(tmp_path / "shards" / "a.parquet", x=["a.jpg"], y=["b.jpg"])
    assert names(tmp_path / "shards", tmp_path / "shards", column="x") == ["a.jpg"]


def test_tracking_is_refused_where_no_video_is(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    with pytest.raises(InputError, match=r"has no video, and hands of images have no ids: leave track \(--track\) out"):
        list(list_items(str(tmp_path), track=True))
    touch(tmp_path, "c.mp4")  # a broken one is told where it is read
    assert names(tmp_path, tmp_path, track=True) == ["a.jpg", "b.jpg", "c.mp4"]


@pytest.mark.parametrize("source", ["{}/*.jpg", "{}", "{}/list.txt", "{}/list.parquet", "{}/a.csv"])
def test_what_is_wrong_at_the_beginning_is_told_at_once(source: str, tmp_path: Path) -> None:
    """Not when the first item is taken."""
    touch(tmp_path, "list.txt", "a.csv")
    table(tmp_path / "list.parquet", path=["a.jpg"])
    with pytest.raises(HandkpError):
        list_items(source.format(tmp_path), column="x")


@pytest.mark.parametrize("source", ["nothing", "nothing.jpg", "x" * 5000])
def test_what_is_not_there(source: str, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"does not exist\.$") as caught:
        list_items(str(tmp_path / source))
    assert len(str(caught.value)) < 300


def test_an_image_alone_and_its_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.jpg")
    monkeypatch.chdir(tmp_path)
    assert [item.path for item in list_items("a.jpg")] == [os.fsencode(tmp_path / "a.jpg")]


# --- text lists


def test_a_list_of_paths(tmp_path: Path) -> None:
    lines = [
        b"\xef\xbb\xbfa.jpg\r\n",
        b"# a comment\n",
        b"\n",
        b"  deep/b.jpg \n",
        b"/elsewhere/c.jpg\n",
        "手套.jpg".encode("gbk") + b"\n",
        b"../up.jpg\n",
        b"missing.jpg",
    ]
    (tmp_path / "list.TXT").write_bytes(b"".join(lines))
    assert [item.path for item in list_items(str(tmp_path / "list.TXT"))] == [
        os.fsencode(tmp_path) + b"/a.jpg",
        os.fsencode(tmp_path) + b"/deep/b.jpg",
        b"/elsewhere/c.jpg",
        os.fsencode(tmp_path) + b"/" + "手套.jpg".encode("gbk"),
        os.fsencode(tmp_path) + b"/../up.jpg",
        os.fsencode(tmp_path) + b"/missing.jpg",
    ]


def test_a_list_that_is_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    lines = [f"{number:09d}-{'x' * 200}.jpg" for number in range(12_000)]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    assert names(tmp_path / "list.txt", tmp_path) == lines


def test_a_list_in_a_list_is_no_image(tmp_path: Path) -> None:
    """Its row has the error then; it is not read as a list, which could name itself."""
    (tmp_path / "list.txt").write_text("list.txt\na.jpg\n")
    assert [(item.kind, item.count) for item in list_items(str(tmp_path / "list.txt"))] == [(IMAGE, 1)] * 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a.jpg\n" + b"x" * 1_000_000, "a line has more than"),
        (b"a.jpg\n" + b"x" * 1_000_000 + b"\nb.jpg\n", "a line has more than"),
        (b"x" * 3_000_000, "a line has more than"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(range(256)) * 40, "it is no text"),
        ("a.jpg\nb.jpg\n".encode("utf-16"), "it is no text"),
    ],
    ids=["line", "middle", "chunks", "image", "utf-16"],
)
def test_what_is_no_list_of_paths(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(InputError, match=rf"list\.txt is no list of paths: {message}"):
        list(list_items(str(tmp_path / "list.txt")))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# nothing\n"])
def test_an_empty_list_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(MissingFileError, match=r"list\.txt names no images"):
        list(list_items(str(tmp_path / "list.txt")))


# --- Parquet

PATHS = ["a.jpg", "deep/b.jpg", "/c.jpg", "s3://bucket/d.jpg"]


@pytest.mark.parametrize("kind", [pyarrow.string(), pyarrow.large_string()], ids=str)
@pytest.mark.parametrize("encoded", [False, True])
def test_a_parquet_list_of_paths(kind: Any, encoded: bool, tmp_path: Path) -> None:
    cells = pyarrow.array([*PATHS[:2], None, "", *PATHS[2:]], kind)
    path = table(tmp_path / "list.parquet", path=cells.dictionary_encode() if encoded else cells, score=[0.5] * 6)
    expected = [f"{tmp_path}/a.jpg", f"{tmp_path}/deep/b.jpg", *PATHS[2:]]
    items = list(list_items(str(path)))
    assert [(item.kind, os.fsdecode(item.path)) for item in items] == [(IMAGE, path) for path in expected]


def test_a_parquet_list_that_names_itself_is_read_once(tmp_path: Path) -> None:
    path = table(tmp_path / "list.parquet", path=["list.parquet", "a.jpg"])
    assert [item.kind for item in list_items(str(path))] == [IMAGE, IMAGE]


def test_which_column_is_meant(tmp_path: Path) -> None:
    columns = {"image": pyarrow.array([b"1"]), "label": ["cat"], "file": ["a.jpg"], "size": [3]}
    assert [item.kind for item in list_items(str(table(tmp_path / "a.parquet", **columns)))] == [ROWS]
    assert names(tmp_path / "a.parquet", tmp_path, column="file") == ["a.jpg"]
    for column, message in (("size", "holds no paths or encoded images in column 'size'"), ("x", "has no column 'x'")):
        with pytest.raises(InputError, match=message):
            list(list_items(str(tmp_path / "a.parquet"), column=column))
    columns.pop("image")
    with pytest.raises(InputError, match=r"several columns; name one of its columns 'label', 'file', 'size'"):
        list(list_items(str(table(tmp_path / "b.parquet", **columns))))
    with pytest.raises(InputError, match="holds no paths or encoded images; name"):
        list(list_items(str(table(tmp_path / "c.parquet", size=[3], states=[[1.0]]))))


@pytest.mark.parametrize("count", [0, 1, 7, 10, 25])
@pytest.mark.parametrize("groups", [1, 3, 10, 100])
def test_each_row_of_a_parquet_file_is_in_one_item(count: int, groups: int, tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet", groups, image=pyarrow.array([b"x"] * count, pyarrow.binary()))
    if not count:
        with pytest.raises(MissingFileError, match="names no images"):
            list(list_items(str(path)))
        return
    items = list(list_items(str(path), at_once=4))
    assert [row for item in items for row in range(int(item.start), int(item.end))] == list(range(count))
    assert all(item.count == item.end - item.start <= min(4, groups) for item in items)


def test_a_large_row_group_is_parted_by_default(tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet", 2000, image=pyarrow.array([b"x"] * 1300, pyarrow.binary()))
    assert [item.count for item in list_items(str(path))] == [512, 512, 276]


def test_a_folder_of_shards_and_of_nothing_else(tmp_path: Path) -> None:
    for name in ("b", "a", "deep/c"):
        table(tmp_path / f"{name}.parquet", image=pyarrow.array([b"1", b"2"]))
    table(tmp_path / "empty.parquet", image=pyarrow.array([], pyarrow.binary()))
    assert names(tmp_path, tmp_path) == ["a.parquet", "b.parquet", "deep/c.parquet"]
    assert names(tmp_path / "*.parquet", tmp_path) == ["a.parquet", "b.parquet"]


def test_what_datasets_writes(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    images = [PIL.Image.fromarray(np.full((4, 5, 3), shade, np.uint8)) for shade in (10, 200)]
    features = datasets.Features(image=datasets.Image(), label=datasets.Value("string"))
    made = datasets.Dataset.from_dict({"image": images, "label": ["a", "b"]}, features)
    made.to_parquet(tmp_path / "a.parquet")
    assert [item[:1] + item[2:] for item in list_items(str(tmp_path / "a.parquet"))] == [(ROWS, 0, 2, 2)]


@pytest.mark.parametrize("kind", ["text", "empty", "cut", "directory"])
def test_a_parquet_file_that_cannot_be_read_is_named(kind: str, tmp_path: Path) -> None:
    whole = table(tmp_path / "whole.parquet", image=pyarrow.array([b"x" * 1000] * 9)).read_bytes()
    contents = {"text": b"path\na.jpg\n", "empty": b"", "cut": whole[:-30], "directory": whole[:4] + whole[-40:]}
    (tmp_path / "a.parquet").write_bytes(contents[kind])
    with pytest.raises(InputError, match=r"a\.parquet is not a Parquet file that can be read: ") as caught:
        list(list_items(str(tmp_path / "a.parquet")))
    assert "\n" not in str(caught.value)


# --- videos


def test_videos_are_parted_by_time(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    from video_files import write_video

    path = write_video(tmp_path / "a.mp4", count=12, rate=25)
    items = list(list_items(str(path), at_once=5))
    assert [item.kind for item in items] == [VIDEO] * 3
    assert [(item.start, item.end, item.count) for item in items] == [(None, 0.2, 5), (0.2, 0.4, 5), (0.4, None, 2)]
    whole = [Item(VIDEO, os.fsencode(path), count=12)]
    assert list(list_items(str(path), at_once=5, track=True)) == list(list_items(str(path))) == whole


def test_a_long_video_has_a_bounded_number_of_parts(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    from video_files import write_video

    counts = [item.count for item in list_items(str(write_video(tmp_path / "a.mp4", count=200)), at_once=1)]
    assert (sum(counts), len(counts), max(counts)) == (200, 50, 4)


def test_a_video_that_is_read_from_its_beginning_is_one_part(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    from video_files import write_video

    for name in ("a.avi", "b.gif"):
        items = list(list_items(str(write_video(tmp_path / name, count=12)), at_once=5))
        assert [(item.kind, item.start, item.end) for item in items] == [(VIDEO, None, None)]


def test_a_gif_without_motion_is_an_image(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (4, 4)).save(tmp_path / "a.gif")
    assert [item.kind for item in list_items(str(tmp_path))] == [IMAGE]


@pytest.mark.parametrize("content", [b"", b"no video", bytes(5000)])
def test_a_video_that_cannot_be_opened_is_told_where_it_is_read(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    assert list(list_items(str(tmp_path))) == [Item(VIDEO, os.fsencode(tmp_path / "a.mp4"))]


def test_errors_are_of_this_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for source in (str(tmp_path), "\0", "foo://x", "s3://", "://", "[", "**"):
        with pytest.raises(HandkpError):
            list(list_items(source))
