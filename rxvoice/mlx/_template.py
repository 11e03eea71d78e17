"""Tries a chat template once, with a bound: it is a program that comes with the model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from rxvoice.errors import ConfigError
from rxvoice.mlx._opening import reason

_LINES = 100_000  # that one rendering may run; that of a long conversation runs some hundreds
_FILE = "<template>"  # jinja2's name for a template that comes from no file


class _TooLong(Exception):
    def __init__(self) -> None:
        super().__init__(f"it runs for more than {_LINES:,} lines")


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
    left = _LINES

    def line(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise _TooLong
        return line

    def call(frame: FrameType, event: str, argument: object) -> Any:
        return line if frame.f_code.co_filename == _FILE else None

    return call
