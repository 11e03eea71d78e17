"""``rxvoice run``: answer a recording."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from rxvoice import sinks, sources
from rxvoice._audio.audio_file import AudioFile
from rxvoice._files.output import output
from rxvoice.cli._both import BothSides
from rxvoice.cli._commands import Commands
from rxvoice.cli._conversation import Story, converse
from rxvoice.cli._settings import Settings, add_options, typed
from rxvoice.cli._signals import Ending
from rxvoice.cli._streams import STDIO, sound_from_stdin, stdout_taken
from rxvoice.cli._talk_models import choose
from rxvoice.cli._transcript import TranscriptFile
from rxvoice.cli._usage import UsageError, check_distinct
from rxvoice.cli._warm_up import warm_up
from rxvoice.errors import RxvoiceError
from rxvoice.sources.wav import stated_seconds

__all__ = ["add_run", "run"]

_EPILOG = """\
The recording may be WAV, FLAC, Ogg or MP3, of any sample rate and number of channels. Each turn of
its speaker, ended by --silence-ms of silence, is written down and answered aloud. The suffix of a
file that is written says its format: .wav, .flac, .mp3, .ogg or .opus. "-" is the standard input or
output, and text goes to stderr then. A file that was there is replaced when the new one is complete
and has something in it; until then, and when the command is stopped or fails, the new one is beside
it, as reply.partial.wav for reply.wav.

The embedded language model is a demonstration: it knows about twenty subjects and says so when it
is asked anything else. `rxvoice models` lists others.

examples:
  rxvoice run question.wav -o reply.wav
  rxvoice run question.wav -o reply.mp3 --phrases demo     listen only for what the model knows
  rxvoice run meeting.flac -o reply.wav --both both.wav    both sides, left and right
  rxvoice run call.wav -o reply.wav --channel left         two people, one on each channel
  rxvoice run - -o - < question.wav | aplay                through a pipe
  rxvoice run question.wav -o reply.wav --llm mlx-community/Qwen3-4B-Instruct-2507-4bit

exit status: 0 when all turns were answered, 1 when not, 2 for wrong usage, and 128 and the number
of the signal when it was stopped by one, 130 for ctrl-c.
"""

_SETTINGS = (
    *("models", "stt", "llm", "tts", "phrases", "voice", "system_prompt"),
    *("silence_ms", "vad_start", "vad_stop", "preroll_ms", "max_turn_ms", "transcript"),
)
_DEFAULTS = {"phrases": "any", "silence_ms": 1600}
"""Where a recording is another thing than a conversation."""


def add_run(commands: Commands) -> None:
    """Add the command, its options and its help."""
    parser = commands.add_parser(
        "run",
        help="answer a recording",
        description="Answer a recording, turn by turn, offline where the models are.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recording", type=_file, help="an audio file, or - for the standard input")
    parser.add_argument(
        "-o",
        "--output",
        type=_file,
        required=True,
        metavar="FILE",
        help="where to write the replies; - for the standard output",
    )
    parser.add_argument(
        "--both",
        type=_file,
        metavar="FILE",
        help="write both sides too, in stereo: the speaker left, the replies right",
    )
    parser.add_argument(
        "--channel",
        choices=("left", "right"),
        help="hear only this channel of a stereo recording (all, mixed)",
    )
    add_options(parser, only=_SETTINGS, **_DEFAULTS)


def run(arguments: argparse.Namespace, ending: Ending) -> int:
    """Answer each turn of the recording, print the conversation, write the replies.

    Args:
        ending: whether the command is told to end.

    Returns:
        0 if every turn was answered, else 1.

    Raises:
        UsageError: options that cannot be, or not together.
        ConfigError: a file or a model that cannot be.
        RxvoiceError: there was no speech, or no turn was answered: no file was written.
    """
    chosen = typed(arguments, **_DEFAULTS)
    recording, to, both = arguments.recording, arguments.output, arguments.both
    _check_files(recording, {"-o": to, "--both": both, "--transcript": chosen.transcript}, chosen)
    with ExitStack() as streams:
        # What is wrong with a file should show before models are loaded.
        source = streams.enter_context(sound_from_stdin()) if recording == STDIO else recording
        seconds = stated_seconds(recording) if _can_be_read_twice(recording) else None
        out = _opened((to, both, chosen.transcript), streams)
        story = Story(progress=_Progress(seconds or 0), check=ending.check)
        with ExitStack() as stack:
            models = choose(chosen, stack)
            warm_up(models.parts)
            if chosen.transcript:
                story.tell = stack.enter_context(TranscriptFile(out[chosen.transcript])).write
            sides = None
            if both:
                rate = getattr(models.parts.tts, "sample_rate", 24_000)
                sides = stack.enter_context(BothSides(out[both], rate))
            sink = stack.enter_context(sinks.wav(out[to]))
            microphone = sources.wav(source, channel=arguments.channel)
            converse(microphone, models.parts, sink, story, settings=chosen, both=sides)
            # Raised in the block, so that a file in which there is nothing is none.
            if not sink.written:
                name = "the standard input" if recording == STDIO else recording
                what = "answered no turn of" if story.failures else "heard no speech in"
                raise RxvoiceError(f"{what} {name}: nothing was written")
        written = " and ".join(str(it) for it in (to, both) if it is not None)
        print(f"wrote {written}: {len(story.events)} turns answered, {len(story.failures)} failed")
    return 1 if story.failures else 0


def _file(text: str) -> Path:
    """A path as it was typed; a file of the name "-" is "./-"."""
    if text in ("-", "/dev/stdout"):
        return STDIO
    return Path.cwd() / text if Path(text) == STDIO else Path(text)


def _can_be_read_twice(recording: Path) -> bool:
    # What is missing, or a directory, says so when it is read.
    return recording != STDIO and (recording.is_file() or not recording.exists())


def _check_files(recording: Path, outputs: dict[str, Path | None], chosen: Settings) -> None:
    if sum(it == STDIO for it in outputs.values()) > 1:
        raise UsageError("only one thing can be written to '-', the standard output")
    inputs = {"the recording": recording, "the file of phrases": Path(chosen.phrases)}
    check_distinct(
        {what: path for what, path in outputs.items() if path != STDIO},
        {what: path for what, path in inputs.items() if path != STDIO},
    )
    for what, path in outputs.items():
        if path is not None and path != STDIO:
            output(path) if what == "--transcript" else AudioFile(path, 1)


def _opened(
    paths: tuple[Path | None, ...], streams: ExitStack
) -> dict[Path | None, Path | BinaryIO]:
    """What each is written to."""
    return {it: streams.enter_context(stdout_taken()) if it == STDIO else it for it in paths if it}


class _Progress:
    """How much of a long recording has been heard: a live line on a terminal, else every tenth."""

    def __init__(self, total: float) -> None:
        self._total = total
        self._told = 0
        self._steps = 100 if sys.stderr.isatty() else 10

    def __call__(self, at: float) -> None:
        if self._total < 60:
            return
        step = int(self._steps * at / self._total)
        if step == self._told:
            return
        self._told = step
        percent = 100 * step // self._steps
        end = "\r" if sys.stderr.isatty() else "\n"
        print(
            f"  heard {percent:3d} % of {self._total / 60:.1f} min",
            end=end,
            file=sys.stderr,
            flush=True,
        )
