"""Finds where the two sides of an async interface disagree about how it is called.

The command `awaitguard` checks source trees. The functions here are for tests: they look at live objects, and at dotted
names without importing them.
"""

import os
import sys

# `python -m` puts the working directory first, and there a project's http.py or token.py would take the place of the
# library's. While the package of the module is imported, `-m` stands where its path will.
if sys.argv[:1] == ["-m"] and sys.path[:1] in ([""], [os.getcwd()]):
    del sys.path[0]

from awaitguard.compliance import Mismatch, assert_family, assert_same_interface, check_interface
from awaitguard.live import Parameter, Signature, signature
from awaitguard.version import __version__

__all__ = [
    "__version__",
    "signature",
    "Signature",
    "Parameter",
    "check_interface",
    "assert_same_interface",
    "assert_family",
    "Mismatch",
]
