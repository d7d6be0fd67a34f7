import pytest

from netra_backend.app.protocol.codec import now_ms
from netra_backend.app.routes.dependencies import AccessForStop, AccessNow
from netra_backend.app.storage.known_devices import KnownDevices
from netra_backend.app.storage.sessions import Sessions
from netra_backend.app.storage.users import Users

HERE = {"Origin": "http://127.0.0.1:8000"}
PASSWORD = "correct horse"


@pytest.fixture
async def user(house):
    return await house.add_user("a@example.org", PASSWORD)


async def sign_in(client, email="a@example.org", password=PASSWORD, **extra):
    return await client.post("/api/auth/login", json={"email": email, "password": password}, **extra)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_signing_in_gives_a_cookie_to_browsers_and_a_bearer_to_programs(client, user):
    answer = await sign_in(client)

    assert answer.status_code == 200
    body = answer.json()
    assert body["user"] == {"id": user.id, "email": "a@example.org", "role": "user"}
    assert set(body) == {"token", "user", "expires_at"}
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"netra={body['token']}; ")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert answer.headers["cache-control"] == "no-store"

    assert (await client.get("/api/auth/me")).json()["user"]["id"] == user.id
    client.cookies.clear()
    assert (await client.get("/api/auth/me")).status_code == 401
    assert (await client.get("/api/auth/me", headers=bearer(body["token"]))).json()["user"]["id"] == user.id


async def test_on_https_the_cookie_is_bound_to_the_host(make_house, make_client):
    house = await make_house(public_url="https://netra.example")
    await house.add_user("a@example.org", PASSWORD)
    client = make_client(house, base_url="https://netra.example")

    cookie = (await sign_in(client, headers={"Origin": "https://netra.example"})).headers["set-cookie"]

    assert cookie.startswith("__Host-netra=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


async def test_another_sites_page_signs_nobody_in(client, user):
    for origin in ("https://evil.example", "null"):
        answer = await sign_in(client, headers={"Origin": origin})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert "set-cookie" not in answer.headers
    answer = await client.post("/api/auth/redeem", json={"code": "x"}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert (await sign_in(client, headers=HERE)).status_code == 200


async def test_every_refusal_has_one_body(client, house, user):
    disabled = await house.add_user("disabled@example.org", PASSWORD)
    await house.log.write(lambda connection: Users(connection).disable(disabled.id, now_ms()))

    answers = [
        await sign_in(client, password="wrong"),
        await sign_in(client, email="unknown@example.org"),
        await sign_in(client, email="disabled@example.org"),
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert len({tuple(sorted(answer.headers.items())) for answer in answers}) == 1


async def test_too_many_attempts_say_when_to_come_back(make_house, make_client):
    house = await make_house(login_attempts_per_minute=1)
    client = make_client(house)
    await sign_in(client)

    answer = await sign_in(client)

    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert 0 < answer.json()["retry_after"] <= 60
    assert 1 <= int(answer.headers["retry-after"]) <= 60


async def test_signing_out_ends_the_session_and_takes_the_cookie(client, house, user):
    token = (await sign_in(client)).json()["token"]
    told: list[set[str]] = []
    house.registry.listen(told.append)

    assert (await client.post("/api/auth/logout")).status_code == 403  # a cookie, without our Origin
    answer = await client.post("/api/auth/logout", headers=HERE)

    assert answer.status_code == 204
    assert 'netra=""' in answer.headers["set-cookie"]
    assert len(told) == 1
    assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 401


async def test_a_new_password_needs_the_current_one_and_ends_the_other_sessions(client, house, user):
    mine = (await sign_in(client)).json()["token"]
    other = await house.token(user)
    assert (await client.get("/api/auth/me", headers=bearer(other))).status_code == 200
    client.cookies.clear()
    change = {"new_password": "a new password"}

    for wrong in ({}, {"current_password": "wrong"}):
        answer = await client.post("/api/auth/password", json={**change, **wrong}, headers=bearer(mine))
        assert (answer.status_code, answer.json()["field"]) == (403, "current_password")
    answer = await client.post(
        "/api/auth/password", json={"new_password": "short", "current_password": PASSWORD}, headers=bearer(mine)
    )
    assert (answer.status_code, answer.json()["field"]) == (422, "new_password")
    assert (await client.get("/api/auth/me", headers=bearer(other))).status_code == 200

    answer = await client.post(
        "/api/auth/password", json={**change, "current_password": PASSWORD}, headers=bearer(mine)
    )
    assert answer.status_code == 204
    assert (await client.get("/api/auth/me", headers=bearer(mine))).status_code == 200
    assert (await client.get("/api/auth/me", headers=bearer(other))).status_code == 401
    assert (await sign_in(client)).status_code == 401
    assert (await sign_in(client, password="a new password")).status_code == 200


async def test_guessing_the_current_password_is_limited(make_house, make_client):
    house = await make_house(login_attempts_per_minute=2)
    token = await house.token(await house.add_user("a@example.org", PASSWORD))
    client = make_client(house, headers=bearer(token))
    guess = {"current_password": "guess", "new_password": "a new password"}

    statuses = [(await client.post("/api/auth/password", json=guess)).status_code for _ in range(3)]
    assert statuses == [403, 403, 429]


async def test_an_account_without_a_password_can_be_given_one(client, house):
    token = await house.token(await house.add_user("b@example.org"))
    client.headers.update(bearer(token))
    assert (await client.get("/api/auth/me")).json()["has_password"] is False

    answer = await client.post("/api/auth/password", json={"new_password": "a new password"})

    assert answer.status_code == 204
    assert (await client.get("/api/auth/me")).json()["has_password"] is True


async def test_sessions_are_listed_and_ended_one_by_one(client, house, user):
    client.headers.update(bearer(await house.token(user, "laptop")))
    phone = await house.token(user, "phone")
    stranger = await house.add_user("b@example.org")
    foreign, _ = await house.registry.start(stranger.id, "theirs")

    listed = (await client.get("/api/auth/sessions")).json()["sessions"]
    assert [(session["label"], session["current"]) for session in listed] == [("phone", False), ("laptop", True)]

    missing = await client.delete("/api/auth/sessions/no-such-session")
    theirs = await client.delete(f"/api/auth/sessions/{foreign.id}")
    assert (missing.status_code, missing.text) == (404, theirs.text)
    assert not (await house.registry.refresh([foreign.id]))[foreign.id].revoked

    assert (await client.delete(f"/api/auth/sessions/{listed[0]['id']}")).status_code == 204
    assert (await client.delete(f"/api/auth/sessions/{listed[0]['id']}")).status_code == 404
    assert (await client.get("/api/auth/me", headers=bearer(phone))).status_code == 401
    assert (await client.get("/api/auth/me")).status_code == 200


async def test_all_sessions_can_be_ended_at_once_and_nobody_elses_are(client, house, user):
    client.headers.update(bearer(await house.token(user)))
    await house.token(user)
    other = await house.add_user("b@example.org")
    stranger = await house.token(other)
    marks = [
        await house.log.write(lambda rows, owner=owner: KnownDevices(rows).remember(owner.id, None, 1))
        for owner in (user, other)
    ]

    answer = await client.post("/api/auth/sessions/revoke-all")

    assert answer.json() == {"revoked": 2}
    assert not await house.log.query(lambda rows: KnownDevices(rows).knows(user.id, marks[0])), "nor any device"
    assert await house.log.query(lambda rows: KnownDevices(rows).knows(other.id, marks[1]))
    assert (await client.get("/api/auth/me")).status_code == 401
    assert (await client.get("/api/auth/me", headers=bearer(stranger))).status_code == 200


@pytest.mark.parametrize("body", [None, {}, {"origin": None}])
async def test_a_ticket_is_for_the_page_that_asked(client, house, user, body):
    await sign_in(client)
    answer = await client.post("/api/ws-ticket", json=body, headers=HERE)
    assert answer.json()["expires_in"] == 30
    access = await house.authenticator.redeem_ticket(answer.json()["ticket"], HERE["Origin"])
    assert access.user_id == user.id


async def test_a_program_can_get_a_ticket_for_a_page(client, house, user):
    client.headers.update(bearer(await house.token(user)))
    answer = await client.post("/api/ws-ticket", json={"origin": "https://app.example"})
    assert await house.authenticator.redeem_ticket(answer.json()["ticket"], "https://app.example")
    assert (await client.post("/api/ws-ticket", json={"origin": "no origin"})).status_code == 403


async def test_while_the_database_is_away_rights_are_uncertain_and_nothing_is_done(client, house, user):
    token = await house.token(user)
    client.headers.update(bearer(token))
    assert (await client.get("/api/auth/sessions")).status_code == 200
    house.log.away = True
    house.clock.now += 1

    for method, path in (("GET", "/api/auth/me"), ("POST", "/api/auth/logout"), ("POST", "/api/ws-ticket")):
        answer = await client.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
    answer = await sign_in(client)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_what_was_revoked_elsewhere_is_refused_after_a_second(client, house, user):
    session, token = await house.registry.start(user.id, "x")
    client.headers.update(bearer(token))
    assert (await client.get("/api/auth/me")).status_code == 200
    await house.log.real.write(lambda connection: Sessions(connection).revoke(user.id, session.id, now_ms()))
    house.clock.now += 1
    assert (await client.get("/api/auth/me")).status_code == 401


async def test_while_the_database_is_away_only_stop_goes_by_the_last_known_state(house, make_client, make_app, user):
    app = make_app(house)

    @app.post("/api/act")
    async def act(access: AccessNow) -> None: ...

    @app.post("/api/stop")
    async def stop(access: AccessForStop) -> bool:
        return access.stale

    client = make_client(house, app=app, headers=bearer(await house.token(user)))
    assert (await client.post("/api/act")).status_code == 200
    house.log.away = True
    house.clock.now += 1

    answer = await client.post("/api/act")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert (await client.post("/api/stop")).json() is True
