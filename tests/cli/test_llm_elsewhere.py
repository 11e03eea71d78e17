"""`--llm-url`: the language model of a command behind a server."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from embedded import shared

from rxvoice.cli import main
from rxvoice.cli._parts import choose
from rxvoice.cli._settings import CommandSettings
from tests.remote.servers import CHAT, says, stub_server

DATA = Path(__file__).parents[2] / "rxvoice" / "data"

pytest.importorskip("openai", reason="needs pip install 'rxvoice[remote]'")
pytestmark = pytest.mark.models


def test_run_asks_the_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = tmp_path / "key"
    key.write_text("secret\n", "utf-8")
    with stub_server() as stub:
        stub.answers[CHAT] = [says("Good ", "day."), says("Yes.")]
        where = ("--llm", "qwen3", "--llm-url", stub.base_url, "--model-key", str(key))
        files = (str(DATA / "demo.wav"), "-o", str(tmp_path / "reply.wav"))
        options = ("--system-prompt", "Be brief.", "--voice", "espeak:en-us")
        with shared():
            assert main(["run", *files, *where, *options]) == 0
    told = capsys.readouterr().out
    assert "assistant   Good day." in told
    assert "4 turns answered, 0 failed" in told
    first = stub.requests[0]
    assert first.headers["authorization"] == "Bearer secret"
    assert first.json["model"] == "qwen3"
    assert first.json["messages"][0] == {"role": "system", "content": "Be brief."}
    assert [len(it.json["messages"]) for it in stub.requests] == [2, 4, 6, 8]


def test_the_server_is_named_at_the_start() -> None:
    chosen = choose(CommandSettings(llm="qwen3", llm_url=("http://a/v1", "http://b/v1")))
    assert chosen.replies == "qwen3, at http://a/v1 and http://b/v1"
    assert chosen.can_be_said == ()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--llm-url", "http://127.0.0.1:1/v1"], "name it with --llm"),
        (["--llm", "m", "--llm-url", "nowhere"], "http"),
        (
            ["--llm", "m", "--llm-url", "http://127.0.0.1:1/v1", "--model-key", "none.txt"],
            "none.txt",
        ),
    ],
)
def test_a_mistake_is_told_in_a_line(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(DATA / "demo.wav"), "-o", str(tmp_path / "reply.wav")]
    with suppress(SystemExit):
        assert main(["run", *files, *arguments]) != 0
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1
