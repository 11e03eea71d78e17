"""A slow tool, and what the assistant says while it runs. A small server stands in for yours.

python examples/slow_tool.py
"""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import reactivex as rx
from reactivex import operators as ops
from reactivex.scheduler import EventLoopScheduler

import rxvoice as rxv
from rxvoice import offline
from rxvoice import operators as vox

CALL = {"index": 0, "function": {"name": "weather", "arguments": "{}"}}
WRITTEN = iter([{"tool_calls": [CALL]}, {"content": "It is sunny."}])


class Server(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response_only(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        event = {"choices": [{"index": 0, "delta": next(WRITTEN)}]}
        self.wfile.write(f"data: {json.dumps(event)}\n\ndata: [DONE]\n\n".encode())


async def main(where: str) -> None:
    spoken = asyncio.Event()

    async def weather() -> str:
        """The weather."""
        await spoken.wait()  # a slow tool: it waits until something was spoken
        return "sunny"

    llm = rxv.remote.llm("m", base_url=where, tools=[weather], while_calling="One moment.")
    sentences = rx.of(rxv.Transcript(rxv.testing.turn("~"), "How is the weather?")).pipe(
        vox.respond(llm, worker=EventLoopScheduler(exit_if_empty=True)),
        vox.synthesize(offline.tts()),
        rxv.only(rxv.Speech),
        ops.map(lambda speech: speech.text),
        ops.distinct(),
    )
    async for text in rxv.aio.events(sentences, max_events=100, overflow="fail"):
        print(f"assistant: {text}" if text else f"the model was told: {llm.messages[2]['content']}")
        spoken.set()


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    asyncio.run(main(f"http://127.0.0.1:{server.server_port}/v1"))
    server.server_close()
