"""What is handed out: the wheel has all that a run needs, and nothing else."""

import os
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
SOURCES = PROJECT / "src"
# A plugin for the run of the tests on the wheel: it fails at its end if they ran on the sources.
COMPILED_ONLY = """\
import sys

def pytest_sessionfinish():
    ran = sys.modules["awaitguard.read.walker"].__file__
    assert not ran.endswith(".py"), "the tests ran on " + ran
"""


def run_build(target: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)


def build(target: Path, compiled: str) -> Path:
    """A wheel as `pip wheel` builds it, quicker to compile and slower to run."""
    done = run_build(target, {**os.environ, "AWAITGUARD_COMPILE": compiled, "MYPYC_OPT_LEVEL": "0"})
    assert done.returncode == 0, done.stderr
    (wheel,) = target.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    with zipfile.ZipFile(build(tmp_path_factory.mktemp("wheel"), "0")) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a compiled wheel puts into an environment."""
    target = tmp_path_factory.mktemp("compiled")
    with zipfile.ZipFile(build(target, "1")) as archive:
        archive.extractall(target)
    return target


def test_the_wheel_has_every_source_and_data_file(names: set[str]):
    written = {
        path.relative_to(SOURCES).as_posix() for path in SOURCES.rglob("*") if path.is_file() and path.suffix != ".pyc"
    }
    assert {"awaitguard/py.typed", "awaitguard/report/schema.json"} <= written
    assert {name for name in names if ".dist-info/" not in name} == written


def test_the_wheel_has_the_command(names: set[str]):
    assert any(name.endswith(".dist-info/entry_points.txt") for name in names)
    assert not any("tests" in name or "test_" in name for name in names)


@pytest.mark.parametrize("wanted", [None, "1"])
def test_a_compiler_that_fails_leaves_a_pure_wheel_unless_compiled_parts_are_demanded(
    tmp_path: Path, wanted: str | None
):
    (tmp_path / "mypyc.py").write_text("raise SystemExit('this mypyc has had enough')\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "AWAITGUARD_COMPILE": wanted or ""}
    if wanted is None:
        del environment["AWAITGUARD_COMPILE"]
    done = run_build(tmp_path, environment)
    assert "this mypyc has had enough" in done.stdout + done.stderr
    wheels = [wheel.name for wheel in tmp_path.glob("*.whl")]
    if wanted is None:
        assert done.returncode == 0, done.stderr
        assert [name.partition("-py3-")[2] for name in wheels] == ["none-any.whl"]
    else:
        assert (done.returncode != 0, wheels) == (True, [])


@pytest.mark.timeout(1200)
def test_the_compiled_wheel_finds_what_the_sources_find(installed: Path, tmp_path: Path):
    """The tests of the rules once more, on the compiled parts; mypyc also checks every type as it runs."""
    (tmp_path / "compiled_only.py").write_text(COMPILED_ONLY, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), str(tmp_path)])}
    tests = [f"tests/test_{name}.py" for name in ("pairs", "kinds", "robust", "fuzz")]
    run = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", "-p", "compiled_only", *tests]
    done = subprocess.run(run, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    version = [sys.executable, "-m", "awaitguard", "--version"]
    assert (
        "compiled"
        in subprocess.run(version, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True).stdout
    )


@pytest.mark.timeout(1200)
def test_all_modules_are_compiled_but_those_that_are_named(installed: Path):
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
    left_out = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["not-compiled"]
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    pure = {
        path.relative_to(SOURCES / "awaitguard").as_posix()
        for path in (SOURCES / "awaitguard").rglob("*.py")
        if not (installed / path.relative_to(SOURCES)).with_name(path.stem + suffix).exists()
    }
    named = {
        path.relative_to(SOURCES / "awaitguard").as_posix()
        for pattern in left_out
        for path in (SOURCES / "awaitguard").glob(pattern)
    }
    assert pure == named
    assert all(list((SOURCES / "awaitguard").glob(pattern)) for pattern in left_out), "a pattern names nothing"
    assert not list(PROJECT.rglob("src/**/*" + suffix)), "an extension among the sources hides later changes to them"
