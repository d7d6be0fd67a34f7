import pytest

from netra_backend.app.auth import session_registry
from netra_backend.app.auth.session_registry import NotAuthenticated
from netra_backend.app.protocol.codec import now_ms
from netra_backend.app.storage.errors import LogUnavailable
from netra_backend.app.storage.sessions import Sessions
from netra_backend.app.storage.users import Users


async def test_a_token_speaks_for_its_user_and_an_unknown_one_for_nobody(house):
    user = await house.add_user("a@example.org")
    access = await house.registry.resolve(await house.token(user))

    assert (access.user_id, access.stale) == (user.id, False)
    with pytest.raises(NotAuthenticated):
        await house.registry.resolve("unknown")


async def test_a_session_is_read_once_a_second_and_not_once_a_request(house):
    token = await house.token(await house.add_user("a@example.org"))
    for _ in range(5):
        await house.registry.resolve(token)
    assert house.log.reads == 1

    house.clock.now += 0.99
    await house.registry.resolve(token)
    assert house.log.reads == 1

    house.clock.now += 0.01
    await house.registry.resolve(token)
    assert house.log.reads == 2


async def test_what_another_process_revoked_or_disabled_gives_no_rights_after_a_second(house):
    user = await house.add_user("a@example.org")
    first, second = await house.token(user), await house.token(user)
    session = (await house.registry.resolve(first)).session
    await house.registry.resolve(second)

    await house.log.real.write(lambda connection: Sessions(connection).revoke(user.id, session.id, now_ms()))
    house.clock.now += 1
    with pytest.raises(NotAuthenticated):
        await house.registry.resolve(first)
    await house.registry.resolve(second)

    await house.log.real.write(lambda connection: Users(connection).disable(user.id, now_ms()))
    house.clock.now += 1
    with pytest.raises(NotAuthenticated):
        await house.registry.resolve(second)


async def test_an_expired_session_gives_no_rights_though_it_was_just_read(make_house, monkeypatch):
    house = await make_house(session_days=1)
    token = await house.token(await house.add_user("a@example.org"))
    end = (await house.registry.resolve(token)).session.expires_at

    monkeypatch.setattr(session_registry, "now_ms", lambda: end - 1)
    await house.registry.resolve(token)
    monkeypatch.setattr(session_registry, "now_ms", lambda: end)
    with pytest.raises(NotAuthenticated):
        await house.registry.resolve(token)


async def test_while_the_database_is_away_the_last_known_state_is_used_and_says_so(house):
    user = await house.add_user("a@example.org")
    known, unknown = await house.token(user), await house.token(user)
    await house.registry.resolve(known)
    house.log.away = True

    assert not (await house.registry.resolve(known)).stale  # still within its second
    house.clock.now += 3600
    assert (await house.registry.resolve(known)).stale
    with pytest.raises(LogUnavailable):
        await house.registry.resolve(unknown)

    house.log.away = False
    assert not (await house.registry.resolve(known)).stale


async def test_ending_a_session_here_is_told_at_once_and_leaves_no_rights(house):
    user = await house.add_user("a@example.org")
    token = await house.token(user)
    session = (await house.registry.resolve(token)).session
    told: list[set[str]] = []
    unlisten = house.registry.listen(told.append)

    await house.registry.end(lambda connection: Sessions(connection).revoke_all(user.id, now_ms()))

    assert told == [{session.id}]
    with pytest.raises(NotAuthenticated):
        await house.registry.resolve(token)
    await house.registry.end(lambda connection: set())
    unlisten()
    await house.token(user)
    await house.registry.end(lambda connection: Sessions(connection).revoke_all(user.id, now_ms()))
    assert told == [{session.id}]


async def test_a_read_that_a_revocation_overtook_is_not_kept(house):
    """The read sees the session usable; before it returns the session is ended. Kept, it would give rights for a
    second after the revocation was answered."""
    user = await house.add_user("a@example.org")
    token = await house.token(user)
    house.log.after_read = lambda: house.registry.end(
        lambda connection: Sessions(connection).revoke_all(user.id, now_ms())
    )

    with pytest.raises(NotAuthenticated):
        await house.registry.resolve(token)
    assert house.log.reads == 2


async def test_a_revoked_session_has_no_last_known_state(house):
    user = await house.add_user("a@example.org")
    token = await house.token(user)
    await house.registry.resolve(token)
    await house.registry.end(lambda connection: Sessions(connection).revoke_all(user.id, now_ms()))
    house.log.away = True

    with pytest.raises(LogUnavailable):
        await house.registry.resolve(token)


async def test_the_sessions_of_all_sockets_are_read_in_one_query(house):
    user = await house.add_user("a@example.org")
    ids = [(await house.registry.resolve(await house.token(user))).session.id for _ in range(3)]
    reads = house.log.reads

    found = await house.registry.refresh({*ids, "gone"})

    assert set(found) == set(ids)
    assert house.log.reads == reads + 1
    assert await house.registry.refresh(set()) == {}
    assert house.log.reads == reads + 1


async def test_a_session_that_was_seen_to_have_ended_gives_no_rights_though_its_second_is_not_over(house):
    user = await house.add_user("a@example.org")
    ended, other = await house.token(user), await house.token(user)
    session = (await house.registry.resolve(ended)).session
    await house.registry.resolve(other)
    await house.log.real.write(lambda connection: Sessions(connection).revoke(user.id, session.id, now_ms()))

    await house.registry.refresh([session.id])

    with pytest.raises(NotAuthenticated):
        await house.registry.resolve(ended)
    await house.registry.resolve(other)


async def test_use_is_noted_once_a_minute(house, monkeypatch):
    written: list[set[str]] = []
    real = Sessions.seen
    monkeypatch.setattr(Sessions, "seen", lambda self, ids, now: written.append(set(ids)) or real(self, ids, now))
    user = await house.add_user("a@example.org")
    tokens = [await house.token(user), await house.token(user)]
    ids = [(await house.registry.resolve(token)).session.id for token in tokens]
    await house.registry.refresh(ids)
    house.clock.now += 59
    await house.registry.refresh(ids)
    await house.registry.close()
    assert sorted(written, key=sorted) == sorted([{ids[0]}, {ids[1]}], key=sorted)

    house.clock.now += 1
    before = now_ms()
    await house.registry.refresh(ids)
    await house.registry.close()
    assert written[2:] == [set(ids)]
    assert all(session.last_seen_at >= before for session in (await house.registry.refresh(ids)).values())


async def test_memory_is_bounded_and_forgets_the_least_recently_used(house, monkeypatch):
    monkeypatch.setattr(session_registry, "KEPT", 2)
    user = await house.add_user("a@example.org")
    first, second, third = [await house.token(user) for _ in range(3)]
    for token in (first, second, third):
        await house.registry.resolve(token)
    house.log.away = True

    await house.registry.resolve(second)
    await house.registry.resolve(third)
    with pytest.raises(LogUnavailable):
        await house.registry.resolve(first)
