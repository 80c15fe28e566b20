"""What decides about the findings: configuration files, the editor's settings, several folders, the whole workspace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pytest_lsp", reason="the tests of the server need pytest-lsp")

from lsprotocol import types as lsp

from tests.server.editor import Editor, capabilities, editor

pytestmark = pytest.mark.asyncio

LOSS = "import torch\n\ndef f(x):\n    return torch.log(torch.softmax(x, dim=1)) + torch.log(1 + x)\n"


async def test_configuration_files_are_watched(tmp_path: Path) -> None:
    async with editor(tmp_path) as code:
        uri = code.open(tmp_path / "loss.py", LOSS)
        assert len(await code.pushed(uri)) == 2
        assert [each.method for each in code.registered] == [lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES]
        file = tmp_path / "mlint.toml"
        file.write_text('ignore = ["ML503"]\n')
        code.changed_on_disk(file, kind=lsp.FileChangeType.Created)
        await code.until(uri, ["ML501"])
        # A mistake is told, and what held before goes on to hold.
        file.write_text('ignore = ["ML599999"]\n')
        code.changed_on_disk(file)
        code.replace(uri, "def f", "\ndef f")
        assert [one.code for one in await code.pushed(uri)] == ["ML501"]
        assert any("ML599999" in said.message and "mlint.toml:1" in said.message for said in code.client.messages)
        file.write_text("ignore = [\n")
        code.changed_on_disk(file)
        code.replace(uri, "def f", "\ndef f")
        assert [one.code for one in await code.pushed(uri)] == ["ML501"]
        file.write_text('extend-exclude = ["loss.py"]\n')
        code.changed_on_disk(file)
        await code.until(uri, [])
        assert await code.actions(uri) == []
        file.unlink()
        code.changed_on_disk(file, kind=lsp.FileChangeType.Deleted)
        await code.until(uri, ["ML501", "ML503"])


async def test_a_client_that_does_not_watch(tmp_path: Path) -> None:
    async with editor(tmp_path, can=capabilities(watches=False)) as code:
        assert code.registered == []
        uri = code.open(tmp_path / "loss.py", LOSS)
        assert len(await code.pushed(uri)) == 2
        (tmp_path / "mlint.toml").write_text('ignore = ["ML503"]\n')
        code.client.text_document_did_save(lsp.DidSaveTextDocumentParams(lsp.TextDocumentIdentifier(uri)))
        await code.until(uri, ["ML501"])
        (tmp_path / "mlint.toml").write_text('ignore = ["ML5"]\n')
        await code.until(uri, [])  # noticed without a word


async def test_folders_have_their_own_configurations(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, code in ((one, "ML501"), (two, "ML503")):
        folder.mkdir()
        (folder / "pyproject.toml").write_text(f'[tool.mlint]\nignore = ["{code}"]\n')
    three = tmp_path / "three"
    three.mkdir()
    async with editor(one, two) as code:
        uris = [code.open(folder / "loss.py", LOSS) for folder in (one, two, three)]
        assert [one.code for one in await code.pushed(uris[0])] == ["ML503"]
        assert [one.code for one in await code.pushed(uris[1])] == ["ML501"]
        assert len(await code.pushed(uris[2])) == 2  # in no folder of the workspace
        event = lsp.WorkspaceFoldersChangeEvent(
            added=[lsp.WorkspaceFolder(three.as_uri(), "three")], removed=[lsp.WorkspaceFolder(one.as_uri(), "one")]
        )
        code.client.workspace_did_change_workspace_folders(lsp.DidChangeWorkspaceFoldersParams(event))
        # A text without a file takes the settings of the first folder.
        (two / "pyproject.toml").write_text('[tool.mlint]\nselect = ["ML503"]\n')
        code.changed_on_disk(two / "pyproject.toml")
        uri = code.open("untitled:Untitled-1", LOSS)
        await code.until(uri, ["ML503"])


async def test_settings_of_the_editor(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.mlint]\nignore = ["ML503"]\n')
    options: dict[str, Any] = {"settings": {"configuration": {"ignore": ["ML501"]}, "fixAll": False}}
    async with editor(tmp_path, options=options) as code:
        uri = code.open(tmp_path / "loss.py", LOSS)
        assert await code.pushed(uri) == []
        code.client.workspace_did_change_configuration(
            lsp.DidChangeConfigurationParams({"mlint": {"configuration": {"extend-select": ["ML503"]}}})
        )
        await code.until(uri, ["ML501", "ML503"])
        told = {"mlint": {"enable": "yes", "debounce": -1, "config": 3, "configuration": {"ignoer": []}}}
        code.client.workspace_did_change_configuration(lsp.DidChangeConfigurationParams(told))
        code.replace(uri, "def f", "\ndef f")
        assert len(await code.pushed(uri)) == 2  # what held before
        said = "\n".join(each.message for each in code.client.messages)
        for words in ("mlint.enable", "mlint.debounce", "mlint.config:", '"ignore"'):
            assert words in said
        code.client.workspace_did_change_configuration(lsp.DidChangeConfigurationParams({"mlint": {"enable": False}}))
        await code.until(uri, [])
        assert await code.actions(uri) == []


async def test_settings_that_the_server_asks_for(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text('select = ["ML503"]\n')
    can = capabilities(settings=True)
    async with editor(tmp_path, can=can, settings={"config": "other.toml", "unsafeFixes": False}) as code:
        uri = code.open(tmp_path / "loss.py", LOSS)
        assert [one.code for one in await code.pushed(uri)] == ["ML503"]
        code.client.set_configuration({"mlint": {"configuration": {"select": ["ML310"]}, "unsafeFixes": False}})
        code.client.workspace_did_change_configuration(lsp.DidChangeConfigurationParams(None))
        benchmark = "import torch\n\ntorch.backends.cudnn.deterministic = True\ntorch.backends.cudnn.benchmark = True\n"
        code.edit(uri, (None, benchmark))
        await code.until(uri, ["ML310"])
        assert not any("nsafe" in action.title for action in await code.actions(uri))


async def test_a_baseline_is_kept_to(tmp_path: Path) -> None:
    (tmp_path / "mlint.toml").write_text('baseline = "known.json"\n')
    entry = {"code": "ML501", "line": LOSS.splitlines()[3].strip()}
    (tmp_path / "known.json").write_text(json.dumps({"version": 1, "findings": {"loss.py": [entry]}}))
    async with editor(tmp_path, can=capabilities(pull=True)) as code:
        uri = code.open(tmp_path / "loss.py", LOSS)
        assert [one.code for one in (await code.pulled(uri)).items] == ["ML503"]


async def whole(code: Editor, known: dict[str, str] | None = None, token: str | None = None) -> dict[str, Any]:
    previous = [lsp.PreviousResultId(uri, value) for uri, value in (known or {}).items()]
    params = lsp.WorkspaceDiagnosticParams(previous, partial_result_token=token)
    report = await code.client.workspace_diagnostic_async(params)
    return {item.uri: item for item in report.items}


async def test_the_whole_workspace(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / ".gitignore").write_text("scratch.py\n")
    files = {name: tmp_path / name for name in ("pkg/loss.py", "clean.py", "broken.py", "scratch.py", "latin.py")}
    for path in files.values():
        path.write_text(LOSS)
    files["clean.py"].write_text("x = 1\n")
    files["broken.py"].write_text("import torch\ndef f(:\n")
    files["latin.py"].write_bytes(b"import torch\nx = '\xe9'\n")
    can = capabilities(pull=True)
    async with editor(tmp_path, can=can) as code:
        assert code.client.error is None
        found = await whole(code)
        codes = {Path(uri).name: [one.code for one in item.items] for uri, item in found.items()}
        assert codes == {"loss.py": ["ML501", "ML503"], "clean.py": [], "broken.py": ["ML000"], "latin.py": ["ML000"]}
        ids = {uri: item.result_id for uri, item in found.items()}
        assert {item.kind for item in (await whole(code, ids)).values()} == {"unchanged"}

        # What is on the screen counts, what changes on the disk is noticed, and what is gone is cleared.
        uri = code.open(files["clean.py"], LOSS)
        files["pkg/loss.py"].write_text("import torch\n")
        files["broken.py"].unlink()
        found = await whole(code, ids)
        assert {Path(uri).name: item.kind for uri, item in found.items()} == {
            "loss.py": "full", "clean.py": "full", "broken.py": "full", "latin.py": "unchanged",
        }  # fmt: skip
        assert [one.code for one in found[uri].items] == ["ML501", "ML503"]
        assert found[uri].version == 1
        assert list(found[files["broken.py"].as_uri()].items) == []

        # Bit by bit, for a client that wants it so.
        for number in range(120):
            (tmp_path / f"many{number}.py").write_text("import torch\n")
        rest = await whole(code, token="bit-by-bit")
        assert [(part.token, len(part.value["items"])) for part in code.partial] == [("bit-by-bit", 50)] * 2
        assert len(rest) == 23


async def test_the_whole_workspace_is_not_offered_to_who_does_not_want_it(tmp_path: Path) -> None:
    async with editor(tmp_path, can=capabilities(pull=True), options={"workspaceDiagnostics": False}) as code:
        with pytest.raises(Exception, match=r"(?i)not found|unknown"):
            await whole(code)
        uri = code.open(tmp_path / "loss.py", LOSS)
        assert len((await code.pulled(uri)).items) == 2
        # A client that asks is told to ask again.
        (tmp_path / "mlint.toml").write_text('ignore = ["ML503"]\n')
        code.changed_on_disk(tmp_path / "mlint.toml")
        assert len((await code.pulled(uri)).items) == 1
        assert code.client.diagnostic_refresh_count == 1
