"""For all tests: those of the server and those of awaitguard."""

from __future__ import annotations

import signal

from hypothesis import settings

# A shell that starts the suite in the background has it ignore Ctrl-C, and whatever the tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No example fails for being slow: how long one takes is the machine's affair.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")
