import anyio
import pytest
from argon2 import PasswordHasher

from netra_backend.app.auth import passwords as module
from netra_backend.app.auth.passwords import PasswordRefused, Passwords, TooManyChecks


async def test_the_right_password_matches_and_a_wrong_one_does_not(passwords: Passwords):
    stored = await passwords.hash("correct horse")

    assert (await passwords.verify(stored, "correct horse")).correct
    assert not (await passwords.verify(stored, "correct horsf")).correct


async def test_the_stored_hash_is_argon2id_with_the_owasp_minimum(passwords: Passwords):
    assert (await passwords.hash("correct horse")).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_no_account_is_checked_against_a_real_hash_and_never_matches(passwords: Passwords, monkeypatch):
    checked: list[str] = []
    real = PasswordHasher.verify
    monkeypatch.setattr(PasswordHasher, "verify", lambda self, h, p: checked.append(h) or real(self, h, p))

    assert not (await passwords.verify(None, "no account has this password")).correct
    assert checked[0].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_an_older_profile_is_replaced_on_a_match_only(passwords: Passwords):
    older = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash("correct horse")

    assert (await passwords.verify(older, "wrong")).replacement is None
    replacement = (await passwords.verify(older, "correct horse")).replacement

    assert replacement is not None
    assert (await passwords.verify(replacement, "correct horse")).correct
    assert (await passwords.verify(replacement, "correct horse")).replacement is None


@pytest.mark.parametrize("length", [9, 1001])
async def test_new_passwords_have_a_length(passwords: Passwords, length: int):
    with pytest.raises(PasswordRefused):
        await passwords.hash("x" * length)
    await passwords.hash("x" * 10)
    await passwords.hash("x" * 1000)


async def test_a_flood_of_checks_is_turned_away_instead_of_waiting_without_end(monkeypatch):
    monkeypatch.setattr(module, "MAX_WAITING", 1)
    passwords = Passwords()
    refused: list[Exception] = []

    async def check() -> None:
        try:
            await passwords.verify(None, "x")
        except TooManyChecks as error:
            refused.append(error)

    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(check)

    assert len(refused) == 6 - module.AT_ONCE - 1  # some ran, one waited
