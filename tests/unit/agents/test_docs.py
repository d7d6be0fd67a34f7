from __future__ import annotations

from pathlib import Path

from netra_backend.app.protocol.events import FailureCode

PAGE = Path(__file__).parents[3] / "docs" / "agents.md"


def test_every_failure_code_is_documented() -> None:
    page = PAGE.read_text()
    assert [code for code in FailureCode if f"`{code}`" not in page] == []
