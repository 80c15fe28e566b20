"""The target in another process."""

from __future__ import annotations

from mlint.smoke.checks.base import NotRun
from mlint.smoke.subject import Subject


def twin(subject: Subject, question: str) -> tuple[dict[str, str], dict[str, str]]:
    """(what this process answers, what another one answers).

    Raises:
        NotRun: when the target is not known by name.
    """
    raise NotRun("the target is not known by name")
