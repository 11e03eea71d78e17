"""Fetches, loads and warms up models before the conversation begins."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator

from reactivex import abc

from rxvoice._blas import advice, load_openblas
from rxvoice._check import at_least
from rxvoice.errors import ConfigError, RxvoiceError
from rxvoice.mlx._families import Kind
from rxvoice.mlx._loadable import Loadable, LoadablePart, Loaded
from rxvoice.mlx._memory import usable_memory
from rxvoice.mlx._precision import Dtype, check_dtype
from rxvoice.mlx._progress import Progress, ProgressLine, gigabytes
from rxvoice.mlx.llm import Llm
from rxvoice.mlx.stt import Stt
from rxvoice.mlx.tts import Tts

__all__ = ["Kind", "Loadable", "Loaded", "Progress", "ProgressLine", "load"]

_LARGE = 20_000_000  # bytes of weights; smaller models are fast anyway

_LOG = logging.getLogger("rxvoice")


def load(
    *parts: object,
    worker: abc.SchedulerBase | None = None,
    progress: Callable[[Progress], None] | None = None,
    memory: int | None = None,
    dtype: Dtype | None = None,
    trust_remote_code: bool = False,
) -> list[Loaded]:
    """Fetch, load and warm up the models of these parts, and return when all are ready.

    ```python
    rxv.mlx.load(stt, llm, tts, worker=worker)
    ```

    After it, the first turn waits for nothing. On a Linux CPU without OpenBLAS, a warning names the
    command that installs it.

    Any part of a conversation may be given; one without
    ``load()`` is skipped. First, what is missing is fetched, one model after the other. So a fault
    of one (no such model, an unknown architecture, too little memory or disk) shows before another
    is loaded. Then each model is loaded and makes one step: a language model one token, a
    recogniser half a second of faint noise, a voice the first piece of a word, a policy one
    verdict. A part with a ``warm_up()`` of its own gets that call. No conversation changes.

    Runs on: the worker, for loading and warming up, where other work gets in between the steps;
        this thread, for fetching. Do not call it on the worker's thread, which would wait for
        itself.

    Args:
        parts: such as ``rxv.mlx.llm(...)``, in the order in which to load them.
        worker: the scheduler that will run the models, such as an `MlxScheduler`; None for this
            thread.
        progress: called as a download goes on, and on the worker as a model is made ready for its
            first use on this machine; None for a `ProgressLine`.
        memory: how many bytes all these models may take: their weights in the type that they are
            converted to, where 16-bit weights take twice their size on a CPU, and the caches of
            language models. None for what MLX recommends on this machine, or three quarters of its
            memory.
        dtype: as if each part of `rxvoice.mlx` that has the option had been made with it:
            ``"float32"``, ``"bfloat16"`` or ``"float16"``. None leaves each as it is. A model that
            is loaded already stays as it is.
        trust_remote_code: as if each part had been made with it: the models' own code and pickles
            are fetched and may run. Without it, a model that has any is refused, unless its part
            was made with it.

    Returns:
        One entry for each part that was loaded, in their order.

    Raises:
        ConfigError: a model cannot be fetched or loaded, or is too large; says what to do.
        MissingDependency: a model needs a package that is not installed.
        RxvoiceError: the worker was shut down before all were loaded.
    """
    if memory is not None:
        at_least("memory", memory, 1, "bytes")
    given = [part for part in parts if isinstance(part, Loadable)]
    check_dtype(dtype)
    for part in given:
        if dtype is not None and isinstance(part, Stt | Llm | Tts):
            part.dtype = dtype
    if trust_remote_code:
        for part in given:
            if hasattr(part, "trust_remote_code"):
                part.trust_remote_code = True  # pyright: ignore[reportAttributeAccessIssue]
    opened = [LoadablePart(part) for part in given]
    usable = usable_memory() if memory is None else memory
    _check_memory(opened, usable)
    tell_of_blas(sum(part.bytes for part in opened))
    line = ProgressLine()
    report = line if progress is None else progress
    loaded: list[Loaded] = []
    try:
        for part in opened:
            part.fetch(report)
        # What was not here could not be looked into before.
        _check_memory(opened, usable)
        _run((step for part in opened for step in part.steps(loaded, report)), worker)
    finally:
        line.close()
    return loaded


def tell_of_blas(size: int) -> None:
    """Log what would make models of this size, in bytes, faster on this machine."""
    if size >= _LARGE and (told := advice(load_openblas())):
        _LOG.warning("%s", told)


def _check_memory(parts: list[LoadablePart], usable: int | None) -> None:
    needed = sum(part.memory + part.cache for part in parts)
    if usable is None or needed <= usable:
        return
    each = ", ".join(part.told for part in parts if part.memory)
    raise ConfigError(
        f"the models take {gigabytes(needed)} of memory ({each}), and {gigabytes(usable)} can be "
        "used for them: choose smaller ones, such as `rxvoice models` lists by the size of the "
        "machine, lower the cache_bytes of a language model, or pass memory= if you know better "
        "(bytes)"
    )


def _run(steps: Generator[None, None, None], worker: abc.SchedulerBase | None) -> None:
    """Take all the steps, here or on the worker. Raises what they raise."""
    if worker is None:
        for _ in steps:
            pass
        return
    over = threading.Event()
    given_up = False
    outcome: list[BaseException | None] = []

    def watched() -> Generator[bool, None, None]:
        """Take the steps, and set `over` even if the worker drops the generator."""
        try:
            yield True
            for _ in steps:
                yield True
            outcome.append(None)
        except GeneratorExit:
            raise
        except BaseException as error:
            outcome.append(error)
        finally:
            over.set()

    def step(scheduler: abc.SchedulerBase, job: Generator[bool, None, None] | None) -> None:
        assert job is not None
        if given_up:
            job.close()
        elif next(job, False):
            scheduler.schedule(step, job)

    job = watched()
    next(job)
    worker.schedule(step, job)
    try:
        over.wait()
    except BaseException:
        given_up = True
        raise
    if not outcome:
        raise RxvoiceError(
            "the models were not all loaded: the worker was shut down before; shut it down later"
        )
    if outcome[0] is not None:
        raise outcome[0]
