"""OpenAI's own Realtime client, talking to models on this machine.

    pip install 'rxvoice[serve,remote,offline]'
    python examples/realtime_client.py

Starts the server that `rxvoice serve` starts, asks it two questions, and prints what was said.
"""

import asyncio
from socket import create_server
from threading import Thread

from rxvoice import mlx, offline

try:
    import openai
    import uvicorn

    from rxvoice import serve
except ImportError as error:
    raise SystemExit(f"{error}: pip install 'rxvoice[serve,remote,offline]'") from error

QUESTIONS = ("How far away is the moon?", "Thank you, goodbye.")


async def ask(address: str) -> None:
    client = openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none")
    async with client.realtime.connect(model="rxvoice") as connection:
        for question in QUESTIONS:
            text = {"type": "input_text", "text": question}
            item = {"type": "message", "role": "user", "content": [text]}
            await connection.conversation.item.create(item=item)
            await connection.response.create()
            async for event in connection:
                if event.type == "response.output_audio_transcript.done":
                    print(f"{question}: {event.transcript.strip()}")
                if event.type == "response.done":
                    break


def main() -> None:
    llm, models = offline.llm(), mlx.MlxScheduler()
    app = serve.app(
        serve.Models(stt=offline.stt(), llm=llm.fresh, tts=offline.tts(), scheduler=models)
    )
    port = create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="warning", ws_max_size=serve.MAX_MESSAGE_BYTES)
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, args=([port],))
    thread.start()
    asyncio.run(ask(f"http://127.0.0.1:{port.getsockname()[1]}"))
    server.should_exit = True
    thread.join()
    models.shutdown()


if __name__ == "__main__":
    main()
