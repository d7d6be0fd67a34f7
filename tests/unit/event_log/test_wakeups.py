"""Wake-ups: each listener hears of each commit in its order, until it listens no more."""

from __future__ import annotations

from netra_backend.app.event_log.log import Committed
from netra_backend.app.event_log.wakeups import Wakeups


def test_every_listener_is_told_until_it_listens_no_more() -> None:
    first, second = Committed("alice", []), Committed("bob", [])
    wakeups = Wakeups()
    heard: dict[str, list[Committed]] = {"one": [], "two": [], "late": []}
    unlisten = wakeups.listen(heard["one"].append)
    wakeups.listen(heard["two"].append)
    wakeups.publish([first, second])
    unlisten()
    wakeups.listen(heard["late"].append)
    wakeups.publish([first])
    assert heard == {"one": [first, second], "two": [first, second, first], "late": [first]}
