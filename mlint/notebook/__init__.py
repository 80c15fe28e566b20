"""Jupyter notebooks: cells as one module for the rules, and edits of the module as edits of cells.

``read`` takes a file, ``module_of`` the cells that an editor has. What comes back is a ``NotebookSource``, a source
like any other: it parses, has lines and takes edits. Its methods lead from places in the module to places in cells
(``in_cell``), back (``in_module``), and turn edits into edits of cells (``cell_edits``).

Nothing here is imported by a run that meets no notebook.
"""

from __future__ import annotations

from mlint.notebook.cell import Cell
from mlint.notebook.document import Document
from mlint.notebook.module import NotebookSource, module_of

__all__ = ["Cell", "Document", "NotebookSource", "module_of", "read"]


def read(data: bytes, path: str) -> NotebookSource:
    """A notebook from the bytes of its file; one of another language than Python is an empty module.

    Raises:
        SourceError: the bytes are no notebook.
    """
    document = Document.from_bytes(data, path)
    return module_of(document.cells if document.is_python else [], path, document=document)
