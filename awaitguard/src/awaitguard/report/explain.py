"""The pages of the codes."""

from __future__ import annotations

from awaitguard.codes import GENERAL
from awaitguard.rules.advice import advice
from awaitguard.rules.registry import RULES
from awaitguard.rules.rule import Rule


def explain_code(code: str) -> str | None:
    """The page of a code as Markdown; None if there is no such code."""
    wanted = code.upper()
    if wanted in GENERAL:
        name, why = GENERAL[wanted]
        return f"# {wanted} {name}\n\n{why}\n\n{advice(wanted)}\n"
    rule = RULES.get(wanted) or next((one for one in RULES.values() if one.name == code.lower()), None)
    return page(rule) if rule else None


def page(rule: Rule) -> str:
    return (
        f"# {rule.code} {rule.name}\n\n"
        f"Finds {rule.title}. Level: {rule.level}.\n\n"
        f"{rule.why}\n\n{advice(rule.code)}\n\n"
        f"## Bad\n\n```python\n{rule.bad.strip()}\n```\n\n"
        f"## Good\n\n```python\n{rule.good.strip()}\n```\n\n"
        f"## Silence it\n\n"
        f"On the line: `# awaitguard: ignore[{rule.code}] the reason`. In a file or directory: `per-file-ignores` in `[tool.awaitguard]`.\n"
    )


def list_codes() -> str:
    """All codes with their names and titles."""
    lines = [f"{code}  {name}" for code, (name, _) in GENERAL.items()]
    lines += [f"{rule.code}  {rule.name:<28} {rule.level:<8} {rule.title}" for rule in RULES.values()]
    return "\n".join(lines) + "\n"
