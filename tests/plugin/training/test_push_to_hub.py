"""push_to_hub of ModelScope's checkpoint hooks: the trained model is published when the run is done."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hub import Hub
from publishing_hub import ID, TOKEN, publishing_hub
from small import HOOKS

from modelscope_handkp.errors import ConfigError

Build = Callable[..., Any]
PUSH = {"push_to_hub": True, "hub_repo_id": ID}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with publishing_hub(tmp_path, monkeypatch) as served:
        yield served


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Messages of ModelScope's logger, which passes none on."""
    messages: list[str] = []

    class Listing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(f"{record.levelname} {record.getMessage()}")

    handler, logger = Listing(), logging.getLogger("modelscope")
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)


def hooks(**options: Any) -> list[dict[str, Any]]:
    return [{"type": "CheckpointHook", "interval": 1, **PUSH, **options}, *HOOKS[1:]]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_trained_model_is_published_at_the_end(build: Build, tmp_path: Path, hub: Hub, said: list[str]) -> None:
    build({"train.hooks": hooks(hub_token=TOKEN)}).train()
    assert len(hub.uploads.commits) == 1
    served, output = files(hub.models[ID]), files(tmp_path / "work" / "output")
    assert set(served) == {"README.md", "configuration.json", "model.safetensors", "pytorch_model.pt"}
    assert served == {name: output[name] for name in served}
    values = json.loads(output["eval_result.txt"])
    assert f"{values['PCK']:.4f}" in served["README.md"].decode()
    assert hub.uploads.visibility[ID] == 1  # ModelScope's default of private_hub
    assert any(message == f"INFO published: {hub.endpoint}/models/{ID}" for message in said)
    written = [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert not written
    assert not any(TOKEN in message for message in said)
    assert "hub_repo_id" not in served["configuration.json"].decode()


def test_the_options_are_modelscopes(build: Build, hub: Hub) -> None:
    best = {"type": "BestCkptSaverHook", "metric_key": "PCK", **PUSH, "private_hub": False, "hub_revision": "v2"}
    build({"train.hooks": [*HOOKS, best], "train.max_epochs": 1}).train()
    assert hub.uploads.visibility[ID] == 5
    assert any(request.endswith(f"/{ID}/commit/v2") for request in hub.requests)


def test_a_failure_is_a_sentence_and_the_model_stays(build: Build, tmp_path: Path, hub: Hub, said: list[str]) -> None:
    trainer = build({"train.hooks": hooks(hub_repo_id="other/hands"), "train.max_epochs": 1})
    trainer.train()
    errors = [message for message in said if message.startswith("ERROR")]
    output = tmp_path / "work" / "output"
    assert len(errors) == 1
    assert "the trained model is not published: the token has no right to write to other/hands" in errors[0]
    assert f"modelscope-handkp publish {output} other/hands" in errors[0]
    assert {"pytorch_model.pt", "model.safetensors", "configuration.json"} <= set(files(output))


@pytest.mark.parametrize(
    ("options", "environment", "why"),
    [
        ({"hub_repo_id": None}, TOKEN, "OWNER/NAME"),
        ({"hub_repo_id": "hands"}, TOKEN, "OWNER/NAME"),
        ({}, "", "no token"),
    ],
)
def test_what_is_missing_is_said_before_the_training(
    build: Build, hub: Hub, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], environment: str, why: str
) -> None:
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", environment)
    trainer = build({"train.hooks": hooks(**options)})
    with pytest.raises(ConfigError, match=rf"push_to_hub.*{why}"):
        trainer.train()
    assert trainer.iter == 0
    assert hub.requests == []
