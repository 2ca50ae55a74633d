"""What the tests of the page share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from modelscope_handkp.app import Limits, Models, running
from modelscope_handkp.synthetic import render_clip

ROOT = Path(__file__).parents[2]
CLIP_SIZE = (320, 240)
CLIP_RATE = 12


@pytest.fixture(scope="module")
def tiny_models(tiny_dir: Callable[..., Path]) -> Models:
    """A tiny model without a detector, before the embedded one."""
    return Models([str(tiny_dir())], "eager", "cpu")


@pytest.fixture(scope="session")
def models() -> Models:
    """The embedded model."""
    return Models((), "eager", "cpu")


@pytest.fixture(scope="session")
def hands_image() -> Path:
    """An image of three hands."""
    return ROOT / "examples" / "hands.jpg"


@pytest.fixture(scope="session")
def clip() -> list[np.ndarray]:
    """Frames (240, 320, 3) of one hand that shows an open palm."""
    frames = render_clip(3, 18, CLIP_SIZE, 1, "easy", float(CLIP_RATE), gestures=("open_palm",))
    return [frame.image for frame in frames]


@pytest.fixture(scope="module")
def address(models: Models) -> Iterator[str]:
    """Where a page with small limits is served."""
    pytest.importorskip("gradio", reason="Gradio is not installed")
    limits = Limits(file_bytes=20 * 1024**2, video_seconds=20, camera_seconds=30)
    with running(models, port=0, limits=limits) as address:
        yield address
