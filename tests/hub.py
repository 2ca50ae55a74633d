"""A model hub on 127.0.0.1 for ModelScope's own client: models and native data sets to download, models to upload.

    with Hub({"owner/name": model_dir}, {"owner/name": {"train": folder}}, {"/a/image.jpg": path}) as hub:
        subprocess.run([...], env={**os.environ, **hub.environment(cache_dir)})

It serves the files it was given and nothing else, reads no more than `MAX_BODY` of a request, and ends with the block.
``hub.outage`` makes it fail: "hang" (no answer until the block ends), "drip" (an answer that never ends), "page" (HTML,
as a network's login page), or the number of an HTTP error.

``Hub(accounts={"token": ["owner"]})`` lets a token create models of an owner and send files, which ``hub.uploads``
(`hub_uploads.Uploads`) keeps; from then on the hub serves them as it serves the others.
"""

import hashlib
import io
import json
import re
import threading
import zipfile
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hub_uploads import BREAK, MAX_UPLOAD, Uploads

MAX_BODY = 1 << 16
DATASET_ID = 1000  # ids of data sets count from here
NATIVE = 2  # the hub's number for a data set described by its own JSON


class Hub:
    """Models and data sets by id, single files by path; ``requests`` lists the paths that were asked for."""

    def __init__(
        self,
        models: dict[str, Path] | None = None,
        datasets: dict[str, dict[str, Path]] | None = None,
        files: dict[str, Path] | None = None,
        accounts: dict[str, Iterable[str]] | None = None,
    ) -> None:
        self.models, self.datasets, self.files = dict(models or {}), dict(datasets or {}), dict(files or {})
        self.uploads = Uploads(self.models, accounts or {})
        self.requests: list[str] = []
        self.outage: str | int | None = None
        self.ended = threading.Event()
        self._archives: dict[Path, bytes] = {}
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def environment(self, cache: Path) -> dict[str, str]:
        """What a process needs to be sent here, and nowhere else."""
        nowhere = dict.fromkeys(
            ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"), ""
        )
        return {**nowhere, "MODELSCOPE_ENDPOINT": self.endpoint, "MODELSCOPE_DOMAIN": self.endpoint.split("//")[1],
                "MODELSCOPE_CACHE": str(cache), "no_proxy": "127.0.0.1", "HF_DATASETS_OFFLINE": "0"}  # fmt: skip

    def __enter__(self) -> "Hub":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self.uploads.close()

    def archive(self, folder: Path) -> bytes:
        """``folder`` as a zip."""
        if folder not in self._archives:
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w") as file:
                for path in sorted(folder.rglob("*")):
                    file.write(path, path.relative_to(folder))
            self._archives[folder] = buffer.getvalue()
        return self._archives[folder]

    def respond(self, path: str, query: dict[str, str]) -> Any:
        """A JSON value, bytes, or None for what is not there."""
        if path in self.files:
            return self.files[path].read_bytes()
        for pattern, method in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match:
                return getattr(self, method)(*match.groups(), query)
        return None

    # models

    def _open_model(self, model_id: str, _: Any) -> Any:
        if model_id not in self.models:
            return None
        owner, name = model_id.split("/")
        return {"success": True, "data": {"id": model_id, "owner": owner, "name": name, "visibility": "public"}}

    def _model(self, model_id: str, _: Any) -> Any:
        if model_id not in self.models:
            return None
        owner, name = model_id.split("/")
        return _ok({"Id": 1, "Path": owner, "Name": name, "Visibility": 5, "Revision": "master"})

    def _revisions(self, model_id: str, _: Any) -> Any:
        branches = [{"Revision": "master", "CreatedAt": 1600000000}]
        return _ok({"RevisionMap": {"Branches": branches, "Tags": []}}) if model_id in self.models else None

    def _model_files(self, model_id: str, _: Any) -> Any:
        if model_id not in self.models:
            return None
        files = []
        for path in sorted(self.models[model_id].rglob("*")):
            if path.is_file():
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                relative = path.relative_to(self.models[model_id]).as_posix()
                files.append({"Path": relative, "Name": path.name, "Type": "blob", "Size": path.stat().st_size,
                              "Sha256": digest, "Revision": "master", "CommittedDate": 1600000000})  # fmt: skip
        return _ok({"Files": files})

    def _model_file(self, model_id: str, query: dict[str, str]) -> Any:
        return self._file(self.models.get(model_id), query.get("FilePath", ""))

    @staticmethod
    def _file(folder: Path | None, name: str) -> bytes | None:
        """The file ``name`` below ``folder``, never one beside it."""
        if folder is None:
            return None
        path = (folder / name).resolve()
        return path.read_bytes() if path.is_file() and folder.resolve() in path.parents else None

    # data sets

    def _dataset_id(self, dataset: str) -> str | None:
        """By name or by number -> name."""
        if dataset.isdigit():
            position = int(dataset) - DATASET_ID
            return list(self.datasets)[position] if 0 <= position < len(self.datasets) else None
        return dataset if dataset in self.datasets else None

    def _dataset(self, dataset: str, _: Any) -> Any:
        name = self._dataset_id(dataset)
        if name is None:
            return None
        return _ok({"Id": DATASET_ID + list(self.datasets).index(name), "Type": NATIVE, "Name": name.split("/")[1]})

    def _open_dataset(self, dataset: str, _: Any) -> Any:
        if dataset not in self.datasets:
            return None
        owner, name = dataset.split("/")
        return {"success": True, "data": {"id": dataset, "owner": owner, "name": name, "visibility": "public"}}

    def _dataset_tree(self, dataset: str, _: Any) -> Any:
        name = self._dataset_id(dataset)
        if name is None:
            return None
        own = f"{name.split('/')[1]}.json"
        return _ok({"Files": [{"Path": own, "Name": own, "Type": "blob", "Size": 1, "Revision": "master"}]})

    def _dataset_file(self, dataset: str, query: dict[str, str]) -> Any:
        name = self._dataset_id(dataset)
        wanted = query.get("FilePath", "")
        if name is None:
            return None
        if wanted == f"{name.split('/')[1]}.json":
            splits = {}
            for split in self.datasets[name]:
                url = f"{self.endpoint}/files/{name}/{split}.zip"
                splits[split] = {"meta": "", "file": url, "args": {}}
            return json.dumps({"default": splits}).encode()
        return None

    def _objects(self, dataset: str, _: Any) -> Any:
        return _ok([{"Key": f"{split}.zip"} for split in self.datasets[dataset]]) if dataset in self.datasets else None

    def _token(self, dataset: str, _: Any) -> Any:
        keys = ("AccessId", "AccessSecret", "SecurityToken", "Bucket", "Dir", "BackupDir", "Region")
        return _ok(dict.fromkeys(keys, "loopback")) if dataset in self.datasets else None

    def _nothing(self, *_: Any) -> Any:
        return _ok({})

    def _split(self, dataset: str, split: str, _: Any) -> Any:
        folder = self.datasets.get(dataset, {}).get(split)
        return None if folder is None else self.archive(folder)


_ID = r"([\w.-]+/[\w.-]+)"
_ROUTES = (
    (rf"/openapi/v1/models/{_ID}", "_open_model"),
    (rf"/openapi/v1/datasets/{_ID}", "_open_dataset"),
    (rf"/api/v1/models/{_ID}", "_model"),
    (rf"/api/v1/models/{_ID}/revisions", "_revisions"),
    (rf"/api/v1/models/{_ID}/repo/files", "_model_files"),
    (rf"/api/v1/models/{_ID}/repo", "_model_file"),
    (rf"/api/v1/datasets/{_ID}", "_dataset"),
    (rf"/api/v1/datasets/(\d+|{_ID[1:-1]})/repo/tree/?", "_dataset_tree"),
    (rf"/api/v1/datasets/(\d+|{_ID[1:-1]})/repo", "_dataset_file"),
    (rf"/api/v1/datasets/{_ID}/oss/tree/?", "_objects"),
    (rf"/api/v1/datasets/{_ID}/ststoken", "_token"),
    (rf"/api/v1/datasets/{_ID}/download/increase", "_nothing"),
    (rf"/files/{_ID}/([\w-]+)\.zip", "_split"),
)


def _ok(data: Any) -> dict[str, Any]:
    return {"Code": 200, "Success": True, "Message": "success", "Data": data}


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._reply()

    def do_HEAD(self) -> None:
        self._reply()

    def do_POST(self) -> None:
        self._reply()

    def do_PUT(self) -> None:
        self._reply()

    def _reply(self) -> None:
        url = urlsplit(self.path)
        self.hub.requests.append(f"{self.command} {self.path}")
        if self.hub.outage is not None:
            self.rfile.read(self._body_bytes(MAX_BODY))
            self._fail(self.hub.outage)
            return
        fault = self.hub.uploads.fault(f"{self.command} {url.path}")
        if fault is not None and fault.how == BREAK:
            self.rfile.read(self._body_bytes(MAX_UPLOAD) // 2)
            self.close_connection = True
            self.connection.close()
            return
        body = self._body()
        if fault is not None:
            self._fail(fault.how, fault.message)
            return
        token = self._token()
        if self.hub.uploads.hides(url.path, token):
            self._send(404, json.dumps({"Code": 404, "Success": False, "Message": f"{url.path} is hidden"}).encode())
            return
        answer = self.hub.uploads.respond(self.command, url.path, body, token)
        if answer is not None:
            text = json.dumps(answer[1]).replace("{endpoint}", self.hub.endpoint)
            given = json.loads(body).get("AccessToken") if url.path.endswith("/login") else None
            session = {"Set-Cookie": f"m_session_id={given}; Path=/"} if given else {}
            self._send(answer[0], text.encode(), "application/json", session)
            return
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        found = self.hub.respond(url.path, query)
        if found is None:
            self._send(404, json.dumps({"Code": 404, "Success": False, "Message": f"{url.path} is not here"}).encode())
        elif isinstance(found, bytes):
            self._send_range(found)
        else:
            self._send(200, json.dumps(found).encode(), "application/json")

    def _body(self) -> bytes:
        if (self.headers.get("Transfer-Encoding") or "").lower() != "chunked":
            return self.rfile.read(self._body_bytes(MAX_UPLOAD))
        parts: list[bytes] = []  # as ModelScope's older clients send blobs
        while (size := int(self.rfile.readline(32), 16)) and sum(map(len, parts)) + size <= MAX_UPLOAD:
            parts.append(self.rfile.read(size))
            self.rfile.readline(2)
        self.rfile.readline(2)
        return b"".join(parts)

    def _body_bytes(self, most: int) -> int:
        return min(int(self.headers.get("Content-Length") or 0), most)

    def _token(self) -> str | None:
        """The token of a request: a Bearer, or the cookie that ModelScope's older clients send."""
        bearer = re.fullmatch(r"Bearer (\S+)", self.headers.get("Authorization") or "")
        cookie = re.search(r"m_session_id=([^;\s]+)", self.headers.get("Cookie") or "")
        found = bearer or cookie
        return found[1] if found else None

    def _fail(self, outage: str | int, message: str = "no") -> None:
        if outage == "page":
            self._send(200, b"<html>log in</html>", "text/html")
        elif isinstance(outage, int):
            self._send(outage, json.dumps({"Code": outage, "Success": False, "Message": message}).encode())
        elif outage == "drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            while not self.hub.ended.wait(0.05):
                self.wfile.write(b"x")
        else:
            self.hub.ended.wait()

    def _send_range(self, content: bytes) -> None:
        """All of it, or the part that a Range header names."""
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not wanted or int(wanted[1]) >= len(content):
            self._send(200, content)
            return
        start, end = int(wanted[1]), min(int(wanted[2] or len(content) - 1), len(content) - 1)
        self._send(206, content[start : end + 1], headers={"Content-Range": f"bytes {start}-{end}/{len(content)}"})

    def _send(self, code: int, body: bytes, kind: str = "application/octet-stream", headers: Any = None) -> None:
        self.send_response(code)
        fixed = {"Content-Type": kind, "Content-Length": str(len(body)), "Accept-Ranges": "bytes"}
        for key, value in {**fixed, **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass
