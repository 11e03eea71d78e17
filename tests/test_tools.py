"""Functions that a model may call: how they are described, and how they are called."""

import os

os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any, Literal

import pytest

from rxvoice.errors import ConfigError
from rxvoice.tools import ToolCall
from rxvoice.tools._toolbox import Toolbox


class Unit(Enum):
    CELSIUS = "c"
    FAHRENHEIT = "f"


def weather(city: str, days: int = 1, unit: Unit = Unit.CELSIUS) -> str:
    """The weather.

    Args:
        city: Where.
        days: How many days ahead.
        unit: Of the temperature.
    """
    return f"{city} {days} {unit.name}"


@dataclass
class Place:
    city: str
    floor: int = 0


@dataclass
class Tree:
    branches: list["Tree"]


class Lamp:
    def __init__(self) -> None:
        self.on = False

    def switch(self, on: bool) -> None:
        """Switch the lamp.

        Args:
            on: Whether it is to be on.
        """
        self.on = on


def taking(hint: object) -> Callable[..., object]:
    def tool(value):  # type: ignore[no-untyped-def]
        """Give the value.

        Args:
            value: Any.
        """
        given.append(value)
        return value

    given: list[object] = []
    tool.given = given  # type: ignore[attr-defined]
    tool.__annotations__ = {"value": hint}
    return tool


def test_the_schema_is_that_of_chat_templates() -> None:
    [schema] = Toolbox([weather]).schemas
    function = schema["function"]
    assert schema["type"] == "function"
    assert function["name"] == "weather"  # type: ignore[index]
    assert function["description"] == "The weather."  # type: ignore[index]
    assert function["parameters"] == {  # type: ignore[index]
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where."},
            "days": {"type": "integer", "description": "How many days ahead."},
            "unit": {"type": "string", "enum": ["c", "f"], "description": "Of the temperature."},
        },
        "required": ["city"],
    }


def test_a_call_is_made_with_its_arguments() -> None:
    box = Toolbox([weather])
    assert len(box) == 1
    assert box.call("weather", {"city": "Rome", "days": 2.0, "unit": "f"}) == ToolCall(
        "weather", {"city": "Rome", "days": 2.0, "unit": "f"}, "Rome 2 FAHRENHEIT"
    )


def test_a_method_is_a_tool_and_its_result_is_told_as_json() -> None:
    lamp = Lamp()
    assert Toolbox([lamp.switch]).call("switch", {"on": True}).result == "null"
    assert lamp.on
    assert Toolbox([taking(Any)]).call("tool", {"value": {"ü": [1, None]}}).result == (
        '{"ü": [1, null]}'
    )


def test_a_result_that_json_does_not_know_is_told_as_text() -> None:
    def place() -> object:
        """Say where."""
        return {"at": Unit.CELSIUS}

    assert Toolbox([place]).call("place", {}).result == '{"at": "Unit.CELSIUS"}'


@pytest.mark.parametrize(
    ("hint", "given", "read"),
    [
        (str, "a", "a"),
        (int, 2.0, 2),
        (float, 2, 2.0),
        (bool, False, False),
        (float | int, 2, 2),
        (int | None, None, None),
        (Literal["a", 1], 1, 1),
        (Unit, "f", Unit.FAHRENHEIT),
        (list, ["a", 1], ["a", 1]),
        (list[Unit], ["c"], [Unit.CELSIUS]),
        (tuple[int, str], [1.0, "a"], (1, "a")),
        (dict[str, float], {"a": 1}, {"a": 1.0}),
        (dict, {"a": [1]}, {"a": [1]}),
        (list[int] | str, "a", "a"),
        (int, "5", 5),
        (int, " 5 ", 5),
        (float, "2.5", 2.5),
        (bool, "true", True),
        (bool, "False", False),
        (int | None, "5", 5),
        (int | str, "5", "5"),
        (list[int], ["1", 2.0], [1, 2]),
        (tuple[int, ...], ["1"], (1,)),
        (set[int], ["1", 1], {1}),
        (date, "2024-02-29", date(2024, 2, 29)),
        (Place, {"city": "Rome", "floor": "3"}, Place("Rome", 3)),
        (Place | None, None, None),
    ],
)
def test_values_are_read_as_the_hint_says(hint: object, given: object, read: object) -> None:
    tool = taking(hint)
    call = Toolbox([tool]).call("tool", {"value": given})
    assert call.error is None, call.result
    [value] = tool.given  # type: ignore[attr-defined]
    assert (value, type(value)) == (read, type(read))


@pytest.mark.parametrize(
    ("hint", "given", "told"),
    [
        (str, 1, "value must be text, got 1"),
        (int, "abc", "value must be a whole number, got 'abc'"),
        (int, None, "value must be a whole number, got None"),
        (int, "9" * 5000, f"value must be a whole number, got '{'9' * 99}..."),
        (float, "1,5", "value must be a number, got '1,5'"),
        (float, True, "value must be a number, got True"),
        (bool, "yes", "value must be true or false, got 'yes'"),
        (int | str, None, "value must be int | str, got None"),
        (list[Unit], ["c", "k"], "value[1] must be one of 'c', 'f', got 'k'"),
        (dict[str, list[int]], {"a": ["b"]}, "value.a[0] must be a whole number, got 'b'"),
        (date, "soon", "value must be date, got 'soon'"),
        (Place, {"city": 1}, "value must be Place, got {'city': 1}: city: Input should be a valid"),
        (Place | None, {}, "value must be Place | None, got {}: city: Field required"),
        (int, True, "value must be a whole number, got True"),
        (int, 1.5, "value must be a whole number, got 1.5"),
        (float, False, "value must be a number, got False"),
        (bool, 1, "value must be true or false, got 1"),
        (Literal["a", 1], True, "value must be one of 'a', 1, got True"),
        (Unit, "k", "value must be one of 'c', 'f', got 'k'"),
        (list[int], [1, "x"], "value[1] must be a whole number, got 'x'"),
        (list[int], 1, "value must be list[int], got 1"),
        (tuple[int, int], [1], "value must be tuple[int, int], got [1]"),
        (dict[str, int], {"a": "b"}, "value.a must be a whole number, got 'b'"),
        (int | None, "x", "value must be int | None, got 'x'"),
    ],
)
def test_values_that_do_not_fit_are_told(hint: object, given: object, told: str) -> None:
    tool = taking(hint)
    call = Toolbox([tool]).call("tool", {"value": given})
    assert call.result.startswith(f"Error: TypeError: {told}")
    assert told.endswith("...") or "Input" in told or call.result.endswith(told)
    assert isinstance(call.error, TypeError)
    assert tool.given == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("whether", {}, "Error: LookupError: there is no tool 'whether'; there are: weather"),
        ("weather", {}, "Error: TypeError: the argument 'city' is missing"),
        (
            "weather",
            {"city": "Rome", "town": 1},
            "Error: TypeError: no argument 'town'; there are: city, days, unit",
        ),
    ],
)
def test_calls_that_do_not_fit_are_told(name: str, arguments: dict[str, object], told: str) -> None:
    call = Toolbox([weather]).call(name, arguments)
    assert (call.result, call.arguments) == (told, arguments)
    assert call.error is not None


def test_there_may_be_no_tools() -> None:
    assert Toolbox().call("weather", {}).result.endswith("there are: none")


def test_a_schema_has_its_definitions_in_place_and_no_names_of_python() -> None:
    def visit(place: Place | None, days: list[Unit], title: str = "") -> str:
        """Visit a place.

        It may
        be far.

        Args:
            place: Where to,
                or nothing.
            days (list): Which.
            title: Of the place.

        Returns:
            What was seen.
        """
        return ""

    [schema] = Toolbox([visit]).schemas
    place = {"city": {"type": "string"}, "floor": {"type": "integer", "default": 0}}
    assert schema["function"] == {
        "name": "visit",
        "description": "Visit a place.\n\nIt may\nbe far.",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {
                    "type": "object",
                    "properties": place,
                    "required": ["city"],
                    "nullable": True,
                    "description": "Where to, or nothing.",
                },
                "days": {
                    "type": "array",
                    "items": {"type": "string", "enum": ["c", "f"]},
                    "description": "Which.",
                },
                "title": {"type": "string", "description": "Of the place."},
            },
            "required": ["place", "days"],
        },
    }


def test_describing_a_tool_loads_no_model_library() -> None:
    probe = (
        "import sys\n"
        "from rxvoice.tools import Toolbox\n"
        "def f():\n    'F.'\n"
        "assert 'pydantic' not in sys.modules\n"
        "Toolbox([f])\n"
        "print([m for m in ('mlx', 'mlx_lm', 'transformers') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"


def test_a_tool_that_ends_the_program_ends_only_itself() -> None:
    def leave() -> str:
        """Leave."""
        sys.exit(3)

    call = Toolbox([leave]).call("leave", {})
    assert call.result == "Error: RuntimeError: the tool ended with sys.exit(3)"
    assert isinstance(call.error, RuntimeError)


def test_what_a_tool_raises_is_told() -> None:
    def broken() -> str:
        """Break."""
        raise OSError("no network")

    call = Toolbox([broken]).call("broken", {})
    assert call.result == "Error: OSError: no network"
    assert isinstance(call.error, OSError)


def undocumented(city: str) -> str:
    return city


def half(city: str, days: int) -> str:
    """Half.

    Args:
        city: Where.
    """
    return city


def unhinted(city) -> str:  # type: ignore[no-untyped-def]
    """No hint.

    Args:
        city: Where.
    """
    return city


def strange(city: Lamp) -> str:
    """Strange.

    Args:
        city: Where.
    """
    return ""


def many(*cities: str) -> str:
    """Many.

    Args:
        cities: Where.
    """
    return ""


def growing(tree: Tree) -> str:
    """Growing.

    Args:
        tree: All of it.
    """
    return ""


async def later() -> AsyncIterator[str]:
    """Later."""
    yield ""


@pytest.mark.parametrize(
    ("tools", "wanted"),
    [
        ([print], "a tool must be a function or a method, got <built-in function print>"),
        ([undocumented], "the tool undocumented cannot be described .* no docstring"),
        ([half], "the tool half cannot be described .* no description for the argument 'days'"),
        ([unhinted], "the tool unhinted cannot be described .* missing a type hint"),
        ([strange], "the tool strange cannot be described .* custom class"),
        ([growing], "the tool growing cannot be described .* the hint Tree contains itself"),
        ([many], r"the tool many takes \*cities: 'str': every argument needs a name|\*cities"),
        ([later], "the tool later is an async generator: give a function that returns its result"),
        ([weather, weather], "tools must have different names, got two called 'weather'"),
    ],
)
def test_what_cannot_be_a_tool(tools: list[Callable[..., object]], wanted: str) -> None:
    with pytest.raises(ConfigError, match=wanted):
        Toolbox(tools)
