"""What was said, cut to what was heard, saved and loaded."""

import json
import os
import random
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest

from rxvoice.conversation import Conversation, Message
from rxvoice.conversation._turns import alternating, without_oldest
from rxvoice.errors import ConfigError

CALL = {"id": "000000001", "type": "function", "function": {"name": "f", "arguments": {"x": 1}}}


def roles(talk: Conversation) -> list[str]:
    return [message["role"] for message in talk.messages]


def with_a_tool() -> Conversation:
    talk = Conversation(system="Be brief.")
    talk.add_user("One?")
    talk.add_assistant("One.")
    talk.add_user("Two?")
    talk.add_assistant("Let me look.")["tool_calls"] = [deepcopy(CALL)]  # type: ignore[typeddict-item]
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


def test_before_any_question_all_that_the_assistant_said_is_the_answer() -> None:
    talk = Conversation(system="Be brief.")
    talk.add_assistant("Welcome.")
    talk.add_assistant("Hello there.")
    talk.heard("Welcome. Hello")
    assert [it["content"] for it in talk.messages] == ["Be brief.", "Welcome.", "Hello"]
    talk.system = None
    talk.heard("Wel")
    assert [it["content"] for it in talk.messages] == ["Wel"]


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
    assert Conversation() != []


def test_a_saved_conversation_is_readable() -> None:
    talk = Conversation(system="Be kind.")
    talk.add_user("Grüße")
    assert talk.to_json().splitlines() == [
        "{",
        ' "messages": [',
        *("  {", '   "role": "system",', '   "content": "Be kind."', "  },"),
        *("  {", '   "role": "user",', '   "content": "Grüße"', "  }"),
        *(" ]", "}"),
    ]


def test_json_with_almost_too_many_levels_is_read_or_refused() -> None:
    """How many levels Python can write depends on how deep its stack is."""
    refused: list[str] = []
    for levels in range(900, 1001):
        arguments = '{"a": ' + "[" * levels + "]" * levels + "}"
        function = '{"name": "f", "arguments": ' + arguments + "}"
        calls = '[{"id": "a", "type": "function", "function": ' + function + "}]"
        said = '{"role": "assistant", "content": "", "tool_calls": ' + calls + "}"
        try:
            Conversation.from_json('{"messages": [' + said + "]}")
        except ConfigError as error:
            refused.append(str(error))
    assert refused
    assert all("levels" in it and it.endswith("flatten it") for it in refused)


def test_json_with_more_levels_than_python_can_write_here_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def dumps(*_: object, **__: object) -> str:
        raise RecursionError

    monkeypatch.setattr(json, "dumps", dumps)
    with pytest.raises(ConfigError, match="it has almost 1000 levels: flatten it"):
        Conversation.from_json('{"messages": []}')


def message(**changes: object) -> dict[str, object]:
    return {"role": "user", "content": "Hello.", **changes}


def call(**changes: object) -> list[object]:
    return [message(role="assistant", tool_calls=[{**CALL, **changes}])]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([], r'the JSON: wanted an object \{"messages": \[...\]\}, got \[\]'),
        ({}, r"the JSON: wanted an object .* got \{\}"),
        (
            {"messages": [], "x": 1},
            r"the JSON: wanted an object .* got \{'messages': \[\], 'x': 1\}",
        ),
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
        ([message(role="assistant", tool_calls={"a": 1})], r"tool_calls: wanted a list of calls"),
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


@pytest.mark.parametrize("text", ["3", '["messages"]', '"messages"'])
def test_json_that_is_no_object(text: str) -> None:
    with pytest.raises(ConfigError, match="the JSON: wanted an object"):
        Conversation.from_json(text)


def test_what_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the text is not JSON: Expecting value"):
        Conversation.from_json("hello")
    (tmp_path / "talk.json").write_bytes(b"\xff")
    with pytest.raises(
        ConfigError, match=r"talk\.json is no conversation: the file is not text in UTF-8"
    ):
        Conversation.load(tmp_path / "talk.json")
    with pytest.raises(FileNotFoundError):
        Conversation.load(tmp_path / "none.json")


LONE = "\ud83d"


def test_halves_of_a_character_are_joined_and_lone_ones_replaced(tmp_path: Path) -> None:
    talk = Conversation(system=f"a{LONE}")
    talk.add_user(f"b{LONE}")
    talk.add_assistant("c\ud83d\ude00")
    assert [it["content"] for it in talk.messages] == ["a\ufffd", "b\ufffd", "c😀"]
    talk.heard(f"c{LONE}")
    talk.system = LONE
    assert [it["content"] for it in talk.messages] == ["\ufffd", "b\ufffd", "c\ufffd"]
    given: list[Message] = [{"role": "user", "content": LONE}]
    assert Conversation(messages=given).messages[0]["content"] == "\ufffd"
    # By an edit, or in a file of someone else's.
    talk.messages[1]["content"] = LONE
    talk.save(tmp_path / "talk.json")
    assert Conversation.load(tmp_path / "talk.json").messages[1]["content"] == "\ufffd"
    assert alternating(talk.messages)[1]["content"] == "\ufffd"
    text = json.dumps({"messages": [message(content=LONE), message(content="\ud83d\ude00")]})
    assert [it["content"] for it in Conversation.from_json(text).messages] == ["\ufffd", "😀"]
    talk = Conversation.from_json(json.dumps({"messages": call(id=LONE)}))
    assert talk.messages[0]["tool_calls"][0]["id"] == "\ufffd"


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    talk = with_a_tool()
    (tmp_path / "talk.json").write_text(talk.to_json(), "utf-8-sig")
    assert Conversation.load(tmp_path / "talk.json") == talk
    assert Conversation.from_json("\ufeff" + talk.to_json()) == talk


def deep() -> dict[str, object]:
    nested: dict[str, object] = {}
    for _ in range(100_000):
        nested = {"a": nested}
    return nested


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 100_000 + "]" * 100_000, "has more than 1000 levels"),
        ('{"messages": ' + "9" * 5000 + "}", "has a whole number of more than 308 digits"),
        ('{"messages": []', "is not JSON: Expecting"),
    ],
)
def test_json_that_python_cannot_read(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=told):
        Conversation.from_json(text)
    (tmp_path / "talk.json").write_text(text)
    with pytest.raises(ConfigError, match=rf"talk\.json is no conversation: .*{told}"):
        Conversation.load(tmp_path / "talk.json")


@pytest.mark.parametrize("content", [deep(), 10**5000], ids=["deep", "long"])
def test_a_message_that_cannot_be_shown(content: object) -> None:
    with pytest.raises(ConfigError, match=r"\.content: wanted text, got one of type"):
        Conversation(messages=[{"role": "user", "content": content}])  # type: ignore[typeddict-item]


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    with open(tmp_path / "talk.json", "wb") as file:
        file.truncate(2**26 + 1)
    with pytest.raises(ConfigError, match=r"talk\.json is larger than the 64 MB"):
        Conversation.load(tmp_path / "talk.json")
    with pytest.raises(ConfigError, match="/dev/zero is larger"):
        Conversation.load("/dev/zero")


@pytest.mark.parametrize(
    ("argument", "told"),
    [(object(), "not JSON serializable"), (10**5000, "Exceeds the limit"), (deep(), "recursion")],
    ids=["object", "long", "deep"],
)
def test_what_cannot_be_saved_leaves_the_old_file(
    argument: object, told: str, tmp_path: Path
) -> None:
    talk = with_a_tool()
    talk.save(tmp_path / "talk.json")
    before = (tmp_path / "talk.json").read_bytes()
    talk.messages[-3]["tool_calls"][0]["function"]["arguments"]["x"] = argument
    with pytest.raises(ConfigError, match=f"cannot be written as JSON: .*{told}"):
        talk.save(tmp_path / "talk.json")
    assert (tmp_path / "talk.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["talk.json"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_disk_that_fails_leaves_the_old_file_and_nothing_beside_it(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "talk.json"
    with_a_tool().save(path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        assert path.read_bytes() == before
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match=rf"No space left on device: '{path}'"):
        Conversation().save(path)
    assert path.read_bytes() == before
    assert [it.name for it in tmp_path.iterdir()] == ["talk.json"]


def test_all_is_on_the_disk_before_the_old_file_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("sync"), sync(handle)))
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("replace"), replace(*paths)))
    Conversation().save(tmp_path / "talk.json")
    assert done == ["sync", "replace", "sync"]


def test_saving_keeps_permissions_and_links(tmp_path: Path) -> None:
    path = tmp_path / "talk.json"
    Conversation().save(path)
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask
    path.chmod(0o640)
    (tmp_path / "link").symlink_to(path)
    with_a_tool().save(tmp_path / "link")
    assert path.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "link").is_symlink()
    assert Conversation.load(path) == with_a_tool()
    with pytest.raises(FileNotFoundError, match=r"no/talk\.json'"):
        Conversation().save(tmp_path / "no" / "talk.json")
    with pytest.raises(IsADirectoryError):
        Conversation().save(tmp_path)
    Conversation().save("/dev/null")


def test_it_needs_no_model_library() -> None:
    probe = (
        "import sys, rxvoice.conversation, rxvoice.tools\n"
        "print([m for m in ('mlx', 'mlx_lm', 'transformers') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"


# Summed up


def long(turns: int) -> Conversation:
    talk = Conversation(system="Be brief.")
    for turn in range(turns):
        talk.add_user(f"q{turn}")
        talk.add_assistant(f"a{turn}")
    return talk


def test_the_oldest_turns_are_replaced_by_a_summary() -> None:
    talk = long(5)
    given: list[Message] = []

    def summarise(messages: list[Message]) -> str:
        given.extend(messages)
        return f"  So far: {len(messages)} messages. "

    assert talk.compact(summarise) == 3
    assert [it["content"] for it in given] == ["q0", "a0", "q1", "a1", "q2", "a2"]
    assert [(it["role"], it["content"]) for it in talk.messages] == [
        ("system", "Be brief."),
        ("user", "So far: 6 messages."),
        *[("user", "q3"), ("assistant", "a3"), ("user", "q4"), ("assistant", "a4")],
    ]
    # Templates that want the two to take turns are given one message.
    assert alternating(talk.messages)[1]["content"] == "So far: 6 messages.\nq3"
    # The summary is summed up in its turn, and the conversation is as good as any other.
    assert talk.compact(lambda it: it[0]["content"], keep_turns=1) == 2
    assert [it["content"] for it in talk.messages] == [
        "Be brief.", "So far: 6 messages.", "q4", "a4",
    ]  # fmt: skip
    talk.heard("a")
    assert Conversation.from_json(talk.to_json()) == talk


def test_calls_of_tools_go_with_their_turn() -> None:
    talk = with_a_tool()
    talk.add_user("And now?")
    talk.add_assistant("No.")
    assert talk.compact(lambda _: "Before.", keep_turns=1) == 2
    left = [it["content"] for it in talk.messages if it["role"] != "system"]
    assert left == ["Before.", "And now?", "No."]


def test_there_may_be_nothing_to_sum_up() -> None:
    talk = long(2)
    before = list(talk.messages)
    assert talk.compact(lambda _: str(1 / 0)) == 0, "nobody is asked"
    assert talk.messages == before
    assert talk.compact(lambda _: " ", keep_turns=1) == 1
    assert [it["content"] for it in talk.messages] == ["Be brief.", "q1", "a1"]


def test_a_summary_that_is_none_leaves_all_as_it_was() -> None:
    talk = long(3)
    before = list(talk.messages)
    with pytest.raises(ConfigError, match="must give a str, got None"):
        talk.compact(lambda _: None)  # type: ignore[arg-type,return-value]
    with pytest.raises(ZeroDivisionError):
        talk.compact(lambda it: str(1 / 0))
    with pytest.raises(ConfigError, match="keep_turns must be at least 1 turns, got 0"):
        talk.compact(lambda _: "", keep_turns=0)
    assert talk.messages == before


def test_neighbours_of_one_role_are_joined_wherever_they_stand() -> None:
    talk = Conversation()
    for question in ("One?", "Two?"):
        talk.add_user(question)
        talk.add_assistant("Yes.")
    talk.add_user("Three")
    talk.add_user("four?")
    joined = alternating(talk.messages)
    assert [it["content"] for it in joined] == ["One?", "Yes.", "Two?", "Yes.", "Three four?"]


def test_a_message_that_calls_tools_is_joined_with_none_after_it() -> None:
    talk = with_a_tool()
    del talk.messages[-2]  # the result
    assert alternating(talk.messages) == talk.messages


def test_a_welcome_stays_while_there_is_one_turn() -> None:
    talk = Conversation(system="Be brief.")
    talk.add_assistant("Welcome.")
    talk.add_user("One?")
    assert without_oldest(talk.messages, 1, "Before.") == talk.messages
    talk.add_user("Two?")
    left = without_oldest(talk.messages, 1, "Before.")
    assert [it["content"] for it in left] == ["Be brief.", "Before.", "Two?"]
