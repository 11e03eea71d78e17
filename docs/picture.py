"""The frame of a picture that is drawn as SVG: size, title for a screen reader, plate."""

from __future__ import annotations

from collections.abc import Iterable


def n(value: float) -> str:
    """A length, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def framed(width: float, height: float, title: str, style: str, body: Iterable[str]) -> str:
    """The whole file, from what is in the picture.

    Args:
        style: CSS; ``rect.plate`` is what everything lies on.
    """
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{n(width)}" height="{n(height)}" '
        f'viewBox="0 0 {n(width)} {n(height)}" role="img" aria-label="{title}">'
    )
    plate = (
        f'<rect class="plate" x="0.5" y="0.5" width="{n(width - 1)}" height="{n(height - 1)}" '
        'rx="10"/>'
    )
    parts = [head, f"<title>{title}</title>", f"<style>{style}\n</style>", plate, *body]
    return "\n".join([*parts, "</svg>", ""])
