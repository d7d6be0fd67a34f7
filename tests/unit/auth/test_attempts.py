"""Who may try a password now, who waits and who is refused; by a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from netra_backend.app.auth import attempts as module
from netra_backend.app.auth.attempts import PATIENCE, Attempts, TooManyAttempts
from netra_backend.app.auth.turns import NoTurn, Turns
from netra_backend.app.rate_limit import SWEEP, Pace
from tests.harness.deadline import DEADLINE

PER_MINUTE = 10


@dataclass
class Clock:
    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()

    timeout = asyncio.timeout

    def at_once(seconds: float) -> asyncio.Timeout:
        clock.slept.append(seconds)
        return timeout(0)

    monkeypatch.setattr(module.asyncio, "timeout", at_once)
    return clock


@pytest.fixture
def attempts(clock: Clock) -> Attempts:
    return Attempts(PER_MINUTE, 1000, clock)


async def guess(attempts: Attempts, email: str, address: str, times: int) -> int:
    """Try so often; returns how often it was let through."""
    let = 0
    for _ in range(times):
        try:
            await attempts.stranger(email, address)
        except TooManyAttempts:
            continue
        let += 1
    return let


async def test_one_network_at_one_account_is_refused_and_uses_up_nothing_of_others(attempts: Attempts, clock: Clock):
    assert await guess(attempts, "a@x", "192.0.2.1", 100_000) == PER_MINUTE
    await attempts.stranger("a@x", "192.0.2.2")
    for number in range(40):
        await attempts.stranger(f"{number}@x", "192.0.2.1")
    assert clock.slept == []
    clock.now += 61
    assert await guess(attempts, "a@x", "192.0.2.1", 100) == PER_MINUTE


async def test_a_network_is_a_64_of_ipv6(attempts: Attempts):
    let = [await guess(attempts, "a@x", f"2001:db8::{number:x}", 1) for number in range(1, 100)]
    assert sum(let) == PER_MINUTE
    await attempts.stranger("a@x", "2001:db8:0:1::1")


async def test_many_networks_at_one_account_are_slowed_and_the_owner_goes_before_them(attempts: Attempts, clock: Clock):
    """A thousand machines try without a pause. What they get through is bounded; the owner, who asks from a network
    that hasn't failed here, waits in no line of theirs."""
    bots = [f"198.51.{number // 250}.{number % 250}" for number in range(1000)]
    for bot in bots:
        await guess(attempts, "a@x", bot, 1)
    clock.now += 30
    clock.slept.clear()
    let = 0
    for _ in range(20):
        for bot in bots:
            let += await guess(attempts, "a@x", bot, 1)
        clock.now += 1
    assert let < 20 + module.NETWORKS * PER_MINUTE + 2 * PATIENCE + 20 * module.ACCOUNT_PACE + 100
    clock.slept.clear()
    rank = await attempts.stranger("a@x", "203.0.113.7")
    assert clock.slept == []
    assert rank < await attempts.stranger("b@x", bots[0])


async def test_one_network_at_many_accounts_is_slowed_and_nobody_there_is_locked_out(attempts: Attempts, clock: Clock):
    for number in range(module.ACCOUNTS * PER_MINUTE):
        await attempts.stranger(f"{number}@x", "192.0.2.1")
    assert clock.slept == []
    for number in range(10):
        await attempts.stranger(f"more-{number}@x", "192.0.2.1")
    # The eleventh has ten before it in the line, and gets its turn.
    await attempts.stranger("owner@x", "192.0.2.1")
    assert 0 < clock.slept[-1] <= 11 / module.NETWORK_PACE
    assert await guess(attempts, "flood@x", "192.0.2.2", 1) == 1

    let = sum([await guess(attempts, f"flood-{number}@x", "192.0.2.1", 1) for number in range(10_000)])
    assert let <= PATIENCE * module.NETWORK_PACE
    with pytest.raises(TooManyAttempts) as refusal:
        await attempts.stranger("late@x", "192.0.2.1")
    assert 0 < refusal.value.retry_after <= 1 / module.NETWORK_PACE + 0.001


async def test_who_tries_again_uses_up_no_first_tries_of_its_network(attempts: Attempts, clock: Clock):
    """An office shares a network: one who guesses there at a few accounts keeps nobody else waiting."""
    for number in range(2 * module.ACCOUNTS):
        await guess(attempts, f"{number}@x", "192.0.2.1", PER_MINUTE)
    assert clock.slept, "the guesser waits"
    clock.slept.clear()
    await attempts.stranger("owner@x", "192.0.2.1")
    assert clock.slept == []


async def test_the_line_is_bounded_in_all_and_who_asked_most_gives_way():
    attempts = Attempts(1, in_line=3)

    def ask(address: str, times: int) -> list[asyncio.Task[int]]:
        return [asyncio.create_task(attempts.stranger(f"{number}@x", address)) for number in range(times)]

    async def turn_of_the_loop() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    flood = ask("192.0.2.1", module.ACCOUNTS + 6)
    await turn_of_the_loop()
    refused = [task for task in flood if task.done() and isinstance(task.exception(), TooManyAttempts)]
    assert (len(refused), sum(not task.done() for task in flood)) == (3, 3)
    other = ask("192.0.2.2", module.ACCOUNTS + 1)
    await turn_of_the_loop()
    assert not other[-1].done(), "the other asked less often, and waits"
    assert sum(not task.done() for task in flood) == 2
    for task in [*flood, *other]:
        task.cancel()
    await asyncio.gather(*flood, *other, return_exceptions=True)
    assert attempts._line == []


async def test_what_is_kept_does_not_grow_with_what_is_refused(attempts: Attempts, clock: Clock):
    for number in range(20_000):
        await guess(attempts, f"{number}@x", "192.0.2.1", 1)
        clock.now += 0.01
    assert len(attempts._pairs._taken) < 3 * SWEEP
    assert len(attempts._at_account._due) < 3 * SWEEP


def test_a_pace_lets_a_burst_through_then_one_after_the_other():
    clock = Clock()
    pace = Pace(3, 2.0, 1.0, clock)
    assert [pace.take("a") for _ in range(3)] == [0, 0, 0]
    assert [pace.take("a") for _ in range(2)] == pytest.approx([0.5, 1.0], abs=1e-4)
    assert [pace.take("a") for _ in range(50)] == pytest.approx([1.5] * 50, abs=1e-4), "what isn't done takes no place"
    assert pace.take("b") == 0
    clock.now += 100
    assert [pace.take("a") for _ in range(4)] == pytest.approx([0, 0, 0, 0.5], abs=1e-4)


async def test_turns_go_to_the_lowest_rank_and_a_flood_gives_way():
    turns = Turns(1, 3)
    order: list[str] = []
    go = asyncio.Event()

    async def work(name: str, rank: int) -> None:
        try:
            async with turns.turn(rank):
                await go.wait()
                order.append(name)
        except NoTurn:
            order.append(f"not {name}")

    names = [("first", 9), ("flood 1", 5), ("flood 2", 6), ("flood 3", 6), ("flood 4", 6), ("known", 0), ("fresh", 1)]
    tasks = [asyncio.create_task(work(*each)) for each in names]
    for _ in range(10):
        await asyncio.sleep(0)
    assert order == ["not flood 4", "not flood 3", "not flood 2"]
    go.set()
    await asyncio.gather(*tasks)
    assert order[3:] == ["first", "known", "fresh", "flood 1"]


@pytest.mark.parametrize("after", range(4))
async def test_a_turn_is_lost_by_no_cancellation(after: int):
    """Whoever is cancelled while waiting, or in the step in which the turn comes, leaves the place to the next."""
    turns = Turns(1, 10)
    go = asyncio.Event()

    async def work() -> None:
        async with turns.turn(1):
            await go.wait()

    holder, waiter, last = [asyncio.create_task(work()) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    go.set()
    for _ in range(after):
        await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.wait([holder, waiter, last])
    assert last.exception() is None
    async with asyncio.timeout(DEADLINE), turns.turn(1):
        pass
