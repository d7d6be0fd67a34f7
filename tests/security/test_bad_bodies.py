"""Requests that are wrong: a problem with a documented code and the field's path, never a 500, and no trace."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from netra_backend.app.protocol.document import ERROR_CODES
from tests.harness.server import RunningServer
from tests.security.stage import everything_of

CODES = set(ERROR_CODES) | {"invalid_request", "method_not_allowed"}
SAY = {"text": "hello", "client_message_id": "c1"}
MESSAGES = "/api/threads/{thread}/messages"


def cursor(text: str | bytes) -> str:
    return base64.urlsafe_b64encode(text.encode() if isinstance(text, str) else text).decode()


BAD: dict[str, tuple[str, str, Any, int, str | None]] = {
    # what is wrong: (method, path, body as JSON or bytes, status, field)
    "no body": ("POST", MESSAGES, None, 422, None),
    "no JSON": ("POST", MESSAGES, b"hello", 400, None),
    "invalid UTF-8": ("POST", MESSAGES, b'{"text":"\xff","client_message_id":"c1"}', 400, None),
    "deep": ("POST", MESSAGES, b"[" * 100_000, 400, None),
    "deep inside": ("POST", MESSAGES, b'{"text":' + b"[" * 90_000 + b"]" * 90_000 + b"}", 400, None),
    "a huge number": ("POST", MESSAGES, b'{"text":' + b"9" * 10_000 + b"}", 400, None),
    "a list": ("POST", MESSAGES, [], 422, None),
    "no text": ("POST", MESSAGES, {"client_message_id": "c1"}, 422, "text"),
    "text a number": ("POST", MESSAGES, SAY | {"text": 1}, 422, "text"),
    "text empty": ("POST", MESSAGES, SAY | {"text": ""}, 422, "text"),
    "text blank": ("POST", MESSAGES, SAY | {"text": " \n"}, 422, "text"),
    "text with NUL": ("POST", MESSAGES, SAY | {"text": "a\0"}, 422, "text"),
    "text too long": ("POST", MESSAGES, SAY | {"text": "x" * 100_001}, 413, "text"),
    "text a lone surrogate": ("POST", MESSAGES, SAY | {"text": "\ud83d"}, 422, "text"),
    "message id a lone surrogate": ("POST", MESSAGES, SAY | {"client_message_id": "\udc00"}, 422, "client_message_id"),
    "message id with NUL": ("POST", MESSAGES, SAY | {"client_message_id": "\0"}, 422, "client_message_id"),
    "a field too many": ("POST", MESSAGES, SAY | {"user_id": "x"}, 422, "user_id"),
    "a field named by a surrogate": ("POST", MESSAGES, SAY | {"\ud800": "x"}, 422, None),
    "a field with a long name": ("POST", MESSAGES, SAY | {"n" * 9999: "x"}, 422, "n" * 100),
    "when_busy unknown": ("POST", MESSAGES, SAY | {"when_busy": "replace"}, 422, "when_busy"),
    "body too large": ("POST", MESSAGES, b" " * (512 * 1024 + 1), 413, None),
    "title with NUL": ("POST", "/api/threads", {"title": "a\0b"}, 422, "title"),
    "title a surrogate": ("POST", "/api/threads", {"title": "\udead"}, 422, "title"),
    "title empty": ("POST", "/api/threads", {"title": ""}, 422, "title"),
    "title too long": ("POST", "/api/threads", {"title": "x" * 201}, 422, "title"),
    "title null": ("PATCH", "/api/threads/{thread}", {"title": None}, 422, None),
    "new title with NUL": ("PATCH", "/api/threads/{thread}", {"title": "\0"}, 422, "title"),
    "reason with NUL": ("POST", "/api/runs/stop", {"reason": "\0"}, 422, "reason"),
    "reason too long": ("POST", "/api/runs/stop", {"reason": "x" * 201}, 422, "reason"),
    "limit zero": ("GET", "/api/threads?limit=0", None, 422, "limit"),
    "limit huge": ("GET", "/api/threads?limit=99999999999999999999999", None, 422, "limit"),
    "limit a word": ("GET", "/api/runs?limit=all", None, 422, "limit"),
    "before huge": ("GET", "/api/threads/{thread}?before=99999999999999999999", None, 422, "before"),
    "after negative": ("GET", "/api/threads/{thread}/events?after=-1", None, 422, "after"),
    "cursor not ours": ("GET", "/api/threads?cursor=hello", None, 422, "cursor"),
    "cursor empty": ("GET", "/api/threads?cursor=", None, 422, "cursor"),
    "cursor not text": ("GET", "/api/threads?cursor=" + cursor(b"\xff\xfe"), None, 422, "cursor"),
    "cursor of no ascii": ("GET", "/api/threads?cursor=%F0%9F%98%80", None, 422, "cursor"),
    "cursor endless": ("GET", "/api/threads?cursor=" + cursor("9" * 30 + " x"), None, 422, "cursor"),
    "cursor below": ("GET", "/api/threads?cursor=" + cursor("-" + "9" * 30 + " x"), None, 422, "cursor"),
    "thread unknown": ("GET", "/api/threads/nothing", None, 404, None),
    "thread with NUL": ("GET", "/api/threads/%00", None, 404, None),
    "thread not UTF-8": ("GET", "/api/threads/%FF%FE", None, 404, None),
    "thread long": ("GET", "/api/threads/" + "x" * 5000, None, 404, None),
    "thread none": ("DELETE", "/api/threads/none", None, 404, "thread_id"),
    "thread blank": ("DELETE", "/api/threads/%20", None, 404, "thread_id"),
    "to thread none": ("POST", "/api/threads/none/messages", SAY, 404, "thread_id"),
    "run none": ("POST", "/api/runs/none/stop", None, 404, "run_id"),
    "run NULL": ("POST", "/api/runs/NULL/stop", {}, 404, "run_id"),
    "run unknown": ("GET", "/api/runs/none", None, 404, None),
    "run's thread unknown": ("GET", "/api/runs?thread_id=default", None, 404, None),
    "session unknown": ("DELETE", "/api/auth/sessions/none", None, 404, None),
    "wrong method": ("PUT", "/api/threads", {}, 405, None),
    "no such route": ("GET", "/api/nothing", None, 404, None),
    "password with a surrogate": ("POST", "/api/auth/password", {"new_password": "\ud800" * 12}, 422, "new_password"),
    "e-mail with NUL": ("POST", "/api/auth/login", {"email": "\0", "password": "x"}, 401, None),
    "e-mail a surrogate": ("POST", "/api/auth/login", {"email": "\ud800", "password": "x"}, 422, "email"),
    "password a surrogate": ("POST", "/api/auth/login", {"email": "a", "password": "\ud800"}, 422, "password"),
    "code a surrogate": ("POST", "/api/auth/redeem", {"code": "\ud800"}, 422, "code"),
    "origin with a bad port": ("POST", "/api/ws-ticket", {"origin": "http://x:99999999"}, 403, None),
    "origin a surrogate": ("POST", "/api/ws-ticket", {"origin": "\ud800"}, 422, "origin"),
}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, "name what to change: title, pinned or archived"),
        ({"title": None}, "name what to change: title, pinned or archived"),
        ({"pinned": True, "archived": True}, "a thread is pinned or archived, not both"),
        ([], "the body is needed, as JSON with Content-Type application/json"),
    ],
)
async def test_what_is_wrong_with_a_body_as_a_whole_is_said(server: RunningServer, change: object, why: str) -> None:
    alice = await server.person("alice")
    async with server.http(alice) as http:
        thread = (await http.post("/api/threads", json={"title": "mine"})).json()["id"]
        answer = await http.patch(f"/api/threads/{thread}", json=change)
        assert (answer.status_code, answer.json()["detail"]) == (422, why)


async def test_every_wrong_request_is_explained_and_leaves_no_trace(server: RunningServer) -> None:
    alice = await server.person("alice")
    async with server.http(alice) as http:
        thread = (await http.post("/api/threads", json={"title": "mine"})).json()["id"]
        before = await everything_of(server, alice)
        wrong: list[str] = []
        for what, (method, path, body, status, field) in BAD.items():
            content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            answer = await http.request(
                method, path.format(thread=thread), content=content, headers={"Content-Type": "application/json"}
            )
            problem = answer.json() if answer.content else {}
            kind = answer.headers.get("content-type")
            got = (answer.status_code, problem.get("field"), kind, len(answer.content) < 1000)
            if got != (status, field, "application/problem+json", True) or problem["code"] not in CODES:
                wrong.append(f"{what}: {answer.status_code} {answer.text[:200]}")
        assert not wrong, "\n".join(wrong)
        assert await everything_of(server, alice) == before


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "bearer\u00a0x", "token x", ""])
async def test_a_header_that_names_no_session_is_refused_alike(server: RunningServer, header: str) -> None:
    async with server.http() as http:
        answer = await http.get("/api/snapshot", headers={"Authorization": header.encode()})
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
        assert answer.headers["www-authenticate"] == "Bearer"
