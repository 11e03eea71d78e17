"""All boundaries of rxvoice, each with the function that tries an input."""

from __future__ import annotations

from fuzz import of_clients, of_models, of_servers, of_settings, of_sound, of_traces, of_words
from fuzz.target import Target, of_bytes, of_json, of_lines, of_text

_MLX = ("mlx.core", "mlx_lm", "mlx_audio")

TARGETS: tuple[Target, ...] = (
    Target("audio_file", of_sound.audio_file, of_bytes),
    Target("audio_stream", of_sound.audio_stream, of_bytes),
    Target("recorder", of_sound.recorder, of_lines),
    Target("settings_file", of_settings.settings_file, of_text),
    Target("command_line", of_settings.command_line, of_text),
    Target("session_config", of_settings.session_config, of_json),
    Target("marbles", of_settings.marbles, of_text),
    Target("conversation", of_settings.conversation, of_json),
    Target("trace_story", of_traces.trace_story, of_lines, seconds=15.0, mib=4_096),
    Target("trace_sound", of_traces.trace_sound, of_bytes),
    Target("trace_replay", of_traces.trace_replay, of_lines, seconds=10.0),
    Target("realtime_events", of_clients.realtime_events, of_lines, seconds=15.0),
    Target("web_messages", of_clients.web_messages, of_lines),
    Target("requests", of_clients.requests, of_lines, needs=("starlette", "prometheus_client")),
    Target("remote_chat", of_servers.remote_chat, of_text, needs=("openai",)),
    Target("remote_speech", of_servers.remote_speech, of_bytes, needs=("openai",)),
    Target("remote_transcript", of_servers.remote_transcript, of_text, needs=("openai",)),
    Target("tool_calls", of_servers.tool_calls, of_text, needs=_MLX),
    Target("channels", of_servers.channels, of_text, needs=_MLX),
    Target("sentences", of_words.sentences, of_text),
    Target("speakable", of_words.speakable, of_text, seconds=10.0),
    Target("spoken_words", of_words.spoken_words, of_text),
    Target("pronounced", of_words.pronounced, of_text, needs=("espeakng_loader",)),
    Target("model_files", of_models.model_files, of_json, needs=_MLX),
    Target("silero", of_models.silero, of_bytes),
    Target("gguf", of_models.gguf, of_bytes, needs=_MLX, slow=True),
    Target("onnx", of_models.onnx, of_bytes, needs=(*_MLX, "onnx"), slow=True),
    Target("ctranslate2", of_models.ctranslate2, of_bytes, needs=_MLX, slow=True),
    Target("chat_template", of_models.chat_template, of_text, needs=_MLX, slow=True),
)
"""Of what comes from people, networks, models and files."""

BY_NAME = {it.name: it for it in TARGETS}
