"""What is handed out: the wheel has all that a run needs, and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
SOURCES = PROJECT / "src"


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
    (wheel,) = target.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_has_every_source_and_data_file(names: set[str]):
    written = {
        path.relative_to(SOURCES).as_posix() for path in SOURCES.rglob("*") if path.is_file() and path.suffix != ".pyc"
    }
    assert {"awaitguard/py.typed", "awaitguard/report/schema.json"} <= written
    assert {name for name in names if ".dist-info/" not in name} == written


def test_the_wheel_has_the_command(names: set[str]):
    assert any(name.endswith(".dist-info/entry_points.txt") for name in names)
    assert not any("test" in name.lower() for name in names)
