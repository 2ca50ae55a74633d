"""Errors a caller can catch: each is a `HandkpError` and the built-in that it refines.

Every one takes a single sentence, since ModelScope re-raises errors as ``type(e)(str)``.
"""


class HandkpError(Exception):
    """Anything this package refuses."""


class InputError(HandkpError, ValueError):
    """A picture, box or option that cannot be used."""


class ConfigError(HandkpError, ValueError):
    """A configuration that lacks a key or names something unknown."""


class CheckpointError(HandkpError, ValueError):
    """A checkpoint that does not fit the network, or is not safe to read."""


class DatasetError(HandkpError, ValueError):
    """An annotation file or a picture of a data set that cannot be used."""


class MissingFileError(HandkpError, FileNotFoundError):
    """A file or folder that is not there."""


class DownloadError(HandkpError, OSError):
    """A URL that does not answer in time or answers too much."""
