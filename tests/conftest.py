"""What every test runs under: the Hypothesis profiles, and that a skip in CI is a failure.

A test that lacks something from the system skips and names the package. In CI everything is
installed, so a skip there is a test that silently proves nothing. The one exception takes minutes
to build and may be missing: its skip reason begins with a word of MAY_SKIP.
"""

import os
from collections.abc import Generator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from playhead.tools.sandbox.confinement import offered

MAY_SKIP = ("Jaeger",)
CI = os.environ.get("CI") == "true"

# No deadline: a time on a shared machine says nothing about the code.
_patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", _patient)
settings.register_profile("ci", _patient, derandomize=True)
settings.load_profile("ci" if CI else "dev")


@pytest.fixture(autouse=True)
def _unconfigured_program_log() -> None:
    """Whatever level another test's program had set (the CLI sets one) holds for that test only."""
    structlog.reset_defaults()


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure (or, while collecting, an error) that repeats its reason."""
    if not (CI and report.skipped) or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if not reason.startswith(MAY_SKIP):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped, and in CI a skip fails: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped(report)
    return report


def pytest_report_header() -> str:
    """The level of the kernel that the tests of confinement are run on."""
    return f"confinement: {offered()}"
