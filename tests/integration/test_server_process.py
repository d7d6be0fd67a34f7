"""The server process as the system sees it: signals, sockets whose peer stopped reading, addresses."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from netra_backend.app.server import CannotListen, bind, url_of
from tests.harness.deadline import DEADLINE

SCRIPT = Path(__file__).with_name("small_server.py")


class Process:
    """The small server in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(SCRIPT), *arguments], stdout=subprocess.PIPE, text=True
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def url(self) -> str:
        word, url = self.line().split()
        assert word == "ready"
        return url

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def end(self) -> int:
        return self.process.wait(DEADLINE)


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def make(*arguments: str) -> Process:
        started.append(Process(*arguments))
        return started[-1]

    yield make
    for process in started:
        process.process.kill()
        process.process.wait()
        assert process.process.stdout is not None
        process.process.stdout.close()


def deaf_peer(url: str, path: str) -> socket.socket:
    """A socket that asks for a WebSocket and then never reads."""
    parts = urlsplit(url)
    peer = socket.create_connection((parts.hostname or "", parts.port or 0))
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    return peer


def wait_until_cut(peer: socket.socket) -> bool:
    """Whether the other side resets the connection, without reading anything of it."""
    poll = select.poll()
    poll.register(peer, 0)  # errors and hang-ups are always told
    return bool(poll.poll(20_000))


@pytest.mark.parametrize(
    ("mode", "how", "said"), [("plain", "abort", "stalled"), ("plain", "close", "stalled"), ("pings", "ping", None)]
)
def test_a_peer_that_stopped_reading_is_cut_off(start, mode, how, said):
    """Left to uvicorn, the connection stays until the peer or the network ends it: `close` waits for the buffer."""
    process = start(mode)
    with deaf_peer(process.url(), f"/flood/{how}") as peer:
        if said is not None:
            assert process.line() == said
        assert wait_until_cut(peer)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_before_sockets_are_closed(start, number):
    process = start("plain")
    with connect(process.url().replace("http", "ws") + "/hold") as websocket:
        assert websocket.recv() == "ready"
        process.signal(number)
        assert websocket.recv(timeout=DEADLINE) == "draining"
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(timeout=DEADLINE)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    assert [process.line() for _ in range(5)] == ["draining for 0.5", "gone", "ending", "ended", "over"]
    assert process.end() == 0


def test_a_second_signal_hurries_the_draining(start):
    process = start("slow-drain")
    process.url()
    process.signal(signal.SIGINT)
    assert process.line() == "draining for 3600.0"
    process.signal(signal.SIGINT)
    assert [process.line(), process.line()] == ["draining for 0.0", "ending"]
    # From here on the app hangs; Python's own handler is in force and ends it.
    process.signal(signal.SIGINT)
    assert process.end() != 0


def test_a_third_signal_ends_the_process_as_it_is(start):
    process = start("hanging-drain")
    process.url()
    for said in ("draining for 0.5", "draining for 0.0"):
        process.signal(signal.SIGTERM)
        assert process.line() == said
    process.signal(signal.SIGTERM)
    assert process.end() == 128 + signal.SIGTERM


def test_draining_that_does_not_end_is_ended_by_the_clock(start):
    process = start("hanging-drain")
    process.url()
    process.signal(signal.SIGTERM)
    assert process.line() == "draining for 0.5"
    assert process.line() == "ending"


def test_a_start_that_fails_raises_what_the_app_raised(start):
    process = start("refuses")
    assert process.line() == "refused: the folder is held"
    assert process.end() == 2


def test_the_server_itself_believes_no_header_about_who_asks(start):
    """`client_address` does, and only of proxies that are named."""
    forwarded = {"X-Forwarded-For": "192.0.2.7"}
    assert httpx.get(start("plain", "--public").url() + "/client", headers=forwarded).text == "127.0.0.1"


def test_answers_do_not_name_the_server_software(start):
    assert "server" not in httpx.get(start("plain").url() + "/client").headers


def test_addresses_that_cannot_be_listened_on_say_why():
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert url_of(taken) == f"http://127.0.0.1:{port}"
        with pytest.raises(CannotListen, match=rf"port {port} on 127\.0\.0\.1 is in use.*--port"):
            bind("127.0.0.1", port)
    with pytest.raises(CannotListen, match="NETRA_HOST"):
        bind("192.0.2.1", 0)
    with pytest.raises(CannotListen, match=r"NETRA_HOST.*no\.such\.host\.invalid"):
        bind("no.such.host.invalid", 0)


def test_the_address_of_all_interfaces_is_reached_by_loopback():
    with bind("0.0.0.0", 0) as everywhere:
        assert url_of(everywhere) == f"http://127.0.0.1:{everywhere.getsockname()[1]}"
