"""A program that measures a peer that there is not; what it tells is in its arguments.

``NAME=VALUE`` is a value of a row, ``NAME!`` that it cannot be done, ``exit`` ends it in failure,
``hang`` keeps it, and ``log=FILE`` appends its other arguments to that file.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from benchmarks.peers._tell import cannot, tell

print("hello from a peer")
for it in sys.argv[1:]:
    name, _, value = it.partition("=")
    if it == "exit":
        sys.exit("it fell over")
    elif it == "hang":
        threading.Event().wait()
    elif name == "log":
        with Path(value).open("a", encoding="utf-8") as file:
            file.write(" ".join(arg for arg in sys.argv[1:] if arg != it) + "\n")
    elif it.endswith("!"):
        cannot(it[:-1], "there is none")
    elif value:
        tell(name, json.loads(value))
