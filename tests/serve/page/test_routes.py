"""The page's files, and the headers that they are served with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("starlette")
from starlette.applications import Starlette
from starlette.testclient import TestClient

from rxvoice.serve import page

STATIC = Path(page.__file__).parent / "static"


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=page.routes()))


def test_the_page_and_each_of_its_files_is_served(client: TestClient) -> None:
    assert client.get("/").text == (STATIC / "index.html").read_text("utf-8")
    types = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    for path in STATIC.iterdir():
        answer = client.get(f"/page/{path.name}")
        assert answer.content == path.read_bytes()
        if path.suffix in types:
            assert answer.headers["content-type"].split(";")[0] == types[path.suffix]


def test_nothing_else_is_served(client: TestClient) -> None:
    for path in ("/page/", "/page/none.js", "/page/../__init__.py", "/page/%2e%2e/_routes.py"):
        assert client.get(path).status_code == 404
    assert client.post("/").status_code == 405


@pytest.mark.parametrize("path", ["/", "/page/app.js", "/page/worklet.js"])
def test_every_answer_keeps_the_page_to_itself(path: str, client: TestClient) -> None:
    headers = client.get(path).headers
    policy = dict(
        part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert {policy[it] for it in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert policy["frame-ancestors"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["permissions-policy"].startswith("microphone=(self)")


def test_a_file_that_has_not_changed_is_not_sent_again(client: TestClient) -> None:
    first = client.get("/page/app.js")
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/page/app.js", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


def test_the_page_works_under_a_prefix() -> None:
    from starlette.routing import Mount

    client = TestClient(Starlette(routes=[Mount("/talk", routes=page.routes())]))
    assert client.get("/talk/").status_code == 200
    assert client.get("/talk/page/app.js").status_code == 200


def test_no_file_names_another_host() -> None:
    for path in STATIC.iterdir():
        hosts = set(re.findall(r"\w+://[^\s\"'`]+", path.read_text("utf-8")))
        assert hosts <= {"http://www.w3.org/2000/svg"}, path.name


def test_no_script_writes_html() -> None:
    for path in STATIC.glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|eval\(", path.read_text("utf-8")
        )
