"""What the whole test suite shares: the option ``--no-skips``, and property tests that do not depend on the clock."""

from __future__ import annotations

import contextlib

import pytest

with contextlib.suppress(ImportError):
    from hypothesis import HealthCheck, settings

    settings.register_profile("mlint", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("mlint")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="fail when a test is skipped: CI has all that tests need")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that was to skip nothing and did; with pytest-xdist only the controlling process has the reporter."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(session.config, "workerinput") or not session.config.getoption("--no-skips"):
        return
    skipped = reporter.stats.get("skipped", [])
    if skipped and session.exitstatus == pytest.ExitCode.OK:
        reporter.write_line(f"\n--no-skips: {len(skipped)} skipped", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
