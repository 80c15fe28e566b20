"""Notebooks as an editor has them: cells that come, go, move and change, against the real process."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pytest_lsp", reason="the tests of the server need pytest-lsp")

from lsprotocol import types as lsp

from tests.server.editor import Editor, capabilities, editor

pytestmark = pytest.mark.asyncio

CELLS = (
    "%matplotlib inline\nimport torch",
    "# \U0001f525 e\u0301\nx = torch.zeros(3)\n!ls",
    'z = "\U0001f525", torch.log(torch.softmax(x, 0))',
)


class Pages:
    """A notebook in an editor."""

    def __init__(self, code: Editor, path: Path, texts: tuple[str, ...]) -> None:
        self.code, self.uri, self.version = code, path.as_uri(), 1
        self.cells = [f"{self.uri.replace('file:', 'vscode-notebook-cell:')}#{number}" for number in range(len(texts))]
        code.texts.update(zip(self.cells, texts))
        code.versions.update(dict.fromkeys(self.cells, 1))
        document = lsp.NotebookDocument(self.uri, "jupyter-notebook", 1, [self.cell(uri) for uri in self.cells])
        items = [self.item(uri) for uri in self.cells]
        code.client.notebook_document_did_open(lsp.DidOpenNotebookDocumentParams(document, items))

    def cell(self, uri: str, kind: lsp.NotebookCellKind = lsp.NotebookCellKind.Code) -> lsp.NotebookCell:
        return lsp.NotebookCell(kind, uri)

    def item(self, uri: str) -> lsp.TextDocumentItem:
        return lsp.TextDocumentItem(uri, "python", self.code.versions[uri], self.code.texts[uri])

    def change(self, cells: lsp.NotebookDocumentCellChanges) -> None:
        self.version += 1
        about = lsp.VersionedNotebookDocumentIdentifier(version=self.version, uri=self.uri)
        change = lsp.NotebookDocumentChangeEvent(cells=cells)
        self.code.client.notebook_document_did_change(lsp.DidChangeNotebookDocumentParams(about, change))

    def type(self, number: int, old: str, new: str) -> None:
        uri = self.cells[number]
        text = self.code.texts[uri]
        start = text.index(old)
        where = self.code.range(text, start, start + len(old))
        self.code.texts[uri] = text.replace(old, new, 1)
        self.code.versions[uri] += 1
        about = lsp.VersionedTextDocumentIdentifier(self.code.versions[uri], uri)
        edit = lsp.TextDocumentContentChangePartial(where, new)
        texts = [lsp.NotebookDocumentCellContentChanges(about, [edit])]
        self.change(lsp.NotebookDocumentCellChanges(text_content=texts))

    def splice(self, start: int, gone: int, *new: str) -> None:
        """Replace cells; those that are known already are moved."""
        opened = [uri for uri in new if uri not in self.cells]
        closed = [uri for uri in self.cells[start : start + gone] if uri not in new]
        self.cells[start : start + gone] = new
        array = lsp.NotebookCellArrayChange(start, gone, [self.cell(uri) for uri in new])
        structure = lsp.NotebookDocumentCellChangeStructure(
            array, [self.item(uri) for uri in opened], [lsp.TextDocumentIdentifier(uri) for uri in closed]
        )
        self.change(lsp.NotebookDocumentCellChanges(structure=structure))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8"])
async def test_the_cells_are_one_module(tmp_path: Path, encoding: str) -> None:
    async with editor(tmp_path, can=capabilities(notebooks=True, encodings=[encoding])) as code:
        pages = Pages(code, tmp_path / "train.ipynb", CELLS)
        first, second, third = pages.cells
        [found] = await code.pushed(third)
        assert await code.pushed(first) == await code.pushed(second) == []
        assert (found.code, code.under(third, found)) == ("ML501", "torch.log(torch.softmax(x, 0))")

        # A fix and a comment change the one cell.
        fix, line, whole, everything = await code.actions(third, found.range)
        assert code.done(third, await code.resolve(fix)) == 'z = "\U0001f525", torch.log_softmax(x, 0)'
        assert code.done(third, await code.resolve(line)) == f"{CELLS[2]}  # noqa: ML501"
        assert code.done(third, await code.resolve(everything)) == 'z = "\U0001f525", torch.log_softmax(x, 0)'
        # In the whole notebook: in its first cell of code, below a magic only where it is one for the whole cell.
        resolved = await code.resolve(whole)
        assert code.done(first, resolved).endswith("# mlint: file-ignore[ML501]\nimport torch")

        # Cells change, go and come; what is known of one comes from those above it.
        pages.type(2, "torch.softmax", "torch.relu")
        assert await code.pushed(third) == []
        pages.type(2, "torch.relu", "torch.softmax")
        [found] = await code.pushed(third)
        code.texts["new"], code.versions["new"] = "def f(y):\n    return torch.log(torch.softmax(y, 0))\n", 1
        pages.splice(1, 0, "new")
        [found] = await code.pushed("new")
        assert found.range.start.line == 1
        pages.type(1, "softmax", "relu")
        assert await code.pushed("new") == []
        before = len(code.published)
        pages.splice(3, 1)
        await code.until(third, [])
        assert code.published[before].uri == third

        # A cell that does not parse costs that cell; one of another language is none of ours.
        code.texts["other"], code.versions["other"] = "%%bash\nif [ 1 ]; then", 1
        code.texts["more"], code.versions["more"] = "%%time\nw = torch.log(torch.softmax(x, 0))", 1
        pages.splice(3, 0, "other", "more")
        pages.type(1, "def f(y):", "def f(y:")
        [found] = await code.pushed("new")
        assert (found.code, found.range.start.line) == ("ML000", 0)
        assert await code.pushed("other") == []
        [found] = await code.pushed("more")
        assert code.under("more", found) == "torch.log(torch.softmax(x, 0))"
        page = Path(tmp_path / "nothing.py")
        assert await code.hover("more", "softmax") is None
        assert not page.exists()

        closing = lsp.DidCloseNotebookDocumentParams(
            lsp.NotebookDocumentIdentifier(pages.uri), [lsp.TextDocumentIdentifier(uri) for uri in pages.cells]
        )
        code.client.notebook_document_did_close(closing)
        await code.until("more", [])
        assert await code.actions("more") == []


async def test_pulled_by_cell_and_silenced_below_a_cell_magic(tmp_path: Path) -> None:
    async with editor(tmp_path, can=capabilities(notebooks=True, pull=True)) as code:
        texts = ("%%time\nimport torch\nx = torch.zeros(3)", "torch.log(torch.softmax(x, 0))  # noqa: ML503")
        pages = Pages(code, tmp_path / "train.ipynb", texts)
        first, second = pages.cells
        assert (await code.pulled(first)).items == ()
        report = await code.pulled(second)
        assert [one.code for one in report.items] == ["ML501", "ML001"]
        assert (await code.pulled(second, report.result_id)).kind == "unchanged"
        whole = next(action for action in await code.actions(second) if "in this file" in action.title)
        silenced = code.done(first, await code.resolve(whole))
        assert silenced == "%%time\n# mlint: file-ignore[ML501]\nimport torch\nx = torch.zeros(3)"
        page = await code.hover(second, "ML503")
        assert page is not None
        assert "log-one-plus" in page
