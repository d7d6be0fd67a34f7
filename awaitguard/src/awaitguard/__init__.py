"""Finds where the two sides of an async interface disagree about how it is called.

The command `awaitguard` checks source trees. The functions here are for tests: they look at live objects, and at dotted
names without importing them.
"""

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
