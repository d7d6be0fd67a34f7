"""The command line."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from awaitguard.codes import UnknownCodeError, prefixes
from awaitguard.config import Config, ConfigError, find_root, is_project, load_config
from awaitguard.engine import no_progress, run
from awaitguard.finding import LEVELS
from awaitguard.interfaces import find_interfaces
from awaitguard.read import walker
from awaitguard.report import Report, github, in_order, json, junit, sarif, text
from awaitguard.report.baseline import BaselineError, apply_baseline, write_baseline
from awaitguard.report.explain import explain_code, list_codes
from awaitguard.report.ignores import apply_ignores
from awaitguard.report.interfaces import render_interfaces
from awaitguard.version import __version__

if TYPE_CHECKING:
    from collections.abc import Generator

    from awaitguard.finding import Finding

CACHE = ".awaitguard_cache"
CLEAN, FOUND, FAILED = 0, 1, 2
app = typer.Typer(
    name="awaitguard", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Finds where the two sides of an async interface disagree about how it is called.",
)  # fmt: skip


class Format(str, Enum):  # noqa: UP042 - Typer shows the values of this kind of enum
    """Formats of the report."""

    text = "text"
    json = "json"
    sarif = "sarif"
    github = "github"
    junit = "junit"


class Level(str, Enum):  # noqa: UP042 - as above
    """How sure a finding is."""

    certain = "certain"
    likely = "likely"
    hint = "hint"


Paths = Annotated[
    list[Path] | None,
    typer.Argument(help="Files and directories; the current directory if there are none.", show_default=False),
]
Select = Annotated[
    list[str] | None,
    typer.Option(
        help="Only these codes, by prefix: AG1 stands for all of AG1xx, async for all about colour. Repeatable, or comma-separated."
    ),
]
Ignore = Annotated[list[str] | None, typer.Option(help="Not these codes, by prefix.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Read everything anew and keep nothing.")]
Jobs = Annotated[int, typer.Option(min=0, help="Processes; 0 means one per processor.")]


def version(value: bool) -> None:
    if value:
        parts = "pure Python" if str(walker.__file__).endswith(".py") else "compiled"
        typer.echo(f"awaitguard {__version__} ({parts})")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options of all commands."""


@app.command()
def check(
    paths: Paths = None,
    format: Annotated[Format, typer.Option(help="How to report.")] = Format.text,
    select: Select = None,
    ignore: Ignore = None,
    output: Annotated[Path | None, typer.Option(help="Write the report to this file.")] = None,
    baseline: Annotated[Path | None, typer.Option(help="Show only findings that this baseline doesn't have.")] = None,
    no_cache: NoCache = False,
    jobs: Jobs = 0,
    hints: Annotated[bool, typer.Option("--hints", help="Show findings of level hint too.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Say how many calls could not be resolved.")] = False,
    fail_on: Annotated[
        Level | None,
        typer.Option(
            help="Exit with 1 only for findings of this level or a surer one. Default: for all that are shown."
        ),
    ] = None,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit with 0 whatever is found.")] = False,
) -> None:
    """Check a project, and report what is found below PATHS. Exit code 0: clean, 1: findings, 2: could not run."""
    with failures():
        report = collect(paths, select, ignore, no_cache, jobs, hints or fail_on is Level.hint, baseline)
        colour = output is None and format is Format.text and sys.stdout.isatty()
        if format is Format.text:
            rendered = text.render(report, colour, verbose=verbose)
        else:
            renderers: dict[Format, Callable[[Report], str]] = {
                Format.json: json.render, Format.sarif: sarif.render, Format.github: github.render, Format.junit: junit.render,
            }  # fmt: skip
            rendered = renderers[format](report)
        if output is None:
            sys.stdout.write(rendered)
        else:
            output.write_text(rendered, encoding="utf-8")
    worst = LEVELS if fail_on is None else LEVELS[: LEVELS.index(fail_on.value) + 1]
    failing = not exit_zero and any(one.level in worst for one in report.findings)
    raise typer.Exit(FOUND if failing else CLEAN)


@app.command("baseline")
def baseline_command(
    paths: Paths = None,
    output: Annotated[Path, typer.Option(help="Where to write it.")] = Path("awaitguard-baseline.json"),
    select: Select = None,
    ignore: Ignore = None,
    no_cache: NoCache = False,
    jobs: Jobs = 0,
) -> None:
    """Write today's findings to a file, so that `check --baseline` shows only new ones."""
    with failures():
        report = collect(paths, select, ignore, no_cache, jobs, hints=False, baseline=None, use_baseline=False)
        number = write_baseline(output, report.findings)
        typer.echo(f"{number} finding(s) written to {output}; check with: awaitguard check --baseline {output}")


@app.command()
def interfaces(
    name: Annotated[str, typer.Argument(help="A function, class or Class.method.")],
    paths: Paths = None,
    no_cache: NoCache = False,
    jobs: Jobs = 0,
) -> None:
    """Show every definition and re-export of a name with its colour, signature and callers."""
    with failures():
        config = configure(paths, None, None, no_cache, hints=False)
        found = find_interfaces(config, starting(paths), name, jobs or 1)
        sys.stdout.write(render_interfaces(found, sys.stdout.isatty()))
    raise typer.Exit(CLEAN if found.found else FOUND)


@app.command()
def explain(
    code: Annotated[
        str | None, typer.Argument(help="A code such as AG101; all codes if there is none.", show_default=False)
    ] = None,
) -> None:
    """Show the page of a code: what it finds, why it bites, a bad and a good example, how to silence it."""
    page = list_codes() if code is None else explain_code(code)
    if page is None:
        typer.echo(f"awaitguard: there is no code {code}; `awaitguard explain` lists all", err=True)
        raise typer.Exit(FAILED)
    sys.stdout.write(page)


def starting(paths: list[Path] | None) -> list[Path]:
    return paths or [Path()]


def configure(
    paths: list[Path] | None, select: list[str] | None, ignore: list[str] | None, no_cache: bool, hints: bool
) -> Config:
    """The project's configuration, with what the command line changes in it."""
    starts = starting(paths)
    root = find_root(starts[0].absolute()) if len(starts) == 1 else find_root(Path().absolute())
    config = load_config(root)
    return replace(
        config,
        whole=is_project(root),
        cache=None if no_cache else root / CACHE,
        hints=hints or config.hints,
        select=prefixes(split(select), "--select") if select else config.select,
        ignore=(*config.ignore, *prefixes(split(ignore or []), "--ignore")),
    )


def split(values: list[str]) -> tuple[str, ...]:
    return tuple(one.strip() for value in values for one in value.split(",") if one.strip())


def collect(
    paths: list[Path] | None, select: list[str] | None, ignore: list[str] | None, no_cache: bool, jobs: int, hints: bool,
    baseline: Path | None, use_baseline: bool = True,
) -> Report:  # fmt: skip
    """Run, and leave out what configuration, comments and the baseline silence."""
    config = configure(paths, select, ignore, no_cache, hints)
    with watched() as progress:
        outcome = run(config, starting(paths), jobs, progress)
    findings: list[Finding] = [
        one for one in apply_ignores(outcome.findings, outcome.ignores) if config.shows(one.code, one.level, one.path)
    ]
    baseline = baseline or (config.baseline if use_baseline else None)
    if baseline is not None:
        findings = apply_baseline(baseline, findings)
    return Report(
        in_order(findings),
        str(config.root),
        outcome.files,
        outcome.unparsed,
        outcome.unresolved,
        outcome.seconds,
        outcome.evidence,
    )


@contextmanager
def watched() -> Generator[Callable[[str, int, int], None]]:
    """A progress bar on a terminal, for trees that take a while."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield no_progress
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, console=console, transient=True, auto_refresh=False)
    tasks: dict[str, TaskID] = {}

    def advance(step: str, done: int, total: int) -> None:
        if total < 200:
            return
        if not tasks:
            bar.start()
        if step not in tasks:
            tasks[step] = bar.add_task(step, total=total)
        bar.update(tasks[step], completed=done)
        bar.refresh()

    try:
        yield advance
    finally:
        if tasks:
            bar.stop()


@contextmanager
def failures() -> Generator[None]:
    """Errors that a user can mend are told in a line, with exit code 2."""
    try:
        yield
    except (ConfigError, UnknownCodeError, BaselineError, FileNotFoundError) as error:
        typer.echo(f"awaitguard: {error}", err=True)
        raise typer.Exit(FAILED) from None
    except PermissionError as error:
        typer.echo(f"awaitguard: {error.filename} can't be written: {error.strerror}", err=True)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        typer.echo("awaitguard: stopped", err=True)
        raise typer.Exit(130) from None


def main() -> None:
    """The entry point of the `awaitguard` command."""
    try:
        app()
    finally:
        gc.freeze()  # the process ends: all that it holds need not be looked through for cycles before
