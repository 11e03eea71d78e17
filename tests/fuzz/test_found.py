"""Faults that were found, whose inputs are too large to keep."""

from __future__ import annotations

import json
import time

import pytest

from rxvoice.remote._chat import ChatReader, events


def test_a_reply_of_a_server_has_a_bounded_number_of_calls() -> None:
    parts = [{"index": n} for n in range(50_000)]
    event = json.dumps({"choices": [{"index": 0, "delta": {"tool_calls": parts}}]}).encode()
    (read,) = events([b"data: " + event + b"\n\n"], "text/event-stream")
    began = time.process_time()
    with pytest.raises(ValueError, match="more than 128 calls of tools in one reply"):
        ChatReader().read(read)
    # Looking for the call of each part among all those before took minutes.
    assert time.process_time() - began < 5
