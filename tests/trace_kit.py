"""Writes traces of conversations that were never held, as the schema says.

`Talk` is a conversation of one's own making; `example` one with all that can happen.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE, VOICE_RATE, BLOCK = 16_000, 24_000, 512
BLOCK_S = BLOCK / RATE
LATE_S = 0.006
"""From the capture of a block's last sample to its delivery."""
SILENCE_S = 0.8
TOKEN_S = 0.028
PIECE_S = 0.24
OUT_S = 0.03
"""From writing to the loudspeaker to hearing it."""
HEADER: dict[str, Any] = {
    "schema": 1,
    "rxvoice": "0.1.0",
    "started": "2026-11-26T12:00:00.000Z",
    "python": "3.13.1",
    "platform": "Darwin 25.0 arm64",
    "packages": {"numpy": "2.3.5"},
    "command": {"name": "talk", "settings": {"vad-start": 0.35, "vad-stop": 0.2}},
    "content": True,
}


@cache
def babble(samples: int, rate: int, pitch: int) -> NDArray[np.float32]:
    """Something like speech: syllables of a voice with harmonics."""
    rng = np.random.default_rng(samples + pitch)
    time = np.arange(samples) / rate
    sung = 2 * np.pi * np.cumsum(pitch * (1 + 0.1 * np.sin(2 * np.pi * 0.9 * time))) / rate
    wave = sum(np.sin(n * sung) / n**1.2 for n in range(1, 9))
    syllables = np.interp(
        time,
        np.arange(0, samples / rate + 0.4, 0.09),
        rng.choice([0.05, 0.3, 0.6, 1.0], int((samples / rate + 0.4) / 0.09) + 2)[
            : len(np.arange(0, samples / rate + 0.4, 0.09))
        ],
    )
    return (0.16 * wave * syllables).astype(np.float32)


@dataclass
class Talk:
    """A conversation, told in seconds from its beginning."""

    seconds: float
    lines: list[tuple[float, int, str, dict[str, Any]]] = field(default_factory=list)
    speech: list[tuple[float, float]] = field(default_factory=list)
    noises: list[tuple[float, float]] = field(default_factory=list)
    voice: list[NDArray[np.float32]] = field(default_factory=list)
    ids: int = 0
    turns: int = 0
    made: int = 0
    taken: int = 0

    def at(self, time: float, kind: str, **fields: Any) -> None:
        """A line at that moment."""
        self.lines.append((round(time, 6), len(self.lines), kind, fields))

    def out(self, time: float, name: str, turn: int | None = None, **v: Any) -> None:
        """An event or an element."""
        self.at(time, "out", e=name, **({} if turn is None else {"turn": turn}), v=v)

    def user(
        self, begin: float, end: float, text: str, *, silence: float = SILENCE_S, over: bool = False
    ) -> tuple[int, float]:
        """The user says something. Returns the turn, and when its transcript came."""
        self.turns += 1
        turn = self.turns
        self.speech.append((begin, end))
        opened = _tick(begin + 3 * BLOCK_S)
        self.out(opened, "Candidate" if over else "TurnOpened", turn)
        words = text.split()
        for n in range(1, len(words)):
            said = begin + (end - begin) * n / len(words)
            if n % 2 == 0 and said > opened:
                self.out(said + 0.09, "Partial", turn, text=" ".join(words[:n]))
        if over:
            self.out(opened + 0.13, "Confirmed", turn)
            self.out(opened + 0.13, "TurnOpened", turn)
        ended = _tick(end + silence)
        self.out(ended, "TurnEnded", turn, position=round(ended * RATE))
        asked = self.ask(ended, "transcribe", turn)
        known = ended + 0.115
        self.at(known, "piece", id=asked, v={"text": text})
        self.at(known, "end", id=asked)
        self.out(known, "Transcribed", turn, text=text)
        return turn, known

    def ask(self, time: float, stage: str, turn: int, **given: Any) -> int:
        """A model is asked."""
        self.ids += 1
        self.at(time, "ask", id=self.ids, stage=stage, turn=turn, **given)
        return self.ids

    def reply(
        self,
        turn: int,
        known: float,
        sentences: list[str],
        *,
        prefill: float = 0.21,
        cut: float | None = None,
        tool: str | None = None,
        underrun: float = 0.0,
        speech_end: float | None = None,
    ) -> float:
        """The assistant replies. Returns when the reply was heard, or was cut."""
        text = " ".join(sentences)
        asked = self.ask(known, "respond", turn, input="...")
        now = known + prefill
        first_token = now
        if tool is not None:
            call = f"ToolCall(name={tool!r}, arguments={{}}, result='12')"
            self.out(now, "Notice", turn, message=f"{tool} was called", detail=call)
            first_token = now = now + 0.6
        self.out(now, "ReplyStarted", turn)
        heard = voiced = 0.0
        first_sound = None
        for n, sentence in enumerate(sentences):
            for word in sentence.split():
                self.at(now, "piece", id=asked, v=f"{word} ")
                self.out(now, "ReplyDelta", turn, text=f"{word} ")
                now += TOKEN_S
            if n == len(sentences) - 1:
                self.at(now, "end", id=asked)
            spoken = self.ask(max(now, voiced), "synthesize", turn, input=sentence)
            voiced = max(now, voiced) + 0.085
            for count in _pieces(0.065 * len(sentence)):
                if cut is not None and voiced > cut:
                    break
                place = {"voice": 1, "at": self.made, "n": count, "rate": VOICE_RATE}
                self.at(voiced, "piece", id=spoken, v=place)
                self.voice.append(babble(count, VOICE_RATE, 190))
                self.made += count
                self.at(voiced, "sink", m="write_samples", n=count, v=count)
                if first_sound is None:
                    first_sound, heard = voiced, voiced + OUT_S
                    self.out(heard, "Speaking", turn)
                    self.position(heard, self.taken)
                if heard < voiced:
                    heard = voiced + OUT_S
                self.hear(heard, count, cut)
                heard += count / VOICE_RATE
                if underrun and n == 0:
                    self.out(heard + underrun, "Underrun", total=480, samples=480, remedy="")
                    heard += underrun
                    underrun = 0.0
                self.taken += count
                voiced += 0.055
            self.at(voiced, "end", id=spoken)
        over = heard if cut is None else min(cut, heard)
        if cut is not None and cut < heard:
            said = text[: int(len(text) * max(0.0, cut - (first_sound or cut)) / (heard or 1))]
            left = round((heard - cut) * VOICE_RATE)
            self.out(cut - 0.13, "Paused", turn)
            self.position(cut, self.taken - left)
            self.at(cut, "sink", m="clear", v=left)
            self.taken -= left
            self.out(cut, "Interrupted", turn, heard=said)
        else:
            self.out(over, "Finished", turn, text=text)
        if speech_end is not None:
            told = {
                "turn_ended_ms": speech_end + SILENCE_S,
                "transcript_ms": known,
                "first_token_ms": first_token,
                "first_audio_ms": first_sound,
            }
            moments = {k: round(1000 * (v - speech_end), 3) for k, v in told.items() if v}
            self.out(over, "TurnMetrics", turn, **moments)
        return over

    def hear(self, begin: float, count: int, cut: float | None) -> None:
        """The loudspeaker plays: it is asked for its position now and then."""
        for n in range(1, 6):
            time = begin + n * count / VOICE_RATE / 5
            if cut is None or time <= cut:
                self.position(time, self.taken + n * count // 5)

    def position(self, time: float, heard: int) -> None:
        """The loudspeaker says how much was heard."""
        self.at(time, "sink", m="position", v=heard)

    def microphone(self) -> NDArray[np.float32]:
        """What the microphone heard."""
        samples = int(self.seconds / BLOCK_S) * BLOCK
        heard = np.random.default_rng(1).normal(0, 0.002, samples).astype(np.float32)
        for begin, end in self.speech:
            at, count = int(begin * RATE), int((end - begin) * RATE)
            heard[at : at + count] += babble(count, RATE, 120)[: len(heard[at : at + count])]
        for begin, end in self.noises:
            at, count = int(begin * RATE), int((end - begin) * RATE)
            heard[at : at + count] += np.random.default_rng(2).normal(0, 0.12, count)
        return heard

    def blocks(self) -> None:
        """The blocks of the microphone, and how they were judged."""
        rng = np.random.default_rng(3)
        probability = 0.0
        for n in range(int(self.seconds / BLOCK_S)):
            begin, end = n * BLOCK_S, (n + 1) * BLOCK_S
            speech = any(a <= begin < b for a, b in self.speech)
            noise = any(a <= begin < b for a, b in self.noises)
            aim = rng.uniform(0.75, 1) if speech else rng.uniform(0.3, 0.6) if noise else 0.03
            probability += 0.6 * (aim - probability)
            time = end + LATE_S
            block = {"src": 0, "at": n * BLOCK, "n": BLOCK, "rate": RATE, "time": begin}
            self.lines.append((round(time, 6), -2, "block", block))
            self.lines.append((round(time, 6), -1, "vad", {"p": round(probability, 3)}))

    def write(self, directory: Path, *, content: bool = True, finish: bool = True) -> Path:
        """Write the trace."""
        directory.mkdir(parents=True, exist_ok=True)
        self.blocks()
        told = sorted(self.lines, key=lambda it: (it[0], it[1]))
        out = [json.dumps({**HEADER, "content": content})]
        samples = action = 0
        before = -1.0
        for time, _, kind, fields in told:
            action += time != before
            before = time
            line = {"k": kind, "a": action, "t": time, "s": samples, **fields}
            out.append(json.dumps(line if content else _lengths(line)))
            samples += fields["n"] if kind == "block" else 0
        if finish:
            last = {"k": "finish", "a": action + 1, "t": self.seconds, "s": samples}
            out.append(json.dumps({**last, "how": "completed"}))
        (directory / "trace.jsonl").write_text("\n".join(out) + "\n", "utf-8")
        if content:
            soundfile.write(directory / "microphone.flac", self.microphone(), RATE, "PCM_16")
            sound = np.concatenate(self.voice) if self.voice else np.zeros(0, np.float32)
            soundfile.write(directory / "voice.flac", sound, VOICE_RATE, "PCM_16")
        return directory


def _tick(time: float) -> float:
    """When the block that has this moment was delivered."""
    return (int(time / BLOCK_S) + 1) * BLOCK_S + LATE_S


def _pieces(seconds: float) -> list[int]:
    whole, rest = divmod(round(seconds * VOICE_RATE), round(PIECE_S * VOICE_RATE))
    return [round(PIECE_S * VOICE_RATE)] * whole + ([rest] if rest else [])


def _lengths(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _lengths(it, key) for key, it in value.items()}
    if isinstance(value, str) and name in ("text", "heard", "input", "v", "message", "detail"):
        return {"chars": len(value)}
    return value


def example(seconds: float = 26.0) -> Talk:
    """A conversation with an interruption, a cough, a failure, a tool, and an underrun."""
    talk = Talk(seconds)
    start = 0.0
    while start + 25.5 <= seconds:
        _exchange(talk, start)
        start += 25.5
    return talk


def _exchange(talk: Talk, at: float) -> None:
    """25 seconds in which everything happens."""
    turn, known = talk.user(at + 0.6, at + 2.1, "What is the weather like in Lisbon today?")
    cut = at + 7.75
    talk.reply(
        *(turn, known),
        ["Let me look.", "It is sunny in Lisbon, with 21 degrees.", "The wind comes from the sea."],
        tool="weather",
        cut=cut,
        speech_end=at + 2.1,
    )
    turn, known = talk.user(at + 7.5, at + 8.6, "And what about tomorrow?", over=True)
    heard = talk.reply(
        *(turn, known),
        ["Tomorrow it will rain in the morning.", "Take an umbrella."],
        underrun=0.25,
        speech_end=at + 8.6,
    )
    cough = at + 11.6
    talk.noises.append((cough, cough + 0.2))
    talk.turns += 1
    talk.out(_tick(cough + 0.06), "Candidate", talk.turns)
    talk.out(_tick(cough + 0.07), "Paused", turn)
    talk.out(_tick(cough + 0.35), "Dropped", talk.turns, reason="short")
    talk.out(_tick(cough + 0.35), "Resumed", turn, reason="short")
    begin = max(heard + 0.6, at + 15.5)
    turn, known = talk.user(begin, begin + 1.2, "Call my sister, please.")
    asked = talk.ask(known, "respond", turn, input="...")
    error = {"type": "ConnectionError", "message": "the server at 127.0.0.1:8000 does not answer"}
    talk.at(known + 0.9, "fail", id=asked, error=error)
    talk.out(known + 0.9, "TurnFailed", turn, error=f"respond failed at turn {turn}: {error}")
    talk.out(known + 0.95, "AudioLost", samples=512, total=512, cause="full", remedy="")
    begin = known + 1.6
    turn, known = talk.user(begin, begin + 0.7, "Thank you, goodbye.")
    talk.reply(turn, known, ["You are welcome.", "Goodbye!"], speech_end=begin + 0.7)
