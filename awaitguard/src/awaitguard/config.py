"""`[tool.awaitguard]` in pyproject.toml."""

from __future__ import annotations

import fnmatch
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast


class ConfigError(Exception):
    """The configuration can't be used; the message says where and why."""


@dataclass(frozen=True)
class Config:
    """What the user chose. `root` is the directory that paths in reports are relative to."""

    root: Path
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    families: tuple[tuple[str, ...], ...] = ()
    roots: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    hints: bool = False
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
    """The nearest directory upwards with a pyproject.toml or a repository, else `start` itself."""
    start = start if start.is_dir() else start.parent
    for directory in (start, *start.parents):
        if (directory / "pyproject.toml").is_file() or (directory / ".git").exists():
            return directory
    return start


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
        names(table, "select", path),
        names(table, "ignore", path),
        tuple(
            (str(pattern), names(cast("dict[str, Any]", per_file), str(pattern), path))
            for pattern in cast("dict[str, Any]", per_file)
        ),
        tuple(names({"families": one}, "families", path) for one in cast("list[Any]", families)),
        names(table, "roots", path),
        names(table, "exclude", path),
        table.get("hints", False) is True,
    )


def names(table: dict[str, Any], key: str, path: Path) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in cast("list[Any]", value)):
        raise ConfigError(f"[tool.awaitguard] in {path.name}: {key} has to be a list of strings")
    return tuple(cast("list[str]", value))
