"""The models of ``rxvoice serve``, as the settings choose them."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rxvoice.cli._key import key_from
from rxvoice.cli._parts import (
    check_named,
    choose_llm,
    choose_smart_turn,
    choose_stt,
    choose_tts,
    elsewhere,
)
from rxvoice.cli._serve_settings import ServeSettings
from rxvoice.cli._serve_voices import Voices
from rxvoice.cli._settings import CommandSettings
from rxvoice.cli._usage import UsageError
from rxvoice.remote import ServerState
from rxvoice.serve import Models
from rxvoice.serve._workers import MakeWorker, StageWorkers, WaitingThreads
from rxvoice.slots import PolicySlot

if TYPE_CHECKING:
    from rxvoice._silero import Silero
    from rxvoice.mlx import MlxScheduler, Progress, SmartTurn

_log = logging.getLogger("rxvoice")


@dataclass(frozen=True)
class ServedModels:
    """The models of a server before they are loaded, and a description of each for people.

    Attributes:
        servers: how the servers of each model fare, for those that are elsewhere.
    """

    models: Models
    detector: Silero
    parts: tuple[object, ...]
    worker: MlxScheduler | None
    threads: tuple[WaitingThreads, ...]
    transcribes: str
    replies: str
    speaks: str
    servers: dict[str, Callable[[], tuple[ServerState, ...]]] = field(
        default_factory=dict[str, Callable[[], tuple[ServerState, ...]]]
    )

    def load(self) -> Models:
        """Load and warm up the models that are here; returns all of them.

        Raises:
            ConfigError: a model cannot be downloaded or loaded.
        """
        self.detector.load()
        if self.parts:
            from rxvoice.mlx import load

            progress = _Fetching()
            try:
                load(*self.parts, worker=self.worker, progress=progress)
            finally:
                progress.close()
        return self.models

    def close(self) -> None:
        """Let the threads of the models end."""
        if self.worker is not None:
            self.worker.shutdown()
        for it in self.threads:
            it.shutdown()


def check_models(settings: ServeSettings) -> None:
    """Check that the options of the models go together.

    Raises:
        UsageError: one lacks another.
    """
    for kind in ("stt", "llm", "tts"):
        if getattr(settings, f"{kind}_url"):
            check_named(kind, getattr(settings, kind))
    if settings.tts_url and not settings.voice:
        raise UsageError("--tts-url needs --voice, as the model there names it, such as af_heart")


def choose_models(settings: ServeSettings) -> ServedModels:
    """Make the models that the settings ask for; nothing is loaded.

    Raises:
        ConfigError: an option belongs to a model that was not chosen, or a model does not exist.
        MissingDependency: a part is not installed. The message says how to install it.
    """
    from rxvoice import offline, remote

    check_models(settings)
    here = CommandSettings(
        models=settings.models,
        stt=settings.stt,
        llm=settings.llm,
        tts=settings.tts,
        voice=settings.voice[0] if settings.voice else None,
        system_prompt=settings.system_prompt,
        trust_remote_code=settings.trust_remote_code,
    )
    key = key_from("--model-key", settings.model_key, "RXVOICE_MODEL_KEY", dict(os.environ))
    where: dict[str, Any] = {"api_key": key or None, "timeout_s": settings.model_timeout}
    all_remote = bool(settings.stt_url and settings.llm_url and settings.tts_url)
    turn = choose_smart_turn(settings)
    mlx = None if all_remote and turn is None else _model_thread()
    threads: list[WaitingThreads] = []
    parts: list[object] = [] if turn is None else [turn]
    servers: dict[str, Callable[[], tuple[ServerState, ...]]] = {}

    if settings.stt_url:
        stt: Any = remote.stt(settings.stt or "", base_url=settings.stt_url, **where)
        servers["stt"] = lambda: stt.servers
        transcribes = elsewhere(settings.stt, settings.stt_url)
    else:
        stt, transcribes = choose_stt(here)
        parts.append(stt)
    if settings.llm_url:
        llm: Any = remote.llm(
            settings.llm or "",
            base_url=settings.llm_url,
            system_prompt=settings.system_prompt,
            session_header=settings.session_header,
            **where,
        )
        servers["llm"] = lambda: llm.servers
        replies = elsewhere(settings.llm, settings.llm_url)
    else:
        llm, replies = choose_llm(here)
        parts.append(llm)
    if settings.tts_url:
        voice = settings.voice[0]
        tts: Any = remote.tts(settings.tts or "", base_url=settings.tts_url, voice=voice, **where)
        servers["tts"] = lambda: tts.servers
        voices = {it: tts.with_voice(it) for it in settings.voice}
        speaks = f"{voice} of {elsewhere(settings.tts, settings.tts_url)}"
    else:
        tts, speaks = choose_tts(here)
        own = {it: choose_tts(replace(here, voice=it))[0] for it in settings.voice[1:]}
        parts += [tts, *own.values()]
        voices = {settings.voice[0]: tts, **own} if settings.voice else {}

    def worker(elsewhere: object, lane: str) -> MakeWorker:
        if mlx is not None and not elsewhere:
            return lambda: getattr(mlx, lane)
        threads.append(WaitingThreads(settings.max_sessions))
        return threads[-1].worker

    detector = offline.silero(gather_ms=8)  # chunks of many sessions are judged at once
    models = Models(
        vad=detector.fresh,
        stt=stt,
        llm=llm.fresh,
        tts=tts,
        scheduler=StageWorkers(
            make_listening=worker(settings.stt_url, "listening"),
            make_text=worker(settings.llm_url, "text"),
            make_speech=worker(settings.tts_url, "speech"),
        ),
        smart_turn=None if turn is None or mlx is None else _patient(turn, mlx),
        speak_as=Voices(tts, voices).speak_as,
        voices=settings.voice,
        name=settings.llm or "rxvoice-demo",
    )
    return ServedModels(
        models, detector, tuple(parts), mlx, tuple(threads), transcribes, replies, speaks, servers
    )


def _patient(turn: SmartTurn, mlx: MlxScheduler) -> Callable[[int], PolicySlot]:
    return lambda patience_ms: turn.fresh(max_silence_ms=patience_ms, worker=mlx.listening)


def _model_thread() -> MlxScheduler:
    # Not imported by a server whose models are all elsewhere: it takes 100 MB.
    from rxvoice.mlx import MlxScheduler

    return MlxScheduler()


class _Fetching:
    """Tells how far a download is: a line that changes on a terminal, else a line each tenth."""

    def __init__(self) -> None:
        from rxvoice.mlx import ProgressLine

        self._line = ProgressLine(sys.stderr) if sys.stderr.isatty() else None
        self._told = ""

    def __call__(self, progress: Progress) -> None:
        if self._line is not None:
            self._line(progress)
            return
        if progress.total:
            percent = 10 * (10 * progress.done // progress.total)
            told = f"fetching {progress.model}: {percent} % of {progress.total / 1e9:.1f} GB"
        else:
            told = f"{progress.model}: {progress.file}"
        if told != self._told:
            self._told = told
            _log.info("%s", told)

    def close(self) -> None:
        """Go on below the line."""
        if self._line is not None:
            self._line.close()
