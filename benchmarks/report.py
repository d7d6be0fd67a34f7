"""What was measured, as tables in Markdown and as JSON; and the table's place in the documentation."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measures import Figures

Round = dict[str, Figures]
"""What one round found, by server."""

BEGIN, END = "<!-- table -->", "<!-- /table -->"
OF_THE_CLIENT = "client's cpu"
"""How figures begin that are about the measuring itself; they stand in the JSON alone."""


def machine(root: Path) -> dict[str, Any]:
    """Where and when this is measured, of what, and how loaded the machine is by others."""
    cpus = Path("/proc/cpuinfo").read_text().splitlines()
    return {
        "commit": _commit(root),
        "time": _now(),
        "cpu": next((line.split(":")[1].strip() for line in cpus if "model name" in line), platform.processor()),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "load at the start": os.getloadavg(),
    }


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())


def _commit(root: Path) -> str:
    """The commit that is measured, and whether it was changed since."""

    def git(*words: str) -> str:
        found = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
        return found.stdout.strip()

    changed = " with changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return (git("rev-parse", "--short", "HEAD") or "unknown") + changed


def medians_of(rounds: list[Round]) -> Round:
    """Of each figure, over the rounds that have it."""
    servers = dict.fromkeys(server for each in rounds for server in each)
    return {server: _medians([each[server] for each in rounds if server in each]) for server in servers}


def _medians(found: list[Figures]) -> Figures:
    names = dict.fromkeys(name for figures in found for name in figures)
    return {name: statistics.median(figures[name] for figures in found if name in figures) for name in names}


def table(results: Round) -> str:
    """One column per server, one row per figure."""
    names = dict.fromkeys(name for figures in results.values() for name in figures)
    rows = [name for name in sorted(names, key=_place) if not name.startswith(OF_THE_CLIENT)]
    lines = ["| | " + " | ".join(results) + " |", "|---" * (len(results) + 1) + "|"]
    lines += [f"| {row} | " + " | ".join(_cell(each.get(row)) for each in results.values()) + " |" for row in rows]
    return "\n".join(lines)


_ORDER = ("start-up", "cpu s per", "tokens/s", "cpu ms per run", "p50", "p99", "cpu %", "streams", "stop", "RSS", "KiB")


def _place(name: str) -> tuple[int, int]:
    """Rows of one kind stand together, whichever server was asked for them first; the rest keep their order."""
    kind = next((at for at, start in enumerate(_ORDER) if name.startswith(start)), len(_ORDER))
    if name.startswith(("p50", "p99", "cpu %")):
        return _ORDER.index("p50"), int("".join(filter(str.isdigit, name.partition(",")[2])))
    return kind, 0


def _cell(value: float | None) -> str:
    if value is None:
        return "–"
    if value == float("inf"):
        return "never"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(row: str, of: str = "netra", to: str = "naive") -> Callable[[Round], float | None]:
    def found(each: Round) -> float | None:
        above, below = each.get(of, {}).get(row), each.get(to, {}).get(row)
        return above / below if above is not None and below else None

    return found


def _unicast(each: Round) -> float | None:
    figures = each.get("netra", {})
    netra, raw = figures.get("unicast, µs per event"), figures.get("unicast by bare uvicorn, µs per event")
    return netra / raw if netra is not None and raw else None


RATIOS: dict[str, tuple[str, Callable[[Round], float | None]]] = {
    "CPU per token, 200 runs at once: netra / naive": ("≤ 0.35", _ratio("cpu s per 1000 tokens, 200 at once")),
    "CPU per token, 50 runs at once: netra / naive": ("≤ 0.35", _ratio("cpu s per 1000 tokens, 50 at once")),
    "CPU of 100 paced streams: netra / naive": ("", _ratio("cpu %, 100 streams")),
    "streams with p99 < 100 ms: netra / naive": ("≥ 3", _ratio("streams with p99 < 100 ms")),
    "CPU per token, 200 runs at once: netra-sdk / naive": (
        "≤ 2.2",
        _ratio("cpu s per 1000 tokens, 200 at once", "netra-sdk"),
    ),
    "CPU per token, 50 runs at once: netra-sdk / naive": (
        "≤ 2.2",
        _ratio("cpu s per 1000 tokens, 50 at once", "netra-sdk"),
    ),
    "CPU per run with a tool turn: netra / naive": ("", _ratio("cpu ms per run with a tool turn")),
    "unicast, CPU per event: netra / bare uvicorn": ("≤ 2", _unicast),
}
"""What is compared, the goal, and how it's found in one round."""


def ratios(rounds: list[Round]) -> str:
    """Each ratio within its round, where the machine was the same for both; of the rounds, the median and the ends."""
    lines = ["| ratio, within a round | goal | median | lowest and highest |", "|---|---|---|---|"]
    for name, (goal, of) in RATIOS.items():
        found = [ratio for each in rounds if (ratio := of(each)) is not None]
        if found:
            lines.append(f"| {name} | {goal} | {statistics.median(found):.2f} | {min(found):.2f}, {max(found):.2f} |")
    return "\n".join(lines)


def report(about: dict[str, Any], rounds: list[Round]) -> str:
    """All of it in Markdown."""
    loads = [about["load at the start"][0], about["load at the end"][0]]
    by_package: dict[str, str] = {}
    for found in about["versions"].values():
        by_package |= found
    versions = ", ".join(f"{package} {version}" for package, version in by_package.items())
    words = (
        f"{len(rounds)} {'round' if len(rounds) == 1 else 'rounds'}{', medians' if len(rounds) > 1 else ''};"
        f" {about['time']} to {about['ended']}; commit {about['commit']}. {about['cpu']}, {about['cores']} cores,"
        f" {about['system']}, Python {about['python']}. Load (1 minute) {loads[0]:.1f} at the start,"
        f" {loads[1]:.1f} at the end, the measuring included. Versions: {versions}."
    )
    return "\n\n".join([words, table(medians_of(rounds)), ratios(rounds)])


def save(path: Path, about: dict[str, Any], rounds: list[Round]) -> None:
    """What is known so far."""
    about["ended"], about["load at the end"] = _now(), os.getloadavg()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"about": about, "medians": medians_of(rounds), "rounds": rounds}, indent=1))


def put(page: Path, words: str) -> None:
    """Put the report between the marks of a page. Raises `ValueError` where it has none."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no {BEGIN} … {END}")
    page.write_text(f"{before}{BEGIN}\n\n{words}\n\n{END}{after}")
