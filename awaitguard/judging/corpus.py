"""Fetch the projects of a frozen corpus, and check each of them.

    python awaitguard/judging/corpus.py fetch table PLACE      # what pip downloads, unpacked and never imported
    python awaitguard/judging/corpus.py check PLACE REPORTS    # one JSON report per project, hints included

The corpora are in corpora.toml, by name and version. pip prepares the metadata of a source distribution, which runs the
project's build backend; whatever can't be had is named and left out.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

CORPORA = Path(__file__).with_name("corpora.toml")


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
        form = "--only-binary" if kind == "(wheel)" else "--no-binary"
        downloads = place / ".downloads" / name
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            form,
            ":all:",
            "--dest",
            str(downloads),
            requirement,
        ]
        if subprocess.run(command, check=False).returncode:
            print(f"left out: {one}")
            continue
        (archive,) = downloads.iterdir()
        unpack(archive, target)


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
    """Fetch or check, as the first argument says."""
    action, first, second = sys.argv[1:4]
    if action == "fetch":
        fetch(first, Path(second))
    else:
        check(Path(first), Path(second))


if __name__ == "__main__":
    main()
