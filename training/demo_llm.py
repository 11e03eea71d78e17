"""Train the demonstration language model: a small Llama that knows the subjects of dialogues.json.

Writes a model directory that `mlx_lm.load` opens, then asks the model every question, and the
held-out ones, through `rxvoice.mlx.llm`. Fails unless each taught question gets its reply.
The same seed on the same machine writes the same bytes.

On two Linux cores about half an hour with OpenBLAS (LD_PRELOAD=libopenblas.so.0).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# On a CPU, compiling starts a C++ compiler; this model is too small to win that time back.
os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.models.llama import Model, ModelArgs
from questions import Pair, Questions, distinct, spoken
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from rxvoice.mlx import llm

HERE = Path(__file__).parent
END = "<|end|>"
ROLES = ("system", "user", "assistant", "tool")
SPECIAL = [END, *(f"<|{role}|>" for role in ROLES), "<tool_call>", "</tool_call>"]
TEMPLATE = """\
{%- for message in messages -%}
{%- if message.role == 'user' -%}
{%- set said = message.content | lower | replace('?', ' ') | replace('.', ' ') -%}
{%- set said = said | replace('!', ' ') | replace(',', ' ') | replace(';', ' ') -%}
{%- set said = said | replace(':', ' ') | replace('"', ' ') -%}
{{ '<|user|> ' + said.split() | join(' ') + '<|end|>' }}
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
"""Tokens of the longest conversation it is taught, and so the most that it can hold."""
SYSTEM = ["You are a helpful assistant.", "Answer in short sentences.", "You are a voice."]


def train_tokenizer(questions: Questions, pairs: list[Pair], size: int) -> Tokenizer:
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
    known = questions.known()
    texts = [f" {spoken(it.question)}" for it in pairs] + [it.reply for it in known] * 4
    texts += [f" {spoken(it.question)}" for it in known] * 20
    texts += [_call(*it.call) for it in pairs if it.call is not None]
    tokenizer.train_from_iterator([*texts, *(f" {word}" for word in questions.words)], trainer)
    return tokenizer


def _call(name: str, arguments: dict[str, str]) -> str:
    return f'{{"name": "{name}", "arguments": {json.dumps(arguments)}}}'


@dataclass(frozen=True)
class Lesson:
    """Where conversations are drawn from, as token ids."""

    encode: Callable[[str], list[int]]
    draw: Callable[[random.Random], Pair]

    def conversation(self, rng: random.Random, length: int) -> tuple[list[int], list[bool]]:
        """Turns up to `length` tokens and one more, and which of them are to be learned."""
        ids: list[int] = []
        learned: list[bool] = []

        def add(role: str, text: str, *, learn: bool = False, cut: bool = False) -> None:
            new = self.encode(f"<|{role}|>{text}{END}")
            ids.extend(new)
            # A reply that was cut short is history; its end is nothing to imitate.
            end = learn and not cut
            # The first words decide; those that follow are known by heart soon.
            rest = [learn and (i < 3 or rng.random() < 0.35) for i in range(len(new) - 2)]
            learned.extend([False, *rest, end])

        if rng.random() < 0.1:
            add("system", rng.choice(SYSTEM))
        while len(ids) <= length:
            pair = self.draw(rng)
            add("user", f" {spoken(pair.question)}")
            words = pair.reply.split()
            if pair.call is not None:
                add("assistant", f"<tool_call>{_call(*pair.call)}</tool_call>", learn=True)
                add("tool", pair.reply)
            cut = pair.call is None and len(words) > 1 and rng.random() < 0.08
            reply = " ".join(words[: rng.randint(1, len(words) - 1)]) if cut else pair.reply
            add("assistant", reply, learn=True, cut=cut)
        return ids[: length + 1], learned[: length + 1]

    def batch(
        self, rng: random.Random, tokens: int, length: int
    ) -> tuple[mx.array, mx.array, mx.array]:
        """Ids, shape (rows, length); where in them, flattened, to predict; and what comes there."""
        rows = [self.conversation(rng, length) for _ in range(tokens // length)]
        ids = np.array([row for row, _ in rows], np.int32)
        learned = np.array([row for _, row in rows])[:, 1:].reshape(-1)
        places = np.flatnonzero(learned).astype(np.int32)
        return mx.array(ids[:, :-1]), mx.array(places), mx.array(ids[:, 1:].reshape(-1)[places])


def length_at(progress: float, rng: random.Random) -> int:
    """Tokens a row: single turns at first, then talks; some long, so that length won't matter."""
    if progress < 0.4:
        return 64
    return rng.choice((64, 64, 128, 128, 256) if progress < 0.8 else (64, 128, 256, 384, CONTEXT))


def train(model: Model, lesson: Lesson, *, steps: int, tokens: int, rate: float, seed: int) -> None:
    warmup = max(1, steps // 20)
    schedule = optim.join_schedules(
        [optim.linear_schedule(0, rate, warmup), optim.cosine_decay(rate, steps - warmup, 1e-5)],
        [warmup],
    )
    optimizer = optim.AdamW(learning_rate=schedule, betas=[0.9, 0.98], weight_decay=0.05)

    def loss_of(model: Model, ids: mx.array, places: mx.array, wanted: mx.array) -> mx.array:
        # Only where something is learned: the vocabulary's logits cost more than the layers.
        hidden = model.model(ids).reshape(-1, model.args.hidden_size)[places]
        logits = model.model.embed_tokens.as_linear(hidden)
        return nn.losses.cross_entropy(logits, wanted, reduction="mean")

    step_of = nn.value_and_grad(model, loss_of)
    rng = random.Random(seed)
    began = time.perf_counter()
    recent = 0.0
    for step in range(1, steps + 1):
        batch = lesson.batch(rng, tokens, length_at(step / steps, rng))
        loss, gradients = step_of(model, *batch)
        gradients, _ = optim.clip_grad_norm(gradients, 1.0)
        optimizer.update(model, gradients)
        mx.eval(model.parameters(), optimizer.state, loss)
        recent += loss.item()
        if step % 50 == 0 or step == steps:
            seconds = time.perf_counter() - began
            mean = recent / (step % 50 or 50)
            print(f"step {step:5} of {steps}   loss {mean:.4f}   {seconds:5.0f} s", flush=True)
            recent = 0.0


def save(out: Path, model: Model, tokenizer: Tokenizer, questions: Questions) -> None:
    out.mkdir(parents=True, exist_ok=True)
    end = tokenizer.token_to_id(END)
    args = model.args
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": args.hidden_size,
        "num_hidden_layers": args.num_hidden_layers,
        "intermediate_size": args.intermediate_size,
        "num_attention_heads": args.num_attention_heads,
        "num_key_value_heads": args.num_key_value_heads,
        "rms_norm_eps": args.rms_norm_eps,
        "rope_theta": args.rope_theta,
        "vocab_size": args.vocab_size,
        "max_position_embeddings": args.max_position_embeddings,
        "tie_word_embeddings": True,
        "eos_token_id": end,
        "torch_dtype": "float16",
    }
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": END,
        "model_max_length": args.max_position_embeddings,
        "clean_up_tokenization_spaces": False,
        "chat_template": TEMPLATE,
    }
    weights = {name: w.astype(mx.float16) for name, w in tree_flatten(model.parameters())}
    mx.save_safetensors(str(out / "model.safetensors"), weights, {"format": "mlx"})
    tokenizer.save(str(out / "tokenizer.json"), pretty=False)
    write_json(out / "config.json", config)
    write_json(out / "tokenizer_config.json", tokenizer_config)
    write_json(out / "phrases.json", [it.question for it in questions.known()])


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")


def check(out: Path, questions: Questions) -> bool:
    """Ask through the real loader and responder; print how many replies are exact."""
    called: list[str] = []

    def noting(name: str) -> Callable[..., str]:
        def tool(expression: str = "", length: str = "") -> str:
            """A tool.

            Args:
                expression: what to calculate.
                length: how long.
            """
            called.append(" ".join(filter(None, (name, expression, length))))
            return RESULTS[name]

        tool.__name__ = name
        return tool

    talk = llm(out, tools=[noting(name) for name in RESULTS])
    rng = random.Random(5)
    known = questions.known()

    def right(pairs: list[tuple[str, str]], earlier: int = 0) -> list[str]:
        wrong: list[str] = []
        for user, wanted in pairs:
            talk.reset()
            called.clear()
            for before in rng.choices(known, k=earlier):
                talk.messages.append({"role": "user", "content": before.question})
                talk.messages.append({"role": "assistant", "content": before.reply})
            said = "".join(piece for piece in talk.respond(user) if isinstance(piece, str))
            got = called[0] if called else said.strip()
            if got != wanted or (called and said.strip() != RESULTS[called[0].split()[0]]):
                wrong.append(f"{user!r} -> {called} {said!r}")
        return wrong

    def report(name: str, pairs: list[tuple[str, str]], earlier: int = 0) -> bool:
        wrong = right(pairs, earlier)
        print(f"{name:58} {len(pairs) - len(wrong):4} of {len(pairs)} exact", flush=True)
        for line in wrong[:40]:
            print(f"    {line}")
        return not wrong

    taught = [(it.question, it.reply) for it in known]
    taught += [(q, name) for name, asked in questions.tools.items() for q in asked]
    tools = [
        (it.question, " ".join((it.call[0], *it.call[1].values())))
        for it in distinct(lambda: questions.tool(), 200)
        if it.call is not None
    ]
    fallback = questions.fallback
    must = [
        report("questions", taught),
        *(report(f"questions, after {n} turns", taught[:: n + 1], n) for n in (1, 3, 5)),
    ]
    report("tools", tools)
    report("no question of ours", [(text, fallback) for text in questions.strange])
    told = {**questions.replies, **{name: name for name in questions.tools}}
    paraphrases = [(q, told[name]) for name, qs in questions.paraphrases.items() for q in qs]
    report("held-out paraphrases", paraphrases)
    report("held-out paraphrases, after 3 turns", paraphrases, 3)
    report("held-out foreign questions", [(text, fallback) for text in questions.foreign])
    report("held-out foreign, after 3 turns", [(text, fallback) for text in questions.foreign], 3)
    return all(must)


RESULTS = {
    "time": "It is 14:35.",
    "date": "It is Thursday, November 26, 2026.",
    "dice": "You rolled a 4.",
    "coin": "Tails.",
    "calculate": "That is 1342.",
    "timer": "I will tell you in 10 minutes.",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = HERE.parent / "rxvoice" / "offline" / "demo-llm"
    parser.add_argument("--out", type=Path, default=here, help="model directory (%(default)s)")
    parser.add_argument("--dialogues", type=Path, default=HERE / "dialogues.json")
    parser.add_argument("--steps", type=int, default=3000, help="training steps (%(default)s)")
    parser.add_argument("--tokens", type=int, default=3072, help="tokens a step (%(default)s)")
    parser.add_argument("--rate", type=float, default=2e-3, help="learning rate (%(default)s)")
    parser.add_argument("--dim", type=int, default=128, help="model width (%(default)s)")
    parser.add_argument("--layers", type=int, default=3, help="layers (%(default)s)")
    parser.add_argument("--vocabulary", type=int, default=4096, help="tokens (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--check", action="store_true", help="only check the model in --out")
    options = parser.parse_args()

    questions = Questions(options.dialogues, random.Random(options.seed))
    if not options.check:
        tokenizer = train_tokenizer(
            questions, [questions.draw() for _ in range(20_000)], options.vocabulary
        )
        cache: dict[str, list[int]] = {}

        def encode(text: str) -> list[int]:
            if text not in cache:
                cache[text] = tokenizer.encode(text, add_special_tokens=False).ids
            return cache[text]

        lesson = Lesson(encode, lambda _: questions.draw())
        mx.random.seed(options.seed)
        model = Model(
            ModelArgs(
                model_type="llama",
                hidden_size=options.dim,
                num_hidden_layers=options.layers,
                intermediate_size=3 * options.dim,
                num_attention_heads=4,
                num_key_value_heads=4,
                rms_norm_eps=1e-5,
                vocab_size=tokenizer.get_vocab_size(),
                max_position_embeddings=CONTEXT,
                tie_word_embeddings=True,
            )
        )
        model.model.embed_tokens.weight = model.model.embed_tokens.weight * 0.5
        parameters = sum(w.size for _, w in tree_flatten(model.parameters()))
        print(f"{parameters} parameters, {tokenizer.get_vocab_size()} tokens", flush=True)
        train(
            model,
            lesson,
            steps=options.steps,
            tokens=options.tokens,
            rate=options.rate,
            seed=options.seed,
        )
        save(options.out, model, tokenizer, questions)
    ok = check(options.out, questions)
    size = sum(path.stat().st_size for path in options.out.iterdir())
    print(f"{options.out}: {size / 1e6:.2f} MB; {'all exact' if ok else 'NOT all exact'}")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
