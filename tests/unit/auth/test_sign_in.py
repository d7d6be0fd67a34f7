import pytest

from netra_backend.app.auth import sign_in as module
from netra_backend.app.auth.attempts import TooManyAttempts
from netra_backend.app.auth.session_registry import NotAuthenticated
from netra_backend.app.auth.sign_in import WrongPassword, issue_sign_in_code
from netra_backend.app.protocol.codec import now_ms
from netra_backend.app.storage.known_devices import MOST_DEVICES, KnownDevices
from netra_backend.app.storage.users import Users

FROM = {"address": "192.0.2.1", "label": "test"}


async def test_every_refusal_of_a_password_looks_alike_and_checks_a_hash(house, monkeypatch):
    await house.add_user("known@example.org", "correct horse")
    await house.add_user("unset@example.org")
    disabled = await house.add_user("disabled@example.org", "correct horse")
    await house.log.write(lambda connection: Users(connection).disable(disabled.id, now_ms()))
    checks = 0
    real = type(house.passwords)._verify

    def counted(self, stored, password):
        nonlocal checks
        checks += 1
        return real(self, stored, password)

    monkeypatch.setattr(type(house.passwords), "_verify", counted)
    said: set[str] = set()
    for email, password in (
        ("known@example.org", "wrong horse"),
        ("unknown@example.org", "correct horse"),
        ("unset@example.org", "correct horse"),
        ("disabled@example.org", "correct horse"),
        ("disabled@example.org", "wrong horse"),
    ):
        with pytest.raises(NotAuthenticated) as refusal:
            await house.sign_in.with_password(email, password, **FROM)
        said.add(str(refusal.value))

    assert len(said) == 1
    assert checks == 5


async def test_a_password_is_not_enough_if_it_was_changed_while_it_was_checked(house):
    user = await house.add_user("a@example.org", "correct horse")
    other = await house.passwords.hash("another horse")

    async def change():
        await house.log.write(lambda connection: Users(connection).set_password(user.id, other))

    house.log.after_read = change
    with pytest.raises(NotAuthenticated):
        await house.sign_in.with_password("a@example.org", "correct horse", **FROM)


async def test_a_password_that_was_changed_meanwhile_is_not_changed_once_more(house):
    user = await house.add_user("a@example.org", "correct horse")
    access = await house.registry.resolve(await house.token(user))
    other = await house.passwords.hash("another horse")

    async def change():
        await house.log.write(lambda connection: Users(connection).set_password(user.id, other))

    house.log.after_read = change
    with pytest.raises(WrongPassword):
        await house.sign_in.change_password(access, "correct horse", "a third horse")
    await house.sign_in.with_password("a@example.org", "another horse", **FROM)


async def test_signing_in_replaces_a_hash_of_an_older_profile(house):
    from argon2 import PasswordHasher

    user = await house.add_user("a@example.org")
    older = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash("correct horse")
    await house.log.write(lambda connection: Users(connection).set_password(user.id, older))

    await house.sign_in.with_password("A@Example.org ", "correct horse", **FROM)

    stored = (await house.log.query(lambda connection: Users(connection).by_id(user.id))).password_hash
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_who_fails_is_limited_and_the_owner_elsewhere_is_not(make_house):
    house = await make_house(login_attempts_per_minute=2)
    await house.add_user("a@example.org", "correct horse")
    await house.add_user("b@example.org", "correct horse")
    guesser = {"address": "192.0.2.1", "label": ""}
    for _ in range(2):
        with pytest.raises(NotAuthenticated):
            await house.sign_in.with_password("a@example.org", "x", **guesser)

    with pytest.raises(TooManyAttempts) as refusal:
        await house.sign_in.with_password("A@EXAMPLE.org", "correct horse", **guesser)
    assert 0 < refusal.value.retry_after <= 60
    # Neither another account from there, nor this one from elsewhere, nor one with a sign-in link.
    await house.sign_in.with_password("b@example.org", "correct horse", **guesser)
    await house.sign_in.with_password("a@example.org", "correct horse", address="192.0.2.9", label="")


async def test_a_known_device_has_attempts_of_its_own(make_house):
    house = await make_house(login_attempts_per_minute=3)
    await house.add_user("a@example.org", "correct horse")
    other = await house.add_user("b@example.org", "correct horse")
    mark = (await house.sign_in.with_password("a@example.org", "correct horse", **FROM)).device
    for _ in range(2):
        with pytest.raises(NotAuthenticated):
            await house.sign_in.with_password("a@example.org", "x", **FROM)
    with pytest.raises(TooManyAttempts):
        await house.sign_in.with_password("a@example.org", "correct horse", **FROM)

    # Neither a mark that nobody was given nor another account's makes a device known.
    foreign = (await house.sign_in.with_password("b@example.org", "correct horse", **FROM)).device
    for shown in ("planted", foreign):
        with pytest.raises(TooManyAttempts):
            await house.sign_in.with_password("a@example.org", "correct horse", device=shown, **FROM)

    again = await house.sign_in.with_password("a@example.org", "correct horse", device=mark, **FROM)
    assert again.device == mark, "one device stays one"
    # A mark is no password, and its attempts have an end: then it counts for nothing.
    for _ in range(2):
        with pytest.raises(NotAuthenticated):
            await house.sign_in.with_password("a@example.org", "x", device=mark, **FROM)
    with pytest.raises(TooManyAttempts):
        await house.sign_in.with_password("a@example.org", "correct horse", device=mark, **FROM)
    # It is known to one account only, and one that came from outside is never taken over.
    for shown in (mark, "planted"):
        assert (await house.sign_in.with_password("b@example.org", "correct horse", device=shown, **FROM)).device != (
            shown
        )
    assert not await house.log.query(lambda rows: KnownDevices(rows).knows(other.id, mark))


async def test_devices_are_forgotten_with_the_password_the_sessions_and_the_oldest_use(house):
    user = await house.add_user("a@example.org", "correct horse")

    def known(*marks: str):
        return house.log.query(lambda rows: [KnownDevices(rows).knows(user.id, mark) for mark in marks])

    marks = [
        await house.log.write(lambda rows, at=at: KnownDevices(rows).remember(user.id, None, at))
        for at in range(MOST_DEVICES + 1)
    ]
    assert await known(*marks) == [False] + [True] * MOST_DEVICES
    await house.log.write(lambda rows: KnownDevices(rows).forget_unused(2))
    assert await known(*marks[:3]) == [False, False, True]

    signed_in = await house.sign_in.with_password("a@example.org", "correct horse", **FROM)
    access = await house.registry.resolve(signed_in.token)
    await house.sign_in.change_password(access, "correct horse", "another horse", device=signed_in.device)
    assert await known(marks[-1], signed_in.device) == [False, True]


async def test_one_accounts_devices_are_its_own(house):
    """Whatever becomes of one account's devices, another's stay known."""
    alice, bob = [await house.add_user(f"{name}@example.org", "correct horse") for name in "ab"]
    mark = await house.log.write(lambda rows: KnownDevices(rows).remember(bob.id, None, 1))
    for at in range(2, MOST_DEVICES + 4):
        await house.log.write(lambda rows, at=at: KnownDevices(rows).remember(alice.id, None, at))
    assert await house.log.query(lambda rows: KnownDevices(rows).knows(bob.id, mark))
    await house.log.write(lambda rows: KnownDevices(rows).forget(alice.id))
    assert await house.log.query(lambda rows: KnownDevices(rows).knows(bob.id, mark))


async def test_giving_the_password_once_more_is_limited_by_the_session(make_house):
    house = await make_house(login_attempts_per_minute=2)
    user = await house.add_user("a@example.org", "correct horse")
    stolen, own = [await house.registry.resolve(await house.token(user)) for _ in range(2)]
    for _ in range(2):
        with pytest.raises(WrongPassword):
            await house.sign_in.change_password(stolen, "wrong", "another horse")
    with pytest.raises(TooManyAttempts):
        await house.sign_in.confirm(stolen, "correct horse")
    await house.sign_in.confirm(own, "correct horse")
    await house.sign_in.with_password("a@example.org", "correct horse", **FROM)


async def test_guessing_codes_and_tickets_is_no_work_for_the_writer(house, monkeypatch):
    def no_write(*_: object):
        raise AssertionError("written")

    monkeypatch.setattr(house.log, "write", no_write)
    for _ in range(200):
        with pytest.raises(NotAuthenticated):
            await house.sign_in.with_code("guess", label="")
        with pytest.raises(NotAuthenticated):
            await house.authenticator.redeem_ticket("guess", None)


async def test_a_sign_in_code_works_once_and_not_for_a_disabled_account(house):
    user = await house.add_user("a@example.org")

    async def code() -> str:
        return await house.log.write(lambda connection: issue_sign_in_code(connection, user.id, house.settings))

    first = await code()
    signed_in = await house.sign_in.with_code(first, label="test")
    assert (await house.registry.resolve(signed_in.token)).user_id == user.id
    with pytest.raises(NotAuthenticated):
        await house.sign_in.with_code(first, label="test")

    second = await code()
    await house.log.write(lambda connection: Users(connection).disable(user.id, now_ms()))
    with pytest.raises(NotAuthenticated):
        await house.sign_in.with_code(second, label="test")


async def test_a_sign_in_code_expires(make_house, monkeypatch):
    house = await make_house(sign_in_code_minutes=1)
    user = await house.add_user("a@example.org")
    code = await house.log.write(lambda connection: issue_sign_in_code(connection, user.id, house.settings))
    later = now_ms() + 60_000
    monkeypatch.setattr(module, "now_ms", lambda: later)

    with pytest.raises(NotAuthenticated):
        await house.sign_in.with_code(code, label="test")
