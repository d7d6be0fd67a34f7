"""What one hostile peer does to the others: `python -m benchmarks.hostile` (`make hostile`).

Starts a Netra of its own in a temporary folder, as a process of its own. A quiet user chats with it all the time and
measures how long an ack and an answer take, before, during and after each attack. Everything stays on 127.0.0.1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.hostile_attacks import ATTACKS
from benchmarks.hostile_model import HostileModel
from netra_backend.app.auth.passwords import Passwords
from netra_backend.app.event_log.sqlite import SqliteLog
from netra_backend.app.settings import Settings
from netra_backend.app.storage.folder import DataFolder
from netra_backend.app.storage.users import Users
from tests.harness.client import TERMINAL
from tests.harness.process import ServerProcess, people
from tests.harness.server import Person

ROOT = Path(__file__).parents[1]
PASSWORD = "the quiet user's own words"
PATIENCE = 15.0
"""Seconds after which the quiet user gives up on a message and counts it as one that took that long."""
PAUSE = 0.05
MESSAGES_PER_THREAD = 10
RECOVERED = 3.0
"""Times the answer's median of before that the one of after may be."""


@dataclass
class Moment:
    """What the quiet user measured in a while, in ms."""

    acks: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    given_up: int = 0

    @property
    def figures(self) -> dict[str, float]:
        """Medians and 95th percentiles."""
        return {
            f"{name}_{kind}": round(_at(values, share), 2)
            for name, values in (("ack", self.acks), ("answer", self.answers))
            for kind, share in (("median", 0.5), ("p95", 0.95))
        }


@dataclass
class Outcome:
    """One attack."""

    attack: str
    seed: int
    rss_before: int
    rss_most: int
    rss_after: int
    before: dict[str, float]
    during: dict[str, float]
    after: dict[str, float]
    given_up: int
    recovered: bool
    seen: list[list[Any]]
    owner_signs_in: str | None = None

    def ratio(self, name: str) -> float:
        return self.during[name] / max(self.before[name], 0.01)

    @property
    def line(self) -> str:
        """A row of the table."""
        ratios = "  ".join(
            f"{self.ratio(name):6.1f}" for name in ("ack_median", "ack_p95", "answer_median", "answer_p95")
        )
        memory = f"{self.rss_before:5d} {self.rss_most:5d} {self.rss_after:5d}"
        rest = "yes" if self.recovered else "NO"
        owner = f"  owner: {self.owner_signs_in}" if self.owner_signs_in else ""
        told = ", ".join(f"{what} {count}" for what, count in self.seen[:5])
        return f"{self.attack:18} {memory}  {ratios}  {self.given_up:3d}  {rest:4}{owner}  {told}"


HEAD = (
    f"{'attack':18} {'MB before, most, after':>17}  {'ack':>6}  {'p95':>6}  {'answer':>6}  {'p95':>6}  lost recovered  "
    "what the attacker was answered (times before: ack and answer, median and p95)"
)


class QuietUser:
    """Says something, waits for the answer, and says something again. A cut connection is made anew."""

    def __init__(self, server: ServerProcess, person: Person) -> None:
        self._server = server
        self._person = person
        self.now = Moment()
        self._task = asyncio.create_task(self._chat())

    async def measure(self, seconds: float) -> Moment:
        """What is measured from now on, for so long, and at least five answers."""
        self.now = moment = Moment()
        began = time.monotonic()
        while time.monotonic() - began < seconds or (
            len(moment.answers) < 5 and time.monotonic() - began < seconds + PATIENCE * 2
        ):
            if self._task.done():
                self._task.result()
            await asyncio.sleep(0.05)
        return moment

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _chat(self) -> None:
        while True:
            began = time.monotonic()
            try:
                async with asyncio.timeout(PATIENCE * MESSAGES_PER_THREAD), self._server.client(self._person) as client:
                    await client.resume()
                    thread: dict[str, str] = {}
                    for _ in range(MESSAGES_PER_THREAD):
                        began = time.monotonic()
                        async with asyncio.timeout(PATIENCE):
                            moment = self.now
                            ack = await client.say("good day", client_message_id=str(uuid.uuid4()), **thread)
                            moment.acks.append((time.monotonic() - began) * 1000)
                            thread = {"thread_id": ack["thread_id"]}
                            end = await client.until_type(*TERMINAL, run_id=ack["run_id"])
                            if end["type"] != "agent_completed":
                                raise OSError(f"the quiet user's run ended as {end}")
                            moment.answers.append((time.monotonic() - began) * 1000)
                        await asyncio.sleep(PAUSE)
            except (OSError, TimeoutError, AssertionError, Exception) as error:
                if self._server.running() is False:
                    raise RuntimeError("the server ended") from error
                self.now.given_up += 1
                for values in (self.now.acks, self.now.answers):
                    values.append(max((time.monotonic() - began) * 1000, PATIENCE * 1000))
                await asyncio.sleep(0.2)


async def attacked(
    name: str, server: ServerProcess, quiet: QuietUser, attacker: Person, seconds: float, seed: int
) -> Outcome:
    """One attack, from the calm before it to the calm behind it."""
    process = psutil.Process(server.pid)
    before = await quiet.measure(min(2.0, seconds))
    rss_before = most = process.memory_info().rss
    given = {
        "port": server.port,
        "token": attacker.token,
        "email": "quiet@example.org",
        "seconds": seconds,
        "seed": seed,
    }
    attack = await asyncio.create_subprocess_exec(
        *("nice", "-n", "5", sys.executable, "-m", "benchmarks.hostile_attacks", name, json.dumps(given)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    output = asyncio.create_task(attack.communicate())
    try:
        measuring = asyncio.create_task(quiet.measure(seconds))
        while not measuring.done():
            most = max(most, process.memory_info().rss)
            await asyncio.wait({measuring}, timeout=0.1)
        during = measuring.result()
        owner = await signed_in(server) if name == "wrong_passwords" else None
        told, _ = await asyncio.wait_for(output, seconds + 40)
    finally:
        if attack.returncode is None:
            attack.kill()
            await attack.wait()
    after = await calm(quiet, before)
    return Outcome(
        attack=name,
        seed=seed,
        rss_before=rss_before // 2**20,
        rss_most=most // 2**20,
        rss_after=process.memory_info().rss // 2**20,
        before=before.figures,
        during=during.figures,
        after=after.figures,
        given_up=during.given_up,
        recovered=is_calm(after, before),
        seen=json.loads(told) if told else [["the attacker fell", 1]],
        owner_signs_in=owner,
    )


def is_calm(after: Moment, before: Moment) -> bool:
    """Whether it is about as quick as before, and nothing got lost."""
    limit = RECOVERED * before.figures["answer_median"] + 5
    return after.given_up == 0 and after.figures["answer_median"] <= limit


async def calm(quiet: QuietUser, before: Moment) -> Moment:
    """The first two seconds of calm behind an attack, or what there is after half a minute."""
    until = time.monotonic() + 30
    while True:
        after = await quiet.measure(2)
        if is_calm(after, before) or time.monotonic() > until:
            return after


async def signed_in(server: ServerProcess) -> str:
    """How the owner fares with the right password, from another address, while somebody guesses at the account."""
    began = time.monotonic()
    transport = httpx.AsyncHTTPTransport(local_address="127.0.0.77")
    async with httpx.AsyncClient(base_url=server.url, timeout=30, transport=transport) as http:
        try:
            answer = await http.post("/api/auth/login", json={"email": "quiet@example.org", "password": PASSWORD})
        except httpx.TransportError as error:
            return f"NOT in ({type(error).__name__})"
    took = time.monotonic() - began
    return (
        f"in after {took:.1f} s" if answer.status_code == 200 else f"NOT in ({answer.status_code} after {took:.1f} s)"
    )


async def accounts(folder: Path) -> tuple[Person, Person]:
    """The quiet user, who has a password, and the attacker."""
    quiet, attacker = await people(folder, "quiet", "attacker")
    passwords = Passwords()
    hashed = await passwords.hash(PASSWORD)
    with DataFolder(folder):
        log = SqliteLog(Settings(data_dir=folder).database_path)
        try:
            await log.write(lambda rows: Users(rows).set_password(quiet.user_id, hashed))
        finally:
            await log.close()
    return quiet, attacker


async def stage(
    agent: str, names: list[str], seconds: float, seed: int, folder: Path, settings: dict[str, object]
) -> list[Outcome]:
    """The attacks of one server, one after the other, and its end by a signal while the last goes on."""
    quiet_person, attacker = await accounts(folder)
    outcomes: list[Outcome] = []
    async with ServerProcess(folder, log_level="error", messages_per_minute=600, drain_grace=1, **settings) as server:
        await server.start()
        quiet = QuietUser(server, quiet_person)
        try:
            await quiet.measure(3)  # the agent is imported at its first message
            for name in names:
                outcome = await attacked(name, server, quiet, attacker, seconds, seed)
                outcomes.append(outcome)
                print(outcome.line, flush=True)
        finally:
            await quiet.close()
        began = time.monotonic()
        code = await server.sigterm()
        print(f"{agent}: SIGTERM, ended with {code} after {time.monotonic() - began:.1f} s", flush=True)
        complaints = [line for line in server.output if "never retrieved" in line or "Traceback" in line]
        print(f"{agent}: {len(complaints)} lines of its log tell of an exception", flush=True)
        for line in complaints[:2]:
            output = list(server.output)
            at = output.index(line)
            print("\n".join(f"  | {told}" for told in output[at : at + 30]), flush=True)
    return outcomes


async def round_of(only: list[str], seconds: float, seed: int) -> list[Outcome]:
    """Every attack once."""
    outcomes: list[Outcome] = []
    for agent, attacks in ATTACKS.items():
        names = [name for name in attacks if not only or name in only]
        if not names:
            continue
        random.Random(seed).shuffle(names)
        with tempfile.TemporaryDirectory(prefix="netra-hostile-") as folder:
            if agent == "offline":
                outcomes += await stage(agent, names, seconds, seed, Path(folder), {})
                continue
            async with HostileModel() as model:
                settings: dict[str, object] = {
                    "agent": "benchmarks.hostile_agent:agent",
                    "model": "openai:hostile",
                    "model_base_url": f"http://127.0.0.1:{model.port}/v1",
                    "model_idle_timeout": 5,
                    "model_first_token_timeout": 5,
                }
                outcomes += await stage(agent, names, seconds, seed, Path(folder), settings)
                print(f"{agent}: the largest request to the model had {model.largest:,} bytes", flush=True)
                taken = sorted(model.taken.items(), key=lambda each: -each[1])[:6]
                print(f"{agent}: most taken from the model, in bytes: {dict(taken)}", flush=True)
    return outcomes


def _at(values: list[float], share: float) -> float:
    if not values:
        return PATIENCE * 1000
    if share == 0.5:
        return statistics.median(values)
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def summary(outcomes: list[Outcome]) -> str:
    """The worst of each attack over all rounds, as a table for the documentation."""
    rows = ["| attack | server's memory before, most, after (MB) | ack, times before (median, p95) |"]
    rows[0] += " answer, times before (median, p95) | messages lost | recovered |"
    rows.append("|---|---|---|---|---|---|")
    for name in dict.fromkeys(outcome.attack for outcome in outcomes):
        these = [outcome for outcome in outcomes if outcome.attack == name]
        worst = max(these, key=lambda outcome: outcome.ratio("answer_p95"))
        most = max(these, key=lambda outcome: outcome.rss_most)
        ratios = [f"{max(each.ratio(kind) for each in these):.1f}" for kind in worst.before]
        rows.append(
            f"| {name.replace('_', ' ')} | {most.rss_before}, {most.rss_most}, {most.rss_after} |"
            f" {ratios[0]}, {ratios[1]} | {ratios[2]}, {ratios[3]} | {sum(each.given_up for each in these)} |"
            f" {'yes' if all(each.recovered for each in these) else 'NO'} |"
        )
    return "\n".join(rows)


async def attack_for(minutes: float, seconds: float, seed: int, only: list[str]) -> list[Outcome]:
    """Rounds with other seeds until the time is over; one round at least."""
    until = time.monotonic() + minutes * 60
    outcomes: list[Outcome] = []
    print(HEAD)
    for number in range(10_000):
        outcomes += await round_of(only, seconds, seed + number)
        if time.monotonic() >= until:
            break
    return outcomes


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile", description=__doc__)
    known = [name for attacks in ATTACKS.values() for name in attacks]
    parser.add_argument("--minutes", type=float, default=0, help="go on for that long; 0: each attack once")
    parser.add_argument("--seconds", type=float, default=6, help="of each attack")
    parser.add_argument("--seed", type=int, default=1, help="what the variations are drawn from")
    parser.add_argument("--only", nargs="*", default=[], choices=known, metavar="ATTACK", help=", ".join(known))
    parser.add_argument("--json", type=Path, help="write every number there")
    given = parser.parse_args()
    outcomes = asyncio.run(attack_for(given.minutes, given.seconds, given.seed, given.only))
    print()
    print(summary(outcomes))
    if given.json:
        given.json.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))
    if not all(outcome.recovered for outcome in outcomes):
        raise SystemExit("not every attack was recovered from")


if __name__ == "__main__":
    main()
