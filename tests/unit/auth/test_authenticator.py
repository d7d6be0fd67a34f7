import time

import pytest
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from netra_backend.app.auth.authenticator import ForbiddenOrigin, origin_of
from netra_backend.app.auth.session_registry import NotAuthenticated
from netra_backend.app.auth.tickets import PER_USER, TICKET_SECONDS, Tickets
from netra_backend.app.protocol.codec import now_ms
from netra_backend.app.storage.sessions import OneTimeCodes, Sessions

HERE = "http://127.0.0.1:8000"


def request(method: str = "GET", **headers: str) -> HTTPConnection:
    return HTTPConnection({"type": "http", "method": method, "headers": _raw(headers)})


def socket(**headers: str) -> WebSocket:
    async def unused(*_):
        raise AssertionError

    return WebSocket({"type": "websocket", "headers": _raw(headers)}, unused, unused)


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    named = {"host": "127.0.0.1:8000", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return [(name.encode(), value.encode()) for name, value in named.items()]


@pytest.fixture
async def token(house) -> str:
    return await house.token(await house.add_user("a@example.org"))


async def test_a_bearer_needs_no_origin(house, token):
    header = f"Bearer {token}"
    assert await house.authenticator.from_request(request("POST", authorization=header))
    assert await house.authenticator.from_handshake(socket(authorization=header, origin="https://elsewhere.example"))


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic abc", "abc", "Bearer wrong"])
async def test_a_bad_authorization_header_is_not_saved_by_a_good_cookie(house, token, header):
    for connection in (request(authorization=header, cookie=f"netra={token}"),):
        with pytest.raises(NotAuthenticated):
            await house.authenticator.from_request(connection)
    with pytest.raises(NotAuthenticated):
        await house.authenticator.from_handshake(socket(authorization=header, cookie=f"netra={token}", origin=HERE))


async def test_nothing_is_not_authenticated_over_http_and_undecided_on_a_socket(house):
    with pytest.raises(NotAuthenticated):
        await house.authenticator.from_request(request())
    assert await house.authenticator.from_handshake(socket(origin=HERE)) is None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_cookie_on_an_unsafe_method_needs_our_origin(house, token, method):
    cookie = f"netra={token}"
    for allowed in ({"origin": HERE}, {"sec_fetch_site": "same-origin"}):
        assert await house.authenticator.from_request(request(method, cookie=cookie, **allowed))
    for refused in (
        {},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8001"},
        {"origin": "https://127.0.0.1:8000"},
        {"origin": "http://localhost:8000"},  # another host than was asked, though the same machine
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site"},
    ):
        with pytest.raises(ForbiddenOrigin):
            await house.authenticator.from_request(request(method, cookie=cookie, **refused))


async def test_a_cookie_on_a_safe_method_needs_none(house, token):
    for method in ("GET", "HEAD", "OPTIONS"):
        assert await house.authenticator.from_request(request(method, cookie=f"netra={token}"))


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "localhost"])
async def test_a_socket_with_a_cookie_is_for_pages_of_the_loopback_host_it_was_opened_at(house, token, host):
    cookie = f"netra={token}"
    assert await house.authenticator.from_handshake(socket(cookie=cookie, host=host, origin=f"http://{host}"))
    for origin in ("https://evil.example", f"https://{host}", "null", ""):
        with pytest.raises(ForbiddenOrigin):
            await house.authenticator.from_handshake(socket(cookie=cookie, host=host, origin=origin))
    with pytest.raises(ForbiddenOrigin):
        await house.authenticator.from_handshake(socket(cookie=cookie, host=host))


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "[bad", "", "127.0.0.1.evil.example"])
async def test_a_name_that_somebody_let_point_here_is_not_ours(house, token, host):
    for origin in (f"http://{host}", "null"):
        with pytest.raises(ForbiddenOrigin):
            await house.authenticator.from_handshake(socket(cookie=f"netra={token}", host=host, origin=origin))


async def test_behind_a_public_address_only_its_origin_counts(make_house):
    house = await make_house(public_url="https://Netra.example:443/")
    cookie = f"__Host-netra={await house.token(await house.add_user('a@example.org'))}"

    assert await house.authenticator.from_handshake(socket(cookie=cookie, origin="https://netra.example"))
    for origin in ("http://netra.example", "https://netra.example:8443", HERE):
        with pytest.raises(ForbiddenOrigin):
            await house.authenticator.from_handshake(socket(cookie=cookie, origin=origin))


async def test_with_consent_to_plain_http_the_names_that_are_set_are_ours_and_others_are_not(make_house):
    house = await make_house(host="0.0.0.0", allow_insecure_http=True, allowed_hosts="box.lan")
    cookie = f"netra={await house.token(await house.add_user('a@example.org'))}"

    at_box = {"cookie": cookie, "host": "box.lan:8000"}
    assert await house.authenticator.from_handshake(socket(**at_box, origin="http://box.lan:8000"))
    with pytest.raises(ForbiddenOrigin):
        await house.authenticator.from_handshake(socket(**at_box, origin="http://other.lan:8000"))
    at_other = {"cookie": cookie, "host": "other.lan:8000"}
    with pytest.raises(ForbiddenOrigin):
        await house.authenticator.from_handshake(socket(**at_other, origin="http://other.lan:8000"))
    with pytest.raises(ForbiddenOrigin):
        await house.authenticator.from_handshake(socket(cookie=cookie, host="[bad", origin="null"))


async def test_the_cookie_of_plain_http_is_not_taken_on_https_nor_the_other_way(make_house):
    secure = await make_house(public_url="https://netra.example")
    token = await secure.token(await secure.add_user("a@example.org"))
    with pytest.raises(NotAuthenticated):
        await secure.authenticator.from_request(request(cookie=f"netra={token}"))
    assert await secure.authenticator.from_request(request(cookie=f"__Host-netra={token}"))


async def test_a_ticket_opens_one_socket_of_the_page_it_was_made_for(house, token):
    access = await house.authenticator.from_token(token)
    origin = "https://app.example"

    ticket = house.authenticator.issue_ticket(access, origin)
    assert (await house.authenticator.redeem_ticket(ticket, origin)).session.id == access.session.id
    with pytest.raises(NotAuthenticated):
        await house.authenticator.redeem_ticket(ticket, origin)

    for made_for, used_from in ((origin, "https://evil.example"), (origin, None), (None, origin)):
        ticket = house.authenticator.issue_ticket(access, made_for)
        with pytest.raises(NotAuthenticated):
            await house.authenticator.redeem_ticket(ticket, used_from)
        with pytest.raises(NotAuthenticated):  # a wrong guess uses it up
            await house.authenticator.redeem_ticket(ticket, made_for)

    assert await house.authenticator.redeem_ticket(house.authenticator.issue_ticket(access, None), None)


async def test_a_ticket_of_a_sandboxed_page_is_refused(house, token):
    with pytest.raises(ForbiddenOrigin):
        house.authenticator.issue_ticket(await house.authenticator.from_token(token), "null")


async def test_a_ticket_dies_with_its_time_and_with_its_session(house, token, monkeypatch):
    access = await house.authenticator.from_token(token)
    ticket = house.authenticator.issue_ticket(access, None)
    await house.registry.end(lambda connection: Sessions(connection).revoke_all(access.user_id, now_ms()))
    with pytest.raises(NotAuthenticated):
        await house.authenticator.redeem_ticket(ticket, None)

    user = await house.add_user("b@example.org")
    ticket = house.authenticator.issue_ticket(await house.authenticator.from_token(await house.token(user)), None)
    later = time.monotonic() + TICKET_SECONDS
    monkeypatch.setattr(house.authenticator._tickets, "_clock", lambda: later)
    with pytest.raises(NotAuthenticated):
        await house.authenticator.redeem_ticket(ticket, None)


def test_tickets_are_bounded_and_those_of_one_user_take_no_place_of_anothers():
    clock = [0.0]
    tickets = Tickets(lambda: clock[0])
    kept = tickets.issue("bob", "s", None)
    flood = [tickets.issue("alice", "s", None) for _ in range(PER_USER + 1)]
    assert tickets.redeem(kept) is not None
    assert tickets.redeem(flood[0]) is None
    assert tickets.redeem(flood[1]) is not None
    clock[0] += TICKET_SECONDS
    tickets.issue("bob", "s", None)
    assert len(tickets._owners) == 1
    assert set(tickets._of_user) == {"bob"}


async def test_a_sign_in_code_is_no_ticket(house, token):
    access = await house.authenticator.from_token(token)
    code = await house.log.write(
        lambda connection: OneTimeCodes(connection).create("sign_in", access.user_id, now_ms() + 60_000)
    )
    with pytest.raises(NotAuthenticated):
        await house.authenticator.redeem_ticket(code, None)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://Host:80/x?y#z", "http://host"),
        ("https://host:443", "https://host"),
        ("https://host:444", "https://host:444"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
        ("null", "null"),
        ("http://host:99999", "null"),
        ("//host", "null"),
    ],
)
def test_origins_have_one_spelling(url: str, origin: str):
    assert origin_of(url) == origin
