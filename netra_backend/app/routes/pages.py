"""The chat page. Its parts have addresses of their own, which the page itself tells apart."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

__all__ = ["STATIC", "install_pages"]

STATIC = Path(__file__).parents[1] / "static"
"""The files that browsers get, built from `web/`; they are in the wheel."""

ADDRESSES = ("/", "/sign-in", "/settings", "/t/{thread_id}")


def install_pages(app: FastAPI) -> None:
    """Serve the pages and their files."""
    for path in ADDRESSES:
        app.add_route(path, _page, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC))


async def _page(_request: Request) -> FileResponse:
    return FileResponse(STATIC / "index.html")
