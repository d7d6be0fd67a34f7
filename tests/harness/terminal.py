"""The command line as people use it: `netra` in processes of its own, in a pipe or on a terminal."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psutil

from tests.harness.deadline import DEADLINE

ROOT = Path(__file__).parents[2]
NETRA = [sys.executable, "-W", "error", str(Path(sys.executable).with_name("netra"))]


class Netra:
    """`netra` on one home and data folder, with nothing of the tester's own environment."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data = home / "data"
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("NETRA_", "OPENAI_"))
        }
        self.environment |= {"HOME": str(home), "NETRA_DATA_DIR": str(self.data), "TERM": "dumb", "COLUMNS": "200"}
        self.environment |= {"PYTHONPATH": str(ROOT)}

    def run(self, *arguments: str, said: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [*NETRA, *arguments],
            input=said,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            env=self.environment | environment,
            check=False,
        )

    def up(self, *arguments: str, stderr: IO[str] | None = None, **environment: str) -> Up:
        """Start a server; enter it to wait until it serves."""
        return Up([*NETRA, "up", "--port", "0", *arguments], self.environment | environment, self.home, stderr)

    def on_terminal(self, *arguments: str, **environment: str) -> Terminal:
        """Run a command on a terminal."""
        return Terminal([*NETRA, *arguments], self.environment | environment)

    @property
    def token(self) -> str:
        return (self.data / "token").read_text().strip()


class Up:
    """A running `netra up`."""

    def __init__(self, command: list[str], environment: dict[str, str], home: Path, stderr: IO[str] | None) -> None:
        self._log = home / "up.log"
        with self._log.open("a") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr or log,
                text=True,
                env=environment,
            )
        self.greeting = ""

    def __enter__(self) -> Self:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.greeting += line
            if line.startswith("  Data"):
                return self
        raise AssertionError(f"it ended with {self.process.wait()}: {self.log}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        if error is not None:
            error.add_note(f"the server wrote:\n{self.log}")

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def url(self) -> str:
        found = re.search(r"serves at (\S+)", self.greeting)
        assert found
        return found[1]

    @property
    def link(self) -> str | None:
        found = re.search(r"\S+/sign-in#\S+", self.greeting)
        return found[0] if found else None

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it and wait; returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)


class Terminal:
    """A command with a terminal of its own: Ctrl-C goes through the line discipline, as from a keyboard."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            # The test's own process may ignore it, and that is inherited.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.execve(command[0], command, environment)
        self.shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._terminal)
        if error is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            error.add_note(f"the terminal showed:\n{self.shown}")

    def type(self, keys: str) -> None:
        """Press these keys."""
        os.write(self._terminal, keys.encode())

    def ctrl_c(self) -> None:
        self.type("\x03")

    def until_it_waits(self) -> None:
        """Until the command sleeps. A signal between a prompt and the read that follows it is noticed after the read:
        nobody is that quick, but a test is."""
        deadline = time.monotonic() + DEADLINE
        while psutil.Process(self.pid).status() != psutil.STATUS_SLEEPING:
            assert time.monotonic() < deadline, "it never waits"

    def until(self, text: str) -> str:
        """Read until the terminal has shown this, once more than what was waited for before."""
        while text not in self.shown:
            self._read()
        before, _, self.shown = self.shown.partition(text)
        return before + text

    def end(self) -> int:
        """Read on until the command ends; returns its exit code."""
        while self._read():
            pass
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> bool:
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # EIO: nobody has the other end any more
            data = b""
        self.shown += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)
