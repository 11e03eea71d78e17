"""``rxvoice run``: answer a recording."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from reactivex import operators as ops

from rxvoice import sinks, sources
from rxvoice._audio.audio_file import AudioFile
from rxvoice._files.output import output
from rxvoice.cli._both import BothSides
from rxvoice.cli._commands import COMMANDS, Commands
from rxvoice.cli._options import add_options, typed
from rxvoice.cli._parts import choose
from rxvoice.cli._run_pipe import Story, conversation, converse
from rxvoice.cli._settings import CommandSettings
from rxvoice.cli._signals import Ending
from rxvoice.cli._streams import STDIO, sound_from_stdin, stdout_taken
from rxvoice.cli._traced import check_new, command_of, traced
from rxvoice.cli._transcript import TranscriptFile
from rxvoice.cli._usage import UsageError, check_distinct
from rxvoice.cli._view import PlainView
from rxvoice.cli._warm_up import warm_up
from rxvoice.errors import RxvoiceError
from rxvoice.sources.wav import stated_seconds

__all__ = ["add_run", "run"]

_EPILOG = """\
examples:
  rxvoice run question.wav -o reply.wav
  rxvoice run question.wav -o reply.mp3 --voice espeak:en-us
  rxvoice run meeting.flac -o reply.wav --both both.wav    both sides, left and right
  rxvoice run call.wav -o reply.wav --channel left         two people, one on each channel
  rxvoice run question.wav -o reply.wav --trace monday     keep all of it: rxvoice replay monday
  rxvoice run - -o - < question.wav | aplay                through a pipe
  rxvoice run question.wav -o reply.wav --llm mlx-community/Qwen3-4B-Instruct-2507-4bit
  rxvoice run question.wav -o reply.wav --llm qwen3 --llm-url http://127.0.0.1:8000/v1

recordings:
  The recording may be WAV, FLAC, Ogg or MP3, with any sample rate and number of channels. A turn
  ends after --silence-ms of silence. "-" stands for the standard input or output; text then goes to
  stderr.

demonstration:
  The embedded language model is a demonstration. It knows 78 subjects, and says so when you ask
  about anything else. `rxvoice models` lists other models.

files:
  The suffix of a file sets its format: .wav, .flac, .mp3, .ogg or .opus. A new file replaces an old
  one when it is complete and has something in it. Until then, and if the command is stopped or
  fails, the new file stays beside the old one, as reply.partial.wav for reply.wav.

latencies:
  Under each reply stand its latencies, in milliseconds from the end of the speech: until the turn
  ended, the transcript, the first token of the reply, and the first audio. The recording is played
  as fast as the models can follow.

exit status:
  0 if every turn was answered; 1 if not; 2 for wrong usage; 128 plus the number of the signal that
  stopped the command, which is 130 for ctrl-c.
"""

_SETTINGS = (
    *("models", "stt", "llm", "llm_url", "model_key", "tts", "voice", "system_prompt"),
    *("silence_ms", "vad_start", "vad_stop", "preroll_ms", "max_turn_ms", "transcript"),
    *("trace", "content"),
)
_DEFAULTS: dict[str, Any] = {"silence_ms": 1600}
"""The default that suits a recording better than that of a live conversation."""


def add_run(commands: Commands) -> None:
    """Add the command, its options and its help."""
    parser = commands.add_parser(
        "run",
        help=COMMANDS["run"],
        description="Transcribe each turn of a recording, and write the spoken replies to a file.",
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
        help="also write both sides, in stereo: the recording left, the replies right",
    )
    parser.add_argument(
        "--channel",
        choices=("left", "right"),
        help="use only this channel of a stereo recording (all, mixed)",
    )
    add_options(parser, only=_SETTINGS, **_DEFAULTS)


def run(arguments: argparse.Namespace, ending: Ending) -> int:
    """Answer each turn of the recording, print the conversation, write the replies.

    Args:
        ending: whether the command is told to end.

    Returns:
        0 if every turn was answered, else 1.

    Raises:
        UsageError: an option is wrong, or does not go with another.
        ConfigError: a file or a model cannot be used.
        RxvoiceError: there was no speech, or no turn was answered. No file was written.
    """
    chosen = typed(arguments, **_DEFAULTS)
    recording, to, both = arguments.recording, arguments.output, arguments.both
    _check_files(recording, {"-o": to, "--both": both, "--transcript": chosen.transcript}, chosen)
    check_new(chosen.trace)
    with ExitStack() as streams:
        # A mistake in a file shows before the models are loaded.
        source = streams.enter_context(sound_from_stdin()) if recording == STDIO else recording
        seconds = stated_seconds(recording) if _can_be_read_twice(recording) else None
        out = _opened((to, both, chosen.transcript), streams)
        view = PlainView(sys.stdout)
        story = Story(view, progress=_Progress(seconds or 0), check=ending.check)
        with ExitStack() as stack:
            models = choose(chosen)
            warm_up(models.parts)
            transcript = None
            if chosen.transcript:
                told = TranscriptFile(
                    out[chosen.transcript], command_of(chosen, "run", models.parts)
                )
                transcript = stack.enter_context(told)
                story.tell = transcript.write
            sides = None
            if both:
                sides = stack.enter_context(BothSides(out[both], models.parts.sample_rate))
            sink = stack.enter_context(sinks.wav(out[to]))
            microphone = sources.wav(source, channel=arguments.channel)
            if transcript:
                microphone = microphone.pipe(ops.do_action(transcript.hear))
            pipe = conversation(microphone, models.parts, sink, story, settings=chosen, both=sides)
            converse(pipe, story, traced(chosen, "run", models.parts))
            # Raised inside the block, so that an empty file is not kept.
            if not sink.written:
                name = "the standard input" if recording == STDIO else recording
                what = "answered no turn of" if story.failures else "found no speech in"
                raise RxvoiceError(f"{what} {name}: nothing was written")
        written = " and ".join(str(it) for it in (to, both, chosen.trace) if it is not None)
        print(
            f"wrote {written}: {len(story.finished)} turns answered, {len(story.failures)} failed"
        )
    return 1 if story.failures else 0


def _file(text: str) -> Path:
    """Read a path as typed: "-" is a standard stream, and "./-" a file of that name."""
    if text in ("-", "/dev/stdout"):
        return STDIO
    return Path.cwd() / text if Path(text) == STDIO else Path(text)


def _can_be_read_twice(recording: Path) -> bool:
    # A missing file or a directory raises its own error when it is read.
    return recording != STDIO and (recording.is_file() or not recording.exists())


def _check_files(recording: Path, outputs: dict[str, Path | None], chosen: CommandSettings) -> None:
    if sum(it == STDIO for it in outputs.values()) > 1:
        raise UsageError("only one thing can be written to '-', the standard output")
    inputs = {"the recording": recording}
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
    """For each path, what to write to: the path, or the standard output."""
    return {it: streams.enter_context(stdout_taken()) if it == STDIO else it for it in paths if it}


class _Progress:
    """Prints how much of a long recording has passed: a live line on a terminal, else tenths."""

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
            f"  {percent:3d} % of {self._total / 60:.1f} min",
            end=end,
            file=sys.stderr,
            flush=True,
        )
