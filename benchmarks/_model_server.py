"""A server with OpenAI's interface that answers at once, for `benchmarks.replica`."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SAID = ["It ", "is ", "384,000 ", "kilometres ", "away."]
SOUND = bytes(2 * 24_000 // 2)  # half a second


class Handler(BaseHTTPRequestHandler):
    """Writes one sentence, hears one word, speaks half a second of silence."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._send("application/json", b'{"object": "list", "data": []}')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/chat/completions"):
            choices = [{"index": 0, "delta": {"content": it}} for it in SAID]
            choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
            events = [json.dumps({"choices": [it]}) for it in choices]
            body = "".join(f"data: {it}\n\n" for it in [*events, "[DONE]"])
            self._send("text/event-stream", body.encode())
        elif self.path.endswith("/audio/speech"):
            self._send("audio/pcm", SOUND)
        else:
            self._send("application/json", b'{"text": "hello"}')

    def _send(self, media: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit()
