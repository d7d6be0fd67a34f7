"""Log-in over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.requests import Request

from netra_backend.app.auth.passwords import MAX_LENGTH
from netra_backend.app.auth.sign_in import SignedIn
from netra_backend.app.auth.tickets import TICKET_SECONDS
from netra_backend.app.client_address import client_address
from netra_backend.app.protocol.codec import now_ms, rfc3339
from netra_backend.app.routes.dependencies import AccessNow, auth_services
from netra_backend.app.routes.problems import Problem, problem_responses
from netra_backend.app.storage.known_devices import KnownDevices
from netra_backend.app.storage.sessions import Session, Sessions

__all__ = ["router"]

router = APIRouter(prefix="/api", tags=["log-in"], responses=problem_responses(401, 403, 413, 422, 429, 503))

Password = Annotated[str, Field(max_length=MAX_LENGTH)]
Code = Annotated[str, Field(min_length=1, max_length=200)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Login(_Body):
    """An account's e-mail address and password."""

    email: Annotated[str, Field(min_length=1, max_length=320)]
    password: Password


class Redeem(_Body):
    """A one-time sign-in code, as in the fragment of a sign-in link."""

    code: Code


class NewPassword(_Body):
    """The password from now on; the current one is needed where the account has one."""

    new_password: Password
    current_password: Password | None = None


class TicketFor(_Body):
    """The origin of the page that will use the ticket; absent: this request's own, or none for a program."""

    origin: Annotated[str, Field(max_length=300)] | None = None


class Account(BaseModel):
    """Whose session it is."""

    id: str
    email: str
    role: str


class SignedInAnswer(BaseModel):
    """A new session. `token` is the bearer for programs; browsers have it as a cookie."""

    token: str
    user: Account
    expires_at: str


class Me(BaseModel):
    """Who asks, and in which session."""

    user: Account
    session_id: str
    expires_at: str
    has_password: bool


class SessionInfo(BaseModel):
    """One of the account's sessions. `label` is what the program that signed in called itself."""

    id: str
    label: str
    created_at: str
    last_seen_at: str
    expires_at: str
    current: bool


class SessionList(BaseModel):
    """The account's sessions, newest first."""

    sessions: list[SessionInfo]


class Revoked(BaseModel):
    """How many sessions were ended."""

    revoked: int


class Ticket(BaseModel):
    """Opens one socket, as the payload of its first frame. `expires_in` is in seconds."""

    ticket: str
    expires_in: int


@router.post("/auth/login")
async def login(body: Login, request: Request, response: Response) -> SignedInAnswer:
    """Start a session with a password."""
    services = auth_services(request)
    services.authenticator.check_page(request)
    signed_in = await services.sign_in.with_password(
        body.email,
        body.password,
        address=_address(request),
        label=_label(request),
        device=services.authenticator.device_of(request),
    )
    return _signed_in(request, response, signed_in)


@router.post("/auth/redeem")
async def redeem(body: Redeem, request: Request, response: Response) -> SignedInAnswer:
    """Start a session with a one-time sign-in code."""
    services = auth_services(request)
    services.authenticator.check_page(request)
    signed_in = await services.sign_in.with_code(
        body.code, label=_label(request), device=services.authenticator.device_of(request)
    )
    return _signed_in(request, response, signed_in)


@router.post("/auth/logout", status_code=204)
async def logout(access: AccessNow, request: Request, response: Response) -> None:
    """End this session; its sockets are closed."""
    services = auth_services(request)
    await services.registry.end(_end_one(access.user_id, access.session.id))
    services.authenticator.clear_cookie(response)


@router.get("/auth/me")
async def me(access: AccessNow, request: Request) -> Me:
    """Who asks."""
    return Me(
        user=_account(access.session),
        session_id=access.session.id,
        expires_at=rfc3339(access.session.expires_at),
        has_password=await auth_services(request).sign_in.has_password(access),
    )


@router.post("/auth/password", status_code=204)
async def change_password(body: NewPassword, access: AccessNow, request: Request) -> None:
    """Set the password; the account's other sessions are ended."""
    services = auth_services(request)
    await services.sign_in.change_password(
        access, body.current_password, body.new_password, device=services.authenticator.device_of(request)
    )


@router.get("/auth/sessions")
async def list_sessions(access: AccessNow, request: Request) -> SessionList:
    """The account's sessions."""
    found = await auth_services(request).log.query(
        lambda connection: Sessions(connection).of_user(access.user_id, now_ms())
    )
    return SessionList(sessions=[_info(session, access.session.id) for session in found])


@router.delete("/auth/sessions/{session_id}", status_code=204, responses=problem_responses(404))
async def revoke_session(session_id: str, access: AccessNow, request: Request) -> None:
    """End one of the account's sessions; its sockets are closed."""
    if not await auth_services(request).registry.end(_end_one(access.user_id, session_id)):
        raise Problem(404, "not_found", "there is no such session")


@router.post("/auth/sessions/revoke-all")
async def revoke_all(access: AccessNow, request: Request, response: Response) -> Revoked:
    """End all of the account's sessions, this one too, and forget its devices."""
    services = auth_services(request)

    def end(connection: Connection) -> set[str]:
        KnownDevices(connection).forget(access.user_id)
        return Sessions(connection).revoke_all(access.user_id, now_ms())

    ended = await services.registry.end(end)
    services.authenticator.clear_cookie(response)
    return Revoked(revoked=len(ended))


@router.post("/ws-ticket")
async def ticket(access: AccessNow, request: Request, body: TicketFor | None = None) -> Ticket:
    """A ticket that opens one socket as this session, from the page it was made for."""
    origin = (body.origin if body else None) or request.headers.get("origin")
    made = auth_services(request).authenticator.issue_ticket(access, origin)
    return Ticket(ticket=made, expires_in=TICKET_SECONDS)


def _end_one(user_id: str, session_id: str) -> Callable[[Connection], set[str]]:
    def end(connection: Connection) -> set[str]:
        return {session_id} if Sessions(connection).revoke(user_id, session_id, now_ms()) else set()

    return end


def _signed_in(request: Request, response: Response, signed_in: SignedIn) -> SignedInAnswer:
    auth_services(request).authenticator.set_cookies(response, signed_in.token, signed_in.device)
    session = signed_in.session
    return SignedInAnswer(token=signed_in.token, user=_account(session), expires_at=rfc3339(session.expires_at))


def _account(session: Session) -> Account:
    return Account(id=session.user_id, email=session.email, role=session.role)


def _info(session: Session, current: str) -> SessionInfo:
    return SessionInfo(
        id=session.id,
        label=session.label,
        created_at=rfc3339(session.created_at),
        last_seen_at=rfc3339(session.last_seen_at),
        expires_at=rfc3339(session.expires_at),
        current=session.id == current,
    )


def _address(request: Request) -> str:
    return client_address(request.scope, auth_services(request).settings)


def _label(request: Request) -> str:
    return request.headers.get("user-agent", "").strip() or "unnamed program"
