"""``rxvoice replay``: a recorded conversation again, as it was or as it would have been."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

from rxvoice._files.output import output
from rxvoice.cli._commands import COMMANDS, Commands
from rxvoice.cli._curve import curve
from rxvoice.cli._parts import choose
from rxvoice.cli._pipe_of_trace import pipe_of
from rxvoice.cli._plain_talk import plain_talk
from rxvoice.cli._signals import Ending
from rxvoice.cli._sweep import SweepPoint, as_row, sweep, sweep_values
from rxvoice.cli._usage import UsageError
from rxvoice.cli._view import PlainView, columns
from rxvoice.cli._warm_up import warm_up
from rxvoice.cli._what_if import CHANGEABLE, RecordedTalk, changes, told
from rxvoice.errors import ReplayDiffers
from rxvoice.events import Event
from rxvoice.trace import Trace, read
from rxvoice.trace import replay as replayed

__all__ = ["add_replay", "replay"]

_EPILOG = """\
Record a conversation first:

  rxvoice talk --trace monday            or: rxvoice run question.wav -o reply.wav --trace monday

examples:
  rxvoice replay monday                  the same conversation again, in a moment
  rxvoice replay monday --change silence-ms=400 --change min-words=2
                                         what would have been different?
  rxvoice replay --sweep silence-ms=200:1600:100 monday tuesday -o curve.svg
                                         how short may the silence be for these users?
  rxvoice replay talk.wav --transcript talk.jsonl --change silence-ms=400
                                         a recording of before

replay:
  The pipe of the command runs again, and all that came from outside comes from the trace: the sound
  of the microphone, what each model answered, what the loudspeaker had played, the keys, the time.
  No device is opened, no model is loaded and nothing is played. What comes out is compared with
  what came out then. It is the same, unless rxvoice has changed in between: then the first
  difference is shown with what stands around it. `rxvoice.testing.replay("monday")` is the same as
  a test.

what if:
  With --change, the conversation is held in virtual time with other settings. What does not depend
  on them is as recorded: what the microphone heard and when, how the detector judged each chunk,
  what you pressed. A model that is asked the same gives the same answer, after the same time. Where
  it would have been asked something else, the story says what stands in: the recorded words within
  the new turn, the reply of the nearest turn, the usual length of a sentence. Nobody knows what the
  user would have said to another reply. With --models live, the models are loaded and asked again,
  and take as long as they take on this machine.

recordings of before:
  What `rxvoice talk --record talk.wav --transcript talk.jsonl` wrote can be changed, too, as far as
  it goes. The user is the left side. The detector judges it anew. How long the voice spoke is
  estimated, and echo is not told from speech.

sweep:
  With --sweep, every value is tried on all traces. "cut off" counts how often a turn would have
  ended while the user was not done. As one utterance counts what was one turn when it was recorded,
  and what the user said on before hearing anything of the reply. "joined" counts turns that would
  have had more than one utterance. The latencies are from the end of the speech to the first sound
  of the reply, as in `rxvoice talk`.

exit status:
  0 if the same came out; 1 if not; 2 for wrong usage; 130 for ctrl-c.
"""


def add_replay(commands: Commands) -> None:
    """Add the command, its options and its help."""
    parser = commands.add_parser(
        "replay",
        help=COMMANDS["replay"],
        description="Run a recorded conversation again, without devices and models, and see that "
        "the same comes out.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "traces",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="what --trace DIR recorded; with --change or --sweep also a recording of before, as "
        "talk --record wrote it",
    )
    parser.add_argument(
        "--transcript",
        type=Path,
        metavar="FILE",
        help="what was said in that recording, as talk --transcript wrote it",
    )
    parser.add_argument(
        "--change",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="hold the conversation with another setting, such as silence-ms=400, and show what "
        f"would have been different; may be given several times: {', '.join(CHANGEABLE)}",
    )
    parser.add_argument(
        "--models",
        choices=("recorded", "live"),
        default="recorded",
        help="with --change: what answers, the trace, or the models of the command, which are "
        "loaded and asked again on this machine (recorded)",
    )
    parser.add_argument(
        "--sweep",
        metavar="NAME=FIRST:LAST:STEP",
        help="try each value of a setting on all traces, and print cut-offs against latency",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="with --sweep: draw the curve, as an SVG"
    )


def replay(arguments: argparse.Namespace, ending: Ending) -> int:
    """Replay each trace, and print its story.

    Args:
        ending: whether the command is told to end.

    Returns:
        0 if what came out is the same; 1 if not.

    Raises:
        ConfigError: there is no trace, or it cannot be replayed.
    """
    changed = changes(arguments.change)
    if arguments.models == "live" and (arguments.sweep or not changed):
        raise UsageError("--models live asks the models again after a --change: give one")
    plain = [it for it in arguments.traces if it.is_file() and it.name != "trace.jsonl"]
    if plain and not changed and not arguments.sweep:
        raise UsageError(
            f"{plain[0]} is a recording, in which nothing can be compared: give --change or --sweep"
        )
    if arguments.transcript is not None and len(plain) != 1:
        raise UsageError("--transcript is of one recording: give that, and one alone")
    if arguments.output is not None and not arguments.sweep:
        raise UsageError("-o draws the curve of --sweep: give that, too")
    try:
        if arguments.sweep:
            return _swept(arguments, changed, ending)
        with ExitStack() as stack:
            for path in arguments.traces if changed else ():
                recorded = _recorded(path, arguments.transcript, stack, ending)
                _changed(recorded, changed, ending, live=arguments.models == "live")
    except ReplayDiffers as error:
        print(error, flush=True)
        return 1
    if changed:
        return 0
    same = [_exactly(read(it), ending) for it in arguments.traces]
    return 0 if all(same) else 1


def _swept(arguments: argparse.Namespace, changed: Mapping[str, object], ending: Ending) -> int:
    name, values = sweep_values(arguments.sweep)
    if name.replace("-", "_") in changed:
        raise UsageError(f"--change and --sweep both set {name}: leave one out")
    with ExitStack() as stack:
        recorded = [_recorded(it, arguments.transcript, stack, ending) for it in arguments.traces]
        return _curve_of(arguments, name, values, recorded, changed, ending)


def _curve_of(
    arguments: argparse.Namespace,
    name: str,
    values: list[float],
    recorded: list[RecordedTalk],
    changed: Mapping[str, object],
    ending: Ending,
) -> int:
    print(as_row(None, name), flush=True)
    points: list[SweepPoint] = []
    for point in sweep(recorded, name, values, changed, ending.check):
        points.append(point)
        print(as_row(point, name), flush=True)
    now = {float(getattr(it.settings, name.replace("-", "_"))) for it in recorded}
    said = points[0].said
    print(
        f"\n{said} utterances of {len(recorded)} recorded "
        f"{'conversation' if len(recorded) == 1 else 'conversations'}, with "
        f"{name} {' and '.join(f'{it:g}' for it in sorted(now))}"
    )
    if arguments.output is not None:
        drawn = curve(name, points, now.pop() if len(now) == 1 else None)
        with closing(output(arguments.output)) as file:
            file.open().write(drawn.encode())
            file.complete = True
        print(f"wrote {arguments.output}")
    return 0


def _recorded(
    path: Path, transcript: Path | None, stack: ExitStack, ending: Ending
) -> RecordedTalk:
    if not path.is_file() or path.name == "trace.jsonl":
        return RecordedTalk.of(read(path), ending.check)
    from rxvoice import offline

    directory = stack.enter_context(TemporaryDirectory(prefix="rxvoice-"))
    return plain_talk(path, transcript, Path(directory), offline.silero())


def _changed(
    recorded: RecordedTalk, changed: Mapping[str, object], ending: Ending, *, live: bool
) -> None:
    parts = choose(recorded.settings).parts if live else None
    if parts is not None:
        warm_up(parts)
    would = recorded.with_settings(changed, ending.check, parts=parts)
    ending.check()
    for line in told(recorded.turns, would, columns()):
        print(line, flush=True)
    if would.error is not None:
        print(f"it would have failed with: {would.error}", flush=True)


def _exactly(trace: Trace, ending: Ending) -> bool:
    view = PlainView(sys.stdout)
    count = 0
    failed: list[Exception] = []

    def show(element: object) -> None:
        nonlocal count
        count += 1
        if isinstance(element, Event):
            view.show(element)

    began = time.perf_counter()
    pipe = pipe_of(trace, check=ending.check)
    replayed(trace, pipe).subscribe(show, failed.append)
    took = time.perf_counter() - began
    ending.check()
    if failed and isinstance(failed[0], ReplayDiffers):
        print(failed[0], flush=True)
        return False
    end = f"; it ended, as then, with: {failed[0]}" if failed else ""
    seconds = trace_seconds(trace)
    faster = seconds / took
    print(
        f"the same {count:,} elements came out, {faster:,.0f} times faster than real time "
        f"({_clock(seconds)} in {took:.2f} s){end}",
        flush=True,
    )
    return True


def trace_seconds(trace: Trace) -> float:
    """How long the conversation took; one of a recording, how long the recording is."""
    last = next((it for it in reversed(trace.lines) if it.kind == "block"), None)
    sound = 0.0 if last is None else (last.count("at") + last.count("n")) / last.count("rate", 1)
    return max(trace.duration, sound)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
