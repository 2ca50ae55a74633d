"""Errors a caller can catch."""

import pickle

import pytest

from modelscope_handkp import errors
from modelscope_handkp.errors import HandkpError

BUILT_IN = [
    ("InputError", ValueError),
    ("ConfigError", ValueError),
    ("CheckpointError", ValueError),
    ("DatasetError", ValueError),
    ("MissingFileError", FileNotFoundError),
    ("DownloadError", OSError),
    ("UploadError", OSError),
    ("KeypointNameError", KeyError),
    ("MissingPackageError", ImportError),
]


@pytest.mark.parametrize(("name", "built_in"), BUILT_IN)
def test_each_is_ours_and_the_built_in_that_it_refines(name: str, built_in: type[Exception]) -> None:
    """It says its one sentence as it is, also after ModelScope raised it again and another process passed it on."""
    error = getattr(errors, name)("a.png is broken.")
    assert isinstance(error, HandkpError)
    assert isinstance(error, built_in)
    for same in (error, type(error)(str(error)), pickle.loads(pickle.dumps(error))):
        assert str(same) == "a.png is broken."


def test_the_list_is_whole() -> None:
    ours = {name for name, value in vars(errors).items() if isinstance(value, type) and value is not HandkpError}
    assert ours == {name for name, _ in BUILT_IN}
