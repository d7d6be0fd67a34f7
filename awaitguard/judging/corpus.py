"""Fetch the projects of a frozen corpus, check each of them, and draw new samples.

    python awaitguard/judging/corpus.py fetch table PLACE      # what pip downloads, unpacked and never imported
    python awaitguard/judging/corpus.py check PLACE REPORTS    # one JSON report per project, hints included
    python awaitguard/judging/corpus.py draw NAMES PLACE 150 20261128 [wheel]   # a new sample: its lines for corpora.toml

The corpora are in corpora.toml, by name and version. A sample is drawn from a file of names, one a line, less those that
stand in a corpus already; of each project the newest version is taken that pip finds, as a source distribution or, where
that can't be had in a minute, as a wheel; with `wheel` behind it the other way round, which needs no build backend. pip
prepares the metadata of a source distribution, which runs the project's build backend; whatever can't be had is named
and left out.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path

CORPORA = Path(__file__).with_name("corpora.toml")


PATIENCE = 60  # seconds that one download may take, the project's build backend included


def corpora() -> list[str]:
    """The names of all corpora."""
    return list(tomllib.loads(CORPORA.read_text(encoding="utf-8")))


def pinned(corpus: str) -> list[str]:
    """The requirements of a corpus: `aiohttp==3.14.5`, with ` (wheel)` behind those that are had as wheels.

    Raises:
        KeyError: there is no corpus of this name.
    """
    return tomllib.loads(CORPORA.read_text(encoding="utf-8"))[corpus]["projects"]


def fetch(corpus: str, place: Path) -> None:
    """Download and unpack; what is there already stays."""
    place.mkdir(parents=True, exist_ok=True)
    for one in pinned(corpus):
        requirement, _, kind = one.partition(" ")
        name, _, version = requirement.partition("==")
        target = place / f"{name}-{version}"
        if target.exists():
            continue
        archive = download(requirement, place / ".downloads" / name, wheel=kind == "(wheel)")
        if archive is None:
            print(f"left out: {one}")
            continue
        unpack(archive, target)


def download(requirement: str, place: Path, wheel: bool) -> Path | None:
    """What pip downloads for a requirement; None if it can't be had in this form within a few minutes."""
    there = list(place.iterdir()) if place.exists() else []
    if there:
        return there[0]
    form = "--only-binary" if wheel else "--no-binary"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", form, ":all:", "--dest", str(place)]
    try:
        if subprocess.run([*command, requirement], check=False, timeout=PATIENCE).returncode:
            return None
    except subprocess.TimeoutExpired:
        return None
    (archive,) = place.iterdir()
    return archive


def draw(names: Path, place: Path, count: int, seed: int, forms: Sequence[bool]) -> None:
    """Draw a sample of projects that stand in no corpus yet, fetch it, and print its lines for corpora.toml.

    `forms` says in which order wheels (True) and source distributions (False) are tried. What was fetched before stays.
    """
    used = {normal(one.partition("==")[0]) for corpus in corpora() for one in pinned(corpus)}
    left = sorted({normal(one) for one in names.read_text(encoding="utf-8").split()} - used)
    place.mkdir(parents=True, exist_ok=True)
    for name in random.Random(seed).sample(left, count):  # noqa: S311 - to be drawn again, not to be kept secret
        folders = {wheel: place / ".downloads" / f"{name}{'-wheel' * wheel}" for wheel in forms}
        for wheel in sorted(forms, key=lambda one: not folders[one].exists()):
            archive = download(name, folders[wheel], wheel)
            if archive is not None:
                version = version_of(archive.name)
                unpack(archive, place / f"{name}-{version}")
                print(f'  "{name}=={version}{" (wheel)" * wheel}",', flush=True)
                break
        else:
            print(f"  # left out: {name}", flush=True)


def normal(name: str) -> str:
    """A project's name as the package index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def version_of(archive: str) -> str:
    """The version in the name of a source distribution or wheel."""
    if archive.endswith(".whl"):
        return archive.split("-")[1]
    return archive.removesuffix(".zip").removesuffix(".tar.gz").rpartition("-")[2]


def unpack(archive: Path, target: Path) -> None:
    """Unpack a source distribution or wheel; links and names that lead outside are refused."""
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(target)
    else:
        with tarfile.open(archive) as opened:
            opened.extractall(target, filter="data")


def check(place: Path, reports: Path) -> None:
    """Check each project with the awaitguard of this Python."""
    reports.mkdir(parents=True, exist_ok=True)
    for project in sorted(one for one in place.iterdir() if one.is_dir() and not one.name.startswith(".")):
        inner = [one for one in project.iterdir() if one.is_dir()]
        root = inner[0] if len(inner) == len(list(project.iterdir())) == 1 else project
        report = reports / f"{project.name}.json"
        command = [
            sys.executable,
            "-m",
            "awaitguard",
            "check",
            ".",
            "--hints",
            "--no-cache",
            "--exit-zero",
            "--format",
            "json",
        ]
        with report.open("w", encoding="utf-8") as file:
            if subprocess.run(command, cwd=root, stdout=file, check=False).returncode:
                print(f"could not be checked: {project.name}")
                report.unlink()


def main() -> None:
    """Fetch, draw or check, as the first argument says."""
    action, first, second, *more = sys.argv[1:]
    if action == "draw":
        count, seed = map(int, more[:2])
        draw(Path(first), Path(second), count, seed, (True, False) if more[2:] == ["wheel"] else (False, True))
    elif action == "fetch":
        fetch(first, Path(second))
    else:
        check(Path(first), Path(second))


if __name__ == "__main__":
    main()
