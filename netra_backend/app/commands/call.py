"""One HTTP request of a command."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx

from netra_backend.app.commands.failure import FAILED, Failure
from netra_backend.app.commands.terminal import harmless
from netra_backend.app.loopback import is_loopback

__all__ = ["call"]

TIMEOUT = 30.0


def call(method: str, url: str, path: str, *, token: str | None = None, body: object = None, **query: Any) -> Any:
    """The answer's JSON (None for an empty one). Raises `Failure` with what the server says."""
    headers = {"User-Agent": "netra"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    # A proxy can't reach what only this machine can.
    with httpx.Client(timeout=TIMEOUT, trust_env=not is_loopback(urlsplit(url).hostname or "")) as client:
        try:
            answer = client.request(method, url + path, headers=headers, json=body, params=query)
        except httpx.HTTPError as error:
            raise Failure(f"no Netra server answers at {url}: {error or type(error).__name__}") from None
    if answer.is_success:
        return answer.json() if answer.content else None
    if answer.status_code == 401 and token is not None:
        raise Failure(f"the session at {url} has ended; run: netra login --url {url}")
    raise Failure(harmless(_said(answer, url)), FAILED)


def _said(answer: httpx.Response, url: str) -> str:
    try:
        problem: dict[str, Any] = answer.json()
        detail = str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        return f"{url} answers, but not like a Netra server (HTTP {answer.status_code})"
    retry_after = problem.get("retry_after")
    return f"{detail} (try again in {retry_after:.0f} s)" if isinstance(retry_after, int | float) else detail
