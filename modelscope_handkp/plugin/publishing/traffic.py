"""What a client's requests come to, while ModelScope's client sends files: how far it is, and when to give up.

The client repeats what fails, for up to an hour where a hub has stopped answering, and says in the end that some files
failed. Here each request is seen as it passes, so that it ends after `SILENT_SECONDS` without an answer and that what
arrived is known.
"""

import json
import threading
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from ...model_dir.hub import NO_SERVICE

SILENT_SECONDS = 30.0  # in which no request is answered, after the first that was not
READ_SECONDS = 60.0  # for one answer
MAX_MESSAGE = 200  # characters of what the hub says
MAX_ANSWER_BYTES = 1 << 16  # of an answer that is read here


class _GivenUp(FileNotFoundError):
    """To a worker of the client an error that it does not repeat."""


class _Ended(BaseException):
    """To the thread that sends, where the client repeats every `Exception`."""


class Traffic:
    """Within the block every request of the process through ``requests`` is seen and bounded.

    Args:
        secrets: texts that are removed from what the hub says.
    Attributes:
        committed: names of the files that the hub has confirmed to be in the model.
        refusal: (status, message) of the last answer that was an error and not one that the client expects.
        trouble: the last error of the network. silence: why the hub was given up; both None where there was none.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self.secrets = [secret for secret in secrets if secret]
        self.committed: set[str] = set()
        self.refusal: tuple[int, str] | None = None
        self.trouble: str | None = None
        self.silence: str | None = None
        self.creating = False  # whether an answer to the creation of a model counts
        self._failing_since: float | None = None
        self._thread = threading.get_ident()

    def __enter__(self) -> "Traffic":
        from requests.adapters import HTTPAdapter

        self._send = send = HTTPAdapter.send

        def watched(adapter: Any, request: Any, *args: Any, **options: Any) -> Any:
            return self._watch(send, adapter, request, args, options)

        HTTPAdapter.send = watched  # type: ignore[method-assign,assignment]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> bool:
        from requests.adapters import HTTPAdapter

        HTTPAdapter.send = self._send  # type: ignore[method-assign]
        return kind is _Ended

    @property
    def is_refused(self) -> bool:
        """Whether the token is why it failed, so that trying again does not help."""
        return self.silence is None and self.refusal is not None and self.refusal[0] in (401, 403)

    def _watch(self, send: Any, adapter: Any, request: Any, args: Any, options: dict[str, Any]) -> Any:
        from requests.exceptions import RequestException, Timeout

        if self.silence is not None:
            self._give_up()
        options["timeout"] = _bounded(options.get("timeout"))
        try:
            response = send(adapter, request, *args, **options)
        except RequestException as error:
            self.trouble = type(error).__name__
            self._fail(type(error).__name__, READ_SECONDS if isinstance(error, Timeout) else 0.0)
            raise
        too_many, broken = NO_SERVICE
        if response.status_code == too_many or response.status_code >= broken:
            self._fail(f"HTTP {response.status_code}", 0.0)
        else:
            self._failing_since = None
        self._note(request, response)
        return response

    def _fail(self, why: str, waited: float) -> None:
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now - waited
        if now - self._failing_since >= SILENT_SECONDS:
            self.silence = why
            self._give_up()

    def _give_up(self) -> None:
        raise (_Ended if threading.get_ident() == self._thread else _GivenUp)(self.silence)

    def _note(self, request: Any, response: Any) -> None:
        path = urlsplit(request.url).path
        creates = request.method == "POST" and path.endswith("/models")
        looks = request.method in ("GET", "HEAD")
        if response.status_code >= 400:
            expected = (looks and response.status_code == 404) or (creates and not self.creating)
            if not expected:
                self.refusal = response.status_code, self._said(response)
        elif request.method == "POST" and "/commit/" in path:
            body = _json(request.body)
            if _json(_content(response)).get("Success") is not False:
                self.committed |= {str(action.get("path")) for action in body.get("actions", [])}

    def _said(self, response: Any) -> str:
        body = _json(_content(response))
        text = " ".join(str(body.get("Message") or body.get("message") or "").split())
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text[:MAX_MESSAGE]


def _bounded(timeout: Any) -> tuple[float, float]:
    """(connect, read) seconds, the caller's where these are shorter."""
    connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    return min(connect or SILENT_SECONDS, SILENT_SECONDS), min(read or READ_SECONDS, READ_SECONDS)


def _content(response: Any) -> bytes:
    """The body of a short answer; an answer of unknown length is left to the client."""
    length = response.headers.get("Content-Length", "")
    return response.content if length.isdigit() and int(length) <= MAX_ANSWER_BYTES else b""


def _json(content: Any) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
