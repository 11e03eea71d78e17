"""Texts of a trace, which may have been recorded as lengths alone."""

from __future__ import annotations

from typing import cast


def text_of(value: object) -> str:
    """The text; of a trace without content, as many dots as its text had characters."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        chars = cast("dict[str, object]", value).get("chars")
        if isinstance(chars, int) and chars > 0:
            return "·" * min(chars, 200)
    return ""
