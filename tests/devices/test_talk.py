"""`rxvoice talk` as a user has it: a microphone, a loudspeaker, ctrl-c."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from devices.virtual_audio import VirtualAudio
from numpy.typing import NDArray
from offline.prompts_kit import errors, words

import rxvoice
from rxvoice import offline
from rxvoice.cli import main

pytestmark = [pytest.mark.devices, pytest.mark.models]

Audio = NDArray[np.float32]

DATA = Path(rxvoice.__file__).parent / "data"
HELLO = "Hello! I am the little voice of rxvoice. I run entirely on this computer."
PATIENCE_S = 60.0


def question(number: int) -> tuple[Audio, int]:
    """What the recorded user asks, with some silence around it."""
    audio, rate = soundfile.read(DATA / "demo.wav", dtype="float32")
    turn = json.loads((DATA / "demo.json").read_text("utf-8"))["turns"][number]
    cut = audio[int((turn["start_s"] - 0.2) * rate) : int((turn["end_s"] + 0.2) * rate)]
    return cut, rate


class Talk:
    """A conversation in a process of its own, followed by what it prints and writes down."""

    def __init__(self, audio: VirtualAudio, folder: Path, *options: str) -> None:
        self.audio = audio
        self.happened: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        transcript = folder / "transcript"
        os.mkfifo(transcript)
        # Neither end of a pipe opens without the other.
        self._reader = threading.Thread(target=self._read, args=(transcript,), daemon=True)
        self._reader.start()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "rxvoice.cli", "talk", "--models", "offline"),
                *("--transcript", str(transcript), *options),
            ],
            env={**os.environ, **audio.environment, "XDG_CONFIG_HOME": str(folder)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.printed: list[str] = []
        for line in self.process.stdout:
            self.printed.append(line.rstrip("\n"))
            if line.startswith("listening"):
                return
        self.process.communicate()
        raise AssertionError(f"it never listened: {self.printed}")

    def _read(self, transcript: Path) -> None:
        with transcript.open(encoding="utf-8") as lines:
            self.header = json.loads(next(lines))
            for line in lines:
                with self._changed:
                    self.happened.append(event_of(json.loads(line)))
                    self._changed.notify_all()

    def say(self, number: int) -> None:
        """Begin to ask a question."""
        self.audio.say(*question(number))

    def wait(self, event: str, where: Callable[[dict[str, Any]], bool] = lambda _: True) -> Any:
        """The first such event, once it has happened."""

        def found() -> dict[str, Any] | None:
            return next((it for it in self.happened if it["event"] == event and where(it)), None)

        with self._changed:
            assert self._changed.wait_for(found, PATIENCE_S), f"no {event} in {self.happened}"
            return found()

    def end(self) -> int:
        """Press ctrl-c; its exit status, when it is over."""
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=PATIENCE_S)
        self.printed += out.splitlines()
        self._reader.join(PATIENCE_S)
        return self.process.returncode

    @property
    def names(self) -> list[str]:
        return [it["event"] for it in self.happened]


def event_of(line: dict[str, Any]) -> dict[str, Any]:
    """What a line of the transcript says, with the name of the event as ``"event"``."""
    if line["k"] != "out":
        return {"event": line["k"], **line}
    name = re.sub("(?<!^)([A-Z])", r"_\1", line["e"]).lower()
    return {"event": name, "turn": line.get("turn"), "t": line["t"], "s": line["s"], **line["v"]}


@contextmanager
def talking(audio: VirtualAudio, folder: Path, *options: str) -> Iterator[Talk]:
    talk = Talk(audio, folder, *options)
    try:
        yield talk
    finally:
        if talk.process.poll() is None:
            talk.process.kill()
            talk.process.communicate()


def likeness(
    recorded: Audio, rate: int, expected: Audio, expected_rate: int
) -> tuple[float, float]:
    """How like the expected sound the best place in a recording is, and when it begins there."""
    wanted = soxr.resample(expected, expected_rate, rate)
    size = 1 << (len(recorded) + len(wanted)).bit_length()
    spectrum = np.fft.rfft(recorded, size) * np.conj(np.fft.rfft(wanted, size))
    found = np.fft.irfft(spectrum, size)[: max(1, len(recorded) - len(wanted))]
    at = int(np.argmax(found))
    there = recorded[at : at + len(wanted)]
    alike = float(found[at] / (np.linalg.norm(there) * np.linalg.norm(wanted)))
    return alike, at / rate


def heard_at(loudspeaker: Audio) -> int:
    """Where the sound of a loudspeaker begins."""
    return int(np.flatnonzero(np.abs(loudspeaker) > 0.02)[0])


def test_a_question_is_answered_aloud_recorded_and_written_down(
    audio: VirtualAudio, tmp_path: Path
) -> None:
    both = tmp_path / "both.wav"
    raw = tmp_path / "loudspeaker.raw"
    with talking(audio, tmp_path, "--record", str(both)) as talk:
        listener = audio.record(raw)
        talk.say(0)
        finished = talk.wait("finished")
        assert talk.end() == 0
    listener.terminate()
    listener.wait()

    assert finished["text"] == HELLO
    said = talk.wait("transcribed")["text"]
    assert words(said) == words("hello who are you")
    main_events = ["turn_opened", "transcribed", "reply_started", "speaking", "finished"]
    assert [it for it in talk.names if it in main_events] == main_events
    times = talk.wait("turn_metrics")
    assert 0 < times["turn_ended_ms"] < times["first_audio_ms"] < times["first_heard_ms"]
    assert talk.header["started"].endswith("+00:00")
    assert talk.header["schema"] == 1
    for name in ("t", "s"):  # seconds, and samples of the microphone
        counted = [it[name] for it in talk.happened]
        assert counted == sorted(counted)
        assert counted[-1] > 0
    assert any(line.endswith(f"you         {said}") for line in talk.printed)
    # Long lines wrap.
    assert f"assistant {HELLO}" in " ".join(" ".join(talk.printed).split())
    assert "1 reply in " in talk.printed[-1]
    assert str(both) in talk.printed[-1]

    loud = np.fromfile(raw, np.float32)
    text = offline.stt().transcribe_turn(soxr.resample(loud, 48_000, 16_000))
    assert errors(words(HELLO), words(text)) <= 4, text
    # A voice never says a sentence twice alike, so the recording is compared with what was heard.
    answer = loud[heard_at(loud) :][:24_000]
    sides, rate = soundfile.read(both, dtype="float32")
    assert sides.shape[1] == 2
    # A busy machine may lose some of the microphone between, which moves the rest.
    asked, asked_rate = question(0)
    pieces = [likeness(sides[:, 0], rate, it, asked_rate) for it in np.array_split(asked, 4)]
    assert sorted(alike for alike, _ in pieces)[1] > 0.9
    answered, answered_at = likeness(sides[:, 1], rate, answer, 48_000)
    assert answered > 0.9
    assert answered_at > pieces[0][1] + len(asked) / asked_rate


def test_it_falls_silent_when_the_user_speaks_over_it(audio: VirtualAudio, tmp_path: Path) -> None:
    with talking(audio, tmp_path, "--echo", "off") as talk:
        talk.say(0)
        talk.wait("speaking")
        talk.say(2)
        interrupted = talk.wait("interrupted")
        asked = talk.wait("transcribed", lambda it: it["turn"] == 2)
        talk.wait("speaking", lambda it: it["turn"] == 2)
        assert talk.end() == 0
    assert interrupted["turn"] == 1
    assert HELLO.startswith(interrupted["heard"])
    assert interrupted["heard"] != HELLO
    assert "moon" in words(asked["text"])
    assert any("(interrupted" in line for line in talk.printed)


def test_ctrl_c_while_the_user_speaks_writes_that_down(audio: VirtualAudio, tmp_path: Path) -> None:
    with talking(audio, tmp_path) as talk:
        talk.say(0)
        talk.wait("partial", lambda it: "hello" in words(it["text"]))
        assert talk.end() == 0
    # The question was not over: what was said until then is written down, and may be no sentence.
    assert "transcribed" in talk.names[-2:]
    assert "0 replies" in talk.printed[-1]


def test_an_unknown_device_lists_those_there_are(
    audio: VirtualAudio,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert main(["talk", "--microphone", "Gramophone"]) == 1
    told = capsys.readouterr().err
    assert "Gramophone" in told
    assert "pulse" in told
