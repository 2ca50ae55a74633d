"""The upload side of the loopback hub: what ModelScope's client calls to create a model and to send files.

It checks the token at each call, keeps blobs by their digest, and a commit makes files of the model from what it was
sent; ``Hub`` then serves them. ``fail`` makes calls fail, ``commits`` and ``blobs_sent`` say what arrived.
"""

import base64
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_UPLOAD = 1 << 28  # bytes of a body
PRIVATE, PUBLIC = 1, 5  # the hub's numbers
BREAK = "break"
NAME_TAKEN = 10010101001  # the hub's code


@dataclass
class Fault:
    """``how`` answers the next ``times`` requests whose "METHOD path" has ``pattern``: a status, "break" or "hang"."""

    pattern: str
    how: int | str
    times: int
    message: str


class Uploads:
    """Models that were created and files that were sent.

    Args:
        models: the hub's models by id, which grow. accounts: a token -> the owners that it may write for.
    """

    def __init__(self, models: dict[str, Path], accounts: dict[str, Iterable[str]]) -> None:
        self.models, self.accounts = models, {token: set(owners) for token, owners in accounts.items()}
        self.visibility: dict[str, int] = {}
        self.commits: list[tuple[str, str, list[str]]] = []  # id, message, paths
        self.blobs: dict[str, bytes] = {}
        self.blobs_sent: list[str] = []  # digests, one for each PUT that came whole
        self.faults: list[Fault] = []
        self._folder = Path(tempfile.mkdtemp(prefix="hub-"))

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def fail(self, pattern: str, how: int | str, times: int = 1000, message: str = "no") -> None:
        """Make the next ``times`` requests fail whose "METHOD path" has the regular expression ``pattern``."""
        self.faults.append(Fault(pattern, how, times, message))

    def fault(self, request: str) -> Fault | None:
        """The fault that answers "METHOD path"; it is counted."""
        for fault in self.faults:
            if fault.times > 0 and re.search(fault.pattern, request):
                fault.times -= 1
                return fault
        return None

    def hides(self, path: str, token: str | None) -> bool:
        """Whether ``path`` is about a private model that the token has no part in."""
        match = re.match(r"/(?:open)?api/v1/models/([\w.-]+/[\w.-]+)", path)
        if not match or self.visibility.get(match[1]) != PRIVATE:
            return False
        return match[1].split("/")[0] not in self.accounts.get(token or "", set())

    def respond(self, method: str, path: str, body: bytes, token: str | None) -> tuple[int, Any] | None:
        """(status, JSON) of an upload call; None for a path that is none of them."""
        calls = {
            r"POST /api/v1/login": self._login,
            r"GET /openapi/v1/users/me": self._user,
            r"POST /api/v1/models": self._create,
            r"POST /api/v1/repos/models/([\w.-]+/[\w.-]+)/info/lfs/objects/batch": self._batch,
            r"PUT /blobs/(\w+)": self._blob,
            r"POST /api/v1/repos/models/([\w.-]+/[\w.-]+)/commit/([\w.-]+)": self._commit,
        }
        for pattern, call in calls.items():
            match = re.fullmatch(pattern, f"{method} {path}")
            if match:
                if call == self._login:
                    token = json.loads(body)["AccessToken"]
                if token not in self.accounts:
                    return _error(401, 10010103009, f"token {token} is not valid")  # a hub that repeats what it got
                return call(*match.groups(), body=body, owners=self.accounts[token])
        return None

    def _login(self, body: bytes, owners: set[str]) -> tuple[int, Any]:
        return _ok({"AccessToken": "git-token", "Username": min(owners), "Email": "a@b.c"})

    def _user(self, body: bytes, owners: set[str]) -> tuple[int, Any]:
        return 200, {"success": True, "data": {"username": min(owners)}}

    def _create(self, body: bytes, owners: set[str]) -> tuple[int, Any]:
        wanted = json.loads(body)
        model_id = f"{wanted['Path']}/{wanted['Name']}"
        if model_id in self.models:
            return _error(400, NAME_TAKEN, "the model already exists")
        if wanted["Path"] not in owners:
            return _error(403, 10010205001, "no right to this namespace")
        self.models[model_id] = self._folder / model_id
        self.models[model_id].mkdir(parents=True)
        self.visibility[model_id] = wanted["Visibility"]
        return _ok({"Path": wanted["Path"], "Name": wanted["Name"], "Visibility": wanted["Visibility"]})

    def _batch(self, model_id: str, body: bytes, owners: set[str]) -> tuple[int, Any]:
        refusal = self._refusal(model_id, owners)
        if refusal:
            return refusal
        objects = [
            {**wanted, "actions": {"upload": {"href": f"{{endpoint}}/blobs/{wanted['oid']}"}}}
            for wanted in json.loads(body)["objects"]
            if wanted["oid"] not in self.blobs
        ]
        return _ok({"objects": objects})

    def _blob(self, digest: str, body: bytes, owners: set[str]) -> tuple[int, Any]:
        if hashlib.sha256(body).hexdigest() != digest:
            return _error(400, 1, "the content is not that of the digest")
        self.blobs[digest] = body
        self.blobs_sent.append(digest)
        return _ok({})

    def _commit(self, model_id: str, branch: str, body: bytes, owners: set[str]) -> tuple[int, Any]:
        refusal = self._refusal(model_id, owners)
        if refusal:
            return refusal
        wanted, contents = json.loads(body), {}
        for action in wanted["actions"]:
            path = action["path"]
            if action["type"] == "lfs":
                if len(self.blobs.get(action["sha256"], b"")) != action["size"]:
                    return _error(400, 2, f"there is no blob for {path}")
                contents[path] = self.blobs[action["sha256"]]
            else:
                contents[path] = base64.b64decode(action["content"])
            if path.startswith("/") or ".." in path.split("/"):
                return _error(400, 3, f"{path} is outside")
        for path, content in contents.items():
            file = self.models[model_id] / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        self.commits.append((model_id, wanted["commit_message"], sorted(contents)))
        return _ok({"oid": hashlib.sha1(body).hexdigest()})

    def _refusal(self, model_id: str, owners: set[str]) -> tuple[int, Any] | None:
        if model_id not in self.models:
            return _error(404, 4, f"{model_id} is not here")
        if model_id.split("/", maxsplit=1)[0] not in owners:
            return _error(403, 10010205001, "no right to write")
        return None


def _ok(data: Any) -> tuple[int, Any]:
    return 200, {"Code": 200, "Success": True, "Message": "success", "Data": data}


def _error(status: int, code: int, message: str) -> tuple[int, Any]:
    return status, {"Code": code, "Success": False, "Message": message}
