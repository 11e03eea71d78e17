"""``rxvoice demo``: a recorded conversation with the embedded models."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from rxvoice import sinks, sources
from rxvoice._text.words import words
from rxvoice.cli._both import BothSides
from rxvoice.cli._commands import Commands
from rxvoice.cli._parts import choose
from rxvoice.cli._run_pipe import Story, converse
from rxvoice.cli._settings import CommandSettings
from rxvoice.cli._view import PlainView, columns
from rxvoice.cli._warm_up import warm_up
from rxvoice.elements import FinishedTurn
from rxvoice.errors import ConfigError

__all__ = ["MODELS", "add_demo", "demo"]

MODELS = ("offline", "mlx")
"""What the demo can transcribe with. It replies and speaks the same either way."""

_DATA = Path(__file__).parent.parent / "data"

_EPILOG = """\
Under each reply stand its latencies, in milliseconds from the end of the user's speech, in the
order in which they pass: until the turn ended, the transcript, the first token of the reply, and
the first audio. The recording is played as fast as the models can follow; with --realtime it
takes its own time.

examples:
  rxvoice demo                          writes out/reply.wav and out/conversation.wav
  rxvoice demo --realtime               plays the recording at the speed of speech
  rxvoice demo --out /tmp/demo --models mlx

The embedded language model knows 78 subjects, in `rxvoice talk` too. With --models mlx, the demo
knows these sentences:

{known}
"""


def add_demo(commands: Commands) -> None:
    """Add the command, its options and its help."""
    from rxvoice.offline.demo_stt import demo_phrases

    parser = commands.add_parser(
        "demo",
        help="hold a recorded conversation with the embedded models, offline",
        description="Play a recorded voice to the embedded models, offline. Print the conversation "
        "as it happens, and write the replies and both sides as sound. The exit status is 0 only "
        "if every turn was transcribed as it was said.",
        epilog=_EPILOG.format(known="\n".join(f"  {it}" for it in demo_phrases())),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--out", type=Path, default=Path("out"), metavar="DIR", help="where to write (out)"
    )
    parser.add_argument(
        "--models",
        choices=MODELS,
        default=MODELS[0],
        help="transcribe with Whisper tiny.en, or with a small Moonshine on MLX (offline)",
    )
    parser.add_argument(
        "--realtime", action="store_true", help="play the recording at the speed of speech"
    )


def demo(out: Path, *, models: str = "offline", realtime: bool = False) -> int:
    """Hold the conversation, print it, and write ``reply.wav`` and ``conversation.wav``.

    Args:
        out: the directory to write to; it is made if it does not exist.
        models: one of `MODELS`.
        realtime: play the recording at the speed of speech.

    Returns:
        0 if every turn was transcribed as it was said, else 1.

    Raises:
        ConfigError: `out` is not a directory and cannot be made.
        MissingDependency: a part is not installed. The message says how to install it.
    """
    _make(out)
    reply, conversation = out / "reply.wav", out / "conversation.wav"
    said: list[dict[str, str]] = json.loads((_DATA / "demo.json").read_text("utf-8"))["turns"]
    settings = CommandSettings(models=models, silence_ms=1600)

    story = Story(PlainView(sys.stdout))
    with ExitStack() as stack:
        chosen = choose(settings)
        print("A recorded voice talks to the embedded models, offline.")
        print(*replace(chosen, can_be_said=()).told(columns()), sep="\n")
        print(flush=True)
        sink = stack.enter_context(sinks.wav(reply))
        both = stack.enter_context(BothSides(conversation, chosen.parts.sample_rate))
        warm_up(chosen.parts)
        recording = sources.wav(_DATA / "demo.wav", realtime=realtime)
        converse(recording, chosen.parts, sink, story, settings=settings, both=both)

    print()
    print(f"wrote {reply}, the replies, and {conversation}, {both.seconds:.1f} s of both sides")
    right = _as_said(said, story.finished)
    print(f"{right} of {len(said)} turns transcribed as they were said")
    print("talk with it yourself: rxvoice talk")
    return 0 if right == len(said) == len(story.finished) else 1


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = "a file" if out.is_file() else "not a directory and cannot be made"
        raise ConfigError(
            f"--out must be a directory to write to, {str(out)!r} is {what} ({error.strerror}): "
            "name another"
        ) from error


def _as_said(said: list[dict[str, str]], finished: list[FinishedTurn]) -> int:
    """Count the turns that were transcribed word for word."""
    return sum(
        words(truth["text"]) == words(turn.user_text)
        for truth, turn in zip(said, finished, strict=False)
    )
