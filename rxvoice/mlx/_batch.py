"""`Batch`: answers of one model that are written together, a token of each in one step."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Generator
from contextlib import ExitStack, contextmanager
from threading import get_ident
from typing import Protocol, cast

import mlx.core as mx

from rxvoice.mlx._prompt_cache import Layer, PromptCache

AHEAD = 16
"""How many tokens an answer may have that nobody has asked for, until it sits out."""

PENALIZED = 20
"""Tokens that the repetition penalty looks back at, as mlx-lm has it."""

_CLEAR_EVERY = 256  # steps, as mlx-lm does

Penalty = Callable[[mx.array, mx.array], mx.array]
Sampler = Callable[[mx.array], mx.array]


class ChatModel(Protocol):
    """A network of mlx-lm."""

    def __call__(self, inputs: mx.array, *, cache: list[Layer]) -> mx.array: ...


class Member:
    """One answer of a batch, token by token.

    Args:
        cache: what the model knows of the conversation. It is empty until the answer is over.
        prompt: the last tokens of the prompt. The model was fed all but the last of them.
        most: how many tokens the answer may have.
        ends: the tokens that end it.
    """

    def __init__(
        self, cache: PromptCache, prompt: list[int], most: int, ends: Collection[int]
    ) -> None:
        self._cache = cache
        self._known = cache.lend()
        self.layers = self._known.layers
        self._most = self._left = most
        self._ends = ends
        self.last = prompt[-PENALIZED:-1]
        """What it was fed last."""
        self.token = mx.array(prompt[-1:], mx.uint32)
        """What it is fed next, while it is not in the layers of the batch."""
        self.ready: deque[int] = deque()
        """Tokens that were written, and not asked for yet."""
        self.is_over = False
        self.is_left = False
        """Whether nobody asks for more."""
        self.error: BaseException | None = None
        self._is_given = True  # the prompt's last token is no part of the answer

    @property
    def is_ahead(self) -> bool:
        """Whether it has to wait until somebody asks for what was written."""
        return len(self.ready) >= AHEAD

    @property
    def goes_on(self) -> bool:
        """Whether there is more to write."""
        return not (self.is_over or self.is_left or self.error)

    @property
    def is_new(self) -> bool:
        """Whether it has no token yet."""
        return self._left == self._most

    def fed(self, token: int) -> None:
        """Note that the model was fed this token, and give it, if it was not given before."""
        self._known.ids.append(token)
        self.last = [*self.last[2 - PENALIZED :], token]
        if not self._is_given:
            self._give(token)
        self._is_given = False

    def give(self, token: int) -> None:
        """Give a token that the model was not fed yet."""
        if not self._is_given:
            self._give(token)
        self._is_given = True

    def _give(self, token: int) -> None:
        self.ready.append(token)
        self._left -= 1
        self.is_over = token in self._ends or not self._left

    def end(self) -> None:
        """Give the layers back to the conversation."""
        self._known.layers, self.layers = self.layers, []
        self._cache.put(self._known)


class Batch:
    """Answers that are written together, on one thread.

    An answer that is alone is written as mlx-lm's ``generate_step`` does it, in the layers of its
    own cache. Where there are several, their layers are merged.

    The next token of each is computed while the caller deals with the last one, so that mostly the
    model was fed each token that was given. But the first token of an answer that joins others is
    given as soon as it is known.
    """

    def __init__(self, model: ChatModel, sampler: Sampler, penalties: list[Penalty]) -> None:
        self.thread = get_ident()
        self._model = model
        self._sampler = sampler
        self._penalties = penalties
        self._members: list[Member] = []
        self._rows: list[Member] = []  # those in the layers, in their order
        self._layers: list[Layer] = []
        self._next = mx.array(())  # what each row is fed next
        self._wired = ExitStack()
        self._steps = 0

    @property
    def size(self) -> int:
        """How many members it has."""
        return len(self._members)

    @property
    def is_shared(self) -> bool:
        """Whether several answers are written together now."""
        return len(self._rows) > 1

    def join(self, member: Member) -> None:
        """Take an answer in with the next step; its first token comes with the step after that."""
        if not self._members:
            from mlx_lm.generate import wired_limit

            self._wired.enter_context(wired_limit(self._model, [_stream()]))  # pyright: ignore
        self._members.append(member)

    def leave(self, member: Member) -> None:
        """Let an answer go, whether it is over or not. On another thread: with the next step."""
        member.is_left = True
        if get_ident() == self.thread:
            self.tidy()

    def tidy(self) -> None:
        """Let go of the answers that nobody asks for."""
        left = [it for it in self._members if it.is_left]
        with self._computing():
            self._take_out(left)
        for member in left:
            self._members.remove(member)
            if not (member.is_over or member.error):
                member.end()
        if not self._members:
            self._wired.close()

    def next(self, member: Member) -> int | None:
        """The next token of the answer; None if it is over."""
        while not member.ready:
            if member.error is not None:
                raise member.error
            if member.is_over:
                return None
            self._step()
            if member.is_new and self.is_shared:
                with self._computing():
                    self._hand_out(Member.give)
        return member.ready.popleft()

    @contextmanager
    def _computing(self) -> Generator[None]:
        """Compute on mlx-lm's stream. What raises fails all answers."""
        try:
            with mx.stream(_stream()):
                yield
        except BaseException as error:
            # It is not known what the layers hold.
            for member in self._members:
                member.error, member.layers = error, []
            self._rows, self._layers = [], []
            raise

    def _step(self) -> None:
        self.tidy()
        with self._computing():
            self._take_out([it for it in self._rows if it.is_ahead])
            self._put_in(
                [
                    it
                    for it in self._members
                    if it.goes_on and not it.is_ahead and it not in self._rows
                ]
            )
            following = self._chosen()
            mx.async_eval(following)  # pyright: ignore[reportUnknownMemberType]
            self._hand_out(Member.fed, following)
            self._steps += 1
            if self._steps % _CLEAR_EVERY == 0:
                mx.clear_cache()

    def _hand_out(
        self, hand: Callable[[Member, int], None], following: mx.array | None = None
    ) -> None:
        """Hand each row its next token; take out those that are over."""
        tokens = cast("list[int]", self._next.tolist())
        for member, token in zip(self._rows, tokens, strict=True):
            hand(member, token)
        if following is not None:
            self._next = following
        over = [it for it in self._rows if it.is_over]
        self._take_out(over)
        for member in over:
            member.end()

    def _chosen(self) -> mx.array:
        """Feed each row its next token, and choose the one that follows."""
        tokens = self._next
        logits = self._model(tokens[:, None], cache=self._layers)[:, -1, :]
        if self._penalties:
            logits = mx.concatenate(
                [
                    self._penalised(member, tokens[at : at + 1], logits[at : at + 1])
                    for at, member in enumerate(self._rows)
                ]
            )
        return self._sampler(logits - mx.logsumexp(logits, axis=-1, keepdims=True))

    def _penalised(self, member: Member, token: mx.array, logits: mx.array) -> mx.array:
        last = mx.concatenate([mx.array(member.last, token.dtype), token])
        for penalty in self._penalties:
            logits = penalty(last, logits)
        return logits

    def _put_in(self, members: list[Member]) -> None:
        """Merge the layers of these with the others."""
        if not members:
            return
        parts = [it.layers for it in members]
        if len(self._rows) == 1:
            parts, self._layers = [self._layers, *parts], []
        if len(parts) > 1 or self._layers:
            new = [cast("Layers", its[0]).merge(list(its)) for its in zip(*parts, strict=True)]
        else:
            new = parts[0]
        for layer, more in zip(self._layers, new, strict=False):
            cast("Layers", layer).extend(more)
        self._layers = self._layers or new
        tokens = [it.token for it in members]
        self._next = mx.concatenate([self._next, *tokens] if self._rows else tokens)
        self._rows += members
        for member in members:
            member.layers = []

    def _take_out(self, members: list[Member]) -> None:
        """Give these their own layers, where they are in those of the batch."""
        out = [at for at, it in enumerate(self._rows) if it in members]
        if not out:
            return
        stay = [at for at in range(len(self._rows)) if at not in out]
        for at in out:
            member = self._rows[at]
            member.layers, member.token = self._own(at), self._next[at : at + 1]
            mx.async_eval(member.token, *(it.state for it in member.layers))  # pyright: ignore
        if len(stay) == 1:
            self._layers = self._own(stay[0])
        elif stay:
            for layer in self._layers:
                cast("Layers", layer).filter(stay)
        else:
            self._layers = []
        self._rows = [self._rows[at] for at in stay]
        self._next = self._next[mx.array(stay)] if stay else mx.array(())

    def _own(self, row: int) -> list[Layer]:
        """The layers of one row."""
        if len(self._rows) == 1:
            return self._layers
        return [cast("Layers", it).extract(row) for it in self._layers]


class Layers(Layer, Protocol):
    """The cache of one layer of mlx-lm, for several answers."""

    def merge(self, caches: list[Layer], /) -> Layer: ...
    def extend(self, other: Layer, /) -> None: ...
    def filter(self, batch_indices: list[int], /) -> None: ...
    def extract(self, idx: int, /) -> Layer: ...


def _stream() -> mx.Stream:
    """The stream on which mlx-lm generates."""
    from mlx_lm.generate import generation_stream

    return cast("mx.Stream", generation_stream)
