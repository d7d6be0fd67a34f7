"""The command line, run as users run it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from awaitguard.cli import app

WRONG = "def load():\n    return 1\n\nasync def main():\n    await load()\n"
runner = CliRunner()


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "app.py").write_text(WRONG)
    return tmp_path


def config(text: str) -> None:
    Path("pyproject.toml").write_text(f"[tool.awaitguard]\n{text}\n")


def found(*arguments: str) -> list[str]:
    result = runner.invoke(app, ["check", "--format", "json", *arguments])
    assert result.exit_code in (0, 1), result.output
    return [one["code"] for one in json.loads(result.stdout)["findings"]]


def test_exit_codes(project: Path):
    assert runner.invoke(app, ["check"]).exit_code == 1
    assert runner.invoke(app, ["check", "--ignore", "AG1"]).exit_code == 0
    missing = runner.invoke(app, ["check", "nowhere"])
    assert missing.exit_code == 2
    assert "nowhere doesn't exist" in missing.output
    assert runner.invoke(app, ["check", "--format", "nonsense"]).exit_code == 2


@pytest.mark.parametrize("text", ["selct = ['AG1']", "select = 'AG1'", "families = 3", "select = ["])
def test_a_wrong_configuration_is_told(text: str):
    config(text)
    result = runner.invoke(app, ["check"])
    assert result.exit_code == 2
    assert "pyproject.toml" in result.output
    assert "Traceback" not in result.output


def test_select_and_ignore(project: Path):
    (project / "other.py").write_text("from app import missing\nload()\n")
    assert found() == ["AG101"]
    (project / "shop").mkdir()
    (project / "shop" / "__init__.py").write_text("")
    (project / "other.py").write_text("from shop import missing\n")
    assert sorted(found()) == ["AG101", "AG302"]
    assert found("--select", "AG3") == ["AG302"]
    assert found("--select", "AG1,AG3", "--ignore", "AG302") == ["AG101"]
    config("select = ['AG302']")
    assert found() == ["AG302"]
    config("ignore = ['AG1']")
    assert found() == ["AG302"]
    config("[tool.awaitguard.per-file-ignores]\n'app.py' = ['AG1']")
    assert found() == ["AG302"]
    config("exclude = ['shop', 'other.py']")
    assert found() == ["AG101"]


def test_inline_ignores(project: Path):
    (project / "app.py").write_text(
        WRONG.replace("await load()", "await load()  # awaitguard: ignore[AG101] on purpose")
    )
    assert found() == []
    (project / "app.py").write_text(
        WRONG.replace("    await load()", "    # awaitguard: ignore[AG1]\n    await load()")
    )
    assert found() == []
    (project / "app.py").write_text(WRONG.replace("await load()", "await load()  # awaitguard: ignore"))
    assert found() == []
    (project / "app.py").write_text(WRONG.replace("await load()", "await load()  # awaitguard: ignore[AG102]"))
    assert sorted(found()) == ["AG002", "AG101"]
    (project / "app.py").write_text("async def f(): ...\ndef g():\n    f()  # type: ignore[unused-coroutine]\n")
    assert found() == []
    (project / "app.py").write_text("async def f(): ...\ndef g():\n    # pyre-ignore[1001]: on purpose\n    f()\n")
    assert found() == []
    (project / "app.py").write_text("x = 1  # type: ignore[unused-coroutine]\n")
    assert found() == []
    (project / "app.py").write_text("TEXT = '# awaitguard: ignore[AG101]'\n")
    assert found() == []


def test_an_override_that_is_said_to_a_type_checker_is_silent(project: Path):
    # falcon's asgi classes say so of each override.
    base = "class Part:\n    def read(self):\n        return b''\n\n\nclass More(Part):\n"
    wrong = "    async def read(self):{}\n        return b''\n"
    (project / "app.py").write_text(base + wrong.format(""))
    assert found() == ["AG204"]
    for comment in ("type: ignore[override]", "pyright: ignore[reportIncompatibleMethodOverride]"):
        (project / "app.py").write_text(base + wrong.format("  # " + comment))
        assert found() == []


def test_hints_are_shown_on_demand(project: Path):
    (project / "app.py").write_text(
        "class A:\n    def f(self):\n        pass\nclass B(A):\n    async def f(self):\n        return 1\n"
    )
    assert found() == []
    assert found("--hints") == ["AG204"]
    assert found("--select", "AG204") == ["AG204"]


def test_families_of_the_configuration(project: Path):
    (project / "app.py").write_text(
        "def first(user, mode):\n    return user\n\ndef second(person, mode):\n    return person\n"
    )
    assert found() == []
    config("families = [['first', 'second']]")
    assert found() == ["AG203"]


def test_output_and_formats(project: Path):
    for name in ("text", "json", "sarif", "github", "junit"):
        result = runner.invoke(app, ["check", "--format", name, "--output", "report.out"])
        assert result.exit_code == 1
        assert "AG101" in Path("report.out").read_text()
        assert result.stdout == ""


def test_baseline(project: Path):
    assert "1 finding(s) written" in runner.invoke(app, ["baseline"]).output
    assert found("--baseline", "awaitguard-baseline.json") == []
    (project / "app.py").write_text("# a line more\n" + WRONG)
    assert found("--baseline", "awaitguard-baseline.json") == []
    (project / "new.py").write_text(WRONG)
    assert found("--baseline", "awaitguard-baseline.json") == ["AG101"]
    Path("awaitguard-baseline.json").write_text("{}")
    assert runner.invoke(app, ["check", "--baseline", "awaitguard-baseline.json"]).exit_code == 2


def test_interfaces(project: Path):
    (project / "shop").mkdir()
    (project / "shop" / "__init__.py").write_text("from shop.core import create\n")
    (project / "shop" / "core.py").write_text("def create(user, *, mode='x'):\n    return user\n")
    (project / "shop" / "aio.py").write_text("async def create(user):\n    return user\n")
    (project / "use.py").write_text(
        "from shop import create\nfrom shop.aio import create as make\nfrom gone import create as other\n"
        "async def main():\n    await create(1)\n    await make(2)\n    other(3)\n"
    )
    result = runner.invoke(app, ["interfaces", "create"])
    assert result.exit_code == 0
    assert "create(user, *, mode=...)  sync  shop/core.py:1" in result.output
    assert "create(user)  async  shop/aio.py:1" in result.output
    assert "use.py:5  awaited" in result.output
    assert "use.py:6  awaited" in result.output
    assert "shop/__init__.py:1  imports create" in result.output
    assert "its definition can't be found:\n    use.py:3  imports create as other" in result.output
    assert runner.invoke(app, ["interfaces", "nothing_like_it"]).exit_code == 1


def test_explain():
    assert "await of a plain function" in runner.invoke(app, ["explain", "AG101"]).output
    assert runner.invoke(app, ["explain", "AG999"]).exit_code == 2
    assert "AG171" in runner.invoke(app, ["explain"]).output
    assert runner.invoke(app, ["--version"]).output.startswith("awaitguard 0.")


def test_no_cache_leaves_nothing(project: Path):
    runner.invoke(app, ["check", "--no-cache"])
    assert sorted(path.name for path in project.iterdir()) == ["app.py", "pyproject.toml"]
    runner.invoke(app, ["check"])
    assert (project / ".awaitguard_cache" / ".gitignore").read_text() == "*\n"


def test_columns_are_characters(project: Path):
    (project / "app.py").write_text(
        "def load():\n    return 1\n\nasync def main():\n    é = 'ü'; x = await load(); return x\n", encoding="utf-8"
    )
    result = runner.invoke(app, ["check", "--format", "json"])
    (one,) = json.loads(result.stdout)["findings"]
    assert (one["column"], one["end_column"]) == (18, 30)


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_ctrl_c_stops_cleanly(project: Path):
    for number in range(60):
        (project / f"m{number}.py").write_text("x = [\n" + "    (1, 'two', three),\n" * 60_000 + "]\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "awaitguard", "check", "--no-cache", "--jobs", "2"], stderr=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, env={**os.environ, "PYTHONSAFEPATH": "1"}, start_new_session=True,
    )  # fmt: skip
    time.sleep(4)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.strip() == "awaitguard: stopped"


def run_module(directory: Path, *arguments: str) -> str:
    """What `python -m ...` prints in a directory."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=directory, capture_output=True, text=True, check=False, timeout=120
    )
    return done.stdout + done.stderr


def test_modules_of_a_project_do_not_stand_for_those_of_the_library(project: Path):
    (project / "http.py").write_text("raise SystemExit('imported')\n")
    assert "AG101" in run_module(project, "awaitguard", "check", ".", "--no-cache")


def test_who_imports_the_library_keeps_the_working_directory(project: Path):
    (project / "shop").mkdir()
    (project / "shop/__init__.py").write_text("import awaitguard\n")
    (project / "shop/__main__.py").write_text("import other\n")
    (project / "other.py").write_text("print('found')\n")
    assert run_module(project, "shop") == "found\n"
