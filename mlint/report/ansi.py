"""The few colours that reports are written in."""

from __future__ import annotations

BOLD = "1"
DIM = "2"
RED = "31"
GREEN = "32"
CYAN = "36"
BLUE = "34"
BOLD_RED = "1;31"
BOLD_YELLOW = "1;33"


def paint(text: str, style: str, color: bool) -> str:
    """Return ``text`` in ``style``, or unchanged when ``color`` is off or there is nothing to paint."""
    return f"\x1b[{style}m{text}\x1b[0m" if color and text else text


def severity_style(severity: str) -> str:
    """Return the style in which a finding of this severity is named and underlined."""
    return BOLD_RED if severity == "error" else BOLD_YELLOW
