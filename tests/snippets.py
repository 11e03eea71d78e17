"""The Python snippets of a page, each run as a program: ``python tests/snippets.py PAGE``.

One process may run several pages: each snippet has names of its own.

They are the programs that a reader would type, so they ask for a microphone, a loudspeaker, models
from the hub and a press of Enter. Here they get substitutes, and nothing else is changed:

- ``rxv.microphone(...)`` is the recorded voice of the demo, at once rather than in its time, on a
  thread of its own as the real one; it ends where the recording does;
- ``rxv.speaker(...)`` keeps what it is given, and has played it at once;
- ``rxv.silero``, ``rxv.mlx.stt``, ``llm`` and ``tts`` give the embedded parts, whatever the name,
  and without the tools, which the embedded language model was not taught to call; ``stt`` opens
  a directory that is there;
- ``offline.stt()`` and ``tts()`` are those of `embedded`, but for ``real=True``;
- ``input(...)`` returns when the microphone has ended;
- ``127.0.0.1:8321`` is a server with the demonstration's language model.

A text block that directly follows a snippet is what it must print; ``...`` stands for anything.
"""

from __future__ import annotations

import builtins
import contextlib
import doctest
import io
import re
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

from embedded import quick, shared

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
RECORDING = Path(__file__).parent.parent / "rxvoice" / "data" / "demo.wav"
PATIENCE = 60.0  # seconds
SERVER = "127.0.0.1:8321"


@dataclass(frozen=True)
class Snippet:
    """A fenced block of a page, its line, and what is shown below it as printed."""

    line: int
    language: str
    code: str
    printed: str | None


def snippets(page: Path) -> list[Snippet]:
    """The fenced blocks of a page."""
    text = page.read_text("utf-8")
    return [
        Snippet(text[: found.start()].count("\n") + 1, found[1], found[2], found[3])
        for found in FENCE.finditer(text)
    ]


def loudspeaker(*_: object, **__: object) -> Any:
    """A sink in memory that has played everything the moment it is written."""
    import reactivex as rx

    from rxvoice.sinks.memory import MemorySink

    class Loudspeaker(MemorySink):
        position = 0
        queued_ms = 0.0
        events = played = rx.never()

        def write_samples(self, samples: Any, /) -> int:
            taken = super().write_samples(samples)
            self.position += taken
            return taken

        def pause(self) -> None: ...

        def resume(self) -> None: ...

        def use(self, device: object) -> None: ...

    return Loudspeaker()


class Stage:
    """The substitutes."""

    def __init__(self, *, real: bool = False) -> None:
        self._real = real
        self._ended = threading.Event()
        self.raised: list[str] = []
        """What threads have died of."""

    def died(self, how: threading.ExceptHookArgs) -> None:
        """A thread's exception fails the snippet, and nobody waits for the thread any more."""
        told = traceback.format_exception(how.exc_type, how.exc_value, how.exc_traceback)
        self.raised.append("".join(told))
        self._ended.set()

    def microphone(self, *_: object, **__: object) -> Any:
        """The recorded voice, on a thread of its own where no scheduler is given."""
        import reactivex as rx
        from reactivex import operators as ops
        from reactivex.scheduler import EventLoopScheduler

        import rxvoice as rxv

        def captured(chunk: rxv.AudioChunk) -> rxv.AudioChunk:
            return replace(chunk, time=time.monotonic())

        recorded = rxv.sources.wav(RECORDING).pipe(
            ops.map(captured), ops.do_action(on_completed=self._ended.set)
        )

        def subscribe(observer: Any, scheduler: Any = None) -> Any:
            return recorded.subscribe(
                observer, scheduler=scheduler or EventLoopScheduler(exit_if_empty=True)
            )

        return rx.create(subscribe)

    def input(self, prompt: str = "") -> str:
        """Enter is pressed when the microphone has ended."""
        if not self._ended.wait(PATIENCE):
            raise TimeoutError("the microphone did not end")
        return ""

    @contextlib.contextmanager
    def set(self) -> Iterator[None]:
        """Put the substitutes in the places of the real things, for as long as it lasts."""
        import rxvoice as rxv
        from rxvoice import mlx, offline

        real_llm, real_stt = mlx.llm, mlx.stt
        here = Path(offline.__file__).parent

        def stt(model: str | Path, **__: object) -> object:
            return real_stt(model) if Path(model).is_dir() else offline.demo_stt()

        def llm(*_: object, tools: object = None, **options: Any) -> object:
            return real_llm(str(here / "demo-llm"), **options)

        places: list[tuple[Any, str, object]] = [
            (mlx, "stt", stt),
            (mlx, "llm", llm),
            (mlx, "tts", lambda *_, **__: quick()),
            (rxv, "microphone", self.microphone),
            (rxv, "speaker", loudspeaker),
            (rxv, "silero", lambda *_, **__: offline.silero()),
            (builtins, "input", self.input),
            (threading, "excepthook", self.died),
        ]
        with contextlib.ExitStack() as stack:
            if not self._real:
                stack.enter_context(shared())
            for place, name, substitute in places:
                stack.enter_context(mock.patch.object(place, name, substitute, create=True))
            yield


def run(snippet: Snippet, *, real: bool = False) -> str | None:
    """Execute a snippet; what is wrong with it, or None."""
    out = io.StringIO()
    stage = Stage(real=real)
    try:
        with stage.set(), contextlib.redirect_stdout(out):
            exec(compile(snippet.code, "snippet", "exec"), {"__name__": "__main__"})
    except BaseException:
        return f"{out.getvalue()}\n{traceback.format_exc()}"
    if stage.raised:
        return "\n".join(stage.raised)
    if snippet.printed is not None:
        got, want = _lines(out.getvalue()), _lines(snippet.printed)
        if not doctest.OutputChecker().check_output(want, got, doctest.ELLIPSIS):
            return f"wanted\n{want}\ngot\n{got[:2000]}"
    return None


def _lines(text: str) -> str:
    return "".join(line.rstrip() + "\n" for line in text.strip().splitlines())


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Run what `rxvoice serve` runs; gives its host and port."""
    import loopback_kit

    import rxvoice as rxv
    from rxvoice import offline, serve
    from rxvoice.testing import FakeSynthesizer, FakeTranscriber

    with rxv.mlx.MlxScheduler() as scheduler:
        llm = offline.llm()
        models = serve.Models(
            stt=FakeTranscriber("hello"), llm=llm.fresh, tts=FakeSynthesizer(), scheduler=scheduler
        )
        with loopback_kit.serving(serve.app(models)) as where:
            yield where


def failures(page: Path, *, real: bool = False) -> Iterator[str]:
    """What is wrong with the Python snippets of a page."""
    with contextlib.ExitStack() as stack:
        address = ""
        for snippet in snippets(page):
            if snippet.language != "python":
                continue
            if SERVER in snippet.code and "connect(" in snippet.code:
                address = address or stack.enter_context(serving())
                snippet = replace(snippet, code=snippet.code.replace(SERVER, address))
            if told := run(snippet, real=real):
                yield f"{page.name}:{snippet.line}\n{told}"


if __name__ == "__main__":
    wrong = list(failures(Path(sys.argv[1]), real=True))
    print("\n".join(wrong), file=sys.stderr)
    sys.exit(bool(wrong))
