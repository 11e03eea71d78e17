"""All rows of the comparison, in the order of the table."""

from __future__ import annotations

from benchmarks.peers import _chunk, _hours, _talk, _wire
from benchmarks.peers._row import Row

ROWS: tuple[Row, ...] = (*_chunk.ROWS, *_wire.ROWS, *_talk.ROWS, *_hours.ROWS)
