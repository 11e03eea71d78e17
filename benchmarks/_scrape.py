"""What a server's ``/metrics`` says."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families


class Scraped:
    """The samples of one scrape.

    Args:
        text: in the text form of Prometheus.
    """

    def __init__(self, text: str) -> None:
        self._samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    def sum(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels."""
        return sum(
            it.value
            for it in self._samples
            if it.name == f"rxvoice_{name}" and labels.items() <= it.labels.items()
        )

    def percentile(self, name: str, percent: float) -> float:
        """The least bucket's border below which so many of a histogram's values are."""
        bars = [
            (float(it.labels["le"]), it.value)
            for it in self._samples
            if it.name == f"rxvoice_{name}_bucket"
        ]
        most = max(count for _, count in bars)
        return min(border for border, count in bars if count >= most * percent / 100)


async def scrape(url: str) -> Scraped:
    """Ask the server of a WebSocket for its metrics."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    head = f"GET /metrics HTTP/1.1\r\nHost: {where.hostname}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    answer = (await reader.read()).decode()
    writer.close()
    head, _, body = answer.partition("\r\n\r\n")
    if " 200 " not in head.splitlines()[0]:
        raise RuntimeError(f"/metrics answered {head.splitlines()[0]!r}")
    return Scraped(body)
