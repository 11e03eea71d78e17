"""Routes for whoever runs the server: whether it lives, whether it is ready, how it fares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxvoice.serve._drain import Drain
from rxvoice.serve._metrics import Metrics

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

_NO_STORE = {"Cache-Control": "no-store"}
_RETRY_S = {"loading": "5", "full": "5", "draining": "1"}


def routes(drain: Drain, metrics: Metrics | None) -> list[BaseRoute]:
    """``/healthz``, ``/readyz`` and ``/metrics``; they need no key, and tell nothing that was said.

    - ``/healthz``: 200 as long as the event loop runs.
    - ``/readyz``: 200 while a session would be taken; 503 while the server is loading, full or
      draining.
    - ``/metrics``: for Prometheus; without `metrics` there is none.
    """
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers=_NO_STORE)

    async def readyz(request: Request) -> Response:
        reason = drain.unready
        told = {"status": reason or "ready", "sessions": drain.sessions, "most": drain.max_sessions}
        if reason is None:
            return JSONResponse(told, headers=_NO_STORE)
        headers = {**_NO_STORE, "Retry-After": _RETRY_S[reason]}
        return JSONResponse(told, 503, headers=headers)

    found: list[BaseRoute] = [Route("/healthz", healthz), Route("/readyz", readyz)]
    if metrics is not None:

        async def scrape(request: Request) -> Response:
            body, media = metrics.exposition(request.headers.get("accept", ""))
            return Response(body, headers={**_NO_STORE, "Content-Type": media})

        found.append(Route("/metrics", scrape))
    return found
