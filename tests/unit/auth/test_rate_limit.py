from netra_backend.app import rate_limit
from netra_backend.app.rate_limit import RateLimit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_key_has_its_share_of_any_sixty_seconds():
    clock = Clock()
    limit = RateLimit(2, clock)

    assert limit.take("a") == 0
    clock.now = 30
    assert limit.take("a") == 0
    assert limit.take("a") == 30
    assert limit.take("b") == 0
    clock.now = 60
    assert limit.take("a") == 0
    assert limit.take("a") == 30


def test_being_refused_takes_nothing():
    clock = Clock()
    limit = RateLimit(1, clock)
    limit.take("a")
    for second in range(1, 60):
        clock.now = second
        assert limit.take("a") == 60 - second
    clock.now = 60
    assert limit.take("a") == 0


def test_idle_keys_are_forgotten_and_busy_ones_kept(monkeypatch):
    monkeypatch.setattr(rate_limit, "SWEEP", 10)
    clock = Clock()
    limit = RateLimit(1, clock)
    for number in range(9):
        limit.take(f"old {number}")
    clock.now = 59
    limit.take("busy")
    clock.now = 61
    limit.take("new")

    assert set(limit._taken) == {"busy", "new"}
    assert limit.take("busy") > 0
