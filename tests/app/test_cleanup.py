"""What a page leaves behind; it runs alone, after the pages of other tests have ended."""

import json
import os
import time
from pathlib import Path

import pytest
from app_page import answer, at, send

from modelscope_handkp.app import Limits, Models, page, running, server

pytest.importorskip("gradio", reason="Gradio is not installed")
pytestmark = pytest.mark.slow


def gradio_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("GRADIO_")}


def test_files_are_deleted_when_they_are_old_and_all_in_the_end(
    models: Models, hands_image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (page, server):
        monkeypatch.setattr(module, "SWEEP_SECONDS", 1)
    before = gradio_variables()
    with running(models, port=0, limits=Limits(keep_seconds=8)) as address:
        place = send(address, hands_image)
        folder = Path(os.environ["GRADIO_TEMP_DIR"])
        assert Path(place).is_file()
        assert "3 hands" in json.dumps(answer(address, at(place))["output"]) and list(folder.rglob("hands.csv"))
        until = time.monotonic() + 40
        while (Path(place).parent.exists() or list(folder.rglob("hands.*"))) and time.monotonic() < until:
            time.sleep(0.2)
        assert not Path(place).parent.exists() and not list(folder.rglob("hands.csv"))
        assert len(list((folder / "examples").iterdir())) == 5
    assert not folder.exists() and gradio_variables() == before
