"""uvicorn's HTTP/1.1 protocol with bounds: httptools itself takes heads, trailers and queues of any size, for ever."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any, NoReturn, cast
from urllib.parse import urlsplit

import httptools
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from netra_backend.app.client_address import UNKNOWN, client_address, is_trusted_proxy, network_of
from netra_backend.app.doors.crowd import Crowd, NoRoom
from netra_backend.app.doors.transport import BoundedTransport
from netra_backend.app.doors.visit import CONNECTION, Phase, Visit
from netra_backend.app.settings import Settings

__all__ = ["MAX_PIPELINED", "SMALL_PARTS", "BoundedHttp"]

MAX_PIPELINED = 16
"""Requests that one connection may have waiting behind the one that is being answered."""

FRAMING = 8
"""Bytes of chunk sizes and line ends that a byte of a chunked body may come with: one byte a chunk has five."""

SMALL_PARTS = 5000
"""Chunks, or packets, in which a body may come, whatever their size."""
PART_BYTES = 256
"""Bytes that the further ones must have, on average: a chunk of one byte costs as much work as one of a thousand."""

LINGER_BYTES = 1024 * 1024
"""What a refused peer may still send, thrown away."""

_CODES = {413: "too_large", 414: "too_large", 429: "rate_limited", 431: "too_large", 503: "unavailable"}


class _Refused(Exception):
    """Raised inside the parser, which turns it into an error of its own; what is answered stands in the protocol."""


class BoundedHttp(HttpToolsProtocol):
    """What is counted here is bytes as they come; which phase that means, and how long it lasts, is the visit's."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        settings: Settings,
        crowd: Crowd,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._settings = settings
        self._crowd = crowd
        self._refusal: tuple[int, str] | None = None
        self._deaf = False
        """Nothing more is parsed; what comes is thrown away."""
        self._upgrading = False
        self._lingered = 0
        self._head_bytes = 0
        self._framing_left = 0
        self._payload = 0
        self._body_parts = 0

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.bounded = BoundedTransport(transport, self.loop, self._settings.answer_stall_timeout)
        super().connection_made(self.bounded)
        peer = client_address({"client": self.client, "headers": []}, self._settings)
        self._proxied = is_trusted_proxy(peer, self._settings)
        self.visit = Visit(
            self._crowd,
            self._settings,
            None if self._proxied or peer == UNKNOWN else network_of(peer),
            expire=self._expire,
            cut=self.bounded.abort,
        )
        self.bounded.visit = self.visit
        try:
            self._crowd.enter(self.visit, transport.get_extra_info("socket").fileno())
        except NoRoom as full:
            # Without waiting for it: there is no room for that either.
            self._refuse(full.status, str(full))
        else:
            self.bounded.before_close = self._linger

    def connection_lost(self, exc: Exception | None) -> None:
        self.bounded.lost()
        if self.visit.phase is not Phase.GONE:
            self.visit.step(Phase.GONE)
        super().connection_lost(exc)

    def eof_received(self) -> None:
        if self.visit.phase is Phase.LEAVING:
            self.bounded.close_now()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.visit.taking_nothing = True
        self.bounded.watch_writing()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.visit.taking_nothing = False
        self.bounded.writing_goes_on()

    # What comes

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        rest = memoryview(data)
        while rest and self.parser is not None:
            if self._deaf:
                self._lingered += len(rest)
                if self._lingered > LINGER_BYTES and self.visit.phase is Phase.LEAVING:
                    self.bounded.abort()
                return
            # In parts, so that no head is larger than this when it is complete.
            part = rest[: self._settings.max_head_bytes]
            rest = rest[len(part) :]
            before = self.visit.phase
            try:
                self.parser.feed_data(part)
            except httptools.HttpParserUpgrade:
                self._upgrade()
                return
            except httptools.HttpParserCallbackError:
                if self._refusal is None:
                    raise  # a defect of ours
                self._refuse(*self._refusal)
                return
            except httptools.HttpParserError:
                self._refuse(400, "this is not a valid HTTP/1.1 request")
                return
            self._count(before, len(part))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = self._payload = self._body_parts = 0
        self._framing_left = self._settings.max_head_bytes
        if len(self.pipeline) >= MAX_PIPELINED:
            self._stop_parsing(429, "too many requests wait on this connection")
        self.visit.step(Phase.HEAD)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self._settings.max_url_bytes:
            self._stop_parsing(414, f"the address may have at most {self._settings.max_url_bytes} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.visit.phase is not Phase.HEAD:
            # A trailer. Whoever put headers into the head may have trusted that nothing is added to them.
            return
        settings = self._settings
        if len(name) + len(value) + 4 > settings.max_header_bytes:
            self._stop_parsing(431, f"a header may have at most {settings.max_header_bytes} bytes")
        super().on_header(name, value)
        if len(self.headers) > settings.max_headers:
            self._stop_parsing(431, f"a request may have at most {settings.max_headers} headers")

    def on_headers_complete(self) -> None:
        parser = cast("httptools.HttpRequestParser", self.parser)  # which calls this
        self._upgrading = parser.should_upgrade()
        self._check_head(parser.get_http_version(), parser.get_method())
        cast("dict[str, Any]", self.scope)["extensions"] = {CONNECTION: {"admit": self.visit.admit}}
        if self._proxied:
            try:
                self._crowd.speak_for(self.visit, network_of(client_address(self.scope, self._settings)))
            except NoRoom as full:
                self._stop_parsing(full.status, str(full))
        self.visit.step(Phase.BODY)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._payload += len(body)
        self._framing_left += (FRAMING + 1) * len(body)
        self._body_parts += 1
        if self._body_parts > SMALL_PARTS + self._payload // PART_BYTES:
            self._stop_parsing(413, "the body comes in too many small parts")
        # Those who read a body bound it; this is for what nobody reads.
        if self._payload > 2 * self._settings.max_frame_bytes:
            self._stop_parsing(413, f"a request may have at most {self._settings.max_frame_bytes} bytes")
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._upgrading or not self.cycle.response_complete:
            self.visit.step(Phase.ANSWERING)
        else:
            self._to_rest()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.visit.phase is Phase.ANSWERING and not self.bounded.is_closing() and self.cycle.response_complete:
            self._to_rest()

    def _to_rest(self) -> None:
        if self._proxied:
            self.visit.forget()
            self._crowd.speak_for(self.visit, None)
        self.visit.step(Phase.KEPT)

    def _count(self, before: Phase, length: int) -> None:
        match self.visit.phase:
            case Phase.HEAD if before in {Phase.SILENT, Phase.KEPT, Phase.HEAD}:
                # A head that began behind something else in this part is counted from the next part on.
                self._head_bytes += length
                if self._head_bytes >= self._settings.max_head_bytes:
                    limit = self._settings.max_head_bytes
                    self._refuse(431, f"the head of a request may have at most {limit} bytes")
            case Phase.BODY:
                self._framing_left -= length
                if self._framing_left < 0:
                    self._refuse(413, "too much comes beside the body: chunk extensions or trailers")
            case _:
                pass

    def _check_head(self, version: str, method: bytes) -> None:
        if version not in {"1.1", "1.0"}:
            self._stop_parsing(505, "this server speaks HTTP/1.1")
        if method == b"CONNECT":
            self._stop_parsing(501, "this server is no proxy")
        if version == "1.0" and any(name == b"transfer-encoding" for name, _ in self.headers):
            # Whoever stands in front may have framed it otherwise (RFC 9112, 6.1).
            self._stop_parsing(400, "HTTP/1.0 has no Transfer-Encoding")
        if self._upgrading and self._should_upgrade() and any(map(_says_body, self.headers)):
            # A handshake is a head and nothing else (RFC 6455, 4.1); websockets reads no further, and doesn't say so.
            self._stop_parsing(400, "a WebSocket's handshake has no body")
        if not self.url.startswith(b"/") and self.url != b"*":
            self._take_whole_address()
        try:
            httptools.parse_url(self.url)
        except httptools.HttpParserInvalidURLError:
            self._stop_parsing(400, "the address of the request is not valid")

    def _take_whole_address(self) -> None:
        """`GET http://host/path`: the host of the target counts, and the header is ignored (RFC 9112, 3.2.2)."""
        try:
            parts = urlsplit(self.url.decode("ascii"))
        except ValueError:
            self._stop_parsing(400, "the address of the request is not valid")
        if parts.scheme.lower() not in {"http", "https"} or not parts.netloc:
            self._stop_parsing(400, "the address of the request is not valid")
        self.url = (parts.path or "/").encode() + (f"?{parts.query}".encode() if parts.query else b"")
        self.headers[:] = [
            *((name, value) for name, value in self.headers if name != b"host"),
            (b"host", parts.netloc.encode()),
        ]

    def _answers_under_way(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None until the first head
        return cycle is not None and not cycle.response_complete

    def _upgrade(self) -> None:
        if self._should_upgrade() and not self._answers_under_way():
            self.handle_websocket_upgrade()
        else:
            # It is answered as if it hadn't asked, or not at all if answers to others are due first; the parser can't
            # go on behind such a request.
            self.cycle.keep_alive = False
            self._deaf = True

    # Refusing

    def _stop_parsing(self, status: int, message: str) -> NoReturn:
        self._refusal = (status, message)
        raise _Refused

    def _expire(self) -> None:
        match self.visit.phase:
            case Phase.HEAD | Phase.BODY if self.flow.read_paused:
                self.visit.wait_anew()
            case Phase.HEAD:
                self._refuse(408, "the head of the request took too long")
            case Phase.BODY:
                self._refuse(408, "the body of the request took too long")
            case Phase.SILENT | Phase.KEPT:
                self.bounded.close_now()
            case _:
                self.bounded.abort()

    def _refuse(self, status: int, message: str) -> None:
        """Answer for the last time, if an answer can still be told apart from others; then close."""
        self._deaf = True
        under_way = self._answers_under_way()
        if self.visit.phase is Phase.BODY and not under_way:
            self.bounded.close()  # it has had its answer
            return
        in_body = under_way and self.visit.phase is Phase.BODY
        if in_body and not self.cycle.response_started and not self.pipeline:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        elif in_body and not self.pipeline:
            # Half an answer is out: the rest of it comes, and then the end.
            self.cycle.keep_alive = False
            self.visit.step(Phase.ANSWERING)
            return
        elif in_body:
            self.bounded.abort()
            return
        elif under_way:
            # The requests before this one get their answers, and the last of them says that it is the last.
            self.cycle.keep_alive = False
            return
        content = json.dumps(
            {
                "type": "about:blank",
                "title": HTTPStatus(status).phrase,
                "status": status,
                "detail": message,
                "code": _CODES.get(status, "invalid_request"),
            }
        ).encode()
        headers = [
            b"content-type: application/problem+json",
            b"content-length: %d" % len(content),
            b"connection: close",
            *([b"retry-after: 1"] if status in {429, 503} else []),
        ]
        self.bounded.write(STATUS_LINE[status] + b"\r\n".join([*headers, b"", content]))
        self.bounded.close()

    def _linger(self) -> bool:
        """Before a close: let a peer that still sends take its answer. Whether the close comes later."""
        unread = self._deaf or self.visit.phase in {Phase.SILENT, Phase.HEAD, Phase.BODY}
        if not unread or self.visit.phase in {Phase.LEAVING, Phase.GONE} or self.bounded.is_lost():
            return False
        self._deaf = True
        self.visit.step(Phase.LEAVING)
        self.bounded.write_eof()
        self.flow.resume_reading()
        return True


def _says_body(header: tuple[bytes, bytes]) -> bool:
    name, value = header
    return name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
