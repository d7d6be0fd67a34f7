import pytest

from netra_backend.app.auth import sign_in as module
from netra_backend.app.auth.session_registry import NotAuthenticated
from netra_backend.app.auth.sign_in import TooManyAttempts, issue_sign_in_code
from netra_backend.app.protocol.codec import now_ms
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


async def test_signing_in_replaces_a_hash_of_an_older_profile(house):
    from argon2 import PasswordHasher

    user = await house.add_user("a@example.org")
    older = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash("correct horse")
    await house.log.write(lambda connection: Users(connection).set_password(user.id, older))

    await house.sign_in.with_password("A@Example.org ", "correct horse", **FROM)

    stored = (await house.log.query(lambda connection: Users(connection).by_id(user.id))).password_hash
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_an_account_can_be_tried_so_often_from_anywhere(make_house):
    house = await make_house(login_attempts_per_minute=2)
    await house.add_user("a@example.org", "correct horse")
    for number in range(2):
        with pytest.raises(NotAuthenticated):
            await house.sign_in.with_password("a@example.org", "x", address=f"192.0.2.{number}", label="")

    with pytest.raises(TooManyAttempts) as refusal:
        await house.sign_in.with_password("A@EXAMPLE.org", "correct horse", address="192.0.2.9", label="")
    assert 0 < refusal.value.retry_after <= 60
    with pytest.raises(NotAuthenticated):  # others aren't affected
        await house.sign_in.with_password("b@example.org", "x", address="192.0.2.0", label="")


@pytest.mark.parametrize(
    ("same", "other"), [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8:0:1::1"), ("unknown", "192.0.2.2")]
)
async def test_an_address_can_try_so_often_whatever_it_tries(make_house, same, other):
    house = await make_house(login_attempts_per_minute=1)
    for number in range(module.PER_ADDRESS - 1):
        with pytest.raises(NotAuthenticated):
            await house.sign_in.with_password(f"{number}@example.org", "x", address=same, label="")
    with pytest.raises(NotAuthenticated):
        await house.sign_in.with_code("guess", address=same, label="")

    with pytest.raises(TooManyAttempts):
        await house.sign_in.with_code("guess", address=same, label="")
    with pytest.raises(TooManyAttempts):
        await house.sign_in.with_password("fresh@example.org", "x", address=same, label="")
    with pytest.raises(NotAuthenticated):
        await house.sign_in.with_code("guess", address=other, label="")


async def test_one_ipv6_network_is_one_address(make_house):
    house = await make_house(login_attempts_per_minute=1)
    for number in range(module.PER_ADDRESS):
        with pytest.raises(NotAuthenticated):
            await house.sign_in.with_code("guess", address=f"2001:db8::{number}", label="")
    with pytest.raises(TooManyAttempts):
        await house.sign_in.with_code("guess", address="2001:db8::ffff", label="")


async def test_a_sign_in_code_works_once_and_not_for_a_disabled_account(house):
    user = await house.add_user("a@example.org")

    async def code() -> str:
        return await house.log.write(lambda connection: issue_sign_in_code(connection, user.id, house.settings))

    first = await code()
    signed_in = await house.sign_in.with_code(first, **FROM)
    assert (await house.registry.resolve(signed_in.token)).user_id == user.id
    with pytest.raises(NotAuthenticated):
        await house.sign_in.with_code(first, **FROM)

    second = await code()
    await house.log.write(lambda connection: Users(connection).disable(user.id, now_ms()))
    with pytest.raises(NotAuthenticated):
        await house.sign_in.with_code(second, **FROM)


async def test_a_sign_in_code_expires(make_house, monkeypatch):
    house = await make_house(sign_in_code_minutes=1)
    user = await house.add_user("a@example.org")
    code = await house.log.write(lambda connection: issue_sign_in_code(connection, user.id, house.settings))
    later = now_ms() + 60_000
    monkeypatch.setattr(module, "now_ms", lambda: later)

    with pytest.raises(NotAuthenticated):
        await house.sign_in.with_code(code, **FROM)
