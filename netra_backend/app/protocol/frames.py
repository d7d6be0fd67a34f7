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
    "NO_NUL",
    "Ping",
    "Resume",
    "StopAgent",
    "StopAgentBody",
    "UserMessage",
    "UserMessageBody",
    "WhenBusy",
    "decode_frame",
]

NO_NUL = r"^[^\x00]*$"
"""Not every engine can keep a NUL."""

FrameId = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=NO_NUL)]
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
    reason: Annotated[str, msgspec.Meta(max_length=200, pattern=NO_NUL)] | None = None


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
    # Read apart, so that an error can name the frame it answers whatever else is wrong with it.
    type: msgspec.Raw = msgspec.Raw(b"null")
    id: msgspec.Raw = msgspec.Raw(b"null")


_head_decoder = msgspec.json.Decoder(_Head)
_type_decoder = msgspec.json.Decoder(str | None)
_id_decoder = msgspec.json.Decoder(FrameId)
_frame_decoder = msgspec.json.Decoder(ClientFrame)
_PATH = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")
_FIELD = re.compile(r"^Object (?:missing required|contains unknown) field `(.*)`$", re.DOTALL)
SHOWN = 100
"""How much of a client's own words an error repeats."""


def decode_frame(data: str) -> ClientFrame:
    """Read one client frame.

    Raises `FrameError` with the path of the field and the reason; its code is `unknown_type` or `invalid_frame`.
    """
    reply_to: str | None = None
    try:
        head = _head_decoder.decode(data)
        reply_to = _readable_id(head.id)
        kind = _type_decoder.decode(head.type)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        reason, field = explain(error)
        if isinstance(error, msgspec.ValidationError) and reply_to is not None:
            field = "type"
        raise FrameError("invalid_frame", reason, field=field, reply_to=reply_to) from None
    if kind is None:
        raise FrameError("invalid_frame", "a frame needs a type", field="type", reply_to=reply_to)
    if kind not in FRAMES:
        known = ", ".join(FRAMES)
        message = f"there is no frame of this type; known are {known}"
        raise FrameError("unknown_type", message, field="type", reply_to=reply_to)
    try:
        return _frame_decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        reason, field = explain(error)
        raise FrameError("invalid_frame", reason, field=field, reply_to=reply_to) from None


def _readable_id(raw: msgspec.Raw) -> str | None:
    try:
        return _id_decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeError):
        return None


def explain(error: Exception) -> tuple[str, str | None]:
    """What was wrong, for a person, and the path of the field where that is known."""
    if isinstance(error, RecursionError):
        return "the JSON is nested too deep", None
    text = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return f"not valid JSON: {text}", None
    found = _PATH.search(text)
    reason, path = (text[: found.start()], found.group(1)) if found is not None else (text, "")
    if NO_NUL in reason:
        return "a NUL character isn't allowed here", path
    named = _FIELD.match(reason)
    if named is not None:
        name = named.group(1)[:SHOWN]
        reason = f"{'a required' if 'missing' in reason[:20] else 'no such'} field: `{name}`"
        path = f"{path}.{name}" if path else name
    return reason[: 2 * SHOWN], path or None
