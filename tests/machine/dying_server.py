"""`python tests/machine/dying_server.py PORT DIRECTORY`: a server that records its sessions there.

It prints its port, and serves until it is killed.
"""

from __future__ import annotations

import sys

from serve.realtime_kit import fake_models

from rxvoice import serve
from rxvoice.cli._server import Ender, hold, listening

if __name__ == "__main__":
    app = serve.app(fake_models("Yes, I am here. What is it?"), trace=sys.argv[2])
    with listening("127.0.0.1", int(sys.argv[1])) as where:
        print(where.getsockname()[1], flush=True)
        hold(app, where, app.state.drain, Ender(), told=print)
