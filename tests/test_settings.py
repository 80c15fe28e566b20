"""Finding, reading, checking and joining configurations."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlint.settings import Settings, SettingsError, SettingsResolver


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")


def settings(path: str = "x.py", **arguments: object) -> Settings:
    return SettingsResolver(**arguments).for_path(path)  # type: ignore[arg-type]


def test_defaults_without_a_file(here: Path) -> None:
    found = settings()
    assert found.config_path is None
    assert found.root == str(here)
    assert found.select is None
    assert found.source_roots == (str(here), str(here / "src"))
