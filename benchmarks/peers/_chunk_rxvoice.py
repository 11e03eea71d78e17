"""What the five operators that hear a chunk take."""

from __future__ import annotations

import time

from benchmarks._measure import conversation, subject, turns
from benchmarks.peers._tell import QUICK, tell


def main() -> None:
    seconds = 32 if QUICK else 320
    pipe = subject()
    turns(pipe).subscribe()
    for block in conversation(32):
        pipe.on_next(block)
    blocks = conversation(seconds)
    begin = time.process_time()
    for block in blocks:
        pipe.on_next(block)
    tell("chunk", 1e6 * (time.process_time() - begin) / seconds)


if __name__ == "__main__":
    main()
