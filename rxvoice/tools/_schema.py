"""Describes a function to a language model, and reads the arguments that the model gives."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from rxvoice.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

_SHOWN = 100  # characters of a value in an error


class Described:
    """A function with the schema of its arguments, and with what reads them.

    Args:
        function: has type hints and a docstring in Google's style.

    Attributes:
        schema: in the form that chat templates and servers take.

    Raises:
        ConfigError: it is no function, or cannot be described.
    """

    def __init__(self, function: Callable[..., object]) -> None:
        _check(function)
        self.function = function
        self.name = function.__name__
        try:
            self._hints = _hints(function)
            self._readers = {name: _reader(hint) for name, hint in self._hints.items()}
            self.schema = self._described()
        except Exception as error:  # pydantic's, and that of a hint that cannot be resolved
            raise ConfigError(
                f"the tool {self.name} cannot be described to a model: {_why(error)}. It needs a "
                "type hint for every argument and a docstring that says what it does, with a line "
                "for each argument under 'Args:'"
            ) from error

    def read(self, arguments: Mapping[str, object]) -> dict[str, object]:
        """The arguments, converted to what the hints say.

        Raises:
            TypeError: an argument is missing, unknown or does not fit; says what came and what was
                wanted.
        """
        from pydantic import ValidationError

        for name in arguments:
            if name not in self._readers:
                there = ", ".join(self._readers) or "none"
                raise TypeError(f"no argument {name!r}; there are: {there}")
        read: dict[str, object] = {}
        for name, parameter in inspect.signature(self.function).parameters.items():
            if name in arguments:
                try:
                    read[name] = self._readers[name].validate_python(arguments[name])
                except ValidationError as error:
                    told = _misfit(name, self._hints[name], arguments[name], error)
                    raise TypeError(told) from None
            elif parameter.default is inspect.Parameter.empty:
                raise TypeError(f"the argument {name!r} is missing")
        return read

    def _described(self) -> dict[str, object]:
        from docstring_parser import DocstringStyle, parse

        doc = parse(inspect.getdoc(self.function) or "", DocstringStyle.GOOGLE)
        description = (doc.description or "").strip()
        if not description:
            raise ValueError("it has no docstring")
        lines = {it.arg_name: it.description or "" for it in doc.params}
        properties: dict[str, object] = {}
        for name, reader in self._readers.items():
            if not lines.get(name):
                raise ValueError(f"its docstring has no description for the argument {name!r}")
            shape = _without_titles(_inlined(reader.json_schema()))
            properties[name] = {**shape, "description": " ".join(lines[name].split())}
        parameters: dict[str, object] = {"type": "object", "properties": properties}
        required = [
            name
            for name, it in inspect.signature(self.function).parameters.items()
            if it.default is inspect.Parameter.empty
        ]
        if required:
            parameters["required"] = required
        described = {"name": self.name, "description": description, "parameters": parameters}
        return {"type": "function", "function": described}


def _check(function: Callable[..., object]) -> None:
    if not inspect.isfunction(function) and not inspect.ismethod(function):
        raise ConfigError(f"a tool must be a function or a method, got {function!r}")
    name = function.__name__
    if inspect.isasyncgenfunction(function):
        raise ConfigError(
            f"the tool {name} is an async generator: give a function that returns its result"
        )
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ConfigError(f"the tool {name} takes {parameter}: every argument needs a name")


def _hints(function: Callable[..., object]) -> dict[str, Any]:
    hints = get_type_hints(function, include_extras=True)
    for name in inspect.signature(function).parameters:
        if name not in hints:
            raise ValueError(f"the argument {name!r} is missing a type hint")
    return {name: hints[name] for name in inspect.signature(function).parameters}


def _reader(hint: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(_guarded(hint))


def _guarded(hint: Any) -> Any:
    """The hint, kept from taking truth values for numbers, and the other way round."""
    from pydantic import BeforeValidator

    origin, args = get_origin(hint), get_args(hint)
    if hint in (int, float) or (origin is Literal and not _has_bool(args)):
        return Annotated[hint, BeforeValidator(_no_bool)]
    if isinstance(hint, type) and issubclass(hint, Enum) and not _has_bool(m.value for m in hint):
        return Annotated[hint, BeforeValidator(_no_bool)]
    if hint is bool:
        return Annotated[hint, BeforeValidator(_only_bool)]
    if origin in (Union, UnionType):
        return Union[tuple(map(_guarded, args))]  # noqa: UP007
    if origin in (list, tuple, dict, set, frozenset):
        inner = tuple(it if it is ... else _guarded(it) for it in args)
        return cast("Any", origin)[inner]
    return cast("Any", hint)


def _has_bool(values: Any) -> bool:
    return any(isinstance(it, bool) for it in values)


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a truth value")
    return value


def _only_bool(value: object) -> object:
    if isinstance(value, bool) or (
        isinstance(value, str) and value.strip().lower() in ("true", "false")
    ):
        return value.strip() if isinstance(value, str) else value
    raise ValueError("no truth value")


# What the model is told about an argument that does not fit.


def _misfit(name: str, hint: Any, given: object, error: ValidationError) -> str:
    """What came, where, and what was wanted there."""
    reason = error.errors(include_url=False, include_input=False)[0]
    where, value, wanted, rest = name, given, hint, list(reason["loc"])
    # Follow the hints. Behind them the path names members of a union or a class.
    while rest:
        inner, found = _inside(wanted, rest[0]), _item(value, rest[0])
        if inner is None or found is None:
            break
        where += f"[{rest[0]}]" if isinstance(rest[0], int) else f".{rest[0]}"
        wanted, value, rest = inner, found[0], rest[1:]
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    told = f"{where} must be {_wanted(wanted)}, got {shown}"
    if rest and _is_class(wanted):
        told += f": {'.'.join(map(str, rest))}: {reason['msg']}"
    return told


def _is_class(hint: Any) -> bool:
    """Whether it is one class, perhaps with None, so that an error can name its fields."""
    members = [it for it in get_args(hint) or (hint,) if it is not NoneType]
    return len(members) == 1 and isinstance(members[0], type) and hint not in _PLAIN


def _inside(hint: Any, step: int | str) -> Any:
    """The hint of an item in a list, tuple or dict; None for any other hint."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is list and isinstance(step, int):
        return args[0]
    if origin is tuple and isinstance(step, int):
        return args[0] if args[1:] == (...,) else args[step] if step < len(args) else None
    return args[1] if origin is dict else None


def _item(value: object, step: int | str) -> tuple[object] | None:
    """The item there, in a tuple of one; None if there is none."""
    try:
        return (cast("Any", value)[step],)
    except (LookupError, TypeError):
        return None


_PLAIN: dict[object, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    NoneType: "null",
}


def _wanted(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(repr, get_args(hint)))}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return f"one of {', '.join(repr(member.value) for member in hint)}"
    # Without the names of modules, which mean nothing to a model.
    text = inspect.formatannotation(cast("Any", hint))
    return _PLAIN.get(cast("object", hint)) or re.sub(r"\b(\w+\.)+", "", text)


def _why(error: Exception) -> str:
    from pydantic.errors import PydanticSchemaGenerationError

    text = str(error).partition("\n")[0].rstrip(".")
    if isinstance(error, PydanticSchemaGenerationError):
        return f"a custom class among its hints is not one that pydantic knows ({text})"
    return text


# The schema, without what chat templates and small servers cannot read.


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with each definition at the place where it is used."""
    definitions: dict[str, Any] = schema.pop("$defs", {})

    def resolved(node: Any, within: tuple[str, ...]) -> Any:
        if isinstance(node, list):
            return [resolved(it, within) for it in cast("list[Any]", node)]
        if not isinstance(node, dict):
            return node
        given = cast("dict[str, Any]", node)
        name = str(given.get("$ref", "")).rpartition("/")[2]
        if name in within:
            raise ValueError(f"the hint {name} contains itself")
        if name in definitions:
            rest = {key: it for key, it in given.items() if key != "$ref"}
            return {**resolved(definitions[name], (*within, name)), **rest}
        return {key: resolved(it, within) for key, it in given.items()}

    return resolved(schema, ())


def _without_titles(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without the titles that pydantic adds, and with `T | None` as a type."""
    plain: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            plain[key] = {name: _without_titles(it) for name, it in value.items()}
        elif key == "anyOf":
            plain[key] = [_without_titles(it) for it in value]
        elif isinstance(value, dict):
            plain[key] = _without_titles(cast("dict[str, Any]", value))
        elif key != "title":
            plain[key] = value
    arms = [it for it in plain.get("anyOf", ()) if it != {"type": "null"}]
    if len(arms) == 1 and "type" in arms[0]:
        # mlx-lm's parsers of calls look for the type here.
        return {
            **{key: it for key, it in plain.items() if key != "anyOf"},
            **arms[0],
            "nullable": True,
        }
    return plain
