"""The pages for people: sign in, and what to do next."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

__all__ = ["STATIC", "install_pages"]

STATIC = Path(__file__).parents[1] / "static"
"""The files that browsers get; they are in the wheel."""


def install_pages(app: FastAPI) -> None:
    """Serve the pages and their files."""
    app.add_route("/", _page("index.html"), include_in_schema=False)
    app.add_route("/sign-in", _page("sign-in.html"), include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC))


def _page(name: str):
    async def page(_request: Request) -> FileResponse:
        return FileResponse(STATIC / name, headers={"Cache-Control": "no-cache"})

    return page
