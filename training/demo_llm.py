"""Train the demo's tiny language model: a two-layer Llama that knows the dialogues by heart.

The program reads dialogues.json and writes a model directory that `mlx_lm.load` opens: config.json,
model.safetensors, tokenizer.json and tokenizer_config.json. It also writes phrases.json, the
questions that it taught. Then it asks every question through `rxvoice.mlx.llm`, and fails unless
all replies are exact. The same seed on the same machine writes the same bytes.

It takes about six minutes on two Linux cores with OpenBLAS (LD_PRELOAD=libopenblas.so.0), and
twenty without.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# On a CPU, compiling starts a C++ compiler; this model is too small to win it back.
os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.models.llama import Model, ModelArgs
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from rxvoice.mlx import llm

HERE = Path(__file__).parent
END = "<|end|>"
ROLES = ("system", "user", "assistant")
SPECIAL = [END, *(f"<|{role}|>" for role in ROLES)]
TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message.role + '|>' + message.content + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
FILLERS = ("um", "uh", "a", "the", "so", "and", "well", "please", "oh", "then", "to", "it", "is")
CONTEXT = 768
"""Tokens of the longest conversation that is taught, and so the most that the model can hold."""
SYSTEM = ["You are a helpful assistant.", "Answer in short sentences.", "You are a voice."]


@dataclass(frozen=True)
class Dialogues:
    """What the model learns.

    Attributes:
        known: what a user may say, as written, and the answer to it.
        fallback: the answer to everything else.
        strange: sentences that get the fallback.
        words: words that no question has, for noise.
        plain: words that say nothing of the subject.
        held_out: never taught: foreign sentences, and questions in other words with their answers.
    """

    known: list[tuple[str, str]]
    fallback: str
    strange: list[str]
    words: list[str]
    plain: set[str]
    held_out: list[tuple[str, str]]

    @classmethod
    def read(cls, path: Path) -> Dialogues:
        data = json.loads(path.read_text("utf-8"))
        known = [(user, s["assistant"]) for s in data["subjects"] for user in s["user"]]
        rest = data["fallback"]
        answers = {s["name"]: s["assistant"] for s in data["subjects"]}
        held_out = [(text, rest["assistant"]) for text in data["held_out"]["foreign"]]
        for name, texts in data["held_out"]["paraphrases"].items():
            held_out += [(text, answers[name]) for text in texts]
        words = sorted(set(rest["words"].split()))
        plain = set(data["plain"].split())
        return cls(known, rest["assistant"], rest["user"], words, plain, held_out)


def spoken(text: str) -> str:
    """A text as a recogniser transcribes it: lower case, no punctuation."""
    return " ".join(re.findall(r"[a-z']+", text.lower()))


def distance(a: list[str], b: list[str]) -> int:
    """The number of words to insert, drop or replace to get from one to the other."""
    row = list(range(len(b) + 1))
    for i, word in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            diagonal, row[j] = (
                row[j],
                min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other)),
            )
    return row[-1]


class Listener:
    """Makes imperfect transcripts, each with the reply that it should still get."""

    def __init__(self, dialogues: Dialogues, rng: random.Random) -> None:
        self.dialogues = dialogues
        self.rng = rng
        self.known = [(spoken(user).split(), answer) for user, answer in dialogues.known]
        self.vocabulary = sorted({word for words, _ in self.known for word in words})
        asked = {word for text in dialogues.strange for word in spoken(text).split()}
        self.foreign = sorted({*dialogues.words, *asked} - set(self.vocabulary) - dialogues.plain)

    def misheard(self) -> tuple[str, str]:
        """A question with one or two wrong words that is still closest to its own subject."""
        while True:
            words, answer = self.rng.choice(self.known)
            heard = self._edited(words, [*self.vocabulary, *FILLERS])
            if heard != words and self._answer(heard) == answer:
                return " ".join(heard), answer

    def strange(self) -> tuple[str, str]:
        """Words that are far from every question: sentences, bags of words, scrambled questions."""
        while True:
            kind = self.rng.random()
            if kind < 0.4:
                return " ".join(self._about_another()), self.dialogues.fallback
            if kind < 0.6:
                words = spoken(self.rng.choice(self.dialogues.strange)).split()
                words = self._edited(words, self.foreign) if self.rng.random() < 0.5 else words
            elif kind < 0.8:
                pool = self.vocabulary if self.rng.random() < 0.5 else self.foreign
                mixed = [*pool, *self.foreign]
                words = [self.rng.choice(mixed) for _ in range(self.rng.randint(1, 9))]
            else:
                two = self.rng.sample(self.known, 2)
                words = [word for known, _ in two for word in known]
                self.rng.shuffle(words)
                words = words[: self.rng.randint(3, 9)]
            nearest = min(
                distance(words, known) / max(len(words), len(known)) for known, _ in self.known
            )
            if nearest > 0.6:
                return " ".join(words), self.dialogues.fallback

    def _about_another(self) -> list[str]:
        """A known question with another subject: "how far away is the bicycle"."""
        words = list(self.rng.choice(self.known)[0])
        while len(words) > 2 and self.rng.random() < 0.2:
            del words[self.rng.randrange(len(words))]
        telling = [at for at, word in enumerate(words) if word not in self.dialogues.plain]
        for at in telling[:-1]:
            if self.rng.random() < 0.3:
                words[at] = self.rng.choice(self.foreign)
        # The last of them names the subject.
        words[telling[-1] if telling else -1] = self.rng.choice(self.foreign)
        return words

    def _edited(self, words: list[str], others: list[str]) -> list[str]:
        words = list(words)
        for _ in range(self.rng.randint(1, max(1, min(3, len(words) // 2)))):
            at = self.rng.randrange(len(words)) if words else 0
            kind = self.rng.choice(("drop", "swap", "insert", "replace", "replace"))
            if kind == "drop" and len(words) > 1:
                del words[at]
            elif kind == "swap" and at + 1 < len(words):
                words[at : at + 2] = reversed(words[at : at + 2])
            elif kind == "insert":
                words.insert(at, self.rng.choice(FILLERS))
            elif kind == "replace" and words:
                words[at] = self.rng.choice(others)
        return words

    def _answer(self, heard: list[str]) -> str | None:
        """The reply of the nearest questions; None if they disagree or are far."""
        far = [(distance(heard, words), answer) for words, answer in self.known]
        least = min(far)[0]
        nearest = {answer for how_far, answer in far if how_far == least}
        return nearest.pop() if len(nearest) == 1 and least <= len(heard) / 2 else None


def train_tokenizer(dialogues: Dialogues, size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    # The prefix space makes a word the same token at the start of a message and inside it.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    texts = [text for pair in dialogues.known for text in (*pair, spoken(pair[0]))]
    texts += [dialogues.fallback, *dialogues.strange, *map(spoken, dialogues.strange)]
    tokenizer.train_from_iterator(texts * 4 + dialogues.words, trainer)
    return tokenizer


@dataclass(frozen=True)
class Lesson:
    """Draws conversations, as token ids."""

    encode: Callable[[str], list[int]]
    exact: list[tuple[str, str]]
    misheard: list[tuple[str, str]]
    strange: list[tuple[str, str]]

    def conversation(self, rng: random.Random, length: int) -> tuple[list[int], list[bool]]:
        """Turns up to `length` tokens and one more, and which of them are to be learned."""
        ids: list[int] = []
        learned: list[bool] = []

        def add(role: str, text: str, *, learn: bool = False, cut: bool = False) -> None:
            new = self.encode(f"<|{role}|>{text}{END}")
            ids.extend(new)
            # A reply that was cut short is part of history, but its end is not to be learned.
            learned.extend([False, *[learn] * (len(new) - 2), learn and not cut])

        if rng.random() < 0.15:
            add("system", rng.choice(SYSTEM))
        while len(ids) <= length:
            question, answer = self._pair(rng)
            if rng.random() < 0.04:
                earlier = self._pair(rng)[0].split()
                question = " ".join([*earlier[: rng.randint(1, 4)], question])
            add("user", question)
            words = answer.split()
            cut = rng.random() < 0.1
            if cut:
                answer = " ".join(words[: rng.randint(1, len(words) - 1)])
            add("assistant", answer, learn=True, cut=cut)
        return ids[: length + 1], learned[: length + 1]

    def _pair(self, rng: random.Random) -> tuple[str, str]:
        kind = rng.random()
        if kind < 0.45:
            user, answer = rng.choice(self.exact)
            return (user if rng.random() < 0.5 else spoken(user)), answer
        return rng.choice(self.misheard if kind < 0.77 else self.strange)

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
    if progress < 0.35:
        return 64
    return rng.choice((64, 64, 128, 256, 256) if progress < 0.7 else (64, 128, 256, 256, CONTEXT))


def train(model: Model, lesson: Lesson, *, steps: int, tokens: int, rate: float, seed: int) -> None:
    warmup = max(1, steps // 20)
    schedule = optim.join_schedules(
        [optim.linear_schedule(0, rate, warmup), optim.cosine_decay(rate, steps - warmup, 1e-5)],
        [warmup],
    )
    optimizer = optim.AdamW(learning_rate=schedule, betas=[0.9, 0.98], weight_decay=0.02)

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


def save(out: Path, model: Model, tokenizer: Tokenizer, dialogues: Dialogues) -> None:
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
    write_json(out / "phrases.json", [user for user, _ in dialogues.known])


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")


def check(
    out: Path, dialogues: Dialogues, listener: Listener, tests: list[tuple[str, str]]
) -> bool:
    """Reply through the real loader and responder, and print how many replies are exact."""
    talk = llm(out)
    rng = random.Random(5)

    def right(pairs: list[tuple[str, str]], earlier: int = 0) -> list[str]:
        wrong: list[str] = []
        for user, answer in pairs:
            talk.reset()
            for before, reply in rng.choices(dialogues.known, k=earlier):
                talk.messages.append({"role": "user", "content": before})
                talk.messages.append({"role": "assistant", "content": reply})
            said = "".join(piece for piece in talk.respond(user) if isinstance(piece, str))
            if said != answer:
                wrong.append(f"{user!r} -> {said!r}")
        return wrong

    def report(name: str, pairs: list[tuple[str, str]], earlier: int = 0) -> bool:
        wrong = right(pairs, earlier)
        print(f"{name:58} {len(pairs) - len(wrong):4} of {len(pairs)} exact", flush=True)
        for line in wrong[:6]:
            print(f"    {line}")
        return not wrong

    heard = [(spoken(user), answer) for user, answer in dialogues.known]
    strange = [(text, dialogues.fallback) for text in ("", *dialogues.strange)]
    must = [
        report("questions as written", dialogues.known),
        report("questions as recognised", heard),
        *(report(f"questions as recognised, after {n} turns", heard, n) for n in (1, 2, 3, 4)),
        report("no question of ours", strange),
    ]
    report("questions as recognised, after 20 turns", heard, 20)
    mishearings = [pair for pair in tests if pair[1] != dialogues.fallback]
    nonsense = [pair for pair in tests if pair[1] == dialogues.fallback]
    for name, foreign in (("foreign", True), ("in other words", False)):
        pairs = [it for it in dialogues.held_out if (it[1] == dialogues.fallback) == foreign]
        report(f"held-out, {name}, as written", pairs)
        report(f"held-out, {name}, as recognised", [(spoken(it), answer) for it, answer in pairs])
    report("held-out mishearings", mishearings)
    report("held-out mishearings, after 4 turns", mishearings, 4)
    report("held-out nonsense", nonsense)
    return all(must)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = HERE.parent / "rxvoice" / "offline" / "demo-llm"
    parser.add_argument("--out", type=Path, default=here, help="model directory (%(default)s)")
    parser.add_argument("--dialogues", type=Path, default=HERE / "dialogues.json")
    parser.add_argument("--steps", type=int, default=1000, help="training steps (%(default)s)")
    parser.add_argument("--tokens", type=int, default=3072, help="tokens a step (%(default)s)")
    parser.add_argument("--rate", type=float, default=3e-3, help="learning rate (%(default)s)")
    parser.add_argument("--dim", type=int, default=64, help="model width (%(default)s)")
    parser.add_argument("--vocabulary", type=int, default=1024, help="tokens (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--check", action="store_true", help="only check the model in --out")
    options = parser.parse_args()

    dialogues = Dialogues.read(options.dialogues)
    listener = Listener(dialogues, random.Random(options.seed + 1))
    # The tests are drawn first and never taught.
    tests = sorted({listener.misheard() for _ in range(240)})
    tests += sorted({listener.strange() for _ in range(120)})
    if not options.check:
        unseen = {text for text, _ in tests}
        misheard = [
            pair for pair in (listener.misheard() for _ in range(12_000)) if pair[0] not in unseen
        ]
        strange = [
            pair for pair in (listener.strange() for _ in range(6_000)) if pair[0] not in unseen
        ]
        taught = {spoken(user) for user in dialogues.strange}
        strange += [(text, dialogues.fallback) for text in dialogues.strange] * 20
        strange += [(text, dialogues.fallback) for text in sorted(taught)] * 20
        strange += [("", dialogues.fallback)] * 200
        tokenizer = train_tokenizer(dialogues, options.vocabulary)
        cache: dict[str, list[int]] = {}

        def encode(text: str) -> list[int]:
            if text not in cache:
                cache[text] = tokenizer.encode(text, add_special_tokens=False).ids
            return cache[text]

        lesson = Lesson(encode, dialogues.known, misheard, strange)
        mx.random.seed(options.seed)
        model = Model(
            ModelArgs(
                model_type="llama",
                hidden_size=options.dim,
                num_hidden_layers=2,
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
        save(options.out, model, tokenizer, dialogues)
    ok = check(options.out, dialogues, listener, tests)
    size = sum(path.stat().st_size for path in options.out.iterdir())
    print(f"{options.out}: {size / 1e6:.2f} MB; {'all exact' if ok else 'NOT all exact'}")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
