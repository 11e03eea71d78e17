"""A Hugging Face hub on the loopback, as much of it as the real client asks of one."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants, file_download

REVISION = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FakeHub:
    """What it serves, and what it was asked for.

    Attributes:
        models: the files of each, by their names.
        broken: after how many bytes to break off, by the file's name; removed once it was done.
        refused: what to answer to anything about a model: a status and the hub's error code.
        refused_files: the same, for its files only.
        asked: the method and path of each request; of a file's, what was sent of it too.
    """

    models: dict[str, dict[str, bytes]] = field(default_factory=dict)
    broken: dict[str, list[int]] = field(default_factory=dict)
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    refused_files: dict[str, tuple[int, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    endpoint: str = ""

    def add(self, name: str, directory: Path) -> None:
        """Serve what is in a directory."""
        files = (path for path in sorted(directory.rglob("*")) if path.is_file())
        self.models[name] = {str(it.relative_to(directory)): it.read_bytes() for it in files}

    def fetched(self) -> list[str]:
        """The files that were asked for, in order."""
        return [it.split()[1] for it in self.asked if it.startswith("GET-FILE")]


@contextmanager
def serving(cache: Path, patch: pytest.MonkeyPatch) -> Generator[FakeHub]:
    """Turn the client of this process to a new hub and to a cache of its own."""
    hub = FakeHub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            path = unquote(urlsplit(self.path).path).strip("/")
            is_api = path.startswith("api/models/")
            owner, name, *rest = path.removeprefix("api/models/").split("/")
            model = f"{owner}/{name}"
            refusal = hub.refused.get(model) or (None if is_api else hub.refused_files.get(model))
            hub.asked.append(f"{self.command} {path}")
            if refusal is not None or model not in hub.models:
                self.refuse(*(refusal or (404, "RepoNotFound")))
            elif is_api:
                self.tell(hub.models[model], model, rest)
            elif (file := "/".join(rest[2:])) in hub.models[model]:
                self.give(file, hub.models[model][file], commit(rest), body=body)
            else:
                self.refuse(404, "EntryNotFound")

        def refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", f"refused: {code}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def tell(self, files: dict[str, bytes], model: str, rest: list[str]) -> None:
            listed: object
            if rest[:1] == ["tree"]:
                listed = [
                    {"type": "file", "path": it, "size": len(data), "oid": etag(data)}
                    for it, data in files.items()
                ]
            else:
                siblings = [{"rfilename": it, "size": len(data)} for it, data in files.items()]
                listed = {"id": model, "sha": commit(rest), "siblings": siblings}
            text = json.dumps(listed).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def give(self, file: str, data: bytes, revision: str, *, body: bool) -> None:
            start = int(self.headers.get("Range", "bytes=0-")[len("bytes=") :].split("-")[0])
            self.send_response(206 if start else 200)
            self.send_header("ETag", f'"{etag(data)}"')
            self.send_header("X-Repo-Commit", revision)
            self.send_header("Content-Length", str(len(data) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            if not body:
                return
            end = hub.broken[file].pop(0) if hub.broken.get(file) else len(data)
            hub.asked.append(f"GET-FILE {file} {start}-{end}")
            self.wfile.write(data[start:end])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.endpoint)
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    patch.setattr(constants, "ENDPOINT", hub.endpoint)
    patch.setattr(constants, "HF_HUB_CACHE", str(cache))
    patch.setattr(constants, "HF_HUB_OFFLINE", False)
    patch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    # Between two attempts the client waits for a second.
    patch.setattr(file_download, "time", SimpleNamespace(sleep=lambda _: None))
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        patch.delenv(proxy, raising=False)
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def commit(path: list[str]) -> str:
    """The commit that a path such as ``["resolve", REVISION, ...]`` asks for; its only one else."""
    asked = path[1] if len(path) > 1 else ""
    return asked if len(asked) == len(REVISION) else REVISION


def etag(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()
