"""Chat templates of families: what they make of a conversation, with a system prompt and tools."""

import os

os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from rxvoice.conversation import Message
from rxvoice.events import Notice
from rxvoice.mlx import Llm, llm
from rxvoice.mlx._llm_model import LoadedLlm, Piece
from rxvoice.mlx._prompt_cache import PromptCache
from tests.mlx.tiny_llms import FAMILIES, make

pytestmark = pytest.mark.models

TODAY = f"{datetime.now():%d %B %Y}"
SMOLLM3 = (
    "<|im_start|>system\n## Metadata\n\nKnowledge Cutoff Date: June 2025\n"
    f"Today Date: {TODAY}\nReasoning Mode: /no_think\n\n## Custom Instructions\n\nBe brief.\n\n"
    "<|im_end|>\n"
)
TALK: list[Message] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello."},
    {"role": "assistant", "content": "Hi."},
    {"role": "user", "content": "Why?"},
]
WANTED = {
    "mistral": "<s>[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT][INST]Hello.[/INST]Hi.</s>"
    "[INST]Why?[/INST]",
    "smollm3": SMOLLM3 + "<|im_start|>user\nHello.<|im_end|>\n"
    "<|im_start|>assistant\n<think>\n\n</think>\nHi.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n"
    "<|im_start|>assistant\n<think>\n\n</think>\n",
    "phi3": "<|im_start|>system<|im_sep|>Be brief.<|im_end|><|im_start|>user<|im_sep|>Hello."
    "<|im_end|><|im_start|>assistant<|im_sep|>Hi.<|im_end|><|im_start|>user<|im_sep|>Why?"
    "<|im_end|><|im_start|>assistant<|im_sep|>",
    "gemma2": "<bos><start_of_turn>user\nBe brief.\n\nHello.<end_of_turn>\n<start_of_turn>model\n"
    "Hi.<end_of_turn>\n<start_of_turn>user\nWhy?<end_of_turn>\n<start_of_turn>model\n",
    "gemma3_text": "<bos><start_of_turn>user\nBe brief.\n\nHello.<end_of_turn>\n"
    "<start_of_turn>model\nHi.<end_of_turn>\n<start_of_turn>user\nWhy?<end_of_turn>\n"
    "<start_of_turn>model\n",
    "gpt_oss": "<|start|>system<|message|>You are ChatGPT.\nReasoning: low\n\n# Valid channels: "
    "analysis, commentary, final.<|end|><|start|>developer<|message|># Instructions\n\nBe brief."
    "<|end|><|start|>user<|message|>Hello.<|end|><|start|>assistant<|channel|>final<|message|>Hi."
    "<|end|><|start|>user<|message|>Why?<|end|><|start|>assistant",
    "qwen3_5": "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello.<|im_end|>\n"
    "<|im_start|>assistant\nHi.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n"
    "<|im_start|>assistant\n<think>\n\n</think>\n\n",
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Llm]:
    path = tmp_path_factory.mktemp("templates")
    return {it: llm(make(it, path / it), max_tokens=4) for it in FAMILIES}


def weather(city: str) -> str:
    """The weather.

    Args:
        city: Where.
    """
    return f"sunny in {city}"


class Script:
    """In place of the network: what is written to each prompt."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
        self.prompts: list[list[int]] = []
        self._texts = iter(texts)
        monkeypatch.setattr(LoadedLlm, "texts", lambda model, *_: self._write())
        follow = PromptCache.follow

        def watched(cache: PromptCache, prompt: list[int]) -> list[int]:
            self.prompts.append(prompt)
            return follow(cache, prompt)

        monkeypatch.setattr(PromptCache, "follow", watched)

    def _write(self) -> Iterator[Piece]:
        yield from map(Piece, next(self._texts))


def said(model: Llm, question: str) -> str:
    return "".join(it for it in model.respond(question) if isinstance(it, str))


def text_of(model: Llm, prompt: object) -> str:
    return str(model._loaded().tokenizer.decode(prompt))  # type: ignore[attr-defined]


@pytest.mark.parametrize("family", WANTED)
def test_a_conversation_with_a_system_prompt(family: str, models: dict[str, Llm]) -> None:
    model = models[family]
    model.load()
    assert text_of(model, model._loaded().chat.prompt(TALK, [])) == WANTED[family]


def test_a_system_prompt_that_the_template_refuses_stays_one_for_the_app(
    models: dict[str, Llm],
) -> None:
    model = models["gemma2"].fresh()
    model.conversation.system = "Be brief."
    for question in ("Hello.", "Why?"):
        said(model, question)
    assert model.messages[:2] == TALK[:2]
    assert model.stats.prefilled_tokens < model.stats.prompt_tokens  # it is fed once
    model.reset()
    assert model.messages == TALK[:1]


@pytest.mark.parametrize("family", ["gemma2", "gemma3_text"])
def test_the_assistant_may_greet_where_the_template_wants_the_user_to_begin(
    family: str, models: dict[str, Llm]
) -> None:
    model = models[family].fresh()
    model.load()
    greets: list[Message] = [{"role": "assistant", "content": "Welcome."}, *TALK[1:2]]
    for system, wanted in (([], "Hello."), (TALK[:1], "Be brief.\n\nHello.")):
        prompt = model._loaded().chat.prompt([*system, *greets], [])
        assert text_of(model, prompt) == (
            f"<bos><start_of_turn>user\n{wanted}<end_of_turn>\n<start_of_turn>model\nWelcome."
            "<end_of_turn>\n<start_of_turn>user\nHello.<end_of_turn>\n<start_of_turn>model\n"
        )
    model.said("Welcome.")
    said(model, "Hello.")
    assert model.messages[0] == greets[0]


def test_a_template_that_passes_over_the_system_prompt_is_told_it_all_the_same(
    tmp_path: Path,
) -> None:
    path = make("gemma2", tmp_path)
    settings = json.loads((path / "tokenizer_config.json").read_text())
    settings["chat_template"] = (
        "{% for m in messages if m.role != 'system' %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    )
    (path / "tokenizer_config.json").write_text(json.dumps(settings))
    model = llm(path)
    model.load()
    prompt = text_of(model, model._loaded().chat.prompt(TALK, []))
    assert prompt == "user: Be brief.\n\nHello.\nassistant: Hi.\nuser: Why?\n"


def test_gpt_oss_thinks_calls_and_speaks_in_channels(
    models: dict[str, Llm], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = llm(models["gpt_oss"].model, tools=[weather], system_prompt="Be brief.")
    thought = "<|channel|>analysis<|message|>I need the weather.<|end|><|start|>assistant"
    script = Script(
        monkeypatch,
        f'{thought} to=functions.weather<|channel|>commentary json<|message|>{{"city": "Paris"}}',
        f"{thought}<|channel|>final<|message|>It is sunny.",
        f"{thought}<|channel|>final<|message|>Bye.",
        "<|channel|>analysis<|message|>Hm",
    )
    assert said(model, "Paris?") == "It is sunny."
    assert said(model, "Bye.") == "Bye."
    last = list(model.respond("Well?"))
    assert [it.message[:35] for it in last if isinstance(it, Notice)] == [
        "the reply ended within a thought, w"
    ]
    assert not any(it for it in last if isinstance(it, str))
    assert "analysis" not in json.dumps(model.messages)
    asked = text_of(model, script.prompts[-1])
    assert asked.partition("<|start|>user<|message|>")[2] == (
        "Paris?<|end|><|start|>assistant to=functions.weather<|channel|>commentary json"
        '<|message|>{"city": "Paris"}<|call|>'
        "<|start|>functions.weather to=assistant<|channel|>commentary<|message|>"
        '"sunny in Paris"<|end|>'
        "<|start|>assistant<|channel|>final<|message|>It is sunny.<|end|>"
        "<|start|>user<|message|>Bye.<|end|>"
        "<|start|>assistant<|channel|>final<|message|>Bye.<|end|>"
        "<|start|>user<|message|>Well?<|end|><|start|>assistant"
    )


def test_a_reply_of_gpt_oss_ends_with_a_call(models: dict[str, Llm]) -> None:
    model = models["gpt_oss"]
    model.load()
    ends = {model._loaded().tokenizer.get_vocab()[it] for it in ("<|return|>", "<|call|>")}
    assert model._loaded().chat.ends == ends


def test_mistral_calls_a_tool(models: dict[str, Llm], monkeypatch: pytest.MonkeyPatch) -> None:
    model = llm(models["mistral"].model, tools=[weather], system_prompt="Be brief.")
    script = Script(
        monkeypatch,
        '[TOOL_CALLS][{"name": "weather", "arguments": {"city": "Paris"}, "id": "abcdefghi"}]',
        "It is sunny.",
    )
    assert said(model, "Paris?") == "It is sunny."
    asked = text_of(model, script.prompts[-1])
    assert asked.startswith("<s>[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT][AVAILABLE_TOOLS][{")
    assert asked.endswith(
        '[INST]Paris?[/INST][TOOL_CALLS][{"name": "weather", "arguments": {"city": "Paris"}, "id": '
        '"000000001"}]</s>[TOOL_RESULTS]{"content": "sunny in Paris", "call_id": "000000001"}'
        "[/TOOL_RESULTS]"
    )
