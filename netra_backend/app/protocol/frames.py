"""What a client may send: the frames, and how a wrong one is explained.

Source of every name and field: the contract, section 3. Unknown fields are refused, so that a misspelt option
is an error and not a silent default.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

__all__ = [
    "Authenticate",
    "ClientFrame",
    "FRAMES",
    "FrameError",
    "Ping",
    "Resume",
    "StopAgent",
    "StopAgentBody",
    "UserMessage",
    "UserMessageBody",
    "WhenBusy",
    "decode_frame",
]

FrameId = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
WhenBusy = Literal["reject", "queue", "interrupt"]


class _Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class AuthenticateBody(_Body, frozen=True, kw_only=True):
    """Either of the two: a single-use ticket from `POST /api/ws-ticket`, or a session token."""

    ticket: Name | None = None
    token: Name | None = None


class ResumeBody(_Body, frozen=True, kw_only=True):
    """The cursor: the last number the client has taken, and the life of the log it belongs to. Both or neither."""

    epoch: Name | None = None
    seq: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None


class UserMessageBody(_Body, frozen=True, kw_only=True):
    """A message that starts a run. `client_message_id` makes repeating it harmless."""

    text: Annotated[str, msgspec.Meta(min_length=1)]
    client_message_id: Name
    thread_id: Name | None = None
    when_busy: WhenBusy = "reject"


class StopAgentBody(_Body, frozen=True, kw_only=True):
    """Which runs to stop: one, those of a thread, or (neither given) all of the user's."""

    run_id: Name | None = None
    thread_id: Name | None = None
    reason: Annotated[str, msgspec.Meta(max_length=200)] | None = None


class PingBody(_Body, frozen=True, kw_only=True):
    """Nothing."""


class _Frame(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    id: FrameId


class Authenticate(_Frame, frozen=True, kw_only=True, tag="authenticate"):
    """The first frame, when the handshake carried no credentials."""

    payload: AuthenticateBody


class Resume(_Frame, frozen=True, kw_only=True, tag="resume"):
    """Start the flow of events, from a cursor or from the head."""

    payload: ResumeBody


class UserMessage(_Frame, frozen=True, kw_only=True, tag="user_message"):
    """Say something; starts a run."""

    payload: UserMessageBody


class StopAgent(_Frame, frozen=True, kw_only=True, tag="stop_agent"):
    """Stop runs."""

    payload: StopAgentBody


class Ping(_Frame, frozen=True, kw_only=True, tag="ping"):
    """Ask whether the server is there."""

    payload: PingBody = PingBody()


ClientFrame = Authenticate | Resume | UserMessage | StopAgent | Ping

FRAMES: dict[str, type[msgspec.Struct]] = {
    "authenticate": Authenticate,
    "resume": Resume,
    "user_message": UserMessage,
    "stop_agent": StopAgent,
    "ping": Ping,
}


class FrameError(Exception):
    """A frame that can't be taken. Carries what the `error` frame says; `reply_to` is None if its id was unreadable."""

    def __init__(self, code: str, message: str, *, field: str | None = None, reply_to: str | None = None) -> None:
        self.code = code
        self.message = message
        self.field = field
        self.reply_to = reply_to
        super().__init__(message)


class _Head(msgspec.Struct):
    type: str | None = None
    id: FrameId | None = None


_head_decoder = msgspec.json.Decoder(_Head)
_frame_decoder = msgspec.json.Decoder(ClientFrame)
_PATH = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")


def decode_frame(data: str) -> ClientFrame:
    """Read one client frame.

    Raises `FrameError` with the path of the field and the reason; its code is `unknown_type` or `invalid_frame`.
    """
    try:
        head = _head_decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        reason, field = explain(error)
        raise FrameError("invalid_frame", reason, field=field) from None
    if head.type is None:
        raise FrameError("invalid_frame", "a frame needs a type", field="type", reply_to=head.id)
    if head.type not in FRAMES:
        known = ", ".join(FRAMES)
        message = f"there is no frame of this type; known are {known}"
        raise FrameError("unknown_type", message, field="type", reply_to=head.id)
    try:
        return _frame_decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        reason, field = explain(error)
        raise FrameError("invalid_frame", reason, field=field, reply_to=head.id) from None


def explain(error: Exception) -> tuple[str, str | None]:
    """What was wrong, for a person, and the path of the field where that is known."""
    if isinstance(error, RecursionError):
        return "the JSON is nested too deep", None
    text = str(error)
    found = _PATH.search(text)
    if found is None:
        return (text if isinstance(error, msgspec.ValidationError) else f"not valid JSON: {text}"), None
    return text[: found.start()], found.group(1) or None
