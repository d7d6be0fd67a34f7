"""The chat page. Its parts have addresses of their own, which the page itself tells apart."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

__all__ = ["STATIC", "install_pages"]

STATIC = Path(__file__).parents[1] / "static"
"""The files that browsers get, built from `web/`; they are in the wheel."""

ADDRESSES = ("/", "/sign-in", "/settings", "/t/{thread_id}")

HASHED = "assets/"
"""Where the build puts files whose names change with what is in them: a browser needn't ask for one again."""

_COMPRESSIBLE = frozenset({".css", ".js", ".svg"})


class _Files(StaticFiles):
    """The page's files, text compressed. Each is compressed once, in a thread, and kept."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory)
        self._compressed: dict[str, bytes] = {}

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if path.startswith(HASHED):
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        if not isinstance(response, FileResponse) or Path(path).suffix not in _COMPRESSIBLE:
            return response
        response.headers["Vary"] = "Accept-Encoding"
        if "gzip" not in Headers(scope=scope).get("Accept-Encoding", "") or scope["method"] != "GET":
            return response
        if path not in self._compressed:
            self._compressed[path] = await asyncio.to_thread(lambda: gzip.compress(Path(response.path).read_bytes()))
        headers = {name: response.headers[name] for name in ("Cache-Control", "Vary") if name in response.headers}
        return Response(
            self._compressed[path], media_type=response.media_type, headers=headers | {"Content-Encoding": "gzip"}
        )


def install_pages(app: FastAPI) -> None:
    """Serve the pages and their files."""
    for path in ADDRESSES:
        app.add_route(path, _page, include_in_schema=False)
    app.mount("/static", _Files(STATIC))


async def _page(_request: Request) -> FileResponse:
    return FileResponse(STATIC / "index.html")
