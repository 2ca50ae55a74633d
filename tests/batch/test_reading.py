"""Items give their images in order; the parts of a video give each frame once, as reading it whole does."""

import io
import os
import random
import threading
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

pytest.importorskip("av", reason="PyAV is not installed")
pytest.importorskip("pyarrow", reason="pyarrow is not installed")
import pyarrow
import pyarrow.parquet
from video_files import number_of, numbered, write_video

from modelscope_handkp.batch.inputs import VIDEO, Item, list_items
from modelscope_handkp.batch.reading import Loaded, in_thread, legible, load
from modelscope_handkp.errors import HandkpError
from modelscope_handkp.sources.video import open_video

MILLISECOND = Fraction(1, 1000)


def loaded(source: Any, at_once: int = 512, column: str | None = None, threads: int = 2) -> list[Loaded]:
    return list(load(list_items(str(source), column, at_once), column, threads, 3))


def write_images(folder: Path, count: int) -> list[str]:
    names = [f"{number:02d}.png" for number in range(count)]
    for number, name in enumerate(names):
        PIL.Image.fromarray(numbered(number)).save(folder / name)
    return names


def encoded(number: int) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(numbered(number)).save(file, "png")
    return file.getvalue()


# --- images


def test_images_and_errors_come_in_order(tmp_path: Path) -> None:
    write_images(tmp_path, 12)
    for number in (0, 4, 5, 6, 11):
        (tmp_path / f"{number:02d}.png").write_bytes(b"no image")
    for threads in (1, 4):
        results = loaded(tmp_path, threads=threads)
        assert [result.path for result in results] == [f"{tmp_path}/{number:02d}.png" for number in range(12)]
        assert [number for number in range(12) if results[number].image is None] == [0, 4, 5, 6, 11]
        for number, result in enumerate(results):
            assert (result.error is None) == (result.image is not None)
            assert result.image is None or number_of(result.image) == number
            assert (result.frame, result.time) == (None, None)


def test_what_a_list_names_and_is_not_there_has_an_error(tmp_path: Path) -> None:
    write_images(tmp_path, 1)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    names = ["00.png", "missing.png", "list.txt", "folder.png", "pipe.png", "x" * 300, "00.png/a.png"]
    (tmp_path / "list.txt").write_text("\n".join(names))
    results = loaded(tmp_path / "list.txt")
    assert [result.error is None for result in results] == [True] + [False] * 6
    assert all("\n" not in str(result.error) for result in results)
    assert "does not exist" in str(results[1].error)


def test_names_that_are_no_utf_8_are_read_and_escaped(tmp_path: Path) -> None:
    name = os.fsdecode("手.png".encode("gbk"))
    PIL.Image.fromarray(numbered(5)).save(tmp_path / name, "png")
    (result,) = loaded(tmp_path)
    assert (result.path, number_of(result.image)) == (f"{tmp_path}/\\xca\\xd6.png", 5)
    assert legible("手.png".encode()) == "手.png"


def test_few_images_are_read_ahead(tmp_path: Path) -> None:
    """Memory holds as many as may wait, and those that threads read."""
    write_images(tmp_path, 40)
    taken: list[Item] = []

    def items() -> Iterator[Item]:
        for item in list_items(str(tmp_path)):
            taken.append(item)
            yield item

    results = load(items(), None, 2, 4)
    for count in range(1, 30):
        next(results)
        assert len(taken) <= count + 5
    results.close()
    assert len(taken) < 40


# --- rows of Parquet files


@pytest.mark.parametrize("groups", [1, 7, 100])
@pytest.mark.parametrize("at_once", [1, 5, 512])
def test_rows_come_once_and_in_order(groups: int, at_once: int, tmp_path: Path) -> None:
    cells = [encoded(number) for number in range(40)]
    cells[0], cells[20], cells[39] = None, b"", b"no image"
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"image": cells, "label": ["x"] * 40}), path, row_group_size=groups)
    results = loaded(path, at_once)
    assert [result.path for result in results] == [f"{path}#{row}" for row in range(40)]
    assert [row for row in range(40) if results[row].image is None] == [0, 20, 39]
    assert str(results[0].error) == str(results[20].error) == "the row has no image."
    assert all(number_of(result.image) == row for row, result in enumerate(results) if result.image is not None)


def test_structs_as_datasets_writes_them(tmp_path: Path) -> None:
    """A stored path names the image; without bytes it is where the image lies, from the folder of the file on."""
    write_images(tmp_path, 3)
    cells = [
        {"bytes": encoded(1), "path": "one.png"},
        {"bytes": encoded(2), "path": None},
        {"bytes": None, "path": "00.png"},
        {"bytes": None, "path": None},
        {"bytes": None, "path": "missing.png"},
        None,
    ]
    path = tmp_path / "a.parquet"
    kind = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    pyarrow.parquet.write_table(pyarrow.table({"image": pyarrow.array(cells, kind)}), path)
    results = loaded(path)
    names = ["one.png", f"{path}#1", "00.png", f"{path}#3", "missing.png", f"{path}#5"]
    assert [result.path for result in results] == names
    assert [number_of(result.image) for result in results[:3]] == [1, 2, 0]
    assert [result.image for result in results[3:]] == [None] * 3


def test_what_datasets_itself_writes(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    images = [PIL.Image.fromarray(numbered(number)) for number in range(3)]
    made = datasets.Dataset.from_dict({"image": images}, datasets.Features(image=datasets.Image()))
    made.to_parquet(tmp_path / "a.parquet")
    assert [number_of(result.image) for result in loaded(tmp_path)] == [0, 1, 2]


STRUCT = pyarrow.struct({"bytes": pyarrow.large_binary(), "path": pyarrow.int64()})


@pytest.mark.parametrize("kind", [pyarrow.large_binary(), STRUCT], ids=str)
def test_other_types_of_columns(kind: Any, tmp_path: Path) -> None:
    cell = encoded(3) if kind == pyarrow.large_binary() else {"bytes": encoded(3), "path": 5}
    pyarrow.parquet.write_table(pyarrow.table({"x": pyarrow.array([cell], kind)}), tmp_path / "a.parquet")
    (result,) = loaded(tmp_path, column="x")
    assert (result.path, number_of(result.image)) == (f"{tmp_path}/a.parquet#0", 3)


def test_a_file_that_changed_since_it_was_listed_gives_its_rows_as_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(
        pyarrow.table({"image": [encoded(number) for number in range(9)]}), path, row_group_size=3
    )
    items = list(list_items(str(path), at_once=2))
    place = pyarrow.parquet.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    content = bytearray(path.read_bytes())
    content[place : place + 20] = b"\xff" * 20
    path.write_bytes(content)
    results = list(load(items, None, 2, 3))
    assert [result.path for result in results] == [f"{path}#{row}" for row in range(9)]
    assert [row for row in range(9) if results[row].image is None] == [3, 4, 5]
    path.unlink()
    results = list(load(items, None, 2, 3))
    assert [(result.path, result.image) for result in results] == [(f"{path}#{row}", None) for row in range(9)]


# --- videos


def shown(results: list[Loaded]) -> list[tuple[Any, ...]]:
    return [(result.frame, result.time, number_of(result.image)) for result in results if result.image is not None]


def whole(path: Path) -> tuple[list[tuple[Any, ...]], list[str]]:
    """What reading a video whole gives: frames, and the error behind them."""
    frames = []
    try:
        with open_video(path) as video:
            frames.extend((frame.index, frame.time, number_of(frame.image)) for frame in video)
    except HandkpError as error:
        return frames, [str(error)]
    return frames, []


def assert_parts_are_the_whole(path: Path, at_once: int) -> None:
    results = loaded(path, at_once)
    frames, errors = whole(path)
    assert shown(results) == frames
    assert [str(result.error) for result in results if result.image is None] == errors
    assert {result.path for result in results} == {str(path)}


def timestamps(chance: random.Random, count: int, steps: list[int], first: int = 0) -> list[int]:
    times = [first]
    while len(times) < count:
        times.append(times[-1] + chance.choice(steps))
    return times


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("b-frames.mp4", {"options": {"bf": "3", "g": "7"}}),
        ("one keyframe.mp4", {"options": {"bf": "2", "g": "250"}}),
        ("keyframes.mp4", {"codec": "mjpeg", "pixels": "yuvj420p"}),
        ("late.mp4", {"timestamps": [5000 + 40 * number for number in range(20)], "unit": MILLISECOND}),
        ("no edits.mp4", {"container": {"use_editlist": "0"}, "options": {"bf": "2", "g": "5"}}),
        ("fragments.mp4", {"container": {"movflags": "frag_keyframe+empty_moov"}, "options": {"g": "5"}}),
        ("mpeg4.mp4", {"codec": "mpeg4"}),
        ("hevc.mov", {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=7"}}),
        ("b-frames.mkv", {"options": {"bf": "3", "g": "7"}}),
        ("vp9.webm", {"options": {"deadline": "realtime", "g": "7"}}),
        ("no index.avi", {}),
        ("animated.gif", {}),
        ("stream.ts", {"options": {"g": "7"}}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_frame_of_a_video_comes_once(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    path = write_video(tmp_path / name, count=20, **options)
    renamed = path.rename(tmp_path / "renamed.mp4")  # parted, whatever it is
    for at_once in (1, 3, 8):
        assert_parts_are_the_whole(renamed, at_once)
    assert len(whole(renamed)[0]) == 20
    assert_parts_are_the_whole(renamed.rename(path), 8)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("seed", range(3))
def test_a_rate_that_varies(suffix: str, seed: int, tmp_path: Path) -> None:
    """Some parts have no frame, and others many."""
    chance = random.Random(seed)
    steps = [[10, 20, 40, 200], [33, 34, 5000], [40, 41, 43]][seed % 3]
    times = timestamps(chance, 30, steps, chance.choice([0, 3000]))
    options = {"g": str(chance.choice([1, 7, 250])), "bf": str(chance.choice([0, 2]))}
    path = write_video(tmp_path / f"a{suffix}", count=30, timestamps=times, unit=MILLISECOND, options=options)
    for at_once in (3, 16):
        assert_parts_are_the_whole(path, at_once)
    assert len(whole(path)[0]) == 30


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_file_that_is_cut_off_tells_it_once(suffix: str, share: float, tmp_path: Path) -> None:
    """It states more frames than it has, so that some parts lie behind its end."""
    container = {"movflags": "faststart"} if suffix == ".mp4" else {}
    options = {"deadline": "realtime", "g": "3"} if suffix == ".webm" else {"g": "3"}
    rng = np.random.default_rng(0)
    noise = rng.integers(-6, 7, (30, 96, 160, 3))
    images = [np.clip(numbered(n, (160, 96)) + noise[n], 0, 255).astype(np.uint8) for n in range(30)]
    path = write_video(tmp_path / f"a{suffix}", size=(160, 96), images=images, options=options, container=container)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    frames, errors = whole(path)
    assert (0 < len(frames) < 30, len(errors)) == (True, 1)
    for at_once in (4, 9):
        assert_parts_are_the_whole(path, at_once)


def stated_items(path: Path, count: int, at_once: int, rate: float = 25) -> list[Item]:
    """The parts of a video that states another count of frames than it has."""
    edges: list[float | None] = [None, *(first / rate for first in range(at_once, count, at_once)), None]
    return [Item(VIDEO, os.fsencode(path), start, end) for start, end in pairwise(edges)]


@pytest.mark.parametrize("count", [1, 19, 20, 21, 60])
@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_a_length_that_is_stated_wrong(count: int, suffix: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / f"a{suffix}", count=20, options={"g": "4"})
    results = list(load(stated_items(path, count, 4), None, 1, 2))
    assert [result.error for result in results] == [None] * 20
    assert shown(results) == whole(path)[0]


@pytest.mark.parametrize("content", [b"", b"no video", bytes(4000), b"\0\0\0\x18ftypisom\0\0\0\0isommp42"])
def test_what_is_no_video_has_one_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    (result,) = loaded(tmp_path, 2)
    assert (result.path, result.image, result.frame) == (f"{tmp_path}/a.mp4", None, None)
    assert result.error is not None and "a.mp4" in str(result.error)


def test_a_video_that_is_gone_is_told_for_each_part(tmp_path: Path) -> None:
    """Whoever resumes later may find it again, and sees which parts failed."""
    path = write_video(tmp_path / "a.mp4", count=20)
    items = list(list_items(str(path), at_once=5))
    path.unlink()
    assert ["does not exist" in str(result.error) for result in load(items, None, 2, 2)] == [True] * 4


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_any_video(seed: int, tmp_path: Path) -> None:
    """Of random codecs, containers, rates and times, whole or cut off."""
    chance = random.Random(seed)
    suffix = chance.choice([".mp4", ".mkv", ".mov", ".webm", ".avi", ".gif", ".ts", ".flv"])
    count = chance.choice([1, 2, 5, 12, 30, 47])
    options: dict[str, Any] = {"rate": chance.choice([24, 25, 30])}
    if suffix in (".mp4", ".mkv", ".mov"):
        options["codec"] = chance.choice(["libx264", "libx264", "mpeg4", "mjpeg"])
        options["options"] = {"g": str(chance.choice([1, 3, 7, 250]))}
        if options["codec"] == "mjpeg":
            options["pixels"] = "yuvj420p"
        elif options["codec"] == "libx264":
            options["options"]["bf"] = str(chance.choice([0, 2, 3]))
            steps = chance.choice([[40], [10, 20, 41, 200], [33, 34, 5000]])
            options |= {"timestamps": timestamps(chance, count, steps, chance.choice([0, 3000])), "unit": MILLISECOND}
        options["container"] = chance.choice([{}, {"movflags": "faststart"}]) if suffix != ".mkv" else {}
    path = write_video(tmp_path / f"a{suffix}", count=count, **options)
    if chance.random() < 0.3:
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * chance.uniform(0.4, 0.98))])
    if suffix == ".gif" and count == 1:
        return
    if chance.random() < 0.5:
        path = path.rename(tmp_path / "b.mp4")
    for at_once in (1, chance.randint(2, 9)):
        assert_parts_are_the_whole(path, at_once)


# --- read in a thread


def test_values_are_made_a_few_ahead_and_in_order() -> None:
    made = []

    def values() -> Iterator[Loaded]:
        for number in range(50):
            made.append(number)
            yield Loaded(str(number))

    for number, value in enumerate(in_thread(values(), 2)):
        assert value.path == str(number)
        assert len(made) <= number + 5
    assert len(made) == 50


def test_what_the_thread_raises_is_raised() -> None:
    def values() -> Iterator[Loaded]:
        yield Loaded("a")
        raise OSError("no room")

    taken = in_thread(values(), 2)
    assert next(taken).path == "a"
    with pytest.raises(OSError, match="no room"):
        next(taken)


def test_a_reader_that_stops_ends_the_thread_and_closes_the_video(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", count=200)
    before = threading.active_count()
    results = load([Item(VIDEO, os.fsencode(path))], None, 1, 2)
    next(results)
    results.close()
    assert threading.active_count() == before
    links = [link for link in Path("/proc/self/fd").iterdir() if link.exists()]
    assert str(path) not in {str(link.readlink()) for link in links}
