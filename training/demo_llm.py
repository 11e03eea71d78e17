"""Train the demonstration language model: a small Llama that knows the subjects of dialogues.json.

Writes a model directory that `mlx_lm.load` opens, then asks the model every question, and the
held-out ones, through `rxvoice.mlx.llm`. Fails unless each taught question gets its reply.

The model in the package learned on an NVIDIA H200, with MLX for CUDA, beside a second one:

    python training/demo_llm.py --seconds 310 --workers 7 --tokens 65536

What is drawn comes from a seed, but in no fixed order where several processes draw, so another run
gives another model of about the same worth. Two Linux cores would take days for as many tokens. The
defaults, with LD_PRELOAD=libopenblas.so.0, take about two hours there: enough to try a change.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

# On a CPU, compiling starts a C++ compiler; this model is too small to win that time back.
os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from lessons import CONTEXT, END, TEMPLATE, Batch, batches, lesson_of, train_tokenizer
from mlx.utils import tree_flatten
from mlx_lm.models.llama import Model, ModelArgs
from questions import Questions, distinct
from tokenizers import Tokenizer

HERE = Path(__file__).parent
RESULTS = {
    "time": "It is 14:35.",
    "date": "It is Thursday, November 26, 2026.",
    "dice": "You rolled a 4.",
    "coin": "Tails.",
    "calculate": "That is 1342.",
    "timer": "I will tell you in 10 minutes.",
}


class Progress:
    """How much of the training is done: of its steps, or of its seconds where these are given."""

    def __init__(self, steps: int, seconds: float | None) -> None:
        self.step = 0
        self.steps = steps
        self.seconds = seconds
        self.began = time.perf_counter()

    def __call__(self) -> float:
        if self.seconds is None:
            return min(1, self.step / self.steps)
        return min(1, self.passed / self.seconds)

    @property
    def passed(self) -> float:
        return time.perf_counter() - self.began


def train(
    model: Model, drawn: Iterator[Batch], progress: Progress, rate: float, save: Callable[[], None]
) -> None:
    optimizer = optim.AdamW(learning_rate=0.0, betas=[0.9, 0.98], weight_decay=0.05)

    def loss_of(model: Model, ids: mx.array, places: mx.array, wanted: mx.array) -> mx.array:
        # Only where something is learned: the vocabulary's logits cost more than the layers.
        hidden = model.model(ids).reshape(-1, model.args.hidden_size)[places]
        logits = model.model.embed_tokens.as_linear(hidden)
        return nn.losses.cross_entropy(logits, wanted, reduction="mean")

    step_of = nn.value_and_grad(model, loss_of)
    told, recent = 0.0, []
    progress.began = time.perf_counter()
    for batch in drawn:
        done = progress()
        if done >= 1:
            break
        warm = min(1, done / 0.04)
        optimizer.learning_rate = rate * (
            warm * (0.005 + 0.995 * (1 + math.cos(math.pi * done)) / 2)
        )
        loss, gradients = step_of(model, *map(mx.array, batch))
        gradients, _ = optim.clip_grad_norm(gradients, 1.0)
        optimizer.update(model, gradients)
        mx.eval(model.parameters(), optimizer.state, loss)
        progress.step += 1
        recent.append(loss.item())
        if progress.passed - told > 20:
            told, mean = progress.passed, sum(recent) / len(recent)
            print(
                f"step {progress.step:6}   loss {mean:.4f}   {told:5.0f} s   {done:.0%}", flush=True
            )
            recent.clear()
            save()


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
    asked = [it.question for it in questions.known()]
    asked += [question for it in questions.tools.values() for question in it]
    write_json(out / "phrases.json", asked)


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")


def check(out: Path, questions: Questions) -> bool:
    """Ask through the real loader and responder; print how many replies are exact."""
    from rxvoice.mlx import llm

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
    drawn = [it for it in distinct(questions.tool, 400) if it.call is not None and it.call[1]][:200]
    tools = [
        (it.question, " ".join(filter(None, (it.call[0], *it.call[1].values())))) for it in drawn
    ]
    fallback = questions.fallback
    must = [
        report("questions", taught),
        *(report(f"questions, after {n} turns", taught[:: 4 * n + 1], n) for n in (1, 3, 5)),
    ]
    report("arguments of tools", tools)
    report("no question of ours", [(text, fallback) for text in questions.strange])
    told = {**questions.replies, **{name: name for name in questions.tools}}
    paraphrases = [(q, told[name]) for name, qs in questions.paraphrases.items() for q in qs]
    report("held-out paraphrases", paraphrases)
    report("held-out paraphrases, after 3 turns", paraphrases, 3)
    report("held-out foreign questions", [(text, fallback) for text in questions.foreign])
    report("held-out foreign, after 3 turns", [(text, fallback) for text in questions.foreign], 3)
    report("held-out foreign of CLINC150", [(text, fallback) for text in questions.crowd_foreign])
    return all(must)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = HERE.parent / "rxvoice" / "offline" / "demo-llm"
    parser.add_argument("--out", type=Path, default=here, help="model directory (%(default)s)")
    parser.add_argument("--dialogues", type=Path, default=HERE / "dialogues.json")
    parser.add_argument("--steps", type=int, default=3000, help="training steps (%(default)s)")
    parser.add_argument("--seconds", type=float, help="train for so long, whatever the steps")
    parser.add_argument("--tokens", type=int, default=4096, help="tokens a step (%(default)s)")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw (%(default)s)")
    parser.add_argument("--rate", type=float, default=2e-3, help="learning rate (%(default)s)")
    parser.add_argument("--dim", type=int, default=192, help="model width (%(default)s)")
    parser.add_argument("--layers", type=int, default=3, help="layers (%(default)s)")
    parser.add_argument("--heads", type=int, default=6, help="attention heads (%(default)s)")
    parser.add_argument("--vocabulary", type=int, default=3072, help="tokens (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--check", action="store_true", help="only check the model in --out")
    parser.add_argument("--no-check", action="store_true", help="only train")
    options = parser.parse_args()

    questions = Questions(options.dialogues, random.Random(options.seed))
    if not options.check:
        tokenizer = train_tokenizer(questions, options.vocabulary)
        progress = Progress(options.steps, options.seconds)
        lesson = partial(lesson_of, options.dialogues, tokenizer.to_str())
        drawn = batches(lesson, options.tokens, progress, workers=options.workers)
        if mx.default_device() == mx.Device(mx.gpu):
            # Batches differ in length: without a limit, MLX keeps the buffers of each.
            mx.set_cache_limit(24 << 30)
        mx.random.seed(options.seed)
        model = Model(
            ModelArgs(
                model_type="llama",
                hidden_size=options.dim,
                num_hidden_layers=options.layers,
                intermediate_size=3 * options.dim,
                num_attention_heads=options.heads,
                num_key_value_heads=options.heads,
                rms_norm_eps=1e-5,
                vocab_size=tokenizer.get_vocab_size(),
                max_position_embeddings=CONTEXT,
                tie_word_embeddings=True,
            )
        )
        model.model.embed_tokens.weight = model.model.embed_tokens.weight * 0.5
        parameters = sum(w.size for _, w in tree_flatten(model.parameters()))
        print(f"{parameters} parameters, {mx.default_device()}", flush=True)
        keep = partial(save, options.out, model, tokenizer, questions)
        train(model, drawn, progress, options.rate, keep)
        keep()
        print(f"trained {progress.step} steps", flush=True)
    if options.no_check:
        return 0
    ok = check(options.out, questions)
    size = sum(path.stat().st_size for path in options.out.iterdir())
    print(f"{options.out}: {size / 1e6:.2f} MB; {'all exact' if ok else 'NOT all exact'}")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
