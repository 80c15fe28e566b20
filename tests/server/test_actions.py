"""Quick fixes, comments that silence, all safe fixes at once, and hover, against the real process."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

pytest.importorskip("pytest_lsp", reason="the tests of the server need pytest-lsp")

from lsprotocol import types as lsp

from tests.server.editor import Editor, capabilities, editor

pytestmark = pytest.mark.asyncio

MODULE = '''\
#!/usr/bin/env python
# -*- coding: utf-8 -*-
"""Losses: "\U0001f525"."""
import torch

torch.backends.cudnn.deterministic = True
torch.backends.cudnn.benchmark = True


def f(x):  # keep this
    return torch.log(torch.softmax(x, dim=1))  # and this


def g(x):
    return torch.log(torch.softmax(x,
                                   dim=2)) + """
a text # noqa
"""
'''


def titled(actions: list[lsp.CodeAction], words: str) -> lsp.CodeAction:
    [action] = [action for action in actions if words in action.title]
    return action


async def at(code: Editor, uri: str, word: str) -> list[lsp.CodeAction]:
    """The actions where a cursor stands behind a word."""
    place = code.position(code.texts[uri], code.texts[uri].index(word) + len(word))
    return await code.actions(uri, lsp.Range(place, place))


async def test_every_action_of_one_server(tmp_path: Path) -> None:
    async with editor(tmp_path) as code:
        uri = code.open(tmp_path / "losses.py", MODULE)
        found = await code.pushed(uri)
        assert [one.code for one in found] == ["ML310", "ML501", "ML501"]

        # One safe fix, preferred, with its edit only when it is asked for.
        offered = await at(code, uri, "torch.log(torch.soft")
        assert [action.kind for action in offered] == ["quickfix"] * 3 + ["source.fixAll.mlint"]
        assert all(action.edit is None for action in offered)
        fix = offered[0]
        assert fix.is_preferred
        assert [one.code for one in fix.diagnostics or ()] == ["ML501"]
        fixed = code.done(uri, await code.resolve(fix))
        assert fixed == MODULE.replace(
            "torch.log(torch.softmax(x, dim=1))  # and this", "torch.log_softmax(x, dim=1)  # and this"
        )

        # An unsafe one says so, is not preferred, and is no part of what is applied on saving.
        offered = await at(code, uri, "benchmark = Tr")
        unsafe = titled(offered, "nsafe")
        assert not unsafe.is_preferred
        assert "may change what the program does" in unsafe.title
        assert "benchmark = False" in code.done(uri, await code.resolve(unsafe))
        [everything] = await code.actions(uri, only=["source.fixAll"])
        assert (everything.kind, everything.edit) == ("source.fixAll.mlint", None)
        fixed = code.done(uri, await code.resolve(everything))
        assert fixed.count("log_softmax") == 2
        assert "benchmark = True" in fixed
        assert "# keep this" in fixed
        assert "# and this" in fixed

        # Kinds that are not asked for do not come, and other kinds than those there are bring nothing.
        assert {action.kind for action in await code.actions(uri, only=["quickfix"])} == {"quickfix"}
        assert await code.actions(uri, only=["refactor", "source.organizeImports", "source.fixAll.other"]) == []
        assert await at(code, uri, "#!/usr") == [everything_without_edit(everything)]

        # Silenced in its line: the one on which it starts, behind what is there.
        line = titled(await at(code, uri, "torch.log(torch.soft"), "on this line")
        silenced = code.done(uri, await code.resolve(line))
        assert "    return torch.log(torch.softmax(x, dim=1))  # and this  # noqa: ML501\n" in silenced
        line = titled(await at(code, uri, "torch.softmax(x,\n"), "on this line")
        silenced = code.done(uri, await code.resolve(line))
        assert "    return torch.log(torch.softmax(x,  # noqa: ML501\n" in silenced
        assert ast.dump(ast.parse(silenced)) == ast.dump(ast.parse(MODULE))
        code.edit(uri, (None, silenced))
        assert [one.code for one in await code.pushed(uri)] == ["ML310", "ML501"]

        # Silenced in the file: below the interpreter and the encoding; the next rule joins the first in one comment.
        code.edit(uri, (None, MODULE))
        whole = titled(await at(code, uri, "torch.log(torch.soft"), "in this file")
        silenced = code.done(uri, await code.resolve(whole))
        assert silenced.startswith("#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n# mlint: file-ignore[ML501]\n")
        code.edit(uri, (None, silenced))
        assert [one.code for one in await code.pushed(uri)] == ["ML310"]
        whole = titled(await at(code, uri, "benchmark = Tr"), "in this file")
        silenced = code.done(uri, await code.resolve(whole))
        assert "# mlint: file-ignore[ML501, ML310]\n" in silenced
        code.edit(uri, (None, silenced))
        assert await code.pushed(uri) == []

        # A suppression that is of no use is shown as such, and its removal is a safe fix; it is not silenced itself.
        code.edit(uri, (None, "import torch\n\nx = torch.zeros(3)  # noqa: ML501\n"))
        [unused] = await code.pushed(uri)
        assert (unused.code, unused.severity) == ("ML001", lsp.DiagnosticSeverity.Hint)
        assert unused.tags == (lsp.DiagnosticTag.Unnecessary,)
        assert [action.kind for action in await code.actions(uri)] == ["quickfix", "source.fixAll.mlint"]

        # An action that was offered for another text than there is now is refused, not applied somewhere.
        code.edit(uri, (None, MODULE))
        stale = (await at(code, uri, "torch.log(torch.soft"))[0]
        code.replace(uri, "import torch", "import torch  # the one")
        with pytest.raises(Exception, match="edited since"):
            await code.resolve(stale)
        assert [one.code for one in await code.pushed(uri)] == ["ML310", "ML501", "ML501"]


def everything_without_edit(action: lsp.CodeAction) -> lsp.CodeAction:
    return lsp.CodeAction(title=action.title, kind=action.kind, data=action.data)


async def test_clients_that_cannot_resolve_get_the_edits_at_once(tmp_path: Path) -> None:
    async with editor(tmp_path, can=capabilities(lazy=False, links=False)) as code:
        uri = code.open(tmp_path / "losses.py", MODULE)
        found = await code.pushed(uri)
        assert all(one.code_description is None and one.tags is None for one in found)
        offered = await at(code, uri, "torch.log(torch.soft")
        assert [action.edit is not None for action in offered] == [True] * 4
        assert "torch.log_softmax(x, dim=1)  # and this" in code.done(uri, offered[0])


async def test_hover_shows_the_page_of_a_rule(tmp_path: Path) -> None:
    text = (
        "import torch\n"
        "# mlint: file-ignore[log-one-plus]\n"
        'x = torch.log(torch.softmax(torch.zeros(3), 0))  # "\U0001f525" noqa  # noqa: E501, ML501\n'
        'ML504 = "no comment: ML505"  # see ML999, or ML31\n'
    )
    async with editor(tmp_path) as code:
        uri = code.open(tmp_path / "losses.py", text)
        page = await code.hover(uri, "ML501")
        assert page is not None
        assert page.startswith("# log-of-softmax (ML501)\n\n- Libraries: ")
        assert "## Example" in page
        assert "```python" in page
        assert "](https://github.com/" in page
        by_name = await code.hover(uri, "log-one-plus")
        assert by_name is not None
        assert "(ML503)" in by_name
        family = await code.hover(uri, "ML31")
        assert family is not None
        assert "- **ML310** cudnn-benchmark-with-deterministic" in family
        for word in ("E501", "ML999", "ML504", "ML505", "softmax"):
            assert await code.hover(uri, word) is None
        # In a configuration, codes stand anywhere; there is nothing to report about it.
        uri = code.open(tmp_path / "mlint.toml", 'ignore = ["ML503"]\n', language="toml")
        page = await code.hover(uri, "ML503")
        assert page is not None
        assert "log-one-plus" in page
        assert await code.actions(uri) == []
