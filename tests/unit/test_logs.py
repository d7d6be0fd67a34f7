import errno
import io
import json
import logging
import os
import pty
import sys
from collections.abc import Iterator

import pytest
import structlog

from netra_backend.app.logs import CHATTY, configure_logs

LOGGER = logging.getLogger("netra_backend.app.something")


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in CHATTY}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_lines_are_json_and_name_user_thread_and_run():
    out = io.StringIO()
    configure_logs("info", out)

    with structlog.contextvars.bound_contextvars(user_id="u", thread_id="t", run_id="r"):
        LOGGER.warning("slow %s", "model", extra={"seconds": 3})
        structlog.get_logger("other").info("started", agent="offline")
    LOGGER.debug("too fine")

    first, second = [json.loads(line) for line in out.getvalue().splitlines()]
    assert first.pop("ts").endswith("Z")
    assert first == {
        "event": "slow model",
        "level": "warning",
        "logger": LOGGER.name,
        "seconds": 3,
        "user_id": "u",
        "thread_id": "t",
        "run_id": "r",
    }
    assert (second["event"], second["agent"], second["run_id"]) == ("started", "offline", "r")


def test_secrets_are_masked_and_tracebacks_hold_no_local_variables():
    out = io.StringIO()
    configure_logs("info", out)

    def fail():
        hidden = "s3cr3t-value"
        raise RuntimeError(f"broke after {len(hidden)}")

    LOGGER.info("a", extra={"password": "s3cr3t-value", "api_key": "s3cr3t-value", "Set-Cookie": "s3cr3t-value"})
    structlog.get_logger().info("b", session_token="s3cr3t-value", authorization="s3cr3t-value")
    try:
        fail()
    except RuntimeError:
        LOGGER.exception("c")

    assert "s3cr3t-value" not in out.getvalue()
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert lines[0]["password"] == "***"
    assert "RuntimeError: broke after 12" in lines[2]["exception"]


def test_a_line_that_cannot_be_formatted_is_shown_and_does_not_raise():
    out = io.StringIO()
    configure_logs("info", out)

    LOGGER.error("%d things", "not a number")

    assert "%d things" in out.getvalue()


class Full(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_or_a_closed_terminal_does_not_raise(monkeypatch):
    configure_logs("info", Full())
    LOGGER.error("lost")

    closed = io.StringIO()
    configure_logs("info", closed)
    closed.close()
    LOGGER.error("lost")

    read, write = os.pipe()
    with os.fdopen(write, "w") as stream:
        configure_logs("info", stream)
        os.close(read)
        LOGGER.error("lost")  # EPIPE

    with open("/dev/full", "w") as full:
        configure_logs("info", full)
        LOGGER.error("lost")


def test_a_person_gets_readable_lines_without_control_characters():
    main, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as stream:
        configure_logs("info", stream)
        LOGGER.warning("said \x1b]0;owned\x07 and \u202etxt", extra={"title": "\x9b2J"})
        try:
            raise RuntimeError("in \x1b[2J trace")
        except RuntimeError:
            LOGGER.exception("broke")
        shown = b""
        while b"RuntimeError" not in shown or not shown.endswith(b"\n"):
            shown += os.read(main, 65536)
    os.close(main)
    text = shown.decode()

    assert "said \\u001b]0;owned\\u0007 and \\u202etxt" in text
    assert "\x9b" not in text
    assert "in \\u001b[2J trace" in text
    assert not text.lstrip("\x1b").startswith("{")


def test_sockets_are_not_written_with_their_query_string():
    out = io.StringIO()
    configure_logs("debug", out)
    logging.getLogger("uvicorn.error").info('127.0.0.1:1 - "WebSocket /ws?token=secret" [accepted]')
    logging.getLogger("uvicorn.error").error("a defect")

    assert "secret" not in out.getvalue()
    assert "a defect" in out.getvalue()
    assert sys.stderr is not out
