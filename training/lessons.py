"""The tokenizer, the chat template and the conversations that the demonstration model learns from.

Nothing here needs MLX. `batches` draws in several processes where the model learns faster than one
can draw.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import get_context
from multiprocessing.queues import Queue
from pathlib import Path

import numpy as np
from questions import Questions, spoken
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

END = "<|end|>"
ROLES = ("system", "user", "assistant", "tool")
CALL, CALLED = "<tool_call>", "</tool_call>"
SPECIAL = [END, *(f"<|{role}|>" for role in ROLES), CALL, CALLED]
TEMPLATE = """\
{%- for message in messages -%}
{%- if message.role == 'user' -%}
<|user|>
{#- Lines before the last one are questions that got no reply. -#}
{%- for word in (message.content.strip().split('\\n') | last | lower).split() -%}
{%- set said = word.strip('?.!,;:"') -%}
{%- if said -%}{{ ' ' + said }}{%- endif -%}
{%- endfor -%}<|end|>
{%- elif message.tool_calls -%}
<|assistant|>
{%- for tool_call in message.tool_calls -%}
{%- set call = tool_call.function -%}
<tool_call>{"name": "{{ call.name }}", "arguments": {{ call.arguments | tojson }}}</tool_call>
{%- endfor -%}<|end|>
{%- else -%}
{{ '<|' + message.role + '|>' + message.content + '<|end|>' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}
{#- tool_call.name -#}"""
CONTEXT = 512
"""Tokens of the longest conversation that is taught, and so the most that the model can hold."""
SYSTEM = ("You are a helpful assistant.", "Answer in short sentences.", "You are a voice.")

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Ids, shape (rows, length); where in them, flattened, to predict; and what comes there."""


def train_tokenizer(questions: Questions, size: int) -> Tokenizer:
    """Whole words for what is taught, digits one by one, pieces of words for all else."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" ?\d"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    pairs = [questions.draw() for _ in range(40_000)]
    known = questions.known()
    texts = [f" {spoken(it.question)}" for it in pairs] + [it.reply for it in known] * 4
    texts += [f" {spoken(it.question)}" for it in known] * 20
    texts += [it.reply for it in pairs if it.call is not None]
    texts += [_call(*it.call) for it in pairs if it.call is not None]
    tokenizer.train_from_iterator([*texts, *(f" {word}" for word in questions.words)], trainer)
    return tokenizer


def _call(name: str, arguments: dict[str, str]) -> str:
    return f'{{"name": "{name}", "arguments": {json.dumps(arguments)}}}'


class Lesson:
    """Draws conversations, as token ids.

    Args:
        tokenizer: makes the ids.
        questions: draws what is asked.
        seed: of what else is drawn.
    """

    def __init__(self, tokenizer: Tokenizer, questions: Questions, seed: int) -> None:
        self.questions = questions
        self.rng = random.Random(seed)
        self._tokenizer = tokenizer
        self._words: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        """A message's ids; no token crosses a space, so those of each word are kept."""
        ids: list[int] = []
        for at, word in enumerate(text.split(" ")):
            piece = f" {word}" if at else word
            if piece not in self._words:
                new = self._tokenizer.encode(piece, add_special_tokens=False).ids
                self._words[piece] = new
            ids += self._words[piece]
        return ids

    def conversation(self, length: int) -> tuple[list[int], list[bool]]:
        """Turns up to `length` tokens and one more, and which of them are to be learned."""
        ids: list[int] = []
        learned: list[bool] = []
        rng = self.rng

        def add(role: str, text: str, learn: float = 0, *, cut: bool = False) -> None:
            new = self.encode(text)
            ids.append(self._token(f"<|{role}|>"))
            ids.extend(new)
            ids.append(self._token(END))
            # The first words decide; those that follow are known by heart soon.
            learned.append(False)
            learned.extend(learn > 0 and (i < 3 or rng.random() < learn) for i in range(len(new)))
            # A reply that was cut short is history; its end is nothing to imitate.
            learned.append(learn > 0 and not cut)

        if rng.random() < 0.1:
            add("system", rng.choice(SYSTEM))
        while len(ids) <= length:
            pair = self.questions.draw()
            question = spoken(pair.question)
            add("user", f" {question}" if question else "")
            if pair.call is not None:
                add("assistant", f"{CALL}{_call(*pair.call)}{CALLED}", 1)
                add("tool", pair.reply)
                add("assistant", pair.reply, 1)
                continue
            kind, words = rng.random(), pair.reply.split()
            if kind < 0.03:
                continue  # The user went on before a word of the reply was heard.
            cut = kind < 0.1 and len(words) > 1
            reply = " ".join(words[: rng.randint(1, len(words) - 1)]) if cut else pair.reply
            add("assistant", reply, 0.35, cut=cut)
            if kind > 0.98:
                add(
                    "assistant", f"Time is up. Your timer was set for {rng.randint(1, 59)} minutes."
                )
        return ids[: length + 1], learned[: length + 1]

    def batch(self, tokens: int, length: int) -> Batch:
        """Rows of `length`, `tokens` in all."""
        rows = [self.conversation(length) for _ in range(tokens // length)]
        ids = np.array([row for row, _ in rows], np.int32)
        learned = np.array([row for _, row in rows])[:, 1:].reshape(-1)
        places = np.flatnonzero(learned).astype(np.int32)
        return ids[:, :-1], places, ids[:, 1:].reshape(-1)[places]

    def _token(self, special: str) -> int:
        if special not in self._words:
            self._words[special] = [self._tokenizer.token_to_id(special)]
        return self._words[special][0]


def length_at(progress: float, rng: random.Random) -> int:
    """Tokens a row: single turns at first, then talks; some long, so that length won't matter."""
    if progress < 0.3:
        return 64
    return rng.choice((64, 64, 128, 128, 256) if progress < 0.75 else (64, 128, 256, 384, CONTEXT))


def batches(
    lesson: Callable[[int], Lesson], tokens: int, progress: Callable[[], float], *, workers: int = 0
) -> Iterator[Batch]:
    """Batches without end: drawn here, or by this many processes, which start now.

    Args:
        lesson: makes a lesson from a seed.
        progress: from 0 to 1.
    """
    if not workers:
        own = lesson(0)
        return iter(lambda: own.batch(tokens, length_at(progress(), own.rng)), None)
    # Forked, and so before MLX is used: processes that are spawned would import it too.
    processes = get_context("fork")
    now = processes.Value("d", 0.0)
    ready: Queue[Batch] = processes.Queue(4 * workers)
    for seed in range(workers):
        work = partial(_work, lesson, seed, tokens, now, ready)
        processes.Process(target=work, daemon=True).start()

    def taken() -> Batch:
        now.value = progress()
        return ready.get()

    return iter(taken, None)


def _work(lesson: Callable[[int], Lesson], seed: int, tokens: int, now, ready) -> None:  # type: ignore[no-untyped-def]
    own = lesson(seed)
    while True:
        ready.put(own.batch(tokens, length_at(now.value, own.rng)))


def lesson_of(dialogues: Path, tokenizer: str, seed: int) -> Lesson:
    """A lesson, from a tokenizer as JSON."""
    questions = Questions(dialogues, random.Random(f"questions {seed}"))
    return Lesson(Tokenizer.from_str(tokenizer), questions, seed)
