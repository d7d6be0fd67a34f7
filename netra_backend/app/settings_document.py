"""Makes `docs/settings.md` from the settings object, so that neither can differ.

python -m netra_backend.app.settings_document          # write it
python -m netra_backend.app.settings_document --check  # exit 1 if it is stale
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from netra_backend.app.settings import OTHER_VARIABLES, Settings

__all__ = ["page", "undocumented"]

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


@dataclass(frozen=True, slots=True)
class _Setting:
    section: str
    name: str
    field: FieldInfo
    text: str


def page() -> str:
    """The whole page."""
    lines = [
        "# Settings",
        "",
        "Made by `python -m netra_backend.app.settings_document`; don't edit.",
        "",
        "A setting is given as a flag of `netra up` (a few), as an environment variable, or in `netra.toml` in the",
        "data folder, in that order. Names in `netra.toml` are those of the variables without `NETRA_`, in small",
        'letters: `model = "openai:NAME"`. A name that does not exist is an error. `netra doctor --all` shows what is',
        "in force and where it comes from.",
        "",
        inspect.getdoc(Settings) or "",
    ]
    section = ""
    for setting in _settings():
        if setting.section != section:
            section = setting.section
            lines += ["", f"## {section}", "", "| variable | default | what it sets |", "|---|---|---|"]
        text = " ".join([setting.text, *_bounds(setting.field)]).replace("|", "\\|")
        lines.append(f"| `NETRA_{setting.name.upper()}` | {_default(setting.name, setting.field)} | {text} |")
    lines += ["", "## Other variables", "", "| variable | what it is |", "|---|---|"]
    lines += [f"| `{name}` | {text} |" for name, text in OTHER_VARIABLES.items()]
    return "\n".join(lines) + "\n"


def undocumented() -> list[str]:
    """Settings without a word about them."""
    return [setting.name for setting in _settings() if not setting.text]


def _settings() -> Iterator[_Setting]:
    """In the order of the class. Its comments head the sections; the string after a field says what it is for."""
    source = inspect.getsource(Settings)
    lines = source.splitlines()
    (body,) = [node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    section, read = "", 0
    for index, node in enumerate(body):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        for line in lines[read : node.lineno - 1]:
            if line.startswith("    # "):
                section = line.removeprefix("    # ")
        read = node.end_lineno or node.lineno
        following = body[index + 1] if index + 1 < len(body) else None
        text = ""
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            text = inspect.cleandoc(str(following.value.value)).replace("\n", " ")
        yield _Setting(section, node.target.id, Settings.model_fields[node.target.id], text)


def _default(name: str, field: FieldInfo) -> str:
    if name == "data_dir":
        return "`~/.netra`"
    value: Any = field.default
    if value is None or value is PydanticUndefined or value == ():
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def _bounds(field: FieldInfo) -> Iterator[str]:
    if get_origin(field.annotation) is Literal:
        yield f"One of {', '.join(f'`{each}`' for each in get_args(field.annotation))}."
    said = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    found = [
        f"{words} {value:,}"
        for metadata in cast("list[object]", field.metadata)
        for name, words in said.items()
        if isinstance(value := getattr(metadata, name, None), int | float)
    ]
    if found:
        joined = ", ".join(found)
        yield f"{joined[0].upper()}{joined[1:]}."


def main() -> None:
    """Write the page, or see that it is fresh."""
    if "--check" in sys.argv[1:]:
        sys.exit(PAGE.read_text() != page())
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
