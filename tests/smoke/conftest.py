"""A project for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.smoke.projects import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A folder with a project."""
    made = Project(tmp_path)
    made.put("pyproject.toml", "[project]\nname = 'shop'\n")
    return made


@pytest.fixture
def light(project: Project) -> Project:
    """A project whose torch is a stand-in, so that only what happens before the first tensor can be seen."""
    project.without_torch()
    return project
