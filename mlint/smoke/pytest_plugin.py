"""The pytest plugin: the fixture `mlint_smoke`, which checks a model inside of a test.

Loaded by pytest wherever mlint is installed, so it imports nothing until the fixture is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlint.smoke.public import Report


@pytest.fixture
def mlint_smoke() -> Callable[..., Report]:
    """A function that takes what `mlint.smoke.check` takes and fails the test when something is found.

    ``fail_on`` is the least severity that fails it: "warning" unless given, "error", "info" or "never". It returns the
    report. Where torch is not installed the test is skipped.
    """
    pytest.importorskip("torch")

    def check(model: Any, batch: Any, *arguments: Any, fail_on: str = "warning", **options: Any) -> Report:
        __tracebackhide__ = True
        from mlint.smoke.public import SmokeError
        from mlint.smoke.public import check as run

        try:
            report = run(model, batch, *arguments, **options)
        except SmokeError as error:
            pytest.fail(f"mlint smoke: {error}", pytrace=False)
        if fail_on != "never" and report.at_least(fail_on):
            pytest.fail(f"mlint smoke found {', '.join(report.codes)}\n\n{report.text()}", pytrace=False)
        return report

    return check
