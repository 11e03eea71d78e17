"""The same user talks with each system: first sound, barge-in, deafness, and what happens then."""

from __future__ import annotations

from benchmarks.peers._row import Cannot, Probe, Row

_BLOCKS = (
    "All hear the same recording in blocks of 32 ms in real time, with the same stub models, and "
    "play to the same loudspeaker. Each step of a model holds its thread, as mlx-lm's do."
)
_WORKER = {
    "rxvoice": "threads for audio, the conversation and all models, which take turns step by step",
    "pipecat": "an event loop, with a task and a queue for each processor; models step by step by "
    "asyncio.to_thread",
    "livekit": "an event loop; models step by step by asyncio.to_thread",
    "mlx-audio": "an event loop, and a worker for the detector and all models; a reply is one step",
}
_IN_PLACE = {
    "rxvoice": "models on the conversation's thread (worker=None)",
    "pipecat": "models on the event loop, with asyncio.sleep(0) between steps",
    "livekit": "models on the event loop, with asyncio.sleep(0) between steps",
}
_ONE_WORKER = Cannot("its models always run on its worker")
_WHOLE_REPLY = Cannot("writes the whole reply before it speaks, so nothing plays while it writes")

Given = dict[str, Probe | Cannot]


def _by(scenes: dict[str, tuple[str, ...] | Cannot], guarantees: dict[str, str]) -> Given:
    return {
        name: it
        if isinstance(it, Cannot)
        else Probe(f"benchmarks.peers._talk_{name.replace('-', '_')}", it, guarantees[name])
        for name, it in scenes.items()
    }


_SOUND: dict[str, tuple[str, ...] | Cannot] = {
    "rxvoice": ("sound", "sound:inplace", "early"),
    "pipecat": ("sound", "sound:inplace"),
    "livekit": ("sound", "sound:inplace", "early"),
    "mlx-audio": ("sound",),
}
_BARGE: dict[str, tuple[str, ...] | Cannot] = {
    "rxvoice": ("barge:both", "inplace"),
    "pipecat": ("barge", "inplace", "safe"),
    "livekit": ("barge", "inplace", "safe"),
    "mlx-audio": ("barge:silent",),
}
_DEAF: dict[str, tuple[str, ...] | Cannot] = {
    "rxvoice": ("deaf", "deaf:inplace"),
    "pipecat": ("deaf", "deaf:inplace"),
    "livekit": ("deaf", "deaf:inplace"),
    "mlx-audio": ("deaf",),
}
_DOES: dict[str, tuple[str, ...] | Cannot] = {
    "rxvoice": ("history", "timed", "order", "once", "cough:both"),
    "pipecat": ("history", "timed", "order", "once", "cough", "tuned"),
    "livekit": ("history", "timed", "order", "once", "cough", "tuned"),
    "mlx-audio": ("history", "order", "once", "cough:both"),
}

ROWS = (
    Row(
        2,
        "last_token_worker",
        "last token to first sound at the output, models of no cost on the worker",
        "ms",
        _by(_SOUND, _WORKER),
        note=_BLOCKS,
        rounds=3,
    ),
    Row(
        2,
        "last_token_inplace",
        "last token to first sound at the output, models of no cost in place",
        "ms",
        _by({**_SOUND, "mlx-audio": _ONE_WORKER}, {**_WORKER, **_IN_PLACE}),
        note="The models block no one here, so this is the best case of each.",
        rounds=3,
    ),
    Row(
        2,
        "end_of_speech",
        "end of speech to first sound: 10 ms a token, 50 ms a sentence",
        "ms",
        _by(_SOUND, _WORKER),
        note="512 ms of silence end the turn in all; no end-of-turn model. Sentences are spoken "
        "while the reply is written, but for mlx-audio, which cannot. The silence, the first "
        "sentence of 3 words and its sound make 592 ms.",
        rounds=3,
    ),
    Row(
        2,
        "end_of_speech_early",
        "end of speech to first sound, where a reply may begin before the turn is over",
        "ms",
        _by(
            {
                **_SOUND,
                "pipecat": Cannot("only where the recogniser's service predicts the end of a turn"),
                "mlx-audio": Cannot("begins a reply when the turn is over"),
            },
            _WORKER,
        ),
        note="rxvoice: preempt_after_ms=200. livekit: preemptive_generation, its default.",
        rounds=3,
    ),
    Row(
        3,
        "barge_onset",
        "barge-in: begin of the user's first word to silence at the loudspeaker",
        "ms",
        _by(_BARGE, _WORKER),
        note="With each one's defaults of how much speech is wanted: rxvoice pauses with the first "
        "block, pipecat wants 0.2 s of voice activity, livekit 0.5 s, mlx-audio a partial "
        "transcript. pipecat's loudspeaker holds the 85 ms that PyAudio does.",
        rounds=2,
    ),
    Row(
        3,
        "barge_safe",
        "barge-in: begin of the first word to silence, with the best settings found under which a "
        "cough leaves the reply intact",
        "ms",
        _by(_BARGE, _WORKER),
        note="pipecat: MinWordsUserTurnStartStrategy, which waits for a word. livekit: "
        "min_duration=0.05, false_interruption_timeout=0.6. rxvoice and mlx-audio: their defaults.",
        headline="user speaks over a reply, until it is silent",
        rounds=2,
    ),
    Row(
        3,
        "barge_idle_told",
        "barge-in: end of the block that decides to the output told to be silent, models idle",
        "ms",
        _by(_BARGE, _WORKER),
        note="rxvoice and livekit pause, pipecat and mlx-audio clear what is queued.",
        rounds=2,
    ),
    Row(
        3,
        "barge_idle",
        "barge-in: end of the block that decides to silence at the loudspeaker, models idle",
        "ms",
        _by(_BARGE, _WORKER),
        note="The loudspeaker asks for sound each 10 ms. pipecat's holds the 85 ms that PyAudio "
        "does, and mlx-audio's player asks for blocks of 85 ms; neither can take them back.",
        rounds=2,
    ),
    Row(
        3,
        "barge_busy_worker_told",
        "barge-in: end of the block that decides to the output told to be silent, while the text "
        "model writes on the worker",
        "ms",
        _by({**_BARGE, "mlx-audio": _WHOLE_REPLY}, _WORKER),
        note="20 ms a token.",
        rounds=2,
    ),
    Row(
        3,
        "barge_busy_worker",
        "barge-in: end of the block that decides to silence at the loudspeaker, while the text "
        "model writes on the worker",
        "ms",
        _by({**_BARGE, "mlx-audio": _WHOLE_REPLY}, _WORKER),
        rounds=2,
    ),
    Row(
        3,
        "barge_busy_inplace",
        "barge-in: begin of the first word to silence, while the text model writes in place",
        "ms",
        _by({**_BARGE, "mlx-audio": _WHOLE_REPLY}, {**_WORKER, **_IN_PLACE}),
        note="Nobody's documentation advises this.",
        rounds=2,
    ),
    Row(
        4,
        "deaf_worker_gap",
        "longest gap in voice activity while one call of the text model takes 5 s, on the worker",
        "s",
        _by(_DEAF, _WORKER),
        note="A block comes each 0.032 s.",
        rounds=1,
    ),
    Row(
        4,
        "deaf_worker_lost",
        "blocks of the microphone that were never judged during that call on the worker",
        "blocks",
        _by(_DEAF, _WORKER),
        note="What waits: rxvoice 2 s, mlx-audio 128 blocks; pipecat and livekit without a limit.",
        rounds=1,
    ),
    Row(
        4,
        "deaf_inplace_gap",
        "longest gap in voice activity, a call of 5 s in place",
        "s",
        _by({**_DEAF, "mlx-audio": _ONE_WORKER}, {**_WORKER, **_IN_PLACE}),
        rounds=1,
    ),
    Row(
        4,
        "deaf_inplace_lost",
        "blocks of the microphone that were never judged during that call in place",
        "blocks",
        _by({**_DEAF, "mlx-audio": _ONE_WORKER}, {**_WORKER, **_IN_PLACE}),
        note="rxvoice keeps 2 s of sound, drops what is older, and says so; what waits longer "
        "would be answered late.",
        rounds=1,
    ),
    Row(
        6,
        "history",
        "after an interruption, the history equals what was heard",
        "yes",
        _by(_DOES, _WORKER),
        note="A voice of uneven words that does not say when they are spoken.",
        headline="the history holds what was heard",
        rounds=1,
    ),
    Row(
        6,
        "history_off",
        "words by which it is off, the worse of two moments",
        "words",
        _by(_DOES, _WORKER),
        note="A word that had begun may be in the history or not.",
        rounds=1,
    ),
    Row(
        6,
        "history_timed_off",
        "the same, with a voice that says when its words are spoken",
        "words",
        _by({**_DOES, "mlx-audio": Cannot("takes no times from a voice")}, _WORKER),
        rounds=1,
    ),
    Row(
        6,
        "order",
        "two quick turns keep their order, in sound and in the history",
        "yes",
        _by(_DOES, _WORKER),
        rounds=1,
    ),
    Row(
        6,
        "once",
        "each of four turns, of which one interrupts, is answered once",
        "yes",
        _by(_DOES, _WORKER),
        rounds=1,
    ),
    Row(
        6,
        "cough",
        "coughs of 0.32 and 0.64 s leave the reply intact, with the settings of the barge-in above",
        "yes",
        _by(_DOES, _WORKER),
        rounds=1,
    ),
    Row(
        6,
        "cough_tuned",
        "coughs leave the reply intact, with the best settings found",
        "yes",
        _by(_DOES, _WORKER),
        note="Those of barge_safe.",
        rounds=1,
    ),
    Row(
        6,
        "cough_tuned_later",
        "how much later the reply ends for two coughs, with the best settings found",
        "s",
        _by(_DOES, _WORKER),
        note="rxvoice pauses with the first block, and goes on once the turn is over without a "
        "word; livekit pauses, and goes on after its timeout. pipecat and mlx-audio play on until "
        "there is a word.",
        rounds=1,
    ),
)
