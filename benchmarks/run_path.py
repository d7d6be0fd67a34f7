"""Measure the path of a run, from the model's stream to the user's socket, in Netra and in its peers.

    python -m benchmarks.run_path            # all, 3 rounds, medians; about half an hour
    python -m benchmarks.run_path --quick --only naive,netra

The server under test has one core to itself; the model and the clients share another. Each round starts every server
anew. Peers are installed into environments of their own under `--environments`. Prints a table, and writes JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from benchmarks import measures
from benchmarks.fast_model import FastModel
from benchmarks.measures import Bench, Figures
from benchmarks.served import Served, free_port
from benchmarks.targets import TARGETS, Prepared, Target, environment, versions

ROOT = Path(__file__).parents[1]


async def one_round(target: Target, programs: Path, core: int, *, quick: bool) -> Figures:
    """Start the server anew for each group of measures, and take them."""
    found: Figures = {}
    seconds = 2.0 if quick else 4.0

    async def with_server(take: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            model = FastModel()
            await model.start()
            port = free_port()
            prepared: Prepared = await target.prepare(Path(folder), model.base_url, programs)  # type: ignore[misc]
            command = [part.format(port=port) for part in prepared.command]
            log = Path(folder) / "server.log"
            served = Served(command, prepared.env | {"PORT": str(port)}, port, core, log, Path(folder))
            connector = aiohttp.TCPConnector(limit=0)
            timeout = aiohttp.ClientTimeout(total=None)
            async with served, aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
                bench = Bench(served, model, prepared.session_of, http)
                await warm(bench)
                try:
                    await take(bench)
                except Exception as error:
                    error.add_note(log.read_text()[-2000:])
                    raise
            model.close()

    async def warm(bench: Bench) -> None:
        found.setdefault("start-up s", bench.served.start_seconds)
        async with asyncio.timeout(60):
            await measures.unthrottled(bench, 1, 20)

    async def throughput(bench: Bench) -> None:
        for count in (50,) if quick else (50, 200):
            if count == 200:
                found["RSS before MiB"] = bench.served.rss_mib()
            found.update(await measures.unthrottled(bench, count))
        found["RSS after MiB"] = bench.served.rss_mib()
        found.update(await measures.tool_turn(bench))

    async def latency(bench: Bench) -> None:
        for count in target.paced:
            if quick and count > 200:
                continue
            found.update(await measures.paced(bench, count, seconds))

    async def capacity(bench: Bench) -> None:
        found.update(await measures.most_streams(bench, *target.most_streams, seconds))

    async def stopping(bench: Bench) -> None:
        count = 5 if quick else 30
        for silent in (False, True):
            found.update(await measures.stops(bench, count, silent=silent))

    async def idling(bench: Bench) -> None:
        found.update(await measures.idle(bench, 200 if quick else 1000))

    groups = [throughput, latency, stopping]
    if not quick:
        groups += [capacity, idling] if target.sockets else [capacity]
    for group in groups:
        gc.collect()
        try:
            await with_server(group)
        except Exception as error:
            if target.name in {"naive", "netra"}:
                raise
            # A peer that fails at one measure is still compared on the others.
            notes = "\n".join(getattr(error, "__notes__", []))
            print(f"  {target.name}, {group.__name__}: {type(error).__name__}: {error}\n{notes}", file=sys.stderr)
    return found


def table(results: dict[str, Figures]) -> str:
    """The figures as a Markdown table, one column per server."""
    rows = list(dict.fromkeys(name for figures in results.values() for name in figures))
    lines = ["| | " + " | ".join(results) + " |", "|---" * (len(results) + 1) + "|"]
    for row in rows:
        cells = [_cell(figures.get(row)) for figures in results.values()]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    if value is None:
        return "–"
    if value == float("inf"):
        return "never"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def machine() -> dict[str, Any]:
    """Where and when this was measured, and how loaded the machine was by others."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "time": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "load": os.getloadavg(),
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names, separated by commas", default=",".join(t.name for t in TARGETS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one short round of the main measures")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--client-core", type=int, default=1)
    parser.add_argument("--environments", type=Path, default=ROOT / ".bench")
    parser.add_argument("--json", type=Path, default=ROOT / ".bench" / "run_path.json")
    given = parser.parse_args()
    wanted = [target for target in TARGETS if target.name in given.only.split(",")]
    given.environments.mkdir(parents=True, exist_ok=True)
    programs = {target.name: environment(target, given.environments) for target in wanted}
    os.sched_setaffinity(0, {given.client_core})
    about = machine()
    about["versions"] = {target.name: versions(programs[target.name], target.shown) for target in wanted}
    rounds: list[dict[str, Figures]] = []
    for number in range(1 if given.quick else given.rounds):
        rounds.append({})
        for target in wanted:
            print(f"round {number + 1}: {target.name}", file=sys.stderr, flush=True)
            found = await one_round(target, programs[target.name], given.server_core, quick=given.quick)
            rounds[-1][target.name] = found
            print(table({target.name: found}), file=sys.stderr, flush=True)
        write(given.json, about, rounds)
    print(json.dumps(about, indent=1))
    print(table(medians_of(rounds)))


def medians_of(rounds: list[dict[str, Figures]]) -> dict[str, Figures]:
    """Of each figure, over the rounds that have it."""
    return {
        target: {
            name: statistics.median(each[target][name] for each in rounds if name in each.get(target, {}))
            for name in dict.fromkeys(name for each in rounds for name in each.get(target, {}))
        }
        for target in rounds[0]
    }


def write(path: Path, about: dict[str, Any], rounds: list[dict[str, Figures]]) -> None:
    """What is known so far; written after each round."""
    about["load at the end"] = os.getloadavg()
    path.write_text(json.dumps({"about": about, "medians": medians_of(rounds), "rounds": rounds}, indent=1))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
