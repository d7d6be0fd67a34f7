"""Who makes room for whom, and that nothing of a connection stays behind it."""

from __future__ import annotations

import gc
import resource
import weakref
from contextlib import suppress
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra_backend.app.doors import crowd as module
from netra_backend.app.doors.crowd import Crowd, NoRoom
from netra_backend.app.doors.visit import LEGAL_STEPS, IllegalPhaseStep, Phase, Visit
from netra_backend.app.settings import Settings


class Door:
    """A crowd, and connections that note when they are cut."""

    def __init__(self, **limits: int) -> None:
        self.settings = Settings(**limits)  # pyright: ignore[reportArgumentType]
        self.crowd = Crowd(self.settings)
        self.cut: list[Visit] = []

    def visit(self, network: str | None = "192.0.2.1", *, descriptor: int = 0) -> Visit:
        def cut() -> None:
            self.cut.append(made)
            made.step(Phase.GONE)

        made = Visit(self.crowd, self.settings, network, expire=lambda: None, cut=cut)
        self.crowd.enter(made, descriptor)
        return made


def to(visit: Visit, *phases: Phase) -> Visit:
    for phase in phases:
        visit.step(phase)
    return visit


ANSWERING = (Phase.HEAD, Phase.BODY, Phase.ANSWERING)


async def test_the_one_that_waits_longest_goes_of_the_address_that_has_most() -> None:
    door = Door(max_strangers=4, max_strangers_per_address=3)
    alone = door.visit("192.0.2.9")
    first, second, third = (door.visit() for _ in range(3))
    first.step(Phase.HEAD)  # so it waits less long than the second
    door.visit("192.0.2.8")
    assert door.cut == [second]
    door.visit()
    assert door.cut == [second, third]
    assert alone.phase is Phase.SILENT


async def test_whom_we_keep_waiting_is_not_cut() -> None:
    door = Door(max_strangers=2, max_strangers_per_address=2)
    busy = [to(door.visit(), *ANSWERING) for _ in range(2)]
    with pytest.raises(NoRoom) as full:
        door.visit("192.0.2.2")
    assert full.value.status == 503
    busy[0].taking_nothing = True
    door.visit("192.0.2.2")
    assert door.cut == [busy[0]], "an answer that isn't taken is no reason to keep anybody out"


async def test_one_address_is_told_that_it_is_about_it() -> None:
    door = Door(max_strangers=9, max_strangers_per_address=1)
    to(door.visit(), *ANSWERING)
    with pytest.raises(NoRoom) as full:
        door.visit()
    assert full.value.status == 429
    door.visit("192.0.2.2")


async def test_who_is_known_takes_no_stranger_s_place() -> None:
    door = Door(max_strangers=1, max_strangers_per_address=1)
    for _ in range(20):
        to(door.visit(), *ANSWERING).admit()
    assert (door.cut, door.crowd.counts()) == ([], (0, 20))


async def test_with_few_descriptors_an_idle_connection_goes_even_of_somebody_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    door = Door()
    monkeypatch.setattr(module.resource, "getrlimit", lambda _: (400, 400))
    socket = to(door.visit(), *ANSWERING)
    socket.admit()
    socket.step(Phase.SOCKET)
    kept = to(door.visit(), *ANSWERING)
    kept.admit()
    kept.step(Phase.KEPT)
    stranger = door.visit(descriptor=299)
    door.visit(descriptor=300).admit()
    assert door.cut == [stranger]
    door.visit(descriptor=300).admit()
    assert door.cut == [stranger, kept]
    assert socket.phase is Phase.SOCKET


async def test_of_many_who_come_in_one_turn_of_the_loop_each_cuts_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.resource, "getrlimit", lambda _: (40, 40))
    for limits, most in (({"max_strangers": 5}, 5), ({"max_strangers_per_address": 5}, 5), ({}, 28)):
        crowd = Crowd(settings := Settings(**limits))  # pyright: ignore[reportArgumentType]
        cut: list[int] = []
        for number in range(50):
            visit = Visit(crowd, settings, "192.0.2.1", expire=lambda: None, cut=partial(cut.append, number))
            # The one that was cut hasn't ended, and the numbers of those before it are free again.
            crowd.enter(visit, descriptor=1)
        assert cut == list(range(50 - most))


async def test_who_has_gone_holds_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door()
    monkeypatch.setattr(module.resource, "getrlimit", lambda _: (400, 400))
    stays = door.visit()
    for number in range(1000):
        to(door.visit(f"192.0.2.{number % 250}"), Phase.GONE)
    assert (door.cut, stays.phase) == ([], Phase.SILENT)


async def test_who_has_gone_is_not_known_any_more_and_not_kept() -> None:
    """A peer may go while the server looks up who it is."""
    door = Door()
    told: list[str] = []
    gone = to(door.visit(), *ANSWERING, Phase.GREETING, Phase.GONE)
    gone.on_admitted = lambda: told.append("admitted")
    gone.admit()
    assert (told, door.crowd.counts()) == ([], (0, 0))
    kept = weakref.ref(gone)
    del gone
    gc.collect()
    assert kept() is None, "its timer would keep it until its time is over"


async def test_a_system_without_a_limit_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door()
    monkeypatch.setattr(module.resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    door.visit()
    door.visit(descriptor=5000)
    assert door.cut == []


async def test_a_proxy_s_connection_counts_for_whom_it_speaks_and_is_forgotten_after_it() -> None:
    door = Door(max_strangers_per_address=1)
    proxy = to(door.visit(None), Phase.HEAD)
    door.crowd.speak_for(proxy, "192.0.2.1")
    to(proxy, Phase.BODY, Phase.ANSWERING).admit()
    assert door.crowd.counts() == (0, 1)
    proxy.forget()
    door.crowd.speak_for(proxy, None)
    assert door.crowd.counts() == (1, 0)
    door.visit("192.0.2.1")
    assert door.cut == []


async def test_a_step_that_the_table_does_not_have_names_both_phases() -> None:
    visit = Door().visit()
    with pytest.raises(IllegalPhaseStep, match="SILENT to SOCKET"):
        visit.step(Phase.SOCKET)


@given(walk=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=200))
async def test_nothing_of_a_connection_that_is_gone_stays(walk: list[tuple[int, int]]) -> None:
    door = Door(max_strangers=5, max_strangers_per_address=3)
    present: list[Visit] = []
    for what, which in walk:
        if what < 4 or not present:
            with suppress(NoRoom):
                present.append(door.visit(f"192.0.2.{which % 3}" if which < 8 else None))
        elif what == 4:
            present[which % len(present)].admit()
        else:
            visit = present[which % len(present)]
            steps = sorted(LEGAL_STEPS[visit.phase], key=lambda phase: phase.value)
            if steps:
                visit.step(steps[what % len(steps)])
        present = [visit for visit in present if visit.phase is not Phase.GONE]
        strangers, known = door.crowd.counts()
        assert strangers + known == len(present)
        assert strangers <= 5
    for visit in present:
        visit.step(Phase.GONE)
    assert door.crowd.counts() == (0, 0)
    assert not door.crowd._of_network  # pyright: ignore[reportPrivateUsage]
