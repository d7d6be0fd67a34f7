"""For all tests: those of the server and those of awaitguard."""

from __future__ import annotations

import signal

# A shell that starts the suite in the background has it ignore Ctrl-C, and whatever the tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
