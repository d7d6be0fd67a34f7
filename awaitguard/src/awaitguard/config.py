"""`[tool.awaitguard]` in pyproject.toml."""

from __future__ import annotations

import fnmatch
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from awaitguard.codes import UnknownCodeError, prefixes
from awaitguard.read.discovery import nearest_path


class ConfigError(Exception):
    """The configuration can't be used; the message says where and why."""


@dataclass(frozen=True)
class Config:
    """What the user chose. `root` is the directory that paths in reports are relative to.

    `whole` says that everything below it is one project, which is read whole whatever part is reported.
    """

    root: Path
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    families: tuple[tuple[str, ...], ...] = ()
    roots: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    hints: bool = False
    whole: bool = True
    baseline: Path | None = None
    cache: Path | None = field(default=None)

    def shows(self, code: str, level: str, path: str) -> bool:
        """Whether a finding is wanted; codes match by prefix, so `AG1` stands for all of AG1xx."""
        selected = any(code.startswith(one) for one in self.select)
        if self.select and not selected:
            return False
        if any(code.startswith(one) for one in self.ignore):
            return False
        if level == "hint" and not (self.hints or code in self.select):
            return False
        return not any(
            fnmatch.fnmatch(path, pattern) and any(code.startswith(one) for one in codes)
            for pattern, codes in self.per_file_ignores
        )


KNOWN = frozenset({"select", "ignore", "per-file-ignores", "families", "roots", "exclude", "hints", "baseline"})


def find_root(start: Path) -> Path:
    """The nearest directory upwards that is a project's, else `start` itself."""
    start = start if start.is_dir() else start.parent
    return next((directory for directory in (start, *start.parents) if is_project(directory)), start)


def is_project(directory: Path) -> bool:
    """Whether a directory has a pyproject.toml or is a repository."""
    return (directory / "pyproject.toml").is_file() or (directory / ".git").exists()


def load_config(root: Path) -> Config:
    """Read the configuration of a project.

    Raises:
        ConfigError: pyproject.toml can't be read, or a setting is unknown or of the wrong type.
    """
    path = root / "pyproject.toml"
    if not path.is_file():
        return Config(root)
    try:
        with path.open("rb") as file:
            loaded = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} can't be read: {error}") from None
    tool = cast("dict[str, Any]", loaded.get("tool", {}))
    table = cast("dict[str, Any]", tool.get("awaitguard", {}))
    unknown = sorted(set(table) - KNOWN)
    if unknown:
        raise ConfigError(
            f"[tool.awaitguard] in {path.name} has no setting {unknown[0]!r}; it has {', '.join(sorted(KNOWN))}"
        )
    per_file = table.get("per-file-ignores", {})
    families = table.get("families", [])
    if not isinstance(per_file, dict) or not isinstance(families, list):
        raise ConfigError(f"[tool.awaitguard] in {path.name}: per-file-ignores is a table and families a list of lists")
    return Config(
        root,
        codes(table, "select", path),
        codes(table, "ignore", path),
        tuple(
            (str(pattern), codes(cast("dict[str, Any]", per_file), str(pattern), path))
            for pattern in cast("dict[str, Any]", per_file)
        ),
        tuple(names({"families": one}, "families", path) for one in cast("list[Any]", families)),
        directories(table, "roots", path),
        names(table, "exclude", path),
        hints=flag(table, "hints", path),
        baseline=baseline_path(table, path),
    )


def codes(table: dict[str, Any], key: str, path: Path) -> tuple[str, ...]:
    """The beginnings of codes that a setting names.

    Raises:
        ConfigError: one of them is no code's.
    """
    try:
        return prefixes(names(table, key, path), f"[tool.awaitguard] in {path.name}, {key}")
    except UnknownCodeError as error:
        raise ConfigError(str(error)) from None


def directories(table: dict[str, Any], key: str, path: Path) -> tuple[str, ...]:
    """The directories that a setting names.

    Raises:
        ConfigError: one of them isn't there.
    """
    found = names(table, key, path)
    for one in found:
        if not (path.parent / one).is_dir():
            near = nearest_path(path.parent / one)
            raise ConfigError(f"[tool.awaitguard] in {path.name}, {key}: there is no directory {one}{near}")
    return found


def flag(table: dict[str, Any], key: str, path: Path) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise ConfigError(f"[tool.awaitguard] in {path.name}: {key} has to be true or false")
    return value


def baseline_path(table: dict[str, Any], path: Path) -> Path | None:
    value = table.get("baseline")
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"[tool.awaitguard] in {path.name}: baseline has to be the path of a file")
    return None if value is None else path.parent / value


def names(table: dict[str, Any], key: str, path: Path) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in cast("list[Any]", value)):
        raise ConfigError(f"[tool.awaitguard] in {path.name}: {key} has to be a list of strings")
    return tuple(cast("list[str]", value))
