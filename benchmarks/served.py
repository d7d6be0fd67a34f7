"""A server under test: a process of its own, alone on its core."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import psutil

START = 60.0
"""Seconds that a server has to listen."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Served:
    """Starts a command pinned to `core`, waits until its port answers, and ends it with everything it started."""

    def __init__(self, command: Sequence[str], env: dict[str, str], port: int, core: int, log: Path, cwd: Path) -> None:
        self._command = command
        self._env = env
        self.port = port
        self._core = core
        self._log = log
        self._cwd = cwd
        self.start_seconds = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self._process.pid

    async def __aenter__(self) -> Self:
        began = time.monotonic()
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                self._command,
                env=os.environ | self._env,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, {self._core}),
            )
        self._measured = psutil.Process(self._process.pid)
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                break
            except OSError:
                if self._process.poll() is not None or time.monotonic() - began > START:
                    raise RuntimeError(f"{self._command[0]} didn't start:\n{self._log.read_text()[-3000:]}") from None
                await asyncio.sleep(0.01)
        self.start_seconds = time.monotonic() - began
        return self

    async def __aexit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            await asyncio.to_thread(self._process.wait, 10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            await asyncio.to_thread(self._process.wait)

    def cpu_seconds(self) -> float:
        """User and system time so far, of the process and of those it started."""
        total = 0.0
        for process in [self._measured, *self._measured.children(recursive=True)]:
            times = process.cpu_times()
            total += times.user + times.system
        return total

    def rss_mib(self) -> float:
        """Resident memory now."""
        processes = [self._measured, *self._measured.children(recursive=True)]
        return sum(process.memory_info().rss for process in processes) / 2**20
