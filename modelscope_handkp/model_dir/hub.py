"""Where a model lies: a folder, the embedded one, or one that ModelScope's hub fetches or fetched before.

ModelScope asks its hub for minutes before it says that there is no answer, and then does not use what it downloaded
before. Here the hub has `ANSWER_SECONDS`; then the copy on this machine is used.
"""

import functools
import logging
import os
import re
import threading
from concurrent import futures
from pathlib import Path

from ..errors import DownloadError, HandkpError, MissingFileError
from .checkpoint import find_weights
from .config import block, read_configuration

logger = logging.getLogger(__name__)

EMBEDDED_MODEL_DIR = Path(__file__).parents[1] / "embedded"
HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
ANSWER_SECONDS = 1.5  # a hub that takes longer is not waited for where there is a copy
ANY_REVISION = "master"  # what ModelScope asks for where the caller names none
PATIENT_SECONDS = 10.0  # where there is none
NO_SERVICE = (429, 500)  # too many requests; from here on, errors of the server


def find_model_dir(name: str | Path | None = None) -> Path:
    """A model directory on this machine.

    Args:
        name: a folder; a hub id ``owner/name``, fetched through ModelScope; None, the embedded model. Where the hub
            does not answer, the copy of the id that was downloaded before is used, with a line in the log.
    Raises:
        MissingFileError: neither a folder nor an id, or an id where ModelScope is not installed.
        DownloadError: the hub does not answer and there is no whole copy; or it answers and does not give the model, as
            one that was deleted or is not public (a copy of before is then named, not used).
    """
    if name is None:
        _say_that_it_is_embedded()
        return EMBEDDED_MODEL_DIR
    if os.path.isdir(name):  # noqa: PTH112  Path.is_dir raises on a name that is too long
        return Path(name)
    if os.path.isfile(name):  # noqa: PTH113
        raise MissingFileError(f"{name} is a file, not a model directory: pass its folder.")
    if not HUB_ID.fullmatch(str(name)):
        raise MissingFileError(f"{name} is neither a model directory nor a hub id of the form owner/name.")
    try:
        import modelscope  # noqa: F401
    except ImportError:
        raise MissingFileError(f"{name} is no folder here, and fetching it from the hub needs modelscope.") from None
    return _fetch(str(name))


def copy_of_silent_hub(model_id: str, revision: str | None = None) -> Path | None:
    """The copy of a model that was downloaded before, where the hub does not answer; None otherwise.

    Using it is a line in the log.
    """
    silence = hub_silence(model_id)
    return _copy_instead(model_id, revision, silence) if silence else None


def downloaded_copy(model_id: str, revision: str | None = None) -> Path | None:
    """The folder that ModelScope downloaded a model to before, if it is whole; None otherwise. No hub is asked."""
    more = {} if revision is None else {"revision": revision}
    modelscopes = logging.getLogger("modelscope")
    was_disabled, modelscopes.disabled = modelscopes.disabled, True  # its warning that it cannot confirm the revision
    try:
        from modelscope import snapshot_download

        folder = Path(snapshot_download(model_id, local_files_only=True, **more))
        return folder if is_whole(folder) and _is_of(folder, revision) else None
    except Exception:  # ModelScope has no one error for what it has not downloaded
        return None
    finally:
        modelscopes.disabled = was_disabled


def is_whole(folder: Path) -> bool:
    """Whether a model directory has its configuration, its weights and its detector's files, and no partial ones."""
    try:
        find_weights(folder)
        detection = block(read_configuration(folder), "DETECTION")
    except HandkpError:
        return False
    needed = [detection[key] for key in ("config_file", "model_path") if isinstance(detection.get(key), str)]
    return all((folder / name).is_file() for name in needed) and not any(folder.rglob("*.incomplete"))


def hub_silence(model_id: str, seconds: float | None = None) -> str | None:
    """Why the hub gives no answer about a model within ``seconds``; None where it gives one, be it a refusal.

    ``seconds`` is `ANSWER_SECONDS` where None.

    No answer are a connection that fails, an error of the server, and what is no JSON, as a network's login page.
    """
    seconds = ANSWER_SECONDS if seconds is None else seconds
    try:
        from modelscope import HubApi

        url = f"{HubApi().endpoint}/api/v1/models/{model_id}/repo/files?Revision=master&Recursive=True"
    except Exception:  # a hub client of another kind: its own download says what is wrong
        return None
    answer: futures.Future[str | None] = futures.Future()
    # in a thread, since neither looking a name up nor an answer that comes byte by byte keeps to requests' timeout
    threading.Thread(target=_ask, args=(url, seconds, answer), daemon=True).start()
    try:
        return answer.result(seconds)
    except futures.TimeoutError:
        return f"nothing within {seconds:g} seconds"


def _ask(url: str, seconds: float, answer: "futures.Future[str | None]") -> None:
    """Put `hub_silence` of ``url`` into ``answer``."""
    try:
        import requests  # by which ModelScope downloads: the same proxies and certificates

        with requests.get(url, timeout=seconds, stream=True) as response:
            begin = next(response.iter_content(64), b"").lstrip()
    except Exception as error:  # a hostile server makes requests raise more than its own errors
        answer.set_result(type(error).__name__)
        return
    too_many, broken = NO_SERVICE
    if response.status_code == too_many or response.status_code >= broken:
        answer.set_result(f"HTTP {response.status_code}")
    else:
        answer.set_result(None if begin.startswith(b"{") else "a page comes in place of data, as from a login page")


def _copy_instead(model_id: str, revision: str | None, silence: str) -> Path | None:
    copy = downloaded_copy(model_id, revision)
    if copy is not None:
        logger.warning("the hub does not answer (%s): %s is used as downloaded before, %s", silence, model_id, copy)
    return copy


def _fetch(model_id: str) -> Path:
    """The folder of a model that the hub gives now, or gave before."""
    silence = hub_silence(model_id)
    if silence:
        copy = _copy_instead(model_id, None, silence)
        if copy is not None:
            return copy
        silence = hub_silence(model_id, PATIENT_SECONDS)
    if silence:
        raise DownloadError(
            f"{model_id} is no folder here and was not downloaded whole before, and the hub does not answer "
            f"({silence}): see whether this machine has a network, or pass a folder."
        )
    try:
        from modelscope import snapshot_download

        return Path(snapshot_download(model_id))
    except Exception as error:  # ModelScope has no one error for it
        copy = copy_of_silent_hub(model_id)  # it may have stopped answering since
        if copy is not None:
            return copy
        known = downloaded_copy(model_id)
        hint = f" {known} is what was downloaded before: pass that folder to use it." if known else ""
        raise DownloadError(f"{model_id} is no folder here, and the hub did not give it: {error}{hint}") from error


def _is_of(folder: Path, revision: str | None) -> bool:
    """Whether a folder holds ``revision``, as far as ModelScope before 1.38 noted it there."""
    note = folder / ".mv"
    return (
        revision in (None, ANY_REVISION) or not note.is_file() or f"Revision:{revision}" in note.read_text().split(",")
    )


@functools.cache
def _say_that_it_is_embedded() -> None:
    logger.warning("no model was chosen: the embedded one is used, a small one (its card: embedded/README.md).")
