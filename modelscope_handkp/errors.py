"""Errors a caller can catch: each is a `HandkpError` and the built-in that it refines.

Every one takes a single sentence, since ModelScope re-raises errors as ``type(e)(str)``.
"""


class HandkpError(Exception):
    """Anything this package refuses."""


class InputError(HandkpError, ValueError):
    """An image, box or option that cannot be used."""


class ConfigError(HandkpError, ValueError):
    """A configuration that lacks a key or names something unknown."""


class CheckpointError(HandkpError, ValueError):
    """A checkpoint that does not fit the network, or is not safe to read."""


class DatasetError(HandkpError, ValueError):
    """An annotation file or an image of a data set that cannot be used."""


class MissingFileError(HandkpError, FileNotFoundError):
    """A file or folder that is not there."""


class DownloadError(HandkpError, OSError):
    """A URL that does not answer in time or answers too much."""


class UploadError(HandkpError, OSError):
    """A model that the hub does not take, or not the whole of it."""


class KeypointNameError(HandkpError, KeyError):
    """A name that no keypoint has."""

    def __str__(self) -> str:  # KeyError would show the sentence in quotes
        return str(self.args[0])


class MissingPackageError(HandkpError, ImportError):
    """An optional package that is not installed; the sentence has the pip command."""
