"""``rxvoice run``: answer a recording."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path

from rxvoice import sinks, sources
from rxvoice.cli._both import BothSides
from rxvoice.cli._conversation import Parts, Story, converse
from rxvoice.errors import ConfigError

__all__ = ["run"]


def run(
    recording: Path,
    output: Path,
    *,
    both: Path | None = None,
    phrases: str | None = None,
    voice: str = "en-us",
    silence_ms: int = 1600,
) -> int:
    """Answer each turn of the recording, print the conversation, write the replies.

    Returns:
        0 if there was speech and every turn was answered, else 1.
    """
    from rxvoice import offline

    for written in (output, both):
        if written is not None and written.resolve() == recording.resolve():
            raise ConfigError(f"{written} is the recording: choose another file to write")
    microphone = sources.wav(recording)
    narrowed = _sentences(phrases) if phrases else None
    tts = offline.tts(voice)
    llm = offline.llm()
    llm.load()  # so that the first turn does not wait for it
    story = Story(progress=_Progress(_seconds(recording)))
    with (
        offline.stt(phrases=narrowed) as stt,
        sinks.wav(output) as sink,
        BothSides(both, tts.sample_rate) if both else nullcontext() as sides,
    ):
        parts = Parts(offline.silero(), stt, llm, tts)
        converse(microphone, parts, sink, story, silence_ms=silence_ms, both=sides)

    if not story.events and not story.failures:
        print(f"heard no speech in {recording}", file=sys.stderr)
        return 1
    written = f"{output} and {both}" if both else str(output)
    print(f"wrote {written}: {len(story.events)} turns answered, {len(story.failures)} failed")
    return 1 if story.failures else 0


def _sentences(phrases: str) -> list[str]:
    from rxvoice import offline

    if phrases == "demo":
        return offline.phrases()
    lines = Path(phrases).read_text("utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _seconds(recording: Path) -> float:
    """The recording's length; 0 where its header does not say."""
    import soundfile

    try:
        return soundfile.info(recording).duration
    except (OSError, RuntimeError):
        return 0.0  # the source says what is wrong with it


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
