"""Measure the path of a run, from the model's stream to the user's socket, in Netra and in its peers.

    python -m benchmarks.run_path            # all, 3 rounds, medians; about 40 minutes
    python -m benchmarks.run_path --quick --only naive,netra
    python -m benchmarks.run_path --docs     # and put the tables into docs/performance.md

The server under test has one core to itself; the model and the clients share another. Each round starts every server
anew, for each group of measures. Peers are installed into environments of their own under `--environments`. Prints
tables, and writes JSON after each server.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import uvloop

from benchmarks import log_measures, measures
from benchmarks.fast_model import FastModel
from benchmarks.measures import Bench, Figures
from benchmarks.report import Round, machine, medians_of, put, ratios, report, save, table
from benchmarks.served import Served, free_port
from benchmarks.targets import TARGETS, Target, environment, versions

ROOT = Path(__file__).parents[1]
MINE = {"naive", "netra", "netra-sdk"}
"""A measure of these that fails ends everything; a peer that fails at one is still compared on the others."""

Group = Callable[[Bench], Awaitable[None]]


async def with_server(target: Target, programs: Path, core: int, take: Group) -> None:
    """Start the server, warm it up, and measure."""
    with tempfile.TemporaryDirectory() as folder:
        model = FastModel()
        await model.start()
        port = free_port()
        prepared = await target.prepare(Path(folder), model.base_url, programs)
        command = [part.format(port=port) for part in prepared.command]
        log = Path(folder) / "server.log"
        served = Served(command, prepared.env | {"PORT": str(port)}, port, core, log, Path(folder))
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        try:
            async with served, aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
                bench = Bench(served, model, prepared.session_of, http)
                async with asyncio.timeout(60):
                    await measures.unthrottled(bench, 1, 20)
                await take(bench)
        except Exception as error:
            error.add_note(log.read_text()[-2000:])
            raise
        finally:
            model.close()


async def one_round(target: Target, programs: Path, core: int, *, quick: bool, say: Callable[[str], None]) -> Figures:
    """All measures of one server."""
    found: Figures = {}
    seconds = 2.0 if quick else 3.0

    async def throughput(bench: Bench) -> None:
        found.setdefault("start-up s", bench.served.start_seconds)
        for count in (50,) if quick else (50, 200):
            before = bench.served.rss_mib()
            found.update(await measures.unthrottled(bench, count))
            found.setdefault("RSS before, MiB", before)
            found[f"RSS after {count} runs at once, MiB"] = bench.served.rss_mib()
        found.update(await measures.tool_turn(bench))

    async def latency(bench: Bench) -> None:
        for count in target.paced:
            if not quick or count <= 200:
                found.update(await measures.paced(bench, count, seconds))

    async def capacity(bench: Bench) -> None:
        found.update(await measures.most_streams(bench, seconds))

    async def stopping(bench: Bench) -> None:
        for silent in (False, True):
            found.update(await measures.stops(bench, 5 if quick else target.stops, silent=silent))

    async def idling(bench: Bench) -> None:
        found.update(await measures.idle(bench, 200 if quick else 1000))

    async def coming_back() -> None:
        for missed in (1000,) if quick else (1000, 100_000):
            found.update(await log_measures.resumes(core, missed))

    async def unicast() -> None:
        found.update(await log_measures.unicast(core, 200 if quick else 1000))

    def served(group: Group) -> Callable[[], Awaitable[None]]:
        return lambda: with_server(target, programs, core, group)

    groups = {"throughput": served(throughput), "latency": served(latency), "stops": served(stopping)}
    if not quick:
        groups["most streams"] = served(capacity)
    if target.sockets:
        groups["idle connections"] = served(idling)
    if target.has_log:
        groups |= {"coming back": coming_back, "unicast": unicast}
    for name, group in groups.items():
        gc.collect()
        began = time.monotonic()
        try:
            await group()
        except Exception as error:
            if target.name in MINE:
                raise
            notes = "\n".join(getattr(error, "__notes__", []))
            say(f"{target.name}, {name}: {type(error).__name__}: {error}\n{notes}")
        say(f"{target.name}, {name}: {time.monotonic() - began:.0f} s")
    return found


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [target.name for target in TARGETS]
    parser.add_argument("--only", help="names, separated by commas", default=",".join(names))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one short round of the main measures")
    parser.add_argument("--docs", action="store_true", help="put the tables into docs/performance.md")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--client-core", type=int, default=1)
    parser.add_argument("--environments", type=Path, default=ROOT / ".bench")
    parser.add_argument("--json", type=Path, default=ROOT / ".bench" / "run_path.json")
    given = parser.parse_args()
    if unknown := set(given.only.split(",")) - set(names):
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(names)}")
    if not {given.server_core, given.client_core} <= os.sched_getaffinity(0) or given.server_core == given.client_core:
        parser.error("the server and the clients need a core each: see --server-core and --client-core")
    given.rounds = 1 if given.quick else given.rounds
    return given


async def measure(given: argparse.Namespace, programs: dict[str, Path], rounds: list[Round]) -> str:
    """Fill `rounds`, round by round, and return the report."""
    began = time.monotonic()
    wanted = [target for target in TARGETS if target.name in programs]
    about = machine(ROOT)
    about["versions"] = {target.name: versions(programs[target.name], target.shown) for target in wanted}
    for number in range(1, given.rounds + 1):
        rounds.append({})
        for target in wanted:

            def say(words: str, number: int = number) -> None:
                minutes, seconds = divmod(int(time.monotonic() - began), 60)
                print(f"[{minutes:2}:{seconds:02}, round {number} of {given.rounds}] {words}", file=sys.stderr)

            found = await one_round(target, programs[target.name], given.server_core, quick=given.quick, say=say)
            rounds[-1][target.name] = found
            save(given.json, about, rounds)
    return report(about, rounds)


def main() -> None:
    """Measure, print, and keep."""
    given = arguments()
    programs = {t.name: environment(t, given.environments) for t in TARGETS if t.name in given.only.split(",")}
    os.sched_setaffinity(0, {given.client_core})
    rounds: list[Round] = []
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            words = runner.run(measure(given, programs, rounds))
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        if any(rounds):
            print(f"so far (and in {given.json}):\n", file=sys.stderr)
            print(table(medians_of(rounds)), ratios(rounds), sep="\n\n", file=sys.stderr)
        sys.exit(130)
    print(words)
    if given.docs:
        put(ROOT / "docs" / "performance.md", words)


if __name__ == "__main__":
    main()
