"""Models behind servers in an asyncio app: one of two is down, and nobody notices.

    python examples/remote_async.py            needs pip install 'rxvoice[remote]'

The event loop is free while a reply is written. Prints the replies, and which server is left out.
"""

import asyncio
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import reactivex as rx

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.errors import MissingDependency
from rxvoice.serve import WaitingThreads

DOWN = "http://127.0.0.1:9/v1"


class Stub(BaseHTTPRequestHandler):  # stands for mlx_lm.server or vLLM
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = {"content": f"You said: {asked['messages'][-1]['content']}"}
        event = json.dumps({"choices": [{"index": 0, "delta": said}]})
        self.send_response_only(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(f"data: {event}\n\ndata: [DONE]\n\n".encode())


async def main(up: str) -> None:
    llm = rxv.remote.llm("m", base_url=[DOWN, up])
    llm.load()
    threads = WaitingThreads(2)  # a call waits on one of these, and not on the event loop

    async def hold(question: str) -> None:
        asked = rx.of(rxv.Transcript(rxv.testing.turn("~"), question))
        replies = asked.pipe(vox.respond(llm.fresh(), worker=threads.worker()))
        async for reply in rxv.aio.events(replies, max_events=100, overflow="fail"):
            if isinstance(reply, rxv.Reply) and reply.final:
                print(f"assistant: {reply.text}")

    await asyncio.gather(hold("good morning"), hold("good night"))
    print("left out:", *(it.base_url for it in llm.servers if not it.is_available))
    threads.shutdown()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        asyncio.run(main(f"http://127.0.0.1:{server.server_port}/v1"))
    except MissingDependency as error:
        raise SystemExit(str(error)) from error
    finally:
        server.shutdown()
        server.server_close()
