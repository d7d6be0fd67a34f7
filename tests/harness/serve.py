"""A server as a program: `create_app` under uvicorn, with the settings of the environment (`ServerProcess`)."""

from __future__ import annotations

import logging

import uvicorn

from netra_backend.app.main import create_app
from netra_backend.app.settings import load_settings


def main() -> None:
    settings = load_settings()
    logging.basicConfig(level="INFO")
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        lifespan="on",
        ws="websockets-sansio",
        ws_max_size=settings.max_frame_bytes,
        ws_per_message_deflate=False,
        access_log=False,
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main()
