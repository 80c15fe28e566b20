"""What the tests of all building blocks share: rewrite a text and look at the text that comes out."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

import pytest

from mlint.codemod.refused import Refused
from mlint.finding import Edit
from mlint.source import Source

Rewrite = Callable[[Source, ast.Module], "Edit | Sequence[Edit] | None"]


def _rewrite(text: str, change: Rewrite) -> str:
    """The text after a change; ``refused: reason`` where it was refused, ``nothing`` where there was no edit."""
    source = Source(text, "a.py")
    tree = source.parse()
    try:
        edits = change(source, tree)
    except Refused as refused:
        return f"refused: {refused.reason}"
    if edits is None:
        return "nothing"
    if isinstance(edits, Edit):
        edits = [edits]
    new = source.apply(sorted(edits, key=lambda edit: (edit.start, edit.end)))
    new.parse()
    return new.text


@pytest.fixture
def rewrite() -> Callable[[str, Rewrite], str]:
    """A function that applies a change to a text."""
    return _rewrite
