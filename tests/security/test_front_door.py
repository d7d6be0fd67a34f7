"""Who may be asked what, by which name and how readable: the door before everything else."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from netra_backend.app.settings import BadSetting, load_settings
from tests.harness.server import RunningServer
from tests.security.raw_http import RawAnswer, ask, get

Serve = Callable[..., AbstractAsyncContextManager[RunningServer]]

HANDSHAKE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
)
PAGES = ("/", "/api/openapi.json", "/static/index.html", "/api/about", "/api/nothing", "/t/x")


async def asked(server: RunningServer, path: str, *lines: str, version: str = "1.1") -> RawAnswer:
    more = HANDSHAKE if path == "/ws" else ()
    return await ask(server.port, get(path, *lines, *more, version=version))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil-localhost",
        "192.0.2.1",
        "[2001:db8::1]:80",
        "2130706433",  # a browser makes 127.0.0.1 of it; as a name it is anybody's
        "0x7f.1",
        "127.1",
        "0.0.0.0",
        socket.gethostname(),  # nobody beyond this machine is served, so nobody asks by its name
    ],
)
async def test_a_name_that_somebody_let_point_here_reads_nothing(server: RunningServer, host: str) -> None:
    for path in (*PAGES, "/ws"):
        answer = await asked(server, path, f"Host: {host}")
        assert (answer.status, answer.json()["code"]) == (421, "misdirected"), path
        assert "NETRA_ALLOWED_HOSTS" in answer.json()["detail"]
        assert answer.header("x-content-type-options") == "nosniff" or path == "/ws"


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("Host: localhost", "Host: localhost"),
        ("Host: localhost", "Host: evil.example"),
        ("Host: evil.example", "Host: localhost"),
        ("Host:",),
        ("Host: localhost/evil",),
        ("Host: user@localhost",),
        ("Host: localhost evil.example",),
        ("Host: localhost, evil.example",),
        ("Host: localhost:80:80",),
        ("Host: localhost:http",),
        ("Host: localhost:999999",),
        ("Host: [::1",),
        ("Host: [::g]",),
        ("Host: [127.0.0.1]x",),
        ("Host: %6cocalhost",),
        ("Host: localhost..",),
        ("Host: l\u00f6calhost",),
        ("Host: " + "a" * 300,),
    ],
)
async def test_a_host_that_is_none_is_refused(server: RunningServer, lines: tuple[str, ...]) -> None:
    for path in (*PAGES, "/ws"):
        answer = await asked(server, path, *lines)
        assert (answer.status, answer.json()["code"]) == (400, "invalid_request"), path


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LocalHost", "localhost.", "localhost:9", "[::1]", "[0:0::1]:8000", "127.0.0.2"]
)
async def test_every_name_of_this_machine_is_served(server: RunningServer, host: str) -> None:
    for path, status in (("/", 200), ("/api/openapi.json", 200), ("/api/about", 401), ("/ws", 101)):
        assert (await asked(server, path, f"Host: {host}")).status == status, path


async def test_names_that_are_set_are_served(serve: Serve) -> None:
    async with serve(
        public_url="https://Netra.example:8443", allowed_hosts="Box.lan, 192.0.2.9,m\u00fcnchen.example"
    ) as at:
        for host in ("netra.example", "netra.example:8443", "NETRA.EXAMPLE.", "box.lan:1", "192.0.2.9"):
            assert (await asked(at, "/", f"Host: {host}")).status == 200, host
        assert (await asked(at, "/", "Host: xn--mnchen-3ya.example")).status == 200
        assert (await asked(at, "/", "Host: other.netra.example")).status == 421


@pytest.mark.parametrize("lines", [("Host: evil.example",), ("Host: 10.1.2.3:80",), (), ("Host: a b",)])
async def test_health_answers_any_host_with_a_bare_word(server: RunningServer, lines: tuple[str, ...]) -> None:
    ready = await asked(server, "/health/ready", *lines)
    assert (ready.status, ready.json()) == (200, {"status": "ready"})
    live = await asked(server, "/health/live", *lines, version="1.0")
    assert (live.status, live.json()) == (200, {"status": "live"})
    assert (await ask(server.port, get("/health/live", *lines).replace(b"GET", b"HEAD"))).status == 200


async def test_health_tells_details_to_those_who_ask_by_our_name(server: RunningServer) -> None:
    ready = await asked(server, "/health/ready", "Host: localhost")
    assert set(ready.json()) == {"status", "reason", "bridge", "running", "waiting"}


async def test_what_came_past_the_proxy_in_front_is_not_served_readable(serve: Serve) -> None:
    """The proxy is at 127.0.0.2 here; what 127.0.0.1 tells of others is its own word, and it is this machine."""
    async with serve(public_url="https://netra.example", trusted_proxies="127.0.0.1") as at:
        ours = "Host: netra.example"
        for lines, status in (
            ((), 200),  # this machine itself
            (("X-Forwarded-For: 192.0.2.1",), 200),  # the operator's word: it speaks https
            (("X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https"), 200),
            (("X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: http"), 403),
        ):
            assert (await asked(at, "/", ours, *lines)).status == status, lines
        answer = await asked(at, "/ws", ours, "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: http")
        assert answer.status == 403
        assert "https://netra.example" in answer.json()["detail"]


@pytest.mark.parametrize(
    "environment",
    [
        {"host": "0.0.0.0"},
        {"host": "0.0.0.0", "public_url": "http://localhost:8000"},
        {"host": "::", "public_url": "http://127.0.0.1:8000"},
        {"host": "0"},
        {"host": "0x7f000001"},
        {"host": "127.0.0.1.example"},
        {"host": "::ffff:192.0.2.1"},
        {"host": "::ffff:0.0.0.0"},
        {"host": "box", "public_url": "http://localhost"},
        {"host": ""},
        {"host": "0.0.0.0", "public_url": "https://netra.example"},  # nothing says that a proxy is in front
        {"host": "0.0.0.0", "trusted_proxies": "10.0.0.1"},
        {"host": "0.0.0.0", "public_url": "http://localhost", "trusted_proxies": "10.0.0.1"},
        {"public_url": "http://netra.example"},
        {"public_url": "http://netra.example", "trusted_proxies": "10.0.0.1"},
    ],
)
def test_plain_http_beyond_this_machine_needs_consent(environment: dict[str, str]) -> None:
    with pytest.raises(BadSetting, match="NETRA_ALLOW_INSECURE_HTTP=true"):
        load_settings(**environment)
    load_settings(allow_insecure_http=True, **environment)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"host": "::1"},
        {"host": "127.0.0.5"},
        {"host": "::ffff:127.0.0.1"},
        {"host": "localhost", "public_url": "http://localhost:9000"},
        {"public_url": "https://netra.example"},
        {"host": "0.0.0.0", "public_url": "https://netra.example", "trusted_proxies": "10.0.0.1"},
    ],
)
def test_what_stays_on_this_machine_or_behind_https_needs_none(environment: dict[str, str]) -> None:
    load_settings(**environment)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/netra",
        "https://example.org/netra/",
        "https://example.org?x=1",
        "https://example.org/#x",
        "https://user:secret@example.org",
        "https://example.org:99999",
        "https://[::1",
        "https://",
        "ftp://example.org",
    ],
)
def test_a_public_address_that_cannot_be_served_is_refused(url: str) -> None:
    with pytest.raises(BadSetting, match="NETRA_PUBLIC_URL") as refused:
        load_settings(public_url=url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("host", ["*", "*.example.org", "https://example.org", "example.org:80", "a b", "a/b"])
def test_a_further_name_is_one_name(host: str) -> None:
    with pytest.raises(BadSetting, match="NETRA_ALLOWED_HOSTS"):
        load_settings(allowed_hosts=host)


async def test_no_answer_sends_elsewhere_by_the_name_it_was_asked_for(server: RunningServer) -> None:
    """A redirect would carry the host and the scheme of the request: behind https it would lead to plain http."""
    for path in ("/api/threads/", "/health/live/", "/static", "/sign-in/", "//evil.example/", "/api/threads/x/"):
        answer = await asked(server, path, "Host: localhost")
        assert (answer.status in {401, 404, 405}, answer.header("location")) == (True, None), path
