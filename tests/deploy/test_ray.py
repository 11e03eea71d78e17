"""deploy/ray_serve.py: two replicas in a Ray cluster on this machine."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("openai", reason="needs pip install 'rxvoice[remote]'")

from serve.running import WAIT, ask
from websockets.sync.client import connect

from tests.remote.servers import (
    CHAT,
    HEAR,
    SPEAK,
    Stub,
    hears,
    pcm,
    process,
    says,
    streams,
    stub_server,
)

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def _ray() -> str:
    """The command `serve` of Ray; RXVOICE_RAY names the one of another environment."""
    beside = Path(sys.executable).with_name("serve")
    found = os.environ.get("RXVOICE_RAY") or shutil.which(beside)
    if not found:
        pytest.skip("no Ray: pip install 'ray[serve]' (500 MB)")
    return found


@pytest.fixture
def elsewhere() -> Iterator[Stub]:
    with stub_server() as stub:
        stub.answers = {
            CHAT: [says("I am ", "there.")],
            HEAR: [hears("hello")],
            SPEAK: [streams(pcm(*range(2400)), media="audio/pcm")],
        }
        yield stub


@pytest.fixture
def short_path() -> Iterator[str]:
    """Ray's sockets have long names, and the path of a socket has 107 characters at most."""
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as path:
        yield path


def test_replicas_in_a_cluster_hold_conversations(
    elsewhere: Stub, short_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LLM_URL", "STT_URL", "TTS_URL"):
        monkeypatch.setenv(name, elsewhere.base_url)
    for name, value in {
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]]),
        "CPUS": "0.2",
        "RXVOICE_API_KEY": "sesame",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",
        "RAY_TMPDIR": short_path,
    }.items():
        monkeypatch.setenv(name, value)
    with process([_ray(), "run", "deploy.ray_serve:app"], ROOT, "is ready at http", 150):
        with urllib.request.urlopen("http://127.0.0.1:8000/readyz", timeout=WAIT) as got:
            assert json.load(got)["status"] == "ready"
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen("http://127.0.0.1:8000/v1/models", timeout=WAIT)
        refused.value.close()
        for _ in range(4):
            with connect(
                "ws://127.0.0.1:8000/v1/realtime",
                proxy=None,
                max_size=None,
                open_timeout=WAIT,
                additional_headers={"Authorization": "Bearer sesame"},
            ) as client:
                assert [ask(client, "Hello?"), ask(client, "Still?")] == ["I am there."] * 2
    assert len([it for it in elsewhere.requests if it.path == CHAT]) == 8
