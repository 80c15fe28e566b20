"""Diagnostics, pushed and pulled, as an editor gets them from the real process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("pytest_lsp", reason="the tests of the server need pytest-lsp")

from lsprotocol import types as lsp

from tests.server.editor import capabilities, editor

pytestmark = pytest.mark.asyncio

LOSS = "import torch\n\ndef f(x):\n    return torch.log(torch.softmax(x, dim=1))\n"

TRAINING = """\
import torch
from start import prepare

prepare()
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for step in range(10):
    loss = model(torch.randn(4, 3)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


async def test_pushed_when_opened_and_edited(tmp_path: Path) -> None:
    async with editor(tmp_path) as code:
        uri = code.open(tmp_path / "loss.py", LOSS)
        [found] = await code.pushed(uri)
        assert (found.code, found.source, found.severity) == ("ML501", "mlint", lsp.DiagnosticSeverity.Warning)
        assert code.under(uri, found) == "torch.log(torch.softmax(x, dim=1))"
        assert found.code_description is not None
        assert found.code_description.href.endswith("/log-of-softmax.md")
        code.replace(uri, "torch.softmax", "torch.relu")
        assert await code.pushed(uri) == []
        code.close(uri)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_columns_in_the_agreed_encoding(tmp_path: Path, encoding: str) -> None:
    # An emoji is 4 bytes, 2 units of UTF-16 or 1 character; a combining accent is a character of its own.
    text = 'import torch\n\ndef f(x):\n    return "\U0001f525e\u0301é", torch.log(torch.softmax(x, 1)), "\U0001f525"\n'
    async with editor(tmp_path, can=capabilities(encodings=[encoding, "utf-16"], pull=True)) as code:
        uri = code.open(tmp_path / "loss.py", text)
        report = await code.pulled(uri)
        [found] = report.items
        assert code.under(uri, found) == "torch.log(torch.softmax(x, 1))"
        # Edits are counted in the same units: one inside the emoji's line, one behind everything.
        code.replace(uri, "é", "\U0001f9ca")
        code.replace(uri, ', "\U0001f525"\n', "\n")
        [found] = (await code.pulled(uri)).items
        assert code.under(uri, found) == "torch.log(torch.softmax(x, 1))"
        assert code.units(" " * 4 + 'return "\U0001f525e\u0301\U0001f9ca", ') == found.range.start.character
        [fix] = [action for action in await code.actions(uri, found.range) if action.is_preferred]
        assert '"\U0001f525e\u0301\U0001f9ca", torch.log_softmax(x, 1)\n' in code.done(uri, await code.resolve(fix))
        code.close(uri)
        # Lines end where the protocol says, not where `str.splitlines` does.
        uri = code.open(tmp_path / "other.py", 'import torch\ns = "\u2028\x0c\x85"\r\ny = 1\rx = torch.zeros(3)\n')
        code.texts[uri] = code.texts[uri].replace("\r\n", "\n").replace("\r", "\n")  # for the test's own counting
        code.replace(uri, "x = torch.zeros(3)", "x = torch.log(torch.softmax(y, 1))")
        [found] = (await code.pulled(uri)).items
        assert code.under(uri, found) == "torch.log(torch.softmax(y, 1))"


async def test_pulled_and_known(tmp_path: Path) -> None:
    async with editor(tmp_path, can=capabilities(pull=True)) as code:
        assert code.client.error is None
        uri = code.open(tmp_path / "loss.py", LOSS)
        first = await code.pulled(uri)
        assert first.kind == "full"
        again = await code.pulled(uri, first.result_id)
        assert (again.kind, again.result_id) == ("unchanged", first.result_id)
        code.edit(uri, (code.range(LOSS, len(LOSS), len(LOSS)), "# the end\n"))
        assert (await code.pulled(uri, first.result_id)).kind == "unchanged"  # nothing else is found than before
        code.edit(uri, (code.range(LOSS, 0, 0), "\n"))
        assert (await code.pulled(uri, first.result_id)).items[0].range.start.line == 4
        # A text that is not open, and one that is no Python, have no findings.
        assert (await code.pulled((tmp_path / "gone.py").as_uri())).items == ()
        assert (await code.pulled(code.open(tmp_path / "notes.md", LOSS, language="markdown"))).items == ()
        assert code.published == []  # nothing is sent to a client that asks


async def test_edits_in_quick_succession_are_one_check_and_the_last_one_counts(tmp_path: Path) -> None:
    async with editor(tmp_path, options={"debounce": 1500}) as code:
        uri = code.open(tmp_path / "loss.py", LOSS)
        await code.pushed(uri)
        for number in range(30):
            code.replace(uri, "return", f"a{number} = 1\n    return")
        [found] = await code.pushed(uri)
        assert found.range.start.line == 3 + 30
        versions = [said.version for said in code.published if said.uri == uri]
        assert versions == [1, 31]


async def test_a_check_that_nobody_waits_for_any_more_is_given_up(tmp_path: Path) -> None:
    def body(size: int) -> str:
        return "import torch\n" + "".join(
            f"def f{n}(x):\n    return torch.log(torch.softmax(x + {n}, dim=1))\n" for n in range(size)
        )

    async with editor(tmp_path, can=capabilities(pull=True)) as code:
        uri = code.open(tmp_path / "large.py", body(2000))
        slow = code.client.text_document_diagnostic_async(lsp.DocumentDiagnosticParams(lsp.TextDocumentIdentifier(uri)))
        first = asyncio.ensure_future(slow)
        await asyncio.sleep(0.05)
        # The text becomes short while it is checked: the answer is about the short one.
        code.edit(uri, (None, LOSS))
        report = await asyncio.wait_for(first, 60)
        assert [each.range.start.line for each in report.items] == [3]
        # A request that is taken back is answered at once, and the next ones as ever.
        code.edit(uri, (None, body(2000)))
        pulled = code.client.protocol.send_request_async(
            lsp.TEXT_DOCUMENT_DIAGNOSTIC,
            lsp.DocumentDiagnosticParams(lsp.TextDocumentIdentifier(uri)),
            msg_id="taken-back",
        )
        waiting = asyncio.ensure_future(pulled)
        await asyncio.sleep(0.05)
        code.client.cancel_request(lsp.CancelParams("taken-back"))
        with pytest.raises(Exception, match="cancel"):
            await asyncio.wait_for(waiting, 60)
        code.edit(uri, (None, LOSS))
        assert len((await code.pulled(uri)).items) == 1


async def test_a_file_of_20000_lines(tmp_path: Path) -> None:
    text = LOSS + "".join(f"v{n} = [{n}, {n} + 1]  # \U0001f525\n" for n in range(20_000))
    text += "z = torch.log(torch.softmax(torch.zeros(3), 0))\n"
    async with editor(tmp_path) as code:
        uri = code.open(tmp_path / "table.py", text)
        assert [found.code for found in await code.pushed(uri)] == ["ML501", "ML501"]
        code.replace(uri, "v19999 = [19999", "v19999 = [0")
        found = await code.pushed(uri)
        assert [code.under(uri, each)[:9] for each in found] == ["torch.log", "torch.log"]
        offered = await code.actions(uri, found[0].range)
        assert [action.kind for action in offered] == ["quickfix"] * 3 + ["source.fixAll.mlint"]


async def test_what_does_not_parse_and_what_raises_leave_the_server_alive(tmp_path: Path) -> None:
    rules = tmp_path / "checks"
    rules.mkdir()
    (rules / "broken.py").write_text(
        "from mlint.rule import Call, Rule\n\n\n"
        "class Broken(Rule):\n"
        '    """A rule that raises."""\n\n'
        '    code = "ZZ901"\n'
        '    name = "broken"\n'
        '    libraries = ("torch",)\n'
        '    triggers = (Call("torch.softmax"),)\n\n'
        "    def check(self, node, ctx):\n"
        '        print("what a rule prints does not get in the way of the protocol")\n'
        '        raise ValueError("no such thing")\n'
    )
    (tmp_path / "mlint.toml").write_text('local-rules = ["checks"]\n')
    async with editor(tmp_path) as code:
        uri = code.open(tmp_path / "loss.py", LOSS)
        assert [found.code for found in await code.pushed(uri)] == ["ML501"]
        assert any("ZZ901" in said.message and "no such thing" in said.message for said in code.client.messages)
        for broken in ("def f(:\n", "x = '\ud800'\n", "\0", "(" * 500, "if x:\n\tpass\n        pass\n"):
            code.edit(uri, (None, broken))
            [found] = await code.pushed(uri)
            assert (found.code, found.severity) == ("ML000", lsp.DiagnosticSeverity.Error)
            assert await code.actions(uri) == []
        code.edit(uri, (None, "\ufeff" + LOSS))  # a byte order mark, which most editors leave out
        [found] = await code.pushed(uri)
        assert code.under(uri, found) == "torch.log(torch.softmax(x, dim=1))"


async def test_unsaved_buffers_are_what_other_files_import(tmp_path: Path) -> None:
    seeded = "import torch\n\ndef prepare():\n    torch.manual_seed(0)\n"
    (tmp_path / "start.py").write_text(seeded)
    (tmp_path / "train.py").write_text(TRAINING)
    async with editor(tmp_path) as code:
        uri = code.open(tmp_path / "train.py", TRAINING)
        assert await code.pushed(uri) == []
        start = code.open(tmp_path / "start.py", seeded)
        await code.pushed(start)
        code.replace(start, "torch.manual_seed(0)", "pass")
        await code.until(uri, ["ML301"])
        code.replace(start, "pass", "torch.manual_seed(1)")
        await code.until(uri, [])
        code.replace(start, "torch.manual_seed(1)", "pass")
        await code.until(uri, ["ML301"])
        code.close(start)  # without saving it: what is on the disk counts again
        await code.until(uri, [])
