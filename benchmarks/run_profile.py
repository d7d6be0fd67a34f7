"""Where the server's time goes under load, as a flame graph.

    python -m benchmarks.run_profile         # 200 paced streams; docs/images/profile.svg

Samples are taken by py-spy, which is installed into an environment of its own, beside the benchmark's. It looks into
another process, for which Linux often wants root (or `sysctl kernel.yama.ptrace_scope=0`). Only samples that hold the
interpreter are counted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop

from benchmarks.flame import Frame, collapsed, svg
from benchmarks.measures import Bench
from benchmarks.run_path import ROOT, with_server
from benchmarks.targets import TARGETS, Target, environment

SPY = Target("py-spy", TARGETS[0].prepare, ["py-spy"])
RATE = 250
"""Samples a second."""


async def profile(spy: Path, core: int, streams: int, seconds: int) -> Frame:
    """Have that many streams of 50 tokens a second flow, and look where the server is."""
    netra = next(target for target in TARGETS if target.name == "netra")
    frames: list[Frame] = []

    async def sample(bench: Bench) -> None:
        with tempfile.TemporaryDirectory() as folder:
            raw = Path(folder) / "stacks"
            command = [str(spy), "record", "--gil", "--function", "--format", "raw", "--rate", str(RATE)]
            command += ["--duration", str(seconds), "--output", str(raw), "--pid", str(bench.served.pid)]
            spying = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
            )
            _, said = await spying.communicate()
            if spying.returncode:
                raise RuntimeError(said.decode())
            frames.append(collapsed(raw.read_text()))

    async def take(bench: Bench) -> None:
        async with AsyncExitStack() as stack:
            sessions = await bench.sessions(stack, streams)
            tokens = (seconds + streams // 50 + 10) * 50

            async def talk(number: int) -> None:
                await asyncio.sleep(number / 50)
                await sessions[number].say(f"key=p{number} tokens={tokens} pace=0.02")

            talking = [asyncio.create_task(talk(number)) for number in range(streams)]
            await asyncio.sleep(streams / 50 + 2)
            try:
                await sample(bench)
            finally:
                for task in talking:
                    task.cancel()
                await asyncio.gather(*talking, return_exceptions=True)

    await with_server(netra, Path(sys.executable).parent, core, take)
    return frames[0]


def main() -> None:
    """Sample, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--client-core", type=int, default=1)
    parser.add_argument("--environments", type=Path, default=ROOT / ".bench")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "images" / "profile.svg")
    given = parser.parse_args()
    spy = environment(SPY, given.environments) / "py-spy"
    os.sched_setaffinity(0, {given.client_core})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        frame = runner.run(profile(spy, given.server_core, given.streams, given.seconds))
    version = subprocess.run([spy, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    title = f"Netra under {given.streams} streams of 50 tokens a second ({frame.samples:,} samples by {version})"
    given.output.write_text(svg(frame, title))
    print(f"{given.output}: {given.output.stat().st_size / 1024:.0f} KiB, {frame.samples:,} samples")


if __name__ == "__main__":
    main()
