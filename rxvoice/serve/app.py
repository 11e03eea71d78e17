"""`app`: a server that clients of the OpenAI Realtime protocol can talk to."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING

from rxvoice._check import file_path
from rxvoice.serve._drain import Drain
from rxvoice.serve._health import routes as health_routes
from rxvoice.serve._http import HttpRoutes
from rxvoice.serve._keys import Keys
from rxvoice.serve._lag import watch_lag
from rxvoice.serve._lobby import Lobby
from rxvoice.serve._metrics import Metrics
from rxvoice.serve._models import Models
from rxvoice.serve._observer import Observer
from rxvoice.serve._traces import Traces
from rxvoice.web._origin import origins

if TYPE_CHECKING:
    from starlette.applications import Starlette

_log = logging.getLogger("rxvoice")

MAX_MESSAGE_BYTES = 24 * 2**20
"""What the server that runs the app must take; uvicorn's ``ws_max_size``."""

OnLoad = Callable[["Models | Exception"], None]


def app(
    models: Models | Callable[[], Models],
    *,
    api_key: str | None = None,
    allow_origins: Iterable[str] = (),
    max_sessions: int = 64,
    drain_timeout_s: float = 30.0,
    beta: bool = False,
    observer: Observer | None = None,
    on_load: OnLoad | None = None,
    log_content: bool = False,
    page: bool = True,
    trace: str | os.PathLike[str] | None = None,
    trace_content: bool = True,
) -> Starlette:
    """Make an app that serves `/v1/realtime`, `/v1/models`, `/healthz`, `/readyz` and `/metrics`.

    ```python
    uvicorn.run(serve.app(models), port=8321, ws_max_size=serve.MAX_MESSAGE_BYTES)
    ```

    Each WebSocket is a session of its own; all share the models. ``app.state.drain`` is the
    `Drain` that lets sessions in, and ``app.state.metrics`` the `Metrics`, or None with another
    `observer`.

    Args:
        models: what all sessions share; or a function that loads them, which is called on a thread
            once the server has started. Until then `/readyz` answers 503.
        api_key: what clients must present; None lets everybody in.
        allow_origins: the origins of web pages that may connect, beside this host's own.
        max_sessions: how many sessions there may be at a time.
        drain_timeout_s: seconds that sessions may go on when the server stops.
        beta: whether clients that ask for the beta of the protocol get its names.
        observer: is told what metrics are made of; None for a `Metrics`, which ``/metrics`` shows.
        on_load: called on the event loop with the models, or with why they could not be loaded.
        log_content: whether what is said is logged, at level INFO.
        page: whether there is a page at ``/``, to talk in the browser.
        trace: a directory in which each session is recorded, in a directory of its own named after
            the time and the session's id; None to record none. `rxvoice.trace.read` opens it.
        trace_content: whether to keep texts and sound, not only their lengths.

    Raises:
        ConfigError: an argument out of range, or an origin that is none.
        MissingDependency: there is no `observer`, and prometheus-client is not installed.
    """
    from starlette.applications import Starlette
    from starlette.routing import Route, WebSocketRoute

    from rxvoice.serve.page import routes as page_routes

    drain = Drain(max_sessions, drain_timeout_s)
    observer = Metrics() if observer is None else observer
    metrics = observer if isinstance(observer, Metrics) else None
    if metrics is not None:
        metrics.watch(drain)
    keys = Keys(api_key)
    traces = None if trace is None else Traces(file_path("app trace", trace), content=trace_content)
    lobby = Lobby(
        *(drain, keys, origins(allow_origins), observer),
        beta=beta,
        log_content=log_content,
        traces=traces,
    )
    http = HttpRoutes(lobby, keys)
    loader = _Loader(models, lobby, drain, metrics, on_load)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        tasks = [asyncio.create_task(loader.load())]
        if metrics is not None:
            tasks.append(asyncio.create_task(watch_lag(metrics.loop_lag)))
        try:
            yield
        finally:
            await drain.done()
            for task in tasks:
                task.cancel()

    made = Starlette(
        routes=[
            WebSocketRoute("/v1/realtime", lobby.talk),
            Route("/v1/realtime", http.say_how, methods=["GET", "POST"]),
            Route("/v1/realtime/client_secrets", http.make_secret, methods=["POST"]),
            Route("/v1/models", http.list_models),
            Route("/v1/models/{name:path}", http.show_model),
            *health_routes(drain, metrics),
            *(page_routes() if page else ()),
            WebSocketRoute("/{path:path}", lobby.say_where),
        ],
        lifespan=lifespan,
    )
    made.state.drain, made.state.metrics = drain, metrics
    return made


class _Loader:
    """Loads the models once. Those that are given are there at once."""

    def __init__(
        self,
        models: Models | Callable[[], Models],
        lobby: Lobby,
        drain: Drain,
        metrics: Metrics | None,
        on_load: OnLoad | None,
    ) -> None:
        self._models = models
        self._lobby = lobby
        self._drain = drain
        self._metrics = metrics
        self._on_load = on_load
        if isinstance(models, Models):
            self._take(models)

    async def load(self) -> None:
        """Load the models on a thread, if that is still to do."""
        made: Models | Exception
        if isinstance(self._models, Models):
            made = self._models
        else:
            made = await _called(self._models)
            if isinstance(made, Models):
                self._take(made)
            else:
                _log.error("the models could not be loaded: %s", made, exc_info=made)
                self._lobby.failure = made
        if self._on_load is not None:
            try:
                self._on_load(made)
            except Exception:  # nobody waits for this task
                _log.exception("on_load raised")

    def _take(self, models: Models) -> None:
        self._lobby.models = models
        self._drain.loaded()
        if self._metrics is not None and models.scheduler is not None:
            self._metrics.watch_lanes(models.scheduler)


async def _called(make: Callable[[], Models]) -> Models | Exception:
    """The models; made on a thread that the end of the process does not wait for."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Models | Exception] = loop.create_future()

    def settle(result: Models | Exception) -> None:
        if not done.done():
            done.set_result(result)

    def run() -> None:
        try:
            result: Models | Exception = make()
        except Exception as error:
            result = error
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, result)

    Thread(target=run, name="rxvoice-loading", daemon=True).start()
    return await done
