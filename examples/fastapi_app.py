"""A voice server: each WebSocket has a conversation, and all share the models.

python examples/fastapi_app.py                  the server, and a client, which prints its turns
uvicorn --app-dir examples fastapi_app:app      the server, for any client of rxvoice.web
"""

import json
from pathlib import Path
from socket import create_server
from threading import Thread

try:
    import uvicorn
    from fastapi import FastAPI, WebSocket
    from websockets.sync.client import connect
except ImportError as error:
    raise SystemExit(f"{error}: pip install 'rxvoice[offline,web]'") from error

from reactivex import operators as ops

import rxvoice as rxv
from rxvoice import mlx, offline, web
from rxvoice import operators as vox

models = mlx.MlxScheduler()  # the model thread
ears, mind, voice = offline.stt(), offline.llm(), offline.tts()
recording = rxv.sources.wav(Path(rxv.__file__).parent / "data" / "demo.wav")


def converse(client: web.Client):
    turns = vox.vad(offline.silero()), vox.preroll(), vox.turn_window(rxv.silence(800))
    return client.microphone.pipe(vox.chunk(), *turns).pipe(
        vox.transcribe(ears, worker=models.listening),
        vox.respond(mind.fresh(), worker=models.text, min_chars=1),  # all share one model
        vox.synthesize(voice, worker=models.speech),
        vox.play(client.speaker),
    )


app = FastAPI()
sessions = web.sessions(converse, limits=web.Limits(max_speed=100))  # the recording arrives at once


@app.websocket("/talk")
async def talk(websocket: WebSocket) -> None:
    await sessions.serve(websocket)


if __name__ == "__main__":
    port = create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    Thread(target=server.run, args=([port],), daemon=True).start()
    with connect(f"ws://127.0.0.1:{port.getsockname()[1]}/talk") as client:
        for block in recording.pipe(ops.to_list()).run():
            client.send((block.samples * 32767).round().astype("<i2").tobytes())
        for message in client:
            if isinstance(message, str) and (event := json.loads(message))["event"] == "turn":
                print(f"{event['user_text']}: {event['assistant_text']}")
                if "goodbye" in event["user_text"].lower():
                    break
