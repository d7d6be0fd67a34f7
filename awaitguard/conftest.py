"""Make `awaitguard` mean the package for the tests.

This directory has the package's name, and pytest's importlib mode makes a namespace module of it while it imports the
first file in here. Everything after this file must see the installed package instead.
"""

import importlib
import sys

if not getattr(sys.modules.get("awaitguard"), "__file__", None):
    sys.modules.pop("awaitguard", None)
    importlib.import_module("awaitguard")
