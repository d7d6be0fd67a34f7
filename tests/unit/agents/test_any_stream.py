"""The lean reader against the OpenAI client's reading of the same bytes, whatever the bytes and their pieces are.

`NETRA_EXAMPLES` says how many examples each property is tried with; `make examples` tries 100,000 of each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.agents.any_stream import Wire, wires
from tests.unit.agents.playback import Player

EXAMPLES = int(os.environ.get("NETRA_EXAMPLES", "300"))


@pytest.fixture(scope="module")
def players() -> Iterator[dict[bool, Player]]:
    """By whether the model's profile asks for a finish reason, as Netra's own does."""
    made = {needed: Player(needs_finish_reason=needed) for needed in (True, False)}
    yield made
    for player in made.values():
        player.close()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(wires(), st.sampled_from([True, True, True, False]), st.sampled_from([True, True, True, False]))
def test_any_stream(players: dict[bool, Player], wire: Wire, ahead: bool, needs_finish_reason: bool) -> None:
    lean, sdk = players[needs_finish_reason].both(wire.pieces, cut=wire.cut, ahead=ahead)
    assert lean.same_as(sdk), (lean, sdk)
    assert lean.calls <= sdk.calls
