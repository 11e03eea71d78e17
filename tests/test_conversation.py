"""What was said, cut to what was heard, saved and loaded."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from rxvoice.conversation import Conversation, Message
from rxvoice.errors import ConfigError

CALL = {"id": "000000001", "type": "function", "function": {"name": "f", "arguments": {"x": 1}}}


def roles(talk: Conversation) -> list[str]:
    return [message["role"] for message in talk.messages]


def with_a_tool() -> Conversation:
    talk = Conversation(system="Be brief.")
    talk.add_user("One?")
    talk.add_assistant("One.")
    talk.add_user("Two?")
    talk.add_assistant("Let me look.")["tool_calls"] = [CALL]  # type: ignore[typeddict-item]
    talk.messages.append({"role": "tool", "content": "2", "tool_call_id": "000000001", "name": "f"})
    talk.add_assistant("It is two. Anything else?")
    return talk


def test_the_system_prompt_is_the_first_message() -> None:
    talk = Conversation(system="Be brief.")
    talk.add_user("Hello.")
    assert talk.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello."},
    ]
    assert talk.system == "Be brief."
    talk.system = "Be long."
    assert talk.messages[0]["content"] == "Be long."
    talk.system = None
    assert (talk.system, roles(talk)) == (None, ["user"])
    talk.system = "Again."
    assert roles(talk) == ["system", "user"]
    talk.clear()
    assert roles(talk) == ["system"]


def test_messages_that_are_given_come_after_a_new_system_prompt() -> None:
    given: list[Message] = [{"role": "user", "content": "Hello."}]
    talk = Conversation(system="Be brief.", messages=given)
    assert roles(talk) == ["system", "user"]
    assert roles(Conversation(system="New.", messages=talk.messages)) == ["system", "user"]


@pytest.mark.parametrize(
    ("heard", "left"),
    [
        ("It is", "It is"),
        ("It is two. Any", "It is  two. Any"),
        ("It is two.", "It is  two."),
        (" It   is\n", "It is"),
        ("It is two. Anything else?", "It is  two. Anything else? "),
        ("It is two. Anything else? And more.", "It is  two. Anything else? "),
        ("Something else", "Something else"),
    ],
)
def test_heard_cuts_the_last_answer(heard: str, left: str) -> None:
    talk = Conversation()
    talk.add_user("Two?")
    talk.add_assistant("It is  two. Anything else? ")
    talk.heard(heard)
    assert talk.messages[1:] == [{"role": "assistant", "content": left}]


@pytest.mark.parametrize("heard", ["", " \n"])
def test_an_answer_of_which_nothing_was_heard_is_dropped(heard: str) -> None:
    talk = Conversation()
    talk.add_user("One?")
    talk.add_assistant("One.")
    talk.add_user("Two?")
    talk.add_assistant("Two.")
    talk.heard(heard)
    assert roles(talk) == ["user", "assistant", "user"]
    # Not the answer before, either.
    talk.heard(heard)
    assert roles(talk) == ["user", "assistant", "user"]


@pytest.mark.parametrize(
    ("heard", "left"),
    [
        ("", [""]),
        ("Let me", ["Let me"]),
        ("Let me look.", ["Let me look."]),
        ("Let me look. It is", ["Let me look.", "It is"]),
        ("Let me look.It is two. Anything else?", ["Let me look.", "It is two. Anything else?"]),
    ],
)
def test_what_a_tool_did_stays(heard: str, left: list[str]) -> None:
    talk = with_a_tool()
    talk.heard(heard)
    assert roles(talk)[:6] == ["system", "user", "assistant", "user", "assistant", "tool"]
    assert talk.messages[4]["tool_calls"] == [CALL]
    answers = [message for message in talk.messages[3:] if message["role"] == "assistant"]
    assert [message["content"] for message in answers] == left


def test_heard_without_an_answer_changes_nothing() -> None:
    talk = Conversation(system="Be brief.")
    talk.heard("Hello")
    assert roles(talk) == ["system"]


def test_any_prefix_is_cut_at_its_last_letter() -> None:
    rng = random.Random(1)
    for _ in range(300):
        said = "".join(rng.choice("ab. \n") for _ in range(rng.randint(1, 20)))
        heard = said[: rng.randint(0, len(said))]
        talk = Conversation()
        talk.add_user("Well?")
        talk.add_assistant(said)
        talk.heard(" ".join(heard.split()))
        left = talk.messages[1]["content"] if len(talk.messages) > 1 else ""
        assert left.split() == heard.split()
        assert said.startswith(left)


def test_json_round_trips(tmp_path: Path) -> None:
    talk = with_a_tool()
    talk.add_user("Grüße, ☕ \u2028")
    assert Conversation.from_json(talk.to_json()) == talk
    talk.save(tmp_path / "talk.json")
    talk.save(str(tmp_path / "talk.json"))
    assert Conversation.load(tmp_path / "talk.json") == talk
    assert [path.name for path in tmp_path.iterdir()] == ["talk.json"]
    assert Conversation.from_json(Conversation().to_json()) == Conversation()
    assert Conversation() != talk


def message(**changes: object) -> dict[str, object]:
    return {"role": "user", "content": "Hello.", **changes}


def call(**changes: object) -> list[object]:
    return [message(role="assistant", tool_calls=[{**CALL, **changes}])]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([], r'the JSON: wanted an object \{"messages": \[...\]\}, got \[\]'),
        ({"messages": {}}, r"messages: wanted a list, got \{\}"),
        ([1], r"messages\[0\]: wanted an object, got 1"),
        ([message(), message(role="robot")], r"messages\[1\]\.role: wanted one of system, user"),
        ([message(role=["user"])], r"messages\[0\]\.role: wanted one of .* got \['user'\]"),
        ([message(content=None)], r"messages\[0\]\.content: wanted text, got None"),
        ([{"role": "user"}], r"messages\[0\]\.content: wanted text, got None"),
        ([message(x=1)], r"messages\[0\]: wanted only content, role in a message of user, got 'x'"),
        ([message(), message(role="system")], r"messages\[1\]: wanted no system message but"),
        ([message(role="tool", name=3)], r"messages\[0\]\.name: wanted text, got 3"),
        ([message(role="assistant", tool_calls=[])], r"\.tool_calls: wanted a list of calls"),
        ([message(tool_calls=[CALL])], r"messages\[0\]: wanted only content, role"),
        ([message(role="assistant", tool_calls=[1])], r"\.tool_calls\[0\]: wanted an object, got"),
        (call(id=1), r"messages\[0\]\.tool_calls\[0\]\.id: wanted text, got 1"),
        (call(type="x"), r"\.tool_calls\[0\]\.type: wanted 'function', got 'x'"),
        (call(extra=1), r"\.tool_calls\[0\]: wanted an object with id, type and function"),
        (call(function={"name": "f"}), r"\.function: wanted an object with name and arguments"),
        (call(function={"name": 1, "arguments": {}}), r"\.function\.name: wanted text, got 1"),
        (call(function={"name": "f", "arguments": 1}), r"\.arguments: wanted an object, got 1"),
        ([message(content=["x" * 200])], r"wanted text, got \['x{75}\.\.\.$"),
    ],
)
def test_json_of_another_shape_says_where(given: object, wanted: str, tmp_path: Path) -> None:
    wrapped = given if not given or isinstance(given, dict) else {"messages": given}
    with pytest.raises(ConfigError, match=wanted):
        Conversation.from_json(json.dumps(wrapped))
    (tmp_path / "talk.json").write_text(json.dumps(wrapped))
    with pytest.raises(ConfigError, match=r"talk\.json is no conversation: .*wanted"):
        Conversation.load(tmp_path / "talk.json")


def test_what_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="got no JSON: Expecting value"):
        Conversation.from_json("hello")
    (tmp_path / "talk.json").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"talk\.json is no conversation: 'utf-8' codec"):
        Conversation.load(tmp_path / "talk.json")
    with pytest.raises(FileNotFoundError):
        Conversation.load(tmp_path / "none.json")


def test_it_needs_no_model_library() -> None:
    probe = (
        "import sys, rxvoice.conversation, rxvoice.tools\n"
        "print([m for m in ('mlx', 'mlx_lm', 'transformers') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"
