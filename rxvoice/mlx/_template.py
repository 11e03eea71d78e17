"""A chat template is a program of the model's: tried once, with a bound, before it is relied on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from rxvoice.errors import ConfigError
from rxvoice.mlx._opening import reason

__all__ = ["check_template"]

_LINES = 100_000  # of one rendering; that of a long conversation runs some hundreds
_FILE = "<template>"  # as jinja2 calls a template that comes from no file


class _TooLong(Exception):
    def __init__(self) -> None:
        super().__init__(f"it runs for more than {_LINES:,} lines")


def check_template(model: str, render: Callable[[], object]) -> None:
    """Render something, and raise where the template fails or does not come to an end.

    Args:
        model: its directory or name, for the message.
        render: of one message of a user's.

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
    """A tracer of this thread that raises in a template that goes on for too long."""
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
