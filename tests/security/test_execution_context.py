"""The context that every act carries: it names one user, can't be changed, and nothing acts for another with it."""

from __future__ import annotations

import copy
import dataclasses
from datetime import datetime
from typing import Any

import pytest

from netra_backend.app.protocol.events import ThreadRenamed
from netra_backend.app.services.user_execution_context import (
    MAX_DEPTH,
    ContextDepthExceeded,
    InvalidContext,
    UserExecutionContext,
)
from netra_backend.app.websocket_core.canonical_imports import create_websocket_manager
from netra_backend.app.websocket_core.websocket_manager import LogNotBound, WrongUser, get_websocket_manager
from tests.harness.server import RunningServer

NAMES = ("user_id", "thread_id", "run_id", "request_id", "websocket_client_id")
REFUSED = ("", "none", "null", "default", "placeholder", "unknown")
FORMS = [
    form
    for name in REFUSED
    for form in (name, name.upper(), name.title(), f" {name} ", f"\t{name}\n", f"\u00a0{name}\u3000")
]


@pytest.mark.parametrize("field", NAMES)
@pytest.mark.parametrize("value", FORMS, ids=ascii)
def test_a_name_that_names_nobody_is_refused_in_every_field(field: str, value: str) -> None:
    with pytest.raises(InvalidContext) as refused:
        UserExecutionContext(**({"user_id": "u1"} | {field: value}))
    assert refused.value.field == field


@pytest.mark.parametrize("value", ["none-such", "nulla", "default_user", "the unknown", "0", "False", "undefined1"])
def test_only_whole_values_are_refused(value: str) -> None:
    assert UserExecutionContext(user_id=value).user_id == value


@pytest.mark.parametrize("field", NAMES)
@pytest.mark.parametrize("value", [0, 1, True, b"u1", ["u1"], {"id": "u1"}, object()])
def test_an_id_is_a_string(field: str, value: object) -> None:
    given: dict[str, Any] = {"user_id": "u1"} | {field: value}
    with pytest.raises(InvalidContext):
        UserExecutionContext(**given)


def test_a_user_is_required_and_the_rest_is_made_or_absent() -> None:
    with pytest.raises(TypeError):
        UserExecutionContext()  # pyright: ignore[reportCallIssue]
    with pytest.raises(InvalidContext):
        UserExecutionContext(user_id=None)  # pyright: ignore[reportArgumentType]
    first, second = UserExecutionContext(user_id="u1"), UserExecutionContext(user_id="u1")
    assert (first.thread_id, first.run_id, first.websocket_client_id) == (None, None, None)
    assert first.request_id != second.request_id
    assert first.created_at.tzinfo is not None
    assert first != second


@pytest.mark.parametrize("when", [datetime(2026, 1, 1), "2026-01-01", None, 1])  # noqa: DTZ001 - that is the point
def test_the_time_is_one_with_a_zone(when: object) -> None:
    with pytest.raises(InvalidContext):
        UserExecutionContext(user_id="u1", created_at=when)  # pyright: ignore[reportArgumentType]


def test_it_is_immutable_all_the_way_down() -> None:
    given: dict[str, Any] = {"ip": "127.0.0.1"}
    context = UserExecutionContext(user_id="u1", metadata=given)
    given["ip"] = "changed by the caller"
    assert context.metadata["ip"] == "127.0.0.1"
    for field in dataclasses.fields(context):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(context, field.name, "somebody else")
        with pytest.raises(dataclasses.FrozenInstanceError):
            delattr(context, field.name)
    with pytest.raises((AttributeError, TypeError)):
        context.something_new = 1  # pyright: ignore[reportAttributeAccessIssue]
    assert not hasattr(context, "__dict__")
    for change in ("__setitem__", "__delitem__", "update", "pop", "clear", "setdefault"):
        assert not hasattr(context.metadata, change)
    # The values too: nothing below is a container.
    for value in ([1], {"a": 1}, {1}, (1, [2]), object(), bytearray(b"x")):
        with pytest.raises(InvalidContext):
            UserExecutionContext(user_id="u1", metadata={"deep": value})  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidContext):
        UserExecutionContext(user_id="u1", metadata=["no mapping"])  # pyright: ignore[reportArgumentType]


def test_a_child_is_the_same_user_thread_and_run_in_a_new_request() -> None:
    parent = UserExecutionContext(user_id="u1", thread_id="t1", run_id="r1", websocket_client_id="w1")
    parent = dataclasses.replace(parent, metadata={"a": 1})
    child = parent.child(b=2)
    for name in ("user_id", "thread_id", "run_id", "websocket_client_id"):
        assert getattr(child, name) == getattr(parent, name)
    assert child.request_id != parent.request_id
    assert child.created_at >= parent.created_at
    assert dict(child.metadata) == {"a": 1, "b": 2}
    assert dict(parent.metadata) == {"a": 1}
    assert (parent.depth, child.depth) == (0, 1)


def test_ten_generations_and_no_more() -> None:
    context = UserExecutionContext(user_id="u1")
    for depth in range(1, MAX_DEPTH + 1):
        context = context.child()
        assert context.depth == depth == len(range(depth))
    assert MAX_DEPTH == 10
    with pytest.raises(ContextDepthExceeded):
        context.child()
    for depth in (-1, MAX_DEPTH + 1, "3", 1.5, True):
        with pytest.raises(InvalidContext):
            UserExecutionContext(user_id="u1", depth=depth)  # pyright: ignore[reportArgumentType]


def test_it_can_be_hashed_copied_and_compared() -> None:
    context = UserExecutionContext(user_id="u1", metadata={"a": 1})
    assert len({context, dataclasses.replace(context)}) == 1
    assert copy.copy(context) == context


async def test_a_manager_is_one_users_and_refuses_every_other(server: RunningServer) -> None:
    alice, mallory = await server.person("alice"), await server.person("mallory")
    hers = await get_websocket_manager(UserExecutionContext(user_id=alice.user_id))
    again = await get_websocket_manager(user_context=UserExecutionContext(user_id=alice.user_id, thread_id="t"))
    other = await get_websocket_manager(UserExecutionContext(user_id=mallory.user_id))
    assert hers is again
    assert hers is not other

    event = ThreadRenamed(thread_id="t", title="hers")
    async with server.client(alice) as client:
        await client.resume()
        start = client.record.seq
        for user_id in (mallory.user_id, alice.user_id.upper(), f" {alice.user_id}", "", None):
            with pytest.raises(WrongUser):
                await hers.send_to_user(user_id, event)  # pyright: ignore[reportArgumentType]
        sent = await hers.send_to_user(alice.user_id, event)
        assert sent.seq == start + 1, "a refused event takes no number"
        assert sent.delivered_to == (client.ready["payload"]["connection_id"],)
        assert (await client.event())["payload"] == {"thread_id": "t", "title": "hers"}
    async with server.client(mallory) as client:
        assert client.ready["payload"]["head"] == 0

    # A socket of one user can't be hung on another's manager either.
    async with server.client(alice):
        [socket] = hers.connections
        with pytest.raises(WrongUser):
            other.attach(socket, limit=100)
    assert other.connections == ()


async def test_without_a_context_there_is_no_manager() -> None:
    for nobody in ("u1", None, {"user_id": "u1"}, object()):
        with pytest.raises(TypeError):
            await get_websocket_manager(nobody)  # pyright: ignore[reportArgumentType]
        with pytest.raises(TypeError):
            create_websocket_manager(nobody)  # pyright: ignore[reportArgumentType]


async def test_without_a_server_nothing_can_be_sent() -> None:
    manager = await get_websocket_manager(UserExecutionContext(user_id="u1"))
    with pytest.raises(LogNotBound):
        await manager.send_to_user("u1", ThreadRenamed(thread_id="t", title="x"))
