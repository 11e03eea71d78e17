"""``rxvoice demo``: the recorded conversation, on the embedded models."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

from rxvoice import sinks, sources
from rxvoice._text.words import words
from rxvoice.cli._both import BothSides
from rxvoice.cli._conversation import Parts, Story, converse
from rxvoice.cli._settings import Settings
from rxvoice.cli._warm_up import warm_up
from rxvoice.elements import FinishedTurn
from rxvoice.errors import ConfigError
from rxvoice.slots import TranscriberSlot

__all__ = ["MODELS", "demo"]

_HEARS = {
    "mlx": "a small Moonshine that knows twenty sentences, on MLX",
    "offline": "pocketsphinx, narrowed to the sentences that the language model knows",
}

MODELS = tuple(_HEARS)
"""What the demo can hear with; it thinks and speaks the same either way."""

_DATA = Path(__file__).parent.parent / "data"


class _Said(TypedDict):
    text: str


def demo(out: Path, *, models: str = "mlx", realtime: bool = False) -> int:
    """Hold the conversation, print it, write ``reply.wav`` and ``conversation.wav`` into `out`.

    Args:
        out: a directory; made where it is not there.
        models: one of `MODELS`.
        realtime: play the recording at the speed of speech.

    Returns:
        0 if every turn was heard as it was said, else 1.

    Raises:
        ConfigError: `out` is no directory, and none can be made there.
        MissingDependency: a part is not installed; says how.
    """
    from rxvoice import offline

    _make(out)
    reply, conversation = out / "reply.wav", out / "conversation.wav"
    said: list[_Said] = json.loads((_DATA / "demo.json").read_text("utf-8"))["turns"]

    print("A recorded voice talks to the embedded models, offline.")
    print(f"  hears    Silero, and {_HEARS[models]}")
    print("  thinks   a small Llama that knows about twenty subjects, on MLX")
    print("  speaks   espeak-ng")
    print(flush=True)

    tts = offline.tts()
    story = Story()
    with (
        _recogniser(models) as stt,
        sinks.wav(reply) as sink,
        BothSides(conversation, tts.sample_rate) as both,
    ):
        parts = Parts(offline.silero(), stt, offline.llm(), tts)
        warm_up(parts)
        converse(
            sources.wav(_DATA / "demo.wav", realtime=realtime),
            parts,
            sink,
            story,
            settings=Settings(silence_ms=1600),
            both=both,
        )

    print()
    print(f"wrote {reply}, the replies, and {conversation}, {both.seconds:.1f} s of both sides")
    heard = _heard(said, story.events)
    print(f"heard {heard} of {len(said)} turns as they were said")
    print("talk with it yourself: rxvoice talk")
    return 0 if heard == len(said) == len(story.events) else 1


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = "a file" if out.is_file() else "no directory, and none can be made there"
        raise ConfigError(
            f"--out must be a directory to write to, {str(out)!r} is {what} ({error.strerror}): "
            "name another"
        ) from error


@contextmanager
def _recogniser(models: str) -> Generator[TranscriberSlot]:
    from rxvoice import offline

    if models == "offline":
        with offline.stt(phrases=offline.phrases()) as stt:
            yield stt
        return
    yield offline.demo_stt()


def _heard(said: list[_Said], events: list[FinishedTurn]) -> int:
    """How many turns were heard word for word."""
    return sum(
        words(truth["text"]) == words(event.user_text)
        for truth, event in zip(said, events, strict=False)
    )
