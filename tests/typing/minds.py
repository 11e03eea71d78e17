"""What the type checkers must make of language models and of what they write; never run."""

from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import assert_type

import reactivex as rx
from reactivex import Observable
from reactivex.scheduler import ThreadPoolScheduler

import rxvoice as rxv
from rxvoice import operators as vox


async def weather(city: str) -> str:
    return city


def book(people: int) -> Observable[int]:
    return rx.of(people)


def choose(question: str) -> list[rxv.Tool]:
    return [weather] if "weather" in question else [book]


def filler(name: str, arguments: Mapping[str, object]) -> str | None:
    return f"{name} {arguments['city']}" if name == "weather" else None


def shorten(messages: list[rxv.Message]) -> str:
    return messages[0]["content"]


async def shorten_later(messages: list[rxv.Message]) -> str:
    return shorten(messages)


def of_both_kinds() -> None:
    rxv.mlx.llm("a/model", tools=[weather, book], tool_worker=ThreadPoolExecutor())
    rxv.mlx.llm("a/model", tools=choose, while_calling=filler, compact=shorten)
    where = "http://localhost"
    rxv.remote.llm("m", base_url=where, tools=[book], tool_worker=ThreadPoolScheduler(2))
    rxv.remote.llm("m", base_url=where, while_calling="One moment.", compact=shorten_later)
    assert_type(rxv.Conversation().compact(shorten, keep_turns=1), int)


def think(question: str) -> Iterator[str]:
    assert_type(rxv.FLUSH, str)
    yield question
    yield rxv.FLUSH


async def think_async(question: str) -> AsyncIterator[str | rxv.Notice]:
    yield question
    yield rxv.FLUSH


def answered(transcripts: Observable[rxv.Transcript]) -> None:
    assert_type(transcripts.pipe(vox.respond(think)), Observable[rxv.Reply | rxv.Event])
    assert_type(transcripts.pipe(vox.respond(think_async)), Observable[rxv.Reply | rxv.Event])


def wrong() -> None:
    rxv.mlx.llm("a/model", tool_worker="pool")  # type: ignore[arg-type]
    rxv.mlx.llm("a/model", tools=[1])  # type: ignore[list-item]
    rxv.mlx.llm("a/model", while_calling=weather)  # type: ignore[arg-type]
    rxv.mlx.llm("a/model", compact=choose)  # type: ignore[arg-type]
    rxv.Conversation().compact(shorten_later)  # type: ignore[arg-type]
