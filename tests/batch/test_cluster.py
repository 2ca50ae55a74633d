"""Connecting to a Ray cluster: in few words, and nothing of the process is another behind it."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from modelscope_handkp.batch.cluster import check_address, choose_workers, connected
from modelscope_handkp.errors import InputError


class AuthenticationError(Exception):
    """As Ray's."""


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A module in place of Ray, which does to a process what Ray does. ``begins`` is called while it starts."""
    fake = SimpleNamespace(given={}, begins=lambda: None, data=SimpleNamespace(), ended=0)

    def init(**options: Any) -> None:
        fake.given.update(options, environment={name: os.environ.get(name) for name in ("RAY_USAGE_STATS_ENABLED",)})
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, lambda *_: None)
        logging.getLogger("ray").setLevel(options["logging_level"])
        fake.begins()

    def shutdown() -> None:
        fake.ended += 1

    fake.init, fake.shutdown, fake.is_initialized = init, shutdown, lambda: False
    fake.exceptions = SimpleNamespace(AuthenticationError=AuthenticationError)
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setitem(sys.modules, "ray.data", fake.data)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    handler = signal.getsignal(signal.SIGTERM)
    yield fake
    signal.signal(signal.SIGTERM, handler)


def fails(error: Exception) -> Callable[[], None]:
    def begins() -> None:
        raise error

    return begins


def of_process() -> tuple[Any, ...]:
    """What a user has set."""
    handlers = tuple(signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    return *handlers, dict(os.environ), logging.getLogger("ray").level, os.fstat(2)


@pytest.mark.parametrize("begins", [lambda: None, fails(RuntimeError("no room"))], ids=["connected", "refused"])
def test_a_cluster_leaves_the_process_as_it_was(ray: SimpleNamespace, begins: Callable[[], None]) -> None:
    ray.begins = begins
    signal.signal(signal.SIGTERM, handler := lambda *_: None)
    before = of_process()
    try:
        with connected(None):
            assert signal.getsignal(signal.SIGTERM) is handler
    except InputError as error:
        assert str(error) == "Ray did not start on this machine; is it busy? Try again: no room."
    assert of_process() == before
    assert ray.ended == 1
    assert ray.given["environment"] == {"RAY_USAGE_STATS_ENABLED": "0"}


def test_in_another_thread_signals_are_not_touched(ray: SimpleNamespace) -> None:
    before, seen = of_process(), []

    def job() -> None:
        with connected(None) as module:
            seen.append(module)

    thread = threading.Thread(target=job)
    thread.start()
    thread.join()
    assert (seen, of_process()) == ([ray], before)


def test_a_variable_that_the_user_has_set_stays(ray: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    with connected(None):
        pass
    assert ray.given["environment"] == {"RAY_USAGE_STATS_ENABLED": "1"}
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "1"


def test_a_cluster_that_runs_is_used_as_it_is(ray: SimpleNamespace) -> None:
    ray.is_initialized = lambda: True
    with connected("anything:1") as module:
        assert module is ray
    assert (ray.given, ray.ended) == ({}, 0)


def test_what_ray_says_while_it_starts_is_kept_but_for_its_own_lines(
    ray: SimpleNamespace, capfd: pytest.CaptureFixture[str]
) -> None:
    def begins() -> None:
        for line in (
            "[2026-01-02 03:04:05,678 I 123 456] logging.cc:303: Set ray log level to 3",
            "[2026-01-02 03:04:05,678 W 123 456] gcs_client.cc:210: Failed to get cluster ID",
            "[2026-01-02 03:04:05,678 C 123 456] plasma.cc:1: no room",
            "another line",
        ):
            os.write(2, f"{line}\n".encode())

    ray.begins = begins
    with connected(None):
        os.write(2, b"later\n")
    said = capfd.readouterr().err.splitlines()
    assert said == ["[2026-01-02 03:04:05,678 C 123 456] plasma.cc:1: no room", "another line", "later"]


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError("RAY_AUTH_TOKEN_PATH is set but file cannot be opened"),
        ConnectionError("Failed to connect to Ray cluster at 192.0.2.2:6379"),
        ConnectionError("ray client connection timeout"),
    ],
)
def test_a_cluster_with_a_token_says_what_to_set(ray: SimpleNamespace, error: Exception) -> None:
    ray.begins = fails(error)
    with pytest.raises(InputError) as caught, connected("auto"):
        pass
    said = str(caught.value)
    assert said.startswith(f"the Ray cluster at auto does not let this process in ({error}): ")
    assert "~/.ray/auth_token" in said and "RAY_AUTH_MODE=token" in said and "RAY_AUTH_MODE=disabled" in said


def test_a_reason_of_several_lines_is_one_sentence(ray: SimpleNamespace) -> None:
    ray.begins = fails(RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.55.1\n"))
    with pytest.raises(InputError) as caught, connected("auto"):
        pass
    expected = "no Ray cluster can be used at auto: Version mismatch: The cluster was started with: Ray: 2.55.1."
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:99999", "no host:80", "." * 9 + ":1"]
)
def test_an_address_at_which_nothing_answers_is_named(address: str) -> None:
    with pytest.raises(InputError, match=r"^no Ray cluster can be used at .*\.$") as caught:
        check_address(address)
    assert address in str(caught.value)


def test_which_address_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert (check_address(None), check_address("auto")) == ("local", "auto")
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    assert (check_address(None), check_address("local")) == ("auto", "local")


@pytest.mark.parametrize(
    ("resources", "asked", "workers", "said"),
    [
        ({"CPU": 4.0}, None, (4, 1, 0), ""),
        ({"CPU": 4.0}, 3, (3, 1, 0), ""),
        ({"CPU": 4.0}, 5, (5, 1, 0), "workers 5: the cluster has 4 CPUs, so that no more than 4 work at once."),
        ({"CPU": 1.0}, 2, (2, 1, 0), "workers 2: the cluster has 1 CPU, so that no more than 1 work at once."),
        ({"CPU": 64.0, "GPU": 4.0}, None, (4, 8, 1), ""),
        ({"CPU": 12.0, "GPU": 4.0}, 4, (4, 3, 1), ""),
        ({"CPU": 2.0, "GPU": 4.0}, 5, (5, 1, 1), "workers 5: the cluster has 4 GPUs, so that no more than 4 work at"),
        ({}, None, (1, 1, 0), ""),
    ],
)
def test_workers(resources: Any, asked: Any, workers: Any, said: str, caplog: pytest.LogCaptureFixture) -> None:
    """(how many, CPUs of each, GPUs of each); the cluster may still grow to those that were asked for."""
    assert tuple(choose_workers(SimpleNamespace(cluster_resources=lambda: resources), asked)) == workers
    assert [said in message for message in caplog.messages] == ([True] if said else [])


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2"])
def test_a_count_of_workers_that_is_none(count: Any) -> None:
    with pytest.raises(InputError, match="workers must be a positive integer"):
        choose_workers(SimpleNamespace(cluster_resources=lambda: {"CPU": 4.0}), count)
