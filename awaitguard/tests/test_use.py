"""What users choose: which part of a project, which codes, and when a run fails."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from awaitguard.cli import app
from awaitguard.codes import CODES, is_async
from awaitguard.rules.advice import ADVICE
from awaitguard.rules.registry import RULES

WRONG = "def load():\n    return 1\n\nasync def main():\n    await load()\n"
runner = CliRunner()


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package whose factory is plain, a test that awaits it, and a call that can't work."""
    monkeypatch.chdir(tmp_path)
    write("pyproject.toml", "")
    write("shop/__init__.py", "from shop.core import create\n")
    write("shop/core.py", "def create(user):\n    return user\n")
    write("tests/test_shop.py", "from shop import create\n\nasync def test_it():\n    assert await create(1)\n")
    write("app/main.py", "from shop import create\n\ncreate(1, 2)\n")
    return tmp_path


def write(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")


def invoke(*arguments: str) -> Result:
    return runner.invoke(app, ["check", "--no-cache", *arguments])


def found(*arguments: str) -> list[tuple[str, str]]:
    result = invoke("--format", "json", *arguments)
    assert result.exit_code in (0, 1), result.output
    return [(one["path"], one["code"]) for one in json.loads(result.stdout)["findings"]]


EVERYTHING = [("tests/test_shop.py", "AG102"), ("app/main.py", "AG307")]


def test_what_is_about_colour_comes_first():
    assert found() == EVERYTHING
    for style in ("text", "json", "sarif", "github", "junit"):
        report = invoke("--format", style).stdout
        assert report.index("AG102") < report.index("AG307"), style


@pytest.mark.parametrize("part", ["tests", "tests/test_shop.py", "./tests", "tests/../tests"])
def test_a_part_of_a_project_is_judged_by_the_whole(part: str):
    assert found(part) == EVERYTHING[:1]


def test_a_directory_inside_is_judged_by_the_whole(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir("tests")
    assert found() == found(".") == EVERYTHING[:1]


def test_names_of_files_as_pre_commit_gives_them():
    assert found("tests/test_shop.py", "app/main.py") == EVERYTHING
    assert found("shop/core.py") == []


def test_an_ignore_that_silences_what_another_file_causes_is_no_useless_one():
    # Read alone, the test's import led nowhere, and the comment silenced nothing.
    write(
        "tests/test_shop.py",
        "from shop import create\n\nasync def test_it():\n    assert await create(1)  # awaitguard: ignore[AG102] on purpose\n",
    )
    assert found("tests") == []


def test_a_part_and_the_whole_share_a_cache():
    both = [runner.invoke(app, ["check", "--format", "json", *part]) for part in ((), ("tests",), ())]
    numbers = [len(json.loads(one.stdout)["findings"]) for one in both]
    assert numbers == [2, 1, 2]


def test_what_is_excluded_stays_so_when_it_is_named():
    write("pyproject.toml", "[tool.awaitguard]\nexclude = ['tests']\n")
    assert found("tests/test_shop.py") == found("tests") == []
    assert found() == EVERYTHING[1:]


def test_a_file_without_a_project_is_read_alone(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
):
    other = tmp_path_factory.mktemp("alone")
    (other / "one.py").write_text(WRONG)
    (other / "two.py").write_text(WRONG)
    monkeypatch.chdir(other)
    result = invoke("--format", "json", "one.py")
    assert json.loads(result.stdout)["summary"]["files"] == 1
    assert found("one.py") == [("one.py", "AG101")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--select", "AG999"], "no code AG999"),
        (["--select", "AG1O1"], "did you mean AG101?"),
        (["--select", "ag101"], "did you mean AG101?"),
        (["--select", "asinc"], "did you mean async?"),
        (["--select", "await-sync-function"], "did you mean AG101?"),
        (["--ignore", "AG3,E501"], "no code E501"),
        (["--select", "A"], "no code A"),
        (["test"], "test doesn't exist, did you mean tests?"),
        (["shop/cor.py"], "did you mean shop/core.py?"),
        (["empty"], "no Python file in empty"),
    ],
)
def test_what_stands_for_nothing_is_an_error(arguments: list[str], said: str):
    Path("empty").mkdir()
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert said in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("select = ['AG999']", "select: there is no code AG999"),
        ("ignore = ['E5']", "ignore: there is no code E5"),
        ("per-file-ignores = {'tests/*' = ['AG1O']}", "tests/*: there is no code AG1O"),
        ("roots = ['shp']", "did you mean"),
        ("hints = 'yes'", "hints has to be true or false"),
        ("baseline = 3", "baseline has to be the path of a file"),
    ],
)
def test_what_stands_for_nothing_in_the_configuration_is_an_error(text: str, said: str):
    write("pyproject.toml", f"[tool.awaitguard]\n{text}\n")
    result = invoke()
    assert result.exit_code == 2
    assert said in result.output


def test_an_ignore_of_a_code_that_there_is_not_says_so():
    write("shop/core.py", "def create(user):\n    return user  # awaitguard: ignore[AG1O1]\n")
    result = invoke("shop")
    assert "names no code, did you mean AG101?" in result.output


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 1),
        (["--fail-on", "certain"], 1),
        (["--fail-on", "likely"], 1),
        (["--exit-zero"], 0),
        (["--exit-zero", "--fail-on", "hint"], 0),
        (["nowhere", "--exit-zero"], 2),
    ],
)
def test_when_a_run_fails(arguments: list[str], code: int):
    assert invoke(*arguments).exit_code == code


def test_a_run_fails_only_on_the_level_that_is_asked_for():
    write("tests/test_shop.py", "")
    write(
        "app/main.py",
        "class A:\n    def f(self):\n        raise NotImplementedError\nclass B(A):\n    async def f(self):\n        return 1\n",
    )
    assert found() == [("app/main.py", "AG204")]  # likely
    assert invoke("--fail-on", "certain").exit_code == 0
    assert "AG204" in invoke("--fail-on", "certain").output
    assert invoke("--fail-on", "likely").exit_code == 1
    write(
        "app/main.py",
        "class A:\n    def f(self):\n        pass\nclass B(A):\n    async def f(self):\n        return 1\n",
    )
    assert invoke().exit_code == invoke("--fail-on", "likely").exit_code == 0  # a hint
    assert invoke("--fail-on", "hint").exit_code == 1


def test_colour_alone():
    assert found("--select", "async") == EVERYTHING[:1]
    assert found("--ignore", "async") == EVERYTHING[1:]
    write("pyproject.toml", "[tool.awaitguard]\nselect = ['async', 'AG3']\n")
    assert found() == EVERYTHING


def test_every_code_is_about_colour_or_not():
    assert {code for code in CODES if is_async(code)} == {
        code
        for code in RULES
        if code < "AG2" or code in ("AG201", "AG204", "AG205", "AG206", "AG207", "AG210", "AG211")
    }


def test_a_baseline_in_the_configuration():
    assert runner.invoke(app, ["baseline"]).exit_code == 0
    write("pyproject.toml", "[tool.awaitguard]\nbaseline = 'awaitguard-baseline.json'\n")
    assert found() == []
    # Writing one anew takes today's findings, not those that the old one leaves.
    assert "2 finding(s) written" in runner.invoke(app, ["baseline"]).output
    write("app/main.py", "from shop import create\n\ncreate(1, 2)\ncreate()\n")
    assert found() == [("app/main.py", "AG306")]


def test_every_code_has_advice_of_its_own_place():
    assert set(ADVICE) == set(CODES)


def test_sarif_explains_its_rules():
    (run,) = json.loads(invoke("--format", "sarif").stdout)["runs"]
    for rule in run["tool"]["driver"]["rules"]:
        assert ADVICE[rule["id"]] in rule["help"]["text"]
        assert ADVICE[rule["id"]] in rule["help"]["markdown"]
        assert "## Good" in rule["help"]["markdown"]


def test_interfaces_are_looked_up_in_the_whole_project():
    result = runner.invoke(app, ["interfaces", "create", "tests", "--no-cache"])
    assert "shop/core.py:1" in result.output
    assert "tests/test_shop.py:4  awaited" in result.output
    assert "app/main.py" not in result.output
