"""The plugin for python-lsp-server, called as that server calls it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("lsprotocol", reason="the plugin needs what the server needs")

import pluggy

from mlint.server import pylsp

LOSS = 'import torch\n\ndef f(x):\n    return "\U0001f525", torch.log(torch.softmax(x, dim=1))\n'


@pytest.fixture
def server() -> Any:
    """The hooks of python-lsp-server with this plugin and no other."""
    manager = pluggy.PluginManager("pylsp")
    specified = pluggy.HookspecMarker("pylsp")

    class Hooks:
        @specified
        def pylsp_settings(self, config: Any) -> Any: ...
        @specified
        def pylsp_lint(self, config: Any, workspace: Any, document: Any, is_saved: bool) -> Any: ...
        @specified
        def pylsp_code_actions(self, config: Any, workspace: Any, document: Any, range: Any, context: Any) -> Any: ...

    manager.add_hookspecs(Hooks)
    manager.register(pylsp)
    manager.check_pending()
    return manager.hook


def document(path: Path, text: str) -> Any:
    return SimpleNamespace(path=str(path), uri=path.as_uri(), source=text)


def ask(hook: Any, *texts: Any) -> list[dict[str, Any]]:
    workspace = SimpleNamespace(documents={text.uri: text for text in texts})
    [found] = hook(config=None, workspace=workspace, document=texts[0], is_saved=False)
    return list(found)


def test_findings_and_fixes(server: Any, tmp_path: Path) -> None:
    assert server.pylsp_settings(config=None) == [{"plugins": {"mlint": {"enabled": True}}}]
    text = document(tmp_path / "loss.py", LOSS)
    [found] = ask(server.pylsp_lint, text)
    assert (found["code"], found["source"], found["severity"]) == ("ML501", "mlint", 2)
    assert found["range"] == {"start": {"line": 3, "character": 17}, "end": {"line": 3, "character": 51}}  # UTF-16
    assert found["codeDescription"]["href"].endswith("log-of-softmax.md")
    workspace = SimpleNamespace(documents={})
    [actions] = server.pylsp_code_actions(
        config=None, workspace=workspace, document=text, range=found["range"], context={"diagnostics": []}
    )
    assert [action["kind"] for action in actions] == ["quickfix", "source.fixAll.mlint"]
    [[edit], [same]] = [action["edit"]["changes"][text.uri] for action in actions]
    assert edit["range"]["start"]["line"] == same["range"]["start"]["line"] == 3
    assert "log_softmax" in edit["newText"]
    above = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}
    [actions] = server.pylsp_code_actions(
        config=None, workspace=workspace, document=text, range=above, context={"diagnostics": []}
    )
    assert [action["kind"] for action in actions] == ["source.fixAll.mlint"]


def test_other_texts_count_as_they_are_on_the_screen(server: Any, tmp_path: Path) -> None:
    (tmp_path / "start.py").write_text("def prepare():\n    pass\n")
    train = document(
        tmp_path / "train.py",
        "import torch\nfrom start import prepare\n\nprepare()\nmodel = torch.nn.Linear(3, 1)\n"
        "optimizer = torch.optim.SGD(model.parameters(), 0.1)\n"
        "for step in range(10):\n    loss = model(torch.randn(4, 3)).square().mean()\n"
        "    optimizer.zero_grad()\n    loss.backward()\n    optimizer.step()\n",
    )
    assert [one["code"] for one in ask(server.pylsp_lint, train)] == ["ML301"]
    start = document(tmp_path / "start.py", "import torch\n\ndef prepare():\n    torch.manual_seed(0)\n")
    assert ask(server.pylsp_lint, train, start) == []
    start.source = start.source.replace("torch.manual_seed(0)", "pass")
    assert [one["code"] for one in ask(server.pylsp_lint, train, start)] == ["ML301"]
    broken = document(tmp_path / "broken.py", "def f(:\n")
    [found] = ask(server.pylsp_lint, broken)
    assert (found["code"], found["severity"]) == ("ML000", 1)
