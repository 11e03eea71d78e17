"""Tries a chat template once, with a bound: it is a program that comes with the model."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from rxvoice.errors import ConfigError
from rxvoice.mlx._opening import reason

_LINES = 100_000  # that one rendering may run; that of a long conversation runs some hundreds
_FILE = "<template>"  # jinja2's name for a template that comes from no file


_MOST_BYTES = 2**30  # that one rendering may add to the memory of the process
_DIGITS = 7  # of a number; Python multiplies texts and numbers of any size
_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes, of what the system tells


class _TooMuch(Exception):
    """It runs too long, or takes too much memory."""


def check_source(model: str, template: str) -> None:
    """Raise for what takes for ever in one step of the template, which no bound can interrupt.

    Args:
        model: its directory or name, for the message of the error.
        template: its text.

    Raises:
        ConfigError: it raises to a power, has a huge number, or makes text at random.
    """
    from jinja2 import TemplateSyntaxError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    before = ""
    try:
        for _, kind, text in ImmutableSandboxedEnvironment().lex(template):
            # f(**options) is none: there the sign follows a parenthesis or a comma.
            is_power = kind == "operator" and text == "**" and before not in ("(", ",")
            is_huge = kind == "integer" and len(text.replace("_", "")) > _DIGITS
            if is_power or is_huge or (kind == "name" and text == "lipsum"):
                raise ConfigError(
                    f"the chat template of the language model {model!r} has {text[:20]!r}, which "
                    "none needs and which could take for ever: use another conversion of the model"
                )
            before = before if kind == "whitespace" else text
    except TemplateSyntaxError:
        pass  # rendering it says why


def check_template(model: str, render: Callable[[], object]) -> None:
    """Render a message, and raise if the template fails or does not end.

    Args:
        model: its directory or name, for the message of the error.
        render: renders one message of a user.

    Raises:
        ConfigError: says why.
    """
    before = sys.gettrace()
    sys.settrace(_counting())
    try:
        render()
    except Exception as error:
        raise ConfigError(
            f"the chat template of the language model {model!r} cannot be rendered "
            f"({reason(error)}): it is in chat_template.jinja or tokenizer_config.json; correct "
            "it, or use another conversion of the model"
        ) from error
    finally:
        sys.settrace(before)


def _counting() -> Callable[[FrameType, str, Any], Any]:
    """A tracer for this thread that raises in a template that runs too long."""
    left, begin = _LINES, _peak()

    def line(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise _TooMuch(f"it runs for more than {_LINES:,} lines")
        if _peak() - begin > _MOST_BYTES:
            raise _TooMuch(f"it takes more than {_MOST_BYTES >> 20} MiB of memory")
        return line

    def call(frame: FrameType, event: str, argument: object) -> Any:
        return line if frame.f_code.co_filename == _FILE else None

    return call


def _peak() -> int:
    """The most memory that the process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
