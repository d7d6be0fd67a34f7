"""The plan's *before*: with the broken line back in the service, tests 4 to 7 fail, 4 with the TypeError.

The line is put into a copy of the source, at each of the two call sites of `stop_agent` in turn, and the plan's
tests are run against that copy.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SERVICE = Path("netra_backend/app/services/agent_service_core.py")
TESTS = "tests/unit/issue_1094/test_async_await_interface_validation.py"
GOOD = "await get_websocket_manager(user_context)"
BROKEN = "await create_websocket_manager(user_context)"
IMPORT = "from netra_backend.app.websocket_core.canonical_imports import create_websocket_manager\n"

STILL_PASS = {
    "test_create_websocket_manager_sync_interface_reproduction",
    "test_create_websocket_manager_returns_sync_context",
    "test_get_websocket_manager_async_interface_validation",
}
WITH_TYPE_ERROR = "test_agent_service_stop_operation_interface_fix"
MUST_FAIL = {
    WITH_TYPE_ERROR,
    "test_agent_stop_operation_production_scenario",
    "test_websocket_factory_interface_consistency",
    "test_golden_path_websocket_events_after_interface_fix",
}


@pytest.mark.parametrize("site", [0, 1], ids=["normal path", "fallback path"])
def test_the_broken_line_is_noticed(tmp_path: Path, site: int) -> None:
    _copy(tmp_path)
    _break(tmp_path / SERVICE, site)
    outcomes = _run_plan(tmp_path)
    assert {name for name, failure in outcomes.items() if failure is None} == STILL_PASS
    assert {name for name, failure in outcomes.items() if failure is not None} == MUST_FAIL
    assert "TypeError" in (outcomes[WITH_TYPE_ERROR] or "")
    assert "'await' expression" in (outcomes[WITH_TYPE_ERROR] or "")


def test_the_copy_passes_unbroken(tmp_path: Path) -> None:
    """Else the test above would prove nothing."""
    _copy(tmp_path)
    outcomes = _run_plan(tmp_path)
    assert outcomes == dict.fromkeys(STILL_PASS | MUST_FAIL)


def _copy(to: Path) -> None:
    for name in ("netra_backend", "tests/fakes", "tests/harness", "tests/unit/issue_1094"):
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "tests/__init__.py", "tests/conftest.py"):
        shutil.copy(ROOT / name, to / name)


def _break(service: Path, site: int) -> None:
    source = service.read_text()
    sites = [found.start() for found in re.finditer(re.escape(GOOD), source)]
    assert len(sites) == 2, "stop_agent has two call sites: the normal and the fallback path"
    at = sites[site]
    broken = source[:at] + BROKEN + source[at + len(GOOD) :]
    service.write_text(broken.replace("\nfrom netra_backend", "\n" + IMPORT + "from netra_backend", 1))


def _run_plan(root: Path) -> dict[str, str | None]:
    """Test name to what its failure said; None for a test that passed."""
    report = root / "report.xml"
    command = [sys.executable, "-m", "pytest", TESTS, "-n0", "-p", "no:cacheprovider", f"--junitxml={report}"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert report.exists(), done.stdout + done.stderr
    outcomes: dict[str, str | None] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        failure = case.find("failure")
        outcomes[case.get("name", "")] = failure.text if failure is not None else None
    return outcomes
