"""`plain_talk`: a recording and a transcript of before, as far as they are a trace."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from rxvoice import sources
from rxvoice._audio.pcm16 import to_pcm16
from rxvoice._audio.samples import Samples
from rxvoice.chunks import AudioChunk
from rxvoice.cli._parts import Parts
from rxvoice.cli._settings import CommandSettings
from rxvoice.cli._traced import command_of, settings_of_trace
from rxvoice.cli._what_if import RecordedTalk
from rxvoice.slots import VadSlot
from rxvoice.trace import Trace, TraceLine, read
from rxvoice.trace._header import header
from rxvoice.trace._known import KnownAnswers
from rxvoice.trace._outline import OutlineTurn, speech_of
from rxvoice.turn import TurnWriter

_RATE, _CHUNK = 16_000, 512


def plain_talk(
    recording: Path, transcript: Path | None, directory: Path, detector: VadSlot
) -> RecordedTalk:
    """Make a trace of what is known of a conversation, to hold it with other settings.

    The user is the left side of the recording. The detector judges its chunks anew. What was said
    and replied, and when, is in the transcript. The conversation "as it was" is the one that these
    give without a change.

    Args:
        recording: as ``rxvoice talk --record`` writes it; mono is the user alone.
        transcript: as ``--transcript`` writes it; None: no word is known.
        directory: an empty one, for the trace.
        detector: a model for the chunks.

    Raises:
        ConfigError: a file cannot be used.
    """
    told = None if transcript is None else read(transcript)
    samples = _left(recording)
    ask: Any = getattr(detector, "probability", detector)
    starts = range(0, len(samples) - _CHUNK + 1, _CHUNK)
    judged = [float(ask(samples[at : at + _CHUNK])) for at in starts]
    command = _command(told)
    lines = [*_heard(judged), *(_answers(told) if told else ())]
    lines.sort(key=lambda it: it["t"])
    _write(directory, command, lines, samples)
    trace = read(directory)
    settings = settings_of_trace(command)
    turns = _turns(told, samples, judged, settings) if told else []
    recorded = RecordedTalk(trace, settings, turns, KnownAnswers(trace, turns))
    return replace(recorded, turns=recorded.with_settings({}).turns)


def _left(recording: Path) -> Samples:
    import soundfile

    stereo = soundfile.info(str(recording)).channels == 2 if recording.is_file() else False
    blocks: list[Samples] = []
    failed: list[Exception] = []
    source = sources.wav(recording, sample_rate=_RATE, channel="left" if stereo else None)
    source.subscribe(lambda it: blocks.append(it.samples), failed.append)
    if failed:
        raise failed[0]
    return np.concatenate([*blocks, np.empty(0, np.float32)])


def _command(told: Trace | None) -> dict[str, Any]:
    """The command of the transcript, whose recogniser is taken as one that does not stream."""
    found = None if told is None else told.header.get("command")
    if isinstance(found, dict):
        command = cast("dict[str, Any]", found)
        # What the loudspeaker played is not known, so that nothing can be removed from the sound.
        settings = {**command["settings"], "echo": "off"}
    else:
        none: Any = None
        command = command_of(CommandSettings(echo="off"), "talk", Parts(none, none, none, none))
        settings = cast("dict[str, Any]", command["settings"])
    models = {**cast("dict[str, Any]", command.get("models") or {}), "streams": False}
    return {"name": "talk", "settings": settings, "models": models}


def _heard(judged: list[float]) -> Iterator[dict[str, Any]]:
    yield {"k": "source", "t": 0.0, "s": 0, "src": 0, "name": "microphone"}
    for n, p in enumerate(judged):
        at, end = n * _CHUNK, (n + 1) * _CHUNK
        common = {"a": n + 1, "t": end / _RATE}
        yield {**common, "k": "block", "s": at, "src": 0, "at": at, "n": _CHUNK, "rate": _RATE}
        yield {**common, "k": "vad", "s": end, "p": p}


def _answers(told: Trace) -> Iterator[dict[str, Any]]:
    """What the models were asked, from the events of each turn."""
    by_turn: dict[int, list[TraceLine]] = defaultdict(list)
    for line in told.of("out"):
        by_turn[line.count("turn")].append(line)
    number = 0
    for turn, lines in by_turn.items():
        first = {name: it for it in reversed(lines) if (name := it.text("e"))}
        heard, ended = first.get("Transcribed"), first.get("TurnEnded")
        if heard is None or ended is None:
            continue
        text = heard.table("v").get("text", "")
        number += 1
        yield _line("ask", ended, id=number, stage="transcribe", turn=turn)
        yield _line("piece", heard, id=number, v={"text": text})
        yield _line("end", heard, id=number)
        started = first.get("ReplyStarted")
        if started is None:
            continue
        number += 1
        deltas = [it for it in lines if it.text("e") == "ReplyDelta"]
        yield _line("ask", heard, id=number, stage="respond", turn=turn, input=text)
        for it in deltas:
            yield _line("piece", it, id=number, v=it.table("v").get("text", ""))
        if "Interrupted" not in first and "TurnFailed" not in first:
            yield _line("end", deltas[-1] if deltas else started, id=number)
        if (speaking := first.get("Speaking")) is not None:
            # How long a sentence is, nobody knows: there is no end, and its length is estimated.
            number += 1
            reply = "".join(str(it.table("v").get("text", "")) for it in deltas)
            yield _line("ask", started, id=number, stage="synthesize", turn=turn, input=reply)
            place = {"voice": 1, "at": 0, "n": 1, "rate": 24_000}
            yield _line("piece", speaking, id=number, v=place)


def _line(kind: str, at: TraceLine, **fields: object) -> dict[str, Any]:
    return {"k": kind, "a": at.action, "t": at.at, "s": at.samples, **fields}


def _write(
    directory: Path, command: dict[str, Any], lines: list[dict[str, Any]], samples: Samples
) -> None:
    import soundfile

    soundfile.write(str(directory / "microphone.flac"), to_pcm16(samples), _RATE, "PCM_16")
    head = {**header(0.0, command, content=True), "started": None}
    text = "".join(json.dumps(it) + "\n" for it in (head, *lines))
    (directory / "trace.jsonl").write_text(text, "utf-8")


def _turns(
    told: Trace, samples: Samples, judged: list[float], settings: CommandSettings
) -> list[OutlineTurn]:
    """The turns of the transcript, with the sound of the recording."""
    found: list[OutlineTurn] = []
    spans: dict[int, int] = {}
    for line in told.of("out"):
        turn, v = line.count("turn"), line.table("v")
        if line.text("e") in ("TurnOpened", "Candidate"):
            spans[turn] = int(v.get("start", 0)) * _RATE // int(v.get("rate", _RATE))
        elif line.text("e") == "TurnEnded" and turn in spans:
            start, end = spans[turn], int(v.get("position", 0))
            writer = TurnWriter(turn, start, _RATE)
            for n in range(start // _CHUNK, min(-(-end // _CHUNK), len(judged))):
                at = max(start, n * _CHUNK)
                cut = samples[at : (n + 1) * _CHUNK]
                speech = judged[n] >= settings.vad_stop
                writer.append(AudioChunk(cut, _RATE, at, speech=speech))
            writer.close("policy", 0)
            speech = speech_of(writer.turn)
            found.append(OutlineTurn(writer.turn, line.at, ended=line.at, speech=speech))
    return found
