"""What the README shows is run."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

from tests.harness.server import RunningServer

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


async def test_the_small_client_works(server: RunningServer, tmp_path: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    code = [line for line in block.splitlines() if line.strip()]
    assert len(code) <= 14
    alice = await server.person()
    (tmp_path / ".netra").mkdir()
    (tmp_path / ".netra" / "url").write_text(server.url + "\n")
    (tmp_path / ".netra" / "token").write_text(alice.token + "\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        block,
        env=os.environ | {"HOME": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert "agent_completed" in out.decode()
    assert "6*7 = 42" in out.decode()


def test_every_link_leads_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_make_target_it_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"`?make ([a-z-]+)", README + (ROOT / "CONTRIBUTING.md").read_text())
    assert set(named) <= targets
