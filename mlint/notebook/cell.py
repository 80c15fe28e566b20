"""One cell of a notebook, wherever it comes from: a file, or an editor."""

from __future__ import annotations

from typing import NamedTuple


class Cell(NamedTuple):
    """A cell.

    Attributes:
        text: its source.
        kind: ``code``; everything else is passed over.
        language: what it is written in, if the notebook's kernel speaks several languages.
    """

    text: str
    kind: str = "code"
    language: str = "python"

    @property
    def is_python(self) -> bool:
        """Whether the kernel of a Python notebook runs it, magics aside."""
        return self.kind == "code" and self.language in ("python", "ipython", "python3")
