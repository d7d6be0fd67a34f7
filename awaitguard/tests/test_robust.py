"""Whatever is in a tree: each file is checked or reported, and nothing is run."""

import ast
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from awaitguard.config import Config
from awaitguard.engine import Outcome, run
from awaitguard.read.walker import Walker

WRONG = "def load():\n    return 1\n\nasync def main():\n    await load()\n"


def check(root: Path, cache: Path | None = None, jobs: int = 1) -> Outcome:
    return run(Config(root, cache=cache), [root], jobs)


def codes(outcome: Outcome) -> list[tuple[str, str]]:
    return [(finding.path, finding.code) for finding in outcome.findings]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"def broken(:\n", "syntax error"),
        (b"x = 1\n\0\n", "NUL byte"),
        (b"# -*- coding: klingon -*-\nx = 1\n", "unknown encoding"),
        (b"name = '\xe9'\n", "not valid utf-8"),
        (b"x = " + b"(" * 500 + b")" * 500 + b"\n", "too many nested parentheses"),
        (b"x = " + b"-" * 200_000 + b"1\n", "nested too deeply"),
        (b"if True:\n\tx = 1\n        y = 2\n", "syntax error"),
        (b"print 'hello'\n", "syntax error"),
        (b"lazy import json\n", "newer Python"),
    ],
)
def test_a_file_that_cannot_be_checked_is_reported_and_the_rest_is_checked(tmp_path: Path, data: bytes, reason: str):
    (tmp_path / "odd.py").write_bytes(data)
    (tmp_path / "wrong.py").write_text(WRONG)
    outcome = check(tmp_path)
    assert codes(outcome) == [("odd.py", "AG001"), ("wrong.py", "AG101")]
    assert reason in outcome.findings[0].message
    assert outcome.unparsed == 1
    assert outcome.files == 2


def test_modules_that_git_ignores_are_made_by_a_build(tmp_path: Path):
    # pyrofork's compiler writes them.
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/__init__.py").write_text("")
    (tmp_path / "shop/main.py").write_text("from .raw import Ping\nfrom shop.made.all import objects\n")
    assert [code for _, code in codes(check(tmp_path))] == ["AG301", "AG301"]
    cache = tmp_path / ".cache"
    assert len(check(tmp_path, cache).findings) == 2
    (tmp_path / ".gitignore").write_text("*.so\nshop/raw.py\n/shop/made/\n")
    assert codes(check(tmp_path)) == codes(check(tmp_path, cache)) == []


def test_a_template_of_python_is_counted_and_no_more(tmp_path: Path):
    # crawlee and guillotina have templates of projects, which end in .py.
    directory = tmp_path / "project_template"
    directory.mkdir()
    (directory / "main.py").write_text("crawler = Crawler(a=1, {{ options() }})\n")
    outcome = check(tmp_path)
    assert [one.level for one in outcome.findings] == ["hint"]
    assert outcome.unparsed == 1


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python knows the grammar")
@pytest.mark.parametrize(
    "line",
    [
        "type Alias = int\n",
        "def f[T](x: T) -> T:\n    return x\n",
        "class Box[T]:\n    pass\n",
        # f-strings of 3.12: quotes used again, backslashes, comments and lines inside.
        "x = f'{d['key']}'\n",
        'x = f"{"\\n".join(rows)}"\n',
        'x = f"""{\n    rows  # all of them\n}"""\n',
        'x = f"{\nrows}"\n',
        'x = "a" f"{d["a"]:>{d["b"]}}" "c"\n',
        'x = f"{f"{f"{1}"}"}"  # it\'s\n',
        "try:\n    pass\nexcept ValueError, KeyError:\n    pass\n",
        "x = t'{name}'\n",
    ],
)
def test_a_newer_grammar_is_told_as_such_and_is_no_certain_mistake(tmp_path: Path, line: str):
    (tmp_path / "new.py").write_text(line)
    (finding,) = check(tmp_path).findings
    assert finding.level == "likely"
    assert "newer Python" in finding.message


@pytest.mark.parametrize(
    "line",
    [
        "x = f'{d['key'}'\n",
        "x = f'{}'\n",
        "x = f'{a b}'\n",
        "x = f'{d['key']}' y\n",
        "x = f'{d['key']\n",
        "x = f'}{d['key']}'\n",
        "try:\n    pass\nexcept ValueError, error:\n    pass\n",
        "print 'hello'\n",
    ],
)
def test_what_no_python_reads_is_a_certain_mistake(tmp_path: Path, line: str):
    (tmp_path / "wrong.py").write_text(line)
    (finding,) = check(tmp_path).findings
    assert (finding.level, "newer" in finding.message) == ("certain", False)


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + WRONG.encode(),
        b"# -*- coding: latin-1 -*-\n# \xe9\n" + WRONG.encode(),
        WRONG.replace("\n", "\r\n").encode(),
        WRONG.replace("\n", "\r").encode(),
        WRONG.encode().rstrip(),
        b"\x0c" + WRONG.encode(),
        WRONG.replace("load", "ladé").encode(),
    ],
)
def test_encodings_and_line_ends(tmp_path: Path, data: bytes):
    (tmp_path / "odd.py").write_bytes(data)
    assert codes(check(tmp_path)) == [("odd.py", "AG101")]


@pytest.mark.parametrize(
    "source",
    [
        "x = " + " + ".join(["1"] * 4_000) + "\n",
        "x = a" + ".b" * 900 + "\n",
        "x = a" + "()" * 900 + "\n",
        "x = a" + "[0]" * 900 + "\n",
        "x = " + "not " * 900 + "y\n",
        "x = " + "lambda: " * 900 + "y\n",
        "x = " + "[" * 90 + "f()" + "]" * 90 + "\n",
        "if a:\n    pass\n" + "".join(f"elif a == {number}:\n    pass\n" for number in range(900)),
        "x: 'list[" + "list[" * 90 + "int" + "]" * 91 + "'\n",
        "".join("    " * depth + "if a:\n" for depth in range(95)) + "    " * 95 + "pass\n",
        "".join("    " * depth + f"def f{depth}():\n" for depth in range(95)) + "    " * 95 + "pass\n",
        "x = 1\n" + "x = f(x)\n" * 3_000,
        "def f():\n    return f()\n\nasync def g():\n    await f()\n",
        "class A(A):\n    pass\n\nA().x()\n",
        "class A(B): pass\nclass B(A): pass\nB().x()\n",
        "from a import *\nfrom .a import *\nimport a\n",
        "global x\n",
        "async def f():\n    return await f\n",
        "x: a[b][c] = 1\ny: (a.b[c] | d)[e]\n",
        "é = 1\nｆｏｏ = é\n",
    ],
)
def test_deep_and_circular_code_does_not_crash(tmp_path: Path, source: str):
    (tmp_path / "a.py").write_text(source, encoding="utf-8")
    assert check(tmp_path).files == 1


def test_a_tree_too_deep_for_the_stack_is_given_up():
    """Parsers newer than 3.11's may accept one, so it is built by hand here."""
    node: ast.expr = ast.Name("x")
    for _ in range(20_000):
        node = ast.UnaryOp(ast.Not(), node)
    with pytest.raises(RecursionError):
        Walker().walk(ast.Module([ast.Expr(node)], []), [])


def test_five_megabytes(tmp_path: Path):
    (tmp_path / "big.py").write_text(
        WRONG + "DATA = [\n" + "    ('text of some length', 12345, None),\n" * 120_000 + "]\n"
    )
    assert codes(check(tmp_path)) == [("big.py", "AG101")]


def test_links_that_loop_and_names_that_are_no_identifiers(tmp_path: Path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "self").symlink_to(tmp_path / "package", target_is_directory=True)
    (tmp_path / "dangling.py").symlink_to(tmp_path / "nowhere.py")
    (tmp_path / "package" / "1-odd name.py").write_text(WRONG)
    (tmp_path / "package" / "directory.py").mkdir()
    outcome = check(tmp_path)
    assert ("package/1-odd name.py", "AG101") in codes(outcome)
    assert ("dangling.py", "AG001") in codes(outcome)


def test_a_pipe_is_reported_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "wrong.py").write_text(WRONG)
    assert codes(check(tmp_path)) == [("pipe.py", "AG001"), ("wrong.py", "AG101")]
    assert "no regular file" in run(Config(tmp_path, cache=None), [tmp_path / "pipe.py"]).findings[0].message


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_an_unreadable_file_is_reported(tmp_path: Path):
    path = tmp_path / "secret.py"
    path.write_text(WRONG)
    path.chmod(0)
    assert codes(check(tmp_path)) == [("secret.py", "AG001")]
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)


def test_an_unreadable_file_is_reported_whoever_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from awaitguard import work

    (tmp_path / "secret.py").write_text(WRONG)

    def refuse(path: str, mode: str):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(work, "open", refuse, raising=False)
    outcome = check(tmp_path)
    assert codes(outcome) == [("secret.py", "AG001")]
    assert "Permission denied" in outcome.findings[0].message


def test_a_tree_that_changes_between_listing_and_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from awaitguard import engine

    (tmp_path / "gone.py").write_text(WRONG)
    listed = engine.discover(tmp_path, [tmp_path])
    (tmp_path / "gone.py").unlink()
    monkeypatch.setattr(engine, "discover", lambda *_, **__: listed)
    assert codes(check(tmp_path)) == [("gone.py", "AG001")]


def test_it_never_runs_what_it_reads(tmp_path: Path):
    trace = tmp_path / "trace"
    plant = f"open({str(trace)!r}, 'w').write('ran')\n"
    (tmp_path / "planted").mkdir()
    (tmp_path / "planted" / "__init__.py").write_text(plant)
    (tmp_path / "sitecustomize.py").write_text(plant)
    (tmp_path / "conftest.py").write_text(plant)
    (tmp_path / "asyncio.py").write_text(plant)
    (tmp_path / "app.py").write_text(
        "import planted\nfrom planted import x\nimport asyncio\n\nasync def main():\n    await planted.x()\n"
    )
    command = [sys.executable, "-m", "awaitguard", "check", "."]
    subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, env={**os.environ, "PYTHONSAFEPATH": "1"})
    assert not trace.exists()


def test_a_second_run_reads_nothing_anew_and_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from awaitguard import work

    (tmp_path / "app.py").write_text(WRONG)
    (tmp_path / "broken.py").write_text("def broken(:\n")
    cache = tmp_path / ".cache"
    first = check(tmp_path, cache)

    def refuse(data: bytes):
        raise AssertionError("a file was summarised again")

    monkeypatch.setattr(work, "summarise", refuse)
    second = check(tmp_path, cache)
    assert codes(second) == codes(first)
    assert second._replace(seconds=0) == first._replace(seconds=0)


def test_a_change_is_seen_where_it_matters(tmp_path: Path):
    (tmp_path / "a.py").write_text("def load():\n    return 1\n")
    (tmp_path / "b.py").write_text("from a import load\n\nasync def main():\n    await load()\n")
    cache = tmp_path / ".cache"
    assert codes(check(tmp_path, cache)) == [("b.py", "AG102")] or codes(check(tmp_path, cache)) == [("b.py", "AG101")]
    (tmp_path / "a.py").write_text("async def load():\n    return 1\n")
    assert codes(check(tmp_path, cache)) == []
    (tmp_path / "a.py").unlink()
    assert codes(check(tmp_path, cache)) == []
    (tmp_path / "a.py").write_text("class load:\n    pass\n")
    assert [code for _, code in codes(check(tmp_path, cache))] == ["AG104"]


def test_a_change_far_away_is_seen(tmp_path: Path):
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("from pkg.api import load\n")
    (tmp_path / "pkg" / "api.py").write_text("from pkg.core import load\n")
    (tmp_path / "pkg" / "core.py").write_text("async def load():\n    return 1\n")
    (tmp_path / "app.py").write_text("from pkg import load\n\nasync def main():\n    await load()\n")
    cache = tmp_path / ".cache"
    assert codes(check(tmp_path, cache)) == []
    (tmp_path / "pkg" / "core.py").write_text("def load():\n    return 1\n")
    assert codes(check(tmp_path, cache)) == [("app.py", "AG102")]


@pytest.mark.parametrize("damage", [b"", b"not a database", b"SQLite format 3\0" + b"\xff" * 5_000])
def test_a_damaged_cache_is_healed(tmp_path: Path, damage: bytes):
    (tmp_path / "app.py").write_text(WRONG)
    cache = tmp_path / ".cache"
    check(tmp_path, cache)
    (path,) = cache.glob("*.sqlite")
    path.write_bytes(damage)
    for left in (*cache.glob("*-wal"), *cache.glob("*-shm")):
        left.unlink()
    assert codes(check(tmp_path, cache)) == [("app.py", "AG101")]
    assert codes(check(tmp_path, cache)) == [("app.py", "AG101")]


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path):
    (tmp_path / "app.py").write_text(WRONG)
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the directory should be")
    assert codes(check(tmp_path, blocked)) == [("app.py", "AG101")]


def test_two_runs_on_one_cache(tmp_path: Path):
    for number in range(30):
        (tmp_path / f"m{number}.py").write_text(WRONG)
    cache = tmp_path / ".cache"
    command = [sys.executable, "-m", "awaitguard", "check", ".", "--format", "github", "--jobs", "1"]
    found: list[tuple[int, str]] = []

    def go() -> None:
        done = subprocess.run(
            command,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )
        found.append((done.returncode, done.stdout))

    threads = [threading.Thread(target=go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {code for code, _ in found} == {1}
    assert len({text for _, text in found}) == 1
    assert found[0][1].count("AG101") == 30
    assert not cache.exists()


def test_processes_find_what_one_process_finds(tmp_path: Path):
    for number in range(60):
        (tmp_path / f"m{number}.py").write_text(WRONG + f"# {'x' * 9_000}\n")
    assert codes(check(tmp_path, jobs=3)) == codes(check(tmp_path, jobs=1))
