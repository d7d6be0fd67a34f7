"""What the walker knows by name: builtins, functions and uses of values that call for attention."""

from __future__ import annotations

import ast
import builtins
import sys
from typing import Final

from awaitguard.read.summary import Use

BUILTINS: Final = frozenset(dir(builtins))
# Builtins whose calls are followed; all others give plain values.
FOLLOWED_BUILTINS: Final = frozenset({"super", "type", "map", "filter", "sorted", "min", "max", "staticmethod", "classmethod",
    "property", "object", "open", "anext", "aiter", "list", "tuple", "set", "next", "iter", "Exception", "BaseException"})  # fmt: skip
LOGGERS: Final = frozenset({"log", "logger", "logging", "_log", "_logger", "LOG", "LOGGER", "_LOGGER"})
# Methods that give text, numbers or truth whatever they are called on.
PLAIN_METHODS: Final = frozenset({"upper", "lower", "strip", "lstrip", "rstrip", "title", "capitalize", "casefold", "swapcase",
    "splitlines", "startswith", "endswith", "isdigit", "isalpha", "isalnum", "isspace", "zfill", "ljust", "rjust", "rsplit",
    "partition", "rpartition", "isoformat", "strftime", "total_seconds", "hexdigest", "bit_length"})  # fmt: skip
# What only coroutines, tasks and futures have: who asks for it knows what is there.
OF_COROUTINES: Final = frozenset({"close", "send", "throw", "cr_frame", "cr_running", "cr_code", "cr_await", "cr_origin", "__name__",
    "__qualname__", "__await__", "add_done_callback", "cancel", "result", "done"})  # fmt: skip
# Of these, what is most often meant for the result if that has it too.
OF_BOTH: Final = frozenset({"send", "result", "cancel", "done"})
PASSING_FUNCTIONS: Final = frozenset({"list", "tuple", "set", "frozenset", "iter", "zip", "next"})
ASKS_COLOUR: Final = frozenset({"isawaitable", "iscoroutine", "iscoroutinefunction", "isasyncgenfunction", "isasyncgen",
    "isfuture", "is_async_callable", "is_coroutine_function", "is_coroutine", "is_awaitable", "iscoroutinefunc",
    "isgenerator", "isgeneratorfunction", "is_async", "maybe_await", "is_coroutine_callable",
    "is_async_gen_callable", "is_gen_callable", "_is_coroutine", "markcoroutinefunction"})  # fmt: skip
ASKS_KIND: Final = frozenset({"hasattr", "callable", "isinstance", "issubclass", "isclass", "isfunction", "ismethod"})
ASKS_LOOP: Final = frozenset(
    {"fork", "get_running_loop", "_get_running_loop", "is_running", "sniff", "current_async_library"}
)
FILLS_NAMESPACES: Final = frozenset({"exec", "globals", "setattr", "vars", "locals", "__setattr__"})
# Functions by these names await what may be a coroutine.
TAKES_BOTH: Final = frozenset({"maybe_future", "maybe_await", "maybe_coroutine", "maybe_async", "maybe_awaitable", "await_maybe",
    "ensure_async", "await_if_needed", "await_if_coroutine"})  # fmt: skip
TELLING_CALLS: Final = TAKES_BOTH | FILLS_NAMESPACES | ASKS_COLOUR | ASKS_LOOP | ASKS_KIND
SCHEDULERS: Final = frozenset({"gather", "create_task", "ensure_future", "wait_for", "shield", "run_until_complete",
    "run_coroutine_threadsafe", "run", "as_completed", "wait"})  # fmt: skip
# Methods that are looked at even when nothing is known about the object: their names say enough.
TELLING_METHODS: Final = SCHEDULERS - {"run", "wait", "shield", "gather", "as_completed"} | {"submit", "run_forever", "run_in_executor",
    "call_soon", "call_later", "call_at", "call_soon_threadsafe", "add_done_callback", "add_signal_handler",
    "add_reader", "add_writer", "sort"}  # fmt: skip
FILLING_METHODS: Final = frozenset({"append", "add", "insert", "appendleft", "setdefault", "extend", "update"})
CONTAINER_CALLS: Final = {"list": "list", "set": "list", "deque": "list", "dict": "dict", "defaultdict": "dict",
    "OrderedDict": "dict"}  # fmt: skip
# Modules of the standard library whose functions matter for colours; the rest is looked at only where it is awaited.
FOLLOWED_LIBRARY: Final = frozenset({"asyncio", "contextlib", "functools", "threading", "concurrent", "signal", "atexit",
    "dataclasses", "abc", "typing", "types", "multiprocessing", "enum", "collections", "inspect", "unittest", "itertools",
    "weakref", "queue"})  # fmt: skip
QUIET_LIBRARY: Final = frozenset(sys.stdlib_module_names) - FOLLOWED_LIBRARY

# Functions that only show what they are given: a coroutine that is awaited elsewhere may be shown on purpose.
SHOWING: Final = frozenset({"print", "str", "repr", "format", "ascii"})
# Uses by which a coroutine in a variable comes to be awaited, here or elsewhere.
DRIVING: Final = frozenset({Use.AWAIT, Use.SCHEDULED, Use.ARGUMENT, Use.YIELD, Use.ELEMENT, Use.RETURN})
KEEP_UNKNOWN: Final = frozenset({Use.AWAIT, Use.ASYNC_WITH, Use.ASYNC_ITERATE, Use.SCHEDULED})
# A container with coroutines is handed over in these uses, and whoever gets it may await them.
HANDED_OVER: Final = frozenset({Use.ARGUMENT, Use.AWAIT, Use.YIELD, Use.CALLEE, Use.OTHER, Use.ITERATE, Use.ASYNC_ITERATE,
    Use.SCHEDULED, Use.SUBSCRIPT, Use.ATTRIBUTE, Use.WITH, Use.ASYNC_WITH, Use.UNPACKED})  # fmt: skip
LOOKS_AT: Final = frozenset(
    {Use.TRUTH, Use.COMPARE, Use.FORMAT, Use.VALUE_ARGUMENT, Use.LOGGED, Use.STATEMENT, Use.OPERAND}
)
TRACKED_USES: Final = frozenset(
    {Use.TRUTH, Use.COMPARE, Use.FORMAT, Use.OPERAND, Use.SUBSCRIPT, Use.VALUE_ARGUMENT, Use.LOGGED}
)
USES_OF_GLOBALS: Final = frozenset({Use.SUBSCRIPT, Use.OPERAND, Use.FORMAT})
SITED_USES: Final = frozenset({Use.AWAIT, Use.WITH, Use.ASYNC_WITH, Use.ITERATE, Use.ASYNC_ITERATE, Use.UNPACKED})
VALUE_USES: Final = frozenset({Use.ATTRIBUTE, Use.SUBSCRIPT, Use.OPERAND, Use.FORMAT, Use.COMPARE, Use.TRUTH, Use.ITERATE,
    Use.UNPACKED, Use.VALUE_ARGUMENT, Use.LOGGED})  # fmt: skip
OWNED_USES: Final = frozenset({Use.ELEMENT, Use.STORED, Use.MAPPED})
PARENT_SITES: Final = frozenset({Use.ARGUMENT, Use.VALUE_ARGUMENT, Use.LOGGED, Use.SCHEDULED, Use.AWAIT})
CONTAINER_NODES: Final = frozenset({ast.List, ast.Tuple, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp})
