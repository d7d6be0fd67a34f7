"""Which directories are on Python's path: what a project's own configuration says of it."""

from __future__ import annotations

import os
import posixpath
import tomllib
from collections.abc import Iterable
from typing import Any, Final, cast

# What stands in a directory from which a build or a test run starts.
BUILD_FILES: Final = ("pyproject.toml", "setup.py", "setup.cfg")


def named_roots(root: str, paths: frozenset[str], candidates: Iterable[str], chosen: Iterable[str]) -> frozenset[str]:
    """Those of some directories that are on the path by evidence, not only because a package stands in them.

    The root itself, what the user chose, `src`, a directory with a build of its own, what the root's pyproject.toml names,
    and a directory with a conftest.py, which pytest puts there.
    """
    said = {"", *chosen, *configured(root)}
    return frozenset(one for one in candidates if one in said or is_root(root, paths, one))


def is_root(root: str, paths: frozenset[str], directory: str) -> bool:
    if (
        posixpath.basename(directory) == "src"
        or f"{directory}/conftest.py" in paths
        or f"{directory}/setup.py" in paths
    ):
        return True
    return any(os.path.exists(os.path.join(root, directory, name)) for name in BUILD_FILES)


def configured(root: str) -> set[str]:
    """The directories that a pyproject.toml tells setuptools, hatch, poetry, pdm, pytest, mypy and pyright to look in."""
    try:
        with open(os.path.join(root, "pyproject.toml"), "rb") as file:
            tool = table(tomllib.load(file), "tool")
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return set()
    setuptools = table(tool, "setuptools")
    wheel = table(tool, "hatch", "build", "targets", "wheel")
    found = [
        *table(setuptools, "package-dir").values(),
        *listed(table(setuptools, "packages", "find").get("where")),
        *map(posixpath.dirname, listed(wheel.get("packages"))),
        *table(wheel, "sources"),
        *(one.get("from") for one in dicts(table(tool, "poetry").get("packages"))),
        *listed(table(tool, "pdm", "build").get("package-dir")),
        *listed(table(tool, "pytest", "ini_options").get("pythonpath")),
        *listed(table(tool, "mypy").get("mypy_path")),
        *listed(table(tool, "pyright").get("extraPaths")),
        *listed(table(tool, "basedpyright").get("extraPaths")),
    ]
    return {one.strip("/").removeprefix("./") for one in found if isinstance(one, str)}


def table(value: Any, *keys: str) -> dict[str, Any]:
    """The table below some keys; an empty one where there is none."""
    for key in keys:
        value = cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def listed(value: Any) -> list[str]:
    """A list of texts, or the parts of a text such as `src:stubs`."""
    if isinstance(value, str):
        return value.replace(",", " ").replace(":", " ").split()
    return [one for one in cast("list[Any]", value) if isinstance(one, str)] if isinstance(value, list) else []


def dicts(value: Any) -> list[dict[str, Any]]:
    return (
        [cast("dict[str, Any]", one) for one in cast("list[Any]", value) if isinstance(one, dict)]
        if isinstance(value, list)
        else []
    )
