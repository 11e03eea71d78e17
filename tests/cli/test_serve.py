"""`rxvoice serve`, as a user types it."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

pytest.importorskip("prometheus_client", reason="needs pip install 'rxvoice[serve]'")
pytest.importorskip("openai", reason="needs pip install 'rxvoice[remote]'")

from serve.running import Server, ask, running, until
from websockets.sync.client import connect

import rxvoice
from rxvoice.chunks import Samples
from rxvoice.cli import main, parser
from rxvoice.cli._options import settings_of
from rxvoice.cli._serve_models import choose_models
from rxvoice.cli._serve_settings import ServeSettings
from rxvoice.cli._serve_voices import Voices
from rxvoice.cli._settings import CommandSettings
from rxvoice.errors import ConfigError
from rxvoice.mlx import SmartTurn
from rxvoice.testing import FakeSynthesizer
from tests.mlx import tiny_smart_turn
from tests.remote.servers import (
    CHAT,
    DONE,
    HEAR,
    SPEAK,
    Stub,
    data,
    event,
    hears,
    pcm,
    process,
    refuses,
    says,
    streams,
    stub_server,
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(*arguments: str) -> ServeSettings:
    """The settings, as ``rxvoice serve`` would have them."""
    return settings_of(parser().parse_args(["serve", *arguments]), ServeSettings, "serve")


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The message of a command that fails, in one line."""
    assert main(["serve", *arguments]) in (1, 2)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


# The settings


def test_without_anything_they_are_the_defaults() -> None:
    assert told() == ServeSettings()
    assert told().host == "127.0.0.1"


def test_every_setting_is_an_option() -> None:
    options = told(
        *("--models", "mlx", "--stt", "a/b", "--llm", "c/d", "--tts", "e/f", "--voice", "ann"),
        *("--system-prompt", "Be brief.", "--trust-remote-code", "--stt-url", "http://a/v1"),
        *("--llm-url", "http://b/v1", "--llm-url", "http://c/v1", "--tts-url", "http://d/v1"),
        *("--model-key", "env", "--session-header", "X-User", "--model-timeout", "2.5"),
        *("--host", "::1", "--port", "0", "--api-key", "key", "--insecure", "--beta"),
        *("--allow-origin", "https://a.example", "--max-sessions", "7", "--drain-timeout", "5"),
        *("--smart-turn", "g/h", "--log-content", "--certificate", "c.pem"),
        *("--certificate-key", "k.pem", "--trace", "traces", "--no-content"),
    )
    assert all(getattr(options, it.name) != it.default for it in fields(ServeSettings))
    assert options.llm_url == ("http://b/v1", "http://c/v1")


def test_its_table_of_the_settings_file_is_its_own(home: Path) -> None:
    path = home / "config" / "rxvoice" / "settings.toml"
    path.parent.mkdir(parents=True)
    path.write_text(
        'silence-ms = 500\n[serve]\nllm = "m"\nllm-url = ["http://b/v1", "http://c/v1"]\n'
        'voice = "ann"\nport = 9000\n',
        "utf-8",
    )
    found = told("--port", "9001")
    assert (found.llm_url, found.voice) == (("http://b/v1", "http://c/v1"), ("ann",))
    assert found.port == 9001
    # `rxvoice talk` reads what stands outside of it.
    talk = settings_of(parser().parse_args(["talk"]), CommandSettings)
    assert talk.silence_ms == 500
    path.write_text("[serve]\nsilence-ms = 500\n", "utf-8")
    with pytest.raises(ConfigError, match="there is no setting 'silence-ms'; there are"):
        told()
    path.write_text("serve = 5\n", "utf-8")
    with pytest.raises(ConfigError, match=r"serve must be a table, \[serve\], got 5"):
        told()
    path.write_text("[serve]\nllm-url = [5]\n", "utf-8")
    with pytest.raises(ConfigError, match=r"llm-url = \[5\]: wanted a text or a list of texts"):
        told()


# What is refused


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.7.7"])
def test_it_does_not_listen_beyond_this_machine_without_a_key(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "--host", host)
    assert f"--host {host} lets others than this machine in" in said
    assert "--api-key key, or let everybody in with --insecure" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--llm-url", "http://b/v1"), "--llm-url says where a model is, and not which"),
        (("--stt-url", "http://b/v1"), "name it with --stt"),
        (("--tts", "m", "--tts-url", "http://b/v1"), "--tts-url needs --voice"),
        (("--llm", "m", "--llm-url", "b"), "base_url must be like 'http://127.0.0.1:8080/v1'"),
        (("--api-key", "none.txt"), "cannot read the key in none.txt: No such file"),
        (("--api-key", "env"), "--api-key env: there is no key in $RXVOICE_API_KEY"),
        (("--model-key", "env"), "--model-key env: there is no key in $RXVOICE_MODEL_KEY"),
        (("--allow-origin", "example"), "must have a scheme and a host"),
        (("--max-sessions", "0"), "wanted a whole number of sessions, 1 or more"),
        (("--system-prompt", "Be brief."), "takes no --system-prompt"),
    ],
)
def test_a_mistake_is_told_before_a_model_is_loaded(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        assert message in refused(capsys, "--port", "0", *arguments)
    except SystemExit:  # from the parser
        assert message in capsys.readouterr().err


def test_an_extra_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    said = refused(capsys)
    assert "rxvoice serve needs prometheus_client: pip install 'rxvoice[serve]'" in said


def test_the_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    said = capsys.readouterr().out
    for name in ("/readyz", "openai.AsyncOpenAI(base_url=", "[serve]", "--llm-url http://gpu2"):
        assert name in said


# Models behind servers


@pytest.fixture
def stubs() -> Iterator[list[Stub]]:
    with ExitStack() as stack:
        found = [stack.enter_context(stub_server()) for _ in range(2)]
        for it in found:
            it.answers = {
                CHAT: [says("I am ", "there.")],
                HEAR: [hears("hello")],
                SPEAK: [streams(pcm(*range(2400)), media="audio/pcm")],
            }
        yield found


@pytest.fixture
def server(stubs: list[Stub]) -> Iterator[Server]:
    urls = [f"--{kind}-url={it.base_url}" for kind in ("stt", "llm", "tts") for it in stubs]
    names = ("--stt", "ears", "--llm", "mind", "--tts", "mouth", "--voice", "ann", "--voice", "bob")
    chosen = choose_models(told(*names, *urls, "--system-prompt", "Be brief."))
    assert chosen.worker is None  # no model is here, and no model thread
    try:
        with running(chosen.load) as found:
            for kind, states in chosen.servers.items():
                found.metrics.watch_servers(kind, states)
            while found.drain.unready == "loading":
                found.get("/healthz")
            yield found
    finally:
        chosen.close()


def _asked(stubs: list[Stub], path: str) -> list[Any]:
    return [it for stub in stubs for it in stub.requests if it.path == path]


def test_a_session_speaks_with_models_that_are_elsewhere(server: Server, stubs: list[Stub]) -> None:
    with server.talk() as client:
        assert [ask(client, text) for text in ("Hello?", "Still?")] == ["I am there."] * 2
        with server.talk() as other:
            assert ask(other, "Hello?") == "I am there."
    asked = _asked(stubs, CHAT)
    assert {it.json["model"] for it in asked} == {"mind"}
    assert asked[0].json["messages"][0] == {"role": "system", "content": "Be brief."}
    # Each session has a name of its own, and both of its questions went to one server.
    names = [it.headers["x-session-id"] for it in asked]
    assert sorted(map(names.count, set(names))) == [1, 2]
    assert {it.json["voice"] for it in _asked(stubs, SPEAK)} == {"ann"}


def test_a_client_chooses_the_voice_and_its_speed_and_is_told_the_tokens(
    server: Server, stubs: list[Stub]
) -> None:
    usage = {"prompt_tokens": 50, "completion_tokens": 4}
    counted = streams(
        event("I am there."), event(None, "stop"), data({"choices": [], "usage": usage}), DONE
    )
    for stub in stubs:
        stub.answers[CHAT] = [counted]
    with server.talk() as client:
        output = {"voice": "bob", "speed": 1.24}
        session = {"type": "realtime", "audio": {"output": output}}
        client.send(json.dumps({"type": "session.update", "session": session}))
        item = {"role": "user", "content": [{"type": "input_text", "text": "Hello?"}]}
        item = {"type": "conversation.item.create", "item": {"type": "message", **item}}
        client.send(json.dumps(item))
        client.send('{"type": "response.create"}')
        told = until(client, "response.done")["response"]["usage"]
    assert (told["input_tokens"], told["output_tokens"], told["total_tokens"]) == (50, 4, 54)
    spoken = _asked(stubs, SPEAK)[-1].json
    assert (spoken["voice"], spoken["speed"]) == ("bob", 1.25)


def test_the_speeds_of_a_voice_are_few_and_made_once() -> None:
    class Voice:
        def __init__(self, speed: float = 1.0) -> None:
            self.speed = speed

        def synthesize_stream(self, text: str) -> list[Samples]:
            raise NotImplementedError

        def at_speed(self, speed: float) -> Voice:
            return Voice(speed)

    own, ann, still = Voice(), Voice(), FakeSynthesizer()
    voices = Voices(own, {"ann": ann, "still": still})
    assert voices.speak_as("ann", 1.02) is ann
    fast = voices.speak_as("ann", 1.21)
    assert isinstance(fast, Voice)
    assert fast.speed == 1.2
    assert voices.speak_as("ann", 1.19) is fast
    assert voices.speak_as("nobody", 1.2) is voices.speak_as("alloy", 1.2) is not fast
    assert voices.speak_as("still", 1.2) is still


@pytest.mark.models
def test_a_model_tells_whether_the_user_has_finished(home: Path) -> None:
    directory = tiny_smart_turn.build(home / "turn")
    urls = [f"--{kind}-url=http://127.0.0.1:9/v1" for kind in ("stt", "llm", "tts")]
    names = ("--stt", "ears", "--llm", "mind", "--tts", "mouth", "--voice", "ann")
    chosen = choose_models(told(*names, *urls, "--smart-turn", str(directory)))
    try:
        models = chosen.load()
        assert models.smart_turn is not None
        policy = models.smart_turn(4_000)
        assert isinstance(policy, SmartTurn)
        sound = np.zeros(16_000, np.float32)
        assert policy.user_finished(sound, 3_900) is not True
        assert policy.user_finished(sound, 4_000) is True
    finally:
        chosen.close()


def test_a_server_that_is_down_is_not_noticed(server: Server, stubs: list[Stub]) -> None:
    stubs[0].answers[CHAT] = stubs[0].answers[SPEAK] = [refuses(503)]
    for _ in range(2):
        with server.talk() as client:
            assert ask(client, "Hello?") == "I am there."
    told = server.get("/metrics")[1]
    down, up = (it.base_url for it in stubs)
    for kind in ("llm", "tts"):
        name = f"rxvoice_{kind}_server_available"
        assert f'{name}{{model="{kind}",server="{down}"}} 0.0' in told
        assert f'{name}{{model="{kind}",server="{up}"}} 1.0' in told


# The whole


def _spoken() -> Iterator[bytes]:
    """A question, as a client sends it, and silence after it."""
    demo = Path(rxvoice.__file__).parent / "data"
    samples, rate = soundfile.read(demo / "demo.wav", dtype="float32")
    turns = json.loads((demo / "demo.json").read_text("utf-8"))["turns"]
    (moon,) = [it for it in turns if "moon" in it["text"].lower()]
    begin, end = (round(moon[it] * rate) for it in ("start_s", "end_s"))
    question = soxr.resample(samples[begin:end], rate, 24_000)
    sound = np.concatenate([question, np.zeros(24_000, np.float32)])
    pcm = (sound * 32767).astype("<i2").tobytes()
    for at in range(0, len(pcm), 4_800):
        yield pcm[at : at + 4_800]


@pytest.mark.models
def test_it_serves_until_it_is_told_to_end_and_logs_nothing_that_was_said(home: Path) -> None:
    command = [sys.executable, "-m", "rxvoice", "serve", "--port", "{port}"]
    command += ["--voice", "espeak:en-us"]  # the quick one
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    os.environ["PYTHONPATH"], before = paths, os.environ.get("PYTHONPATH")
    try:
        with process(command, home, "ready after") as served:
            base = served.base_url
            with urllib.request.urlopen(f"{base.removesuffix('/v1')}/readyz") as got:
                assert json.load(got)["status"] == "ready"
            with urllib.request.urlopen(f"{base}/models") as got:
                (model,) = json.load(got)["data"]
            assert (model["object"], model["owned_by"]) == ("model", "rxvoice")
            url = f"{base.replace('http', 'ws')}/realtime"
            with connect(url, proxy=None, max_size=None) as client:
                for block in _spoken():
                    audio = b64encode(block).decode()
                    event = {"type": "input_audio_buffer.append", "audio": audio}
                    client.send(json.dumps(event))
                heard = until(client, "conversation.item.input_audio_transcription.completed")
                assert "moon" in heard["transcript"].lower()
                said = until(client, "response.output_audio_transcript.done")["transcript"]
                assert "three hundred" in said
                until(client, "response.done")
                served.running.send_signal(signal.SIGTERM)
                served.wait_for_line("1 session: no more are taken", 20)
                # Told to end, it lets the session go on.
                assert "lovely day" in ask(client, "Thank you, goodbye.")
            assert served.running.wait(60) == 0
            log = served.written()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
    assert re.search(r"WS /v1/realtime closed 1000 after \d+\.\d s, \d+ bytes in, \d+ out", log)
    assert "moon" not in log
    assert "lovely" not in log
