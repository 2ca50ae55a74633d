"""benchmarks/peers.py: what a worker answers, and the table."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from small import narrow_dir

IMAGE = np.zeros((48, 64, 3), np.uint8)
BOXES = [[1, 2, 30, 40], [5, 5, 20, 20]]


@pytest.fixture
def peers(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "benchmarks")
    import peers

    return peers


@pytest.fixture
def workers(peers):
    import peer_workers

    return peer_workers


def served(workers, build, *requests):
    replies = io.StringIO()
    workers.serve(build, [json.dumps(request) + "\n" for request in requests], replies)
    return [json.loads(line) for line in replies.getvalue().splitlines()]


@pytest.fixture
def image(tmp_path):
    np.save(tmp_path / "image.npy", IMAGE)
    return str(tmp_path / "image.npy")


def test_a_worker_answers_each_request_and_names_what_fails(workers, image):
    looks = []

    class Fake(workers.Peer):
        packages, answers, remark = ("numpy", "no-such-package"), ("image", "hosted"), "a fake"

        def image(self, image, boxes):
            looks.append((image.shape, boxes))
            return len(boxes)

        def network(self, name):
            raise ValueError(f"no {name}\nhere")

    request = {"what": "image", "image": image, "boxes": BOXES}
    hello, seen, warmed, failed, memory = served(
        workers, Fake, request, {**request, "warm": 2}, {"what": "hosted"}, {"what": "memory"}
    )
    assert hello == {"versions": {"numpy": np.__version__}, "answers": ["image", "hosted"], "remark": "a fake"}
    assert seen["hands"] == warmed["hands"] == 2
    assert seen["seconds"] > 0
    assert looks == [(IMAGE.shape, BOXES)] * 4
    assert failed == {"error": "ValueError: no hosted here"}
    assert 10 < memory["mebibytes"] < 100_000


def test_a_library_that_cannot_run_says_why_and_answers_nothing(workers):
    def build():
        raise ImportError("no such library")

    assert served(workers, build, {"what": "memory"}) == [{"error": "ImportError: no such library"}]


def test_this_package_looks_at_images_and_runs_both_networks(workers, tmp_path, image):
    folder = str(narrow_dir(tmp_path / "model"))

    def build():
        return workers.Handkp(folder, folder, "eager", "float32", "full")

    requests = [{"what": "image", "image": image}, {"what": "hosted"}, {"what": "embedded"}]
    hello, whole, *networks = served(workers, build, *requests)
    assert "torch" in hello["versions"]
    assert hello["remark"] == ""
    assert whole["hands"] == 1  # without a detector the image is one hand
    assert [network["hands"] for network in networks] == [None, None]


def test_a_process_is_asked_and_its_end_is_told(peers, tmp_path):
    row = peers.Row("rtmlib", "rtmlib", {"no": "such option"}, sys.executable)
    worker = peers.Worker(row, tmp_path)
    with pytest.raises(peers.WorkerError, match="TypeError"):
        worker.hello()
    with pytest.raises(peers.WorkerError, match="ended with 0"):
        worker.ask(what="memory")
    worker.close()


def test_rows_have_each_engine_and_only_the_peers_that_are_given(peers):
    plain = [row.name for row in peers.rows("model", False, {})]
    assert plain[0] == "this package, eager, float32, full"
    assert "this package, auto, float32, none" in plain
    assert not any("compile" in name for name in plain)
    more = peers.rows("model", True, {"mediapipe": "python"})
    assert any("compile" in row.name for row in more)
    assert {row.python for row in more if "MediaPipe" in row.name} == {"python"}


def test_the_table_has_medians_ratios_hands_and_what_was_not_run(peers):
    first, second, third = (peers.Row(name, "handkp", {}) for name in ("first", "second", "third"))
    for value in (10, 20, 90):
        first.put("3 hands, ms", value)
        second.put("3 hands, ms", value / 4)
    for row, found in ((first, 3), (second, 2)):
        row.hands["3 hands, ms"] = found
    third.remark = "not run: InputError: a | b"
    header, line, *lines = peers.markdown([first, second, third]).splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in (header, line, *lines)]
    assert {len(row) for row in cells} == {len(cells[0])}
    column, hands = cells[0].index("3 hands, ms"), cells[0].index("hands found of 1, 3, 8")
    assert [row[column] for row in cells[2:]] == ["20.0 (1.00)", "5.0 (0.25)", "-"]
    assert [row[hands] for row in cells[2:]] == ["-, 3, -", "-, 2, -", "-"]
    assert cells[4][-1] == "not run: InputError: a / b"


def test_a_column_that_fails_is_asked_no_more_and_says_why(peers):
    row = peers.Row("row", "handkp", {}, requests={"a": {}, "b": {}}, remark="random weights")
    row.put("a", 1)
    row.fail("a", "no memory")
    assert (list(row.requests), row.median("a")) == (["b"], None)
    assert row.remark == "random weights; a: no memory"


def test_decoding_is_timed_for_both_sizes_of_heatmaps(peers):
    times = peers.decoding(rounds=1)
    assert sorted(name.split(",")[0] for name in times) == ["32 x 32"] * 2 + ["64 x 64"] * 2
    assert min(times.values()) > 0


@pytest.mark.parametrize("text", ["mediapipe", "mediapipe=/no/such/python", "detectron=python", "="])
def test_a_peer_that_cannot_be_started_is_refused(peers, text):
    with pytest.raises(peers.argparse.ArgumentTypeError, match=r"is not known|is no program"):
        peers.peer(text)


@pytest.mark.parametrize("whole", [True, False])
def test_a_peer_is_named_with_its_python(peers, monkeypatch, whole):
    python = Path(sys.executable)
    monkeypatch.setenv("PATH", str(python.parent))
    assert peers.peer(f"mediapipe={python if whole else python.name}") == ("mediapipe", str(python))
