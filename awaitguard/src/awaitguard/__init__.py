"""Finds where the two sides of an async interface disagree about how it is called.

The command `awaitguard` checks source trees. The functions here are for tests: they look at live objects, and at dotted
names without importing them.
"""

import itertools
import sys

# `python -m awaitguard` puts the working directory first, and there a project's http.py or token.py would take the place
# of the library's. While the package is imported for it, `-m` stands where the module's path will.
if (
    sys.argv[:1] == ["-m"]
    and not sys.flags.safe_path
    and __name__
    in [
        name.split(".")[0]
        for option, name in itertools.pairwise(sys.orig_argv)
        if option[:1] == "-" and option[-1:] == "m"
    ]
):
    del sys.path[0]

from awaitguard.testing.compliance import Mismatch, assert_family, assert_same_interface, check_interface
from awaitguard.testing.live import Parameter, Signature, signature
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
