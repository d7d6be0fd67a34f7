"""Defects that the tests must notice: edits of the code, each with the tests that go red by it. `make mutations`."""

from __future__ import annotations

from tests.mutations import agents, auth, event_log, process, runs, sockets, storage
from tests.mutations.mutation import Mutation, StaleAnchor

__all__ = ["MUTATIONS", "Mutation", "StaleAnchor"]

MUTATIONS: tuple[Mutation, ...] = (
    *event_log.MUTATIONS,
    *runs.MUTATIONS,
    *sockets.MUTATIONS,
    *storage.MUTATIONS,
    *auth.MUTATIONS,
    *agents.MUTATIONS,
    *process.MUTATIONS,
)
