"""The responder over mlx-lm, driven with the demo's own small model."""

import os

os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import mlx.core as mx
import mlx_lm
import pytest

import rxvoice.offline
from rxvoice.errors import ConfigError
from rxvoice.mlx import Llm, llm

MODEL = Path(rxvoice.offline.__path__[0]) / "demo-llm"
MOON = "How far away is the moon?"
TEA = "How do I make tea?"


@pytest.fixture(scope="module")
def shared() -> Llm:
    talk = llm(MODEL)
    talk.load()
    return talk


@pytest.fixture
def talk(shared: Llm) -> Llm:
    shared.reset()
    return shared


def current_stream() -> str:
    return repr(mx.default_stream(mx.default_device()))


@pytest.mark.models
def test_pieces_are_new_text_and_join_to_the_stored_answer(talk: Llm) -> None:
    pieces = list(talk.respond(MOON))
    assert len(pieces) > 10
    assert all(pieces)
    answer = "".join(pieces)
    assert answer[0] != " "
    assert "<|" not in answer
    assert talk.messages == [
        {"role": "user", "content": MOON},
        {"role": "assistant", "content": answer},
    ]


@pytest.mark.models
def test_nothing_happens_before_the_first_piece_is_asked_for(talk: Llm) -> None:
    answer = talk.respond(MOON)
    assert talk.messages == []
    next(answer)
    assert talk.messages == [{"role": "user", "content": MOON}]


@pytest.mark.models
def test_closed_early_stores_what_was_given(talk: Llm) -> None:
    answer = talk.respond(MOON)
    said = next(answer) + next(answer) + next(answer)
    answer.close()
    assert talk.messages[1:] == [{"role": "assistant", "content": said}]
    whole = "".join(talk.respond(TEA))
    assert whole.startswith("Boil some fresh water")
    assert [message["role"] for message in talk.messages] == ["user", "assistant"] * 2


@pytest.mark.models
def test_closed_before_a_word_joins_the_question_to_the_next(
    talk: Llm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blank(*_: object, **__: object):
        yield SimpleNamespace(text=" ")
        raise AssertionError("asked for more")

    with monkeypatch.context() as patch:
        patch.setattr(mlx_lm, "stream_generate", blank)
        answer = talk.respond("What is")
        assert next(answer) == " "
        answer.close()
    assert talk.messages == [{"role": "user", "content": "What is"}]

    seen: list[list[dict[str, str]]] = []
    template = talk._tokenizer.apply_chat_template  # type: ignore[union-attr]

    def watch(conversation: list[dict[str, str]], **options: bool) -> list[int]:
        seen.append(conversation)
        assert options == {"add_generation_prompt": True, "enable_thinking": False}
        return template(conversation, **options)

    monkeypatch.setattr(talk, "_tokenizer", type("T", (), {"apply_chat_template": watch}))
    "".join(talk.respond("the moon"))
    assert seen == [[{"role": "user", "content": "What is the moon"}]]
    assert [message["content"] for message in talk.messages[:2]] == ["What is", "the moon"]


@pytest.mark.models
def test_an_error_takes_the_question_back(talk: Llm, monkeypatch: pytest.MonkeyPatch) -> None:
    "".join(talk.respond(MOON))
    before = list(talk.messages)

    def broken(*_: object, **__: object):
        yield SimpleNamespace(text="Boil")
        raise RuntimeError("out of memory")

    monkeypatch.setattr(mlx_lm, "stream_generate", broken)
    answer = talk.respond(TEA)
    assert next(answer) == "Boil"
    with pytest.raises(RuntimeError, match="out of memory"):
        next(answer)
    assert talk.messages == before


@pytest.mark.models
def test_an_answer_that_outlives_a_reset_is_not_stored(talk: Llm) -> None:
    answer = talk.respond(MOON)
    next(answer)
    talk.reset()
    "".join(answer)
    assert talk.messages == []


@pytest.mark.models
@pytest.mark.parametrize("first", [0, 1])
def test_interleaved_answers_leave_the_default_stream(talk: Llm, first: int) -> None:
    before = current_stream()
    other = llm(MODEL)
    answers = [talk.respond(MOON), other.respond(TEA)]
    said = ["", ""]
    for _ in range(4):
        for index, answer in enumerate(answers):
            said[index] += next(answer)
            assert current_stream() == before
    answers[first].close()
    assert current_stream() == before
    said[1 - first] += "".join(answers[1 - first])
    assert current_stream() == before
    assert said[1 - first] == "".join(llm(MODEL).respond([MOON, TEA][1 - first]))
    assert [talk.messages, other.messages][first][1]["content"] == said[first]


@pytest.mark.models
def test_system_prompt_survives_a_reset() -> None:
    talk = llm(MODEL, system_prompt="Answer in short sentences.")
    prompt = {"role": "system", "content": "Answer in short sentences."}
    assert "".join(talk.respond(TEA)).startswith("Boil")
    assert talk.messages[0] == prompt
    talk.reset()
    assert talk.messages == [prompt]


@pytest.mark.models
def test_max_tokens_ends_the_answer() -> None:
    talk = llm(MODEL, max_tokens=3)
    cut = "".join(talk.respond(TEA))
    assert cut
    assert "".join(llm(MODEL).respond(TEA)).startswith(cut)
    assert len(cut.split()) <= 3
    assert talk.messages[1]["content"] == cut


@pytest.mark.models
def test_temperature_samples() -> None:
    hot = llm(MODEL, temperature=50.0, max_tokens=12)
    assert "".join(hot.respond(TEA)) != "".join(llm(MODEL, max_tokens=12).respond(TEA))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_tokens": 0}, "max_tokens must be at least 1 tokens, got 0"),
        ({"temperature": -0.1}, "temperature must be at least 0"),
        ({"top_p": 1.5}, "top_p must be from 0 to 1"),
        ({"top_p": 0}, "top_p must be above 0"),
    ],
)
def test_bad_options_raise_at_once(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        llm(MODEL, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/no/such/model", "./model", Path("models/a/b"), "a b"])
def test_a_path_that_is_not_there_raises_at_once(path: str | Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no directory '.*'") as caught:
        llm(path)
    assert "Hugging Face name, such as" in str(caught.value)


@pytest.mark.models
def test_a_name_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    talk = llm("nobody/no-such-model-here")
    with pytest.raises(ConfigError, match="'nobody/no-such-model-here' is not a directory") as e:
        next(iter(talk.respond("Hello.")))
    assert "check the path or the name, the network" in str(e.value)
    assert talk.messages == []


@pytest.mark.models
def test_a_directory_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no language model .* needs config\.json"):
        llm(tmp_path).load()


@pytest.mark.models
def test_a_model_without_a_chat_template(tmp_path: Path) -> None:
    shutil.copytree(MODEL, tmp_path / "m")
    config = tmp_path / "m" / "tokenizer_config.json"
    config.write_text(
        json.dumps({k: v for k, v in json.loads(config.read_text()).items() if "chat" not in k})
    )
    with pytest.raises(ConfigError, match="no chat template"):
        llm(tmp_path / "m").load()
